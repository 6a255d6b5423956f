/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node primitives through slots. An operation is cut into chunks; three cursors run over them: written (this
 * rank's contribution is published), reduced (two-stage operations: this rank's slice of the result is
 * published), consumed. Each moves whenever it can, so writing runs ahead of reading by up to a window and
 * copies of several ranks overlap.
 */
#include "coll/node/copy.h"
#include "coll/node/impl.h"

/* Pieces of a pipeline, in bytes: what is worth a meeting, and what still leaves the ring in a core's own
 * cache. */
#define PIPELINE_LEAST 4096
#define PIPELINE_MOST  16384

/* Whether this rank reads the lanes of all that write. */
static bool reads_all(const struct vc_node *nd, const struct vc_node_call *c)
{
    switch (c->kind) {
    case VC_PHASE_BARRIER:
    case VC_PHASE_ALLREDUCE:
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLTOALL:
    case VC_PHASE_ALLGATHER_SLICES:
        return true;
    case VC_PHASE_REDUCE:
    case VC_PHASE_GATHER:
        return nd->me == c->root;
    case VC_PHASE_REDUCE_SCATTER:
        return nd->me < c->parts;
    default:
        return false;
    }
}

/* Whether this rank reads any lane: besides those above, everybody but the root where the root alone speaks.
 */
static bool reads(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_SCATTER)
        return nd->me != c->root;
    return reads_all(nd, c);
}

static bool writes(const struct vc_node *nd, const struct vc_node_call *c)
{
    switch (c->kind) {
    case VC_PHASE_BCAST:
    case VC_PHASE_SCATTER:
        return nd->me == c->root;
    case VC_PHASE_GATHER:
        return nd->me != c->root;
    case VC_PHASE_REDUCE:
        return !vc_root_reads_src(nd, c);
    case VC_PHASE_ALLGATHER_SLICES:
        return nd->me < c->parts;
    default:
        return true;
    }
}

static bool reduces(enum vc_node_phase kind)
{
    return kind == VC_PHASE_REDUCE || kind == VC_PHASE_ALLREDUCE || kind == VC_PHASE_REDUCE_SCATTER;
}

/* Who shares the result's slices in the two-stage allreduce, or publishes it alone (big nodes, small
 * vectors). */
static int slice_parts(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->len <= VC_FLAT_BYTES && nd->n > VC_FLAT_RANKS ? 1 : nd->n;
}

/*
 * Where one side only sends and the other only receives, and both have a CPU, the receiver should begin as
 * soon as there is something: a quarter of the message is a good first piece. On crowded CPUs pieces cost
 * switches.
 */
static size_t pipeline_chunk(size_t total, size_t grain, size_t most)
{
    size_t want = total / 4;
    if (want > PIPELINE_MOST)
        want = PIPELINE_MOST;
    if (want < PIPELINE_LEAST)
        want = PIPELINE_LEAST;
    return vc_min_size(vc_round_up(want, grain), most);
}

/* One's own part of a gathered vector, [off, off + len) of it, needs no slot. */
static void keep_own(const struct vc_node *nd, const struct vc_node_call *c, size_t off, size_t len)
{
    size_t own = (size_t)nd->me * c->len;
    const char *from = (const char *)c->src + (c->kind == VC_PHASE_ALLTOALL ? own : 0);
    char *to = (char *)c->dst + own;
    if (len == 0 || to == from)
        return;
    if (c->kind == VC_PHASE_ALLTOALL)
        memcpy(to + off, from + off, len);
    else
        vc_copy_result(to + off, from + off, len, c->len * (size_t)nd->n);
}

int vc_node_slots_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_state *st = &c->st;
    size_t n = (size_t)nd->n, grain = c->grain ? c->grain : 1;
    size_t per_slot = c->len; /* bytes a slot would need to carry all in one chunk */
    size_t pieces = 1;        /* a chunk holds a piece for each of so many */
    st->stages = 1;
    switch (c->kind) {
    case VC_PHASE_ALLREDUCE:
    case VC_PHASE_BARRIER:
        if (nd->n > VC_FLAT_RANKS || (nd->n > 2 ? (n - 1) * c->len : c->len) > VC_FLAT_BYTES)
            st->stages = 2;
        break;
    case VC_PHASE_ALLTOALL:
    case VC_PHASE_SCATTER:
        pieces = n;
        per_slot = n * c->len;
        break;
    case VC_PHASE_ALLGATHER_SLICES:
        per_slot = vc_slice(c->len, grain, c->parts, 1); /* slice 0 is the largest */
        break;
    case VC_PHASE_REDUCE_SCATTER:
        break;
    default:
        break;
    }
    st->ring = &nd->small;
    if (per_slot <= nd->tiny.cap)
        st->ring = &nd->tiny;
    else if (per_slot > nd->small.cap && nd->bulk.cap)
        st->ring = &nd->bulk;
    size_t cap = st->ring->cap;
    if (c->kind == VC_PHASE_REDUCE_SCATTER && cap / (size_t)c->parts >= grain)
        pieces = (size_t)c->parts;
    if (grain > cap / pieces)
        return vc_fail(VC_ERR_UNSUPPORTED, "elements of %zu bytes do not fit into slots of %zu bytes", grain,
                       cap);
    size_t total = c->kind == VC_PHASE_ALLGATHER_SLICES || (c->kind == VC_PHASE_REDUCE_SCATTER && pieces > 1)
                       ? vc_slice(c->len, grain, c->parts, 1)
                       : c->len;
    st->chunk = cap / pieces / grain * grain;
    if ((c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_REDUCE) && nd->own_cpus && st->ring == &nd->bulk)
        st->chunk = pipeline_chunk(total, grain, st->chunk);
    if (total <= st->chunk) {
        st->chunk = total;
        st->nchunks = 1;
    } else {
        st->nchunks = (int)((total + st->chunk - 1) / st->chunk);
    }
    st->window = (int)st->ring->depth / st->stages;
    st->base = st->ring->pos;
    st->ring->pos += (uint64_t)st->nchunks * (uint64_t)st->stages;
    st->wr = st->red = st->rd = 0;
    st->red_next = st->rd_next = 0;
    st->idle = 0;
    uint64_t end = st->ring->pos;
    if (!writes(nd, c))
        st->wr = st->nchunks;
    if (!reads(nd, c)) {
        vc_set_done(nd, st->ring, end);
        st->rd = st->nchunks;
    }

    /* The root of a gather writes nothing. */
    if (c->kind == VC_PHASE_GATHER && nd->me == c->root)
        keep_own(nd, c, 0, c->len);
    return VC_OK;
}

/* The part of slice p that chunk k carries, for the kinds whose chunks hold a piece of each slice. */
static void slice_piece(const struct vc_node_call *c, int p, int k, size_t *off, size_t *len)
{
    size_t grain = c->grain ? c->grain : 1;
    size_t lo = vc_slice(c->len, grain, c->parts, p) + (size_t)k * c->st.chunk;
    size_t hi = vc_slice(c->len, grain, c->parts, p + 1);
    *off = lo;
    *len = lo < hi ? vc_min_size(hi - lo, c->st.chunk) : 0;
}

static bool pieces_per_slice(const struct vc_node *nd, const struct vc_node_call *c)
{
    (void)nd;
    return c->kind == VC_PHASE_REDUCE_SCATTER &&
           c->st.ring->cap / (size_t)c->parts >= (c->grain ? c->grain : 1);
}

static size_t chunk_len(const struct vc_node_call *c, int k)
{
    size_t off = (size_t)k * c->st.chunk;
    return vc_min_size(c->len - off, c->st.chunk);
}

/* Two-stage reductions: the part of a chunk that this rank reduces; empty where another does it all. */
static void own_slice(const struct vc_node *nd, const struct vc_node_call *c, size_t len, size_t *lo,
                      size_t *hi)
{
    int parts = slice_parts(nd, c);
    size_t grain = c->grain ? c->grain : 1;
    *lo = *hi = 0;
    if (nd->me < parts) {
        *lo = vc_slice(len, grain, parts, nd->me);
        *hi = vc_slice(len, grain, parts, nd->me + 1);
    }
}

static void fill_chunk(struct vc_node *nd, struct vc_node_call *c, int k, char *to)
{
    struct vc_node_state *st = &c->st;
    size_t off = (size_t)k * st->chunk, len, piece;
    const char *src = c->src;
    switch (c->kind) {
    case VC_PHASE_BARRIER:
        break;
    case VC_PHASE_BCAST:
        memcpy(to, (const char *)c->dst + off, chunk_len(c, k));
        break;
    case VC_PHASE_ALLGATHER_SLICES:
        slice_piece(c, nd->me, k, &piece, &len);
        memcpy(to, (const char *)c->dst + piece, len);
        break;
    case VC_PHASE_ALLTOALL:
    case VC_PHASE_SCATTER:
        len = chunk_len(c, k);
        for (int r = 0; r < nd->n; r++)
            if (r != nd->me)
                memcpy(to + (size_t)r * len, src + (size_t)r * c->len + off, len);
        break;
    case VC_PHASE_REDUCE_SCATTER:
        if (pieces_per_slice(nd, c)) {
            for (int p = 0; p < c->parts; p++) {
                slice_piece(c, p, k, &piece, &len);
                memcpy(to + (size_t)p * st->chunk, src + piece, len);
            }
            break;
        }
        memcpy(to, src + off, chunk_len(c, k));
        break;
    default:
        len = chunk_len(c, k);
        if (st->stages == 2) { /* the own slice is read from src by nobody but this rank */
            size_t lo, hi;
            own_slice(nd, c, len, &lo, &hi);
            memcpy(to, src + off, lo);
            memcpy(to + hi, src + off + hi, len - hi);
        } else {
            memcpy(to, src + off, len);
        }
        break;
    }
}

static void publish_bcast(struct vc_node *nd, struct vc_node_ring *ring, const struct vc_node_call *c,
                          uint64_t g)
{
    /* Only slots for what is longer have a second word. */
    bool in_flag = c->len <= VC_SMALL_SLOT;
    if (!in_flag)
        vc_set_word(nd, ring, g, c->len);
    vc_publish_as(nd, ring, g, vc_bcast_flag(g, in_flag ? c->len : VC_SAY_WORD));
}

static void write_chunk(struct vc_node *nd, struct vc_node_call *c, int k)
{
    uint64_t g = c->st.base + (uint64_t)k * (uint64_t)c->st.stages;
    if (c->len > 0)
        fill_chunk(nd, c, k, vc_payload(c->st.ring, nd->me, g));
    if (c->kind == VC_PHASE_BCAST)
        publish_bcast(nd, c->st.ring, c, g);
    else
        vc_publish(nd, c->st.ring, g);
    /* Not before the others can begin, and while it is in this core's cache. */
    if (c->kind == VC_PHASE_ALLGATHER || c->kind == VC_PHASE_ALLTOALL)
        keep_own(nd, c, (size_t)k * c->st.chunk, chunk_len(c, k));
}

/* Where rank r's contribution to chunk k can be read. */
static const char *contribution(const struct vc_node *nd, const struct vc_node_call *c, int r, int k)
{
    const struct vc_node_state *st = &c->st;
    if (r == nd->me && (st->stages == 2 || vc_root_reads_src(nd, c)))
        return (const char *)c->src + (size_t)k * st->chunk;
    return vc_payload(st->ring, r, st->base + (uint64_t)k * (uint64_t)st->stages);
}

/*
 * Reduces [lo, lo + len) of the payloads of chunk k of all ranks, descending, into `out`, as far as they have
 * arrived: right to left gives v0 + (v1 + (v2 + ...)), v0 being the leftmost operand. *next counts the ranks
 * done. True when complete.
 */
static bool reduce_chunk(struct vc_node *nd, struct vc_node_call *c, int k, size_t lo, size_t len, char *out,
                         int *next, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * (uint64_t)st->stages;
    size_t count = c->op && len ? len / c->op->esize : 0;
    for (; *next < nd->n; ++*next) {
        int r = nd->n - 1 - *next;
        /* The own part is out, or is read where it lies. */
        if (r != nd->me && !vc_ready(st->ring, r, g)) {
            *whom = vc_blame(nd, st->ring, r, g);
            return false;
        }
        if (*next == 0 || count == 0)
            continue;
        const char *v = contribution(nd, c, r, k) + lo;
        const char *acc = *next == 1 ? contribution(nd, c, r + 1, k) + lo : out;
        c->op->fn(v, acc, out, count, c->op->ctx);
    }
    *next = 0;
    return true;
}

/*
 * Whether this rank's slice is reduced straight into dst and copied to the slot while it is hot, instead of
 * the other way round. Not where dst is src and holds an operand that is still needed, and not with kernels
 * of users, which may not write over their left operand. Concerns nobody but this rank.
 */
static bool reduces_at_home(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->op && !c->op->ctx && (c->src != c->dst || nd->n == 2);
}

/* Two-stage operations: this rank's slice of the result of chunk k, published in the slot after the
 * contributions. */
static bool publish_slice(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    int parts = slice_parts(nd, c);
    if (nd->me >= parts)
        return true;
    if (!vc_may_write(nd, st->ring, g, whom))
        return false;
    size_t lo, hi;
    own_slice(nd, c, chunk_len(c, k), &lo, &hi);
    char *to = vc_payload(st->ring, nd->me, g), *at_home = (char *)c->dst + (size_t)k * st->chunk + lo;
    char *out = reduces_at_home(nd, c) ? at_home : to;
    if (!reduce_chunk(nd, c, k, lo, hi - lo, out, &st->red_next, whom))
        return false;
    if (out == at_home && hi > lo)
        memcpy(to, at_home, hi - lo);
    vc_publish(nd, st->ring, g);
    return true;
}

static bool collect_slices(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    size_t len = chunk_len(c, k), grain = c->grain ? c->grain : 1;
    int parts = slice_parts(nd, c);
    char *dst = (char *)c->dst + (size_t)k * st->chunk;
    for (; st->rd_next < parts; st->rd_next++) {
        int r = (nd->me + st->rd_next) % parts;
        if (r == nd->me && reduces_at_home(nd, c))
            continue;
        if (!vc_ready(st->ring, r, g)) {
            *whom = r;
            return false;
        }
        size_t lo = vc_slice(len, grain, parts, r), hi = vc_slice(len, grain, parts, r + 1);
        if (hi > lo)
            vc_copy_result(dst + lo, vc_payload(st->ring, r, g), hi - lo, c->len);
    }
    st->rd_next = 0;
    return true;
}

/* Copies what chunk k of rank r holds for this rank. */
static void take(struct vc_node *nd, struct vc_node_call *c, int r, int k)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k;
    const char *from = vc_payload(st->ring, r, g);
    size_t off = (size_t)k * st->chunk, len, piece;
    char *dst = c->dst;
    switch (c->kind) {
    case VC_PHASE_BCAST:
        vc_copy_result(dst + off, from, chunk_len(c, k), c->len);
        break;
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_GATHER:
        vc_copy_result(dst + (size_t)r * c->len + off, from, chunk_len(c, k), c->len * (size_t)nd->n);
        break;
    case VC_PHASE_ALLTOALL:
        len = chunk_len(c, k);
        memcpy(dst + (size_t)r * c->len + off, from + (size_t)nd->me * len, len);
        break;
    case VC_PHASE_SCATTER:
        len = chunk_len(c, k);
        memcpy(dst + off, from + (size_t)nd->me * len, len);
        break;
    case VC_PHASE_ALLGATHER_SLICES:
        slice_piece(c, r, k, &piece, &len);
        memcpy(dst + piece, from, len);
        break;
    default:
        break;
    }
}

static bool consume_chunk(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    size_t off = (size_t)k * st->chunk, len;
    uint64_t g = st->base + (uint64_t)k;
    if (st->stages == 2)
        return collect_slices(nd, c, k, whom);
    if (c->kind == VC_PHASE_REDUCE_SCATTER) {
        size_t lo = 0;
        if (pieces_per_slice(nd, c)) {
            slice_piece(c, nd->me, k, &off, &len);
            lo = (size_t)nd->me * st->chunk;
        } else { /* what this chunk has of the own slice */
            size_t a = vc_slice(c->len, c->grain, c->parts, nd->me);
            size_t b = vc_slice(c->len, c->grain, c->parts, nd->me + 1);
            size_t end = off + chunk_len(c, k), from = a > off ? a : off, to = b < end ? b : end;
            len = from < to ? to - from : 0;
            lo = len ? from - off : 0;
            off = len ? from : 0;
        }
        return reduce_chunk(nd, c, k, lo, len, (char *)c->dst + off, &st->rd_next, whom);
    }
    if (reduces(c->kind) || c->kind == VC_PHASE_BARRIER) {
        len = chunk_len(c, k);
        return reduce_chunk(nd, c, k, 0, len, c->dst ? (char *)c->dst + off : NULL, &st->rd_next, whom);
    }
    if (!reads_all(nd, c)) { /* bcast, scatter: the root alone speaks */
        /* A broadcast of another length is not for consuming: vc_bcast_check() has a word on it. */
        if (!(c->kind == VC_PHASE_BCAST ? vc_bcast_fits(st->ring, c, c->root, g)
                                        : vc_ready(st->ring, c->root, g))) {
            *whom = c->root;
            return false;
        }
        if (c->len)
            take(nd, c, c->root, k);
        return true;
    }
    int last = c->kind == VC_PHASE_ALLGATHER_SLICES ? c->parts : nd->n;
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = (nd->me + st->rd_next) % nd->n;
        if (r == nd->me || r >= last)
            continue;
        if (!vc_ready(st->ring, r, g)) {
            *whom = last == nd->n ? vc_blame(nd, st->ring, r, g) : r;
            return false;
        }
        if (c->len)
            take(nd, c, r, k);
    }
    st->rd_next = 0;
    return true;
}

int vc_node_slots_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = st->ring;
    for (;;) {
        bool moved = false;
        if (st->wr < st->nchunks && st->wr < st->rd + st->window) {
            uint64_t g = st->base + (uint64_t)st->wr * (uint64_t)st->stages;
            if (vc_may_write(nd, ring, g, whom)) {
                write_chunk(nd, c, st->wr++);
                moved = true;
            }
        }
        if (st->stages == 2 && st->red < st->wr && publish_slice(nd, c, st->red, whom)) {
            st->red++;
            moved = true;
        }
        /* Never before the own part of that chunk is out: dst may be src. */
        if (st->rd < (st->stages == 2 ? st->red : st->wr) && consume_chunk(nd, c, st->rd, whom)) {
            st->rd++;
            vc_set_done(nd, ring, st->base + (uint64_t)st->rd * (uint64_t)st->stages);
            moved = true;
        }
        if (st->rd == st->nchunks && st->wr == st->nchunks)
            break;
        if (!moved)
            return 0;
    }
    if (reads_all(nd, c) && c->kind != VC_PHASE_ALLGATHER_SLICES && c->kind != VC_PHASE_GATHER)
        vc_learned(ring, st->base);
    /* Last, because dst may be src: until now the root's blocks were still to be written. */
    if (c->kind == VC_PHASE_SCATTER && nd->me == c->root && c->len)
        memmove(c->dst, (const char *)c->src + (size_t)nd->me * c->len, c->len);
    st->phase = -1;
    return 1;
}
