/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rank reduces in an operation by single copy. Where the others' memory is mapped, operands are read
 * where they are and results written where they belong; otherwise operands are copied first, and results
 * afterwards.
 */
#include "coll/node/impl.h"

/* Reductions of mapped operands go by blocks of so many bytes, which stay in a core's first cache until they
 * are copied, or are reduced with the next operand. */
#define MAPPED_BLOCK 16384

/* Whether each rank ends with a block of the result. */
static bool to_blocks(const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_REDUCE_BLOCKS || c->kind == VC_PHASE_REDUCE_BLOCKSV;
}

/* Where the block of rank r begins then. */
static size_t result_block(const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_REDUCE_BLOCKSV ? c->at[r] : (size_t)r * c->len;
}

/* The part of a vector that this rank reduces, [*at, *end). */
static void own_slice(const struct vc_node *nd, const struct vc_node_call *c, size_t *at, size_t *end)
{
    size_t esize = c->op->esize;
    if (to_blocks(c)) {
        *at = result_block(c, nd->me);
        *end = result_block(c, nd->me + 1);
    } else if (c->kind == VC_PHASE_REDUCE && nd->n == 2) {
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
static bool receives(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_ALLREDUCE || r == (to_blocks(c) ? nd->me : c->root);
}

/* Where in this rank's dst byte `at` of the vector goes. */
static char *result_at(const struct vc_node *nd, const struct vc_node_call *c, size_t at)
{
    return (char *)c->dst + (to_blocks(c) ? at - result_block(c, nd->me) : at);
}

static size_t mapped_block(const struct vc_redop *op)
{
    return op->esize < MAPPED_BLOCK ? MAPPED_BLOCK / op->esize * op->esize : op->esize;
}

/* A reduction of two ranks whose memory is mapped. Block by block, since in place the result is written over
 * operands. False: it is not mapped, and nothing was done. */
static bool reduce_mapped_pair(struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_redop *op = c->op;
    int other = 1 - nd->me;
    struct vc_cma_address a = vc_cma_address_of(nd, c->st.base, other);
    bool mine = receives(nd, c, nd->me), theirs = receives(nd, c, other);
    size_t block = mapped_block(op), at, end;
    own_slice(nd, c, &at, &end);
    struct vc_map_hold in = vc_map_range(vc_map_of(nd, other), a.src + at, end - at), out = {.at = NULL};
    if (in.at && theirs)
        out = vc_map_range(vc_map_of(nd, other), a.dst + at, end - at);
    bool mapped = in.at && (out.at || !theirs);
    const char *operand = in.at;
    char *result = out.at;
    for (size_t begin = at, len; mapped && at < end; at += len) {
        len = vc_min_size(block, end - at);
        const char *own = (const char *)c->src + at, *in_place = operand + (at - begin);
        char *to = mine ? result_at(nd, c, at) : result + (at - begin);
        op->fn(nd->me == 0 ? own : in_place, nd->me == 0 ? in_place : own, to, len / op->esize, NULL);
        if (mine && theirs)
            vc_copy(result + (at - begin), to, len, VC_COPY_GIVE);
    }
    vc_map_drop(&in);
    vc_map_drop(&out);
    return mapped;
}

/*
 * A reduction of two ranks. The other's operand is read to where the result goes, and this rank's is added
 * there, which touches one line less per line than a buffer would. The result is then still in this core's
 * cache when it is written to the other rank. In place, and where this rank gets no result, a buffer is
 * needed.
 */
static int reduce_pair(struct vc_node *nd, const struct vc_node_call *c, char *scratch)
{
    const struct vc_redop *op = c->op;
    int other = 1 - nd->me;
    pid_t pid = nd->cma_pids[other];
    struct vc_cma_address a = vc_cma_address_of(nd, c->st.base, other);
    bool mine = receives(nd, c, nd->me), direct = mine && c->src != c->dst;
    size_t block = VC_CMA_PAIR_BLOCK / op->esize * op->esize, at, end;
    own_slice(nd, c, &at, &end);
    for (size_t len; at < end; at += len) {
        len = vc_min_size(block, end - at);
        char *out = mine ? result_at(nd, c, at) : scratch, *in = direct ? out : scratch;
        const char *own = (const char *)c->src + at;
        int err = vc_cma_read(pid, in, a.src + at, len);
        if (err != VC_OK)
            return err;
        op->fn(nd->me == 0 ? own : in, nd->me == 0 ? in : own, out, len / op->esize, NULL);
        if (receives(nd, c, other) && (err = vc_cma_write(pid, out, a.dst + at, len)) != VC_OK)
            return err;
    }
    return VC_OK;
}

/* Maps this rank's slice of all operands, and of the root's result where this rank has none. All or nothing.
 */
static bool map_slices(struct vc_node *nd, const struct vc_node_call *c, size_t at, size_t len)
{
    int n = nd->n, held = 0;
    for (; held < n; held++) {
        nd->held[held] = (struct vc_map_hold){.at = NULL};
        if (held == nd->me)
            continue;
        nd->held[held] =
            vc_map_range(vc_map_of(nd, held), vc_cma_address_of(nd, c->st.base, held).src + at, len);
        if (!nd->held[held].at)
            break;
    }
    nd->held[n] = (struct vc_map_hold){.at = NULL};
    if (held == n && receives(nd, c, nd->me))
        return true;
    if (held == n) {
        nd->held[n] =
            vc_map_range(vc_map_of(nd, c->root), vc_cma_address_of(nd, c->st.base, c->root).dst + at, len);
        if (nd->held[n].at)
            return true;
    }
    while (--held >= 0)
        vc_map_drop(&nd->held[held]);
    return false;
}

static void drop_slices(struct vc_node *nd)
{
    for (int r = 0; r <= nd->n; r++)
        vc_map_drop(&nd->held[r]);
}

/* reduce_slice() with the others' memory mapped. Sums are made where the result goes, unless that is where an
 * operand is. False: it is not mapped, and nothing was done. */
static bool reduce_mapped_slice(struct vc_node *nd, struct vc_node_call *c, char *scratch)
{
    const struct vc_redop *op = c->op;
    bool mine = receives(nd, c, nd->me);
    bool in_place = c->src == c->dst;
    size_t at, end, block = mapped_block(op), begin;
    own_slice(nd, c, &at, &end);
    if (at == end)
        return true;
    if (!map_slices(nd, c, at, end - at))
        return false;
    if (!mine) {
        struct vc_cma_address root = vc_cma_address_of(nd, c->st.base, c->root);
        in_place = root.src == root.dst;
    }
    begin = at;
    for (size_t len; at < end; at += len) {
        len = vc_min_size(block, end - at);
        char *result = mine ? result_at(nd, c, at) : (char *)nd->held[nd->n].at + (at - begin);
        const char *right = NULL;
        for (int r = nd->n - 1; r >= 0; r--) {
            const char *v =
                r == nd->me ? (const char *)c->src + at : (const char *)nd->held[r].at + (at - begin);
            char *out = in_place && r > 0 ? scratch : result;
            if (right)
                op->fn(v, right, out, len / op->esize, NULL);
            right = right ? out : v;
        }
    }
    drop_slices(nd);
    return true;
}

/*
 * Reduces this rank's slice, in blocks, descending as slots.c does, into dst or the root's. Operands are read
 * a few at a time, each rank beginning with another one: all at once at the same process would wait for its
 * page tables and for its memory.
 */
static int reduce_slice(struct vc_node *nd, struct vc_node_call *c, char *scratch)
{
    const struct vc_redop *op = c->op;
    int few = vc_cma_operands(nd->n, op->esize);
    size_t at, end, room = VC_CMA_PAIR_BLOCK / (size_t)(few + 1) / VC_CACHELINE * VC_CACHELINE;
    size_t block = room / op->esize * op->esize;
    char *acc = scratch, *in = acc + room;
    bool mine = receives(nd, c, nd->me);
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
                uint64_t from = vc_cma_address_of(nd, c->st.base, r).src + at;
                int err = vc_cma_read(nd->cma_pids[r], in + (size_t)k * room, from, len);
                if (err != VC_OK)
                    return err;
            }
            for (int k = 0; k < n; k++) {
                const char *v = top - k == nd->me ? (const char *)c->src + at : in + (size_t)k * room;
                if (right) {
                    char *out = top - k == 0 && mine ? result_at(nd, c, at) : acc;
                    op->fn(v, right, out, len / op->esize, NULL);
                    right = out;
                } else {
                    right = v;
                }
            }
        }
        if (!mine) {
            uint64_t to = vc_cma_address_of(nd, c->st.base, c->root).dst + at;
            int err = vc_cma_write(nd->cma_pids[c->root], right, to, len);
            if (err != VC_OK)
                return err;
        }
    }
    return VC_OK;
}

int vc_cma_reduce(struct vc_node *nd, struct vc_node_call *c)
{
    if (nd->maps && nd->n == 2 && reduce_mapped_pair(nd, c))
        return VC_OK;
    char *scratch = vc_scratch_take();
    int err = VC_OK;
    if (nd->n == 2)
        err = reduce_pair(nd, c, scratch);
    else if (!nd->maps || !reduce_mapped_slice(nd, c, scratch))
        err = reduce_slice(nd, c, scratch);
    vc_scratch_give(scratch);
    return err;
}
