/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives to which the last rank comes with twice as many elements as the others, which MPI forbids, and
 * in which all must come with the same: some rank gets an error that is MPI_ERR_TRUNCATE, and nobody hangs.
 * Arguments: numbers of doubles. With `fatal COLLECTIVE N M` the last rank comes with M and the others with
 * N, once, and the program is to be ended by the error.
 */
#include "law.h"

#include <stdbool.h>

enum coll {
    ALLREDUCE,
    ALLGATHER,
    ALLTOALL,
    SCAN,
    BLOCK,
    EXSCAN,
    REDUCE,
    GATHER,
    SCATTER,
    PARTS,
    BCAST,
    LAST
};
static const char *const names[LAST] = {
    "allreduce", "allgather", "alltoall",       "scan", "reduce_scatter_block", "exscan", "reduce",
    "gather",    "scatter",   "reduce_scatter", "bcast"};

static int rank, size;
static int counts[64];
static int (*native_allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static int call(enum coll which, const double *a, double *b, int n, MPI_Comm comm)
{
    const MPI_Datatype t = MPI_DOUBLE;
    switch (which) {
    case ALLREDUCE:
        return MPI_Allreduce(a, b, n, t, MPI_SUM, comm);
    case ALLGATHER:
        return MPI_Allgather(a, n, t, b, n, t, comm);
    case ALLTOALL:
        return MPI_Alltoall(a, n, t, b, n, t, comm);
    case SCAN:
        return MPI_Scan(a, b, n, t, MPI_SUM, comm);
    case BLOCK:
        return MPI_Reduce_scatter_block(a, b, n, t, MPI_SUM, comm);
    case EXSCAN:
        return MPI_Exscan(a, b, n, t, MPI_SUM, comm);
    case REDUCE:
        return MPI_Reduce(a, b, n, t, MPI_SUM, 0, comm);
    case GATHER:
        return MPI_Gather(a, n, t, b, n, t, 0, comm);
    case SCATTER:
        return MPI_Scatter(a, n, t, b, n, t, 0, comm);
    case PARTS:
        return MPI_Reduce_scatter(a, b, counts, t, MPI_SUM, comm);
    default:
        return MPI_Bcast(b, n, t, 0, comm);
    }
}

static int begin(enum coll which, const double *a, double *b, int n, MPI_Comm comm, MPI_Request *req)
{
    const MPI_Datatype t = MPI_DOUBLE;
    switch (which) {
    case ALLREDUCE:
        return MPI_Iallreduce(a, b, n, t, MPI_SUM, comm, req);
    case ALLGATHER:
        return MPI_Iallgather(a, n, t, b, n, t, comm, req);
    case ALLTOALL:
        return MPI_Ialltoall(a, n, t, b, n, t, comm, req);
    case SCAN:
        return MPI_Iscan(a, b, n, t, MPI_SUM, comm, req);
    case BLOCK:
        return MPI_Ireduce_scatter_block(a, b, n, t, MPI_SUM, comm, req);
    case EXSCAN:
        return MPI_Iexscan(a, b, n, t, MPI_SUM, comm, req);
    case REDUCE:
        return MPI_Ireduce(a, b, n, t, MPI_SUM, 0, comm, req);
    case GATHER:
        return MPI_Igather(a, n, t, b, n, t, 0, comm, req);
    case SCATTER:
        return MPI_Iscatter(a, n, t, b, n, t, 0, comm, req);
    case PARTS:
        return MPI_Ireduce_scatter(a, b, counts, t, MPI_SUM, comm, req);
    default:
        return MPI_Ibcast(b, n, t, 0, comm, req);
    }
}

static int post(enum coll which, const double *a, double *b, int n, MPI_Comm comm)
{
    MPI_Request req = MPI_REQUEST_NULL;
    int err = begin(which, a, b, n, comm, &req);
    int late = MPI_Wait(&req, MPI_STATUS_IGNORE);
    return err != MPI_SUCCESS ? err : late;
}

static void try_one(enum coll which, int n, bool posts)
{
    size_t room = 2 * (size_t)n * (size_t)size;
    double *a = calloc(room, sizeof *a), *b = calloc(room, sizeof *b);
    int class = MPI_SUCCESS, mine, all = 0, count = rank == size - 1 ? 2 * n : n;
    MPI_Comm comm;
    for (int i = 0; i < size; i++)
        counts[i] = count;
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

/* Does not come back, if all is well. */
static void end_by(const char *name, int n, int last)
{
    int most = n > last ? n : last, count = rank == size - 1 ? last : n;
    double *a = calloc((size_t)most * (size_t)size, sizeof *a),
           *b = calloc((size_t)most * (size_t)size, sizeof *b);
    for (int i = 0; i < size; i++)
        counts[i] = count;
    MPI_Barrier(MPI_COMM_WORLD);
    for (enum coll which = 0; which < LAST; which++)
        if (strcmp(names[which], name) == 0)
            call(which, a, b, count, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    printf("%s came through\n", name);
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
    if (!native_allreduce || size < 2 || size > 64) {
        MPI_Finalize();
        return 77;
    }
    if (argc == 5 && strcmp(argv[1], "fatal") == 0) {
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
        end_by(argv[2], atoi(argv[3]), atoi(argv[4]));
        MPI_Finalize();
        return 0;
    }
    static char stage[64];
    law_stage = stage;
    for (int i = 1; i < argc; i++)
        for (enum coll which = 0; which < LAST; which++) {
            bool posts = (i + which) % 2;
            snprintf(stage, sizeof stage, "%s %s%s", names[which], argv[i], posts ? ", nonblocking" : "");
            try_one(which, atoi(argv[i]), posts);
        }
    LAW_CHECK(law_six(MPI_COMM_WORLD, 100, 1) == 0, "afterwards");
    MPI_Finalize();
    return 0;
}
