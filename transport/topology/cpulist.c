/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of CPUs as text, and the processor's name. */
#include "transport/base.h"
#include "transport/topology/levels.h"
#include "transport/topology/sysfile.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number at *text, which is left behind it. -1: there is none, or it is too large. */
static int parse_cpu(const char **text)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return -1;
    unsigned long v = strtoul(*text, &end, 10);
    *text = end;
    return v < VC_LEVELS_CPUS ? (int)v : -1;
}

bool vc_cpu_list_parse(const char *text, uint64_t mask[VC_MASK_WORDS])
{
    memset(mask, 0, VC_MASK_WORDS * sizeof *mask);
    if (!*text)
        return true;
    for (;;) {
        int first = parse_cpu(&text), last = first;
        if (*text == '-') {
            text++;
            last = parse_cpu(&text);
        }
        if (first < 0 || last < first)
            return false;
        for (int cpu = first; cpu <= last; cpu++)
            mask[cpu / 64] |= UINT64_C(1) << cpu % 64;
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
}

char *vc_cpu_list_text(const uint64_t mask[VC_MASK_WORDS], char *buf, size_t len)
{
    buf[0] = '\0';
    for (int first = 0; first < VC_LEVELS_CPUS; first++) {
        if (!vc_cpu_has(mask, first))
            continue;
        int last = first;
        while (last + 1 < VC_LEVELS_CPUS && vc_cpu_has(mask, last + 1))
            last++;
        vc_append(buf, len, last > first ? "%s%d-%d" : "%s%d", buf[0] ? "," : "", first, last);
        first = last;
    }
    return buf;
}

int vc_cpu_lowest(const uint64_t mask[VC_MASK_WORDS])
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        if (mask[i])
            return 64 * i + __builtin_ctzll(mask[i]);
    return -1;
}

/* The value of a line "key : value" in the text of /proc/cpuinfo. "" when it has none. */
static void find_value(const char *text, const char *key, char *out, size_t len)
{
    size_t n = strlen(key);
    out[0] = '\0';
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, key, n) != 0)
            continue;
        const char *value = line + n + strspn(line + n, " \t");
        if (*value++ != ':')
            continue;
        value += strspn(value, " \t");
        snprintf(out, len, "%.*s", (int)strcspn(value, "\n"), value);
        return;
    }
}

void vc_processor(const char *root, char *name, size_t len, int *cpus)
{
    char text[4096], vendor[32], part[32];
    uint64_t online[VC_MASK_WORDS];
    *cpus = 0;
    name[0] = '\0';
    /* The kernel makes the file as it is read, which takes long for hundreds of CPUs. */
    if (vc_sys_read(root, text, sizeof text, "/proc/cpuinfo")) {
        find_value(text, "model name", name, len);
        find_value(text, "CPU implementer", vendor, sizeof vendor);
        find_value(text, "CPU part", part, sizeof part);
        if (!name[0] && vendor[0] && part[0])
            snprintf(name, len, "implementer %s part %s", vendor, part);
    }
    if (!vc_sys_read(root, text, sizeof text, "/sys/devices/system/cpu/online") ||
        strlen(text) == sizeof text - 1 || !vc_cpu_list_parse(text, online))
        return;
    for (int i = 0; i < VC_MASK_WORDS; i++)
        *cpus += __builtin_popcountll(online[i]);
}
