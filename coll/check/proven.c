/* SPDX-License-Identifier: BSD-3-Clause */
/* Plans that were proven before. */
#include "coll/check/internal.h"

#include <stdlib.h>

struct vc_proven {
    uint64_t *hash; /* 0: free */
    size_t n, mask;
};

struct vc_proven *vc_proven_new(void)
{
    return calloc(1, sizeof(struct vc_proven));
}

void vc_proven_free(struct vc_proven *k)
{
    if (k)
        free(k->hash);
    free(k);
}

/* Two numbers more. */
static uint64_t add(uint64_t h, uint64_t a, uint64_t b)
{
    h = h * UINT64_C(0xd6e8feb86659fd93) + a * UINT64_C(0x9e3779b97f4a7c15) +
        b * UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 32;
}

/* The numbers of a step side by side, so that few products wait for others. */
static uint64_t of_step(const struct vc_step *s)
{
    uint64_t kind =
        (uint64_t)s->kind << 56 | (uint64_t)s->node << 48 | (uint64_t)s->dst_left << 40 | (uint32_t)s->peer;
    uint64_t h = add(1, kind, (uint64_t)(uint32_t)s->parts << 32 | (uint32_t)s->dep_count);
    uint64_t where = add(2, s->len, (uint64_t)s->src.buf << 32 | (uint64_t)s->dst.buf);
    uint64_t src = add(3, s->src.off, s->src.len), dst = add(4, s->dst.off, s->dst.len);
    return add(add(add(h, where, src), dst, (uint64_t)s->src_step), (uint64_t)s->dst_step, 0);
}

static uint64_t add_plan(uint64_t h, const struct vck *c, int rank)
{
    const struct vc_plan *p = &c->plans[rank];
    h = add(h, (uint64_t)p->nsteps << 32 | (uint32_t)p->ndeps, p->tmp_bytes);
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *s = &p->steps[i];
        h = add(h, of_step(s), s->dep_count > 0 ? (uint64_t)p->deps[s->dep_first] : 0);
        for (int d = 1; d < s->dep_count; d++)
            h = add(h, (uint64_t)p->deps[s->dep_first + d], 1);
        for (int l = 0; s->at && l <= vck_node_size(c, rank); l++)
            h = add(h, s->at[l], 2);
    }
    return h;
}

uint64_t vck_hash(const struct vck *c, bool commutative)
{
    const struct vc_shape *s = c->shape;
    uint64_t flags = (uint64_t)c->alias << 3 | (uint64_t)commutative << 2 |
                     (uint64_t)(s->offsets != NULL) << 1 | (s->pairs != NULL);
    uint64_t h = add(0, (uint64_t)s->coll << 40 | flags, (uint64_t)s->size << 32 | (uint32_t)s->root);
    h = add(add(h, s->bytes, s->esize), c->alg->restrictions & VC_PLACEMENT_FREE, 0);
    for (int r = 0; s->offsets && r <= s->size; r++)
        h = add(h, s->offsets[r], 3);
    for (int i = 0; s->pairs && i < s->size * s->size; i++)
        h = add(h, s->pairs[i], 4);
    /* Without node phases nobody asks where ranks are. */
    for (int r = 0; c->nnodes && r < s->size; r++)
        h = add(h, (uint64_t)s->hier->node_of[r], 5);
    for (int r = 0; r < s->size; r++)
        h = add_plan(h, c, r);
    return h ? h : 1;
}

/* Where a hash is, or would be. */
static size_t place(const uint64_t *table, size_t mask, uint64_t hash)
{
    size_t at = hash & mask;
    while (table[at] && table[at] != hash)
        at = (at + 1) & mask;
    return at;
}

bool vck_is_proven(const struct vc_proven *k, uint64_t hash)
{
    return k->hash && k->hash[place(k->hash, k->mask, hash)];
}

void vck_set_proven(struct vc_proven *k, uint64_t hash)
{
    if (!k->hash || k->n > k->mask / 2) {
        size_t size = k->hash ? 2 * (k->mask + 1) : 1024;
        uint64_t *more = calloc(size, sizeof *more);
        if (!more)
            return; /* it is proven again, then */
        for (size_t i = 0; k->hash && i <= k->mask; i++)
            if (k->hash[i])
                more[place(more, size - 1, k->hash[i])] = k->hash[i];
        free(k->hash);
        k->hash = more;
        k->mask = size - 1;
    }
    size_t at = place(k->hash, k->mask, hash);
    k->n += !k->hash[at];
    k->hash[at] = hash;
}
