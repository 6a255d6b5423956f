/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases that are messages inside a host, as simulated clusters have them (tests/sim/phases.c). */
#include "coll/phase.h"
#include "tune/model/impl.h"

/* Above, an allreduce is a reduction of slices, and then all get them. */
#define WHOLE_BYTES 8192

/* What goes from one rank to another. */
static double message_bytes(const struct vc_model_phase *p)
{
    double len = (double)p->len;
    if (p->kind == VC_PHASE_BARRIER)
        return 0;
    if (p->kind == VC_PHASE_ALLREDUCE)
        return len > WHOLE_BYTES ? len / p->ranks : len;
    return vc_phase_sliced(p->kind) && p->parts > 0 ? len / p->parts : len;
}

/* Ranks other than l that l sends to, or receives from. */
static int others(const struct vc_model_phase *p, int l, int root, bool receives)
{
    int n = 0;
    if (!(receives ? vc_phase_gets : vc_phase_gives)(p->kind, l, root, p->parts))
        return 0;
    for (int i = 0; i < p->ranks; i++)
        n += i != l && (receives ? vc_phase_gives : vc_phase_gets)(p->kind, i, root, p->parts);
    return n;
}

struct vc_mswap vc_mphase_messages(const struct vc_model_link *link, const struct vc_model_phase *p, int l,
                                   int root)
{
    double bytes = message_bytes(p), way = link->latency + vc_model_gap(link, bytes) - vc_model_gap(link, 0);
    bool asked = link->rendezvous > 0 && bytes >= link->rendezvous;
    double o = asked ? 0 : link->overhead, all = o * (p->ranks - 1);
    struct vc_mswap x = {.begin = o * others(p, l, root, false),
                         .wait = p->waits || asked ? way : 0,
                         .end = o * others(p, l, root, true)};
    if (p->kind == VC_PHASE_BARRIER) /* to the first rank, and back */
        x = l ? (struct vc_mswap){o, 2 * (way + all), o} : (struct vc_mswap){0, way, 2 * all};
    if (p->kind == VC_PHASE_ALLREDUCE && (double)p->len > WHOLE_BYTES)
        x.wait = 2 * (way + all);
    return x;
}
