/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for the driver of a GPU: libcuda, libamdhip64 or libze_loader, by what is defined when it is
 * compiled. Device memory is address space that nobody may touch; its bytes lie in a second mapping that only
 * this library knows. So a host that reads or writes there dies, and the kernel refuses to read there for
 * another process. Copies outside of one allocation fail, and so does, for each API, what the real one need
 * not do: CUDA without a context in the calling thread, Level Zero with host memory it did not allocate. Of
 * each API there is what device_memory.c and vcoll call.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- memory ---- */

enum { ALLOCATIONS = 64 };
#define SPACE ((size_t)256 << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *device, *bytes;
static struct {
    size_t at, size;
} allocation[ALLOCATIONS];
static size_t top;
static int live;
static int copies_left = -1; /* then they fail */

/** From the n-th copy on all fail. */
EXPORT void vc_standin_fail(int n);
void vc_standin_fail(int n)
{
    copies_left = n;
}

static bool map(void)
{
    if (device)
        return true;
    int fd = memfd_create("standin", 0);
    if (fd < 0 || ftruncate(fd, (off_t)SPACE) != 0)
        return false;
    bytes = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    device = mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return bytes != MAP_FAILED && device != MAP_FAILED;
}

static void *take(size_t size)
{
    void *p = NULL;
    pthread_mutex_lock(&lock);
    if (map() && live < ALLOCATIONS && top + size <= SPACE) {
        allocation[live].at = top;
        allocation[live++].size = size;
        p = device + top;
        top += (size + 511) / 256 * 256; /* never next to each other */
        memset(bytes + ((char *)p - device), 0xdd, size);
    }
    pthread_mutex_unlock(&lock);
    return p;
}

static bool give(const void *p)
{
    bool known = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < live && !known; i++)
        if (device + allocation[i].at == p) {
            allocation[i] = allocation[--live];
            known = true;
        }
    if (live == 0)
        top = 0;
    pthread_mutex_unlock(&lock);
    return known;
}

/* The bytes behind n bytes of device memory; NULL: not all of them are of one allocation. */
static char *behind(const void *p, size_t n)
{
    const char *c = p;
    if (!device || c < device || c >= device + SPACE)
        return NULL;
    size_t at = (size_t)(c - device);
    char *found = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < live && !found; i++)
        if (at >= allocation[i].at && at + n <= allocation[i].at + allocation[i].size)
            found = bytes + at;
    pthread_mutex_unlock(&lock);
    return found;
}

/* Copies n bytes, one side of which is the device's. */
static bool move(void *to, const void *from, size_t n)
{
    char *t = behind(to, n), *f = behind(from, n);
    if (copies_left == 0 || (!t && !f))
        return false;
    if (copies_left > 0)
        copies_left--;
    memcpy(t ? t : to, f ? f : from, n);
    return true;
}

#ifdef VC_STANDIN_CUDA
/* ---- CUDA ---- */

enum { INVALID_VALUE = 1, NOT_INITIALIZED = 3, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201 };

static bool initialized;
static char primary; /* its address is the one context */
static __thread void *stack[8];
static __thread int depth;

static void *current(void)
{
    return depth ? stack[depth - 1] : NULL;
}

EXPORT int cuInit(unsigned flags);
int cuInit(unsigned flags)
{
    initialized = flags == 0;
    return initialized ? 0 : INVALID_VALUE;
}

EXPORT int cuDeviceGet(int *out, int ordinal);
int cuDeviceGet(int *out, int ordinal)
{
    *out = ordinal;
    return ordinal == 0 ? 0 : INVALID_VALUE;
}

EXPORT int cuDevicePrimaryCtxRetain(void **out, int dev);
int cuDevicePrimaryCtxRetain(void **out, int dev)
{
    *out = &primary;
    return dev == 0 ? 0 : INVALID_VALUE;
}

EXPORT int cuDevicePrimaryCtxRelease(int dev);
int cuDevicePrimaryCtxRelease(int dev)
{
    return dev == 0 ? 0 : INVALID_VALUE;
}

EXPORT int cuCtxSetCurrent(void *context);
int cuCtxSetCurrent(void *context)
{
    if (depth == 0)
        depth = 1;
    stack[depth - 1] = context;
    return 0;
}

EXPORT int cuCtxGetCurrent(void **out);
int cuCtxGetCurrent(void **out)
{
    *out = current();
    return 0;
}

EXPORT int cuCtxPushCurrent_v2(void *context);
int cuCtxPushCurrent_v2(void *context)
{
    if (context != &primary || depth == 8)
        return INVALID_CONTEXT;
    stack[depth++] = context;
    return 0;
}

EXPORT int cuCtxPopCurrent_v2(void **out);
int cuCtxPopCurrent_v2(void **out)
{
    if (depth == 0)
        return INVALID_CONTEXT;
    *out = stack[--depth];
    return 0;
}

EXPORT int cuMemAlloc_v2(uint64_t *out, size_t n);
int cuMemAlloc_v2(uint64_t *out, size_t n)
{
    *out = (uintptr_t)(current() ? take(n) : NULL);
    return *out ? 0 : OUT_OF_MEMORY;
}

EXPORT int cuMemFree_v2(uint64_t p);
int cuMemFree_v2(uint64_t p)
{
    return give((void *)(uintptr_t)p) ? 0 : INVALID_VALUE;
}

/* 1: context (that of a pool is none), 2: memory type, 8: managed, 9: device */
EXPORT int cuPointerGetAttributes(unsigned n, const int *which, void **values, uint64_t p);
int cuPointerGetAttributes(unsigned n, const int *which, void **values, uint64_t p)
{
    bool ours = behind((void *)(uintptr_t)p, 1) != NULL;
    if (!initialized)
        return NOT_INITIALIZED;
    for (unsigned i = 0; i < n; i++) {
        if (which[i] == 1)
            *(void **)values[i] = ours && !getenv("VC_STANDIN_POOL") ? &primary : NULL;
        else if (which[i] == 2)
            *(unsigned *)values[i] = !ours ? 0 : getenv("VC_STANDIN_MANAGED") ? 1 : 2;
        else if (which[i] == 8)
            *(unsigned *)values[i] = ours && getenv("VC_STANDIN_MANAGED");
        else if (which[i] == 9)
            *(int *)values[i] = ours ? 0 : -2;
        else
            return INVALID_VALUE;
    }
    return 0;
}

EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n);
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n)
{
    if (!current())
        return INVALID_CONTEXT;
    return !behind(to, 1) && move(to, (void *)(uintptr_t)from, n) ? 0 : INVALID_VALUE;
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n);
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n)
{
    if (!current())
        return INVALID_CONTEXT;
    return !behind(from, 1) && move((void *)(uintptr_t)to, from, n) ? 0 : INVALID_VALUE;
}

struct end {
    size_t x, y;
    unsigned type; /* 1: host, 4: unified, by the device address */
    void *host;
    uint64_t address;
    void *array;
    size_t pitch;
};

struct rows {
    struct end src, dst;
    size_t width, height;
};

static char *row(const struct end *e, size_t i)
{
    char *base = e->type == 1 ? e->host : (char *)(uintptr_t)e->address;
    return base + (e->y + i) * e->pitch + e->x;
}

EXPORT int cuMemcpy2DUnaligned_v2(const struct rows *r);
int cuMemcpy2DUnaligned_v2(const struct rows *r)
{
    if (!current())
        return INVALID_CONTEXT;
    if (r->src.pitch < r->width || r->dst.pitch < r->width || r->src.type + r->dst.type != 5)
        return INVALID_VALUE;
    for (size_t i = 0; i < r->height; i++)
        if (!move(row(&r->dst, i), row(&r->src, i), r->width))
            return INVALID_VALUE;
    return 0;
}

EXPORT int cuStreamSynchronize(const void *stream);
int cuStreamSynchronize(const void *stream)
{
    if (!current())
        return INVALID_CONTEXT;
    return (uintptr_t)stream <= 2 ? 0 : INVALID_VALUE;
}
#endif

#ifdef VC_STANDIN_HIP
/* ---- HIP: of the version that VC_STANDIN_HIP is ---- */

enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2 };

static __thread int last_error;

static int result(int err)
{
    if (err)
        last_error = err;
    return err;
}

EXPORT int hipRuntimeGetVersion(int *out);
int hipRuntimeGetVersion(int *out)
{
    *out = VC_STANDIN_HIP * 10000000 + 226000;
    return 0;
}

EXPORT int hipPeekAtLastError(void);
int hipPeekAtLastError(void)
{
    return last_error;
}

EXPORT int hipGetLastError(void);
int hipGetLastError(void)
{
    int err = last_error;
    last_error = 0;
    return err;
}

EXPORT int hipMalloc(void **out, size_t n);
int hipMalloc(void **out, size_t n)
{
    *out = take(n);
    return result(*out ? 0 : OUT_OF_MEMORY);
}

EXPORT int hipFree(void *p);
int hipFree(void *p)
{
    return result(give(p) ? 0 : INVALID_VALUE);
}

struct attributes {
    int type, dev;
    void *device_pointer, *host_pointer;
    int managed;
    unsigned flags;
};

EXPORT int hipPointerGetAttributes(struct attributes *out, void *p);
int hipPointerGetAttributes(struct attributes *out, void *p)
{
    if (!behind(p, 1))
        return result(INVALID_VALUE);
    memset(out, 0, sizeof *out);
    out->type = VC_STANDIN_HIP >= 6 ? 2 : 1;
    out->device_pointer = p;
    return 0;
}

EXPORT int hipMemcpy(void *to, const void *from, size_t n, int kind);
int hipMemcpy(void *to, const void *from, size_t n, int kind)
{
    return result(kind == 4 && move(to, from, n) ? 0 : INVALID_VALUE);
}

EXPORT int hipMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                       size_t height, int kind);
int hipMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                int kind)
{
    bool ok = kind == 4 && to_pitch >= width && from_pitch >= width;
    for (size_t i = 0; ok && i < height; i++)
        ok = move((char *)to + i * to_pitch, (const char *)from + i * from_pitch, width);
    return result(ok ? 0 : INVALID_VALUE);
}

EXPORT int hipStreamSynchronize(const void *stream);
int hipStreamSynchronize(const void *stream)
{
    return result(stream == NULL ? 0 : INVALID_VALUE);
}
#endif

#ifdef VC_STANDIN_ZE
/* ---- Level Zero ---- */

enum { UNINITIALIZED = 0x78000001, INVALID_ARGUMENT = 0x78000004, OUT_OF_DEVICE_MEMORY = 0x70000003 };

static bool initialized;
static char the_driver, the_device;
static struct {
    char *p;
    size_t n;
} hosts[8];
static int nhosts;

static bool from_driver(const void *p, size_t n)
{
    for (int i = 0; i < nhosts; i++)
        if ((const char *)p >= hosts[i].p && (const char *)p + n <= hosts[i].p + hosts[i].n)
            return true;
    return false;
}

EXPORT int zeInit(unsigned flags);
int zeInit(unsigned flags)
{
    initialized = flags <= 1;
    return initialized ? 0 : INVALID_ARGUMENT;
}

EXPORT int zeDriverGet(uint32_t *n, void **out);
int zeDriverGet(uint32_t *n, void **out)
{
    if (!initialized)
        return UNINITIALIZED;
    if (*n > 0 && out)
        out[0] = &the_driver;
    *n = 1;
    return 0;
}

EXPORT int zeDeviceGet(const void *driver, uint32_t *n, void **out);
int zeDeviceGet(const void *driver, uint32_t *n, void **out)
{
    if (driver != &the_driver)
        return INVALID_ARGUMENT;
    if (*n > 0 && out)
        out[0] = &the_device;
    *n = 1;
    return 0;
}

struct desc {
    unsigned stype;
    const void *next;
    uint32_t word[5];
};

EXPORT int zeContextCreate(const void *driver, const struct desc *desc, void **out);
int zeContextCreate(const void *driver, const struct desc *desc, void **out)
{
    *out = malloc(1);
    return driver == &the_driver && desc->stype == 0xd && !desc->next && *out ? 0 : INVALID_ARGUMENT;
}

EXPORT int zeMemAllocDevice(const void *context, const struct desc *desc, size_t n, size_t align,
                            const void *dev, void **out);
int zeMemAllocDevice(const void *context, const struct desc *desc, size_t n, size_t align, const void *dev,
                     void **out)
{
    if (!context || desc->stype != 0x15 || align > 256 || dev != &the_device)
        return INVALID_ARGUMENT;
    *out = take(n);
    return *out ? 0 : OUT_OF_DEVICE_MEMORY;
}

EXPORT int zeMemAllocHost(const void *context, const struct desc *desc, size_t n, size_t align, void **out);
int zeMemAllocHost(const void *context, const struct desc *desc, size_t n, size_t align, void **out)
{
    if (!context || desc->stype != 0x16 || nhosts == 8)
        return INVALID_ARGUMENT;
    hosts[nhosts].p = *out = aligned_alloc(align, n);
    hosts[nhosts++].n = n;
    return *out ? 0 : OUT_OF_DEVICE_MEMORY;
}

EXPORT int zeMemFree(const void *context, void *p);
int zeMemFree(const void *context, void *p)
{
    return context && give(p) ? 0 : INVALID_ARGUMENT;
}

struct properties {
    unsigned stype;
    void *next;
    unsigned type;
    uint64_t id, page_size;
};

EXPORT int zeMemGetAllocProperties(const void *context, const void *p, struct properties *out, void **dev);
int zeMemGetAllocProperties(const void *context, const void *p, struct properties *out, void **dev)
{
    if (!context || out->stype != 0x17)
        return INVALID_ARGUMENT;
    bool ours = behind(p, 1) != NULL;
    out->type = ours ? 2 : from_driver(p, 1) ? 1 : 0;
    *dev = ours ? &the_device : NULL;
    return 0;
}

EXPORT int zeCommandListCreateImmediate(const void *context, const void *dev, const struct desc *desc,
                                        void **out);
int zeCommandListCreateImmediate(const void *context, const void *dev, const struct desc *desc, void **out)
{
    *out = malloc(1);
    /* synchronous: the fourth word behind ordinal, index, flags */
    return context && dev == &the_device && desc->stype == 0xe && desc->word[3] == 1 && *out
               ? 0
               : INVALID_ARGUMENT;
}

EXPORT int zeCommandListAppendMemoryCopy(const void *list, void *to, const void *from, size_t n,
                                         const void *signal, uint32_t nwait, void **wait);
int zeCommandListAppendMemoryCopy(const void *list, void *to, const void *from, size_t n, const void *signal,
                                  uint32_t nwait, void **wait)
{
    const void *host = behind(to, 1) ? from : to;
    return list && !signal && !nwait && !wait && from_driver(host, n) && move(to, from, n) ? 0
                                                                                           : INVALID_ARGUMENT;
}

struct region {
    uint32_t x, y, z, width, height, depth;
};

EXPORT int zeCommandListAppendMemoryCopyRegion(const void *list, char *to, const struct region *tr,
                                               uint32_t to_pitch, uint32_t to_slice, const char *from,
                                               const struct region *fr, uint32_t from_pitch,
                                               uint32_t from_slice, const void *signal, uint32_t nwait,
                                               void **wait);
int zeCommandListAppendMemoryCopyRegion(const void *list, char *to, const struct region *tr,
                                        uint32_t to_pitch, uint32_t to_slice, const char *from,
                                        const struct region *fr, uint32_t from_pitch, uint32_t from_slice,
                                        const void *signal, uint32_t nwait, void **wait)
{
    if (!list || to_slice || from_slice || signal || nwait || wait || memcmp(tr, fr, sizeof *tr) != 0 ||
        tr->x || tr->y || tr->z || tr->depth != 1 || to_pitch < tr->width || from_pitch < tr->width)
        return INVALID_ARGUMENT;
    bool up = behind(to, 1) != NULL;
    if (!from_driver(up ? from : to, tr->height * (size_t)(up ? from_pitch : to_pitch)))
        return INVALID_ARGUMENT;
    for (uint32_t i = 0; i < tr->height; i++)
        if (!move(to + (size_t)i * to_pitch, from + (size_t)i * from_pitch, tr->width))
            return INVALID_ARGUMENT;
    return 0;
}
#endif
