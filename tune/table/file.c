/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables as files: where the one in effect is, and its text. */
#include "tune/table/table.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

/* Up to `len` bytes, fewer where the file has become shorter. */
static int read_all(int fd, const char *path, char *buf, size_t *len)
{
    size_t got = 0;
    while (got < *len) {
        ssize_t n = read(fd, buf + got, *len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vc_fail(VC_ERR_SYS, "%s: %s", path, strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *len = got;
    return VC_OK;
}

static int read_open(int fd, const char *path, char **text, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return vc_fail(VC_ERR_SYS, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return vc_fail(VC_ERR_INVAL, "%s is %s, not a file: name a tuning table", path,
                       S_ISDIR(st.st_mode)    ? "a directory"
                       : S_ISFIFO(st.st_mode) ? "a pipe"
                                              : "a device");
    if ((unsigned long long)st.st_size > VC_TABLE_MAX)
        return vc_fail(VC_ERR_INVAL, "%s has %lld bytes, a tuning table at most %zu: is this one?", path,
                       (long long)st.st_size, VC_TABLE_MAX);
    size_t size = (size_t)st.st_size;
    char *buf = malloc(size + 1);
    if (!buf)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %s", path);
    int err = read_all(fd, path, buf, &size);
    if (err != VC_OK) {
        free(buf);
        return err;
    }
    buf[size] = '\0';
    *text = buf;
    *len = size;
    return VC_OK;
}

int vc_table_read(const char *path, char **text, size_t *len)
{
    /* Without O_NONBLOCK, opening a pipe without a writer would hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return vc_fail(VC_ERR_SYS, "%s: %s", path, strerror(errno));
    int err = read_open(fd, path, text, len), saved = errno;
    close(fd);
    errno = saved;
    return err;
}

/* ---- finding ---- */

/* Anything of that name counts, so that a table that cannot be read is told and not passed over. */
static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool try_path(char *path, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool try_path(char *path, size_t len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, len, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < len && exists(path);
}

/* The directory of what this code is part of: the shared library, or a program. */
static bool own_directory(char *dir, size_t len, bool *library)
{
    Dl_info info;
    char *file = NULL;
    *library = false;
    if (dladdr((const void *)vc_table_builtin_text, &info) && info.dli_fname) {
        const char *name = strrchr(info.dli_fname, '/');
        *library = name && strncmp(name, "/libvcoll.so", strlen("/libvcoll.so")) == 0;
    }
    file = realpath(*library ? info.dli_fname : "/proc/self/exe", NULL);
    char *slash = file ? strrchr(file, '/') : NULL;
    bool fits = slash && (size_t)(slash - file) < len;
    if (fits) {
        *slash = '\0';
        snprintf(dir, len, "%s", file);
    }
    free(file);
    return fits;
}

/* Beside the library or the program, whatever the prefix was moved to; or in a build tree. */
static bool installed(char *path, size_t len)
{
    char dir[PATH_MAX];
    bool library;
    if (!own_directory(dir, sizeof dir, &library))
        return false;
    if (library)
        return try_path(path, len, "%s/" VC_SHARE_FROM_LIB "/table.json", dir) ||
               try_path(path, len, "%s/../tune/table.json", dir);
    return try_path(path, len, "%s/" VC_SHARE_FROM_BIN "/table.json", dir) ||
           try_path(path, len, "%s/" VC_SHARE_FROM_LIBEXEC "/table.json", dir) ||
           try_path(path, len, "%s/../tune/table.json", dir);
}

static bool search(char *path, size_t len)
{
    const char *xdg = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
    if (xdg && xdg[0] == '/') { /* the specification tells to ignore relative ones */
        if (try_path(path, len, "%s/vcoll/table.json", xdg))
            return true;
    } else if (home && home[0] && try_path(path, len, "%s/.config/vcoll/table.json", home)) {
        return true;
    }
    return try_path(path, len, "/etc/vcoll/table.json") || installed(path, len);
}

int vc_table_locate(const char *setting, char *path, size_t len)
{
    if (setting[0] == '\0' || strcasecmp(setting, "auto") == 0) {
        if (!search(path, len))
            path[0] = '\0';
        return VC_OK;
    }
    path[0] = '\0';
    if (strcasecmp(setting, "none") == 0)
        return VC_OK;
    if (strlen(setting) >= len)
        return vc_fail(VC_ERR_INVAL, "VCOLL_TABLE: the name has more than %zu characters", len - 1);
    if (!exists(setting))
        return vc_fail(VC_ERR_INVAL, "VCOLL_TABLE=%s: %s; valid: auto, none, or the name of a table", setting,
                       strerror(errno));
    snprintf(path, len, "%s", setting);
    return VC_OK;
}
