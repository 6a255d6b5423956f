/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allgatherv and alltoallv whose counts differ between the rank that gives and those that take, which MPI
 * forbids: some rank gets an error that is MPI_ERR_TRUNCATE, nobody hangs, and nobody's buffer is written
 * beyond what that rank expects. Arguments: pairs of counts of ints, of what rank 1 gives and of what the
 * others expect of it.
 */
#include "law.h"

#include <stdbool.h>

static int rank, size;
static int (*native_allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static int total(int mine)
{
    int all = 0;
    native_allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

enum { COMMON = 5, GAP = 16, MOST = 16 };

static void mismatch(bool gather, int given, int expected)
{
    int scounts[MOST], sdispls[MOST], rcounts[MOST], rdispls[MOST], send_at = 0, recv_at = 0,
                                                                    class = MPI_SUCCESS;
    for (int r = 0; r < size; r++) {
        scounts[r] = rank == 1 && r != 1 ? given : COMMON;
        rcounts[r] = r != 1 || rank == 1 ? COMMON : expected;
        if (gather && rank == 1 && r == 1)
            rcounts[r] = given;
        sdispls[r] = send_at;
        rdispls[r] = recv_at;
        send_at += scounts[r];
        recv_at += rcounts[r];
    }
    int *send = calloc((size_t)send_at + (size_t)given + 1, sizeof *send);
    int *recv = malloc(((size_t)recv_at + GAP) * sizeof *recv), wrong = 0;
    for (int i = 0; i < recv_at + GAP; i++)
        recv[i] = -1;
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    LAW_CHECK(MPI_Barrier(comm) == MPI_SUCCESS, "before");
    double begun = MPI_Wtime();
    int err = gather ? MPI_Allgatherv(send, rank == 1 ? given : COMMON, MPI_INT, recv, rcounts, rdispls,
                                      MPI_INT, comm)
                     : MPI_Alltoallv(send, scounts, sdispls, MPI_INT, recv, rcounts, rdispls, MPI_INT, comm);
    MPI_Error_class(err, &class);
    for (int i = recv_at; i < recv_at + GAP; i++)
        wrong += recv[i] != -1;
    LAW_CHECK(wrong == 0, "%s, %d given, %d expected: %d of %d ints behind the buffer were written, err %d",
              gather ? "allgatherv" : "alltoallv", given, expected, wrong, GAP, err);
    int after = MPI_Barrier(comm);
    LAW_CHECK(after != MPI_SUCCESS, "%d given, %d expected: the communicator works", given, expected);
    LAW_CHECK(MPI_Wtime() - begun < 15, "%d given, %d expected: took %f s", given, expected,
              MPI_Wtime() - begun);
    int truncated = total(class == MPI_ERR_TRUNCATE);
    LAW_CHECK(truncated > 0, "%d given, %d expected: no rank got MPI_ERR_TRUNCATE", given, expected);
    free(send);
    free(recv);
    MPI_Comm_free(&comm);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    law_watchdog(50);
    *(void **)&native_allreduce = law_native("Allreduce", NULL);
    if (!native_allreduce || size < 2 || size > MOST) {
        MPI_Finalize();
        return 77;
    }
    static char stage[64];
    law_stage = stage;
    for (int i = 1; i + 1 < argc; i += 2)
        for (int gather = 0; gather < 2; gather++) {
            snprintf(stage, sizeof stage, "%s %s %s", gather ? "allgatherv" : "alltoallv", argv[i],
                     argv[i + 1]);
            mismatch(gather, atoi(argv[i]), atoi(argv[i + 1]));
        }
    LAW_CHECK(law_six(MPI_COMM_WORLD, 100, 1) == 0, "afterwards");
    MPI_Finalize();
    return 0;
}
