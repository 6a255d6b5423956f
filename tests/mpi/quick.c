/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that are like earlier ones, and go by what those found out (pmpi/quick.h): in between come others
 * whose types, operators, buffers, sizes or choice differ, and each result is compared.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size, bad;
static MPI_Comm comm;

#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "rank %d line %d: %s\n", rank, __LINE__, #cond);                                 \
            bad = 1;                                                                                         \
        }                                                                                                    \
    } while (0)

static int sum_of_ranks(void)
{
    return size * (size - 1) / 2;
}

/* The left operand, which does not commute: not what any predefined operator gives. */
static void first(void *in, void *inout, int *len, MPI_Datatype *type)
{
    (void)type;
    memcpy(inout, in, (size_t)*len * sizeof(double));
}

static void check_allreduce(MPI_Datatype type, MPI_Op op, int count)
{
    double in[8], out[8];
    int iin[8], iout[8];
    for (int i = 0; i < 8; i++) {
        in[i] = iin[i] = rank + i;
        out[i] = iout[i] = -1;
    }
    if (type == MPI_INT)
        MPI_Allreduce(iin, iout, count, type, op, comm);
    else
        MPI_Allreduce(in, out, count, type, op, comm);
    for (int i = 0; i < count; i++) {
        int want = op == MPI_SUM ? sum_of_ranks() + size * i : op == MPI_MAX ? size - 1 + i : i;
        CHECK((type == MPI_INT ? iout[i] : (int)out[i]) == want);
    }
    CHECK((type == MPI_INT ? iout[count] : (int)out[count]) == -1);
}

/* More kinds than are remembered, in changing order, with other sizes. */
static void test_kinds(void)
{
    const MPI_Datatype types[] = {MPI_DOUBLE, MPI_INT};
    const MPI_Op ops[] = {MPI_SUM, MPI_MAX, MPI_MIN};
    unsigned seed = 5;
    for (int i = 0; i < 600; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned r = seed >> 16;
        check_allreduce(types[r % 2], ops[r / 2 % 3], 1 + (int)(r / 6 % 7));
    }
}

static void test_in_place_and_none(void)
{
    for (int i = 0; i < 20; i++) {
        double v = rank, out = -1;
        MPI_Allreduce(MPI_IN_PLACE, &v, 1, MPI_DOUBLE, MPI_SUM, comm);
        CHECK(v == sum_of_ranks());
        MPI_Allreduce(&v, &out, 0, MPI_DOUBLE, MPI_SUM, comm);
        CHECK(out == -1);
        v = rank;
        int root = i % size;
        MPI_Reduce(rank == root ? MPI_IN_PLACE : &v, rank == root ? &v : NULL, 1, MPI_DOUBLE, MPI_SUM, root,
                   comm);
        CHECK(v == (rank == root ? sum_of_ranks() : rank));
        v = rank == root ? i : -1;
        MPI_Bcast(&v, 1, MPI_DOUBLE, root, comm);
        CHECK(v == i);
    }
}

static void test_blocks(void)
{
    int *in = malloc(sizeof(int) * (size_t)size), *out = malloc(sizeof(int) * (size_t)size);
    for (int i = 0; i < 20; i++) {
        for (int r = 0; r < size; r++)
            in[r] = rank * 1000 + r;
        MPI_Alltoall(in, 1, MPI_INT, out, 1, MPI_INT, comm);
        for (int r = 0; r < size; r++)
            CHECK(out[r] == r * 1000 + rank);
        if (i % 3 == 1) {
            MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, in, 1, MPI_INT, comm);
            for (int r = 0; r < size; r++)
                CHECK(in[r] == r * 1000 + rank);
        }
        MPI_Allgather(&rank, 1, MPI_INT, out, 1, MPI_INT, comm);
        for (int r = 0; r < size; r++)
            CHECK(out[r] == r);
        if (i % 3 == 2) { /* other types on the two sides, of one signature */
            MPI_Allgather(&rank, 4, MPI_BYTE, out, 1, MPI_INT, comm);
            out[rank] = rank + i;
            MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, 1, MPI_INT, comm);
            for (int r = 0; r < size; r++)
                CHECK(out[r] == r + i);
        }
    }
    free(in);
    free(out);
}

/* Roots that change, in place and not, other types on the two sides, arguments that mean nothing. */
static void test_rooted(void)
{
    int *in = malloc(sizeof(int) * (size_t)size), *out = malloc(sizeof(int) * (size_t)size);
    for (int i = 0; i < 40; i++) {
        int root = i % size, mine = rank + i, got = -1, odd = i % 4 == 3;
        bool here = rank == root;
        for (int r = 0; r < size; r++) {
            in[r] = 1000 * i + r;
            out[r] = -1;
        }
        if (i % 4 == 2 && here) {
            out[rank] = mine;
            in[rank] = -7;
            MPI_Gather(MPI_IN_PLACE, -3, MPI_DATATYPE_NULL, out, 1, MPI_INT, root, comm);
            MPI_Scatter(in, 1, MPI_INT, MPI_IN_PLACE, -3, MPI_DATATYPE_NULL, root, comm);
            CHECK(in[rank] == -7);
        } else if (here) {
            MPI_Gather(&mine, odd ? 4 : 1, odd ? MPI_BYTE : MPI_INT, out, 1, MPI_INT, root, comm);
            MPI_Scatter(in, 1, MPI_INT, &got, odd ? 4 : 1, odd ? MPI_BYTE : MPI_INT, root, comm);
        } else {
            MPI_Gather(&mine, 1, MPI_INT, i % 2 ? NULL : out, -5, MPI_DATATYPE_NULL, root, comm);
            MPI_Scatter(NULL, -5, MPI_DATATYPE_NULL, &got, 1, MPI_INT, root, comm);
        }
        for (int r = 0; r < size; r++)
            CHECK(out[r] == (here ? r + i : -1));
        CHECK(got == (i % 4 == 2 && here ? -1 : 1000 * i + rank));
        if (i % 8 == 5) { /* nothing */
            MPI_Gather(&mine, 0, MPI_INT, out, 0, MPI_INT, root, comm);
            MPI_Scatter(in, 0, MPI_INT, &got, 0, MPI_INT, root, comm);
        }
    }
    free(in);
    free(out);
}

/* Blocks whose lengths and places change from call to call, in place and not. */
static void test_vectors(void)
{
    int *counts = calloc((size_t)size, sizeof *counts), *displs = calloc((size_t)size, sizeof *displs);
    int *in = calloc(64, sizeof *in), *out = calloc(64 * (size_t)size + 8, sizeof *out);
    for (int i = 0; i < 60; i++) {
        int at = 0, gap = i % 7 == 3, in_place = i % 5 == 4;
        for (int r = 0; r < size; r++) {
            counts[r] = (r * 5 + i * 3) % 40 * (i % 11 != 10);
            displs[r] = at;
            at += counts[r] + gap;
        }
        for (int k = 0; k < 64 * size + 8; k++)
            out[k] = -1;
        for (int k = 0; k < 64; k++)
            in[k] = 1000 * rank + i + k;
        if (in_place)
            memcpy(out + displs[rank], in, (size_t)counts[rank] * sizeof *in);
        MPI_Allgatherv(in_place ? MPI_IN_PLACE : in, counts[rank], MPI_INT, out, counts, displs, MPI_INT,
                       comm);
        for (int r = 0; r < size; r++)
            for (int k = 0; k < counts[r] + gap; k++)
                CHECK(out[displs[r] + k] == (k < counts[r] ? 1000 * r + i + k : -1));
        CHECK(out[at] == -1);
    }
    free(counts);
    free(displs);
    free(in);
    free(out);
}

/* Reductions whose results differ from rank to rank, in place and not, with other numbers of elements. */
static void test_parts(void)
{
    int *in = malloc(3 * sizeof(int) * (size_t)size), *out = malloc(3 * sizeof(int) * (size_t)size);
    for (int i = 0; i < 60; i++) {
        int count = 1 + i % 3, in_place = i % 5 == 4, up_to = rank * (rank + 1) / 2, v[3], got[4];
        for (int k = 0; k < 3 * size; k++) {
            in[k] = rank + k + i;
            out[k] = -1;
        }
        MPI_Reduce_scatter_block(in_place ? MPI_IN_PLACE : in, in_place ? in : out, count, MPI_INT, MPI_SUM,
                                 comm);
        for (int k = 0; k < count; k++)
            CHECK((in_place ? in : out)[k] == sum_of_ranks() + size * (rank * count + k + i));
        CHECK(in_place || count == 3 * size || out[count] == -1);
        for (int k = 0; k < 3; k++)
            v[k] = got[k] = rank + k + i;
        got[3] = -1;
        MPI_Scan(in_place ? MPI_IN_PLACE : v, got, count, MPI_INT, MPI_SUM, comm);
        for (int k = 0; k < count; k++) {
            CHECK(got[k] == up_to + (rank + 1) * (k + i));
            got[k] = in_place ? v[k] : -1;
        }
        MPI_Exscan(in_place ? MPI_IN_PLACE : v, got, count, MPI_INT, MPI_SUM, comm);
        for (int k = 0; k < count; k++)
            CHECK(got[k] == (rank > 0 ? up_to - rank + rank * (k + i) : in_place ? v[k] : -1));
        CHECK(got[3] == -1);
    }
    free(in);
    free(out);
}

/* Handles that are freed and made anew, with another meaning. */
static void test_handles(void)
{
    double in[4], out[4];
    for (int i = 0; i < 20; i++) {
        MPI_Datatype type;
        MPI_Op op;
        check_allreduce(MPI_DOUBLE, MPI_SUM, 1);
        MPI_Type_contiguous(1 + i % 2, MPI_DOUBLE, &type);
        MPI_Type_commit(&type);
        for (int k = 0; k < 4; k++)
            in[k] = rank == 0 ? k + i : -1;
        MPI_Bcast(in, 2 - i % 2, type, 0, comm);
        CHECK(in[0] == i && in[1] == 1 + i);
        MPI_Type_free(&type);
        MPI_Bcast(in, 2, MPI_DOUBLE, 0, comm);
        MPI_Op_create(first, 0, &op);
        in[0] = rank + 1;
        MPI_Allreduce(in, out, 1, MPI_DOUBLE, op, comm);
        CHECK(out[0] == 1);
        MPI_Op_free(&op);
    }
}

/* The choice changes in between, and communicators come and go under one handle. */
static void test_choice_and_communicators(void)
{
    int (*force)(const void *, const char *, const char *, char *, unsigned long) = NULL;
    *(void **)&force = dlsym(RTLD_DEFAULT, "vcoll_comm_force");
    const char *(*algorithm)(const void *, const char *, unsigned long long) = NULL;
    *(void **)&algorithm = dlsym(RTLD_DEFAULT, "vcoll_comm_algorithm");
    const char *words[] = {"native", "auto", "shm", "recursive_doubling", "auto"};
    for (int i = 0; force && i < 10; i++) {
        check_allreduce(MPI_DOUBLE, MPI_SUM, 1);
        check_allreduce(MPI_DOUBLE, MPI_SUM, 1);
        MPI_Barrier(comm);
        CHECK(force(&comm, "allreduce", words[i % 5], NULL, 0) == 0);
        if (algorithm && strcmp(words[i % 5], "auto") != 0)
            CHECK(strcmp(algorithm(&comm, "allreduce", 8), words[i % 5]) == 0);
    }
    MPI_Comm world = comm;
    for (int i = 0; i < 10; i++) {
        MPI_Comm_split(world, i % 3 == 2 ? rank % 2 : 0, i % 2 ? -rank : rank, &comm);
        MPI_Comm_rank(comm, &rank);
        MPI_Comm_size(comm, &size);
        for (int k = 0; k < 4; k++) {
            check_allreduce(MPI_DOUBLE, MPI_SUM, 1 + k % 2);
            double v = rank == 0 ? i : -1;
            MPI_Bcast(&v, 1, MPI_DOUBLE, 0, comm);
            CHECK(v == i);
        }
        MPI_Comm_free(&comm);
    }
    comm = world;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    test_kinds();
    test_in_place_and_none();
    test_blocks();
    test_rooted();
    test_parts();
    test_vectors();
    test_handles();
    test_choice_and_communicators();
    test_kinds();
    MPI_Comm_free(&comm);
    MPI_Finalize();
    return bad;
}
