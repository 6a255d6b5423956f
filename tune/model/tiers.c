/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases whose ranks are not all equally far from each other. Rates (`copy`, `reduce`) were measured
 * between two ranks whose lines take `flag`. This is what is assumed beyond that:
 *
 * - A rank reads flags one after the other, each for what a line from there takes.
 * - Of bytes from further away than `flag` as many lines are under way at once as a core has (UNDER_WAY), so
 *   each byte takes longer by its part of the difference.
 * - What several ranks read, its source hands out once to each cache, at the rate of `copy`. Ranks behind a
 *   cache that has a line find it there.
 * - Nothing is faster than the ways between caches and NUMA nodes carry its lines (`carry`).
 * - Ranks that share a CPU work one after another, and each meeting takes a turn of each of them: what a line
 *   between ranks that share a core takes.
 */
#include "tune/model/impl.h"

#include <math.h>

#define LINE      ((double)VC_CACHELINE)
#define UNDER_WAY 16.0

/* ---- who shares what ---- */

/* The tier whose groups have a cache in common: the finest but for cores. */
static int cache_tier(const struct vc_model_phase *p)
{
    return p->tiers > 1 && p->near[0] == VC_LEVEL_CPU;
}

/* Caches that the ranks of a part are spread over. */
static int caches_of(const struct vc_model_phase *p, const struct vc_mpart *part)
{
    if (part->tier < 0)
        return vc_mgroups(p, cache_tier(p));
    return part->tier > cache_tier(p) ? part->phase.ranks : 1;
}

/* Ranks that share a CPU. */
static int ranks_of_cpu(const struct vc_model_phase *p)
{
    return p->crowded && p->near[0] == VC_LEVEL_CPU ? p->group[0] : 1;
}

/* ---- seconds ---- */

/* What a line takes. Ranks that take turns on a CPU find each other's lines in their cache. */
static double line_seconds(const struct vc_model_node *n, const struct vc_model_phase *p, int t)
{
    if (p->near[t] == VC_LEVEL_CPU && p->crowded)
        return 0;
    double line = n->line[p->near[t]];
    return line > 0 ? line : n->flag;
}

/* The same in the mean of all ranks, and from the farthest one. */
static double mean_line(const struct vc_model_node *n, const struct vc_model_phase *p, double *farthest)
{
    double mean = 0, before = 0;
    for (int t = 0; t < p->tiers; t++) {
        double here = vc_mpairs(p, t), line = line_seconds(n, p, t);
        if (here > before)
            *farthest = line;
        mean += (here - before) * line;
        before = here;
    }
    return mean;
}

/* Bytes that a rank reads in others' memory. */
static double bytes_read(const struct vc_model_phase *p, const struct vc_model_work *w)
{
    double len = (double)p->len, others = p->ranks - 1;
    if (p->cma)
        return w->cma_copied;
    switch (p->kind) {
    case VC_PHASE_BCAST:
    case VC_PHASE_SCATTER:
    case VC_PHASE_ALLGATHER_SLICES:
        return len;
    case VC_PHASE_GATHER:
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLTOALL:
        return others * len;
    default: /* operands, and slices of the result */
        return w->reduced + (w->meetings > 1 ? len : 0);
    }
}

/* Bytes of the rank that most is read from that all others read. */
static double bytes_served(const struct vc_model_phase *p, const struct vc_model_work *w)
{
    double len = (double)p->len, others = p->ranks - 1;
    switch (p->kind) {
    case VC_PHASE_BCAST:
    case VC_PHASE_ALLGATHER:
        return len;
    case VC_PHASE_ALLREDUCE:
        if (p->cma)
            return 0;
        return w->meetings > 1 ? w->reduced / others : len;
    default:
        return 0;
    }
}

/* As long as the ways that all ranks have in common are occupied. */
static double carrying(const struct vc_model_node *n, const struct vc_model_phase *p,
                       const struct vc_mpart *part, const struct vc_model_work *w)
{
    const struct vc_model_phase *own = &part->phase;
    double lines[VC_MODEL_TIERS], longest = 0, part_of = 1;
    vc_mpart_lines(p, part, lines);
    /* What all read comes into each cache once: all of it, or the results of slices. */
    if (bytes_served(own, w) > 0) {
        double once = (double)caches_of(p, part) / own->ranks;
        part_of = own->kind == VC_PHASE_ALLREDUCE && w->meetings > 1 ? (1 + once) / 2 : once;
    }
    for (int t = 0; t < p->tiers; t++)
        longest = fmax(longest, part_of * lines[t] * n->carry[p->near[t]] / vc_mgroups(p, t));
    return longest;
}

static double part_seconds(const struct vc_model_node *n, const struct vc_model_phase *p,
                           const struct vc_mpart *part)
{
    const struct vc_model_phase *own = &part->phase;
    struct vc_model_work w = vc_model_node_work(own);
    double farthest = part->tier < 0 ? 0 : line_seconds(n, p, part->tier);
    double line = part->tier < 0 ? mean_line(n, p, &farthest) : farthest;
    bool one_source = own->kind == VC_PHASE_BCAST || own->kind == VC_PHASE_SCATTER;
    double further = fmax((one_source ? farthest : line) - n->flag, 0) / (LINE * UNDER_WAY);
    double work = n->copy * w.copied + n->reduce * w.reduced + n->cma_base * w.cma_calls +
                  n->cma_copy * w.cma_copied + further * bytes_read(own, &w);
    double serving = n->copy * bytes_served(own, &w) * (caches_of(p, part) - 1);
    double one = fmax(fmax(work, serving), carrying(n, p, part, &w)) + w.flags * line;
    int together = ranks_of_cpu(p);
    if (together == 1)
        return one;
    double turns = w.meetings * together * (n->line[VC_LEVEL_CPU] > 0 ? n->line[VC_LEVEL_CPU] : n->flag);
    if (part->tier > 0)
        return one + turns;
    struct vc_model_phase member = *own;
    member.waits = own->kind != VC_PHASE_REDUCE && own->kind != VC_PHASE_GATHER;
    struct vc_model_work m = vc_model_node_work(&member);
    if (part->tier == 0 && !member.waits)
        return one + turns + (together - 1) * n->copy * m.copied;
    return together * one + turns;
}

double vc_mtiers_seconds(const struct vc_model_node *n, const struct vc_model_phase *p)
{
    struct vc_mpart part[VC_MPARTS];
    int nparts = vc_mparts(p, part);
    double sum = n->base;
    for (int i = 0; i < nparts; i++)
        if (part[i].phase.ranks > 1)
            sum += part_seconds(n, p, &part[i]);
    if (p->kind == VC_PHASE_ALLGATHER && part[0].tier >= 0) /* from padded blocks to dst */
        sum += ranks_of_cpu(p) * n->copy * (double)p->ranks * (double)p->len;
    return sum;
}
