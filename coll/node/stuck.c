/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Erroneous programs whose ranks come with different counts to collectives whose slots carry no lengths: one
 * rank waits for slots that another one never fills. A rank that has waited long says in shared memory in
 * which operation, and looks what others say. Nothing of this is done by operations that nobody is late for.
 */
#include "coll/node/impl.h"

/* Polls in vain between looks at the clock. */
#define LOOK_EVERY 8
#define LONG_NS    500000000u

/* When an operation began, on a clock that is the same on all ranks: slots that those before it took. */
static uint64_t begin_of(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_node_ring *own = c->st.ring ? c->st.ring : &nd->tiny;
    return nd->tiny.pos + nd->small.pos + nd->bulk.pos - (own->pos - c->st.base);
}

static struct vc_stuck_word *word_of(const struct vc_node *nd, int r)
{
    return &vc_ring_part(&nd->tiny, r)->stuck;
}

static void say(const struct vc_node *nd, const struct vc_node_call *c, uint64_t begin)
{
    struct vc_stuck_word *w = word_of(nd, nd->me);
    if (atomic_load_explicit(&w->begin, memory_order_relaxed) == begin + 1)
        return;
    atomic_store_explicit(&w->begin, 0, memory_order_relaxed);
    /* Pairs with the fence in hear(): who has read one of the new values sees that the old `begin` is gone.
     */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&w->len, c->st.says, memory_order_relaxed);
    atomic_store_explicit(&w->kind, (uint32_t)c->kind, memory_order_relaxed);
    atomic_store_explicit(&w->root, vc_phase_rooted(c->kind) ? c->root : 0, memory_order_relaxed);
    /* Release: pairs with the acquire in hear(). */
    atomic_store_explicit(&w->begin, begin + 1, memory_order_release);
}

struct heard {
    uint64_t begin;
    size_t len;
    enum vc_node_phase kind;
    int root;
};

/* What rank r has said last. False: nothing, or it is just saying something else. */
static bool hear(const struct vc_node *nd, int r, struct heard *h)
{
    struct vc_stuck_word *w = word_of(nd, r);
    uint64_t begin = atomic_load_explicit(&w->begin, memory_order_acquire);
    h->len = atomic_load_explicit(&w->len, memory_order_relaxed);
    h->kind = (enum vc_node_phase)atomic_load_explicit(&w->kind, memory_order_relaxed);
    h->root = atomic_load_explicit(&w->root, memory_order_relaxed);
    h->begin = begin - 1;
    atomic_thread_fence(memory_order_acquire);
    return begin != 0 && atomic_load_explicit(&w->begin, memory_order_relaxed) == begin;
}

/* Rank r waits, or has waited, in the operation in which this one waits. */
static int compare(const struct vc_node *nd, const struct vc_node_call *c, int r, const struct heard *h)
{
    int a = vc_node_rank(nd, r), b = vc_node_rank(nd, nd->me);
    if (h->kind != c->kind)
        return vc_fail(VC_ERR_INVAL,
                       "rank %d is in %s of %zu bytes where rank %d is in %s of %zu: the calls differ", a,
                       vc_phase_info[h->kind].name, h->len, b, vc_phase_info[c->kind].name, c->st.says);
    if (h->len != c->st.says)
        return vc_lengths_differ(nd, c, r, h->len);
    if (vc_phase_rooted(c->kind) && h->root != c->root)
        return vc_fail(VC_ERR_INVAL, "rank %d says root %d where rank %d says root %d: the roots differ", a,
                       vc_node_rank(nd, h->root), b, vc_node_rank(nd, c->root));
    return VC_OK;
}

static int has_passed(const struct vc_node *nd, const struct vc_node_call *c, int r, const struct heard *h)
{
    return vc_fail(
        VC_ERR_TRUNCATE,
        "rank %d is done with a call in which rank %d waits for it in %s of %zu bytes, and has gone "
        "on to %s of %zu: the counts differ, or the calls do",
        vc_node_rank(nd, r), vc_node_rank(nd, nd->me), vc_phase_info[c->kind].name, c->st.says,
        vc_phase_info[h->kind].name, h->len);
}

/* Changes whenever the operation goes on. */
static uint64_t place_of(const struct vc_node_state *st, int whom)
{
    return ((uint64_t)st->wr + (uint64_t)st->red + (uint64_t)st->rd) * 1000003 +
           (uint64_t)st->red_next * 1009 + (uint64_t)st->rd_next * 17 + (uint64_t)st->phase +
           (uint64_t)whom * 31;
}

int vc_stuck_look(struct vc_node *nd, struct vc_node_call *c, int whom)
{
    struct vc_node_state *st = &c->st;
    const struct vc_phase_info *info = &vc_phase_info[c->kind];
    if (++st->vain % LOOK_EVERY || info->uneven || info->few_know || nd->writer >= 0)
        return VC_OK;
    uint64_t now = vc_now_ns(), begin = begin_of(nd, c), at = place_of(st, whom);
    if (st->since == 0 || at != st->at) {
        st->since = now;
        st->at = at;
        st->passed = false;
        return VC_OK;
    }
    if (now - st->since < LONG_NS)
        return VC_OK;
    st->since = now;
    say(nd, c, begin);
    for (int r = 0; r < nd->n; r++) {
        struct heard h;
        if (r == nd->me || !hear(nd, r, &h))
            continue;
        int err = h.begin == begin ? compare(nd, c, r, &h) : VC_OK;
        if (err != VC_OK)
            return err;
        if (r != whom || h.begin <= begin)
            continue;
        /* It has published all of this operation before it said so. What was there is found by now. */
        if (st->passed)
            return has_passed(nd, c, r, &h);
        st->passed = true;
    }
    return VC_OK;
}
