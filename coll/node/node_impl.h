/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to coll/node: the slots in shared memory.
 *
 * Every rank owns a lane in each of two rings (small and bulk slots). All ranks count slots alike: an
 * operation takes the next few slot numbers of its ring in every lane, whether or not a lane has anything to
 * say in it. A rank publishes slot g of its lane by writing the payload and then storing g + 1 to the slot's
 * flag (release); readers load the flag (acquire) until it is g + 1. Lanes have one writer, flags need no
 * read-modify-write.
 *
 * Slot g uses the memory of slot g - depth, so its owner first makes sure that everybody has read that: each
 * rank keeps `done`, the number of slots it will never read again, in its own line (release, after its
 * reads). The owner looks at these lines (acquire) only when what it already knows is not enough: in
 * operations in which everybody hears from everybody it never needs to.
 */
#ifndef VC_COLL_NODE_IMPL_H
#define VC_COLL_NODE_IMPL_H

#include "coll/node/node.h"

#include <stdatomic.h>
#include <string.h>

#define VC_RING_DEPTH   8
#define VC_SMALL_SLOT   4096
#define VC_INLINE_BYTES 56 /* payload that travels in the flag's own line */

struct vc_slot_line {
    _Atomic uint64_t flag;
    unsigned char payload[VC_INLINE_BYTES];
};

/* The head of a lane: what only its owner writes. */
struct vc_lane_head {
    _Atomic uint64_t done;
    char pad[VC_LINE_PAIR - sizeof(uint64_t)];
    struct vc_slot_line line[VC_RING_DEPTH];
};

struct vc_node_ring {
    char *mem;           /* lane r begins at mem + r * stride */
    size_t stride, cap;  /* bytes per lane; payload bytes per slot */
    uint64_t pos;        /* next slot number to be used; the same on all ranks */
    uint64_t known_done; /* everybody else has at least this `done` */
};

struct vc_node {
    int n, me;
    struct vc_parking *parking;
    const struct vc_wait_cfg *wait;
    struct vc_node_ring small, bulk; /* bulk.cap == 0: there is none */
    pid_t *cma_pids;
    size_t cma_min;
};

static inline struct vc_lane_head *vc_lane(const struct vc_node_ring *ring, int r)
{
    return (struct vc_lane_head *)(void *)(ring->mem + (size_t)r * ring->stride);
}

static inline struct vc_slot_line *vc_line(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return &vc_lane(ring, r)->line[g % VC_RING_DEPTH];
}

/* Where `len` bytes of payload of slot g of lane r are: writer and readers know the same len. */
static inline char *vc_payload(const struct vc_node_ring *ring, int r, uint64_t g, size_t len)
{
    if (len <= VC_INLINE_BYTES)
        return (char *)vc_line(ring, r, g)->payload;
    return (char *)vc_lane(ring, r) + sizeof(struct vc_lane_head) + (g % VC_RING_DEPTH) * ring->cap;
}

/* Has lane r published slot g? Acquire: pairs with the release in vc_publish(), the payload is then visible.
 */
static inline bool vc_ready(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return atomic_load_explicit(&vc_line(ring, r, g)->flag, memory_order_acquire) == g + 1;
}

static inline void vc_publish(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g)
{
    atomic_store_explicit(&vc_line(ring, nd->me, g)->flag, g + 1, memory_order_release);
    vc_wake_all(nd->parking);
}

/* This rank will read no slot below `g` any more. Release: its reads come before an owner's overwriting. */
static inline void vc_set_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g)
{
    atomic_store_explicit(&vc_lane(ring, nd->me)->done, g, memory_order_release);
    vc_wake_all(nd->parking);
}

/* Everybody was seen to have entered the operation at `base`, so has finished with all slots before. */
static inline void vc_learned(struct vc_node_ring *ring, uint64_t base)
{
    if (ring->known_done < base)
        ring->known_done = base;
}

/* Whether everybody else's `done` is at least g; *whom is one of those who are behind. */
bool vc_all_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom);

static inline bool vc_may_write(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom)
{
    if (g < VC_RING_DEPTH || ring->known_done >= g - VC_RING_DEPTH + 1)
        return true;
    return vc_all_done(nd, ring, g - VC_RING_DEPTH + 1, whom);
}

/* node_cma.c: operations by single copy. */
bool vc_node_cma_wanted(const struct vc_node *nd, const struct vc_node_call *c);
int vc_node_cma_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* node_slots.c: operations through slots. */
int vc_node_slots_start(struct vc_node *nd, struct vc_node_call *c);
int vc_node_slots_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

#endif
