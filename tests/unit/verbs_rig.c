/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/verbs_rig.h"

#include "transport/mux.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *vr_where = "";

void vr_bad(int me, const char *what)
{
    fprintf(stderr, "%s: rank %d: %s: %s\n", vr_where, me, what, vc_error_text());
    _exit(1);
}

void vr_inject(const char *fault)
{
    int (*fn)(const char *) = NULL;
    void *lib = dlopen(VC_LOOPBACK_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    *(void **)&fn = lib ? dlsym(lib, "vc_loopback_inject") : NULL;
    if (!fn || fn(fault) != 0) {
        fprintf(stderr, "no such fault: %s\n", fault);
        _exit(1);
    }
}

struct vc_verbs *vr_verbs(struct vc_verbs_cfg cfg, const char *dev, struct vc_verbs_address *address,
                          const struct hs_rank *hr, int n, int me)
{
    struct vc_verbs *v;
    struct vc_chan *boot;
    int ranks[VR_MOST];
    for (int r = 0; r < n; r++)
        ranks[r] = r;
    cfg.inline_bytes = -1;
    cfg.slot = 1024;
    cfg.credits = 4;
    cfg.zcopy_min = 16384;
    cfg.reg_cache = true;
    cfg.peers = n - 1;
    cfg.local = me;
    cfg.want.library = VC_LOOPBACK_LIBRARY;
    cfg.want.gid_index = -1;
    setenv("VC_LOOPBACK", dev ? dev : "", 1);
    if (vc_verbs_create(&cfg, &v) != VC_OK)
        vr_bad(me, "device");
    vc_verbs_address(v, &address[me]);
    hs_meet(hr->start, n);
    struct vc_shm_chan_cfg b = {.mem = (char *const *)hr->chan_mem,
                                .budget = 1 << 16,
                                .n = n,
                                .me = me,
                                .ranks = ranks,
                                .size = n,
                                .rank = me,
                                .parking = (struct vc_parking *)(uintptr_t)&hr->parking};
    if (vc_shm_chan_create(&b, &boot) != VC_OK || vc_verbs_peers(v, address, NULL, n, me, boot) != VC_OK)
        vr_bad(me, "peers");
    return v;
}

struct vc_chan *vr_chan(struct vc_verbs *v, int n, int me, uint64_t id)
{
    int procs[VR_MOST];
    struct vc_chan *ch, *mux, *via[VR_MOST];
    for (int r = 0; r < n; r++)
        procs[r] = r;
    struct vc_verbs_chan_cfg cfg = {.verbs = v, .id = id, .size = n, .rank = me, .procs = procs};
    if (vc_verbs_chan_create(&cfg, &ch) != VC_OK)
        vr_bad(me, "channel");
    for (int r = 0; r < n; r++)
        via[r] = r == me ? NULL : ch;
    if (vc_mux_create(n, me, via, &mux) != VC_OK)
        vr_bad(me, "mux");
    return mux;
}

void vr_wait(enum vc_wait_mode mode, struct vc_chan *ch, struct vc_chan_req *req, int n, int me, int most_s)
{
    struct vc_wait_cfg cfg = hs_wait(mode, true);
    struct vc_waiter w;
    uint64_t begun = vc_now_ns();
    vc_wait_begin_src(&w, &cfg, NULL, ch->src);
    for (int i = 0; i < n; i++)
        while (!vc_req_done(&req[i])) {
            int rc = ch->ops->progress(ch);
            if (rc < 0)
                vr_bad(me, "progress");
            if (rc == 0 && vc_wait_idle(&w, VC_WAIT_ANY) != VC_OK)
                vr_bad(me, "wait");
            if (vc_now_ns() - begun > (uint64_t)most_s * 1000000000u)
                vr_bad(me, "no end in time");
        }
    vc_wait_end(&w);
}
