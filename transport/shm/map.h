/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of other processes of the operating system, mapped into this one by XPMEM: it is read and written
 * where it is, without a system call.
 *
 * A process opens its whole address space as one segment. Who wants to map parts of it has a permit for the
 * segment, and attaches ranges of addresses. Attaching takes microseconds and a page fault for each page at
 * first use, so attachments are kept: up to a number for each process, of which the one that was not used for
 * longest goes first.
 *
 * An attachment denotes addresses, not pages. When their owner unmaps them, the kernel module takes the pages
 * out of the attachments as well, in the owner's system call, and the next access finds what the owner has
 * there then. So an attachment is never out of date, and nobody need tell others that memory was freed.
 * Whether that holds is tried before attachments are kept (vc_map_keep()). An access to an address at which
 * the owner has nothing, or after the owner has ended, is a SIGBUS: so nothing but what the owner has
 * published in an operation under way may be touched, and each new attachment is tried first.
 */
#ifndef VC_TRANSPORT_SHM_MAP_H
#define VC_TRANSPORT_SHM_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Another process. */
struct vc_map_peer;

/** A range that is in use. */
struct vc_map_hold {
    void *at; /**< where it is in this process; NULL: it cannot be mapped */
    struct vc_map_peer *peer;
    int index;
};

/** Loads the library and opens this process to those of the same user. VC_OK and the segment, which others
 * need for vc_map_open(), or VC_ERR_UNSUPPORTED with a text. Once, before any other thread uses this room. */
int vc_map_init(int64_t *segment);
/** Nobody has a peer any more. After a vc_map_init() that failed, or none, it does nothing. */
void vc_map_fini(void);

/** NULL with a text. Nothing is mapped. */
struct vc_map_peer *vc_map_open(int64_t segment);
/** Detaches everything. NULL is legal. */
void vc_map_close(struct vc_map_peer *peer);
/** Whether attachments follow their owner, and are kept. False at first: each is detached after its use. */
void vc_map_keep(bool keep);

/**
 * Maps len bytes at `remote` of the peer. Where that cannot be done, which the next try may find otherwise,
 * at is NULL, as it is for no bytes and no peer; vc_map_drop() is not needed then. Thread-safe. `remote` must
 * be memory that the peer has there until vc_map_drop().
 */
struct vc_map_hold vc_map_range(struct vc_map_peer *peer, uint64_t remote, size_t len);
void vc_map_drop(const struct vc_map_hold *hold);

/** Whether this address of this process can be read, found out without a signal. */
bool vc_map_readable(const void *at);

/** Counts of this process. */
struct vc_map_stats {
    _Atomic uint64_t attached; /**< attachments made */
    _Atomic uint64_t evicted;  /**< of these, given up for others */
    _Atomic uint64_t refused;  /**< ranges that could not be mapped */
};
extern struct vc_map_stats vc_map_stats;

#endif
