/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/cpus.h"

#include "transport/base.h"
#include "transport/topology/sysfile.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int vc_cpus_allowed(cpu_set_t *set)
{
    if (set)
        CPU_ZERO(set);
    /* The kernel refuses masks smaller than its own, so grow until it accepts. */
    for (int cpus = CPU_SETSIZE; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC(cpus);
        size_t bytes = CPU_ALLOC_SIZE(cpus);
        if (!mask)
            break;
        memset(mask, 0, bytes);
        if (sched_getaffinity(0, bytes, mask) == 0) {
            int n = CPU_COUNT_S(bytes, mask);
            if (set)
                memcpy(set, mask, sizeof *set);
            CPU_FREE(mask);
            return n > 0 ? n : 1;
        }
        CPU_FREE(mask);
        if (errno != EINVAL)
            break;
    }
    return 1;
}

/* Not fmin(): the library would need libm for it. */
static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* ---- control groups ---- */

/* Octal escapes of mountinfo: \040 is a blank. */
static void unescape(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
            s[3] <= '7') {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = list; s; s = strchr(s, ','), s = s ? s + 1 : NULL)
        if (strncmp(s, word, n) == 0 && (s[n] == ',' || s[n] == '\0'))
            return true;
    return false;
}

bool vc_cgroup_path(const char *cgroups, const char *controller, char *path, size_t len)
{
    for (const char *line = cgroups; *line;) {
        const char *end = strchrnul(line, '\n');
        char text[PATH_MAX];
        if ((size_t)(end - line) < sizeof text) {
            memcpy(text, line, (size_t)(end - line));
            text[end - line] = '\0';
            char *controllers = strchr(text, ':'), *where = controllers ? strchr(controllers + 1, ':') : NULL;
            if (where) {
                *where++ = '\0';
                *controllers++ = '\0';
                bool is_v2 = strcmp(text, "0") == 0 && *controllers == '\0';
                if (controller ? !is_v2 && has_word(controllers, controller) : is_v2) {
                    snprintf(path, len, "%s", where);
                    return true;
                }
            }
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

/* `path` below `base`: the rest behind it, "" when equal; NULL when it is elsewhere. */
static const char *below(const char *base, const char *path)
{
    size_t n = strlen(base);
    if (n == 1) /* "/" */
        return strcmp(path, "/") == 0 ? "" : path;
    if (strncmp(path, base, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path + n;
}

/*
 * Where the hierarchy is mounted and which directory below it is ours. A container sees a mount whose root is
 * its own group; without a cgroup namespace the path in /proc/self/cgroup then begins with that root, with
 * one it is "/".
 */
static bool group_dir(const char *mountinfo, bool v2, const char *path, char *mount, char *rest, size_t len)
{
    bool found = false;
    for (const char *line = mountinfo; *line;) {
        const char *end = strchrnul(line, '\n');
        char text[2 * PATH_MAX];
        size_t n = (size_t)(end - line);
        const char *start = line;
        line = *end ? end + 1 : end;
        if (n >= sizeof text)
            continue;
        memcpy(text, start, n);
        text[n] = '\0';
        /* id parent major:minor root mount options [fields] - type source superoptions */
        char *tail = strstr(text, " - ");
        if (!tail)
            continue;
        *tail = '\0';
        char type[32], super[512], base[PATH_MAX], where[PATH_MAX];
        if (sscanf(tail + 3, "%31s %*s %511s", type, super) != 2 ||
            sscanf(text, "%*s %*s %*s %4095s %4095s", base, where) != 2)
            continue;
        if (v2 ? strcmp(type, "cgroup2") != 0 : (strcmp(type, "cgroup") != 0 || !has_word(super, "cpu")))
            continue;
        unescape(base);
        unescape(where);
        const char *tail_path = below(base, path);
        if (found && !tail_path)
            continue;
        snprintf(mount, len, "%s", where);
        snprintf(rest, len, "%s", tail_path ? tail_path : "");
        found = true;
        if (tail_path)
            break;
    }
    return found;
}

/* One directory's limit in CPUs; INFINITY: none. */
static double limit_of(const char *root, bool v2, const char *dir)
{
    double quota, period;
    if (v2) {
        char text[64];
        if (!vc_sys_read(root, text, sizeof text, "%s/cpu.max", dir) ||
            sscanf(text, "%lf %lf", &quota, &period) != 2) /* "max 100000" is no number */
            return INFINITY;
    } else {
        long long q, p;
        if (!vc_sys_number(root, &q, "%s/cpu.cfs_quota_us", dir) ||
            !vc_sys_number(root, &p, "%s/cpu.cfs_period_us", dir))
            return INFINITY;
        quota = (double)q;
        period = (double)p;
    }
    return quota > 0 && period > 0 ? quota / period : INFINITY;
}

static double hierarchy_quota(const char *root, bool v2, const char *cgroups, const char *mountinfo)
{
    char path[PATH_MAX], mount[PATH_MAX], rest[PATH_MAX];
    if (!vc_cgroup_path(cgroups, v2 ? NULL : "cpu", path, sizeof path) ||
        !group_dir(mountinfo, v2, path, mount, rest, sizeof mount))
        return INFINITY;
    double least = INFINITY;
    for (;;) {
        char dir[2 * PATH_MAX];
        snprintf(dir, sizeof dir, "%s%s", strcmp(mount, "/") == 0 ? "" : mount, rest);
        least = smaller(least, limit_of(root, v2, dir));
        char *slash = strrchr(rest, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

double vc_cpus_quota(const char *root)
{
    char *cgroups = vc_sys_read_all(root, "/proc/self/cgroup");
    char *mountinfo = vc_sys_read_all(root, "/proc/self/mountinfo");
    double least = INFINITY;
    if (cgroups && mountinfo)
        least = smaller(hierarchy_quota(root, true, cgroups, mountinfo),
                        hierarchy_quota(root, false, cgroups, mountinfo));
    free(cgroups);
    free(mountinfo);
    return least;
}

double vc_cpus_available_at(const char *root)
{
    return smaller((double)vc_cpus_allowed(NULL), vc_cpus_quota(root));
}

double vc_cpus_available(void)
{
    return vc_cpus_available_at(NULL);
}

/* ---- stolen time ---- */

int vc_steal_read_at(const char *root, uint64_t *steal, uint64_t *total)
{
    char text[512];
    unsigned long long t[8];
    if (!vc_sys_read(root, text, sizeof text, "/proc/stat") ||
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
               &t[6], &t[7]) != 8)
        return vc_fail(VC_ERR_UNSUPPORTED, "/proc/stat has no line of CPU times with stolen time");
    /* user nice system idle iowait irq softirq steal; guest time that follows is part of user. */
    *steal = t[7];
    *total = 0;
    for (int i = 0; i < 8; i++)
        *total += t[i];
    return VC_OK;
}

int vc_steal_read(uint64_t *steal, uint64_t *total)
{
    return vc_steal_read_at(NULL, steal, total);
}
