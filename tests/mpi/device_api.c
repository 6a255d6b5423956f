/* SPDX-License-Identifier: BSD-3-Clause */
#include "device_api.h"

#include <dlfcn.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;
static enum { CUDA, HIP, ZE } kind;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s failed\n", what);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

/* A function of the driver; all of them return 0 for success. */
static void find(const char *name, void *function)
{
    void *f = dlsym(library, name);
    need(f != NULL, name);
    memcpy(function, &f, sizeof f);
}

/* ---- CUDA ---- */

static struct {
    void *context, *entered;
    int (*set)(void *), (*get)(void **);
    int (*alloc)(uint64_t *, size_t), (*free)(uint64_t);
    int (*up)(uint64_t, const void *, size_t), (*down)(void *, uint64_t, size_t);
} cu;

static bool open_cuda(void)
{
    int (*init)(unsigned), (*device)(int *, int), (*retain)(void **, int), dev;
    find("cuInit", &init);
    find("cuDeviceGet", &device);
    find("cuDevicePrimaryCtxRetain", &retain);
    find("cuCtxSetCurrent", &cu.set);
    find("cuCtxGetCurrent", &cu.get);
    find("cuMemAlloc_v2", &cu.alloc);
    find("cuMemFree_v2", &cu.free);
    find("cuMemcpyHtoD_v2", &cu.up);
    find("cuMemcpyDtoH_v2", &cu.down);
    return init(0) == 0 && device(&dev, 0) == 0 && retain(&cu.context, dev) == 0;
}

/* ---- HIP ---- */

static struct {
    int (*alloc)(void **, size_t), (*free)(void *), (*copy)(void *, const void *, size_t, int), (*peek)(void);
} hip;

static bool open_hip(void)
{
    find("hipMalloc", &hip.alloc);
    find("hipFree", &hip.free);
    find("hipMemcpy", &hip.copy);
    find("hipPeekAtLastError", &hip.peek);
    void *p = NULL;
    if (hip.alloc(&p, 8) != 0)
        return false;
    hip.free(p);
    return true;
}

/* ---- Level Zero ---- */

enum { BOUNCE = 1 << 20 };

struct desc {
    unsigned stype;
    const void *next;
    uint32_t word[5];
};

static struct {
    void *context, *device, *list, *bounce;
    int (*alloc)(void *, const struct desc *, size_t, size_t, void *, void **), (*free)(void *, void *);
    int (*copy)(void *, void *, const void *, size_t, void *, uint32_t, void **);
} ze;

static bool open_ze(void)
{
    int (*init)(unsigned), (*drivers)(uint32_t *, void **), (*devices)(void *, uint32_t *, void **);
    int (*context)(void *, const struct desc *, void **);
    int (*host)(void *, const struct desc *, size_t, size_t, void **);
    int (*list)(void *, void *, const struct desc *, void **);
    find("zeInit", &init);
    find("zeDriverGet", &drivers);
    find("zeDeviceGet", &devices);
    find("zeContextCreate", &context);
    find("zeMemAllocHost", &host);
    find("zeMemAllocDevice", &ze.alloc);
    find("zeMemFree", &ze.free);
    find("zeCommandListCreateImmediate", &list);
    find("zeCommandListAppendMemoryCopy", &ze.copy);
    struct desc desc = {.stype = 0xd}, queue = {.stype = 0xe, .word = {0, 0, 0, 1, 0}}, mem = {.stype = 0x16};
    void *driver = NULL;
    uint32_t n = 1, m = 1;
    return init(0) == 0 && drivers(&n, &driver) == 0 && n > 0 && devices(driver, &m, &ze.device) == 0 &&
           m > 0 && context(driver, &desc, &ze.context) == 0 &&
           host(ze.context, &mem, BOUNCE, 64, &ze.bounce) == 0 &&
           list(ze.context, ze.device, &queue, &ze.list) == 0;
}

static void copy_ze(char *to, const char *from, size_t n, bool up)
{
    for (size_t at = 0; at < n; at += BOUNCE) {
        size_t m = n - at < BOUNCE ? n - at : BOUNCE;
        if (up)
            memcpy(ze.bounce, from + at, m);
        void *t = up ? to + at : ze.bounce;
        const void *f = up ? ze.bounce : from + at;
        need(ze.copy(ze.list, t, f, m, NULL, 0, NULL) == 0, "zeCommandListAppendMemoryCopy");
        if (!up)
            memcpy(to + at, ze.bounce, m);
    }
}

/* ---- all ---- */

bool device_open(const char *api, const char *path)
{
    /* A name without a version is there where programs are built; runtimes have one. */
    static const char *const versions[] = {"", ".7", ".6", ".5"};
    for (size_t i = 0; !library && i < sizeof versions / sizeof versions[0]; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s%s", path, versions[i]);
        library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (!library)
        return false;
    kind = strcmp(api, "cuda") == 0 ? CUDA : strcmp(api, "hip") == 0 ? HIP : ZE;
    return kind == CUDA ? open_cuda() : kind == HIP ? open_hip() : open_ze();
}

void *device_alloc(size_t n)
{
    void *p = NULL;
    uint64_t address = 0;
    struct desc desc = {.stype = 0x15};
    if (kind == CUDA) {
        need(cu.set(cu.context) == 0 && cu.alloc(&address, n) == 0, "cuMemAlloc");
        p = (void *)(uintptr_t)address;
    } else if (kind == HIP) {
        need(hip.alloc(&p, n) == 0, "hipMalloc");
    } else {
        need(ze.alloc(ze.context, &desc, n, 64, ze.device, &p) == 0, "zeMemAllocDevice");
    }
    return p;
}

void device_free(void *p)
{
    if (kind == CUDA)
        need(cu.set(cu.context) == 0 && cu.free((uintptr_t)p) == 0, "cuMemFree");
    else
        need((kind == HIP ? hip.free(p) : ze.free(ze.context, p)) == 0, "freeing device memory");
}

void device_up(void *device, const void *host, size_t n)
{
    if (kind == CUDA)
        need(cu.set(cu.context) == 0 && cu.up((uintptr_t)device, host, n) == 0, "cuMemcpyHtoD");
    else if (kind == HIP)
        need(hip.copy(device, host, n, 4) == 0, "hipMemcpy");
    else
        copy_ze(device, host, n, true);
}

void device_down(void *host, const void *device, size_t n)
{
    if (kind == CUDA)
        need(cu.set(cu.context) == 0 && cu.down(host, (uintptr_t)device, n) == 0, "cuMemcpyDtoH");
    else if (kind == HIP)
        need(hip.copy(host, device, n, 4) == 0, "hipMemcpy");
    else
        copy_ze(host, device, n, false);
}

void device_enter(bool bare)
{
    if (library && kind == CUDA)
        need(cu.set(bare ? NULL : cu.context) == 0 && cu.get(&cu.entered) == 0, "cuCtxSetCurrent");
}

bool device_unchanged(void)
{
    void *now = NULL;
    if (!library)
        return true;
    if (kind == CUDA)
        return cu.get(&now) == 0 && now == cu.entered;
    return kind != HIP || hip.peek() == 0;
}

bool device_fail(int n)
{
    void (*fail)(int);
    void *f = dlsym(library, "vc_standin_fail");
    memcpy(&fail, &f, sizeof f);
    if (f)
        fail(n);
    return f != NULL;
}
