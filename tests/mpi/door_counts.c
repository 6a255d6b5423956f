/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls with large counts: one rank by MPI_X_c and the others by MPI_X, in every one that is accelerated, and
 * so that each has been the odd one. Both names of both kinds. Prints nothing.
 */
#include "door.h"

#include "vcoll/vcoll.h"
#include <dlfcn.h>

enum { N = 300 };
static int odd; /* the rank that calls MPI_X_c */

#define EITHER(name, ...)                                                                                    \
    (rank != odd       ? MPI_##name(__VA_ARGS__)                                                             \
     : round_ % 2 == 0 ? MPI_##name##_c(__VA_ARGS__)                                                         \
                       : PMPI_##name##_c(__VA_ARGS__))

static void calls(MPI_Comm comm, int round_, int n)
{
    static long a[64 * N], b[64 * N];
    int root = round_ % size;
    for (int i = 0; i < n; i++)
        a[i] = rank == root ? i + round_ : -1;
    CHECK(EITHER(Bcast, a, n, MPI_LONG, root, comm) == MPI_SUCCESS);
    for (int i = 0; i < n; i++)
        CHECK(a[i] == i + round_);
    for (int i = 0; i < n; i++)
        a[i] = rank + i;
    CHECK(EITHER(Reduce, a, b, n, MPI_LONG, MPI_SUM, root, comm) == MPI_SUCCESS);
    for (int i = 0; rank == root && i < n; i++)
        CHECK(b[i] == (long)size * (size - 1) / 2 + (long)size * i);
    memset(b, 0, sizeof b);
    CHECK(EITHER(Allreduce, a, b, n, MPI_LONG, MPI_SUM, comm) == MPI_SUCCESS);
    for (int i = 0; i < n; i++)
        CHECK(b[i] == (long)size * (size - 1) / 2 + (long)size * i);
    CHECK(EITHER(Allgather, a, n, MPI_LONG, b, n, MPI_LONG, comm) == MPI_SUCCESS);
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            CHECK(b[r * n + i] == r + i);
    CHECK(EITHER(Allgather, MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, b, n, MPI_LONG, comm) == MPI_SUCCESS);
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            a[r * n + i] = rank * 1000L + r;
    CHECK(EITHER(Alltoall, a, n, MPI_LONG, b, n, MPI_LONG, comm) == MPI_SUCCESS);
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            CHECK(b[r * n + i] == r * 1000L + rank);
}

/* A call of 2 GiB and more by a count, and by a large type: both are the MPI's own. */
static void beyond_limit(void)
{
    MPI_Datatype big;
    const MPI_Count bytes = ((MPI_Count)1 << 31) + 16;
    char *mem = malloc((size_t)bytes);
    int have = mem != NULL, all;
    MPI_Allreduce(&have, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (all) {
        mem[bytes - 1] = rank == 0 ? 7 : 0;
        MPI_Type_contiguous(((1 << 30) + 8), MPI_SHORT, &big);
        MPI_Type_commit(&big);
        if (rank == 0)
            MPI_Bcast_c(mem, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
        else
            MPI_Bcast(mem, 1, big, 0, MPI_COMM_WORLD);
        CHECK(mem[bytes - 1] == 7);
        MPI_Type_free(&big);
    }
    free(mem);
}

static void errors(void)
{
    int class = 0, x = 1;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int rc = MPI_Bcast_c(&x, -1, MPI_INT, 0, MPI_COMM_WORLD);
    CHECK(rc != MPI_SUCCESS && MPI_Error_class(rc, &class) == MPI_SUCCESS && class == MPI_ERR_COUNT);
    rc = MPI_Allreduce_c(&x, &x, 1, MPI_DATATYPE_NULL, MPI_SUM, MPI_COMM_WORLD);
    CHECK(rc != MPI_SUCCESS);
}

/* Those that pass through. */
static void others(void)
{
    MPI_Count n[64];
    MPI_Aint at[64];
    int one[64], many[64], v[1] = {rank};
    for (int i = 0; i < size; i++) {
        n[i] = 1;
        at[i] = i;
        one[i] = rank * 100 + i;
    }
    MPI_Gather_c(v, 1, MPI_INT, many, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Gatherv_c(v, 1, MPI_INT, many, n, at, MPI_INT, 0, MPI_COMM_WORLD);
    for (int i = 0; rank == 0 && i < size; i++)
        CHECK(many[i] == i);
    MPI_Scatterv_c(many, n, at, MPI_INT, v, 1, MPI_INT, 0, MPI_COMM_WORLD);
    CHECK(v[0] == rank);
    MPI_Scatter_c(many, 1, MPI_INT, v, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Allgatherv_c(v, 1, MPI_INT, many, n, at, MPI_INT, MPI_COMM_WORLD);
    MPI_Alltoallv_c(one, n, at, MPI_INT, many, n, at, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < size; i++)
        CHECK(many[i] == i * 100 + rank);
    MPI_Scan_c(v, many, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    CHECK(many[0] == rank * (rank + 1) / 2);
    MPI_Exscan_c(v, many, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Reduce_scatter_block_c(one, many, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    CHECK(many[0] == rank);
    MPI_Reduce_scatter_c(one, many, n, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    CHECK(many[0] == rank);
}

int main(int argc, char **argv)
{
    MPI_Comm comm;
    int (*describe)(const void *, struct vcoll_comm_info *);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    for (int round = 0; round < 2 * size; round++) {
        odd = round / 2;
        calls(comm, round, 1);
        calls(comm, round, N);
    }
    struct vcoll_comm_info info;
    CHECK(!describe || (describe(&comm, &info) == 0 && info.active));
    MPI_Comm_free(&comm);
    if (argc > 1)
        beyond_limit();
    others();
    errors();
    MPI_Finalize();
    return 0;
}
