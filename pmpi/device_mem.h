/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of devices (GPUs) in the arguments of a call. Whether a pointer is a device's is known to one rank
 * alone, so it decides nothing that the ranks must agree on: a device's buffer is packed into host memory,
 * and unpacked from it, by the driver that the program has loaded; everything between is as for a type with
 * gaps. The drivers are looked for among the libraries of the process, and never loaded. While there is none,
 * no call asks for more than it does without this file: the gate is open (door.h). Where there is one, the
 * gate is WATCHED, MPI_DOUBLE is looked up as every other type (types.h), and no thread remembers its last
 * reduction (redop.h).
 */
#ifndef VC_PMPI_DEVICE_MEM_H
#define VC_PMPI_DEVICE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct vc_dtype;

/** Set once, when the first driver was found. */
extern _Atomic bool vc_device_found;

/** Relaxed: a thread that has a pointer of a device has it from one that had the driver before. */
static inline bool vc_device_on(void)
{
    return atomic_load_explicit(&vc_device_found, memory_order_relaxed);
}

/**
 * Looks for drivers, where a library was loaded since the last time; otherwise costs some hundred
 * instructions. Local. Nothing under VCOLL_DEVICE_MEMORY=off.
 */
void vc_device_look(void);

/** Whose memory this is: 0 is the host's, others are for the functions below. Reads nothing there. */
unsigned char vc_device_of(const void *p);

/** vc_pack() and vc_unpack() of a type whose buffer is a device's. VC_OK, VC_ERR_NOMEM, VC_ERR_SYS (the
 * driver's), VC_ERR_MPI. */
int vc_device_pack(const void *from, size_t count, const struct vc_dtype *type, void *to);
int vc_device_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type);

/** The bytes of elements in the type's own layout, from the device and back; gaps are touched on neither
 * side. */
int vc_device_fetch(const void *from, void *to, size_t count, const struct vc_dtype *type);
int vc_device_store(const void *from, void *to, size_t count, const struct vc_dtype *type);

/* ---- the drivers: device_cuda.c, device_hip.c, device_ze.c ---- */

/** Rows of equal length, `pitch` bytes from one to the next on either side. */
struct vc_device_copy {
    void *device, *host;
    size_t bytes; /**< of a row */
    size_t rows, pitch;
    bool up; /**< to the device */
};

struct vc_device_driver {
    const char *name;
    const char *library; /**< its file, up to ".so" */
    /** NULL, or what the names of a device's own libraries begin with: `library` only loads these, and
     * without one of them there is no memory of a device. */
    const char *backend;
    /** Finds the functions. False: a library that has not all of them. */
    bool (*open)(void *library);
    /** Device memory, or memory that wanders between device and host. Changes no state that the program can
     * see. */
    bool (*owns)(const void *p);
    /** Complete when it returns. 0, or the driver's own number of an error. */
    int (*copy)(const struct vc_device_copy *c);
};

extern const struct vc_device_driver vc_device_cuda, vc_device_hip, vc_device_ze;

/** Finds functions by name; false where one is missing. */
struct vc_device_symbol {
    const char *name;
    void *function; /**< address of a pointer to a function */
};
bool vc_device_symbols(void *library, const struct vc_device_symbol *list, size_t n);

#endif
