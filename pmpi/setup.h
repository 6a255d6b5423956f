/* SPDX-License-Identifier: BSD-3-Clause */
/* The set-up of a communicator: from its ranks to a team. */
#ifndef VC_PMPI_SETUP_H
#define VC_PMPI_SETUP_H

#include "pmpi/team.h"

/** VCOLL_SETUP_AFTER was given: the user wants set-ups at that call, whatever they cost. */
extern bool vc_setup_at_once;

/**
 * Sets a communicator up; collective. VC_OK with *out == NULL and *why (static storage) when it passes
 * through, or with *why == NULL when it would cost too much so far; both agreed by all ranks. An error is
 * this rank's alone: the underlying MPI failed.
 */
int vc_setup(MPI_Comm comm, struct vc_team **out, const char **why);

#endif
