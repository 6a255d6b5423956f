/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases: direct code of one node at several sizes. */
#include "coll/info.h"
#include "tune/search/fit.h"

#include <math.h>

static const struct {
    enum vc_coll coll;
    size_t bytes;
    bool cma;
} probes[VC_FIT_NODE_PROBES] = {
    {VC_BARRIER, 0, false},        {VC_ALLREDUCE, 8, false}, {VC_ALLREDUCE, 4096, false},
    {VC_ALLREDUCE, 131072, false}, {VC_ALLGATHER, 8, false}, {VC_ALLGATHER, 4096, false},
    {VC_ALLGATHER, 65536, false},  {VC_BCAST, 8, false},     {VC_BCAST, 16384, false},
    {VC_BCAST, 262144, false},     {VC_BCAST, 65536, true},  {VC_BCAST, 1048576, true},
};

int vc_fit_node(struct vc_search_comm *g, double seconds, struct vc_model_sample *s)
{
    int n = 0;
    for (int i = 0; i < VC_FIT_NODE_PROBES; i++) {
        struct vc_fit_probe p = {
            .how = probes[i].coll == VC_BCAST ? VC_FIT_ROTATE : VC_FIT_STREAM,
            .coll = probes[i].coll,
            .bytes = probes[i].bytes,
            .choice = probes[i].cma ? "shm_cma:wait=poll" : "shm:wait=poll",
            .seconds = seconds,
        };
        double t = vc_fit_measure(g, &p);
        if (isnan(t))
            continue;
        s[n].phase = (struct vc_model_phase){.kind = vc_coll_info[probes[i].coll].node,
                                             .ranks = g->w.size,
                                             .len = p.bytes,
                                             .cma = probes[i].cma,
                                             .waits = true};
        s[n++].seconds = t;
    }
    return n;
}
