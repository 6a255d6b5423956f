/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/layout.h"

#include <stdlib.h>
#include <string.h>

void vc_layout_drop(struct vc_layout *l)
{
    /* Acquire and release: what other users have read of it comes before. */
    if (l && atomic_fetch_sub_explicit(&l->users, 1, memory_order_acq_rel) == 1)
        free(l);
}

void vc_strewn_init(struct vc_strewn *s, struct vc_layout *l, const void *base, size_t count,
                    ptrdiff_t extent)
{
    *s = (struct vc_strewn){.layout = l,
                            .base = (uintptr_t)base,
                            .size = l->size,
                            .tile = l->tile,
                            .extent = extent,
                            .step = l->step,
                            .nruns = l->nruns,
                            .runs = l->runs};
    if (l->nruns == 1 && l->reps == 1 && l->runs[0].count == 1) {
        s->one = l->runs[0];
        s->one.count = count;
        s->one.stride = extent;
        s->size = s->tile = count * l->size;
        s->runs = NULL;
        s->layout = NULL;
    }
}

static inline void move_bytes(char *strewn, char *packed, size_t n, bool put)
{
    if (put)
        memcpy(strewn, packed, n);
    else
        memcpy(packed, strewn, n);
}

/* Where `len` is a constant, runs are loads and stores, without a call. */
static inline __attribute__((always_inline)) void move_equal(char *strewn, ptrdiff_t stride, size_t len,
                                                             char *packed, size_t n, bool put)
{
    for (size_t i = 0; i < n; i++, strewn += stride, packed += len)
        move_bytes(strewn, packed, len, put);
}

/* Of runs of whole cache lines. The CPU's own prefetching does not follow strides of more than a line well,
 * so lines of a later run are fetched by hand; no faults come of it. */
#define LINE       ((size_t)64)
#define LINES_MOST ((size_t)16)
#define AHEAD      ((size_t)1024) /* bytes of data, but two runs at least */

static inline void fetch(const char *run, size_t len, bool put)
{
    for (size_t i = 0; i < len; i += LINE) {
        if (put)
            __builtin_prefetch(run + i, 1);
        else
            __builtin_prefetch(run + i, 0);
    }
}

static inline __attribute__((always_inline)) void move_lines(char *strewn, ptrdiff_t stride, size_t len,
                                                             char *packed, size_t n, bool put)
{
    size_t ahead = len * 2 < AHEAD ? AHEAD / len : 2;
    for (size_t i = 0; i < n; i++, strewn += stride, packed += len) {
        if (n - i > ahead)
            fetch(strewn + (ptrdiff_t)ahead * stride, len, put);
        for (size_t at = 0; at < len; at += LINE)
            move_bytes(strewn + at, packed + at, LINE, put);
    }
}

static inline __attribute__((always_inline)) void move_runs(char *strewn, ptrdiff_t stride, size_t len,
                                                            char *packed, size_t n, bool put)
{
    switch (len) {
    case 4:
        move_equal(strewn, stride, 4, packed, n, put);
        break;
    case 8:
        move_equal(strewn, stride, 8, packed, n, put);
        break;
    case 16:
        move_equal(strewn, stride, 16, packed, n, put);
        break;
    case 24:
        move_equal(strewn, stride, 24, packed, n, put);
        break;
    case 32:
        move_equal(strewn, stride, 32, packed, n, put);
        break;
    default:
        if (len % LINE == 0 && len <= LINES_MOST * LINE)
            move_lines(strewn, stride, len, packed, n, put);
        else
            move_equal(strewn, stride, len, packed, n, put);
        break;
    }
}

/* The runs that hold byte `at` of a tile. */
static int find_runs(const struct vc_runs *runs, int nruns, size_t at)
{
    int low = 0, high = nruns;
    while (high - low > 1) {
        int mid = low + (high - low) / 2;
        if (runs[mid].begin <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Moves up to `len` bytes, from byte `from` of these runs on; `tile` is the address that they count from. How
 * many were moved: less than `len` only at the end of the runs. */
static size_t move_some(uintptr_t tile, const struct vc_runs *r, size_t from, char *packed, size_t len,
                        bool put)
{
    size_t all = r->len * r->count - from, left = len < all ? len : all, moved = left;
    size_t nth = from / r->len, skip = from % r->len;
    char *at = (char *)(tile + (uintptr_t)r->at + nth * (uintptr_t)r->stride);
    if (skip || left < r->len) {
        size_t n = r->len - skip < left ? r->len - skip : left;
        move_bytes(at + skip, packed, n, put);
        packed += n;
        left -= n;
        at = (char *)((uintptr_t)at + (uintptr_t)r->stride);
    }
    size_t whole = left / r->len;
    move_runs(at, r->stride, r->len, packed, whole, put);
    left -= whole * r->len;
    if (left) {
        at = (char *)((uintptr_t)at + whole * (uintptr_t)r->stride);
        packed += whole * r->len;
        move_bytes(at, packed, left, put);
    }
    return moved;
}

static inline void move(const struct vc_strewn *s, size_t at, size_t len, char *packed, bool put)
{
    if (!s->runs) {
        move_some(s->base, &s->one, at, packed, len, put);
        return;
    }
    size_t in = at % s->size, within = in % s->tile;
    uintptr_t element = s->base + at / s->size * (uintptr_t)s->extent;
    uintptr_t tile = element + in / s->tile * (uintptr_t)s->step;
    int i = find_runs(s->runs, s->nruns, within);
    size_t from = within - s->runs[i].begin;
    for (; len > 0; i++, from = 0) {
        if (i == s->nruns) {
            i = 0;
            tile += (uintptr_t)s->step;
            if (in / s->tile * s->tile + s->tile == s->size) {
                element += (uintptr_t)s->extent;
                tile = element;
                in = 0;
            } else {
                in += s->tile;
            }
        }
        size_t n = move_some(tile, &s->runs[i], from, packed, len, put);
        packed += n;
        len -= n;
    }
}

void vc_strewn_get(const struct vc_strewn *s, size_t at, size_t len, void *to)
{
    move(s, at, len, to, false);
}

void vc_strewn_put(const struct vc_strewn *s, size_t at, size_t len, const void *from)
{
    move(s, at, len, (char *)(uintptr_t)from, true);
}
