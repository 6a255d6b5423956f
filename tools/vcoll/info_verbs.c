/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/vcoll/info_verbs.h"

#include "transport/verbs/regcache.h"
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- gathering ---- */

static int never_reg(void *ctx, void *addr, size_t len, struct vc_reg *out)
{
    (void)ctx, (void)addr, (void)len, (void)out;
    return vc_fail(VC_ERR_UNSUPPORTED, "no registrations in vcoll info");
}

static void never_dereg(void *ctx, struct vc_reg *reg)
{
    (void)ctx, (void)reg;
}

static void try_regcache(const struct vc_params *params, struct info_verbs *v)
{
    const struct vc_regcache_cfg cfg = {
        .reg = never_reg, .dereg = never_dereg, .max_bytes = (size_t)1 << 20, .max_entries = 1};
    struct vc_regcache *rc = NULL;
    if (!params->verbs_reg_cache) {
        snprintf(v->regcache_why, sizeof v->regcache_why, "switched off by VCOLL_VERBS_REG_CACHE");
        return;
    }
    v->regcache = vc_regcache_create(&cfg, &rc) == VC_OK;
    if (v->regcache)
        vc_regcache_destroy(rc);
    else
        snprintf(v->regcache_why, sizeof v->regcache_why, "%s", vc_error_text());
}

/* Who may lock memory without a limit is not asked for one by the kernel. */
static bool may_lock_any(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    return syscall(SYS_capget, &head, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK));
}

static void read_lock_limit(struct info_verbs *v)
{
    struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_MEMLOCK, &lim);
    v->lock_any = lim.rlim_cur == RLIM_INFINITY || may_lock_any();
    v->lock_limit = v->lock_any ? 0 : (unsigned long long)lim.rlim_cur;
}

void info_verbs_gather(const struct vc_params *params, struct info_verbs *v)
{
    struct vc_verbs_cfg cfg;
    vc_params_verbs_cfg(params, &cfg);
    cfg.peers = INFO_VERBS_RANKS;
    memset(v, 0, sizeof *v);
    snprintf(v->library, sizeof v->library, "%s", params->verbs_library);
    v->wanted = (params->channels & VC_CHAN_VERBS) != 0;
    vc_verbs_survey(&cfg.want, v->list, INFO_VERBS_CANDIDATES, &v->n);
    struct vc_verbs_dev dev;
    v->err = vc_verbs_dev_open(&cfg.want, &dev);
    if (v->err == VC_OK) {
        v->dev = dev;
        v->dev.ctx = NULL;
        vc_verbs_dev_close(&dev);
    } else {
        snprintf(v->error, sizeof v->error, "%s", vc_error_text());
    }
    vc_verbs_need(&cfg, &v->need);
    read_lock_limit(v);
    try_regcache(params, v);
}

/* ---- for people ---- */

static const char *gid_kind(const struct vc_verbs_dev *d)
{
    return d->gid_type == IBV_GID_TYPE_ROCE_V2   ? "RoCE v2"
           : d->gid_type == IBV_GID_TYPE_ROCE_V1 ? "RoCE v1"
                                                 : "InfiniBand";
}

static int mtu_bytes(enum ibv_mtu mtu)
{
    return mtu >= IBV_MTU_256 && mtu <= IBV_MTU_4096 ? 128 << mtu : 0;
}

static void chosen_text(const struct vc_verbs_dev *d, void (*line)(const char *label, const char *fmt, ...))
{
    char gid[40];
    line("chosen", "%s port %d, %s%s, MTU %d", d->name, d->port, d->roce ? "RoCE" : "InfiniBand",
         d->software ? ", made of software" : "", mtu_bytes(d->mtu));
    if (d->gid_index >= 0)
        line("address", "GID %d: %s (%s)", d->gid_index, vc_verbs_gid_text(&d->gid, gid, sizeof gid),
             gid_kind(d));
    else
        line("address", "LID %u", d->lid);
    line("P_Key", "0x%04x, entry %d", d->pkey, d->pkey_index);
    line("limits",
         "%d queue pairs of %d work requests, %d completion queues of %d entries, %d memory regions, "
         "%d shared receive queues of %d, messages up to %u bytes",
         d->attr.max_qp, d->attr.max_qp_wr, d->attr.max_cq, d->attr.max_cqe, d->attr.max_mr, d->attr.max_srq,
         d->attr.max_srq_wr, d->max_msg);
    if (d->cq_mod_count || d->cq_mod_period)
        line("moderation", "of completion queues (VCOLL_CQ_MODERATION): up to %u completions, %u us",
             d->cq_mod_count, d->cq_mod_period);
    else
        line("moderation", "of completion queues: unsupported by the device");
    line("fork", "%s",
         d->fork_safe     ? "registered memory stays where it is when the program forks"
         : d->fork_breaks ? "the device loses memory when the program forks, so that verbs are not used "
                            "(needs Linux 5.12, or RDMAV_FORK_SAFE=1)"
                          : "registered memory may move when the program forks (needs Linux 5.12 and "
                            "libibverbs 37), so that there is no zero copy");
}

void info_verbs_text(const struct info_verbs *v, void (*line)(const char *label, const char *fmt, ...))
{
    if (!v->wanted)
        line("", "not used: VCOLL_CHANNELS has no verbs");
    if (v->err == VC_OK)
        chosen_text(&v->dev, line);
    else
        line("not usable", "%s", v->error);
    /* A single one that cannot be used has been told already. */
    for (int i = 0; i < v->n && !(v->n == 1 && v->err != VC_OK); i++) {
        const struct vc_verbs_candidate *c = &v->list[i];
        if (!c->chosen && c->port)
            line("passed over", "%s port %d: %s", c->device, c->port, c->why);
        else if (!c->chosen)
            line("passed over", "%s: %s", c->device, c->why);
    }
    if (v->lock_any)
        line("locked memory", "no limit; a rank among %d needs %zu KiB, and what it keeps registered",
             INFO_VERBS_RANKS, v->need.locked >> 10);
    else
        line("locked memory", "limit %llu KiB; a rank among %d needs %zu KiB, and what it keeps registered%s",
             v->lock_limit >> 10, INFO_VERBS_RANKS, v->need.locked >> 10,
             v->lock_limit < v->need.locked ? ". TOO SMALL: raise it (ulimit -l, memlock in "
                                              "/etc/security/limits.conf, or LimitMEMLOCK of "
                                              "the batch system's service)"
                                            : "");
    line("zero copy", "%s%s", v->regcache ? "registrations of users' buffers can be kept" : "not here: ",
         v->regcache ? "" : v->regcache_why);
}

/* ---- for programs ---- */

static json_t *or_null(const char *s)
{
    json_t *j = s[0] ? json_string(s) : NULL;
    return j ? j : json_null();
}

static json_t *device_json(const struct vc_verbs_dev *d)
{
    char gid[40], pkey[8];
    snprintf(pkey, sizeof pkey, "0x%04x", d->pkey);
    json_t *moderation = d->cq_mod_count || d->cq_mod_period
                             ? json_pack("{s:i, s:i}", "max_count", (int)d->cq_mod_count, "max_period_us",
                                         (int)d->cq_mod_period)
                             : json_null();
    json_t *address = d->gid_index >= 0
                          ? json_pack("{s:i, s:s, s:s}", "index", d->gid_index, "gid",
                                      vc_verbs_gid_text(&d->gid, gid, sizeof gid), "kind", gid_kind(d))
                          : json_null();
    json_t *limits = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I}", "queue_pairs", d->attr.max_qp,
                               "work_requests", d->attr.max_qp_wr, "completion_queues", d->attr.max_cq,
                               "completion_queue_entries", d->attr.max_cqe, "memory_regions", d->attr.max_mr,
                               "shared_receive_queues", d->attr.max_srq, "shared_receive_queue_entries",
                               d->attr.max_srq_wr, "message_bytes", (json_int_t)d->max_msg);
    return json_pack("{s:s, s:i, s:s, s:b, s:i, s:o, s:i, s:s, s:i, s:o, s:o, s:b}", "name", d->name, "port",
                     d->port, "link_layer", d->roce ? "Ethernet" : "InfiniBand", "software", (int)d->software,
                     "lid", (int)d->lid, "gid", address, "mtu", mtu_bytes(d->mtu), "pkey", pkey, "pkey_index",
                     d->pkey_index, "limits", limits, "moderation", moderation, "fork_safe",
                     (int)d->fork_safe);
}

json_t *info_verbs_json(const struct info_verbs *v)
{
    json_t *over = json_array();
    for (int i = 0; i < v->n; i++)
        if (!v->list[i].chosen)
            json_array_append_new(over,
                                  json_pack("{s:s, s:o, s:o}", "device", v->list[i].device, "port",
                                            v->list[i].port ? json_integer(v->list[i].port) : json_null(),
                                            "reason", or_null(v->list[i].why)));
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:{s:o, s:I, s:i}, s:{s:b, s:o}}", "library", v->library,
                     "wanted", (int)v->wanted, "error", or_null(v->error), "device",
                     v->err == VC_OK ? device_json(&v->dev) : json_null(), "passed_over", over,
                     "locked_memory", "limit",
                     v->lock_any ? json_null() : json_integer((json_int_t)v->lock_limit), "needed",
                     (json_int_t)v->need.locked, "ranks", INFO_VERBS_RANKS, "registration_cache", "works",
                     (int)v->regcache, "reason", or_null(v->regcache_why));
}
