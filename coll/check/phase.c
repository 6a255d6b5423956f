/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases in the symbolic run, as plan.h defines them. */
#include "coll/check/internal.h"
#include "coll/info.h"
#include "transport/base.h"

#include <string.h>

/* Reduction of the src of the first `operands` ranks of a node, ascending, into `out`. */
static bool node_reduce(struct vck *c, const int *steps, int operands, int q, struct vck_cell *out)
{
    const struct vc_step *s0 = vck_step(c, steps[0]);
    size_t n = vc_phase_side(vc_phase_info[s0->node].src, s0->len, s0->at, q, 0) / c->grain;
    for (int l = 0; l < operands; l++) {
        const struct vc_step *s = vck_step(c, steps[l]);
        const struct vck_cell *src = vck_cells(c, c->owner[steps[l]], s->src);
        if (!vck_defined(c, steps[l], s->src, src, n))
            return false;
        if (l == 0 && n)
            memcpy(out, src, n * sizeof *out);
        else if (l > 0 && !vck_reduce(c, steps[l], out, out, src, n))
            return false;
    }
    return true;
}

/* What local index l of a node phase gives, as a range of cells in its buffer and a place among the data of
 * all. */
static struct vc_ref given(const struct vck *c, const struct vc_step *s, int q, int l, size_t *at)
{
    const struct vc_phase_info *i = &vc_phase_info[s->node];
    size_t unit = vc_coll_reduces(c->shape->coll) ? c->shape->esize : 1;
    struct vc_ref ref = i->src == VC_EXTENT_NONE ? s->dst : s->src;
    size_t len = vc_phase_side(i->src == VC_EXTENT_NONE ? i->dst : i->src, s->len, s->at, q, l), from = 0;
    *at = i->gives != VC_WHO_ALL ? 0 : s->at ? s->at[l] : (size_t)l * len;
    if (i->gives == VC_WHO_PARTS) {
        *at = from = vc_slice(s->len, unit, s->parts, l);
        len = vc_slice(s->len, unit, s->parts, l + 1) - from;
    }
    *at /= c->grain;
    return vc_ref_sub(ref, from, len);
}

/* From the last rank, whose dst no other one reads, to the first. */
static bool scan(struct vck *c, const int *steps, int q, struct vck_cell *big)
{
    const struct vc_step *s0 = vck_step(c, steps[0]);
    size_t n = s0->len / c->grain;
    for (int l = q - 1; l >= 0; l--) {
        int operands = vc_operands_of(vc_phase_info[s0->node].operands, l, q);
        if (operands == 0)
            continue;
        if (!node_reduce(c, steps, operands, q, big))
            return false;
        memcpy(vck_cells(c, c->owner[steps[l]], vck_step(c, steps[l])->dst), big, n * sizeof *big);
    }
    return true;
}

/* All is read before anything is written. */
bool vck_phase(struct vck *c, const int *steps, int q, struct vck_cell *big)
{
    const struct vc_step *s0 = vck_step(c, steps[0]);
    const struct vc_phase_info *info = &vc_phase_info[s0->node];
    size_t n = s0->len / c->grain, all = n * (size_t)q, at;
    if (info->dst == VC_EXTENT_NONE || n == 0)
        return true;
    if (info->operands != VC_OPERANDS_ALL)
        return scan(c, steps, q, big);
    if (info->reduces && !node_reduce(c, steps, q, q, big))
        return false;
    for (int l = 0; l < q && !info->reduces; l++) {
        if (!vc_phase_gives(s0->node, l, s0->peer, s0->parts))
            continue;
        struct vc_ref ref = given(c, vck_step(c, steps[l]), q, l, &at);
        const struct vck_cell *v = vck_cells(c, c->owner[steps[l]], ref);
        if (!vck_defined(c, steps[l], ref, v, ref.len / c->grain))
            return false;
        if (ref.len)
            memcpy(big + at, v, ref.len / c->grain * sizeof *v);
    }
    for (int l = 0; l < q; l++) {
        struct vck_cell *dst = vck_cells(c, c->owner[steps[l]], vck_step(c, steps[l])->dst);
        if (!vc_phase_has_dst(s0->node, l == s0->peer))
            continue;
        if (info->reduces && info->gets == VC_WHO_PARTS) {
            int part = l < s0->parts ? l : s0->parts; /* an empty one behind the last */
            size_t from = vc_slice(s0->len, c->shape->esize, s0->parts, part) / c->grain;
            size_t to = vc_slice(s0->len, c->shape->esize, s0->parts, part + (l < s0->parts)) / c->grain;
            memset(dst, 0, n * sizeof *dst);
            memcpy(dst + from, big + from, (to - from) * sizeof *dst);
        } else if (info->src == VC_EXTENT_EACH && info->dst == VC_EXTENT_EACH) {
            for (int i = 0; i < q; i++)
                memcpy(dst + (size_t)i * n, big + (size_t)i * all + (size_t)l * n, n * sizeof *dst);
        } else if (info->src == VC_EXTENT_EACH) {
            size_t begins = s0->at ? s0->at[l] / c->grain : (size_t)l * n;
            memcpy(dst, big + begins,
                   vc_phase_side(info->dst, s0->len, s0->at, q, l) / c->grain * sizeof *dst);
        } else {
            memcpy(dst, big, vc_phase_side(info->dst, s0->len, s0->at, q, l) / c->grain * sizeof *dst);
        }
    }
    return true;
}
