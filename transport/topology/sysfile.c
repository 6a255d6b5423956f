/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/sysfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False when the path does not fit: then there is no such file. */
static bool join(char *path, const char *root, const char *fmt, va_list ap)
{
    size_t n = root ? strlen(root) : 0;
    if (n >= PATH_MAX)
        return false;
    memcpy(path, root ? root : "", n);
    int m = vsnprintf(path + n, PATH_MAX - n, fmt, ap);
    return m >= 0 && (size_t)m < PATH_MAX - n;
}

#define JOIN(path)                                                                                           \
    char path[PATH_MAX];                                                                                     \
    va_list ap;                                                                                              \
    va_start(ap, fmt);                                                                                       \
    bool fits = join(path, root, fmt, ap);                                                                   \
    va_end(ap)

static bool read_file(const char *path, char *buf, size_t len)
{
    buf[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(buf, 1, len - 1, f);
    bool ok = !ferror(f);
    fclose(f);
    while (n > 0 && isspace((unsigned char)buf[n - 1]))
        n--;
    buf[n] = '\0';
    return ok;
}

bool vc_sys_read(const char *root, char *buf, size_t len, const char *fmt, ...)
{
    JOIN(path);
    buf[0] = '\0';
    return fits && read_file(path, buf, len);
}

char *vc_sys_read_all(const char *root, const char *name)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s%s", root ? root : "", name) >= sizeof path)
        return NULL;
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    /* Files of /proc have no size to ask for. */
    size_t cap = 4096, n = 0;
    char *buf = malloc(cap);
    while (buf) {
        n += fread(buf + n, 1, cap - 1 - n, f);
        if (n < cap - 1)
            break;
        char *bigger = realloc(buf, cap *= 2);
        if (!bigger)
            free(buf);
        buf = bigger;
    }
    if (buf && ferror(f)) {
        free(buf);
        buf = NULL;
    }
    fclose(f);
    if (buf)
        buf[n] = '\0';
    return buf;
}

bool vc_sys_number(const char *root, long long *out, const char *fmt, ...)
{
    JOIN(path);
    char text[64], *end;
    if (!fits || !read_file(path, text, sizeof text) || !text[0])
        return false;
    errno = 0;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    long long v = strtoll(text, &end, hex ? 16 : 10);
    if (*end || errno)
        return false;
    *out = v;
    return true;
}

bool vc_sys_exists(const char *root, const char *fmt, ...)
{
    JOIN(path);
    return fits && access(path, F_OK) == 0;
}

bool vc_sys_link_name(const char *root, char *buf, size_t len, const char *fmt, ...)
{
    JOIN(path);
    buf[0] = '\0';
    char target[PATH_MAX];
    ssize_t n = fits ? readlink(path, target, sizeof target - 1) : -1;
    if (n <= 0)
        return false;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(buf, len, "%s", slash ? slash + 1 : target);
    return buf[0] != '\0';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int vc_sys_list(const char *root, struct vc_sys_names *names, const char *fmt, ...)
{
    JOIN(path);
    names->n = 0;
    DIR *d = fits ? opendir(path) : NULL;
    if (!d)
        return 0;
    const int max = (int)(sizeof names->name / sizeof names->name[0]);
    for (struct dirent *e; names->n < max && (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] == '.' || len >= sizeof names->name[0])
            continue;
        memcpy(names->name[names->n++], e->d_name, len + 1);
    }
    closedir(d);
    qsort(names->name, (size_t)names->n, sizeof names->name[0], by_name);
    return names->n;
}
