/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcoll: MPI collectives for virtualized clusters. Applications need nothing of this header: they are taken
 * over through MPI's profiling interface. It is for tools and benchmarks that want to look inside.
 */
#ifndef VCOLL_VCOLL_H
#define VCOLL_VCOLL_H

#ifdef __cplusplus
extern "C" {
#endif

#define VCOLL_VERSION_MAJOR 0
#define VCOLL_VERSION_MINOR 1
#define VCOLL_VERSION_PATCH 0

/** The library's version, e.g. "0.1.0". Static storage; thread-safe; callable before MPI_Init. */
const char *vcoll_version(void);

/**
 * The underlying MPI's function of that name without prefix, e.g. "Allreduce", as a pointer to be cast to the
 * type of MPI_Allreduce; NULL when there is none. Calling it bypasses vcoll. Thread-safe; callable before
 * MPI_Init.
 */
void *vcoll_native(const char *name);

/** What vcoll does on a communicator. */
struct vcoll_comm_info {
    int active;                    /**< 1: set up; 0: not yet, or passed through */
    int nodes, ranks_here;         /**< nodes seen, ranks of this rank's node */
    unsigned long long shm_bytes;  /**< shared memory mapped for it on this node */
    unsigned long long heap_bytes; /**< approximate private memory of this rank for it */
    double setup_seconds;          /**< what its set-up cost this rank */
    const char *why_not; /**< active == 0: the reason; "" otherwise. Valid until the communicator is freed */
};

/**
 * Describes the state of a communicator (an MPI_Comm passed by value through a pointer, so that this header
 * does not need mpi.h). Local; not to be called concurrently with a collective on the same communicator.
 * Returns 0, or -1 when the communicator is unknown to vcoll.
 */
int vcoll_comm_describe(const void *comm, struct vcoll_comm_info *info);

/** Name of the algorithm that would run this call ("native" included). `collective` as in VCOLL_ALG. "" when
 * unknown. */
const char *vcoll_comm_algorithm(const void *comm, const char *collective, unsigned long long bytes);

/** Drives the underlying MPI's progress once, as vcoll does while it waits. Between MPI_Init and MPI_Finalize
 * only. */
void vcoll_host_progress(void);

#ifdef __cplusplus
}
#endif

#endif
