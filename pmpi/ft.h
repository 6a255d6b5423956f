/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault-tolerant jobs (User-Level Failure Mitigation, MPI 5 chapter "Process Fault Tolerance"; Open MPI
 * from 5.0 on, under `mpirun --with-ft ulfm`): a rank that waits in vcoll hears of a revoked communicator and
 * of dead members within the liveness period, and errors have the classes that such programs ask for. In
 * other jobs nothing here is called but vc_ft_init().
 */
#ifndef VC_PMPI_FT_H
#define VC_PMPI_FT_H

#include "pmpi/door.h"

/** Finds out whether the job is fault-tolerant. Once, after MPI_Init. */
void vc_ft_init(void);
/** Whether it is. Equal on all ranks of a job. */
bool vc_ft_on(void);

/** Whether a rank has revoked the communicator, as far as this one has heard. False in other jobs. */
bool vc_ft_revoked(MPI_Comm comm);

/**
 * For vc_wait_cfg.check; `comm` is an MPI_Comm. VC_OK, or VC_ERR_PEER with a text: the communicator is
 * revoked, or a member is dead.
 */
int vc_ft_check(void *comm);

/**
 * The class of the error that a collective on `comm` ends in, after it failed with `err`: MPI_ERR_REVOKED or
 * MPI_ERR_PROC_FAILED where that is the cause, MPI_ERR_OTHER otherwise and in other jobs. Where a peer is the
 * cause and the MPI does not know of it yet, waits for that for up to a second.
 */
int vc_ft_class(MPI_Comm comm, int err);

#endif
