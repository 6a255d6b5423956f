/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the ranks of this operating system stand, of which the levels of nodes are made: by VCOLL_TOPOLOGY,
 * by what the tuning table has measured, or by the kernel. The same on all of these ranks, because each takes
 * it from what all have told, from settings that are equal, and from the table of rank 0.
 */
#ifndef VC_PMPI_LOCALITIES_H
#define VC_PMPI_LOCALITIES_H

#include "pmpi/team.h"
#include "pmpi/world.h"

/** Decides for all entries of vc_world.kin. After vc_table_init(); collective over MPI_COMM_WORLD with
 * VCOLL_TOPOLOGY=measure, otherwise local. VC_OK or VC_ERR_MPI, VC_ERR_NOMEM. */
int vc_localities_init(void);

/** Fills t->levels, from where the ranks of this node stand; local. VC_OK or VC_ERR_NOMEM. */
int vc_localities_group(struct vc_team *t);

/**
 * Measures (localities_measure.c); collective over MPI_COMM_WORLD. True: all ranks of this operating system
 * have their groups in vc_world.kin. False: none has, and *why says it, in static storage. *err: VC_OK, or
 * an error of this rank.
 */
bool vc_localities_measure(const char **why, int *err);

#endif
