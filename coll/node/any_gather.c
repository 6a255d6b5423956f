/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gather: each rank that gives something puts its length into its tiny slot, and the data behind it, into the
 * small slot, or into chunks; by single copy the address. The root takes one rank after the other.
 */
#include "coll/node/any.h"
#include "transport/shm/single.h"

/* Whether a block that does not go by single copy goes by the small slot. */
static bool goes_by_small(const struct vc_node *nd, size_t len)
{
    return vc_any_has_small(nd) && len > VC_ANY_SHORT && len <= nd->small.cap;
}

/* The root's word: whose turn it is, counted from the root, and chunks that were read of that rank. */
static uint64_t turn_word(int turn, int chunks)
{
    return (uint64_t)turn << 32 | (uint32_t)chunks;
}

static int turn_of(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    return r > c->root ? r - c->root : r - c->root + nd->n;
}

static bool post_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_ring *tiny = &nd->tiny;
    bool alone = vc_any_copies_alone(nd, c, c->len), small = !alone && goes_by_small(nd, c->len);
    uint64_t head = c->len | (alone ? VC_ANY_BY_COPY : 0), address = (uint64_t)(uintptr_t)c->src;
    if (!vc_may_write(nd, tiny, c->st.base, whom) ||
        (small && !vc_may_write(nd, &nd->small, c->st.mid, whom)))
        return false;
    if (small)
        vc_node_give(c, vc_payload(&nd->small, nd->me, c->st.mid), c->src, c->len);
    char *to = vc_payload(tiny, nd->me, c->st.base);
    memcpy(to, &head, VC_ANY_HEAD);
    if (alone)
        memcpy(to + VC_ANY_HEAD, &address, sizeof address);
    else if (c->len <= VC_ANY_SHORT)
        vc_node_give(c, to + VC_ANY_HEAD, c->src, c->len);
    vc_publish(nd, tiny, c->st.base);
    return true;
}

int vc_any_give_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = vc_any_ring(nd);
    if (st->phase == VC_ANY_POST) {
        if (c->len > 0 && !post_block(nd, c, whom))
            return 0;
        st->phase = vc_any_copies_alone(nd, c, c->len) ? VC_ANY_CONFIRM : VC_ANY_MOVE;
        if (st->phase == VC_ANY_MOVE && (c->len <= VC_ANY_SHORT || goes_by_small(nd, c->len)))
            return vc_any_finish(nd, c);
    }
    if (st->phase == VC_ANY_CONFIRM) {
        *whom = c->root;
        if (vc_ready(&nd->tiny, c->root, st->base))
            return vc_any_finish(nd, c);
        return vc_any_left_silently(nd, c, c->root) ? vc_any_differs(nd, c->root, 0, c->len) : 0;
    }
    int depth = (int)ring->depth;
    for (int n = vc_any_chunks(c->len, ring->cap); st->wr < n; st->wr++) {
        size_t at = (size_t)st->wr * ring->cap, len = vc_min_size(c->len - at, ring->cap);
        uint64_t g = vc_any_slot(c, st->wr);
        if (st->wr < depth) {
            if (!vc_may_write(nd, ring, g, whom))
                return 0;
        } else if (vc_any_word(nd, c, c->root) < turn_word(turn_of(nd, c, nd->me), st->wr - depth + 1)) {
            *whom = c->root;
            return vc_any_left_silently(nd, c, c->root) ? vc_any_differs(nd, c->root, 0, c->len) : 0;
        }
        vc_node_give(c, vc_payload(ring, nd->me, g), (const char *)c->src + at, len);
        vc_publish(nd, ring, g);
    }
    return vc_any_finish(nd, c);
}

/* Chunks of rank r. 1: all. */
static int take_chunks(struct vc_node *nd, struct vc_node_call *c, int r, char *to, size_t len, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = vc_any_ring(nd);
    int n = vc_any_chunks(len, ring->cap);
    if (n > (int)ring->depth && !vc_any_begin_word(nd, c, whom))
        return 0;
    vc_any_set_word(nd, c, turn_word(st->rd_next, st->rd));
    for (; st->rd < n; vc_any_set_word(nd, c, turn_word(st->rd_next, ++st->rd))) {
        uint64_t g = vc_any_slot(c, st->rd);
        size_t at = (size_t)st->rd * ring->cap;
        *whom = r;
        if (!vc_ready(ring, r, g))
            return 0;
        vc_node_put(c, to + at, vc_payload(ring, r, g), vc_min_size(len - at, ring->cap), 0);
    }
    st->rd = 0;
    return 1;
}

static int take_block(struct vc_node *nd, struct vc_node_call *c, int r, int *whom)
{
    size_t len = c->lens[r];
    char *to = (char *)c->dst + (ptrdiff_t)c->at[r];
    uint64_t head, address;
    if (!vc_ready(&nd->tiny, r, c->st.base)) {
        *whom = vc_slowest(nd, &nd->tiny, r, c->st.base);
        return vc_any_left_silently(nd, c, r) ? vc_any_differs(nd, r, 0, c->lens[r]) : 0;
    }
    const char *from = vc_payload(&nd->tiny, r, c->st.base);
    memcpy(&head, from, VC_ANY_HEAD);
    if ((head & ~VC_ANY_BY_COPY) != len)
        return vc_any_differs(nd, r, head & ~VC_ANY_BY_COPY, len);
    if (len <= VC_ANY_SHORT) {
        vc_node_put(c, to, from + VC_ANY_HEAD, len, 0);
        return 1;
    }
    if (!(head & VC_ANY_BY_COPY) && goes_by_small(nd, len)) {
        vc_node_put(c, to, vc_payload(&nd->small, r, c->st.mid), len, 0);
        return 1;
    }
    if (!(head & VC_ANY_BY_COPY))
        return take_chunks(nd, c, r, to, len, whom);
    memcpy(&address, from + VC_ANY_HEAD, sizeof address);
    c->st.stages = 1; /* somebody waits until it was read */
    int err = c->view && c->view->dst
                  ? vc_node_fetch(nd, c->view, c->view->dst, c->at[r], r, address, len)
                  : vc_single_read(nd->cma_pids[r], vc_map_of(nd, r), to, address, len, VC_COPY_TAKE);
    return err == VC_OK ? 1 : err;
}

int vc_any_take_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == VC_ANY_POST) {
        char *own = (char *)c->dst + (ptrdiff_t)c->at[nd->me];
        if (c->len > 0 && own != c->src)
            vc_node_copy_own(c, own, c->src, c->len, 0);
        st->phase = VC_ANY_MOVE;
        st->rd_next = 1;
    }
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = c->root + st->rd_next < nd->n ? c->root + st->rd_next : c->root + st->rd_next - nd->n;
        int rc = c->lens[r] > 0 ? take_block(nd, c, r, whom) : 1;
        if (rc <= 0)
            return rc;
    }
    if (st->stages) {
        if (!vc_may_write(nd, &nd->tiny, st->base, whom))
            return 0;
        vc_publish(nd, &nd->tiny, st->base);
    }
    return vc_any_finish(nd, c);
}
