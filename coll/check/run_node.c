/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases in the symbolic run, as plan.h defines them. */
#include "coll/check/run.h"
#include "coll/info.h"
#include "transport/base.h"

#include <stdlib.h>
#include <string.h>

/* Reduction of the src of all ranks of a node, ascending, into `out`. */
static bool node_reduce(struct vck_run *x, const int *steps, int q, struct vck_cell *out)
{
    struct vck *c = x->c;
    size_t n = vck_step(c, steps[0])->len / c->grain;
    for (int l = 0; l < q; l++) {
        const struct vc_step *s = vck_step(c, steps[l]);
        const struct vck_cell *src = vck_cells(x, c->owner[steps[l]], s->src);
        if (!vck_defined(x, steps[l], s->src, src, n))
            return false;
        if (l == 0 && n)
            memcpy(out, src, n * sizeof *out);
        else if (l > 0 && !vck_reduce(x, steps[l], out, out, src, n))
            return false;
    }
    return true;
}

/* The data of a node phase. `big` has room for q * q * len. All is read before anything is written. */
static bool node_data(struct vck_run *x, const int *steps, int q, struct vck_cell *big)
{
    struct vck *c = x->c;
    const struct vc_step *s0 = vck_step(c, steps[0]);
    size_t n = s0->len / c->grain, all = n * (size_t)q;
    bool reductions = vc_coll_reduces(c->shape->coll);
    size_t unit = reductions ? c->shape->esize : 1;
    int root = s0->peer;
    if (s0->node == VC_NODE_BARRIER || n == 0)
        return true;
    if (s0->node == VC_NODE_REDUCE || s0->node == VC_NODE_ALLREDUCE || s0->node == VC_NODE_REDUCE_SCATTER) {
        if (!node_reduce(x, steps, q, big))
            return false;
    } else {
        for (int l = 0; l < q; l++) {
            const struct vc_step *s = vck_step(c, steps[l]);
            size_t from = 0, to = n, at = (size_t)l * n;
            struct vc_ref ref = s->src;
            if (s0->node == VC_NODE_BCAST || s0->node == VC_NODE_SCATTER) {
                if (l != root)
                    continue;
                at = 0;
                to = s0->node == VC_NODE_SCATTER ? all : n;
                ref = s0->node == VC_NODE_SCATTER ? s->src : s->dst;
            } else if (s0->node == VC_NODE_ALLGATHER_SLICES) {
                if (l >= s0->parts)
                    continue;
                from = vc_slice(s0->len, unit, s0->parts, l) / c->grain;
                to = vc_slice(s0->len, unit, s0->parts, l + 1) / c->grain;
                at = 0;
                ref = s->dst;
            } else if (s0->node == VC_NODE_ALLTOALL) {
                to = all;
                at = (size_t)l * all;
            }
            ref = vc_ref_sub(ref, from * c->grain, (to - from) * c->grain);
            const struct vck_cell *v = vck_cells(x, c->owner[steps[l]], ref);
            if (!vck_defined(x, steps[l], ref, v, to - from))
                return false;
            if (to > from)
                memcpy(big + at + from, v, (to - from) * sizeof *v);
        }
    }
    for (int l = 0; l < q; l++) {
        struct vck_cell *dst = vck_cells(x, c->owner[steps[l]], vck_step(c, steps[l])->dst);
        size_t from, to;
        switch (s0->node) {
        case VC_NODE_REDUCE:
            if (l == root)
                memcpy(dst, big, n * sizeof *dst);
            break;
        case VC_NODE_REDUCE_SCATTER:
            memset(dst, 0, n * sizeof *dst);
            if (l >= s0->parts)
                break;
            from = vc_slice(s0->len, unit, s0->parts, l) / c->grain;
            to = vc_slice(s0->len, unit, s0->parts, l + 1) / c->grain;
            memcpy(dst + from, big + from, (to - from) * sizeof *dst);
            break;
        case VC_NODE_BCAST:
        case VC_NODE_ALLREDUCE:
        case VC_NODE_ALLGATHER_SLICES:
            memcpy(dst, big, n * sizeof *dst);
            break;
        case VC_NODE_ALLGATHER:
            memcpy(dst, big, all * sizeof *dst);
            break;
        case VC_NODE_GATHER:
            if (l == root)
                memcpy(dst, big, all * sizeof *dst);
            break;
        case VC_NODE_SCATTER:
            memcpy(dst, big + (size_t)l * n, n * sizeof *dst);
            break;
        case VC_NODE_ALLTOALL:
            for (int i = 0; i < q; i++)
                memcpy(dst + (size_t)i * n, big + (size_t)i * all + (size_t)l * n, n * sizeof *dst);
            break;
        default:
            break;
        }
    }
    return true;
}

/* Whether local `to` of a node phase cannot end before local `from` has begun it. */
static bool node_orders(const struct vc_step *s, int from, int to)
{
    switch (s->node) {
    case VC_NODE_BARRIER:
    case VC_NODE_ALLREDUCE:
    case VC_NODE_ALLGATHER:
    case VC_NODE_ALLTOALL:
        return true;
    case VC_NODE_BCAST:
    case VC_NODE_SCATTER:
        return from == s->peer;
    case VC_NODE_REDUCE:
    case VC_NODE_GATHER:
        return to == s->peer;
    default:
        return false;
    }
}

bool vck_start_node(struct vck_run *x, int g)
{
    struct vck *c = x->c;
    const struct vc_hier *h = c->shape->hier;
    int node = h->node_of[c->owner[g]], q = vc_hier_node_size(h, node), k = c->kth_node[g];
    int slot = c->ranks[vc_hier_rank(h, node, 0)].first_node + k;
    if (++x->arrived[slot] < q)
        return true;
    const struct vc_step *s = vck_step(c, g);
    size_t n = s->len / c->grain * (size_t)q * (size_t)(s->node == VC_NODE_ALLTOALL ? q : 1);
    int *steps = malloc((size_t)q * sizeof *steps);
    struct vck_cell *big = malloc((n + 1) * sizeof *big);
    bool good = steps && big;
    if (!good)
        vck_nomem(c);
    for (int l = 0; good && l < q; l++)
        steps[l] = c->node_steps[c->ranks[vc_hier_rank(h, node, l)].first_node + k];
    good = good && node_data(x, steps, q, big);
    if (good && x->known) {
        uint64_t *old = malloc((size_t)q * (size_t)x->words * sizeof *old);
        good = old || vck_nomem(c);
        for (int l = 0; good && l < q; l++)
            memcpy(old + (size_t)l * (size_t)x->words, vck_known(x, steps[l]),
                   (size_t)x->words * sizeof *old);
        for (int to = 0; good && to < q; to++)
            for (int from = 0; from < q; from++)
                for (int w = 0; w < x->words && node_orders(s, from, to); w++)
                    vck_known(x, steps[to])[w] |= old[from * x->words + w];
        free(old);
    }
    for (int l = 0; good && l < q; l++)
        vck_done(x, steps[l]);
    free(steps);
    free(big);
    return good;
}
