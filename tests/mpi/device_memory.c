/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_memory WHEN API LIBRARY: collectives on memory of a GPU, mixed with the host's on other ranks and on
 * the other side. WHEN the driver is loaded: before MPI_Init, after it, or late, when the communicator is set
 * up; or "fail": before, and copies fail in the middle; or "empty": a library of that name that has no
 * function. API is cuda, hip or ze. Exits with 77 where there is no such library or device. An MPI that takes
 * no device memory itself must never see it: VCOLL_SETUP_AFTER=1, and algorithms other than native.
 */
#include "device_api.h"

#include <dlfcn.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size, bad, cases;
static bool empty;

/* ---- layouts: where the i-th double of a buffer lies ---- */

enum layout { DENSE, GAPS, COLUMN, LAYOUTS };

struct shape {
    enum layout layout;
    size_t n; /* doubles of a block */
    MPI_Datatype type;
    int count; /* of the type, in a block */
};

static struct shape current; /* for the operator */

static size_t offset(enum layout l, size_t i)
{
    return l == DENSE ? 8 * i : l == GAPS ? i / 2 * 24 + i % 2 * 16 : 24 * i;
}

static struct shape shape_make(enum layout l, size_t n)
{
    struct shape s = {.layout = l, .n = n, .type = MPI_DOUBLE, .count = (int)n};
    MPI_Datatype vector;
    if (l == DENSE)
        return s;
    int blocks = l == GAPS ? 2 : (int)n, stride = l == GAPS ? 2 : 3;
    MPI_Type_vector(blocks, 1, stride, MPI_DOUBLE, &vector);
    MPI_Type_create_resized(vector, 0, l == GAPS ? 24 : (MPI_Aint)n * 24, &s.type);
    MPI_Type_commit(&s.type);
    MPI_Type_free(&vector);
    s.count = l == GAPS ? (int)n / 2 : 1;
    return s;
}

static void shape_free(struct shape *s)
{
    if (s->layout != DENSE)
        MPI_Type_free(&s->type);
}

static void add(void *in, void *inout, int *len, MPI_Datatype *type)
{
    (void)type;
    size_t n = (size_t)*len * (current.n / (size_t)current.count);
    for (size_t i = 0; i < n; i++) {
        double a, b;
        memcpy(&a, (char *)in + offset(current.layout, i), 8);
        memcpy(&b, (char *)inout + offset(current.layout, i), 8);
        b += a;
        memcpy((char *)inout + offset(current.layout, i), &b, 8);
    }
}

/* ---- buffers: an image in host memory, and what MPI gets ---- */

struct buffer {
    size_t bytes;
    char *image;
    void *p; /* of the device, or the image */
    bool on_device;
};

/* Everything is 0x5a, and stays so where no element lies. */
static struct buffer buffer_make(size_t bytes, bool on_device)
{
    struct buffer b = {.bytes = bytes, .image = malloc(bytes), .on_device = on_device};
    if (!b.image)
        MPI_Abort(MPI_COMM_WORLD, 1);
    memset(b.image, 0x5a, bytes);
    b.p = on_device ? device_alloc(bytes) : b.image;
    return b;
}

static void buffer_ready(struct buffer *b)
{
    if (b->on_device)
        device_up(b->p, b->image, b->bytes);
}

static void buffer_free(struct buffer *b)
{
    if (b->on_device)
        device_free(b->p);
    free(b->image);
}

/* Whether the buffer holds these bytes. */
static bool buffer_is(struct buffer *b, const char *want)
{
    if (b->on_device)
        device_down(b->image, b->p, b->bytes);
    return memcmp(b->image, want, b->bytes) == 0;
}

/* ---- cases ---- */

enum place { ALL, RANK_0, RANK_1, SENDS, RECEIVES, NONE, PLACES };

static bool on_device(enum place p, bool receives)
{
    return p == ALL || (p == RANK_0 && rank == 0) || (p == RANK_1 && rank == 1) ||
           (p == SENDS && !receives) || (p == RECEIVES && receives);
}

/* The i-th double that rank r sends. Whole numbers: sums are exact. */
static double value(int r, size_t i)
{
    return (double)(r * 131 + (int)(i % 1021) + 1);
}

static void put(char *image, enum layout l, size_t i, double v)
{
    memcpy(image + offset(l, i), &v, 8);
}

enum coll { BCAST, REDUCE, ALLREDUCE, ALLGATHER, ALLTOALL, COLLS };
static const char *const names[] = {"bcast", "reduce", "allreduce", "allgather", "alltoall"};

/* The i-th double of the result, and whether this rank gets one there. */
static bool result(enum coll c, size_t n, size_t i, double *out)
{
    *out = 0;
    if (c == BCAST)
        *out = value(1, i);
    else if (c == ALLGATHER)
        *out = value((int)(i / n), i % n);
    else if (c == ALLTOALL)
        *out = value((int)(i / n), (size_t)rank * n + i % n);
    else
        for (int r = 0; r < size; r++)
            *out += value(r, i);
    return c != REDUCE || rank == 1;
}

static int call(enum coll c, const struct shape *s, const void *send, void *recv, MPI_Op op)
{
    int n = s->count;
    current = *s;
    switch (c) {
    case BCAST:
        return MPI_Bcast(recv, n, s->type, 1, MPI_COMM_WORLD);
    case REDUCE:
        return MPI_Reduce(send, rank == 1 ? recv : NULL, n, s->type, op, 1, MPI_COMM_WORLD);
    case ALLREDUCE:
        return MPI_Allreduce(send, recv, n, s->type, op, MPI_COMM_WORLD);
    case ALLGATHER:
        return MPI_Allgather(send, n, s->type, recv, n, s->type, MPI_COMM_WORLD);
    default:
        return MPI_Alltoall(send, n, s->type, recv, n, s->type, MPI_COMM_WORLD);
    }
}

static void complain(bool ok, const char *what, enum place p, size_t n, int layout, bool in_place)
{
    cases++;
    if (ok)
        return;
    if (bad++ < 5)
        fprintf(stderr, "rank %d: %s, place %d, %zu doubles, layout %d, in place %d: wrong\n", rank, what, p,
                n, layout, in_place);
}

static void one(enum coll c, enum place p, const struct shape *s, bool in_place, MPI_Op op)
{
    size_t sblocks = c == ALLTOALL ? (size_t)size : 1,
           rblocks = c == ALLGATHER || c == ALLTOALL ? (size_t)size : 1;
    size_t ns = sblocks * s->n, nr = rblocks * s->n;
    if (c == REDUCE && rank != 1)
        in_place = false; /* only the root may */
    struct buffer send = buffer_make(offset(s->layout, ns - 1) + 8, on_device(p, false));
    struct buffer recv =
        buffer_make(offset(s->layout, nr - 1) + 8, on_device(p, c == BCAST ? rank != 1 : true));
    char *want = malloc(recv.bytes), *sent = malloc(send.bytes);
    double v;
    if (!want || !sent)
        MPI_Abort(MPI_COMM_WORLD, 1);
    for (size_t i = 0; i < ns; i++)
        put(send.image, s->layout, i, value(rank, i));
    memcpy(sent, send.image, send.bytes);
    size_t own = c == ALLGATHER ? (size_t)rank * s->n : 0;
    for (size_t i = 0; i < ns && (in_place || (c == BCAST && rank == 1)); i++)
        put(recv.image, s->layout, own + i, value(rank, i));
    memcpy(want, recv.image, recv.bytes);
    for (size_t i = 0; i < nr; i++)
        if (result(c, s->n, i, &v))
            put(want, s->layout, i, v);
    buffer_ready(&send);
    buffer_ready(&recv);
    device_enter(cases % 2);
    bool ok = call(c, s, in_place ? MPI_IN_PLACE : send.p, recv.p, op) == MPI_SUCCESS && device_unchanged();
    ok = buffer_is(&recv, want) && buffer_is(&send, sent) && ok;
    complain(ok, names[c], p, s->n, (int)s->layout, in_place);
    free(want);
    free(sent);
    buffer_free(&send);
    buffer_free(&recv);
}

/* Pairs have a gap that must survive. */
static void pairs(enum place p, size_t n)
{
    struct pair {
        double v;
        int at;
    };
    size_t bytes = (n - 1) * sizeof(struct pair) + sizeof(double) + sizeof(int);
    struct buffer send = buffer_make(bytes, on_device(p, false)),
                  recv = buffer_make(bytes, on_device(p, true));
    char *want = malloc(bytes);
    if (!want)
        MPI_Abort(MPI_COMM_WORLD, 1);
    memset(want, 0x5a, bytes);
    for (size_t i = 0; i < n; i++) {
        double v = (double)((rank + (int)i) % size), most = size - 1;
        int best = (size - 1 - (int)(i % (size_t)size) + size) % size;
        memcpy(send.image + i * sizeof(struct pair), &v, sizeof v);
        memcpy(send.image + i * sizeof(struct pair) + sizeof v, &rank, sizeof rank);
        memcpy(want + i * sizeof(struct pair), &most, sizeof most);
        memcpy(want + i * sizeof(struct pair) + sizeof most, &best, sizeof best);
    }
    buffer_ready(&send);
    buffer_ready(&recv);
    device_enter(cases % 2);
    bool ok =
        MPI_Allreduce(send.p, recv.p, (int)n, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD) == MPI_SUCCESS;
    complain(ok && device_unchanged() && buffer_is(&recv, want), "maxloc", p, n, -1, false);
    free(want);
    buffer_free(&send);
    buffer_free(&recv);
}

/* Elements from the last to the first; with `blocks` each is an MPI element of its own. */
static void backwards(enum place p, size_t n, bool blocks)
{
    size_t bytes = 16 * (n - 1) + 8;
    struct buffer b = buffer_make(bytes, on_device(p, true));
    char *want = malloc(bytes);
    MPI_Datatype type;
    if (!want)
        MPI_Abort(MPI_COMM_WORLD, 1);
    memset(want, 0x5a, bytes);
    for (size_t i = 0; i < n; i++)
        put(want, DENSE, 2 * (n - 1 - i), value(1, i));
    if (rank == 1)
        memcpy(b.image, want, bytes);
    buffer_ready(&b);
    if (blocks)
        MPI_Type_create_resized(MPI_DOUBLE, 0, -16, &type);
    else
        MPI_Type_create_hvector((int)n, 1, -16, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    device_enter(cases % 2);
    bool ok =
        MPI_Bcast((char *)b.p + 16 * (n - 1), blocks ? (int)n : 1, type, 1, MPI_COMM_WORLD) == MPI_SUCCESS;
    complain(ok && device_unchanged() && buffer_is(&b, want), "backwards", p, n, -1, blocks);
    MPI_Type_free(&type);
    free(want);
    buffer_free(&b);
}

/* An address in the type, none in the call. */
static void bottom(enum place p, size_t n)
{
    struct buffer b = buffer_make(8 * n, on_device(p, true));
    char *want = malloc(8 * n);
    int length = (int)n;
    MPI_Aint address;
    MPI_Datatype type;
    if (!want)
        MPI_Abort(MPI_COMM_WORLD, 1);
    for (size_t i = 0; i < n; i++) {
        put(want, DENSE, i, value(1, i));
        if (rank == 1)
            put(b.image, DENSE, i, value(1, i));
    }
    buffer_ready(&b);
    MPI_Get_address(b.p, &address);
    MPI_Type_create_hindexed(1, &length, &address, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    device_enter(cases % 2);
    bool ok = MPI_Bcast(MPI_BOTTOM, 1, type, 1, MPI_COMM_WORLD) == MPI_SUCCESS;
    complain(ok && device_unchanged() && buffer_is(&b, want), "bottom", p, n, -1, false);
    MPI_Type_free(&type);
    free(want);
    buffer_free(&b);
}

static void all(void)
{
    static const size_t long_list[] = {1, 512, 8192, 131072}, short_list[] = {1, 8192}; /* 8 bytes to 1 MiB */
    bool quick = getenv("VC_DEVICE_QUICK") != NULL;
    const size_t *sizes = quick ? short_list : long_list;
    MPI_Op op;
    MPI_Op_create(add, 1, &op);
    for (size_t i = 0; i < (quick ? 2 : 4); i++) {
        for (int l = 0; l < LAYOUTS; l++) {
            size_t n = l == GAPS && sizes[i] == 1 ? 2 : sizes[i];
            struct shape s = shape_make((enum layout)l, n);
            for (int p = 0; p < PLACES; p++)
                for (int c = 0; c < COLLS; c++) {
                    if (empty && p != NONE)
                        continue;
                    if (n > 8192 && (p == RANK_1 || p == NONE))
                        continue; /* as with fewer */
                    /* One element so long is the MPI's to reduce. */
                    if (l == COLUMN && n > 512 && (c == REDUCE || c == ALLREDUCE))
                        continue;
                    for (int in_place = 0; in_place < (c == BCAST ? 1 : 2); in_place++)
                        one((enum coll)c, (enum place)p, &s, in_place, l == DENSE ? MPI_SUM : op);
                }
            shape_free(&s);
        }
        for (int p = empty ? NONE : 0; p < PLACES; p++) {
            pairs((enum place)p, sizes[i]);
            bottom((enum place)p, sizes[i]);
            backwards((enum place)p, sizes[i], false);
            backwards((enum place)p, sizes[i], true);
        }
    }
    /* So long that it goes in several pieces. */
    struct shape s = shape_make(GAPS, 4000000);
    for (int p = 0; p < 2 && !quick; p++)
        one(BCAST, (enum place)p, &s, false, op);
    shape_free(&s);
    MPI_Op_free(&op);
}

/* Copies of rank 0 fail: an error there, an error or the result elsewhere, and nobody waits for ever. */
static void failing(void)
{
    double v = 1, sum = 0;
    struct buffer b = buffer_make(8, true);
    put(b.image, DENSE, 0, 1);
    buffer_ready(&b);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (rank == 0 && !device_fail(0))
        exit(77);
    device_enter(false);
    int err = MPI_Allreduce(rank == 0 ? b.p : &v, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    bad += rank == 0 ? err == MPI_SUCCESS : err == MPI_SUCCESS && sum != size;
    buffer_free(&b);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    bool late = strcmp(argv[1], "late") == 0, after = strcmp(argv[1], "after") == 0, there = true;
    empty = strcmp(argv[1], "empty") == 0;
    if (empty)
        there = dlopen(argv[3], RTLD_NOW) != NULL;
    else if (!late && !after)
        there = device_open(argv[2], argv[3]);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    double in = 1, out = 0;
    for (int i = 0; late && i < 3; i++)
        MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (late || after)
        there = device_open(argv[2], argv[3]);
    if (!there) {
        printf("no %s, or no device of it\n", argv[3]);
        MPI_Finalize();
        return 77;
    }
    if (strcmp(argv[1], "fail") == 0)
        failing();
    else
        all();
    if (rank == 0 && !bad)
        printf("%d cases\n", cases);
    MPI_Finalize();
    return bad != 0;
}
