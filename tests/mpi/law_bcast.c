/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Broadcasts whose counts differ between root and others, which MPI forbids: those whose count differs get an
 * error, nobody hangs, nobody's buffer is written beyond its count, and who returns without an error has the
 * message. Arguments: pairs of the root's and the others' count of ints. Each pair is tried on a communicator
 * of its own; and, from three ranks on, once more with the last rank alone being odd.
 */
#include "law.h"

static int rank, size;
static int (*native_allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static int total(int mine)
{
    int all = 0;
    native_allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

/* Returns how many ranks got an error. */
static int mismatch(int theirs, int others, int first_odd)
{
    int odd = rank >= first_odd, n = odd ? others : theirs, room = (theirs > others ? theirs : others) + 64;
    int *x = malloc(sizeof *x * (size_t)room);
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    for (int i = 0; i < room; i++)
        x[i] = rank ? -1 : i;
    LAW_CHECK(MPI_Barrier(comm) == MPI_SUCCESS, "before");
    double begun = MPI_Wtime();
    int err = MPI_Bcast(x, n, MPI_INT, 0, comm), class = MPI_SUCCESS, bad = 0;
    MPI_Error_class(err, &class);
    for (int i = 0; rank && i < room; i++)
        bad += x[i] != -1 && x[i] != i;
    for (int i = n; rank && i < room; i++)
        bad += x[i] != -1;
    for (int i = 0; rank && err == MPI_SUCCESS && i < n; i++)
        bad += x[i] != i;
    LAW_CHECK(bad == 0, "root's %d, others' %d: %d wrong elements", theirs, others, bad);
    LAW_CHECK(!odd || n == 0 || err != MPI_SUCCESS, "root's %d, others' %d: no error", theirs, others);
    /* As of a receive that is too small. A count of 0 has no message that could be. */
    LAW_CHECK(!odd || n == 0 || theirs == 0 || class == MPI_ERR_TRUNCATE,
              "root's %d, others' %d: an error of class %d", theirs, others, class);
    /* Whoever knows of nothing yet is told. */
    int after = MPI_Barrier(comm);
    LAW_CHECK(after != MPI_SUCCESS, "root's %d, others' %d: the communicator works", theirs, others);
    LAW_CHECK(MPI_Wtime() - begun < 15, "root's %d, others' %d: took %f s", theirs, others,
              MPI_Wtime() - begun);
    free(x);
    int errors = total(err != MPI_SUCCESS);
    MPI_Comm_free(&comm);
    return errors;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    law_watchdog(50);
    *(void **)&native_allreduce = law_native("Allreduce", NULL);
    if (!native_allreduce) {
        if (rank == 0)
            printf("without vcoll the outcome is the MPI's own\n");
        MPI_Finalize();
        return 77;
    }
    if (argc > 3 && strcmp(argv[1], "fatal") == 0) {
        int n = atoi(argv[rank ? 3 : 2]), *x = calloc((size_t)n, sizeof *x);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Bcast(x, n, MPI_INT, 0, MPI_COMM_WORLD);
        MPI_Barrier(MPI_COMM_WORLD);
        printf("came through\n");
        free(x);
        MPI_Finalize();
        return 0;
    }
    static char stage[64];
    law_stage = stage;
    for (int i = 1; i + 1 < argc; i += 2) {
        int theirs = atoi(argv[i]), others = atoi(argv[i + 1]);
        for (int odd = 1; odd<size; odd += size> 2 ? size - 2 : 1) {
            snprintf(stage, sizeof stage, "%d %d from rank %d on", theirs, others, odd);
            int errors = mismatch(theirs, others, odd);
            LAW_CHECK(others == 0 || errors >= size - odd, "%d errors", errors);
        }
    }
    /* The ranks themselves are well. */
    LAW_CHECK(law_six(MPI_COMM_WORLD, 100, 1) == 0, "afterwards");
    if (rank == 0)
        printf("all mismatches were errors\n");
    MPI_Finalize();
    return 0;
}
