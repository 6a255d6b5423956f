/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared memory segments between processes of one operating system. Nothing is left behind when all of them
 * are killed: a segment is a memfd, which others open through /proc/<pid>/fd; where that is not permitted, it
 * is a POSIX shared memory object, which is unlinked once all have attached. All memory is committed with
 * posix_fallocate, so when /dev/shm or a memory cgroup is too small, creating fails, and no later access
 * raises SIGBUS. Memory of a sparse segment is committed piece by piece, by the process that is going to use
 * the piece, and lies near that process.
 */
#ifndef VC_TRANSPORT_SHM_SEGMENT_H
#define VC_TRANSPORT_SHM_SEGMENT_H

#include "transport/base.h"
#include <sys/types.h>

enum vc_seg_backing { VC_SEG_AUTO, VC_SEG_MEMFD, VC_SEG_SHM };

/** A mapping of this process. */
struct vc_seg {
    void *base;            /**< page-aligned, zeroed at creation; NULL: none */
    size_t len;            /**< bytes usable by the caller */
    int fd;                /**< of a sparse one; else creator only, until vc_seg_settle(); else -1 */
    char name[48];         /**< POSIX object, creator only, until vc_seg_settle() */
    bool sparse, needs_fd; /**< needs_fd: this kernel commits memory of it through the descriptor only */
    enum vc_seg_backing backing;
    uint64_t dev, ino; /**< sparse: which file fd is, since a program may close any descriptor */
};

/** What a peer needs to attach: plain bytes, sent through MPI. */
struct vc_seg_handle {
    uint64_t len, nonce;
    int32_t backing; /**< enum vc_seg_backing, or 0: creation failed */
    int32_t pid, fd, sparse;
    char name[48];
};

/** Creates and maps. VC_ERR_NOMEM / VC_ERR_SYS with a text that names the limit met and the way out. */
int vc_seg_create(size_t len, enum vc_seg_backing backing, struct vc_seg *seg, struct vc_seg_handle *handle);
/** The same without committing any memory. */
int vc_seg_create_sparse(size_t len, enum vc_seg_backing backing, struct vc_seg *seg,
                         struct vc_seg_handle *handle);
/** Commits bytes of a sparse segment, the creator's or one that was attached; nothing else of it may be used.
 * Errors as of vc_seg_create(). */
int vc_seg_commit(struct vc_seg *seg, size_t at, size_t bytes);
/** Gives the memory of whole pages back, which nobody uses any more. False: the system does not take it. */
bool vc_seg_release(struct vc_seg *seg, size_t at, size_t bytes);
/** Maps a peer's segment and proves by its nonce that it is really the same memory. */
int vc_seg_attach(const struct vc_seg_handle *handle, struct vc_seg *seg);
/** After every peer has attached or failed to: drops the name and the descriptor, unless it is needed for a
 * sparse segment. The mapping stays. */
void vc_seg_settle(struct vc_seg *seg);
/** Unmaps; a creator that has not settled settles first. Safe on a zeroed struct. */
void vc_seg_detach(struct vc_seg *seg);

/** Equal for processes of the same running operating system with the same /dev/shm and process ids. */
struct vc_os_id {
    unsigned char boot_id[16];
    uint64_t shm_dev;
    uint64_t
        pid_ns; /**< inode of the pid namespace: only where it is equal /proc/<pid> is the same process */
};
void vc_os_id_get(struct vc_os_id *id);

#endif
