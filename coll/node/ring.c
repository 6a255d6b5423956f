/* SPDX-License-Identifier: BSD-3-Clause */
/* The slots in shared memory: where they lie, whether they are free, which rank is late. */
#include "coll/node/impl.h"

#include <sched.h>

size_t vc_ring_layout(struct vc_node_ring *ring, size_t cap, uint64_t depth)
{
    bool tiny = cap == VC_TINY_SLOT;
    ring->cap = cap;
    ring->depth = depth;
    ring->payload = tiny ? sizeof(uint64_t) : VC_CACHELINE;
    ring->slot = vc_round_up(ring->payload + cap, tiny ? VC_LINE_PAIR : VC_CACHELINE);
    return vc_round_up(sizeof(struct vc_ring_part) + depth * ring->slot, VC_LINE_PAIR);
}

void vc_ring_clear(const struct vc_node_ring *ring, char *part)
{
    struct vc_ring_part *p = (struct vc_ring_part *)(void *)part;
    if (ring->depth == 0)
        return;
    /* Relaxed: what tells the other ranks of the part orders these. */
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store_explicit(&p->stuck.begin, 0, memory_order_relaxed);
    for (uint64_t i = 0; i < ring->depth; i++)
        atomic_store_explicit((_Atomic uint64_t *)(void *)((char *)(p + 1) + i * ring->slot), 0,
                              memory_order_relaxed);
}

bool vc_all_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom)
{
    uint64_t least = UINT64_MAX;
    for (int r = 0; r < nd->n; r++) {
        if (r == nd->me)
            continue;
        /* Acquire: pairs with vc_set_done(); that rank has read the slots before this one overwrites them. */
        uint64_t d = atomic_load_explicit(&vc_ring_part(ring, r)->done, memory_order_acquire);
        if (d < g) {
            *whom = r;
            return false;
        }
        if (d < least)
            least = d;
    }
    ring->known_done = least;
    return true;
}

VC_HOT void vc_node_note_cpu(struct vc_node *nd)
{
    struct vc_node *all = nd->whole;
    int cpu = sched_getcpu();
    uint16_t now = cpu >= 0 && cpu < UINT16_MAX ? (uint16_t)(cpu + 1) : 0;
    if (now != all->own_cpu) {
        all->own_cpu = now;
        atomic_store_explicit(&all->cpu[all->me], now, memory_order_relaxed);
    }
}

VC_HOT int vc_slowest(struct vc_node *nd, const struct vc_node_ring *ring, int r, uint64_t g)
{
    if (!vc_wait_crowded(nd->wait) || vc_shares_cpu(nd, r))
        return r;
    for (int i = 0; i < nd->n; i++)
        if (i != nd->me && vc_shares_cpu(nd, i) && !vc_published(ring, i, g))
            return i;
    return r;
}

void vc_node_wake_slow(struct vc_node *nd)
{
    if (!nd->member) {
        vc_wake_slow(nd->parking, VC_WAIT_ANY);
        return;
    }
    for (int i = 0; i < nd->n; i++)
        if (i != nd->me)
            vc_wake_slow(nd->parking, nd->member[i]);
}
