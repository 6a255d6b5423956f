/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the bytes of derived types lie: pmpi/layout_of.c against the places that the makers of random layouts
 * know, any part of the packed data moved by pmpi/layout.c, and some types written out.
 */
#include "differential.h"
#include "pmpi/layout.h"
#include "transport/mpi/next.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 20000, COUNT_MOST = 5 };

static int failures;

static bool is_in_order(const struct layout *l)
{
    ptrdiff_t end = 0;
    for (size_t i = 0; i < l->npieces; i++) {
        if (l->piece[i].at != end)
            return false;
        end += (ptrdiff_t)l->piece[i].len;
    }
    return true;
}

static void random_layout(struct layout *l, struct rng *r)
{
    struct signature sig = {.nfields = rng_once_in(r, 3) ? 1 + rng_below(r, MAX_FIELDS) : 1};
    for (int i = 0; i < sig.nfields; i++) {
        sig.field[i] = basic_random(r, true);
        for (int p = 0; p < sig.field[i]->npieces; p++)
            sig.packed += sig.field[i]->piece[p].len;
    }
    layout_random(l, &sig, (size_t)rng_below(r, 12) + 1, COUNT_MOST, r);
}

static bool in_order(MPI_Datatype type, size_t size)
{
    struct vc_layout *l = vc_layout_of(type, size);
    bool yes = l && vc_layout_in_order(l);
    vc_layout_drop(l);
    return yes;
}

/* Elements in memory, and the same packed, byte by byte. */
struct elements {
    const struct layout *lay;
    size_t count, packed;
    char *mem, *base;
    size_t len;
};

static size_t magnitude(ptrdiff_t n)
{
    return (size_t)(n < 0 ? -n : n);
}

static void elements_make(struct elements *e, const struct layout *lay, size_t count)
{
    size_t low = 0, high = 0, steps = (count - 1) * magnitude(lay->extent);
    for (size_t i = 0; i < lay->npieces; i++) {
        ptrdiff_t end = lay->piece[i].at + (ptrdiff_t)lay->piece[i].len;
        if (lay->piece[i].at < 0 && low < magnitude(lay->piece[i].at))
            low = magnitude(lay->piece[i].at);
        if (end > 0 && high < magnitude(end))
            high = magnitude(end);
    }
    e->lay = lay;
    e->count = count;
    e->packed = count * lay->packed;
    e->len = low + high + 2 * steps + 1;
    e->mem = malloc(e->len);
    e->base = e->mem + low + steps;
}

/* Where packed byte `at` lies. */
static char *place_of(const struct elements *e, size_t at)
{
    size_t in = at % e->lay->packed, i = 0;
    while (in >= e->lay->piece[i].len)
        in -= e->lay->piece[i++].len;
    return e->base + (ptrdiff_t)(at / e->lay->packed) * e->lay->extent + e->lay->piece[i].at + (ptrdiff_t)in;
}

static void fill(char *mem, size_t len, struct rng *r)
{
    for (size_t i = 0; i < len; i++)
        mem[i] = (char)rng_below(r, 256);
}

/* All of it, in parts of random lengths, each moved to where it belongs. */
static bool moves(struct elements *e, const struct vc_strewn *s, struct rng *r)
{
    char *packed = malloc(e->packed), *image = malloc(e->len);
    fill(e->mem, e->len, r);
    bool same = true;
    for (size_t at = 0, n; at < e->packed; at += n) {
        n = 1 + (size_t)rng_below(r, (int)(e->packed - at < 300 ? e->packed - at : 300));
        vc_strewn_get(s, at, n, packed + at);
    }
    for (size_t i = 0; i < e->packed; i++)
        same = same && packed[i] == *place_of(e, i);

    /* Written, backwards: what lies between elements stays as it was. */
    fill(packed, e->packed, r);
    memcpy(image, e->mem, e->len);
    for (size_t i = 0; i < e->packed; i++)
        image[place_of(e, i) - e->mem] = packed[i];
    for (size_t end = e->packed, n; end > 0; end -= n) {
        n = 1 + (size_t)rng_below(r, (int)(end < 300 ? end : 300));
        vc_strewn_put(s, end - n, n, packed + end - n);
    }
    same = same && memcmp(image, e->mem, e->len) == 0;
    free(packed);
    free(image);
    return same;
}

/* False: the layout is not known. */
static bool compare_moves(const struct layout *l, struct rng *r)
{
    struct vc_layout *known = vc_layout_of(l->type, l->packed);
    if (!known)
        return false;
    struct elements e;
    struct vc_strewn s;
    elements_make(&e, l, 1 + (size_t)rng_below(r, COUNT_MOST));
    vc_strewn_init(&s, known, e.base, e.count, l->extent);
    if (!moves(&e, &s, r) && failures++ < 10)
        fprintf(stderr, "layout: %zu of %s: moved to the wrong places\n", e.count, l->text);
    free(e.mem);
    vc_layout_drop(known);
    return true;
}

/* A type that is not known is packed by the MPI: that costs time, and is told here. */
static void compare_random(void)
{
    int ordered = 0, known = 0;
    struct rng r = {.s = 4711};
    for (int i = 0; i < TYPES; i++) {
        struct layout l;
        random_layout(&l, &r);
        bool want = is_in_order(&l), got = in_order(l.type, l.packed);
        ordered += want;
        if (want != got && failures++ < 10)
            fprintf(stderr, "layout: %s: %s in order, taken for the other\n", l.text, want ? "is" : "is not");
        known += l.packed > 0 && compare_moves(&l, &r);
        layout_free(&l);
    }
    printf("layout: %d random types, %d of them in order, %d known\n", TYPES, ordered, known);
    if (ordered < TYPES / 50 || ordered > TYPES - TYPES / 50 || known < TYPES * 9 / 10)
        failures++;
}

static void expect(const char *what, MPI_Datatype type, bool want)
{
    int size;
    MPI_Type_commit(&type);
    MPI_Type_size(type, &size);
    if (in_order(type, (size_t)size) != want) {
        failures++;
        fprintf(stderr, "layout: %s: %s in order, taken for the other\n", what, want ? "is" : "is not");
    }
    MPI_Type_free(&type);
}

static void compare_some(void)
{
    MPI_Datatype t, pair;
    int sizes[2] = {3, 4}, sub[2] = {3, 4}, part[2] = {3, 2}, from[2] = {0, 0};
    int lens[2] = {1, 1}, swapped[2] = {1, 0};
    MPI_Type_create_subarray(2, sizes, sub, from, MPI_ORDER_C, MPI_INT, &t);
    expect("a whole subarray", t, true);
    MPI_Type_create_subarray(2, sizes, part, from, MPI_ORDER_FORTRAN, MPI_INT, &t);
    expect("the first columns of an array", t, true);
    MPI_Type_indexed(2, lens, swapped, MPI_INT, &t);
    expect("two swapped numbers", t, false);
    MPI_Type_contiguous(3, MPI_DOUBLE_INT, &t);
    expect("pairs with gaps behind them", t, false);
    MPI_Type_dup(MPI_DOUBLE_INT, &t);
    expect("one pair", t, true);
    MPI_Type_dup(MPI_SHORT_INT, &t);
    expect("one pair with a gap inside", t, false);
    MPI_Type_contiguous(2, MPI_FLOAT, &pair);
    MPI_Type_create_resized(pair, 0, 16, &t);
    expect("an element that is followed by a gap", t, true);
    MPI_Type_free(&pair);
    MPI_Type_create_f90_real(15, MPI_UNDEFINED, &pair);
    if (pair != MPI_DATATYPE_NULL) {
        MPI_Type_contiguous(2, pair, &t);
        expect("reals with a number of digits", t, true);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    vc_next_init();
    basics_init();
    compare_random();
    compare_some();
    MPI_Finalize();
    if (failures)
        fprintf(stderr, "layout: %d failures\n", failures);
    return failures != 0;
}
