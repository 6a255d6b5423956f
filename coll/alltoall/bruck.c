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
#include "coll/bounds.h"

#include <stdlib.h>

/* What one rank does: blocks[i] is where the block with i ranks to go lies now. */
struct bruck {
    struct vc_plan *p;
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
    return vc_ref_of(VC_BUF_RECV, (size_t)((b->me - i + b->n) % b->n) * b->bytes, b->bytes);
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
    vc_plan_recv(b->p, (b->me - z * w + b->n) % b->n, in);
    vc_plan_send(b->p, (b->me + z * w) % b->n, out);
    size_t at = 0;
    for (int i = next(b, w, z, -1); i < b->n; i = next(b, w, z, i)) {
        b->blocks[i] = vc_ref_sub(in, at, b->bytes);
        at += b->bytes;
    }
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, shape, rank);
    if (!shape->bytes)
        return vc_plan_finish(p);
    struct bruck b = {.p = p, .n = shape->size, .me = rank, .bytes = shape->bytes};
    b.radix = shape->radix < 2 ? 2 : shape->radix;
    if (b.radix > b.n)
        b.radix = b.n;
    b.blocks = malloc((size_t)b.n * sizeof *b.blocks);
    if (!b.blocks) {
        p->failed = true;
        return vc_plan_finish(p);
    }
    for (int i = 0; i < b.n; i++)
        b.blocks[i] = vc_ref_of(VC_BUF_SEND, (size_t)((rank + i) % b.n) * b.bytes, b.bytes);
    /* 64 bits, because the last weight may be past what an int holds. */
    for (long long w = 1; w < b.n; w *= b.radix)
        for (int z = 1; z < b.radix && z * w < b.n; z++)
            message(&b, (int)w, z);
    for (int i = 0; i < b.n; i++) {
        struct vc_ref h = home(&b, i);
        if (b.blocks[i].buf != h.buf)
            vc_plan_copy(p, b.blocks[i], h);
    }
    free(b.blocks);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->size, radix = s->radix < 2 ? 2 : s->radix > n ? n : s->radix, all = n;
    for (long long w = 1; w < n; w *= radix) {
        /* Of each w * radix blocks the first w do not move. */
        long long turn = w * radix, stay = n / turn * w + (n % turn < w ? n % turn : w);
        all += (long)(n - stay) + 2 * (radix - 1);
    }
    return all;
}

const struct vc_alg vc_alg_alltoall_bruck = {
    .name = "bruck",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "blocks travel digit by digit, log_radix(n) phases; for small messages (Bruck et al. 1997)",
    .build = build,
    .scales = true,
    .steps = steps,
};
