/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives to which the last rank comes with twice as many elements as the others, which MPI forbids, and
 * whose data carries no lengths: some rank gets an error that is MPI_ERR_TRUNCATE, and nobody hangs.
 * Arguments: numbers of doubles.
 */
#include "law.h"

#include <stdbool.h>

enum { LAST = 5 };
static const char *const names[LAST] = {"allreduce", "allgather", "alltoall", "scan", "reduce_scatter_block"};

static int rank, size;
static int (*native_allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static int call(int which, const double *a, double *b, int n, MPI_Comm comm)
{
    switch (which) {
    case 0:
        return MPI_Allreduce(a, b, n, MPI_DOUBLE, MPI_SUM, comm);
    case 1:
        return MPI_Allgather(a, n, MPI_DOUBLE, b, n, MPI_DOUBLE, comm);
    case 2:
        return MPI_Alltoall(a, n, MPI_DOUBLE, b, n, MPI_DOUBLE, comm);
    case 3:
        return MPI_Scan(a, b, n, MPI_DOUBLE, MPI_SUM, comm);
    default:
        return MPI_Reduce_scatter_block(a, b, n, MPI_DOUBLE, MPI_SUM, comm);
    }
}

static int post(int which, const double *a, double *b, int n, MPI_Comm comm)
{
    MPI_Request req = MPI_REQUEST_NULL;
    int err = which == 0   ? MPI_Iallreduce(a, b, n, MPI_DOUBLE, MPI_SUM, comm, &req)
              : which == 1 ? MPI_Iallgather(a, n, MPI_DOUBLE, b, n, MPI_DOUBLE, comm, &req)
              : which == 2 ? MPI_Ialltoall(a, n, MPI_DOUBLE, b, n, MPI_DOUBLE, comm, &req)
              : which == 3 ? MPI_Iscan(a, b, n, MPI_DOUBLE, MPI_SUM, comm, &req)
                           : MPI_Ireduce_scatter_block(a, b, n, MPI_DOUBLE, MPI_SUM, comm, &req);
    int late = MPI_Wait(&req, MPI_STATUS_IGNORE);
    return err != MPI_SUCCESS ? err : late;
}

static void try_one(int which, int n, bool posts)
{
    size_t room = 2 * (size_t)n * (size_t)size;
    double *a = calloc(room, sizeof *a), *b = calloc(room, sizeof *b);
    int class = MPI_SUCCESS, mine, all = 0, count = rank == size - 1 ? 2 * n : n;
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    LAW_CHECK(a && b && MPI_Barrier(comm) == MPI_SUCCESS, "before");
    double begun = MPI_Wtime();
    MPI_Error_class((posts ? post : call)(which, a, b, count, comm), &class);
    mine = class == MPI_ERR_TRUNCATE;
    /* Ranks for which all has come as expected hear of it in their next call. */
    int after = MPI_Barrier(comm);
    MPI_Error_class(after, &class);
    mine |= class == MPI_ERR_TRUNCATE;
    LAW_CHECK(after != MPI_SUCCESS, "%s of %d: the communicator works", names[which], n);
    LAW_CHECK(MPI_Wtime() - begun < 20, "%s of %d: took %f s", names[which], n, MPI_Wtime() - begun);
    native_allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    LAW_CHECK(all > 0, "%s of %d: no rank got MPI_ERR_TRUNCATE", names[which], n);
    MPI_Comm_free(&comm);
    free(a);
    free(b);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    law_watchdog(100);
    /* That of what MPI_Wait says of a generalized request. */
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    *(void **)&native_allreduce = law_native("Allreduce", NULL);
    if (!native_allreduce || size < 2) {
        MPI_Finalize();
        return 77;
    }
    static char stage[64];
    law_stage = stage;
    for (int i = 1; i < argc; i++)
        for (int which = 0; which < LAST; which++) {
            bool posts = (i + which) % 2;
            snprintf(stage, sizeof stage, "%s %s%s", names[which], argv[i], posts ? ", nonblocking" : "");
            try_one(which, atoi(argv[i]), posts);
        }
    LAW_CHECK(law_six(MPI_COMM_WORLD, 100, 1) == 0, "afterwards");
    MPI_Finalize();
    return 0;
}
