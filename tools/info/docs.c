/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference of all settings as documents. Only definitions: the output is the same on every machine. */
#include "tools/info/info.h"

#include <stdio.h>

void info_print_markdown(void)
{
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    printf("<!-- SPDX-License-Identifier: BSD-3-Clause -->\n"
           "<!-- Written by `vcoll info --params --markdown`; a test compares the two. -->\n"
           "# Parameters\n\n"
           "Each is an environment variable, and a line `NAME=value` (without `VCOLL_`) of `/etc/vcoll.conf` "
           "or\n"
           "`~/.config/vcoll/vcoll.conf` (`$XDG_CONFIG_HOME/vcoll/vcoll.conf`). The environment wins over "
           "the user's\n"
           "file, that over the system's. An empty value counts as not given. Sizes are bytes, or have `k`, "
           "`m` or\n"
           "`g` (powers of 1024). An unknown `VCOLL_` variable is one warning that names the nearest one; a "
           "bad\n"
           "value is an error that names the valid ones.\n\n"
           "Parameters must be equal on all ranks of a job unless it says *may differ*; otherwise vcoll "
           "steps aside\n"
           "on all of them, with one warning.\n\n"
           "A program that has more rights than its user (set-user-ID, file capabilities) reads no file of "
           "the user's\n"
           "and takes the name of no file or library from the environment.\n");
    for (int i = 0; i < n; i++)
        printf("\n## VCOLL_%s\n\n%s\n\n- valid: `%s`\n- default: %s%s%s\n%s", d[i].name, d[i].help,
               d[i].values, d[i].deflt[0] ? "`" : "", d[i].deflt[0] ? d[i].deflt : "none",
               d[i].deflt[0] ? "`" : "", d[i].local ? "- may differ between ranks\n" : "");
}

/* Text inside a line of troff: a hyphen that is to be copied is written \-, a backslash \e. */
static void troff(const char *s)
{
    for (; *s; s++) {
        if (*s == '-')
            fputs("\\-", stdout);
        else if (*s == '\\')
            fputs("\\e", stdout);
        else
            putchar(*s);
    }
}

void info_print_man(void)
{
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    for (int i = 0; i < n; i++) {
        printf(".TP\n.B VCOLL_%s\n", d[i].name);
        troff(d[i].help);
        printf("\n.br\nValid: ");
        troff(d[i].values);
        printf("\n.br\nDefault: ");
        troff(d[i].deflt[0] ? d[i].deflt : "none");
        printf("%s\n", d[i].local ? "\n.br\nMay differ between ranks." : "");
    }
}
