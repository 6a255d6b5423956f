/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which derived types are plain bytes: pmpi/type_order.c against the places of the bytes that the makers of
 * random layouts know; and some types written out.
 */
#include "differential.h"
#include "pmpi/type_order.h"
#include "transport/mpi/next.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 20000 };

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
    layout_random(l, &sig, (size_t)rng_below(r, 12) + 1, 1, r);
}

/* A type that is in order but not known to be is packed: that costs time, and is told here. */
static void compare_random(void)
{
    int in_order = 0;
    struct rng r = {.s = 4711};
    for (int i = 0; i < TYPES; i++) {
        struct layout l;
        random_layout(&l, &r);
        bool want = is_in_order(&l), got = vc_type_in_order(l.type, l.packed);
        in_order += want;
        if (want != got && failures++ < 10)
            fprintf(stderr, "type_order: %s: %s in order, taken for the other\n", l.text,
                    want ? "is" : "is not");
        layout_free(&l);
    }
    printf("type_order: %d random types, %d of them in order\n", TYPES, in_order);
    if (in_order < TYPES / 50 || in_order > TYPES - TYPES / 50)
        failures++;
}

static void expect(const char *what, MPI_Datatype type, bool want)
{
    int size;
    MPI_Type_commit(&type);
    MPI_Type_size(type, &size);
    if (vc_type_in_order(type, (size_t)size) != want) {
        failures++;
        fprintf(stderr, "type_order: %s: %s in order, taken for the other\n", what, want ? "is" : "is not");
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
    expect("a part of an array", t, false);
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
        fprintf(stderr, "type_order: %d failures\n", failures);
    return failures != 0;
}
