/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Votes: what may differ between ranks (memory, descriptors, permissions, what is kept) is agreed before it
 * decides anything. A vote is a meeting (meet.h), or one small reduction of the underlying MPI, and allocates
 * nothing.
 */
#ifndef VC_PMPI_VOTE_H
#define VC_PMPI_VOTE_H

#include "pmpi/team.h"

/**
 * Each of the n numbers becomes the least of all ranks'; collective. t may be NULL. Where the team is in use,
 * the vote ends when another rank has failed on it. VC_OK, VC_ERR_MPI or VC_ERR_PEER.
 */
int vc_vote(struct vc_team *t, MPI_Comm comm, uint64_t *v, int n);

/** The number of a rank where all is well; a rank where it is not gives its own rank. */
#define VC_VOTE_YES UINT64_MAX

/** After a vote in which some rank said no. `mine`: this rank is the first of those, and the text of its last
 * error is the reason that is told. */
void vc_vote_lost(bool mine);

/** 1: all ranks say ok. 0: some do not, and the first of them has told why. Negative: as vc_vote(). */
int vc_vote_all(struct vc_team *t, MPI_Comm comm, bool ok);

#endif
