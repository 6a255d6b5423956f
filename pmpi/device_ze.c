/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Level Zero, by its loader. Its types are written out here. Memory is looked up, and copied, in a context of
 * vcoll's own: the program's context cannot be found, and implementations know an allocation in all contexts
 * of their driver. Copies go through host memory that the driver allocated, because not every device can read
 * other host memory.
 */
#include "pmpi/device_driver.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { DRIVERS = 8, DEVICES = 32, BOUNCE = 1 << 20 };
enum {
    STYPE_CONTEXT_DESC = 0xd,
    STYPE_QUEUE_DESC = 0xe,
    STYPE_HOST_MEM_DESC = 0x16,
    STYPE_MEM_PROPERTIES = 0x17
};
enum { TYPE_DEVICE = 2, TYPE_SHARED = 3 };
enum { MODE_SYNCHRONOUS = 1 };
enum { ERROR_UNKNOWN = 0x7ffffffe };

struct context_desc {
    unsigned stype;
    const void *next;
    uint32_t flags;
};

struct queue_desc {
    unsigned stype;
    const void *next;
    uint32_t ordinal, index, flags;
    unsigned mode, priority;
};

struct host_mem_desc {
    unsigned stype;
    const void *next;
    uint32_t flags;
};

/* ze_copy_region_t */
struct region {
    uint32_t x, y, z, width, height, depth;
};

struct mem_properties {
    unsigned stype;
    void *next;
    unsigned type;
    uint64_t id, page_size;
};

static struct {
    int (*drivers)(uint32_t *n, void **drivers);
    int (*create)(void *driver, const struct context_desc *desc, void **context);
    int (*properties)(void *context, const void *p, struct mem_properties *out, void **device);
    int (*host_memory)(void *context, const struct host_mem_desc *desc, size_t size, size_t align,
                       void **out);
    int (*immediate)(void *context, void *device, const struct queue_desc *desc, void **list);
    int (*append)(void *list, void *to, const void *from, size_t n, void *signal, uint32_t nwait,
                  void **wait);
    int (*region)(void *list, void *to, const struct region *to_region, uint32_t to_pitch, uint32_t to_slice,
                  const void *from, const struct region *from_region, uint32_t from_pitch,
                  uint32_t from_slice, void *signal, uint32_t nwait, void **wait);
} ze;

/* Guards what follows, and the copies: a command list takes one thread at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void *context;
    char *bounce;
} driver[DRIVERS];
static uint32_t ndrivers; /* 0: not asked yet, or the program has not initialized it */
static struct {
    void *device, *list;
    int driver;
} lists[DEVICES];
static int nlists;

static bool open_ze(void *library)
{
    const struct vc_device_symbol symbols[] = {
        {"zeDriverGet", &ze.drivers},
        {"zeContextCreate", &ze.create},
        {"zeMemGetAllocProperties", &ze.properties},
        {"zeMemAllocHost", &ze.host_memory},
        {"zeCommandListCreateImmediate", &ze.immediate},
        {"zeCommandListAppendMemoryCopy", &ze.append},
        {"zeCommandListAppendMemoryCopyRegion", &ze.region},
    };
    return vc_device_symbols(library, symbols, sizeof symbols / sizeof symbols[0]);
}

static void create_contexts(void)
{
    void *found[DRIVERS];
    uint32_t n = DRIVERS;
    struct context_desc desc = {.stype = STYPE_CONTEXT_DESC};
    if (ndrivers || ze.drivers(&n, found) != 0)
        return;
    for (uint32_t i = 0; i < n && i < DRIVERS; i++)
        if (ze.create(found[i], &desc, &driver[ndrivers].context) == 0)
            ndrivers++;
}

/* The index of the driver that owns the memory, or -1. */
static int find_owner(const void *p, void **device)
{
    create_contexts();
    for (uint32_t i = 0; i < ndrivers; i++) {
        struct mem_properties a = {.stype = STYPE_MEM_PROPERTIES};
        *device = NULL;
        if (ze.properties(driver[i].context, p, &a, device) == 0 &&
            (a.type == TYPE_DEVICE || a.type == TYPE_SHARED))
            return (int)i;
    }
    return -1;
}

static bool owns(const void *p)
{
    void *device;
    pthread_mutex_lock(&lock);
    bool ours = find_owner(p, &device) >= 0;
    pthread_mutex_unlock(&lock);
    return ours;
}

/* The list that copies for a device; made once. */
static int list_for(int d, void *device, void **out)
{
    for (int i = 0; i < nlists; i++)
        if (lists[i].device == device && lists[i].driver == d) {
            *out = lists[i].list;
            return 0;
        }
    struct queue_desc desc = {.stype = STYPE_QUEUE_DESC, .mode = MODE_SYNCHRONOUS};
    struct host_mem_desc host = {.stype = STYPE_HOST_MEM_DESC};
    void *bounce = driver[d].bounce;
    int err = nlists < DEVICES ? 0 : ERROR_UNKNOWN;
    if (err == 0 && !bounce)
        err = ze.host_memory(driver[d].context, &host, BOUNCE, 64, &bounce);
    if (err != 0)
        return err;
    driver[d].bounce = bounce;
    if ((err = ze.immediate(driver[d].context, device, &desc, out)) != 0)
        return err;
    lists[nlists].device = device;
    lists[nlists].driver = d;
    lists[nlists++].list = *out;
    return 0;
}

static int copy_row(void *list, char *bounce, char *device, char *host, size_t bytes, bool up)
{
    int err = 0;
    for (size_t at = 0; err == 0 && at < bytes; at += BOUNCE) {
        size_t n = bytes - at < BOUNCE ? bytes - at : BOUNCE;
        if (up)
            memcpy(bounce, host + at, n);
        err = up ? ze.append(list, device + at, bounce, n, NULL, 0, NULL)
                 : ze.append(list, bounce, device + at, n, NULL, 0, NULL);
        if (err == 0 && !up)
            memcpy(host + at, bounce, n);
    }
    return err;
}

/* Short rows lie behind each other in the bounce buffer. */
static int copy_region(void *list, char *bounce, const struct vc_device_copy *c)
{
    uint32_t width = (uint32_t)c->bytes, pitch = (uint32_t)c->pitch;
    size_t most = BOUNCE / c->bytes;
    int err = 0;
    for (size_t at = 0; err == 0 && at < c->rows; at += most) {
        size_t n = c->rows - at < most ? c->rows - at : most;
        struct region r = {.width = width, .height = (uint32_t)n, .depth = 1};
        char *device = (char *)c->device + at * c->pitch, *host = (char *)c->host + at * c->pitch;
        for (size_t i = 0; c->up && i < n; i++)
            memcpy(bounce + i * c->bytes, host + i * c->pitch, c->bytes);
        err = c->up ? ze.region(list, device, &r, pitch, 0, bounce, &r, width, 0, NULL, 0, NULL)
                    : ze.region(list, bounce, &r, width, 0, device, &r, pitch, 0, NULL, 0, NULL);
        for (size_t i = 0; !c->up && err == 0 && i < n; i++)
            memcpy(host + i * c->pitch, bounce + i * c->bytes, c->bytes);
    }
    return err;
}

static int copy_rows(void *list, char *bounce, const struct vc_device_copy *c)
{
    if (c->rows > 1 && c->bytes <= BOUNCE / 2 && c->pitch <= UINT32_MAX)
        return copy_region(list, bounce, c);
    int err = 0;
    for (size_t i = 0; err == 0 && i < c->rows; i++)
        err = copy_row(list, bounce, (char *)c->device + i * c->pitch, (char *)c->host + i * c->pitch,
                       c->bytes, c->up);
    return err;
}

static int copy(const struct vc_device_copy *c)
{
    void *device, *list = NULL;
    pthread_mutex_lock(&lock);
    int d = find_owner(c->device, &device);
    int err = d < 0 ? ERROR_UNKNOWN : list_for(d, device, &list);
    if (err == 0)
        err = copy_rows(list, driver[d].bounce, c);
    pthread_mutex_unlock(&lock);
    return err;
}

const struct vc_device_driver vc_device_ze = {.name = "Level Zero",
                                              .library = "libze_loader",
                                              .backend = "libze_intel_",
                                              .open = open_ze,
                                              .owns = owns,
                                              .copy = copy};
