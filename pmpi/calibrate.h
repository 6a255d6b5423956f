/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What things cost on the nodes of this job, agreed by MPI_COMM_WORLD right after MPI_Init. There and not at
 * the set-up of a communicator, because then all ranks have the same figures for as long as the process
 * lives, and no communicator has to agree on them again. With a file of an earlier start this is a reduction;
 * without one, two ranks of each node measure for some two milliseconds, while the others sleep.
 */
#ifndef VC_PMPI_CALIBRATE_H
#define VC_PMPI_CALIBRATE_H

#include "transport/calibrate/costs.h"

/**
 * Collective over MPI_COMM_WORLD, after vc_world_init(). VC_OK also where nothing can be measured: then there
 * are no figures, on all ranks. VC_ERR_MPI is this rank's error.
 */
int vc_calibrate_init(void);

/** The figures that selection goes by; the same on all ranks. NULL: fixed defaults. */
const struct vc_costs *vc_calibrated(void);

#endif
