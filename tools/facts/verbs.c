/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/facts/facts.h"

#include "transport/verbs/regcache.h"
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The cache is made and given back, which shows whether memory can be watched; nothing is registered in it.
 */
static int never_reg(void *ctx, void *addr, size_t len, struct vc_reg *out)
{
    (void)ctx, (void)addr, (void)len, (void)out;
    return vc_fail(VC_ERR_UNSUPPORTED, "no registrations in vcoll info");
}

static void never_dereg(void *ctx, struct vc_reg *reg)
{
    (void)ctx, (void)reg;
}

static void try_regcache(const struct vc_params *params, struct facts_verbs *v)
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

/* The kernel asks a process with this right for no limit. */
static bool may_lock_any(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    return syscall(SYS_capget, &head, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK));
}

static void read_lock_limit(struct facts_verbs *v)
{
    struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_MEMLOCK, &lim);
    v->lock_any = lim.rlim_cur == RLIM_INFINITY || may_lock_any();
    v->lock_limit = v->lock_any ? 0 : (unsigned long long)lim.rlim_cur;
}

void facts_verbs(const struct vc_params *params, struct facts_verbs *v)
{
    struct vc_verbs_cfg cfg;
    vc_params_verbs_cfg(params, &cfg);
    cfg.peers = FACTS_RANKS;
    memset(v, 0, sizeof *v);
    snprintf(v->library, sizeof v->library, "%s", params->verbs_library);
    v->wanted = (params->channels & VC_CHAN_VERBS) != 0;
    vc_verbs_survey(&cfg.want, v->list, FACTS_CANDIDATES, &v->n);
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
