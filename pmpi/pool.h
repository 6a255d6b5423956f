/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Teams of freed communicators, kept for the next communicator of the same ranks in the same order.
 *
 * A kept team is whole: memory, slots with their counters, channels, selection, plans. It goes on as if the
 * next communicator were the same one, so nothing is reset and no rank waits for another: a rank that is late
 * still reads the last slots of the old communicator, and the slots' own protocol keeps them until it has.
 * What a process keeps may differ between ranks (other threads free in another order, a limit is met on one
 * rank only). So a vote decides: a team goes on only where all ranks offer the same one. For the same reason
 * ranks may free a team, and with it the mpi channel's communicator, at different times; MPI_Comm_free waits
 * for no other rank.
 */
#ifndef VC_PMPI_POOL_H
#define VC_PMPI_POOL_H

#include "pmpi/team.h"

/** Keeps the team of a communicator that is freed, or frees it. Local. Not a broken one. NULL is legal. */
void vc_pool_keep(struct vc_team *t);
/** Takes out the team that may be offered for a communicator of these ranks; NULL: none. */
struct vc_team *vc_pool_find(int size, const int *world);
/** Puts back a team that vc_pool_find() gave and that was not used. */
void vc_pool_return(struct vc_team *t);
/** Whether any is kept. */
bool vc_pool_any(void);
/** Frees all. */
void vc_pool_drain(void);

#endif
