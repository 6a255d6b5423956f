/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_Wait, MPI_Waitall, MPI_Waitany and MPI_Waitsome. The MPI looks for the end of requests without a pause.
 * For an operation of vcoll's it is better to wait as a blocking call does, by the policy that the user has
 * chosen. So vcoll waits first, and then the MPI has nothing left to wait for. Other requests cost one load
 * of a counter.
 */
#include "pmpi/busy.h"
#include "pmpi/queue.h"
#include "pmpi/symbols.h"

/* Relaxed: who waits for a request has posted it, or has been told of it. */
static bool any_under_way(void)
{
    if (VC_UNLIKELY(!vc_gate_open()))
        vc_next_init();
    return VC_UNLIKELY(atomic_load_explicit(&vc_busy_count, memory_order_relaxed) > 0);
}

VC_NAMES(Wait, (MPI_Request * request, MPI_Status *status), (request, status))
{
    if (any_under_way() && request)
        vc_queue_wait(*request);
    return vc_next.Wait(request, status);
}

VC_NAMES(Waitall, (int count, MPI_Request requests[], MPI_Status *statuses), (count, requests, statuses))
{
    /* The last one first: those before it on the same communicator are over by then. */
    for (int i = any_under_way() && requests ? count : 0; i > 0; i--)
        vc_queue_wait(requests[i - 1]);
    return vc_next.Waitall(count, requests, statuses);
}

VC_NAMES(Waitany, (int count, MPI_Request requests[], int *index, MPI_Status *status),
         (count, requests, index, status))
{
    if (any_under_way() && requests)
        vc_queue_wait_any(count, requests);
    return vc_next.Waitany(count, requests, index, status);
}

VC_NAMES(Waitsome, (int count, MPI_Request requests[], int *done, int indices[], MPI_Status statuses[]),
         (count, requests, done, indices, statuses))
{
    if (any_under_way() && requests)
        vc_queue_wait_any(count, requests);
    return vc_next.Waitsome(count, requests, done, indices, statuses);
}
