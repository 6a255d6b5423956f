/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One arena per process: a region of a segment that the processes of an operating system share. A process
 * takes ranges of its own region alone. It commits their memory itself, so that this lies near it, and keeps
 * some of it committed: what was given back is mostly taken again without a system call.
 *
 * A range that others know, too, is shared by the members of a group, which take one range each and give them
 * back when each of them is done with the group. These moments may differ, and a member that is late still
 * reads the ranges of the others. So members count: the group's first member, its lead, has a counter for
 * each place where a range may begin, which only ever grows. Who leaves adds one, and does not touch the
 * group's memory any more. A range is free once the counter has grown by the number of members.
 */
#ifndef VC_TRANSPORT_SHM_ARENA_H
#define VC_TRANSPORT_SHM_ARENA_H

#include "transport/shm/segment.h"

struct vc_arena;

/** Ranges begin and end at multiples of this. */
#define VC_ARENA_UNIT 4096
/** What vc_arena_head() gives. */
#define VC_ARENA_HEAD VC_LINE_PAIR
/** What vc_arena_board() gives in an arena of n processes: a pair of lines, and so much for each process. */
#define VC_ARENA_SAID 32
static inline size_t vc_arena_board_bytes(int n)
{
    size_t words = vc_round_up((size_t)n * sizeof(uint64_t), VC_LINE_PAIR);
    return n < 2 ? 0 : VC_LINE_PAIR + words + (size_t)n * VC_ARENA_SAID;
}

/** A range of this process. */
struct vc_hold {
    size_t bytes; /**< 0: none */
    uint32_t at;  /**< where it begins, in units */
    bool shared;
    int lead; /**< of the group: which process it is, and where its range begins */
    uint32_t lead_at;
    uint32_t all_left; /**< the lead's counter once all members have left */
};

/** The segment for n processes with regions of `each` bytes. VC_OK or an error; commits nothing. */
int vc_arena_create(size_t each, int n, enum vc_seg_backing backing, struct vc_seg *seg,
                    struct vc_seg_handle *handle);
/** This process's arena in the segment, created or attached, of which it is number `me` of n. Takes the
 * segment over, even where it fails. */
int vc_arena_open(struct vc_seg *seg, int n, int me, struct vc_arena **out);
/** After all have opened it or failed to. */
void vc_arena_settle(struct vc_arena *a);
/** NULL is legal. */
void vc_arena_close(struct vc_arena *a);

/** Bytes of each region. */
size_t vc_arena_size(const struct vc_arena *a);
/** VC_ARENA_HEAD bytes of process `who` for the caller's own use, which only that process writes; zeroed. */
void *vc_arena_head(const struct vc_arena *a, int who);
/** The same of vc_arena_board_bytes(), aligned to VC_LINE_PAIR. */
void *vc_arena_board(const struct vc_arena *a, int who);
/** The memory of a range of process `who`, aligned to the page. */
char *vc_arena_at(const struct vc_arena *a, int who, uint32_t at);

/**
 * Takes a range of the own region, if `spare` bytes stay free besides. What it holds is not defined. Threads
 * may call this at once. VC_OK, VC_ERR_UNSUPPORTED: the region has no room, or VC_ERR_NOMEM, VC_ERR_SYS: the
 * system has no memory.
 */
int vc_arena_take(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *out);
/** The same without memory: only what vc_arena_commit() makes of the range may be touched, by any process. */
int vc_arena_reserve(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *out);
/** Makes [at, at + n) of an own range memory, which it may be already. VC_OK, VC_ERR_NOMEM or VC_ERR_SYS. */
int vc_arena_commit(struct vc_arena *a, const struct vc_hold *h, size_t at, size_t n);
/** For the lead: the counter of its range, which it tells the other members. */
uint32_t vc_arena_left(const struct vc_arena *a, const struct vc_hold *h);
/** All members know each other's ranges from now on. */
void vc_hold_share(struct vc_hold *h, int lead, uint32_t lead_at, uint32_t left, int members);
/** Gives a range back: one that is not shared at once. None is legal. */
void vc_arena_give(struct vc_arena *a, struct vc_hold *h);
/** Bytes that are taken, after those that all members have left were freed. */
size_t vc_arena_used(struct vc_arena *a);
/** Bytes of the own region that are memory, whether taken or kept for the next range. */
size_t vc_arena_committed(struct vc_arena *a);

#endif
