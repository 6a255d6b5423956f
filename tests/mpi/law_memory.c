/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_memory RANK [STRIDE]: one rank runs out of memory while a communicator is set up and first used, at
 * every place where libvcoll asks for some (Law 6), or after the first ones at every STRIDE-th. Either
 * nothing comes of it, or all ranks get an MPI error; nobody waits for ever, and no result is wrong. The
 * communicators stay alive, so that each is set up anew.
 */
#include "fault.h"
#include "law.h"

enum { MANY = 400, LONGS = 40000, FIRST = 24 };
enum { RIGHT, FAILED, WRONG };

static long *a, *b;
static int rank, size;

/* Each returns RIGHT, FAILED or WRONG. */

static int allreduce(MPI_Comm comm, int n)
{
    for (int i = 0; i < n; i++)
        a[i] = rank + i, b[i] = -1;
    if (MPI_Allreduce(a, b, n, MPI_LONG, MPI_SUM, comm) != MPI_SUCCESS)
        return FAILED;
    for (int i = 0; i < n; i++)
        if (b[i] != (long)size * (size - 1) / 2 + (long)size * i)
            return WRONG;
    return RIGHT;
}

/* Every second element: what has to be packed. */
static int bcast_gaps(MPI_Comm comm, int n, int root)
{
    MPI_Datatype gaps;
    MPI_Type_vector(n, 1, 2, MPI_LONG, &gaps);
    MPI_Type_commit(&gaps);
    for (int i = 0; i < 2 * n; i++)
        a[i] = rank == root || i % 2 ? i : -1;
    int rc = MPI_Bcast(a, 1, gaps, root, comm);
    MPI_Type_free(&gaps);
    for (int i = 0; rc == MPI_SUCCESS && i < 2 * n - 1; i++)
        if (a[i] != i)
            return WRONG;
    return rc == MPI_SUCCESS ? RIGHT : FAILED;
}

static int alltoall(MPI_Comm comm, int n)
{
    for (int i = 0; i < n * size; i++)
        a[i] = rank * 1000L + i / n, b[i] = -1;
    if (MPI_Alltoall(a, n, MPI_LONG, b, n, MPI_LONG, comm) != MPI_SUCCESS)
        return FAILED;
    for (int i = 0; i < n * size; i++)
        if (b[i] != i / n * 1000L + rank)
            return WRONG;
    return RIGHT;
}

static int use(MPI_Comm comm)
{
    int got = allreduce(comm, 1);
    if (got == RIGHT)
        got = allreduce(comm, LONGS);
    if (got == RIGHT)
        got = bcast_gaps(comm, 5, 0);
    if (got == RIGHT)
        got = bcast_gaps(comm, LONGS / 2, size - 1);
    if (got == RIGHT)
        got = alltoall(comm, 3);
    if (got == RIGHT)
        got = allreduce(comm, 2); /* nobody leaves it before all have come */
    return got;
}

int main(int argc, char **argv)
{
    static MPI_Comm comm[MANY];
    static char stage[80];
    int errors = 0, n, fired = 1;
    MPI_Init(&argc, &argv);
    law_watchdog(100);
    law_stage = stage;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int poor = (int)law_arg(argc, argv, 1, 1), stride = (int)law_arg(argc, argv, 2, 1), places = 0;
    a = malloc(sizeof *a * 2 * LONGS);
    b = malloc(sizeof *b * 2 * LONGS);
    int (*native)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    *(void **)&native = law_native("Allreduce", NULL);
    LAW_CHECK(native, "there is no vcoll in this process");
    for (n = 1; n < MANY && fired; n += n < FIRST ? 1 : stride) {
        snprintf(stage, sizeof stage, "request %d for memory fails", n);
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[n]);
        MPI_Comm_set_errhandler(comm[n], MPI_ERRORS_RETURN);
        if (rank == poor)
            vc_fault_arm(n);
        int got = use(comm[n]);
        int mine[3] = {got, -got, rank == poor ? vc_fault_seen() >= n : 0}, most[3];
        vc_fault_arm(0);
        native(mine, most, 3, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
        fired = most[2];
        LAW_CHECK(most[0] == -most[1] && got != WRONG, "rank %d: %s, others differ or all are wrong", rank,
                  got == RIGHT    ? "right"
                  : got == FAILED ? "an error"
                                  : "wrong");
        LAW_CHECK(fired || got == RIGHT, "an error without a cause");
        errors += got == FAILED;
        places += fired;
        if (rank == 0 && getenv("VC_TEST_VERBOSE"))
            printf("%d: %s\n", n, got == RIGHT ? "right" : "an error"), fflush(stdout);
    }
    LAW_CHECK(!fired && n > 10, "%d requests for memory", n);
    if (rank == 0)
        printf("ok: %d places, %d of them an error on all ranks\n", places, errors);
    MPI_Finalize();
    return 0;
}
