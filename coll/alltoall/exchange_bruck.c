/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Block i of a rank, counted from its own, has to travel i ranks onward. It does so by the digits of i in
 * base r: for digit z at weight w it travels z * w ranks, together with all blocks that have that digit
 * there. That makes ceil(log_r n) phases of at most r - 1 messages; a block travels once per digit that is
 * not zero.
 *
 * Unlike in the paper blocks are not put back between phases. A message has its blocks in ascending order, so
 * where each one lies follows from its last digit that was not zero, and those with the same one there lie at
 * equal distances: what the next message takes of an earlier one is one copy of many pieces.
 */
#include "coll/alltoall/exchange.h"

#include <stdlib.h>

/* All blocks that have digit z at weight w, as they came in. */
struct message {
    long w, z;
    struct vc_ref in;
};

/* What one rank does. 64 bits, because a weight times the radix may be past what an int holds. */
struct bruck {
    struct vc_plan *p;
    const struct vc_group *g;
    const struct vc_layout *out, *in;
    long n, me, radix;
    size_t bytes;
    struct message *messages;
    int nmessages;
};

static struct vc_ref home(const struct bruck *b, long i)
{
    return vc_layout_block(b->in, (int)((b->me - i + b->n) % b->n));
}

/* Blocks below i with digit z at weight w: the place in their message of one that has it. */
static long place(const struct bruck *b, long w, long z, long i)
{
    long turn = w * b->radix, rest = i % turn - z * w;
    return i / turn * w + (rest < 0 ? 0 : rest > w ? w : rest);
}

static struct vc_ref blocks(const struct bruck *b, struct vc_ref message, long first, long count)
{
    return vc_ref_sub(message, (size_t)first * b->bytes, (size_t)count * b->bytes);
}

/* What an earlier message brought of those that go on by z * w ranks: as many pieces as have further digits.
 */
static void pack_from(const struct bruck *b, const struct message *m, long w, long z, struct vc_ref packed)
{
    long turn = w * b->radix, first = z * w + m->z * m->w;
    if (first >= b->n)
        return;
    long pieces = (b->n - 1 - first) / turn + 1, last = first + (pieces - 1) * turn;
    long from = place(b, m->w, m->z, first), into = place(b, w, z, first);
    long whole = b->n - last < m->w ? pieces - 1 : pieces; /* the last one may end before its length */
    ptrdiff_t step = (ptrdiff_t)((size_t)w * b->bytes);
    if (whole > 0)
        vc_plan_copy_pieces(b->p, (int)whole, blocks(b, m->in, from, m->w), step,
                            blocks(b, packed, into, m->w), step, VC_NOTHING);
    if (whole < pieces)
        vc_plan_copy(b->p, blocks(b, m->in, from + whole * w, b->n - last),
                     blocks(b, packed, into + whole * w, b->n - last));
}

static struct vc_ref pack(const struct bruck *b, long w, long z, long count)
{
    struct vc_ref packed = vc_plan_tmp(b->p, (size_t)count * b->bytes);
    struct vc_copier c = {.plan = b->p, .rows = true};
    for (long i = z * w; i < b->n; i += w * b->radix) /* those that have not moved yet */
        vc_copier_add(&c, vc_layout_block(b->out, (int)((b->me + i) % b->n)),
                      blocks(b, packed, place(b, w, z, i), 1));
    vc_copier_flush(&c);
    for (int m = 0; m < b->nmessages && b->messages[m].w < w; m++)
        pack_from(b, &b->messages[m], w, z, packed);
    return packed;
}

static void message(struct bruck *b, long w, long z)
{
    long count = place(b, w, z, b->n), way = z * w;
    /* Of the blocks with this digit one that travels alone is the nearest, so it has no other digit: it has
     * not moved yet, and arrives. */
    struct vc_ref out =
        count == 1 ? vc_layout_block(b->out, (int)((b->me + way) % b->n)) : pack(b, w, z, count);
    struct vc_ref in = count == 1 ? home(b, way) : vc_plan_tmp(b->p, (size_t)count * b->bytes);
    vc_plan_recv(b->p, vc_group_rank(b->g, (int)((b->me - way + b->n) % b->n)), in);
    vc_plan_send(b->p, vc_group_rank(b->g, (int)((b->me + way) % b->n)), out);
    b->messages[b->nmessages++] = (struct message){w, z, in};
}

/* The blocks of a message that have no further digit. */
static void arrive(const struct bruck *b, const struct message *m)
{
    struct vc_copier c = {.plan = b->p, .rows = true};
    long first = m->z * m->w, end = first + m->w < b->n ? first + m->w : b->n;
    if (place(b, m->w, m->z, b->n) == 1)
        return;
    for (long i = first; i < end; i++)
        vc_copier_add(&c, blocks(b, m->in, i - first, 1), home(b, i));
    vc_copier_flush(&c);
}

static long radix_of(long n, int radix)
{
    return radix < 2 ? 2 : radix > n ? n : radix;
}

void vc_x_alltoall_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                         const struct vc_layout *in, int radix)
{
    struct bruck b = {.p = p, .g = g, .out = out, .in = in, .n = g->n, .me = g->me, .bytes = in->unit};
    int most = 0;
    b.radix = radix_of(b.n, radix);
    for (long w = 1; w < b.n; w *= b.radix)
        most += (int)b.radix - 1;
    b.messages = malloc((size_t)(most + 1) * sizeof *b.messages);
    if (!b.messages) {
        p->failed = true;
        return;
    }
    for (long w = 1; w < b.n; w *= b.radix)
        for (long z = 1; z < b.radix && z * w < b.n; z++)
            message(&b, w, z);
    for (int m = 0; m < b.nmessages; m++)
        arrive(&b, &b.messages[m]);
    free(b.messages);
}

/* A row of blocks makes two copies, because buffers end somewhere between, but no more than there are blocks.
 */
long vc_bound_alltoall_bruck(long n, int radix)
{
    long k = radix_of(n, radix), all = 1, messages = 0;
    for (long w = 1; w < n; w *= k) {
        long before = messages;
        for (long z = 1; z < k && z * w < n; z++, messages++) {
            long rest = n % (w * k) - z * w;
            long blocks = n / (w * k) * w + (rest < 0 ? 0 : rest > w ? w : rest), copies = 2 + 2 * before;
            long home = w < 2 ? w : 2;
            all += 2 + (copies < blocks ? copies : blocks) + home;
        }
    }
    return all;
}
