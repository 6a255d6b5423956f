/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers: blocks of a layout somewhere in memory, with a pattern wherever nobody may write. */
#include "differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 96 };

static void out_of_memory(size_t n)
{
    fprintf(stderr, "differential: out of memory (%zu bytes)\n", n);
    MPI_Abort(MPI_COMM_WORLD, 2);
}

static void *grab(size_t n)
{
    void *p = malloc(n ? n : 1);

    if (p == NULL)
        out_of_memory(n);
    return p;
}

static void place(struct view *v, enum placement where, struct rng *r)
{
    int n = v->nblocks, *order = grab(sizeof *order * (size_t)n);
    MPI_Aint next = 0;

    for (int i = 0; i < n; i++)
        order[i] = i;
    if (where != PLACE_ROW && rng_once_in(r, 2))
        for (int i = n - 1; i > 0; i--) {
            int j = rng_below(r, i + 1), o = order[i];
            order[i] = order[j];
            order[j] = o;
        }
    for (int i = 0; i < n; i++) {
        int b = order[i];
        v->displ[b] = (int)next;
        v->at[b] = where == PLACE_BYTES ? next : next * v->lay->extent;
        next += where == PLACE_BYTES ? v->count[b] * v->lay->extent : v->count[b];
        if (where != PLACE_ROW && rng_once_in(r, 3))
            next += rng_below(r, 4);
    }
    free(order);
}

/* Calls `body` with `piece_at`, the address offset of every piece, in signature order. */
#define EACH_PIECE(v, piece_at, piece_len, body)                                                             \
    for (int b_ = 0; b_ < (v)->nblocks; b_++)                                                                \
        for (int i_ = 0; i_ < (v)->count[b_]; i_++)                                                          \
            for (size_t p_ = 0; p_ < (v)->lay->npieces; p_++) {                                              \
                ptrdiff_t piece_at = (v)->at[b_] + i_ * (v)->lay->extent + (v)->lay->piece[p_].at;           \
                size_t piece_len = (v)->lay->piece[p_].len;                                                  \
                body                                                                                         \
            }

void view_make(struct view *v, struct layout *lay, int nblocks, const size_t *natoms, enum placement where,
               size_t grid, struct rng *r)
{
    ptrdiff_t lo = 0, hi = 0;
    bool any = false;

    memset(v, 0, sizeof *v);
    v->lay = lay;
    v->nblocks = nblocks;
    v->absolute = MPI_DATATYPE_NULL;
    v->count = grab(sizeof *v->count * (size_t)nblocks);
    v->displ = grab(sizeof *v->displ * (size_t)nblocks);
    v->at = grab(sizeof *v->at * (size_t)nblocks);
    for (int b = 0; b < nblocks; b++) {
        v->count[b] = lay->atoms ? (int)(natoms[b] / lay->atoms) : 3;
        v->packed += (size_t)v->count[b] * lay->packed;
    }
    place(v, where, r);
    EACH_PIECE(v, at, len, {
        if (!any || at < lo)
            lo = at;
        if (!any || at + (ptrdiff_t)len > hi)
            hi = at + (ptrdiff_t)len;
        any = true;
    })
    size_t shift = rng_once_in(r, 3) ? (size_t)rng_below(r, 16) * grid % 64 : 0;
    ptrdiff_t before =
        (GUARD - lo % 64 + 127) & ~63; /* keeps the data's first byte aligned like lo, plus shift */
    v->len = (size_t)(before + (hi - lo)) + shift + GUARD + 64;
    if (posix_memalign((void **)&v->mem, 64, v->len) != 0)
        out_of_memory(v->len);
    v->base = v->mem + before + shift - (lo - lo % 64);
    v->mask = grab(v->len);
    v->image = grab(v->len);
    memset(v->mask, 0, v->len);
    ptrdiff_t origin = v->base - v->mem;
    EACH_PIECE(v, at, len, {
        if (origin + at < 0 || (size_t)(origin + at) + len > v->len || v->mask[origin + at]) {
            fprintf(stderr, "differential: layout overlaps itself or its memory (%s)\n", lay->text);
            MPI_Abort(MPI_COMM_WORLD, 2);
        }
        memset(v->mask + origin + at, 1, len);
    })
}

void view_fill(struct view *v, const struct signature *sig, enum value_mode mode, const char *opname,
               struct rng *r)
{
    uint64_t key = rng_next(r);

    for (size_t i = 0; i < v->len; i += 8) {
        uint64_t x = rng_mix(key + i);
        memcpy(v->image + i, &x, v->len - i < 8 ? v->len - i : 8);
    }
    char *base = v->image + (v->base - v->mem);
    size_t f = 0, half = 0, done = 0;
    char value[64];
    EACH_PIECE(v, at, len, {
        const struct basic *b = sig->field[f];
        if (half == 0)
            basic_fill(b, mode, opname, r, value);
        memcpy(base + at, value + b->piece[half].at, len);
        if (++half == (size_t)b->npieces) {
            half = 0;
            f = (f + 1) % (size_t)sig->nfields;
        }
        done += len;
    })
    if (done != v->packed)
        MPI_Abort(MPI_COMM_WORLD, 2);
    view_reset(v);
}

void view_reset(struct view *v)
{
    memcpy(v->mem, v->image, v->len);
}

void view_pack(const struct view *v, char *out)
{
    EACH_PIECE(v, at, len, {
        memcpy(out, v->base + at, len);
        out += len;
    })
}

bool view_touched(const struct view *v, bool data_too, ptrdiff_t *where)
{
    if (memcmp(v->mem, v->image, v->len) == 0)
        return false;
    for (size_t i = 0; i < v->len; i++)
        if (v->mem[i] != v->image[i] && (data_too || !v->mask[i])) {
            *where = (ptrdiff_t)i - (v->base - v->mem);
            return true;
        }
    return false;
}

void view_free(struct view *v)
{
    if (v->absolute != MPI_DATATYPE_NULL)
        MPI_Type_free(&v->absolute);
    free(v->count);
    free(v->displ);
    free(v->at);
    free(v->mem);
    free(v->mask);
    free(v->image);
    memset(v, 0, sizeof *v);
}

long signature_difference(const struct signature *sig, enum value_mode mode, size_t bytes, const char *a,
                          const char *b)
{
    size_t at = 0, f = 0, size;
    long i = 0;

    if (mode == V_BITS && memcmp(a, b, bytes) == 0)
        return -1;
    for (; at < bytes; at += size, i++) {
        const struct basic *x = sig->field[f];
        size = 0;
        for (int p = 0; p < x->npieces; p++)
            size += x->piece[p].len;
        if (!basic_equal(x, mode, a + at, b + at))
            return i;
        f = (f + 1) % (size_t)sig->nfields;
    }
    return -1;
}
