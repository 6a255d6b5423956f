/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/device_mem.h"

#include "pmpi/types.h"
#include "pmpi/world.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements are staged in pieces of about this size, in the layout they have on the device. */
#define PIECE ((size_t)32 << 20)

_Atomic bool vc_device_found;

static const struct vc_device_driver *const drivers[] = {&vc_device_cuda, &vc_device_hip, &vc_device_ze};
enum { DRIVERS = sizeof drivers / sizeof drivers[0] };

/* Which of them are open. Release when one is set, after its functions were found; acquire in vc_device_of().
 */
static _Atomic bool is_open[DRIVERS];

/* ---- finding the drivers ---- */

/* Libraries that were ever loaded, as of the last look. */
static _Atomic unsigned long long loads_seen;
static pthread_mutex_t look_lock = PTHREAD_MUTEX_INITIALIZER;

bool vc_device_symbols(void *library, const struct vc_device_symbol *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *f = dlsym(library, list[i].name);
        if (!f)
            return false;
        memcpy(list[i].function, &f, sizeof f);
    }
    return true;
}

static int count_loads(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    *(unsigned long long *)out = info->dlpi_adds;
    return 1;
}

/* Files by the name of the library: its path, or "". */
struct search {
    const char *library;
    char path[PATH_MAX];
};

static int match(struct dl_phdr_info *info, size_t size, void *arg)
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
    if (!dl_iterate_phdr(match, &s))
        return ABSENT;
    if (d->backend && !dl_iterate_phdr(match_backend, (void *)(uintptr_t)d->backend))
        return ABSENT;
    /* Kept: what was found may not go away. */
    void *library = dlopen(s.path, RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return ABSENT;
    if (!d->open(library)) {
        /* Once for the job: ranks mostly load the same. */
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

void vc_device_look(void)
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
        vc_types_forget();
        vc_gate_watch();
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

static int copy_rows(unsigned char device, const struct vc_device_copy *c)
{
    const struct vc_device_driver *d = drivers[device - 1];
    int err = d->copy(c);
    if (err != 0)
        return vc_fail(VC_ERR_SYS, "the %s driver could not copy %zu x %zu bytes %s the device: its error %d",
                       d->name, c->rows, c->bytes, c->up ? "to" : "from", err);
    return VC_OK;
}

/* ---- layouts ---- */

/* Some elements: which bytes are theirs. */
struct layout {
    size_t count;
    ptrdiff_t low; /* of the first byte, from the address of the first element */
    size_t bytes;
    char *mask; /* [bytes] not 0: belongs to an element */
};

/* Where the two sides are; addresses of the first element. */
struct sides {
    unsigned char device;
    bool up;
    uintptr_t on_device, on_host;
};

/* An MPI that unpacks ones says which bytes it writes; nothing else knows that of every type. */
static int layout_init(struct layout *l, size_t count, const struct vc_dtype *type)
{
    MPI_Aint lb = 0, extent = 0;
    l->mask = NULL;
    if (vc_next.Type_get_true_extent(type->type, &lb, &extent) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Type_get_true_extent failed");
    ptrdiff_t last = (ptrdiff_t)(count - 1) * type->extent;
    l->count = count;
    l->low = lb + (last < 0 ? last : 0);
    l->bytes = (size_t)extent + (size_t)(last < 0 ? -last : last);
    l->mask = calloc(1, l->bytes);
    char *ones = malloc(count * type->size);
    struct vc_dtype plain = *type;
    plain.device = 0;
    int err = VC_OK;
    if (!l->mask || !ones) {
        err = vc_fail(VC_ERR_NOMEM, "no memory for the layout of %zu elements in %zu bytes of a device",
                      count, l->bytes);
    } else {
        memset(ones, 0xff, count * type->size);
        err = vc_unpack(ones, (void *)((uintptr_t)l->mask - (uintptr_t)l->low), count, &plain);
    }
    free(ones);
    if (err != VC_OK) {
        free(l->mask);
        l->mask = NULL;
    }
    return err;
}

/* The next run of bytes that belong to elements, from `at`; false: no more. */
static bool next_run(const struct layout *l, size_t at, size_t *from, size_t *n)
{
    while (at < l->bytes && !l->mask[at])
        at++;
    if (at == l->bytes)
        return false;
    const char *end = memchr(l->mask + at, 0, l->bytes - at);
    *from = at;
    *n = end ? (size_t)(end - l->mask) - at : l->bytes - at;
    return true;
}

/* Runs of one length and one distance go in one copy. */
static int move_runs(const struct layout *l, const struct sides *s)
{
    size_t from, n, first = 0, last = 0;
    struct vc_device_copy c = {.up = s->up};
    int err = VC_OK;
    for (size_t at = 0; err == VC_OK && next_run(l, at, &from, &n); at = from + n, last = from) {
        if (c.rows && n == c.bytes && (c.rows == 1 || from - last == c.pitch)) {
            c.pitch = from - last;
            c.rows++;
            continue;
        }
        if (c.rows)
            err = copy_rows(s->device, &c);
        first = from;
        c.rows = 1;
        c.bytes = c.pitch = n;
        c.device = (void *)(s->on_device + (uintptr_t)l->low + first);
        c.host = (void *)(s->on_host + (uintptr_t)l->low + first);
    }
    return err == VC_OK && c.rows ? copy_rows(s->device, &c) : err;
}

/* How many elements make a piece. */
static size_t piece_of(size_t count, const struct vc_dtype *type)
{
    size_t step = (size_t)(type->extent < 0 ? -type->extent : type->extent);
    size_t n = step ? PIECE / step : count;
    return n < 1 ? 1 : n < count ? n : count;
}

/* Moves elements piece by piece; the host's side of a piece is `packed`, or has the layout of the device. */
struct transfer {
    struct sides sides;
    const struct vc_dtype *type;
    char *packed; /* NULL: both sides have the same layout */
};

static int move_piece(const struct transfer *t, const struct layout *l, size_t at)
{
    struct sides s = t->sides;
    struct vc_dtype plain = *t->type;
    plain.device = 0;
    s.on_device += (uintptr_t)((ptrdiff_t)at * plain.extent);
    s.on_host += (uintptr_t)((ptrdiff_t)at * plain.extent);
    if (!t->packed)
        return move_runs(l, &s);
    char *mem = malloc(l->bytes), *packed = t->packed + at * plain.size;
    if (!mem)
        return vc_fail(VC_ERR_NOMEM, "no memory to stage %zu bytes of a device", l->bytes);
    s.on_host = (uintptr_t)mem - (uintptr_t)l->low;
    int err = s.up ? vc_unpack(packed, (void *)s.on_host, l->count, &plain) : VC_OK;
    if (err == VC_OK)
        err = move_runs(l, &s);
    if (err == VC_OK && !s.up)
        err = vc_pack((const void *)s.on_host, l->count, &plain, packed);
    free(mem);
    return err;
}

static int transfer(const struct transfer *t, size_t count)
{
    struct layout l = {.mask = NULL};
    int err = VC_OK;
    size_t piece = piece_of(count, t->type), n;
    for (size_t at = 0; err == VC_OK && at < count; at += n) {
        n = vc_min_size(piece, count - at);
        if (!l.mask || n != l.count) {
            free(l.mask);
            err = layout_init(&l, n, t->type);
        }
        if (err == VC_OK)
            err = move_piece(t, &l, at);
    }
    free(l.mask);
    return err;
}

/* Predefined types without gaps need no layout. */
static bool plain_copy(const struct vc_dtype *type)
{
    return type->predefined && (ptrdiff_t)type->size == type->extent;
}

static int move_packed(const void *device, void *packed, size_t count, const struct vc_dtype *type, bool up)
{
    if (plain_copy(type)) {
        struct vc_device_copy c = {.device = (void *)(uintptr_t)device,
                                   .host = packed,
                                   .bytes = count * type->size,
                                   .rows = 1,
                                   .up = up};
        return copy_rows(type->device, &c);
    }
    struct transfer t = {.sides = {.device = type->device, .up = up, .on_device = (uintptr_t)device},
                         .type = type,
                         .packed = packed};
    return transfer(&t, count);
}

int vc_device_pack(const void *from, size_t count, const struct vc_dtype *type, void *to)
{
    return move_packed(from, to, count, type, false);
}

int vc_device_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    return move_packed(to, (void *)(uintptr_t)from, count, type, true);
}

int vc_device_fetch(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    struct transfer t = {
        .sides = {.device = type->device, .on_device = (uintptr_t)from, .on_host = (uintptr_t)to},
        .type = type};
    return transfer(&t, count);
}

int vc_device_store(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    struct transfer t = {
        .sides = {.device = type->device, .up = true, .on_device = (uintptr_t)to, .on_host = (uintptr_t)from},
        .type = type};
    return transfer(&t, count);
}
