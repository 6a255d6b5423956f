/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/device_mem.h"

#include "pmpi/device_driver.h"
#include "pmpi/door.h"
#include "pmpi/world.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Atomic bool vc_device_found;

static const struct vc_device_driver *const drivers[] = {&vc_device_cuda, &vc_device_hip, &vc_device_ze};
enum { DRIVERS = sizeof drivers / sizeof drivers[0] };

/* Which of them are open. Release when one is set, after its functions were found; acquire in vc_device_of().
 */
static _Atomic bool is_open[DRIVERS];

/* ---- finding the drivers ---- */

/* How many libraries had been loaded, ever, at the last look. */
static _Atomic unsigned long long loads_seen;
static pthread_mutex_t look_lock = PTHREAD_MUTEX_INITIALIZER;

static int count_loads(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    *(unsigned long long *)out = info->dlpi_adds;
    return 1;
}

/* The path of a library that is loaded, found by its name. */
struct search {
    const char *library;
    char path[PATH_MAX];
};

static int match_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    (void)size;
    const char *slash = strrchr(info->dlpi_name, '/'), *file = slash ? slash + 1 : info->dlpi_name;
    size_t n = strlen(s->library);
    if (strncmp(file, s->library, n) != 0 || strncmp(file + n, ".so", 3) != 0 ||
        strlen(info->dlpi_name) >= sizeof s->path)
        return 0;
    strcpy(s->path, info->dlpi_name);
    return 1;
}

static int match_backend(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *slash = strrchr(info->dlpi_name, '/'), *file = slash ? slash + 1 : info->dlpi_name,
               *name = arg;
    (void)size;
    return strncmp(file, name, strlen(name)) == 0;
}

enum found { ABSENT, INCOMPLETE, COMPLETE };

static enum found open_driver(const struct vc_device_driver *d)
{
    struct search s = {.library = d->library};
    if (!dl_iterate_phdr(match_library, &s))
        return ABSENT;
    if (d->backend && !dl_iterate_phdr(match_backend, (void *)(uintptr_t)d->backend))
        return ABSENT;
    /* Not closed again, so that the functions found in it stay. */
    void *library = dlopen(s.path, RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return ABSENT;
    if (!d->open(library)) {
        /* Ranks mostly load the same libraries: one warning a job. */
        vc_log(vc_world.rank == 0 ? VC_LOG_WARN : VC_LOG_INFO,
               "%s has not all functions that vcoll needs to stage %s memory: give collectives none, or set "
               "VCOLL_DISABLE=1",
               s.path, d->name);
        dlclose(library);
        return INCOMPLETE;
    }
    vc_log(VC_LOG_INFO, "%s is loaded: %s memory is staged through the host's", s.path, d->name);
    return COMPLETE;
}

void vc_device_look(void (*found_one)(void))
{
    static enum found found[DRIVERS];
    unsigned long long loads = 0;
    if (vc_params.device_memory == VC_DEVICE_OFF)
        return;
    dl_iterate_phdr(count_loads, &loads);
    if (loads == atomic_load_explicit(&loads_seen, memory_order_relaxed))
        return;
    pthread_mutex_lock(&look_lock);
    bool more = false;
    for (int i = 0; i < DRIVERS; i++) {
        if (found[i] != ABSENT)
            continue;
        found[i] = open_driver(drivers[i]);
        if (found[i] == COMPLETE) {
            more = true;
            atomic_store_explicit(&is_open[i], true, memory_order_release);
        }
    }
    if (more) {
        atomic_store_explicit(&vc_device_found, true, memory_order_relaxed);
        found_one();
    }
    atomic_store_explicit(&loads_seen, loads, memory_order_relaxed);
    pthread_mutex_unlock(&look_lock);
}

unsigned char vc_device_of(const void *p)
{
    for (int i = 0; p && i < DRIVERS; i++)
        if (atomic_load_explicit(&is_open[i], memory_order_acquire) && drivers[i]->owns(p))
            return (unsigned char)(i + 1);
    return 0;
}

int vc_device_copy(unsigned char device, const struct vc_device_copy *c)
{
    const struct vc_device_driver *d = drivers[device - 1];
    int err = d->copy(c);
    if (err != 0)
        return vc_fail(VC_ERR_SYS, "the %s driver could not copy %zu x %zu bytes %s the device: its error %d",
                       d->name, c->rows, c->bytes, c->up ? "to" : "from", err);
    return VC_OK;
}
