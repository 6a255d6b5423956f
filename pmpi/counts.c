/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls with large counts, MPI_X_c, where the MPI that vcoll is built against has them. One rank may call
 * MPI_Bcast_c and another MPI_Bcast, so both names do the same: these are front*.c and ifront.c
 * once more.
 */
#define VC_LARGE_COUNTS
#include "pmpi/front.c"
#include "pmpi/front_rooted.c"
#include "pmpi/front_vectors.c"
#include "pmpi/front_reduce.c"
#include "pmpi/ifront.c"
