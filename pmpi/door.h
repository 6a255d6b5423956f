/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of the room: the call that front.c hands to the run files, the gate that every call tests, and
 * the settings of this process.
 */
#ifndef VC_PMPI_DOOR_H
#define VC_PMPI_DOOR_H

#include "coll/registry.h"
#include "transport/mpi/next.h"
#include "tune/params/params.h"

#include <mpi.h>
#include <stdatomic.h>

/** Calls of more bytes than this (of one rank's larger buffer) pass through, because MPI_Pack counts in int.
 */
#define VC_CALL_LIMIT ((size_t)1 << 30)

/** Why a call was passed through. The order is that of the names in stats. */
enum vc_pass {
    VC_TAKEN,         /**< it was not */
    VC_PASS_COLLS,    /**< not listed in VCOLL_COLLS */
    VC_PASS_COMM,     /**< the communicator is not one that vcoll serves, or its set-up failed */
    VC_PASS_WAITING,  /**< the communicator is not set up yet */
    VC_PASS_ARGS,     /**< arguments the MPI will complain about, or that vcoll does not know */
    VC_PASS_EMPTY,    /**< nothing to move */
    VC_PASS_LARGE,    /**< more than VC_CALL_LIMIT */
    VC_PASS_SELECTED, /**< the selection says native */
    VC_PASS_COUNT
};

/** Ways that data took, for the statistics. */
enum vc_via { VC_VIA_SHM = 1 << 0, VC_VIA_MPI = 1 << 1, VC_VIA_VERBS = 1 << 2, VC_VIA_IVSHMEM = 1 << 3 };

/** One call of an accelerated collective: the user's arguments (bcast, reductions: count and type in rcount,
 * rtype). */
struct vc_call {
    enum vc_coll coll;
    int root;
    const void *send;
    void *recv;
    int scount, rcount;
    MPI_Datatype stype, rtype;
    MPI_Op op;
    MPI_Comm comm;
    /* calls with a count for each rank (vectors.h): their arrays, and the underlying MPI's function */
    const void *scounts, *sdispls, *rcounts, *rdispls;
    const MPI_Datatype *stypes, *rtypes; /**< alltoallw; otherwise NULL */
    MPI_Count count;                     /**< gatherv and scatterv: of this rank's own block */
    bool wide;                           /**< counts are MPI_Count and displacements MPI_Aint, not int */
    int (*native)(const struct vc_call *k);
    const size_t *offsets; /**< as in struct vc_shape, before the call is selected */
    const size_t
        *pairs; /**< alltoallv, alltoallw: [2][size] what this rank sends to each, and receives; likewise */
    /* what ran it, for the statistics */
    enum vc_pass why;
    unsigned via;
    size_t bytes; /**< as in struct vc_shape; 0 where the call passed through before they were computed */
    const struct vc_alg *alg;
};

/**
 * Where a call goes. UNKNOWN: before MPI_Init. CLOSED: to the underlying MPI, after the teardown or under
 * VCOLL_DISABLE. OPEN: straight to the function that runs it. WATCHED: to vc_call_slow(), because of
 * statistics, online tuning, fault tolerance, drivers of devices, or a bad setting, which ends the job.
 */
enum vc_gate { VC_GATE_UNKNOWN, VC_GATE_CLOSED, VC_GATE_OPEN, VC_GATE_WATCHED };
extern _Atomic int vc_gate;

/** Relaxed: a thread that makes MPI calls was started, or synchronized with, after MPI_Init had returned. */
static inline bool vc_gate_open(void)
{
    return VC_LIKELY(atomic_load_explicit(&vc_gate, memory_order_relaxed) == VC_GATE_OPEN);
}

/** The gate of the MPI_ names: like that of the PMPI_ names, but never open where another tool's MPI_X may
 * have to get the call first (stack.h). */
extern _Atomic int vc_gate_mpi;

/** As vc_gate_open(). */
static inline bool vc_gate_mpi_open(void)
{
    return VC_LIKELY(atomic_load_explicit(&vc_gate_mpi, memory_order_relaxed) == VC_GATE_OPEN);
}

/** Sets both gates. */
void vc_gate_set(enum vc_gate gate);
/** The next collective ends the job, for this reason. The gate must be WATCHED then. */
void vc_gate_fail(const char *why);
/** That reason; NULL: none. */
const char *vc_gate_failure(void);
/** Looks for drivers of devices (device_mem.h). Once there is one, every call is watched. The thread's next
 * reduction looks where its buffers are. */
void vc_gate_look_for_devices(void);

/** The settings; valid once the gate has been opened. */
extern struct vc_params vc_params;
/** How this process waits; valid likewise. */
extern struct vc_wait_cfg vc_wait;

/** A call that finds the gate not open: passes through, or runs `fn` and records it. */
int vc_call_slow(struct vc_call *k, int (*fn)(struct vc_call *));

/** The first part of it: whether a call that finds the gate not open may be taken at all. */
bool vc_gate_takes(const struct vc_call *k);

/** Around a call that passes through whatever its communicator is: begin returns 0 where nothing is recorded,
 * and then there is no end. */
uint64_t vc_other_begin(void);
void vc_other_end(enum vc_coll coll, enum vc_pass why, uint64_t begun, size_t bytes);

/** The underlying MPI's collective with the arguments of the call. */
int vc_native(const struct vc_call *k);

/** In the run files: each runs the call or passes it through. They differ in the arguments that they look at:
 * none, a message from the root, a reduction for the root or for all ranks (scans, too), blocks of all ranks,
 * blocks for the root, blocks from it, a reduction for all but rank 0, one to a block for each rank. */
int vc_run_barrier(struct vc_call *k);
int vc_run_bcast(struct vc_call *k);
int vc_run_reduce(struct vc_call *k);
int vc_run_allreduce(struct vc_call *k);
int vc_run_blocks(struct vc_call *k);
/** In run_allgatherv.c and run_alltoallv.c (alltoallw, too): blocks of a length for each rank. */
int vc_run_allgatherv(struct vc_call *k);
int vc_run_alltoallv(struct vc_call *k);
int vc_run_gather(struct vc_call *k);
int vc_run_scatter(struct vc_call *k);
/** The same with a length for each rank. */
int vc_run_gatherv(struct vc_call *k);
int vc_run_scatterv(struct vc_call *k);
int vc_run_exscan(struct vc_call *k);
int vc_run_reduce_blocks(struct vc_call *k);
int vc_run_reduce_scatter(struct vc_call *k);

#endif
