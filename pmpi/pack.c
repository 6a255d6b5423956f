/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/pack.h"

#include <stdlib.h>
#include <string.h>

/* Elements of a device are staged in pieces of about this size, in the layout they have there. */
#define PIECE ((size_t)32 << 20)

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

/* Unpacks bytes of 0xff into zeros: those that MPI writes belong to elements. No function of MPI tells it for
 * every type. */
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
    int err = VC_OK;
    if (!l->mask || !ones) {
        err = vc_fail(VC_ERR_NOMEM, "no memory for the layout of %zu elements in %zu bytes of a device",
                      count, l->bytes);
    } else {
        memset(ones, 0xff, count * type->size);
        err = vc_dtype_unpack(ones, (void *)((uintptr_t)l->mask - (uintptr_t)l->low), count, type);
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
            err = vc_device_copy(s->device, &c);
        first = from;
        c.rows = 1;
        c.bytes = c.pitch = n;
        c.device = (void *)(s->on_device + (uintptr_t)l->low + first);
        c.host = (void *)(s->on_host + (uintptr_t)l->low + first);
    }
    return err == VC_OK && c.rows ? vc_device_copy(s->device, &c) : err;
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
    s.on_device += (uintptr_t)((ptrdiff_t)at * t->type->extent);
    s.on_host += (uintptr_t)((ptrdiff_t)at * t->type->extent);
    if (!t->packed)
        return move_runs(l, &s);
    char *mem = malloc(l->bytes), *packed = t->packed + at * t->type->size;
    if (!mem)
        return vc_fail(VC_ERR_NOMEM, "no memory to stage %zu bytes of a device", l->bytes);
    s.on_host = (uintptr_t)mem - (uintptr_t)l->low;
    int err = s.up ? vc_dtype_unpack(packed, (void *)s.on_host, l->count, t->type) : VC_OK;
    if (err == VC_OK)
        err = move_runs(l, &s);
    if (err == VC_OK && !s.up)
        err = vc_dtype_pack((const void *)s.on_host, l->count, t->type, packed);
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
static bool has_no_gaps(const struct vc_dtype *type)
{
    return type->predefined && (ptrdiff_t)type->size == type->extent;
}

static int move_packed(const void *device, void *packed, size_t count, const struct vc_dtype *type, bool up)
{
    if (has_no_gaps(type)) {
        struct vc_device_copy c = {.device = (void *)(uintptr_t)device,
                                   .host = packed,
                                   .bytes = count * type->size,
                                   .rows = 1,
                                   .up = up};
        return vc_device_copy(type->device, &c);
    }
    struct transfer t = {.sides = {.device = type->device, .up = up, .on_device = (uintptr_t)device},
                         .type = type,
                         .packed = packed};
    return transfer(&t, count);
}

/* ---- the two ways ---- */

int vc_pack(const void *from, size_t count, const struct vc_dtype *type, void *to)
{
    return VC_UNLIKELY(type->device) ? move_packed(from, to, count, type, false)
                                     : vc_dtype_pack(from, count, type, to);
}

int vc_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    return VC_UNLIKELY(type->device) ? move_packed(to, (void *)(uintptr_t)from, count, type, true)
                                     : vc_dtype_unpack(from, to, count, type);
}

int vc_fetch(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    struct transfer t = {
        .sides = {.device = type->device, .on_device = (uintptr_t)from, .on_host = (uintptr_t)to},
        .type = type};
    return transfer(&t, count);
}

int vc_store(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    struct transfer t = {
        .sides = {.device = type->device, .up = true, .on_device = (uintptr_t)to, .on_host = (uintptr_t)from},
        .type = type};
    return transfer(&t, count);
}
