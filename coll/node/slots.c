/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases through slots. An operation is cut into chunks. Three cursors run over them: written (this
 * rank's contribution is published), reduced (two-stage operations: this rank's slice of the result is
 * published), read. Each moves whenever it can, so writing runs ahead of reading by up to a window, and
 * copies of several ranks overlap.
 */
#include "coll/node/copy.h"
#include "coll/node/impl.h"

/* Chunks of a pipeline, in bytes: not so short that meetings cost more than copies, not so long that the ring
 * leaves a core's own cache. */
#define PIPELINE_LEAST 4096
#define PIPELINE_MOST  16384
/* Tiny slots that an operation takes at most. */
#define TINY_SLOTS_MOST 4

/* Whether this rank publishes anything. What a root gathers for itself nobody else reads. */
static bool writes(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (c->st.stages == 2)
        return true;
    if (i->gets == VC_WHO_ROOT && nd->me == c->root)
        return i->reduces && !vc_root_reads_src(nd, c);
    return vc_phase_gives(c->kind, nd->me, c->root, c->parts);
}

/* Whether this rank ends with something of the others. */
static bool gets(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_phase_gets(c->kind, nd->me, c->root, c->parts);
}

/* Whether this rank reads slots of others: in two stages all do, to reduce their slices. */
static bool reads(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->st.stages == 2 || gets(nd, c);
}

/* What a chunk holds. */
enum pieces {
    WHOLE,          /* a part of the vector or block */
    FOR_EACH_RANK,  /* a part of the block of each rank that reads it */
    OF_OWN_SLICE,   /* a part of the writer's slice */
    OF_EVERY_SLICE, /* a part of each slice */
};

static enum pieces pieces_of(const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (i->src == VC_EXTENT_EACH)
        return FOR_EACH_RANK;
    if (i->gives == VC_WHO_PARTS)
        return OF_OWN_SLICE;
    /* Slices so many that none has room for an element go as a whole. */
    bool fit = i->gets == VC_WHO_PARTS && c->st.ring->cap / (size_t)c->parts >= vc_grain(c);
    return fit ? OF_EVERY_SLICE : WHOLE;
}

/* Where the block of local index r begins, of several that follow each other. */
static size_t nth_block(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].uneven ? c->at[r] : (size_t)r * c->len;
}

/* The same in dst. */
static size_t block_at(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].dst == VC_EXTENT_EACH ? nth_block(c, r) : 0;
}

/* Bytes of the block of local index r. */
static size_t block_len(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].uneven ? c->at[r + 1] - c->at[r] : c->len;
}

/* Bytes of dst. */
static size_t result_len(const struct vc_node *nd, const struct vc_node_call *c)
{
    const size_t *at = vc_phase_info[c->kind].uneven ? c->at : NULL;
    return vc_phase_side(vc_phase_info[c->kind].dst, c->len, at, nd->n, nd->me);
}

/*
 * Two stages: how many ranks share the reducing of a chunk of `len` bytes. All, but among many ranks and in
 * rooted reductions not more than get VC_SLICE_LEAST bytes each.
 */
static int slice_parts(const struct vc_node *nd, const struct vc_node_call *c, size_t len)
{
    if (nd->n <= VC_FLAT_RANKS && c->kind != VC_PHASE_REDUCE)
        return nd->n;
    size_t most = len / VC_SLICE_LEAST;
    return most >= (size_t)nd->n ? nd->n : most > 1 ? (int)most : 1;
}

/* The rank that reduces the first slice of chunk k. Chunks go round where not all ranks share in each. */
static int first_reducer(const struct vc_node *nd, const struct vc_node_call *c, int k)
{
    int parts = slice_parts(nd, c, c->st.chunk);
    return parts == nd->n ? 0 : (int)((int64_t)k * parts % nd->n);
}

/* Whether a rooted reduction goes in two stages: slices, which the root collects. */
static bool reduces_by_slices(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_REDUCE && nd->own_cpus && nd->n > VC_ROOT_RANKS && c->len > VC_FLAT_BYTES &&
           c->st.ring == &nd->bulk;
}

/*
 * The length of a chunk where one side only sends and the other only receives, and both have a CPU: short
 * enough that the receiver begins after a quarter of the message.
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

/* Copies [off, off + len) of the block that this rank gives itself. It needs no slot. */
static void copy_own_block(const struct vc_node *nd, const struct vc_node_call *c, size_t off, size_t len)
{
    bool each = vc_phase_info[c->kind].src == VC_EXTENT_EACH;
    const char *from = (const char *)c->src + (each ? nth_block(c, nd->me) : 0);
    char *to = (char *)c->dst + block_at(c, nd->me);
    if (len == 0 || to == from)
        return;
    vc_copy_own(to + off, from + off, len, each ? 0 : result_len(nd, c));
}

/* Whether this rank has a block of its own to be copied. */
static bool gathers(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_phase_info[c->kind].dst == VC_EXTENT_EACH && gets(nd, c);
}

static struct vc_copy_race *race_of(struct vc_node *nd, const struct vc_node_call *c)
{
    int row = c->kind == VC_PHASE_ALLREDUCE   ? 0
              : c->kind == VC_PHASE_ALLGATHER ? 1
              : c->kind == VC_PHASE_ALLTOALL  ? 2
                                              : -1;
    if (row < 0 || c->len < VC_COPY_LEAST)
        return NULL;
    int doubling = 63 - __builtin_clzll(c->len / VC_COPY_LEAST);
    return &nd->race[row][doubling < VC_RACES ? doubling : VC_RACES - 1];
}

/* Where all ranks do the same, they race for the way to fill slots. */
static void enter_race(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_copy_race *r = race_of(nd, c);
    nd->took = 0;
    nd->measured = false;
    nd->give = r ? vc_copy_race_next(r, &nd->measured) : NULL;
}

/* Of slices, the largest. */
static size_t slice_of(const struct vc_node_call *c)
{
    return vc_phase_sliced(c->kind) ? vc_slice(c->len, vc_grain(c), c->parts, 1) : 0;
}

size_t vc_slots_need(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_phase_info[c->kind].src == VC_EXTENT_EACH   ? (size_t)nd->n * c->len
           : vc_phase_info[c->kind].gives == VC_WHO_PARTS ? slice_of(c)
                                                          : c->len;
}

/*
 * Whether a scatter of this many bytes goes through several tiny slots, and not through a small one. The root
 * runs ahead by as many operations as the ring has room for, and where ranks share CPUs that is what it costs
 * when it has to wait for them.
 */
static bool goes_by_tiny_slots(const struct vc_node *nd, const struct vc_node_call *c, size_t bytes)
{
    return c->kind == VC_PHASE_SCATTER && !nd->own_cpus && bytes <= TINY_SLOTS_MOST * nd->tiny.cap &&
           (size_t)nd->n <= nd->tiny.cap;
}

/* Chooses ring and chunks and takes the slots: the same on all ranks. */
static int take_slots(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_state *st = &c->st;
    /* Only operators and slices care where a chunk ends. */
    bool cut = vc_phase_info[c->kind].reduces || vc_phase_sliced(c->kind);
    size_t n = (size_t)nd->n, grain = cut ? vc_grain(c) : 1;
    bool all_get_all = c->kind == VC_PHASE_ALLREDUCE || c->kind == VC_PHASE_BARRIER;
    bool large = nd->n > vc_flat_ranks(nd->own_cpus);
    bool two_stages = large || (n - 1) * c->len > vc_flat_bytes(nd->n, nd->own_cpus);
    /* The ring whose slots carry all in one chunk, if there is one. */
    size_t slice = slice_of(c), per_slot = vc_slots_need(nd, c);
    st->ring = &nd->small;
    if (per_slot <= nd->tiny.cap || goes_by_tiny_slots(nd, c, per_slot))
        st->ring = &nd->tiny;
    else if (per_slot > nd->small.cap && nd->bulk.cap)
        st->ring = &nd->bulk;
    st->stages = (all_get_all && two_stages) || reduces_by_slices(nd, c) ? 2 : 1;
    enum pieces kind = pieces_of(c);
    size_t pieces = kind == FOR_EACH_RANK ? n : kind == OF_EVERY_SLICE ? (size_t)c->parts : 1;
    size_t total = kind == OF_OWN_SLICE || kind == OF_EVERY_SLICE ? slice : c->len, cap = st->ring->cap;
    if (total > 0 && grain > cap / pieces)
        return vc_fail(VC_ERR_UNSUPPORTED, "elements of %zu bytes do not fit into slots of %zu bytes", grain,
                       cap);
    st->chunk = cap / pieces / grain * grain;
    if ((c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_REDUCE) && nd->own_cpus && st->ring == &nd->bulk &&
        st->stages == 1)
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
    st->ready = st->nchunks;
    return VC_OK;
}

int vc_node_slots_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_state *st = &c->st;
    int err = take_slots(nd, c);
    if (err != VC_OK)
        return err;
    enter_race(nd, c);
    uint64_t end = st->ring->pos;
    if (!writes(nd, c)) {
        st->wr = st->nchunks;
        if (gathers(nd, c))
            copy_own_block(nd, c, 0, block_len(c, nd->me));
    }
    if (!reads(nd, c)) {
        vc_set_done(nd, st->ring, end);
        st->rd = st->nchunks;
    }
    return VC_OK;
}

int vc_node_slots_skip(struct vc_node *nd, struct vc_node_call *c)
{
    int err = take_slots(nd, c);
    if (err == VC_OK)
        vc_set_done(nd, c->st.ring, c->st.ring->pos);
    c->st.phase = -1;
    return err;
}

void vc_node_slots_feed(const struct vc_node *nd, struct vc_node_call *c, size_t bytes, bool all)
{
    struct vc_node_state *st = &c->st;
    st->ready = all || bytes >= c->len ? st->nchunks : (int)(bytes / st->chunk);
    if (!writes(nd, c))
        st->wr = st->ready;
}

/* The part of slice p that chunk k carries, for the kinds whose chunks hold a piece of each slice. */
static void slice_piece(const struct vc_node_call *c, int p, int k, size_t *off, size_t *len)
{
    size_t grain = vc_grain(c);
    size_t lo = vc_slice(c->len, grain, c->parts, p) + (size_t)k * c->st.chunk;
    size_t hi = vc_slice(c->len, grain, c->parts, p + 1);
    *off = lo;
    *len = lo < hi ? vc_min_size(hi - lo, c->st.chunk) : 0;
}

static size_t chunk_len(const struct vc_node_call *c, int k)
{
    size_t off = (size_t)k * c->st.chunk;
    return vc_min_size(c->len - off, c->st.chunk);
}

/* Of the block of local index r, which may be shorter than the longest and end in an earlier chunk. */
static size_t chunk_of_block(const struct vc_node_call *c, int r, int k)
{
    size_t off = (size_t)k * c->st.chunk, len = block_len(c, r);
    return off < len ? vc_min_size(len - off, c->st.chunk) : 0;
}

/* Two-stage reductions: the part of a chunk that this rank reduces; empty where another rank reduces all. */
static void own_slice(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *lo, size_t *hi)
{
    size_t grain = vc_grain(c), len = chunk_len(c, k);
    int parts = slice_parts(nd, c, len), mine = nd->me - first_reducer(nd, c, k);
    if (mine < 0)
        mine += nd->n;
    *lo = *hi = 0;
    if (mine < parts) {
        *lo = vc_slice(len, grain, parts, mine);
        *hi = vc_slice(len, grain, parts, mine + 1);
    }
}

static void give(const struct vc_node *nd, void *slot, const void *from, size_t len)
{
    if (nd->give && len >= VC_COPY_LEAST)
        nd->give(slot, from, len);
    else
        vc_copy(slot, from, len, VC_COPY_GIVE);
}

/* Copies this rank's contribution to chunk k into a slot. */
static void fill_chunk(struct vc_node *nd, struct vc_node_call *c, int k, char *to)
{
    struct vc_node_state *st = &c->st;
    size_t off = (size_t)k * st->chunk, len, piece;
    const char *from = vc_phase_info[c->kind].src == VC_EXTENT_NONE ? c->dst : c->src;
    switch (pieces_of(c)) {
    case OF_OWN_SLICE:
        slice_piece(c, nd->me, k, &piece, &len);
        give(nd, to, from + piece, len);
        break;
    case FOR_EACH_RANK:
        len = chunk_len(c, k);
        for (int r = 0; r < nd->n; r++)
            if (r != nd->me)
                give(nd, to + (size_t)r * len, from + nth_block(c, r) + off, chunk_of_block(c, r, k));
        break;
    case OF_EVERY_SLICE:
        for (int p = 0; p < c->parts; p++) {
            slice_piece(c, p, k, &piece, &len);
            give(nd, to + (size_t)p * st->chunk, from + piece, len);
        }
        break;
    case WHOLE:
        len = chunk_of_block(c, nd->me, k);
        if (st->stages == 2) { /* its own slice this rank reads from src */
            size_t lo, hi;
            own_slice(nd, c, k, &lo, &hi);
            give(nd, to, from + off, lo);
            give(nd, to + hi, from + off + hi, len - hi);
        } else if (len > 0) { /* a rank whose block is empty may have no buffer */
            give(nd, to, from + off, len);
        }
        break;
    }
}

/* The flag says how long the message or block is. */
static void publish_length(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, size_t len)
{
    if (len > VC_SMALL_SLOT) /* tiny slots have no second word */
        vc_write_word(nd, ring, g, len);
    vc_publish_as(nd, ring, g, vc_block_flag(g, len));
}

static void write_chunk(struct vc_node *nd, struct vc_node_call *c, int k)
{
    uint64_t g = c->st.base + (uint64_t)k * (uint64_t)c->st.stages;
    if (c->len > 0)
        fill_chunk(nd, c, k, vc_payload(c->st.ring, nd->me, g));
    if (c->kind == VC_PHASE_BCAST)
        publish_length(nd, c->st.ring, g, c->len);
    else if (c->kind == VC_PHASE_ALLGATHERV)
        publish_length(nd, c->st.ring, g, block_len(c, nd->me));
    else
        vc_publish(nd, c->st.ring, g);
    /* After publishing, so that the others can begin, and while the block is in this core's cache. */
    if (gathers(nd, c))
        copy_own_block(nd, c, (size_t)k * c->st.chunk, chunk_of_block(c, nd->me, k));
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
 * Reduces [lo, lo + len) of the payloads of chunk k of all ranks into `out`, as far as they have arrived,
 * from the last rank to the first: v0 + (v1 + (v2 + ...)). *next counts the ranks that are done. True when
 * complete.
 */
static bool reduce_chunk(struct vc_node *nd, struct vc_node_call *c, int k, size_t lo, size_t len, char *out,
                         int *next, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * (uint64_t)st->stages;
    size_t count = c->op && len ? len / c->op->esize : 0;
    for (; *next < nd->n; ++*next) {
        int r = nd->n - 1 - *next;
        /* This rank's own contribution is published already, or is read from src. */
        if (r != nd->me && !vc_ready(st->ring, r, g)) {
            *whom = vc_slowest(nd, st->ring, r, g);
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
 * Whether this rank reduces its slice into dst and copies it from there to the slot, while it is in the
 * cache, instead of the other way round. Not where dst is src and holds an operand that is still needed, nor
 * with operators of users, which may not write over their left operand. Each rank may decide for itself.
 */
static bool reduces_into_dst(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->op && !c->op->ctx && (c->src != c->dst || nd->n == 2) && gets(nd, c);
}

/* Whether this rank is one of those that reduce chunk k. Its slice may still be empty. */
static bool is_reducer(const struct vc_node *nd, const struct vc_node_call *c, int k)
{
    int mine = nd->me - first_reducer(nd, c, k);
    return (mine < 0 ? mine + nd->n : mine) < slice_parts(nd, c, chunk_len(c, k));
}

/* Two-stage operations: reduces this rank's slice of chunk k and publishes it in the slot behind the
 * contribution's. True when done. */
static bool publish_slice(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    if (!is_reducer(nd, c, k))
        return true;
    if (!vc_may_write(nd, st->ring, g, whom))
        return false;
    size_t lo, hi;
    own_slice(nd, c, k, &lo, &hi);
    char *to = vc_payload(st->ring, nd->me, g), *out = to;
    if (reduces_into_dst(nd, c))
        out = (char *)c->dst + (size_t)k * st->chunk + lo;
    if (!reduce_chunk(nd, c, k, lo, hi - lo, out, &st->red_next, whom))
        return false;
    if (out != to && hi > lo)
        give(nd, to, out, hi - lo);
    vc_publish(nd, st->ring, g);
    return true;
}

static bool collect_slices(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    size_t len = chunk_len(c, k), grain = vc_grain(c);
    if (!gets(nd, c))
        return true;
    int parts = slice_parts(nd, c, len), first = first_reducer(nd, c, k);
    char *dst = (char *)c->dst + (size_t)k * st->chunk;
    for (; st->rd_next < parts; st->rd_next++) {
        int p = (nd->me + st->rd_next) % parts, r = first + p < nd->n ? first + p : first + p - nd->n;
        if (r == nd->me && reduces_into_dst(nd, c))
            continue;
        if (!vc_ready(st->ring, r, g)) {
            *whom = r;
            return false;
        }
        size_t lo = vc_slice(len, grain, parts, p), hi = vc_slice(len, grain, parts, p + 1);
        if (hi > lo)
            vc_copy_result(dst + lo, vc_payload(st->ring, r, g), hi - lo, c->len);
    }
    st->rd_next = 0;
    return true;
}

/* Copies what chunk k of rank r holds for this rank. */
static void read_chunk(struct vc_node *nd, struct vc_node_call *c, int r, int k)
{
    struct vc_node_state *st = &c->st;
    const char *from = vc_payload(st->ring, r, st->base + (uint64_t)k);
    size_t off = (size_t)k * st->chunk, len, piece;
    char *to = (char *)c->dst + block_at(c, r);
    switch (pieces_of(c)) {
    case FOR_EACH_RANK:
        len = chunk_len(c, k);
        vc_copy(to + off, from + (size_t)nd->me * len, chunk_of_block(c, nd->me, k), VC_COPY_TAKE);
        break;
    case OF_OWN_SLICE:
        slice_piece(c, r, k, &piece, &len);
        vc_copy(to + piece, from, len, VC_COPY_TAKE);
        break;
    default:
        if ((len = chunk_of_block(c, r, k)) > 0)
            vc_copy_result(to + off, from, len, result_len(nd, c));
        break;
    }
}

/* A reduce-scatter's part of chunk k: where it lies in dst and in the slot. */
static void scattered_part(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *in_dst,
                           size_t *in_slot, size_t *len)
{
    if (pieces_of(c) == OF_EVERY_SLICE) {
        slice_piece(c, nd->me, k, in_dst, len);
        *in_slot = (size_t)nd->me * c->st.chunk;
        return;
    }
    size_t off = (size_t)k * c->st.chunk, end = off + chunk_len(c, k);
    size_t lo = vc_slice(c->len, vc_grain(c), c->parts, nd->me);
    size_t hi = vc_slice(c->len, vc_grain(c), c->parts, nd->me + 1);
    size_t from = lo > off ? lo : off, to = hi < end ? hi : end;
    *len = from < to ? to - from : 0;
    *in_slot = *len ? from - off : 0;
    *in_dst = *len ? from : 0;
}

static bool finish_chunk(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    size_t off = (size_t)k * st->chunk, len, in_slot;
    uint64_t g = st->base + (uint64_t)k;
    if (st->stages == 2)
        return collect_slices(nd, c, k, whom);
    if (i->gets == VC_WHO_PARTS) {
        scattered_part(nd, c, k, &off, &in_slot, &len);
        return reduce_chunk(nd, c, k, in_slot, len, (char *)c->dst + off, &st->rd_next, whom);
    }
    if (i->reduces || c->kind == VC_PHASE_BARRIER)
        return reduce_chunk(nd, c, k, 0, chunk_len(c, k), c->dst ? (char *)c->dst + off : NULL, &st->rd_next,
                            whom);
    if (i->gives == VC_WHO_ROOT) {
        /* A broadcast of another length is not read: vc_bcast_check() reports it. */
        if (!(c->kind == VC_PHASE_BCAST ? vc_bcast_fits(st->ring, c, c->root, g)
                                        : vc_ready(st->ring, c->root, g))) {
            *whom = c->root;
            return false;
        }
        if (c->len)
            read_chunk(nd, c, c->root, k);
        return true;
    }
    int last = i->gives == VC_WHO_PARTS ? c->parts : nd->n;
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = (nd->me + st->rd_next) % nd->n;
        if (r == nd->me || r >= last)
            continue;
        if (!(c->kind == VC_PHASE_ALLGATHERV ? vc_block_fits(st->ring, c, r, g) : vc_ready(st->ring, r, g))) {
            *whom = last == nd->n ? vc_slowest(nd, st->ring, r, g) : r;
            return false;
        }
        if (c->len)
            read_chunk(nd, c, r, k);
    }
    st->rd_next = 0;
    return true;
}

int vc_node_slots_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = st->ring;
    uint64_t begin = nd->measured ? vc_now_ns() : 0;
    for (;;) {
        bool moved = false;
        if (st->wr < st->ready && st->wr < st->rd + st->window) {
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
        /* Not before this rank has published its part of that chunk: dst may be src. */
        if (st->rd < (st->stages == 2 ? st->red : st->wr) && finish_chunk(nd, c, st->rd, whom)) {
            st->rd++;
            vc_set_done(nd, ring, st->base + (uint64_t)st->rd * (uint64_t)st->stages);
            moved = true;
        }
        if (nd->measured && moved) {
            vc_copy_drain();
            uint64_t now = vc_now_ns();
            nd->took += now - begin;
            begin = now;
        }
        if (st->rd == st->nchunks && st->wr == st->nchunks)
            break;
        if (!moved)
            return 0;
    }
    if (gets(nd, c) && vc_phase_info[c->kind].gives == VC_WHO_ALL)
        vc_learned(ring, st->base);
    /* Last, because dst may be src, whose blocks had to be published first. */
    if (vc_phase_info[c->kind].src_at_root && nd->me == c->root && block_len(c, nd->me)) {
        const char *own = (const char *)c->src + nth_block(c, nd->me);
        if (c->dst != own)
            memmove(c->dst, own, block_len(c, nd->me));
    }
    if (nd->measured)
        vc_copy_race_took(race_of(nd, c), nd->took);
    nd->measured = false;
    st->phase = -1;
    return 1;
}
