/* SPDX-License-Identifier: BSD-3-Clause */
/* A communicator's messages between machines of one host. */
#ifndef VC_PMPI_HOST_RINGS_H
#define VC_PMPI_HOST_RINGS_H

#include "pmpi/team.h"

/** Whether all ranks share memory of one host, and not all one operating system; the same on all ranks. */
bool vc_host_rings_reach_all(const struct vc_team *t);

/**
 * Takes memory for the messages of a channel within hosts, and makes this rank's part of it; collective. 1:
 * all ranks that share memory of a host have some; *out is NULL where this rank shares none. 0: agreed that
 * none has, or there is nothing to share. Negative: an error, after which nothing more is agreed. *err: what
 * this rank alone met, for the next vote.
 */
int vc_host_rings_make(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct vc_chan **out,
                       int *err);

#endif
