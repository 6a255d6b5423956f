/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watching memory of the application: learns of munmap, mremap, madvise, brk and mmap(MAP_FIXED) without
 * interposing any of them, through the events of a userfaultfd.
 *
 * Why nothing is missed. A mapping is watched by registering it with a userfaultfd in write-protect mode;
 * nothing is ever write-protected, so no page fault is ever delivered, but a thread that unmaps, moves or
 * drops pages of it waits in the kernel until the watcher, a thread of our own, has read the event. The
 * watcher raises `reading` before it reads and lowers it after it has put the event into the log. So whoever
 * comes after the return of that munmap sees `reading` or the log's new entry. The unmapping itself happens
 * before its event can be read, and in between another thread may already be given the same addresses. For
 * that the kernel keeps a count of changes under way (raised under the lock of the memory map, before
 * anything is unmapped, lowered by the thread that waits), which makes UFFDIO_ZEROPAGE fail with EAGAIN
 * before it looks at its argument: an ioctl that cannot do anything tells whether one is under way.
 * vc_memwatch_settle() asks both, in this order. (Pages dropped by madvise are dropped after the event is
 * read; using them for communication at that time is a race in the application.)
 *
 * Why it cannot deadlock. The watcher takes no lock, allocates and frees nothing, and calls nothing but
 * epoll_wait, ioctl and read, with all signals blocked. So threads may unmap watched memory wherever they
 * are: inside malloc with its locks held, inside a registration callback, in a signal handler, stopped by a
 * garbage collector.
 *
 * Why the application does not notice. Whole mappings are watched, never parts: registering a part would
 * split the mapping in the kernel, and mremap across the border would fail. A mapping stays watched until it
 * is unmapped or the watch stops. A change of watched memory costs a switch to the watcher and back.
 *
 * Fork: children are not watched (the event for that is not asked for) and close their copies of the file
 * descriptors in a fork handler, because an open copy would keep the watch alive without a reader. A child
 * made by a bare clone() that neither executes another program nor ends must not outlive the watch.
 *
 * Not seen by any kernel event: MADV_GUARD_INSTALL (Linux 6.13) laid over a buffer.
 */
#ifndef VC_TRANSPORT_VERBS_REGCACHE_WATCH_H
#define VC_TRANSPORT_VERBS_REGCACHE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct vc_memwatch;

/** Addresses from `start` up to, not including, `end`. */
struct vc_memrange {
    uintptr_t start, end;
};

/**
 * Prepares a watch; its thread starts with the first vc_memwatch_add(). VC_ERR_UNSUPPORTED, with a text that
 * names the reason, where the kernel lacks the means or forbids them.
 */
int vc_memwatch_create(struct vc_memwatch **out);

/**
 * Watches the mappings that contain `range` (page-aligned) from now on. VC_ERR_UNSUPPORTED when one of them
 * is not private anonymous readable and writable memory, is watched by somebody else, or is not there; then
 * `*refused` is the part that is to blame. The caller serializes calls on one watch.
 */
int vc_memwatch_add(struct vc_memwatch *w, struct vc_memrange range, struct vc_memrange *refused);

/**
 * Waits until all changes of watched memory that the caller can know of are in the log: of its own thread,
 * and of any thread where memory was mapped anew that the caller was given. Normally one short system call.
 * VC_ERR_UNSUPPORTED when changes do not cease for a millisecond, or the watch has broken because somebody
 * closed its file.
 */
int vc_memwatch_settle(struct vc_memwatch *w);

/** Takes the oldest changed range from the log; false when there is none. The caller serializes calls. */
bool vc_memwatch_next(struct vc_memwatch *w, struct vc_memrange *changed);

/** Whether the log has something to take. Costs two loads; any thread. */
bool vc_memwatch_pending(struct vc_memwatch *w);

/** Ends watching: no thread waits for the watcher from here on. What is in the log stays there. */
void vc_memwatch_stop(struct vc_memwatch *w);

/** Stops and frees. */
void vc_memwatch_destroy(struct vc_memwatch *w);

#endif
