/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases by single copy (cross memory attach). Every rank publishes where its data is, reads what it
 * needs from the others' memory, and publishes that it has; it returns when the others no longer need its
 * data. Every rank reduces a slice of a reduction, and writes it to the root (reduce) or lets the others read
 * it (allreduce). In an allreduce of two ranks each writes its slice to the other, which saves a meeting. An
 * operation takes three slots of the tiny ring: for the address, for "my slice is reduced" (allreduce of more
 * than two), and for "I have read".
 */
#include "coll/node/impl.h"
#include "transport/shm/shm_chan.h"

bool vc_node_cma_wanted(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (!nd->cma_pids || c->alg == VC_NODE_SLOTS || c->len == 0)
        return false;
    switch (c->kind) {
    case VC_PHASE_BCAST:
        return c->alg == VC_NODE_CMA || c->len >= nd->cma_min;
    case VC_PHASE_REDUCE:
    case VC_PHASE_ALLREDUCE: /* operators of users may not write over their left operand, which happens here
                              */
        return c->alg == VC_NODE_CMA && !c->op->ctx && c->op->esize <= VC_CMA_BLOCK;
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLGATHERV:
    case VC_PHASE_ALLTOALL:
        /* The others' src is read while this rank's dst is written, so the two must not overlap, but for the
         * own block of an allgather in its place. A caller that knows this asks for VC_NODE_CMA. */
        return c->alg == VC_NODE_CMA;
    default:
        return false;
    }
}

/* Whether root and reader share a broadcast: each of the two copies one half. */
static bool shares_copy(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_BCAST && nd->n == 2 && nd->own_cpus;
}

/* Copies what this rank gets of rank r's data. */
static int copy_from(struct vc_node *nd, struct vc_node_call *c, int r, const struct vc_cma_address *a)
{
    char *dst = c->dst;
    pid_t pid = nd->cma_pids[r];
    size_t half = c->len / 2 / VC_CACHELINE * VC_CACHELINE;
    if (a->len != (c->kind == VC_PHASE_ALLGATHERV ? c->at[r + 1] - c->at[r] : c->len))
        return vc_lengths_differ(nd, c, r, a->len);
    switch (c->kind) {
    case VC_PHASE_BCAST:
        if (!shares_copy(nd, c))
            return vc_cma_read(pid, dst, a->dst, c->len);
        if (nd->me == c->root)
            return vc_cma_write(pid, dst, a->dst, half);
        return vc_cma_read(pid, dst + half, a->dst + half, c->len - half);
    case VC_PHASE_ALLGATHER:
        return vc_cma_read(pid, dst + (size_t)r * c->len, a->src, c->len);
    case VC_PHASE_ALLGATHERV:
        return vc_cma_read(pid, dst + c->at[r], a->src, a->len);
    default:
        return vc_cma_read(pid, dst + (size_t)r * c->len, a->src + (size_t)nd->me * c->len, c->len);
    }
}

static struct vc_cma_address address_of(struct vc_node *nd, uint64_t g, int r)
{
    struct vc_cma_address a;
    memcpy(&a, vc_payload(&nd->tiny, r, g), sizeof a);
    return a;
}

/* Whether all other ranks have published slot g; if not, *whom is the rank to wait for. */
static bool all_published(struct vc_node *nd, struct vc_node_call *c, uint64_t g, int *whom)
{
    for (; c->st.rd_next < nd->n; c->st.rd_next++)
        if (c->st.rd_next != nd->me && !vc_ready(&nd->tiny, c->st.rd_next, g)) {
            *whom = vc_slowest(nd, &nd->tiny, c->st.rd_next, g);
            return false;
        }
    c->st.rd_next = 0;
    return true;
}

/* All ranks' vectors must be as long as this rank's. */
static int check_lengths(struct vc_node *nd, const struct vc_node_call *c, uint64_t g)
{
    for (int r = 0; r < nd->n; r++) {
        uint64_t len = address_of(nd, g, r).len;
        if (len != c->len)
            return vc_lengths_differ(nd, c, r, len);
    }
    return VC_OK;
}

/* Has rank r published where its data is? */
static bool has_posted(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t g)
{
    return c->kind == VC_PHASE_BCAST ? vc_bcast_fits(&nd->tiny, c, r, g) : vc_ready(&nd->tiny, r, g);
}

/* The part of a vector that this rank reduces, [*at, *end). */
static void own_slice(const struct vc_node *nd, const struct vc_node_call *c, size_t *at, size_t *end)
{
    size_t esize = c->op->esize;
    if (c->kind == VC_PHASE_REDUCE && nd->n == 2) {
        /* The other rank also writes its part to the root, so the root reduces more. */
        size_t unit = esize * VC_CACHELINE, most = c->len / 5 * 3 / unit * unit;
        *at = nd->me == c->root ? 0 : most;
        *end = nd->me == c->root ? most : c->len;
    } else {
        *at = vc_slice(c->len, esize, nd->n, nd->me);
        *end = vc_slice(c->len, esize, nd->n, nd->me + 1);
    }
}

/* Whether rank r ends with the result. */
static bool receives(const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_ALLREDUCE || r == c->root;
}

/*
 * A reduction of two ranks. The other's operand is read to where the result goes, and this rank's is added
 * there, which touches one line less per line than a buffer would. The result is then still in this core's
 * cache when it is written to the other rank. In place, and where this rank gets no result, a buffer is
 * needed.
 */
static int reduce_pair(struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_redop *op = c->op;
    int other = 1 - nd->me;
    pid_t pid = nd->cma_pids[other];
    struct vc_cma_address a = address_of(nd, c->st.base, other);
    bool mine = receives(c, nd->me), direct = mine && c->src != c->dst;
    size_t block = VC_CMA_PAIR_BLOCK / op->esize * op->esize, at, end;
    own_slice(nd, c, &at, &end);
    for (size_t len; at < end; at += len) {
        len = vc_min_size(block, end - at);
        char *out = mine ? (char *)c->dst + at : nd->cma_scratch, *in = direct ? out : nd->cma_scratch;
        const char *own = (const char *)c->src + at;
        int err = vc_cma_read(pid, in, a.src + at, len);
        if (err != VC_OK)
            return err;
        op->fn(nd->me == 0 ? own : in, nd->me == 0 ? in : own, out, len / op->esize, NULL);
        if (receives(c, other) && (err = vc_cma_write(pid, out, a.dst + at, len)) != VC_OK)
            return err;
    }
    return VC_OK;
}

/*
 * Reduces this rank's slice, in blocks, descending as slots.c does, into dst or the root's. Operands are read
 * a few at a time, each rank beginning with another one: all at once at the same process would wait for its
 * page tables and for its memory.
 */
static int reduce_slice(struct vc_node *nd, struct vc_node_call *c)
{
    const struct vc_redop *op = c->op;
    int few = vc_cma_operands(nd->n, op->esize);
    size_t at, end, room = VC_CMA_PAIR_BLOCK / (size_t)(few + 1) / VC_CACHELINE * VC_CACHELINE;
    size_t block = room / op->esize * op->esize;
    char *acc = nd->cma_scratch, *in = acc + room;
    bool mine = receives(c, nd->me);
    own_slice(nd, c, &at, &end);
    for (size_t len; at < end; at += len) {
        len = vc_min_size(block, end - at);
        const char *right = NULL;
        for (int top = nd->n - 1; top >= 0; top -= few) {
            int n = top + 1 < few ? top + 1 : few;
            for (int i = 0; i < n; i++) {
                int k = (nd->me + i) % n, r = top - k;
                if (r == nd->me)
                    continue;
                uint64_t from = address_of(nd, c->st.base, r).src + at;
                int err = vc_cma_read(nd->cma_pids[r], in + (size_t)k * room, from, len);
                if (err != VC_OK)
                    return err;
            }
            for (int k = 0; k < n; k++) {
                const char *v = top - k == nd->me ? (const char *)c->src + at : in + (size_t)k * room;
                if (right) {
                    char *out = top - k == 0 && mine ? (char *)c->dst + at : acc;
                    op->fn(v, right, out, len / op->esize, NULL);
                    right = out;
                } else {
                    right = v;
                }
            }
        }
        if (!mine) {
            uint64_t to = address_of(nd, c->st.base, c->root).dst + at;
            int err = vc_cma_write(nd->cma_pids[c->root], right, to, len);
            if (err != VC_OK)
                return err;
        }
    }
    return VC_OK;
}

static int copy_slice_from(struct vc_node *nd, struct vc_node_call *c, int r)
{
    size_t lo = vc_slice(c->len, c->op->esize, nd->n, r), hi = vc_slice(c->len, c->op->esize, nd->n, r + 1);
    if (hi == lo)
        return VC_OK;
    return vc_cma_read(nd->cma_pids[r], (char *)c->dst + lo, address_of(nd, c->st.base, r).dst + lo, hi - lo);
}

/* Bytes of what this rank gives. */
static size_t own_len(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_ALLGATHERV ? c->at[nd->me + 1] - c->at[nd->me] : c->len;
}

static void copy_own_block(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (i->dst != VC_EXTENT_EACH)
        return;
    size_t at = c->kind == VC_PHASE_ALLGATHERV ? c->at[nd->me] : (size_t)nd->me * c->len;
    char *to = (char *)c->dst + at;
    const char *from = (const char *)c->src + (i->src == VC_EXTENT_EACH ? at : 0);
    if (to != from && own_len(nd, c) > 0)
        memcpy(to, from, own_len(nd, c));
}

enum { POST, REDUCE, READ, CONFIRM, LEAVE };

int vc_node_cma_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = &nd->tiny;
    uint64_t g = st->base;
    bool coop = shares_copy(nd, c), all = c->kind != VC_PHASE_BCAST || coop;
    bool speaks = all || nd->me == c->root, reads = all || nd->me != c->root;
    bool reduce = c->kind == VC_PHASE_ALLREDUCE || c->kind == VC_PHASE_REDUCE;
    bool fetches = c->kind == VC_PHASE_ALLREDUCE && nd->n > 2; /* the others' slices of the result */

    if (st->phase == POST) {
        if (!vc_may_write(nd, ring, g + 2, whom))
            return 0;
        if (speaks) {
            struct vc_cma_address a = {(uint64_t)(uintptr_t)c->src, (uint64_t)(uintptr_t)c->dst,
                                       own_len(nd, c)};
            memcpy(vc_payload(ring, nd->me, g), &a, sizeof a);
            vc_publish_as(nd, ring, g, c->kind == VC_PHASE_BCAST ? vc_bcast_flag(g, VC_SAY_CMA) : g + 1);
        }
        copy_own_block(nd, c);
        st->phase = reduce ? REDUCE : READ;
        st->rd_next = reduce ? 0 : 1;
    }
    if (st->phase == REDUCE) {
        if (!all_published(nd, c, g, whom))
            return 0;
        int err = check_lengths(nd, c, g);
        if (err == VC_OK)
            err = nd->n == 2 ? reduce_pair(nd, c) : reduce_slice(nd, c);
        if (err != VC_OK)
            return err;
        if (fetches)
            vc_publish(nd, ring, g + 1);
        st->phase = fetches ? READ : CONFIRM;
        st->rd_next = 1;
    }
    if (st->phase == READ) {
        uint64_t slot = reduce ? g + 1 : g;
        for (; reads && st->rd_next < nd->n; st->rd_next++) {
            int r = all ? (nd->me + st->rd_next) % nd->n : c->root;
            if (reduce ? !vc_ready(ring, r, slot) : !has_posted(nd, c, r, slot)) {
                *whom = all ? vc_slowest(nd, ring, r, slot) : r;
                return 0;
            }
            struct vc_cma_address a = address_of(nd, g, r);
            int err = reduce ? copy_slice_from(nd, c, r) : copy_from(nd, c, r, &a);
            if (err != VC_OK)
                return err;
            if (!all)
                break;
        }
        st->phase = CONFIRM;
    }
    if (st->phase == CONFIRM) {
        if (reads)
            vc_publish(nd, ring, g + 2);
        st->rd_next = 0;
        st->phase = LEAVE;
    }
    if (speaks) {
        if (!all_published(nd, c, g + 2, whom))
            return 0;
        vc_learned(ring, st->base);
    }
    vc_set_done(nd, ring, g + VC_CMA_SLOTS);
    st->phase = -1;
    return 1;
}
