/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/print/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct terminal terminal_look(void)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    struct winsize ws;
    struct terminal t = {.columns = 100};
    t.color = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no && *no);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= 40)
        t.columns = ws.ws_col < 120 ? ws.ws_col : 120;
    return t;
}

const char *terminal_paint(const struct terminal *t, const char *sequence)
{
    return t->color ? sequence : "";
}

void terminal_wrap(const struct terminal *t, int indent, const char *text)
{
    int at = indent;
    for (const char *s = text; *s;) {
        int n = (int)strcspn(s, " ");
        if (at > indent && at + n + 1 > t->columns) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", n, s);
        at += n;
        s += n;
        s += strspn(s, " ");
    }
    putchar('\n');
}

void terminal_line(const struct terminal *t, int indent, const char *label, const char *text)
{
    printf("  %-*s", indent - 2, label);
    terminal_wrap(t, indent, text);
}

bool json_print(json_t *document)
{
    bool ok = document && json_dumpf(document, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(document);
    return ok;
}

json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    char *clean = strdup(s);
    for (char *c = clean; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    j = json_string(clean ? clean : "");
    free(clean);
    return j;
}

json_t *json_text_or_null(const char *s)
{
    return s[0] ? json_text(s) : json_null();
}
