/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Block i of a rank, counted from its own, has to travel i ranks onward. It does so by the digits of i in
 * base r: for digit z at weight w it travels z * w ranks, together with all blocks that have that digit
 * there. That makes ceil(log_r n) phases of at most r - 1 messages; a block travels once per digit that is
 * not zero.
 *
 * Unlike in the paper blocks are not put back between phases: the plan knows where each one lies, and the
 * next message is packed from there.
 */
#include "coll/alltoall/exchange.h"

#include <stdlib.h>

/* What one rank does: blocks[i] is where the block with i ranks to go lies now. */
struct bruck {
    struct vc_plan *p;
    const struct vc_group *g;
    const struct vc_layout *in;
    int n, me, radix;
    size_t bytes;
    struct vc_ref *blocks;
};

/* The first block after i whose digit at weight w is z, or n. */
static int next(const struct bruck *b, int w, int z, int i)
{
    for (i++; i < b->n; i++)
        if (i / w % b->radix == z)
            return i;
    return b->n;
}

static struct vc_ref home(const struct bruck *b, int i)
{
    return vc_layout_block(b->in, (b->me - i + b->n) % b->n);
}

/* All blocks with that digit as one piece of memory: packed, unless they lie so already. */
static struct vc_ref collect(const struct bruck *b, int w, int z, int count)
{
    int i = next(b, w, z, -1);
    struct vc_ref whole = b->blocks[i];
    bool one = true;
    for (i = next(b, w, z, i); i < b->n; i = next(b, w, z, i)) {
        one = one && b->blocks[i].buf == whole.buf && b->blocks[i].off == whole.off + whole.len;
        whole.len += b->bytes;
    }
    if (one)
        return whole;
    struct vc_ref packed = vc_plan_tmp(b->p, (size_t)count * b->bytes);
    struct vc_copier c = {.plan = b->p};
    size_t at = 0;
    for (i = next(b, w, z, -1); i < b->n; i = next(b, w, z, i)) {
        vc_copier_add(&c, b->blocks[i], vc_ref_sub(packed, at, b->bytes));
        at += b->bytes;
    }
    vc_copier_flush(&c);
    return packed;
}

static void message(const struct bruck *b, int w, int z)
{
    int count = 0;
    for (int i = next(b, w, z, -1); i < b->n; i = next(b, w, z, i))
        count++;
    struct vc_ref out = collect(b, w, z, count);
    /* Of the blocks with this digit one that travels alone is the nearest, so it has no other digit left and
     * arrives.
     */
    struct vc_ref in = count == 1 ? home(b, z * w) : vc_plan_tmp(b->p, (size_t)count * b->bytes);
    vc_plan_recv(b->p, vc_group_rank(b->g, (b->me - z * w + b->n) % b->n), in);
    vc_plan_send(b->p, vc_group_rank(b->g, (b->me + z * w) % b->n), out);
    size_t at = 0;
    for (int i = next(b, w, z, -1); i < b->n; i = next(b, w, z, i)) {
        b->blocks[i] = vc_ref_sub(in, at, b->bytes);
        at += b->bytes;
    }
}

void vc_x_alltoall_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                         const struct vc_layout *in, int radix)
{
    struct bruck b = {.p = p, .g = g, .in = in, .n = g->n, .me = g->me, .bytes = in->unit};
    b.radix = radix < 2 ? 2 : radix;
    if (b.radix > b.n)
        b.radix = b.n;
    b.blocks = malloc((size_t)b.n * sizeof *b.blocks);
    if (!b.blocks) {
        p->failed = true;
        return;
    }
    for (int i = 1; i < b.n; i++)
        b.blocks[i] = vc_layout_block(out, (b.me + i) % b.n);
    b.blocks[0] = home(&b, 0);
    /* 64 bits, because the last weight may be past what an int holds. */
    for (long long w = 1; w < b.n; w *= b.radix)
        for (int z = 1; z < b.radix && z * w < b.n; z++)
            message(&b, (int)w, z);
    for (int i = 1; i < b.n; i++)
        vc_plan_move(p, b.blocks[i], home(&b, i));
    free(b.blocks);
}

long vc_bound_alltoall_bruck(long n, int radix)
{
    long k = radix < 2 ? 2 : radix > n ? n : radix, all = n;
    for (long long w = 1; w < n; w *= k) {
        /* Of each w * k blocks the first w do not move. */
        long long turn = w * k, stay = n / turn * w + (n % turn < w ? n % turn : w);
        all += (long)(n - stay) + 2 * (k - 1);
    }
    return all;
}
