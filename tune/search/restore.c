/* SPDX-License-Identifier: BSD-3-Clause */
/* Putting a device's coalescing back: the file that says how it was before the tuner changed it, the lock of
 * those that change it, and what a killed run has left behind. */
#include "tune/search/guard.h"

#include "transport/base.h"
#include "transport/topology/sysfile.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK      "vcoll-tune-device"
#define TRIES     5 /* to put values back; a device that is just being reset refuses for a while */
#define TRY_WAIT  200000
#define PREFIX    "restore-"
#define MOST      65536 /* bytes of a file that could be ours */
#define BOOT_SLOP 60    /* seconds that the two clocks which tell the boot's time may be set apart */

/* This machine, as well as it can be told: a directory may be shared by many, and clones have the same name
 * and machine id. */
static void identify(char boot[64], char host[128], char machine[64], unsigned long long *netns)
{
    struct stat st;
    vc_sys_read(NULL, boot, 64, "/proc/sys/kernel/random/boot_id");
    vc_sys_read(NULL, host, 128, "/proc/sys/kernel/hostname");
    vc_sys_read(NULL, machine, 64, "/etc/machine-id");
    *netns = stat("/proc/self/ns/net", &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

bool vc_guard_dir(const struct vc_guard_env *env, char *dir, size_t len)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (env && env->dir)
        n = snprintf(dir, len, "%s", env->dir);
    else if (state && state[0] == '/')
        n = snprintf(dir, len, "%s/vcoll", state);
    else if (home && home[0] == '/' && home[1])
        n = snprintf(dir, len, "%s/.local/state/vcoll", home);
    else if (geteuid() == 0)
        n = snprintf(dir, len, "/var/lib/vcoll");
    return n > 0 && (size_t)n < len;
}

int vc_restore_name(const struct vc_guard_env *env, char *path, size_t len)
{
    char dir[PATH_MAX], boot[64], host[128], machine[64];
    unsigned long long netns;
    if (!vc_guard_dir(env, dir, sizeof dir))
        return vc_fail(VC_ERR_SYS,
                       "no place for the file that says what to put back: set XDG_STATE_HOME to a "
                       "directory that can be written");
    identify(boot, host, machine, &netns);
    if (!boot[0])
        return vc_fail(VC_ERR_SYS, "this kernel does not tell its boot_id (/proc is not mounted?)");
    if ((size_t)snprintf(path, len, "%s/" PREFIX "%s-%llu.json", dir, boot, netns) >= len)
        return vc_fail(VC_ERR_SYS, "the name of the directory %.64s... is too long", dir);
    return VC_OK;
}

/* ---- write ---- */

static bool make_dirs(const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return false;
        *p = '/';
    }
    return true;
}

static json_t *to_json(const struct vc_restore *r)
{
    char boot[64], host[128], machine[64];
    unsigned long long netns;
    json_t *before = json_object();
    identify(boot, host, machine, &netns);
    for (int f = 0; f < VC_COALESCE_FIELDS; f++)
        if (vc_coalesce_has(&r->saved.before, (enum vc_coalesce_field)f))
            json_object_set_new(before, vc_coalesce_name((enum vc_coalesce_field)f),
                                json_integer(r->saved.before.value[f]));
    return json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:I, s:o, s:I}", "vcoll_restore", 1, "boot_id", boot,
                     "host", host, "machine_id", machine, "netns", (json_int_t)netns, "netdev",
                     r->saved.netdev, "ifindex", (json_int_t)r->saved.ifindex, "before", before, "guard",
                     (json_int_t)r->guard);
}

static bool dump(json_t *o, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok =
        json_dumpf(o, f, JSON_INDENT(1)) == 0 && fputc('\n', f) != EOF && fflush(f) == 0 && fsync(fd) == 0;
    return fclose(f) == 0 && ok;
}

/* The name is in the directory for good only when that is on disk, too. */
static void sync_dir_of(const char *path)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int vc_restore_write(const char *path, const struct vc_restore *r)
{
    char draft[PATH_MAX + 8];
    json_t *o = to_json(r);
    snprintf(draft, sizeof draft, "%s.new", path);
    bool ok = o && make_dirs(path) && dump(o, draft) && rename(draft, path) == 0;
    int e = errno;
    json_decref(o);
    if (ok) {
        sync_dir_of(path);
        return VC_OK;
    }
    unlink(draft);
    errno = e;
    return vc_fail(VC_ERR_SYS,
                   "cannot note what is to be put back in %.200s: %s; set XDG_STATE_HOME to a directory that "
                   "can be written",
                   path, strerror(e));
}

static void remove_file(const char *path)
{
    if (unlink(path) == 0)
        sync_dir_of(path);
}

/* ---- read ---- */

static bool parse_values(json_t *before, struct vc_coalesce *c)
{
    const char *key;
    json_t *v;
    json_object_foreach(before, key, v)
    {
        int f = 0;
        while (f < VC_COALESCE_FIELDS && strcmp(key, vc_coalesce_name((enum vc_coalesce_field)f)) != 0)
            f++;
        if (f == VC_COALESCE_FIELDS || !json_is_integer(v) || json_integer_value(v) < 0 ||
            json_integer_value(v) > UINT32_MAX)
            return false;
        vc_coalesce_put(c, (enum vc_coalesce_field)f, (uint32_t)json_integer_value(v));
    }
    return c->has != 0;
}

static bool parse_file(json_t *o, struct vc_restore *r)
{
    int version;
    json_int_t ifindex, guard;
    const char *netdev;
    json_t *before;
    *r = (struct vc_restore){0};
    if (json_unpack(o, "{s:i, s:s, s:I, s:o, s:I}", "vcoll_restore", &version, "netdev", &netdev, "ifindex",
                    &ifindex, "before", &before, "guard", &guard) != 0)
        return false;
    if (version != 1 || strlen(netdev) >= sizeof r->saved.netdev || ifindex < 0 || ifindex > INT_MAX ||
        !json_is_object(before) || !parse_values(before, &r->saved.before))
        return false;
    r->saved.active = true;
    r->saved.owner = getpid();
    r->saved.ifindex = (uint32_t)ifindex;
    memcpy(r->saved.netdev, netdev, strlen(netdev) + 1);
    r->guard = guard;
    return true;
}

static json_t *load(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MOST)
        return NULL;
    return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

int vc_restore_read(const char *path, struct vc_restore *r)
{
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    json_t *o = load(path);
    bool ok = o && parse_file(o, r);
    json_decref(o);
    return ok ? 1
              : vc_fail(
                    VC_ERR_INVAL,
                    "%.200s says what to put back after a run that was killed, but cannot be read: look at "
                    "the device with \"ethtool -c\", then remove the file",
                    path);
}

/* ---- files of earlier boots ---- */

/* Its settings are gone if it is this machine's, from before it booted. */
static bool is_past(const char *path, const char *boot, const char *host, const char *machine)
{
    struct timespec real, up;
    struct stat st;
    const char *its_boot, *its_host, *its_machine;
    json_t *o = load(path);
    bool past = o &&
                json_unpack(o, "{s:s, s:s, s:s}", "boot_id", &its_boot, "host", &its_host, "machine_id",
                            &its_machine) == 0 &&
                strcmp(its_boot, boot) != 0 && strcmp(its_host, host) == 0 &&
                strcmp(its_machine, machine) == 0;
    json_decref(o);
    if (!past || stat(path, &st) != 0 || clock_gettime(CLOCK_REALTIME, &real) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &up) != 0)
        return false;
    return st.st_mtime < real.tv_sec - up.tv_sec - BOOT_SLOP;
}

static void tidy(const struct vc_guard_env *env)
{
    char dir[PATH_MAX], boot[64], host[128], machine[64], path[2 * PATH_MAX];
    unsigned long long netns;
    DIR *d = vc_guard_dir(env, dir, sizeof dir) ? opendir(dir) : NULL;
    if (!d)
        return;
    identify(boot, host, machine, &netns);
    for (const struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 || !strstr(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (is_past(path, boot, host, machine))
            unlink(path);
    }
    closedir(d);
}

/* ---- the lock ---- */

/* A descriptor to be closed, or -1 with errno (EADDRINUSE: another process has it). */
static int lock_host(const struct vc_guard_env *env)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", env && env->lock ? env->lock : LOCK);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

static int explain_lock(const char *path)
{
    struct vc_restore other;
    char who[64] = "";
    if (errno != EADDRINUSE)
        return vc_fail(VC_ERR_SYS, "cannot take the lock on this host's devices: %s", strerror(errno));
    if (vc_restore_read(path, &other) == 1)
        snprintf(who, sizeof who, " (its guard is process %lld)", other.guard);
    errno = EBUSY;
    return vc_fail(VC_ERR_UNSUPPORTED,
                   "another vcoll tune is changing devices on this host%s: let it end first", who);
}

/* ---- what was left behind ---- */

int vc_restore_put_back(const struct vc_guard_env *env, const char *path, struct vc_coalesce_saved *saved)
{
    int rc = VC_OK;
    for (int i = 0; i < TRIES; i++) {
        if (i > 0)
            usleep(TRY_WAIT);
        errno = 0;
        rc = vc_coalesce_restore(env ? env->nl : NULL, saved);
        /* What is not allowed, or not there, will not be in a second either. */
        if (rc == VC_OK || rc == VC_ERR_UNSUPPORTED || errno == EPERM || errno == EACCES || errno == ENODEV)
            break;
    }
    if (rc == VC_OK)
        remove_file(path);
    return rc;
}

/* With the lock held. As vc_guard_recover(). */
static int recover_locked(const struct vc_guard_env *env, const char *path, char *said, size_t len)
{
    struct vc_restore r;
    char values[256];
    int rc = vc_restore_read(path, &r);
    said[0] = '\0';
    if (rc <= 0)
        return rc;
    rc = vc_restore_put_back(env, path, &r.saved);
    if (rc != VC_OK && errno == ENODEV) {
        remove_file(path);
        snprintf(said, len, "a run that was killed had changed the coalescing of %s, which is gone since",
                 r.saved.netdev);
        return 1;
    }
    if (rc != VC_OK) {
        char why[512];
        snprintf(why, sizeof why, "%s", vc_error_text());
        return vc_fail(rc,
                       "a run that was killed has left the coalescing of %s changed, it was %.120s: %.300s",
                       r.saved.netdev, vc_coalesce_text(&r.saved.before, values, sizeof values), why);
    }
    snprintf(said, len, "coalescing of %s put back to %s (a run that was killed had left it changed)",
             r.saved.netdev, vc_coalesce_text(&r.saved.before, values, sizeof values));
    return 1;
}

int vc_restore_lock(const struct vc_guard_env *env, const char *path, char *said, size_t len, int *lock)
{
    said[0] = '\0';
    *lock = lock_host(env);
    if (*lock < 0)
        return explain_lock(path);
    int rc = recover_locked(env, path, said, len);
    if (rc < 0) {
        close(*lock);
        *lock = -1;
    }
    return rc;
}

int vc_guard_recover(const struct vc_guard_env *env, char *said, size_t len)
{
    char path[PATH_MAX];
    said[0] = '\0';
    /* Without a place for files there is none left. */
    if (vc_restore_name(env, path, sizeof path) != VC_OK)
        return 0;
    tidy(env);
    if (access(path, F_OK) != 0)
        return 0;
    int lock, rc = vc_restore_lock(env, path, said, len, &lock);
    if (lock >= 0)
        close(lock);
    return rc;
}
