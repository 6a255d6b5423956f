/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared memory of this operating system's ranks: made once, right after MPI_Init, and mapped by all of
 * them. Communicators take ranges of it (share.h).
 */
#ifndef VC_PMPI_ARENA_H
#define VC_PMPI_ARENA_H

#include "transport/shm/arena.h"

#include <stdatomic.h>

/** NULL: there is none, and vc_memory_why() says why; the same on all ranks that would share it. */
extern struct vc_arena *vc_memory;

/** What a rank has at vc_arena_head(): where its memory can be read and written by single copy, for a try,
 * and the number that is found there. */
struct vc_memory_head {
    uint64_t target, nonce;
    int64_t segment; /**< maps.h: of XPMEM, -1: none; and the page on which it is tried */
    uint64_t probe;
    _Atomic uint64_t kept; /**< kept.h: process 0's, which all may write */
};
/** It is at `target`, and stays there while other processes read and write it. */
struct vc_cma_target {
    uint64_t word;    /**< the nonce, read by others */
    uint64_t written; /**< the same, written by others, who then read it back; this rank never reads it */
};

/** Collective over the ranks of each operating system that have the same settings. *all_fit: there is memory,
 * and all of them have said `fit`. VC_OK, or an error of this rank: out of private memory, or the MPI failed.
 */
int vc_memory_init(bool fit, bool *all_fit);
void vc_memory_fini(void);

/** Why there is none: "rank 3 could not ...". "": it would be over VCOLL_SHM_LIMIT. */
const char *vc_memory_why(void);

#endif
