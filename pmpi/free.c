/* SPDX-License-Identifier: BSD-3-Clause */
/* MPI_Comm_free and MPI_Comm_disconnect. */
#include "pmpi/comm.h"
#include "pmpi/symbols.h"

/* Before MPI_Init, after the teardown, and under an MPI that vcoll cannot use, there is no state, and a
 * handle may not be a pointer. */
static bool has_state(void)
{
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    return gate == VC_GATE_OPEN || gate == VC_GATE_WATCHED;
}

VC_NAMES(Comm_free, (MPI_Comm * comm), (comm))
{
    vc_next_init();
    return has_state() ? vc_comm_end(comm, vc_next.Comm_free) : vc_next.Comm_free(comm);
}

VC_NAMES(Comm_disconnect, (MPI_Comm * comm), (comm))
{
    vc_next_init();
    return has_state() ? vc_comm_end(comm, vc_next.Comm_disconnect) : vc_next.Comm_disconnect(comm);
}
