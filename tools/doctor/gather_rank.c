/* SPDX-License-Identifier: BSD-3-Clause */
/* The facts of a rank. */
#include "tools/doctor/facts.h"

#include "transport/topology/cpus.h"
#include "transport/topology/sysfile.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* ---- the library ---- */

/* Set by the process that this one was before it went without the library. */
#define PRELOADED "VC_DOCTOR_LIBRARY"

static int find_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const char *slash = strrchr(info->dlpi_name, '/');
    if (strncmp(slash ? slash + 1 : info->dlpi_name, "libvcoll.so", 11) != 0)
        return 0;
    *(const char **)arg = info->dlpi_name;
    return 1;
}

/* LD_PRELOAD without the words that name the library. */
static char *without_library(const char *preload)
{
    char *copy = doc_copy(preload), *rest = doc_alloc(strlen(preload) + 1, 1), *at = NULL;
    for (char *word = strtok_r(copy, " :", &at); word; word = strtok_r(NULL, " :", &at)) {
        const char *slash = strrchr(word, '/');
        if (strncmp(slash ? slash + 1 : word, "libvcoll.so", 11) == 0)
            continue;
        if (rest[0])
            strcat(rest, ":");
        strcat(rest, word);
    }
    free(copy);
    return rest;
}

void doc_shed_library(char **argv)
{
    char real[PATH_MAX];
    const char *loaded = NULL, *preload = getenv("LD_PRELOAD");
    if (!dl_iterate_phdr(find_loaded, &loaded) || !loaded || !preload || getenv(PRELOADED) ||
        !realpath(loaded, real))
        return;
    char *rest = without_library(preload);
    setenv(PRELOADED, real, 1);
    if (rest[0])
        setenv("LD_PRELOAD", rest, 1);
    else
        unsetenv("LD_PRELOAD");
    free(rest);
    execv("/proc/self/exe", argv);
}

bool doc_library(char *path)
{
    const char *preloaded = getenv(PRELOADED);
    if (preloaded)
        snprintf(path, PATH_MAX, "%s", preloaded);
    return preloaded || facts_library(VC_LIB_FROM_DOCTOR, path);
}

/* Its path, because `vcoll run' preloads the same one on all nodes, and a hash of the bytes, because the
 * version does not tell two builds apart. */
static bool describe_library(char *buf, size_t len)
{
    char path[PATH_MAX];
    unsigned char block[1 << 14];
    uint64_t h = VC_HASH_START;
    buf[0] = '\0';
    FILE *f = doc_library(path) ? fopen(path, "re") : NULL;
    if (!f)
        return false;
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        h = vc_hash(h, block, n);
    fclose(f);
    snprintf(buf, len, "%.400s, %sfnv1a64:%016llx", path, getenv(PRELOADED) ? "preloaded, " : "",
             (unsigned long long)h);
    return true;
}

/* ---- settings ---- */

/* A process may have one of its own by its nature. */
static bool is_compared(const struct vc_param_def *d, bool local)
{
    return d->local == local && strcmp(d->name, "HOST_ID") != 0;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    return vc_hash(h, s, strlen(s));
}

void doc_settings_text(const struct vc_params *p, bool local, char *buf, size_t len)
{
    int n;
    size_t used = 0;
    uint64_t h = VC_HASH_START;
    const struct vc_param_def *d = vc_param_defs(&n);
    struct vc_params *plain = doc_alloc(1, sizeof *plain);
    *plain = *p;
    snprintf(buf, len, "defaults");
    for (int i = 0; i < n; i++) {
        char is[256] = "", was[256] = "";
        if (!is_compared(&d[i], local))
            continue;
        d[i].parse(plain, d[i].deflt); /* one that cannot be given is that of an empty field */
        d[i].format(p, is, sizeof is);
        d[i].format(plain, was, sizeof was);
        if (strcmp(is, was) == 0)
            continue;
        h = hash_text(hash_text(h, d[i].name), is);
        int m = used < len ? snprintf(buf + used, len - used, "%sVCOLL_%s=%s", used ? " " : "", d[i].name, is)
                           : 0;
        used += m > 0 ? (size_t)m : 0;
    }
    if (used >= len) /* what does not fit still differs */
        snprintf(buf, len, "many, fingerprint %016llx", (unsigned long long)h);
    free(plain);
}

/* ---- the rest ---- */

static void read_cpu_model(const char *root, char *buf, size_t len)
{
    char *text = vc_sys_read_all(root, "/proc/cpuinfo");
    const char *at = text ? strstr(text, "model name") : NULL;
    buf[0] = '\0';
    at = at ? strchr(at, ':') : NULL;
    if (at) {
        at += 1 + strspn(at + 1, " \t");
        snprintf(buf, len, "%.*s", (int)strcspn(at, "\n"), at);
    }
    free(text);
}

static int count_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = -1; /* that of the directory */
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n > 2 ? n - 2 : 0; /* . and .. */
}

void doc_rank_read(const char *root, struct doc_rank *r)
{
    long long scope;
    struct rlimit lim = {0, 0};
    struct timespec res = {0, 1};
    gethostname(r->host, sizeof r->host - 1);
    r->host[sizeof r->host - 1] = '\0';
    vc_cpus_allowed(&r->mask);
    r->ptrace_scope = vc_sys_number(root, &scope, "/proc/sys/kernel/yama/ptrace_scope") ? (int)scope : -1;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY)
        r->nofile = lim.rlim_cur;
    r->open_files = count_files();
    int slack = prctl(PR_GET_TIMERSLACK);
    r->timer_slack_ns = slack > 0 ? (unsigned long long)slack : 0;
    clock_getres(CLOCK_MONOTONIC, &res);
    r->timer_ns = res.tv_sec * 1000000000LL + res.tv_nsec;
    r->yields = -1;
    r->busied = -1;
    r->library_found = describe_library(r->same[DOC_SAME_LIBRARY], sizeof r->same[0]);
}

/* Asks by setting, and puts back what was there: that is all Open MPI offers. */
static int ask_yield(void)
{
    void *address = dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle");
    bool (*set)(bool);
    if (!address)
        return -1;
    memcpy(&set, &address, sizeof set);
    bool was = set(true);
    set(was);
    return was;
}

void doc_rank_try(struct doc_rank *r, const struct facts_verbs *v)
{
    struct vc_verbs_cfg cfg;
    struct vc_verbs_need need;
    vc_params_verbs_cfg(&r->params, &cfg);
    cfg.peers = r->size;
    vc_verbs_need(&cfg, &need);
    r->lock_need = need.locked;
    r->lock_any = v->lock_any;
    r->lock_limit = v->lock_limit;
    r->regcache = v->regcache;
    snprintf(r->regcache_why, sizeof r->regcache_why, "%s", v->regcache_why);
    r->verbs_usable = v->wanted && v->err == VC_OK;
    r->yields = ask_yield();
}

void doc_rank_same(const char *root, struct doc_rank *r, const struct facts_verbs *v)
{
    static char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    struct utsname u;
    struct vc_platform platform;
    int len = 0;
    size_t room = sizeof r->same[0];
    if (MPI_Get_library_version(mpi, &len) == MPI_SUCCESS)
        snprintf(r->same[DOC_SAME_MPI], room, "%.*s", (int)strcspn(mpi, ",\n"), mpi);
    doc_settings_text(&r->params, false, r->same[DOC_SAME_SETTINGS], room);
    doc_settings_text(&r->params, true, r->same[DOC_SAME_LOCAL], room);
    if (uname(&u) == 0)
        snprintf(r->same[DOC_SAME_KERNEL], room, "%s %s", u.release, u.machine);
    vc_platform_detect(root, NULL, &platform);
    snprintf(r->same[DOC_SAME_PLATFORM], room, "%s (%s)", vc_platform_class_name(platform.class),
             platform.hypervisor);
    read_cpu_model(root, r->same[DOC_SAME_CPU], room);
    r->same[DOC_SAME_DEVICE][0] = '\0';
    if (v->wanted && v->err != VC_OK && v->n > 0)
        snprintf(r->same[DOC_SAME_DEVICE], room, "none (%.400s)", v->error);
    if (r->verbs_usable) {
        char model[VC_TABLE_DEVICE];
        snprintf(r->same[DOC_SAME_DEVICE], room, "%s, %s",
                 vc_rdma_model(root, v->dev.name, model, sizeof model), v->dev.roce ? "RoCE" : "InfiniBand");
    }
}
