/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver of devices can do for device_mem.c. */
#ifndef VC_PMPI_DEVICE_DRIVER_H
#define VC_PMPI_DEVICE_DRIVER_H

#include "pmpi/device_mem.h"

#include <dlfcn.h>
#include <string.h>

struct vc_device_driver {
    const char *name;
    const char *library; /**< its file, up to ".so" */
    /** NULL, or what the names of a device's own libraries begin with: `library` only loads these, and
     * without one of them there is no memory of a device. */
    const char *backend;
    /** Finds the functions. False: a library that has not all of them. */
    bool (*open)(void *library);
    /** Device memory, or memory that moves between device and host. Changes no state that the program can
     * see. */
    bool (*owns)(const void *p);
    /** Complete when it returns. 0, or the driver's own number of an error. */
    int (*copy)(const struct vc_device_copy *c);
};

extern const struct vc_device_driver vc_device_cuda, vc_device_hip, vc_device_ze;

struct vc_device_symbol {
    const char *name;
    void *function; /**< address of a pointer to a function */
};

/** Finds functions by name; false where one is missing. */
static inline bool vc_device_symbols(void *library, const struct vc_device_symbol *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *f = dlsym(library, list[i].name);
        if (!f)
            return false;
        /* ISO C has no conversion between object and function pointers. */
        memcpy(list[i].function, &f, sizeof f);
    }
    return true;
}

#endif
