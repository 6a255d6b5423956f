/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface of libxpmem.so.0, the library of the XPMEM kernel module, as its users know it. The library
 * is loaded where it is there, and never linked: distributions do not have it.
 */
#ifndef VC_TRANSPORT_SHM_XPMEM_H
#define VC_TRANSPORT_SHM_XPMEM_H

#include <stdint.h>
#include <sys/types.h>

#define VC_XPMEM_LIBRARY "libxpmem.so.0"

#define VC_XPMEM_WHOLE       ((size_t)-1) /* a segment of so many bytes from 0 on is the whole process */
#define VC_XPMEM_RDWR        2
#define VC_XPMEM_PERMIT_MODE 1
#define VC_XPMEM_MODE        ((void *)0600) /* processes of the same user */
#define VC_XPMEM_FAILED      ((void *)-1)

/* By value, as the library takes it. */
struct vc_xpmem_addr {
    int64_t apid;
    off_t offset;
};

struct vc_xpmem_lib {
    int64_t (*make)(void *base, size_t size, int permit_type, void *permit); /* a segment, or -1 */
    int (*remove)(int64_t segment);
    int64_t (*get)(int64_t segment, int flags, int permit_type, void *permit); /* a permit, or -1 */
    int (*release)(int64_t apid);
    void *(*attach)(struct vc_xpmem_addr at, size_t size, void *here); /* or VC_XPMEM_FAILED */
    int (*detach)(void *here);
};

#endif
