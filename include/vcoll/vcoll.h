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

/* The build and the packages take the version from here. */
#define VCOLL_VERSION_MAJOR 0
#define VCOLL_VERSION_MINOR 2
#define VCOLL_VERSION_PATCH 0

/** The library's version, e.g. "0.2.0". Static storage; thread-safe; callable before MPI_Init. */
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
    unsigned long long shm_bytes;  /**< shared memory that its ranks hold on this node */
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

/** The keys by which rows of tuning tables choose communicators (docs/tables.md). */
struct vcoll_comm_key {
    int ranks, nodes, ppn;   /**< ppn: most ranks of one node */
    int crowded, bulk_slots; /**< 0 or 1 */
    const char *network;     /**< "verbs" or "mpi" */
    const char *platform;    /**< "native", "software", "passthrough", "sriov-vf", or "mixed" */
    const char *device;      /**< model of the RDMA device, "" without one. Static storage, as above */
};

/** Fills *key; local. Returns 0, or -1 when the communicator is not set up (yet). */
int vcoll_comm_key(const void *comm, struct vcoll_comm_key *key);

/**
 * All keys of a communicator, those of struct vcoll_comm_key included, as a JSON object like those of a
 * table's "measured": {"ranks": 4, "nodes": 1, ...}. Local. Returns 0, or -1 when the communicator is not set
 * up (yet) or the text does not fit into `len` bytes.
 */
int vcoll_comm_keys(const void *comm, char *json, unsigned long len);

/**
 * From the next call on all calls of the collective on this communicator run as `choice` says, e.g.
 * "two_level_multi:leaders=2:wait=hybrid:spin=40" (docs/tables.md), "native", or "auto", which returns to
 * what table and rules say. Nothing is communicated, but all ranks of the communicator must do the same
 * between the same collectives. For tuners and benchmarks. A call for which the algorithm is not made (too
 * few elements) runs natively. Returns 0, or -1 with a text in why: the communicator is not set up, the
 * choice is not valid, or it cannot run here at all; then nothing has changed. `why` may be NULL.
 */
int vcoll_comm_force(const void *comm, const char *collective, const char *choice, char *why,
                     unsigned long why_len);

/**
 * Sets the moderation of this process's completion queues, in the syntax of VCOLL_CQ_MODERATION ("off" leaves
 * them as they are). Returns 0, or -1 with a text in why: no verbs, a device that has none, a value out of
 * range.
 */
int vcoll_cq_moderation(const char *setting, char *why, unsigned long why_len);

/** The table this process runs with: its file's name or "built-in"; *checksum may be NULL. Between MPI_Init
 * and MPI_Finalize. Static storage. */
const char *vcoll_table(unsigned long long *checksum);

/** Drives the underlying MPI's progress once, as vcoll does while it waits. Between MPI_Init and MPI_Finalize
 * only. */
void vcoll_host_progress(void);

#ifdef __cplusplus
}
#endif

#endif
