/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/requests.h"

#include <stdlib.h>

MPI_Request vc_request_complete;

void vc_requests_init(void)
{
    vc_request_complete = vc_next_find("ompi_request_empty");
}

/*
 * A failure is reported to the communicator's error handler here, in a call of the program's. The MPI then
 * reports what the status says to the handler of MPI_COMM_WORLD, as for all generalized requests: if that is
 * the same one, it is told once.
 */
static void report(struct vc_posted *op)
{
    MPI_Errhandler ours, worlds;
    MPI_Comm comm = op->k.comm;
    /* The program may have freed the communicator, and its handle may be another one's. */
    if (atomic_load_explicit(&op->comm->handle, memory_order_acquire) != comm ||
        vc_next.Comm_get_errhandler(comm, &ours) != MPI_SUCCESS)
        return;
    bool same = false;
    if (vc_next.Comm_get_errhandler(MPI_COMM_WORLD, &worlds) == MPI_SUCCESS) {
        same = ours == worlds;
        vc_next.Errhandler_free(&worlds);
    }
    vc_next.Errhandler_free(&ours);
    if (!same)
        vc_next.Comm_call_errhandler(comm, op->class);
}

static int on_query(void *extra, MPI_Status *status)
{
    struct vc_posted *op = extra;
    vc_next.Status_set_elements(status, MPI_BYTE, 0);
    vc_next.Status_set_cancelled(status, 0);
    status->MPI_SOURCE = MPI_UNDEFINED;
    status->MPI_TAG = MPI_UNDEFINED;
    /* The query of a request that is not over yet comes from MPI_Request_get_status(). Acquire: pairs with
     * vc_request_end(), so that what another thread did for the operation, results included, is seen here
     * and by the program afterwards. */
    if (!atomic_load_explicit(&op->over, memory_order_acquire))
        return MPI_SUCCESS;
    if (op->class != MPI_SUCCESS && !op->reported) {
        op->reported = true;
        report(op);
    }
    return op->class;
}

static int on_free(void *extra)
{
    free(extra);
    return MPI_SUCCESS;
}

/* As for the MPI's own nonblocking collectives. */
static int on_cancel(void *extra, int complete_already)
{
    (void)extra;
    (void)complete_already;
    return MPI_ERR_REQUEST;
}

int vc_request_start(struct vc_posted *op, MPI_Request *request)
{
    atomic_init(&op->over, false);
    int rc = vc_next.Grequest_start(on_query, on_free, on_cancel, op, request);
    op->request = *request;
    return rc;
}

void vc_request_end(struct vc_posted *op)
{
    MPI_Request request = op->request;
    atomic_store_explicit(&op->over, true, memory_order_release);
    vc_next.Grequest_complete(request);
}

static int query_nothing(void *extra, MPI_Status *status)
{
    (void)extra;
    vc_next.Status_set_elements(status, MPI_BYTE, 0);
    vc_next.Status_set_cancelled(status, 0);
    status->MPI_SOURCE = MPI_UNDEFINED;
    status->MPI_TAG = MPI_UNDEFINED;
    return MPI_SUCCESS;
}

static int free_nothing(void *extra)
{
    (void)extra;
    return MPI_SUCCESS;
}

int vc_request_done_slow(MPI_Request *request)
{
    int rc = vc_next.Grequest_start(query_nothing, free_nothing, on_cancel, NULL, request);
    return rc == MPI_SUCCESS ? vc_next.Grequest_complete(*request) : rc;
}
