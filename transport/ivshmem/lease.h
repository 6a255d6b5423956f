/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who owns which part of the shared memory. At its beginning lie a head, which says that the memory is
 * vcoll's and of which version and size, a table of leases, and a table with the owner of each extent of the
 * rest:
 *
 *     head      the same in every machine; whoever finds zeroed memory writes it
 *     lease     owner (a random number, 0: free), a heartbeat, and who that is
 *     extent    the owner's number, 0: free
 *
 * A lease belongs to a process, which counts its heartbeat up from a thread of its own. It is taken and given
 * back by compare and swap on the owner's number, and so are extents, so no lock can be left behind. A lease
 * is stale if its process has ended (in the same operating system), or if its heartbeat stood still for
 * VC_LEASE_STALE_NS while another process that needs room watched it: clocks of machines are never compared.
 *
 * No other machine is trusted. Nothing that is read here is an address, a length or an index into memory of
 * this process: where a lease lies is computed from its number, and where its memory lies is known from whom
 * it was given by other ways, and checked against the size of the mapping.
 */
#ifndef VC_TRANSPORT_IVSHMEM_LEASE_H
#define VC_TRANSPORT_IVSHMEM_LEASE_H

#include "transport/ivshmem/bar.h"
#include "transport/wait.h"

/** Changes with every change of what lies in the memory, rings included. */
#define VC_LEASE_VERSION 1u
#define VC_LEASES        64u
#define VC_EXTENTS       1024u
/** Where the extents begin; before it lie the tables. */
#define VC_LEASE_DATA ((size_t)64 << 10)

#define VC_LEASE_BEAT_NS  UINT64_C(250000000)
#define VC_LEASE_STALE_NS UINT64_C(5000000000)
/** A machine whose heart has not beaten for so long is given up by those that wait for its ranks. */
#define VC_LEASE_DEAD_NS UINT64_C(30000000000)

struct vc_leases;

/** Extents of the owner, and its proof: what others must read in its place. */
struct vc_lease {
    uint64_t owner; /**< 0: none */
    uint32_t number;
    uint64_t at, bytes; /**< in the mapping */
};

/** The tables of a mapping, written if it is zeroed. VC_ERR_INVAL: it holds something else, or tables of
 * another version or size. `bar` stays the caller's and must outlive it. */
int vc_leases_open(const struct vc_bar *bar, struct vc_leases **out);
/** Gives the lease back, if one is held. NULL is legal. */
void vc_leases_close(struct vc_leases *l);
/**
 * For a lease whose memory several processes of a machine use: this one, its owner or another, is done with
 * it. The last of so many `members` gives it back. The owner's heart stops; it holds no lease then.
 */
void vc_lease_leave(struct vc_leases *l, const struct vc_lease *lease, unsigned members);

/**
 * Takes a lease on `bytes`, whole extents, for this process, which must have none; starts its heartbeat. If
 * there is no room, stale leases are taken away first: those of processes that have ended here, and, if it is
 * `patient`, those of other machines, which takes VC_LEASE_STALE_NS. VC_ERR_NOMEM: there is no room.
 */
int vc_lease_take(struct vc_leases *l, size_t bytes, bool patient, struct vc_lease *out);
/** False: another process has taken the lease away, because this one was stopped for too long. */
bool vc_lease_held(const struct vc_leases *l);
/** Whether the lease is there for this process: it shares the memory with the owner. */
bool vc_lease_seen(const struct vc_leases *l, const struct vc_lease *lease);
/** The heartbeat of a lease, to be compared with an earlier one. */
uint64_t vc_lease_beat(const struct vc_leases *l, uint32_t number);
/** The memory of a lease, aligned to the page; NULL: it does not lie in the mapping. */
char *vc_lease_memory(const struct vc_leases *l, const struct vc_lease *lease);
/** Bytes that could be leased if no lease were held. */
size_t vc_leases_room(const struct vc_leases *l);
/** All leases, as they were while they were watched. */
struct vc_lease_watch {
    uint64_t owner[VC_LEASES]; /**< 0: free */
    bool beats[VC_LEASES];     /**< its heart has beaten meanwhile */
    unsigned held, still;      /**< how many are held; of them, how many hearts have not beaten */
};
/** Watches until all hearts have beaten, `ns` at most: twice VC_LEASE_BEAT_NS tells, where nobody is in
 * haste. */
void vc_leases_watch(struct vc_leases *l, uint64_t ns, struct vc_lease_watch *out);
/** Leases that are held by anybody. */
unsigned vc_leases_held(const struct vc_leases *l);

#endif
