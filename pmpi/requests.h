/* SPDX-License-Identifier: BSD-3-Clause */
/* The MPI's requests that nonblocking collectives give to the program: generalized ones, so that everything
 * that takes requests takes them; for a call that is over at once, one that costs nothing. */
#ifndef VC_PMPI_REQUESTS_H
#define VC_PMPI_REQUESTS_H

#include "pmpi/posted.h"

/** Open MPI's own complete request, which it gives out for messages from and to MPI_PROC_NULL: it may be
 * waited for any number of times. NULL: not found. A generalized request costs far more. */
extern MPI_Request vc_request_complete;
/** The MPI's Fortran wrappers write into the requests of collectives with counts a rank: see requests.c. */
extern bool vc_requests_written;
/** Looks for both; once, after MPI_Init and before the first request. Returns whether requests can be given
 * to every program; otherwise nonblocking collectives have to stay the MPI's. */
bool vc_requests_init(void);

/** Whether an operation of `coll` may end in the call that posts it: not where the MPI's wrappers leave
 * memory with the request, for which vc_request_start() cares. */
static inline bool vc_request_may_be_done(enum vc_coll coll)
{
    return !vc_requests_written || coll != VC_ALLTOALLW;
}

/** The rest of vc_request_done(). */
int vc_request_done_slow(MPI_Request *request);

/** A request that is complete, of collective `coll`. An error of the MPI, or MPI_SUCCESS. */
static inline int vc_request_done(enum vc_coll coll, MPI_Request *request)
{
    if (VC_UNLIKELY(vc_request_complete == NULL || (vc_requests_written && vc_coll_counts(coll))))
        return vc_request_done_slow(request);
    *request = vc_request_complete;
    return MPI_SUCCESS;
}

/** The request of an operation under way, which is on the heap: freed with its request, after
 * vc_request_end(). An error of the MPI, or MPI_SUCCESS. */
int vc_request_start(struct vc_posted *op, MPI_Request *request);
/** The operation is over; op->class says how. The last access to *op. */
void vc_request_end(struct vc_posted *op);

#endif
