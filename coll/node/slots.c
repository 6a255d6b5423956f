/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases through slots. An operation is cut into chunks. Three cursors run over them: written (this
 * rank's contribution is published), reduced (two-stage operations: this rank's slice of the result is
 * published), read. Each moves whenever it can, so writing runs ahead of reading by up to a window, and
 * copies of several ranks overlap.
 */
#include "coll/node/slots.h"

#include "coll/node/copy.h"

/* Chunks of a pipeline, in bytes: not so short that meetings cost more than copies, not so long that the ring
 * leaves a core's own cache. */
#define PIPELINE_LEAST 4096
#define PIPELINE_MOST  16384
/* Tiny slots that an operation takes at most. */
#define TINY_SLOTS_MOST 5

/* Whether this rank publishes anything. What a root vc_slots_gathers for itself nobody else reads. */
static bool writes(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (c->st.stages == 2)
        return true;
    if (i->gets == VC_WHO_ROOT && nd->me == c->root)
        return i->reduces && !vc_root_reads_src(nd, c);
    return vc_phase_gives(c->kind, nd->me, c->root, c->parts);
}

/* Whether this rank reads slots of others: in two stages all do, to reduce their slices. */
static bool reads(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->st.stages == 2 || vc_slots_gets(nd, c);
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
    enum vc_pieces kind = vc_slots_pieces(c);
    size_t pieces = kind == VC_FOR_EACH_RANK ? n : kind == VC_OF_EVERY_SLICE ? (size_t)c->parts : 1;
    size_t total = kind == VC_OF_OWN_SLICE || kind == VC_OF_EVERY_SLICE ? slice : c->len, cap = st->ring->cap;
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
        if (vc_slots_gathers(nd, c))
            vc_slots_copy_own(nd, c, 0, vc_slots_block_len(c, nd->me));
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

static void write_chunk(struct vc_node *nd, struct vc_node_call *c, int k)
{
    uint64_t g = c->st.base + (uint64_t)k * (uint64_t)c->st.stages;
    if (c->len > 0)
        vc_slots_fill(nd, c, k, vc_payload(c->st.ring, nd->me, g));
    vc_publish_call(nd, c, c->st.ring, g);
    /* After publishing, so that the others can begin, and while the block is in this core's cache. */
    if (vc_slots_gathers(nd, c))
        vc_slots_copy_own(nd, c, (size_t)k * c->st.chunk, vc_slots_chunk_of_block(c, nd->me, k));
}

static bool finish_chunk(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    size_t off = (size_t)k * st->chunk, len, in_slot;
    uint64_t g = st->base + (uint64_t)k;
    if (st->stages == 2)
        return vc_slots_collect_slices(nd, c, k, whom);
    if (i->gets == VC_WHO_PARTS) {
        vc_slots_scattered_part(nd, c, k, &off, &in_slot, &len);
        return vc_slots_reduce(nd, c, k, in_slot, len, (char *)c->dst + off, &st->rd_next, whom);
    }
    if (i->reduces || c->kind == VC_PHASE_BARRIER)
        return vc_slots_reduce(nd, c, k, 0, vc_slots_chunk_len(c, k), c->dst ? (char *)c->dst + off : NULL,
                               &st->rd_next, whom);
    if (i->gives == VC_WHO_ROOT) {
        /* What has another length is not read: vc_bcast_check() or vc_call_check() reports it. */
        if (!vc_fits(st->ring, c, c->root, g)) {
            *whom = c->root;
            return false;
        }
        if (c->len)
            vc_slots_read(nd, c, c->root, k);
        return true;
    }
    int last = i->gives == VC_WHO_PARTS ? c->parts : nd->n;
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = (nd->me + st->rd_next) % nd->n;
        if (r == nd->me || r >= last)
            continue;
        if (!vc_fits(st->ring, c, r, g)) {
            *whom = last == nd->n ? vc_slowest(nd, st->ring, r, g) : r;
            return false;
        }
        if (c->len)
            vc_slots_read(nd, c, r, k);
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
        if (st->stages == 2 && st->red < st->wr && vc_slots_publish_slice(nd, c, st->red, whom)) {
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
    if (vc_slots_gets(nd, c) && vc_phase_info[c->kind].gives == VC_WHO_ALL)
        vc_learned(ring, st->base);
    /* Last, because dst may be src, whose blocks had to be published first. */
    if (vc_phase_info[c->kind].src_at_root && nd->me == c->root && vc_slots_block_len(c, nd->me)) {
        const char *own = (const char *)c->src + vc_slots_nth_block(c, nd->me);
        size_t len = vc_slots_block_len(c, nd->me);
        if (c->dst != own && c->view)
            vc_node_copy_own(c, c->dst, own, len, len);
        else if (c->dst != own)
            memmove(c->dst, own, len);
    }
    if (nd->measured)
        vc_copy_race_took(race_of(nd, c), nd->took);
    nd->measured = false;
    st->phase = -1;
    return 1;
}
