/* SPDX-License-Identifier: BSD-3-Clause */
/* The first moments of a wait for a rank that is late in a small operation. They decide what a call back to
 * back costs where ranks share CPUs. */
#include "coll/node/impl.h"

/* Polls per peer before the generic path and its wait policy take over: longer than a message and a call that
 * has taken that path. Otherwise each of two ranks in turn would be too late for the other, and every
 * nonblocking call would take it. */
#define POLLS 1200
/* Where ranks share CPUs: polls between yields; pauses where no rank of this CPU is late; yields. */
#define POLLS_CROWDED  8
#define PAUSES_CROWDED 20
#define YIELDS_CROWDED 8

static bool has_come(const _Atomic uint64_t *flag, uint64_t value)
{
    /* Acquire: pairs with the release in publish() of small.c, and in vc_publish_as(). */
    return atomic_load_explicit(flag, memory_order_acquire) == value;
}

static bool comes_within(const _Atomic uint64_t *flag, uint64_t value, int polls)
{
    while (--polls >= 0)
        if (has_come(flag, value))
            return true;
    return false;
}

/* Whether the rank gives the CPU up before its wait policy says so. Only where all wait for all: in others a
 * rank may be far ahead, and for long. */
static bool may_yield(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    return i->gives == VC_WHO_ALL && i->gets == VC_WHO_ALL &&
           (nd->wait->mode == VC_WAIT_AUTO || nd->wait->mode == VC_WAIT_POLL);
}

/*
 * Where ranks share CPUs the late rank probably waits for one. If a rank of this CPU is late, this rank gives
 * the CPU up. Otherwise nobody here could go on, and switching to another rank costs more than a short wait.
 * A look costs little in this loop, and what a switch leaves of the caches makes one dear in the generic
 * path.
 */
static VC_HOT bool comes_where_crowded(struct vc_node *nd, const struct vc_node_call *c,
                                       const struct vc_node_ring *ring, uint64_t g, int r, uint64_t value)
{
    const _Atomic uint64_t *flag = vc_flag(ring, r, g);
    for (int left = may_yield(nd, c) ? YIELDS_CROWDED : 0;; left--) {
        if (comes_within(flag, value, POLLS_CROWDED))
            return true;
        if (left == 0)
            return false;
        vc_node_note_cpu(nd);
        if (!vc_shares_cpu(nd, vc_slowest(nd, ring, r, g)))
            for (int i = 0; i < PAUSES_CROWDED; i++) {
                vc_cpu_relax();
                if (has_come(flag, value))
                    return true;
            }
        vc_wait_yield();
    }
}

VC_HOT bool vc_small_waits(struct vc_node *nd, const struct vc_node_call *c, const struct vc_node_ring *ring,
                           uint64_t g, int r, uint64_t value)
{
    const _Atomic uint64_t *flag = vc_flag(ring, r, g);
    if (vc_wait_crowded(nd->wait))
        return comes_where_crowded(nd, c, ring, g, r, value);
    if (c->len <= VC_FIRST_LINE)
        return comes_within(flag, value, POLLS);
    /* The rest of the message comes in the lines behind the flag's. If it were asked for when the flag is
     * there, a message would take as long as two. */
    for (int polls = POLLS; --polls >= 0;) {
        __builtin_prefetch((const char *)flag + VC_CACHELINE);
        if (has_come(flag, value))
            return true;
    }
    return false;
}
