/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meetings: ranks of one operating system tell each other a few bytes through the arena, without a message of
 * the MPI. The set-up of a communicator within a node agrees so.
 *
 * Each process has a board in its region: a slot for what it says, a word for each other process with its
 * answer, and a table. The communicator's first rank leads. A member writes what it says into its own slot,
 * then stamps that with the leader and the number of the meeting, counted for each pair of processes on both
 * sides. The leader reads the slots of all members, writes what all have said into its table, unless all have
 * said the same, and then its word for each member. So a member looks at one place, and processes that share
 * a CPU run once each to say something and once to hear.
 *
 * The count keeps meetings of different communicators apart because any two processes hold theirs in the same
 * order: MPI asks programs to order collectives so that they end even if each of them waits for all its
 * ranks. That holds as long as no process has several threads in collectives, so that jobs with
 * MPI_THREAD_MULTIPLE, and fault-tolerant ones, whose ranks may leave a collective early, exchange messages
 * instead.
 */
#ifndef VC_PMPI_MEET_H
#define VC_PMPI_MEET_H

#include "pmpi/door.h"
#include "transport/shm/arena.h"

/** Bytes that a rank may say. */
#define VC_MEET_MOST VC_ARENA_SAID
/** Ranks that can meet. */
#define VC_MEET_RANKS 512

/** Whether this process can hold meetings at all, besides the memory: for all ranks to agree on. */
bool vc_meet_fit(void);
/** After all have agreed on it and vc_memory is there. VC_OK or VC_ERR_NOMEM. */
int vc_meet_init(void);
void vc_meet_fini(void);

/** Collective over MPI_COMM_WORLD, after that: whether the ranks of each operating system can meet. VC_OK or
 * VC_ERR_MPI. */
int vc_meet_agree(void);
/** What came of it; the same on all ranks. */
extern bool vc_meet_everywhere;

/** Whether these ranks of the world can meet; the same on all of them. */
bool vc_meet_possible(const int *world, int n);
/**
 * Collective over the n ranks, of which this is number `me`: all[i * bytes] becomes what rank i has said.
 * Drives the MPI while it waits. VC_OK, or VC_ERR_PEER: one of them has died.
 */
int vc_meet(const int *world, int n, int me, const void *mine, void *all, size_t bytes);

#endif
