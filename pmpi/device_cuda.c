/* SPDX-License-Identifier: BSD-3-Clause */
/* NVIDIA's driver, libcuda. Its types are written out here: no header of it is needed to build. */
#include "pmpi/device_driver.h"

#include <stdint.h>
#include <string.h>

enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2, MEMORY_UNIFIED = 4 };
enum { ATTR_CONTEXT = 1, ATTR_MEMORY_TYPE = 2, ATTR_IS_MANAGED = 8, ATTR_DEVICE_ORDINAL = 9 };
enum { INVALID_CONTEXT = 201 };

typedef uint64_t address; /* CUdeviceptr */

/* CUDA_MEMCPY2D, version 2 */
struct copy2d {
    size_t src_x, src_y;
    unsigned src_type;
    const void *src_host;
    address src_device;
    void *src_array;
    size_t src_pitch;
    size_t dst_x, dst_y;
    unsigned dst_type;
    void *dst_host;
    address dst_device;
    void *dst_array;
    size_t dst_pitch;
    size_t width, height;
};

static struct {
    int (*attributes)(unsigned n, int *which, void **values, address p);
    int (*push)(void *context);
    int (*pop)(void **context);
    int (*current)(void **context);
    int (*device)(int *device, int ordinal);
    int (*primary)(void **context, int device);
    int (*primary_done)(int device);
    int (*down)(void *to, address from, size_t n);
    int (*up)(address to, const void *from, size_t n);
    int (*rows)(const struct copy2d *c);
    int (*synchronize)(void *stream);
} cu;

static bool open_cuda(void *library)
{
    const struct vc_device_symbol symbols[] = {
        {"cuPointerGetAttributes", &cu.attributes},
        {"cuCtxPushCurrent_v2", &cu.push},
        {"cuCtxPopCurrent_v2", &cu.pop},
        {"cuCtxGetCurrent", &cu.current},
        {"cuDeviceGet", &cu.device},
        {"cuDevicePrimaryCtxRetain", &cu.primary},
        {"cuDevicePrimaryCtxRelease", &cu.primary_done},
        {"cuMemcpyDtoH_v2", &cu.down},
        {"cuMemcpyHtoD_v2", &cu.up},
        {"cuMemcpy2DUnaligned_v2", &cu.rows},
        {"cuStreamSynchronize", &cu.synchronize},
    };
    return vc_device_symbols(library, symbols, sizeof symbols / sizeof symbols[0]);
}

/* cuPointerGetAttributes takes any pointer without an error, cuPointerGetAttribute does not. Managed memory
 * counts, because its pages may be on the device, where the kernel cannot read them for another process. */
static bool owns(const void *p)
{
    unsigned type = 0, managed = 0;
    int which[] = {ATTR_MEMORY_TYPE, ATTR_IS_MANAGED};
    void *values[] = {&type, &managed};
    return cu.attributes(2, which, values, (address)(uintptr_t)p) == 0 && (type == MEMORY_DEVICE || managed);
}

static int copy_current(const struct vc_device_copy *c)
{
    address device = (address)(uintptr_t)c->device;
    int err;
    if (c->rows == 1) {
        err = c->up ? cu.up(device, c->host, c->bytes) : cu.down(c->host, device, c->bytes);
    } else {
        struct copy2d r = {
            .width = c->bytes, .height = c->rows, .src_pitch = c->pitch, .dst_pitch = c->pitch};
        r.src_type = c->up ? MEMORY_HOST : MEMORY_UNIFIED;
        r.dst_type = c->up ? MEMORY_UNIFIED : MEMORY_HOST;
        if (c->up) {
            r.src_host = c->host;
            r.dst_device = device;
        } else {
            r.src_device = device;
            r.dst_host = c->host;
        }
        err = cu.rows(&r);
    }
    /* A copy to the device may return once the bytes have left host memory, and streams that do not wait for
     * the default stream would not see them. 1 is that stream. */
    return err == 0 && c->up ? cu.synchronize((void *)(uintptr_t)1) : err;
}

/* In the context of the memory, because the calling thread may have none. Memory of pools has no context:
 * then in that of the thread, or in the primary one of the device. */
static int copy(const struct vc_device_copy *c)
{
    void *context = NULL, *current = NULL;
    int ordinal = -1, device = -1, err;
    int which[] = {ATTR_CONTEXT, ATTR_DEVICE_ORDINAL};
    void *values[] = {&context, &ordinal};
    if ((err = cu.attributes(2, which, values, (address)(uintptr_t)c->device)) != 0)
        return err;
    if (!context && cu.current(&current) == 0 && current)
        return copy_current(c);
    if (!context) {
        if (ordinal < 0 || cu.device(&device, ordinal) != 0)
            return INVALID_CONTEXT;
        if ((err = cu.primary(&context, device)) != 0)
            return err;
    }
    err = cu.push(context);
    if (err == 0) {
        err = copy_current(c);
        cu.pop(&current);
    }
    if (device >= 0)
        cu.primary_done(device);
    return err;
}

const struct vc_device_driver vc_device_cuda = {
    .name = "CUDA", .library = "libcuda", .open = open_cuda, .owns = owns, .copy = copy};
