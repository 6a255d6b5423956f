/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranks sleep in a collective while somebody takes the RDMA device of one machine away. The last rank enters
 * late. Every rank must get an MPI error, within 10 s of the loss or of its own entry, and rank 0 prints what
 * happened. lost_device SECONDS_UNTIL_THE_LAST_RANK_ENTERS; says "asleep" when the others have begun to wait.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rank, size;
    double one = 1, sum = 0;
    unsigned late = argc > 1 ? (unsigned)atoi(argv[1]) : 15;
    MPI_Comm comm;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    for (int i = 0; i < 10; i++) {
        MPI_Allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
        if (sum != size) {
            printf("rank %d: WRONG RESULT\n", rank);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
    if (rank == 0) {
        printf("asleep\n");
        fflush(stdout);
    }
    if (rank == size - 1)
        sleep(late);
    double begun = MPI_Wtime();
    int rc = MPI_Allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
    printf("rank %d: %s after %.1f s\n", rank, rc == MPI_SUCCESS ? "NO ERROR" : "error", MPI_Wtime() - begun);
    fflush(stdout);
    /* Without MPI_Finalize: the MPI underneath has lost its network, too, when the interface is down. All
     * have time to report before the first one ends the job by leaving. */
    while (MPI_Wtime() - begun < (rank == size - 1 ? 15 : late + 15))
        usleep(100000);
    _exit(0);
}
