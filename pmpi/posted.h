/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A nonblocking collective from its call to its end: what post.c has found out about its arguments, all that
 * it needs of the program's objects, and how far it is. queue.h runs it.
 */
#ifndef VC_PMPI_POSTED_H
#define VC_PMPI_POSTED_H

#include "pmpi/comm.h"
#include "pmpi/run.h"
#include "pmpi/types.h"

struct vc_posted {
    struct vc_posted *next; /**< in the queue, or of those that are over */
    struct vc_comm *comm;
    struct vc_team *team;
    struct vc_call k; /**< the program's arguments; its types and operator may be gone */
    struct vc_work w; /**< w.op: NULL, or &redop */
    struct vc_redop redop;
    size_t esize;                   /**< of an element, where calls like it may be quick; 0: they may not */
    const struct vc_choice *choice; /**< valid during the call */
    /* Packed copies of the program's data; NULL: none. */
    void *mem[VC_SCRATCHES];
    /** Whether the result is in w.recv and has to be moved to k.recv, `count` elements of `type`. */
    bool unpacks;
    bool padded;    /**< then elements have gaps that the program's must keep */
    bool owns_type; /**< type.type is a duplicate: the program may free its own */
    size_t count;
    struct vc_dtype type;
    /* how it runs: as a plan, or in the node's memory */
    bool by_plan;
    struct vc_plan_key key;
    struct vc_exec *exec; /**< a plan that has begun */
    struct vc_node_call call;
    bool begun;
    int whom; /**< whom the node's memory waits for */
    /* its end */
    int err;       /**< VC_OK, or why it failed */
    bool told;     /**< the failure has been logged, or need not be */
    bool reported; /**< to the communicator's error handler */
    int class;     /**< of the error, for the program; MPI_SUCCESS */
    MPI_Request request;
    char why[192];
};

#endif
