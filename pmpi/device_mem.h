/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of devices (GPUs) in the arguments of a call. Whether a pointer is a device's is known to one rank
 * alone, so it decides nothing that the ranks must agree on: the driver that the program has loaded packs a
 * device's buffer into host memory, and unpacks from it; the rest of the call is as for a type with gaps. The
 * drivers are looked for among the libraries of the process, and never loaded. While there is none, calls
 * cost nothing for it: the gate is open (door.h). Where there is one, the gate is WATCHED, MPI_DOUBLE is
 * looked up as every other type (types.h), and no thread remembers its last reduction (redop.h).
 */
#ifndef VC_PMPI_DEVICE_MEM_H
#define VC_PMPI_DEVICE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** Set once, when the first driver was found. */
extern _Atomic bool vc_device_found;

/** Relaxed: a thread that has a pointer of a device has it from one that had the driver before. */
static inline bool vc_device_on(void)
{
    return atomic_load_explicit(&vc_device_found, memory_order_relaxed);
}

/**
 * Looks for drivers, where a library was loaded since the last time; otherwise costs some hundred
 * instructions. Local. Where there is a new one, calls found_one() before any thread's look returns. Nothing
 * under VCOLL_DEVICE_MEMORY=off.
 */
void vc_device_look(void (*found_one)(void));

/** Whose memory this is: 0 is the host's, others are for vc_device_copy(). Reads nothing there. */
unsigned char vc_device_of(const void *p);

/** Rows of equal length, `pitch` bytes from one to the next on either side. */
struct vc_device_copy {
    void *device, *host;
    size_t bytes; /**< of a row */
    size_t rows, pitch;
    bool up; /**< to the device */
};

/** VC_OK, or VC_ERR_SYS with the driver's error. */
int vc_device_copy(unsigned char device, const struct vc_device_copy *c);

#endif
