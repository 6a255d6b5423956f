/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A nonblocking collective from its call to its end: what was found out about its arguments, all that it
 * needs of the program's objects, and how far it is. post.h fills it, queue.h runs it.
 */
#ifndef VC_PMPI_POSTED_H
#define VC_PMPI_POSTED_H

#include "pmpi/comm.h"
#include "pmpi/run.h"
#include "pmpi/types.h"

struct vc_posted;
struct vc_call_view;

/** Moves the result from w.recv to the program's memory. VC_OK or an error. */
typedef int vc_posted_finish(struct vc_posted *op);

struct vc_posted {
    struct vc_posted *next; /**< in the queue, or of those that are over */
    struct vc_comm *comm;
    struct vc_team *team;
    struct vc_call k; /**< the program's arguments; its types and operator may be gone */
    struct vc_work w; /**< w.op: NULL, or &redop */
    struct vc_redop redop;
    size_t esize;                   /**< of an element, where calls like it may be quick; 0: they may not */
    MPI_Datatype etype;             /**< that element's type, where it is not k.rtype; NULL: it is */
    const struct vc_choice *choice; /**< valid during the call */
    /* what is the operation's own, and ends with it */
    void *mem[VC_SCRATCHES]; /**< packed copies of the program's data; NULL: none */
    void *state;             /**< of the form of its arguments: what w and `finish` lead to; NULL: nothing */
    struct vc_call_view *view; /**< what w.view is in; NULL: none */
    void *displs;              /**< copy of displacements; NULL: none */
    MPI_Datatype *types;       /**< duplicates of types that the program may free meanwhile */
    int ntypes;
    vc_posted_finish *finish; /**< NULL: the result is where it belongs */
    /* how it runs: as a plan, or in the node's memory */
    bool by_plan;
    struct vc_plan_key key;
    struct vc_exec *exec; /**< a plan that has begun */
    struct vc_node_call call;
    bool begun;
    int whom; /**< whom the node's memory waits for */
    /* its end */
    int err;           /**< VC_OK, or why it failed */
    bool told;         /**< the failure has been logged, or need not be */
    bool reported;     /**< to the communicator's error handler */
    int class;         /**< of the error, for the program; MPI_SUCCESS */
    _Atomic bool over; /**< requests.h's: the thread that waits may look at the end and the result */
    MPI_Request request;
    void **arrays; /**< of the MPI's Fortran wrapper, freed with the request, to the first NULL; NULL: none */
    char why[192];
};

/** For an operation whose result is moved at its end: *t lives until then. VC_OK or an error. */
int vc_posted_keep_type(struct vc_posted *op, struct vc_dtype *t);
/**
 * For an operation that looks at op->k.rdispls, or op->k.sdispls if it `sends`, after the call: op->k has a
 * copy from now on. MPI wants the program to leave the array alone until then. But MPIs that read it in the
 * call alone let programs get away with less, and mpi4py 3.1 frees it at once. VC_OK or an error.
 */
int vc_posted_keep_displs(struct vc_posted *op, bool sends);

/** Hears of operations that begin by a plan, whose way is known from then on; called as vc_posted_advance()
 * is. NULL: nobody does. Statistics set it in MPI_Init. */
extern void (*vc_posted_began)(const struct vc_call *);

/**
 * Begins the operation, or moves it on. 1: done. 0: waits. Negative: failed. With the lock of busy.h, or with
 * the team's queue empty.
 */
int vc_posted_advance(struct vc_posted *op);

/** Whom it waits for, as vc_wait_idle() wants it. */
int vc_posted_whom(const struct vc_posted *op);

/** The end: the result goes to the program's memory, a failure gets its class, and is logged. In a thread
 * that may call the MPI, without a lock. op->err says how it went. */
void vc_posted_end(struct vc_posted *op);

/** For an operation on data with gaps, whose w.view is still to be filled: op->view, where it may have one;
 * `len` as vc_view_may() has it. */
void vc_posted_see(struct vc_posted *op, size_t len);

/** Releases what an operation holds besides its own memory. */
void vc_posted_release(struct vc_posted *op);

#endif
