/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/calibrate/cache.h"

#include "transport/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX 16384
#define PREFIX   "costs-"

void vc_costs_dir(char *dir, size_t len)
{
    static const char *const variables[] = {"XDG_RUNTIME_DIR", "XDG_CACHE_HOME"};
    dir[0] = '\0';
    if (getauxval(AT_SECURE))
        return;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *at = secure_getenv(variables[i]);
        struct stat st;
        if (at && at[0] == '/' && strlen(at) < len - 8 && stat(at, &st) == 0 && S_ISDIR(st.st_mode)) {
            snprintf(dir, len, "%s/vcoll", at);
            return;
        }
    }
    snprintf(dir, len, "/tmp/vcoll-%ld", (long)geteuid());
}

static void hex(const unsigned char *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The whole key is in the name as well, so that hosts that share a directory do not share files. */
static void name_file(const struct vc_costs_key *key, char name[48])
{
    uint64_t h = vc_hash(VC_HASH_START, key->boot_id, sizeof key->boot_id);
    h = vc_hash(h, &key->cpus, sizeof key->cpus);
    h = vc_hash(h, VC_VERSION, sizeof VC_VERSION);
    snprintf(name, 48, PREFIX "%016llx.json", (unsigned long long)h);
}

/* Whether nobody but this user can have made it. */
static bool is_own(const struct stat *st)
{
    return st->st_uid == geteuid() && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* -1, with the reason; "" where there is none. */
static int open_dir(const char *dir, char *why, size_t len)
{
    struct stat st;
    why[0] = '\0';
    int fd = dir[0] ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0) {
        if (dir[0] && errno != ENOENT)
            snprintf(why, len, "%s: %s", dir, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) == 0 && is_own(&st))
        return fd;
    snprintf(why, len, "%s: it belongs to another user, or others may write to it", dir);
    close(fd);
    return -1;
}

/* ---- reading ---- */

static char *read_file(int dir, const char *name, char *why, size_t len)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            snprintf(why, len, "%s: %s", name, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_own(&st) || st.st_nlink != 1) {
        snprintf(why, len, "%s: it is no file of this user's own", name);
    } else if (st.st_size > FILE_MAX || !(text = calloc(1, FILE_MAX + 1))) {
        snprintf(why, len, "%s: it is too long", name);
    } else {
        ssize_t n = read(fd, text, FILE_MAX);
        if (n < 0)
            n = 0;
        text[n] = '\0';
    }
    close(fd);
    return text;
}

/* A list of numbers in the order of the figures. */
static bool read_start(const json_t *list, struct vc_costs *out)
{
    bool good = json_array_size(list) == VC_COSTS_COUNT;
    for (size_t i = 0; good && i < VC_COSTS_COUNT; i++) {
        const json_t *v = json_array_get(list, i);
        good = json_is_integer(v) && json_integer_value(v) >= 0;
        if (good)
            vc_cost_set(out, i, (uint64_t)json_integer_value(v));
    }
    vc_costs_sane(out);
    return good;
}

static bool read_starts(const json_t *starts, struct vc_costs_file *out)
{
    size_t n = json_array_size(starts);
    bool good = json_is_array(starts) && n > 0 && n <= VC_COSTS_STARTS;
    for (size_t i = 0; good && i < n; i++)
        good = read_start(json_array_get(starts, i), &out->start[i]);
    out->starts = good ? (int)n : 0;
    return good;
}

static bool parse(const char *text, struct vc_costs_file *out)
{
    const char *version = "", *boot = "", *measured = "", *cpus = "";
    char own[33];
    json_int_t budget = 0;
    json_t *figures = NULL, *starts = NULL, *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool good = root && json_unpack(root, "{s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "vcoll", &version, "boot_id",
                                    &boot, "cpus", &cpus, "measured", &measured, "figures", &figures,
                                    "starts", &starts, "too_short_ns", &budget) == 0;
    hex(out->key.boot_id, sizeof out->key.boot_id, own);
    good = good && strcmp(version, VC_VERSION) == 0 && strcmp(boot, own) == 0 && json_is_object(figures);
    good = good && budget >= 0 && read_starts(starts, out);
    memset(&out->costs, 0, sizeof out->costs);
    for (size_t i = 0; good && i < VC_COSTS_COUNT; i++) {
        const json_t *v = json_object_get(figures, vc_cost_info[i].name);
        good = json_is_integer(v) && json_integer_value(v) >= 0;
        if (good)
            vc_cost_set(&out->costs, i, (uint64_t)json_integer_value(v));
    }
    if (good) {
        out->budget_ns = (uint64_t)budget;
        out->key.cpus = strtoull(cpus, NULL, 16);
        snprintf(out->measured, sizeof out->measured, "%s", measured);
    }
    json_decref(root);
    vc_costs_sane(&out->costs);
    return good;
}

static bool load_one(int fd, const char *dir, const char *name, struct vc_costs_file *out, char *why,
                     size_t len)
{
    char *text = read_file(fd, name, why, len);
    if (!text)
        return false;
    bool good = parse(text, out);
    free(text);
    snprintf(out->path, sizeof out->path, "%.250s/%s", dir, name);
    if (!good)
        snprintf(why, len, "%s: it says nothing about this boot of the system, or is broken", out->path);
    return good;
}

bool vc_costs_load(const char *dir, const struct vc_costs_key *key, struct vc_costs_file *out, char *why,
                   size_t len)
{
    char name[48];
    memset(out, 0, sizeof *out);
    int fd = open_dir(dir, why, len);
    if (fd < 0)
        return false;
    name_file(key, name);
    out->key = *key;
    bool good = load_one(fd, dir, name, out, why, len);
    close(fd);
    if (good && out->key.cpus != key->cpus) {
        good = false;
        snprintf(why, len, "%s: it is about other CPUs", out->path);
    }
    return good;
}

bool vc_costs_newest(const char *dir, const unsigned char boot_id[16], struct vc_costs_file *out)
{
    char why[512];
    memset(out, 0, sizeof *out);
    int fd = open_dir(dir, why, sizeof why);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !d)
        close(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct vc_costs_file one;
        memset(&one, 0, sizeof one);
        memcpy(one.key.boot_id, boot_id, sizeof one.key.boot_id);
        if (strncmp(e->d_name, PREFIX, sizeof PREFIX - 1) == 0 && strlen(e->d_name) < 48 &&
            load_one(fd, dir, e->d_name, &one, why, sizeof why) && strcmp(one.measured, out->measured) > 0)
            *out = one;
    }
    if (d)
        closedir(d);
    return out->measured[0] != '\0';
}

/* ---- several starts ---- */

#define APART_SECONDS 60
#define BUDGET_MOST   UINT64_C(100000000)

bool vc_costs_wanted(const struct vc_costs_file *f)
{
    struct tm tm = {0};
    if (f->starts == 0)
        return true;
    if (f->starts >= VC_COSTS_STARTS)
        return false;
    if (f->budget_ns > 0)
        return true;
    const char *end = strptime(f->measured, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return end && *end == '\0' && time(NULL) - timegm(&tm) >= APART_SECONDS;
}

uint64_t vc_costs_budget(const struct vc_costs_file *f, uint64_t usual)
{
    uint64_t twice = f->budget_ns < BUDGET_MOST ? 2 * f->budget_ns : BUDGET_MOST;
    return twice > usual ? twice : usual;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void vc_costs_add(struct vc_costs_file *f, const struct vc_costs *start, uint64_t budget_ns)
{
    f->budget_ns = budget_ns;
    if (f->starts < VC_COSTS_STARTS)
        f->start[f->starts++] = *start;
    for (size_t i = 0; i < VC_COSTS_COUNT; i++) {
        uint64_t v[VC_COSTS_STARTS] = {0};
        size_t n = 0;
        for (int s = 0; s < f->starts; s++)
            if (vc_cost(&f->start[s], i))
                v[n++] = vc_cost(&f->start[s], i);
        qsort(v, n, sizeof *v, ascending);
        vc_cost_set(&f->costs, i, n ? v[(n - 1) / 2] : 0);
    }
}

/* ---- writing ---- */

static json_t *list_starts(const struct vc_costs_file *f)
{
    json_t *all = json_array();
    for (int s = 0; s < f->starts; s++) {
        json_t *one = json_array();
        for (size_t i = 0; i < VC_COSTS_COUNT; i++)
            json_array_append_new(one, json_integer((json_int_t)vc_cost(&f->start[s], i)));
        json_array_append_new(all, one);
    }
    return all;
}

static char *compose(const struct vc_costs_key *key, const struct vc_costs_file *f)
{
    char boot[33], cpus[17], when[32];
    struct tm tm;
    time_t now = time(NULL);
    hex(key->boot_id, sizeof key->boot_id, boot);
    snprintf(cpus, sizeof cpus, "%016llx", (unsigned long long)key->cpus);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    json_t *figures = json_object();
    for (size_t i = 0; i < VC_COSTS_COUNT; i++)
        json_object_set_new(figures, vc_cost_info[i].name, json_integer((json_int_t)vc_cost(&f->costs, i)));
    json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "vcoll", VC_VERSION, "boot_id", boot,
                             "cpus", cpus, "measured", when, "figures", figures, "starts", list_starts(f),
                             "too_short_ns", (json_int_t)f->budget_ns);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    return text;
}

static int save_fail(const char *what, const char *path)
{
    int e = errno;
    return vc_fail(VC_ERR_SYS, "%s %s failed: %s", what, path, strerror(e));
}

/* A file of its own name first, which nobody else can have, and then that of the figures. */
static int write_file(int dir, const char *name, const char *text)
{
    char draft[80];
    snprintf(draft, sizeof draft, ".%s.%ld", name, (long)getpid());
    unlinkat(dir, draft, 0); /* of a process that was killed and had this number */
    int fd = openat(dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return save_fail("making", draft);
    size_t len = strlen(text);
    bool good = write(fd, text, len) == (ssize_t)len;
    good = close(fd) == 0 && good;
    if (good && renameat(dir, draft, dir, name) == 0)
        return VC_OK;
    int err = save_fail("writing", draft);
    unlinkat(dir, draft, 0);
    return err;
}

int vc_costs_save(const char *dir, const struct vc_costs_key *key, const struct vc_costs_file *file)
{
    char why[512], name[48];
    if (!dir[0])
        return vc_fail(VC_ERR_UNSUPPORTED, "this program has rights that its user has not");
    if (mkdir(dir, S_IRWXU) != 0 && errno != EEXIST)
        return save_fail("making", dir);
    int fd = open_dir(dir, why, sizeof why);
    if (fd < 0)
        return vc_fail(VC_ERR_SYS, "%s", why[0] ? why : dir);
    name_file(key, name);
    char *text = compose(key, file);
    int err = text ? write_file(fd, name, text) : vc_fail(VC_ERR_NOMEM, "out of memory for %s", name);
    free(text);
    close(fd);
    return err;
}
