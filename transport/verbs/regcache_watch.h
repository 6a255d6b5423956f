/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watching memory of the application: notices munmap, mremap, madvise, brk and mmap(MAP_FIXED) without
 * interposing any of them, by the events of a userfaultfd.
 *
 * Why nothing is missed. A mapping is watched by registering it with a userfaultfd in write-protect mode.
 * Nothing is ever write-protected, so there are no page faults. But a thread that unmaps, moves or drops
 * pages of it waits in the kernel until the watcher, a thread of vcoll, has read the event. The watcher
 * raises `reading` before it reads, and lowers it after it has written the event into the log. So after that
 * munmap has returned, any thread sees either `reading` or the new entry of the log.
 *
 * The pages are unmapped before the event can be read, and meanwhile another thread may get the same
 * addresses. The kernel counts changes under way: it raises the count under the lock of the memory map before
 * it unmaps anything, and the thread that waits lowers it. While the count is not 0, UFFDIO_ZEROPAGE fails
 * with EAGAIN before it checks its argument. So this ioctl, with an argument that is not valid, tells whether
 * a change is under way. vc_memwatch_settle() asks for both, in this order. (madvise drops pages after the
 * event was read. An application that uses them for communication at that time has a race.)
 *
 * Why it cannot deadlock. The watcher takes no lock, allocates and frees nothing, and calls nothing but
 * epoll_wait, ioctl and read, with all signals blocked. So threads may unmap watched memory in any state:
 * inside malloc with its locks held, inside a registration callback, in a signal handler, stopped by a
 * garbage collector.
 *
 * Why the application does not notice. Whole mappings are watched: registering a part would split the mapping
 * in the kernel, and mremap across the border would fail. A mapping stays watched until it is unmapped or the
 * watch stops. A change of watched memory costs a switch to the watcher and back.
 *
 * Fork: children are not watched. They close their copies of the file descriptors in a fork handler, because
 * an open copy would keep the watch alive without a reader. A child made by a bare clone() must end or
 * execute another program before the watch stops.
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
 * is not private anonymous readable and writable memory, is watched by another userfaultfd, or does not
 * exist; then `*refused` is that part. The caller serializes calls on one watch.
 */
int vc_memwatch_add(struct vc_memwatch *w, struct vc_memrange range, struct vc_memrange *refused);

/**
 * Waits until the log has all changes of watched memory that came before this call: those of the calling
 * thread, and those of other threads after which the caller was given the same addresses. Normally one short
 * system call. VC_ERR_UNSUPPORTED when changes go on for a millisecond, or the program has closed the watch's
 * file.
 */
int vc_memwatch_settle(struct vc_memwatch *w);

/** Removes the oldest changed range from the log; false when there is none. The caller serializes calls. */
bool vc_memwatch_next(struct vc_memwatch *w, struct vc_memrange *changed);

/** Whether the log has an entry. Costs two loads; any thread. */
bool vc_memwatch_pending(struct vc_memwatch *w);

/** Ends watching: afterwards no thread waits for the watcher. The log keeps its entries. */
void vc_memwatch_stop(struct vc_memwatch *w);

/** Stops and frees. */
void vc_memwatch_destroy(struct vc_memwatch *w);

#endif
