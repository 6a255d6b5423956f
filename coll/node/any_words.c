/* SPDX-License-Identifier: BSD-3-Clause */
/* What both halves share: words of readers, and how an operation ends. */
#include "coll/node/any.h"

/* Single copy, where it is asked for, pays from so many bytes on. */
#define COPY_LEAST ((size_t)128 << 10)

_Static_assert(VC_SMALL_DEPTH == VC_BULK_DEPTH, "either ring is turned twice");

int vc_any_finish(struct vc_node *nd, struct vc_node_call *c)
{
    if (c->kind == VC_PHASE_GATHER_ANY && vc_any_has_small(nd))
        vc_set_done(nd, &nd->small, c->st.mid + 1);
    vc_set_done(nd, &nd->tiny, c->st.base + 1);
    vc_set_done(nd, vc_any_ring(nd), c->st.more + VC_ANY_TURNS);
    c->st.phase = -1;
    return 1;
}

bool vc_any_copies_alone(const struct vc_node *nd, const struct vc_node_call *c, size_t len)
{
    size_t least = c->alg == VC_NODE_CMA ? vc_min_size(nd->cma_min, COPY_LEAST) : nd->cma_min;
    /* What has to be packed is packed into slots. */
    bool strewn = c->view && c->view->src;
    return c->alg != VC_NODE_SLOTS && nd->cma_pids && !strewn && len > VC_ANY_SHORT && len >= least;
}

bool vc_any_left_silently(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    uint64_t done = atomic_load_explicit(&vc_ring_part(&nd->tiny, r)->done, memory_order_acquire);
    return done > c->st.base && !vc_ready(&nd->tiny, r, c->st.base);
}

int vc_any_differs(const struct vc_node *nd, int r, uint64_t theirs, size_t mine)
{
    return vc_fail(VC_ERR_TRUNCATE, "a block has %zu bytes on rank %d and %zu on rank %d: the counts differ",
                   (size_t)theirs, vc_node_rank(nd, r), mine, vc_node_rank(nd, nd->me));
}

static _Atomic uint64_t *reader_word(const struct vc_node_ring *ring, int r, uint64_t slot)
{
    return (_Atomic uint64_t *)(void *)vc_payload(ring, r, slot);
}

bool vc_any_begin_word(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_ring *ring = vc_any_ring(nd);
    if (c->st.ready)
        return true;
    if (!vc_may_write(nd, ring, c->st.more, whom))
        return false;
    atomic_store_explicit(reader_word(ring, nd->me, c->st.more), 0, memory_order_relaxed);
    vc_publish(nd, ring, c->st.more);
    nd->room.since = c->st.more + VC_ANY_TURNS; /* until the writer is done, the word stays */
    c->st.ready = 1;
    return true;
}

/* Release: the chunk was read before its writer, which acquires the word, overwrites it. */
void vc_any_set_word(struct vc_node *nd, struct vc_node_call *c, uint64_t word)
{
    if (!c->st.ready)
        return;
    atomic_store_explicit(reader_word(vc_any_ring(nd), nd->me, c->st.more), word, memory_order_release);
    vc_node_wake(nd);
}

uint64_t vc_any_word(struct vc_node *nd, const struct vc_node_call *c, int r)
{
    struct vc_node_ring *ring = vc_any_ring(nd);
    if (!vc_ready(ring, r, c->st.more))
        return 0;
    return atomic_load_explicit(reader_word(ring, r, c->st.more), memory_order_acquire);
}
