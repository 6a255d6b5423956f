/* SPDX-License-Identifier: BSD-3-Clause */
/* Other tools of the profiling interface behind vcoll in the loader's search order: preloaded after it, or
 * linked between it and the MPI. */
#ifndef VC_PMPI_STACK_H
#define VC_PMPI_STACK_H

#include "transport/mpi/next.h"

/** The MPI_X that comes next, for each name that vcoll takes; NULL where that is the MPI's own. */
struct vc_stack {
#define VC_SYMBOL(name) __typeof__(&PMPI_##name) name;
#include "vc_symbols.inc"
#undef VC_SYMBOL
};

/** Found at the first call. Thread-safe; callable before MPI_Init. */
const struct vc_stack *vc_stack(void);

/** Whether there is such a tool. */
bool vc_stack_any(void);

/** The file that has MPI_Init or MPI_Init_thread behind vcoll, "" without one. */
const char *vc_stack_file(void);

#endif
