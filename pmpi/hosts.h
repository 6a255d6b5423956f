/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts: which operating systems run on the same physical machine, and memory that they share. Two of them
 * share memory if each reads the other's random number in it. Each rank has a region of that memory, of which
 * communicators take ranges for messages within the host.
 */
#ifndef VC_PMPI_HOSTS_H
#define VC_PMPI_HOSTS_H

#include "transport/ivshmem/ranges.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Whether some ranks share memory with ranks of other machines; the same on all ranks. */
extern bool vc_hosts_on;

/**
 * Looks for the memory, if there are several machines; collective over MPI_COMM_WORLD, after
 * vc_world_init(). With VCOLL_NODE_SPLIT each such group of ranks counts as a machine. VC_OK also where there
 * is none, agreed.
 */
int vc_hosts_init(void);
void vc_hosts_fini(void);

/** Ranks of the world with the same number, from 0, share memory of a host. -1: with no other machine. */
int vc_hosts_sharing(int world_rank);
/** Ranks of the world with the same number are on the same physical host: they share its memory, or have the
 * same VCOLL_HOST_ID, or are in one operating system. */
int vc_hosts_number(int world_rank);
/** Different in each job, and the same on all ranks that share memory. */
uint64_t vc_hosts_nonce(void);

/** The unit of ranges of this rank's region, in bytes. */
#define VC_HOSTS_UNIT 128

/** Bytes of the smallest region; the same on all ranks. */
size_t vc_hosts_region(void);
/** False: there is no room. Threads may call this at once. */
bool vc_hosts_take(size_t bytes, struct vc_mem_range *out);
/** None (0 units) is legal. */
void vc_hosts_give(struct vc_mem_range *range);
/** Memory at this place of the region of a rank that shares the host; NULL: it is not in the region. */
char *vc_hosts_at(int world_rank, uint32_t at, size_t bytes);

/** Called while this rank has waited for the other one for a while. VC_OK, or VC_ERR_PEER: the machine of
 * either has lost its memory, or the other's shows no sign of life. */
int vc_hosts_check(int world_rank);

/** How many machines share memory with this one, itself included. */
int vc_hosts_machines(void);

#endif
