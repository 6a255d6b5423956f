/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases by single copy (transport/shm/single.h). Every rank publishes where its data is, reads what it
 * needs from the others' memory, and publishes that it has; it returns when the others no longer need its
 * data. Every rank reduces a slice of a reduction, and writes it to the root (reduce) or lets the others read
 * it (allreduce). In an allreduce of two ranks each writes its slice to the other, which saves a meeting. An
 * operation takes three slots of the tiny ring: for the address, for "my slice is reduced" (allreduce of more
 * than two), and for "I have read".
 *
 * Whether another rank's memory is mapped is each rank's own affair: what it publishes is the same. So is
 * whether it has a view (struct vc_view). Results are put block by block, as they are read. Data are packed
 * before the address is published. Two ranks share no copy where one of them has a view, and say so next to
 * the address. Where the root of a broadcast has one, its address tells all to go on through slots: it packs
 * right into them, which is a copy less.
 */
#include "coll/node/copy.h"
#include "coll/node/impl.h"
#include "transport/shm/single.h"

bool vc_node_cma_wanted(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (!nd->cma_pids || c->alg == VC_NODE_SLOTS || c->len == 0 || nd->by_slots)
        return false;
    switch (c->kind) {
    case VC_PHASE_BCAST:
        return c->alg == VC_NODE_CMA || c->len >= nd->cma_min;
    case VC_PHASE_REDUCE:
    case VC_PHASE_REDUCE_BLOCKS:
    case VC_PHASE_REDUCE_BLOCKSV:
    case VC_PHASE_ALLREDUCE: /* operators of users may not write over their left operand, which happens here
                              */
        return c->alg == VC_NODE_CMA && !c->op->ctx && c->op->esize <= VC_CMA_BLOCK;
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLGATHERV:
    case VC_PHASE_GATHER:
    case VC_PHASE_SCATTER:
    case VC_PHASE_ALLTOALL:
        /* The others' src is read while this rank's dst is written, so the two must not overlap, but for the
         * own block in its place. A caller that knows this asks for VC_NODE_CMA. */
        return c->alg == VC_NODE_CMA;
    default:
        return false;
    }
}

/* Whether data only goes from the root, or only to it: then the others copy, and the root waits for them. */
static bool one_way(const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_GATHER || c->kind == VC_PHASE_SCATTER;
}

/* Whether the root and the other rank may share that work: each of the two copies one half. */
static bool shares_copy(const struct vc_node *nd, const struct vc_node_call *c)
{
    return one_way(c) && nd->n == 2 && nd->own_cpus;
}

static size_t half_of(const struct vc_node_call *c)
{
    return c->len / 2 / VC_CACHELINE * VC_CACHELINE;
}

/* Bytes of rank r's block. */
static size_t block_len(const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_ALLGATHERV ? c->at[r + 1] - c->at[r] : c->len;
}

/* Bytes of a result that decide how it is copied (coll/node/copy.h). */
static size_t result_len(const struct vc_node *nd, const struct vc_node_call *c)
{
    switch (c->kind) {
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_GATHER:
        return (size_t)nd->n * c->len;
    case VC_PHASE_ALLGATHERV:
        return c->at[nd->n];
    case VC_PHASE_ALLTOALL:
        return 0;
    default:
        return c->len;
    }
}

/* This rank's own block, at the ranks that have one on both sides. */
static void copy_own_block(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    size_t own = c->kind == VC_PHASE_ALLGATHERV ? c->at[nd->me] : (size_t)nd->me * c->len;
    size_t len = block_len(c, nd->me);
    bool root = nd->me == c->root;
    if (i->reduces || c->kind == VC_PHASE_BCAST || len == 0 || (one_way(c) && !root))
        return;
    const char *from = (const char *)c->src + (i->src == VC_EXTENT_EACH ? own : 0);
    char *to = (char *)c->dst + (i->dst == VC_EXTENT_EACH ? own : 0);
    if (to != from)
        vc_node_copy_own(c, to, from, len, result_len(nd, c));
}

/* A part of this rank's result, out of rank r's memory; `to` points into dst. */
static int read_from(const struct vc_node *nd, const struct vc_node_call *c, int r, char *to, uint64_t from,
                     size_t len)
{
    if (c->view && c->view->dst)
        return vc_node_fetch(nd, c->view, c->view->dst, (size_t)(to - (char *)c->dst), r, from, len);
    return vc_single_read(nd->cma_pids[r], vc_map_of(nd, r), to, from, len,
                          vc_result_role(result_len(nd, c)));
}

static int write_to(const struct vc_node *nd, int r, const void *from, uint64_t to, size_t len)
{
    return vc_single_write(nd->cma_pids[r], vc_map_of(nd, r), from, to, len);
}

static bool has_view(const struct vc_node_call *c)
{
    return c->view && (c->view->src || c->view->dst);
}

/* Copies what this rank gets of rank r's data, but of a broadcast. */
static int copy_from(struct vc_node *nd, struct vc_node_call *c, int r, const struct vc_cma_address *a)
{
    char *dst = c->dst;
    size_t half = half_of(c), skip = shares_copy(nd, c) ? half : 0;
    size_t mine = (size_t)nd->me * c->len, theirs = (size_t)r * c->len;
    if (c->kind == VC_PHASE_ALLGATHERV && a->len != block_len(c, r))
        return vc_block_differs(nd, c, r, a->len);
    if (a->len != block_len(c, r))
        return vc_lengths_differ(nd, c, r, a->len);
    switch (c->kind) {
    case VC_PHASE_GATHER:
        if (nd->me == c->root)
            return read_from(nd, c, r, dst + theirs, a->src, half);
        return write_to(nd, r, (const char *)c->src + skip, a->dst + mine + skip, c->len - skip);
    case VC_PHASE_SCATTER:
        if (nd->me == c->root)
            return write_to(nd, r, (const char *)c->src + theirs, a->dst, half);
        return read_from(nd, c, r, dst + skip, a->src + mine + skip, c->len - skip);
    case VC_PHASE_ALLGATHER:
        return read_from(nd, c, r, dst + theirs, a->src, c->len);
    case VC_PHASE_ALLGATHERV:
        return read_from(nd, c, r, dst + c->at[r], a->src, a->len);
    default:
        return read_from(nd, c, r, dst + theirs, a->src + mine, c->len);
    }
}

static int copy_message(struct vc_node *nd, struct vc_node_call *c, int r, const struct vc_cma_address *a)
{
    bool shared = shares_copy(nd, c) && !has_view(c) && !a->strewn;
    size_t skip = shared ? half_of(c) : 0;
    if (a->len != c->len)
        return vc_lengths_differ(nd, c, r, a->len);
    if (nd->me == c->root)
        return shared ? write_to(nd, r, c->dst, a->dst, half_of(c)) : VC_OK;
    return read_from(nd, c, r, (char *)c->dst + skip, a->dst + skip, c->len - skip);
}

/* Of a broadcast any view of the root's tells, since it may be written to; else data that would be packed. */
static bool is_strewn(const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_BCAST ? has_view(c) : c->view && c->view->src;
}

/* Whether rank r's address says that the operation goes through slots, where the data are packed into and out
 * of. All read the addresses of all that give something, so all find out. Who has copied some blocks by then
 * does so again. */
static bool goes_through_slots(const struct vc_node_call *c, int r, const struct vc_cma_address *a)
{
    bool gives = vc_phase_info[c->kind].gives == VC_WHO_ALL || r == c->root;
    return a->strewn && gives && !vc_phase_info[c->kind].reduces && a->len == block_len(c, r);
}

/* This rank will read no address of the operation any more. */
static int leave_for_slots(struct vc_node *nd, struct vc_node_call *c)
{
    vc_set_done(nd, &nd->tiny, c->st.base + VC_CMA_SLOTS);
    nd->by_slots = true;
    return VC_CMA_BY_SLOTS;
}

/* Whether all other ranks have published slot g; if not, *whom is the rank to wait for. */
static bool all_published(struct vc_node *nd, struct vc_node_call *c, uint64_t g, int *whom)
{
    for (; c->st.rd_next < nd->n; c->st.rd_next++)
        if (c->st.rd_next != nd->me && !vc_fits(&nd->tiny, c, c->st.rd_next, g)) {
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
        uint64_t len = vc_cma_address_of(nd, g, r).len;
        if (len != c->len)
            return vc_lengths_differ(nd, c, r, len);
    }
    return VC_OK;
}

static int copy_slice_from(struct vc_node *nd, struct vc_node_call *c, int r)
{
    size_t lo = vc_slice(c->len, c->op->esize, nd->n, r), hi = vc_slice(c->len, c->op->esize, nd->n, r + 1);
    if (hi == lo)
        return VC_OK;
    return read_from(nd, c, r, (char *)c->dst + lo, vc_cma_address_of(nd, c->st.base, r).dst + lo, hi - lo);
}

enum { POST, REDUCE, READ, CONFIRM, LEAVE };

int vc_node_cma_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = &nd->tiny;
    uint64_t g = st->base;
    bool coop = shares_copy(nd, c), all = !one_way(c) || coop;
    bool speaks = all || nd->me == c->root, reads = all || nd->me != c->root;
    bool reduce = vc_phase_info[c->kind].reduces;
    bool fetches = c->kind == VC_PHASE_ALLREDUCE && nd->n > 2; /* the others' slices of the result */

    if (st->phase == POST) {
        if (!vc_may_write(nd, ring, g + 2, whom))
            return 0;
        if (speaks) {
            struct vc_cma_address a = {(uint64_t)(uintptr_t)c->src, (uint64_t)(uintptr_t)c->dst,
                                       block_len(c, nd->me), is_strewn(c)};
            memcpy(vc_payload(ring, nd->me, g), &a, sizeof a);
            vc_publish_call(nd, c, ring, g);
            if (goes_through_slots(c, nd->me, &a))
                return leave_for_slots(nd, c);
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
            err = vc_cma_reduce(nd, c);
        if (err != VC_OK)
            return err;
        if (fetches)
            vc_publish_call(nd, c, ring, g + 1);
        st->phase = fetches ? READ : CONFIRM;
        st->rd_next = 1;
    }
    if (st->phase == READ) {
        uint64_t slot = reduce ? g + 1 : g;
        for (; reads && st->rd_next < nd->n; st->rd_next++) {
            int r = all ? (nd->me + st->rd_next) % nd->n : c->root;
            if (!vc_fits(ring, c, r, slot)) {
                *whom = all ? vc_slowest(nd, ring, r, slot) : r;
                return 0;
            }
            struct vc_cma_address a = vc_cma_address_of(nd, g, r);
            if (goes_through_slots(c, r, &a))
                return leave_for_slots(nd, c);
            int err = reduce                      ? copy_slice_from(nd, c, r)
                      : c->kind == VC_PHASE_BCAST ? copy_message(nd, c, r, &a)
                                                  : copy_from(nd, c, r, &a);
            if (err != VC_OK)
                return err;
            if (!all)
                break;
        }
        st->phase = CONFIRM;
    }
    if (st->phase == CONFIRM) {
        if (reads)
            vc_publish_call(nd, c, ring, g + 2);
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
