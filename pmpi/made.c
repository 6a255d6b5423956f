/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Communicators that the program makes of others. Nonblocking collectives must not wait, so they cannot set a
 * communicator up; making one may wait, for its ranks are all there. If the program has made nonblocking
 * collectives on the one it comes from, it is set up at once, provided that set-ups have not cost too much.
 */
#include "pmpi/comm.h"
#include "pmpi/symbols.h"

/* What is looked at is equal on all ranks of `from`: a communicator that was set up keeps its team, even
 * where some ranks know already that it is broken. */
static int welcome(MPI_Comm from, const MPI_Comm *made, int rc)
{
    int gate = atomic_load_explicit(&vc_gate, memory_order_relaxed);
    bool takes = (gate == VC_GATE_OPEN || gate == VC_GATE_WATCHED) && !vc_gate_failure();
    if (rc != MPI_SUCCESS || !takes || vc_params.nonblocking == VC_NONBLOCKING_OFF || *made == MPI_COMM_NULL)
        return rc;
    const struct vc_comm *parent = vc_comm_peek(from);
    if (parent && parent->team && parent->posts >= VC_POSTS_WORTH)
        vc_comm_early(*made);
    return rc;
}

VC_NAMES(Comm_dup, (MPI_Comm comm, MPI_Comm *newcomm), (comm, newcomm))
{
    vc_next_init();
    return welcome(comm, newcomm, vc_next.Comm_dup(comm, newcomm));
}

VC_NAMES(Comm_split, (MPI_Comm comm, int color, int key, MPI_Comm *newcomm), (comm, color, key, newcomm))
{
    vc_next_init();
    return welcome(comm, newcomm, vc_next.Comm_split(comm, color, key, newcomm));
}

VC_NAMES(Comm_create, (MPI_Comm comm, MPI_Group group, MPI_Comm *newcomm), (comm, group, newcomm))
{
    vc_next_init();
    return welcome(comm, newcomm, vc_next.Comm_create(comm, group, newcomm));
}
