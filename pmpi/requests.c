/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/requests.h"

#include "pmpi/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

MPI_Request vc_request_complete;
bool vc_requests_written;

/* ---- what Open MPI's Fortran wrappers do to requests ---- */

/* How Open MPI (4.1 to 6.0) describes a class of its objects, opal/class/opal_object.h. */
struct object_class {
    const char *name;
    struct object_class *parent;
    void *construct, *destruct;
    int initialized, depth;
    void *constructors, *destructors;
    size_t size; /* bytes that a new object gets */
};

static size_t generalized_size; /* bytes that the MPI itself gives a generalized request */
static size_t noted_size;       /* and those that follow, for what the wrappers note */

/* Arrays that a wrapper may note in a request. */
#define MOST_NOTED 7
/* What follows a request in a generalized one: functions for query, free and cancel, and then the state. */
#define REQUEST_STATE 3

static size_t plain_size; /* bytes of what all requests begin with; 0: not known, or not needed */
static int (*next_release_with)(MPI_Request); /* the MPI's function of the name below; NULL: it has none */

static struct object_class *class_of(const char *name)
{
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%s_class", name);
    struct object_class *c = vc_next_find(symbol);
    return c && c->name && strcmp(c->name, name) == 0 && c->size >= 64 && c->size <= 4096 ? c : NULL;
}

/*
 * From Open MPI 5 on the Fortran wrappers of nonblocking collectives with counts a rank take the request for
 * one of the MPI's own collectives, and note in it which arrays are to be freed with it: behind the end of a
 * generalized request, which is shorter. So all generalized requests get the length of the others, from the
 * one place that says how long they are.
 */
static bool lengthen_requests(void)
{
    struct object_class *ours = class_of("ompi_grequest_t"),
                        *theirs = class_of("ompi_coll_base_nbc_request_t");
    if (!ours || !theirs)
        return false;
    generalized_size = ours->size;
    vc_requests_written = theirs->size > ours->size;
    if (vc_requests_written) {
        noted_size = theirs->size - ours->size;
        ours->size = theirs->size;
    }
    return true;
}

/* Where the wrappers note arrays: the end of a request of the MPI's own collectives. */
static void **noted_in(MPI_Request request)
{
    return (void **)((char *)request + generalized_size + noted_size) - MOST_NOTED;
}

static void *request_field(MPI_Request request, int i)
{
    return ((void **)((char *)request + plain_size))[i];
}

static int on_query(void *extra, MPI_Status *status);

/*
 * From Open MPI 6 on, the wrappers call this after they have noted arrays, so that they are freed when the
 * request is complete. For that it writes what a generalized request has something else for, and two of the
 * places for arrays belong to one, too. So vcoll has this function, takes the arrays of its own requests
 * away, and leaves others to the MPI.
 */
VC_PUBLIC int ompi_coll_base_add_release_arrays_cb(MPI_Request request);

int ompi_coll_base_add_release_arrays_cb(MPI_Request request)
{
    int (*query)(void *, MPI_Status *) = on_query;
    if (plain_size == 0 || memcmp((char *)request + plain_size, &query, sizeof query) != 0)
        return next_release_with ? next_release_with(request) : MPI_SUCCESS;
    struct vc_posted *op = request_field(request, REQUEST_STATE);
    void **noted = noted_in(request);
    op->arrays = calloc(MOST_NOTED + 1, sizeof *op->arrays); /* without memory for it the arrays stay */
    for (int i = 0, n = 0; i < MOST_NOTED; i++) {
        if (noted[i] && op->arrays)
            op->arrays[n++] = noted[i];
        noted[i] = NULL;
    }
    return MPI_SUCCESS;
}

static int query_nothing(void *extra, MPI_Status *status);
static int free_nothing(void *extra);
static int on_cancel(void *extra, int complete_already);

/* Whether generalized requests are as this file takes them to be: looked at in one. */
static bool know_requests(void)
{
    struct object_class *plain = class_of("ompi_request_t");
    int (*query)(void *, MPI_Status *) = query_nothing;
    MPI_Request request;
    bool known;
    *(void **)&next_release_with = vc_next_find("ompi_coll_base_add_release_arrays_cb");
    if (!next_release_with)
        return true;
    if (!plain || !vc_requests_written || noted_size > MOST_NOTED * sizeof(void *) ||
        plain->size + 4 * sizeof(void *) > generalized_size + noted_size - MOST_NOTED * sizeof(void *) ||
        vc_next.Grequest_start(query_nothing, free_nothing, on_cancel, &next_release_with, &request) !=
            MPI_SUCCESS)
        return false;
    memset((char *)request + generalized_size, 0, noted_size);
    plain_size = plain->size;
    known = memcmp((char *)request + plain_size, &query, sizeof query) == 0 &&
            request_field(request, REQUEST_STATE) == &next_release_with;
    for (int i = 0; i < MOST_NOTED; i++)
        known = known && !noted_in(request)[i];
    if (!known)
        plain_size = 0;
    return vc_next.Grequest_complete(request) == MPI_SUCCESS &&
           vc_next.Request_free(&request) == MPI_SUCCESS && known;
}

bool vc_requests_init(void)
{
    vc_request_complete = vc_next_find("ompi_request_empty");
    return lengthen_requests() && know_requests();
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

/* What the Fortran wrapper of MPI_Ialltoallw noted in the request: copies of both arrays of types, in which
 * it passed them. Arrays that programs pass in C are not noted, and belong to them. */
static void free_noted_types(const struct vc_posted *op)
{
    void *noted[2];
    if (noted_size < sizeof noted || next_release_with)
        return;
    memcpy(noted, (const char *)op->request + generalized_size, sizeof noted);
    const void *passed[] = {op->k.stypes, op->k.rtypes};
    for (int i = 0; i < 2; i++)
        if (noted[i] && (noted[i] == passed[0] || noted[i] == passed[1]))
            free(noted[i]);
}

/* The MPI calls it before it frees the request. */
static int on_free(void *extra)
{
    struct vc_posted *op = extra;
    if (vc_requests_written && op->k.coll == VC_ALLTOALLW)
        free_noted_types(op);
    for (void **a = op->arrays; a && *a; a++)
        free(*a);
    free(op->arrays);
    free(op);
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
    op->arrays = NULL;
    int rc = vc_next.Grequest_start(on_query, on_free, on_cancel, op, request);
    op->request = *request;
    if (rc == MPI_SUCCESS && vc_requests_written)
        memset((char *)op->request + generalized_size, 0, noted_size);
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
