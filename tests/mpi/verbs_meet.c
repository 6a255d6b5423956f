/* SPDX-License-Identifier: BSD-3-Clause */
/* Every pair of ranks exchanges messages of its own: alltoalls of long blocks, and broadcasts from every
 * root. With an argument: those of each half of the ranks. */
#include "law.h"

enum { BLOCK = 600 };

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm comm = MPI_COMM_WORLD;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    if (argc > 1) {
        MPI_Comm_split(MPI_COMM_WORLD, 2 * rank / size, 0, &comm);
        MPI_Comm_rank(comm, &rank);
        MPI_Comm_size(comm, &size);
    }
    law_stage = "all pairs";
    law_watchdog(80);
    int *out = malloc((size_t)size * BLOCK * sizeof *out), *in = malloc((size_t)size * BLOCK * sizeof *in);
    LAW_CHECK(out && in, "memory");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < size * BLOCK; i++)
            out[i] = rank * 1000 + i / BLOCK + round;
        LAW_CHECK(MPI_Alltoall(out, BLOCK, MPI_INT, in, BLOCK, MPI_INT, comm) == MPI_SUCCESS, "alltoall %d",
                  round);
        for (int i = 0; i < size * BLOCK; i++)
            LAW_CHECK(in[i] == i / BLOCK * 1000 + rank + round, "alltoall %d: [%d] is %d", round, i, in[i]);
    }
    for (int root = 0; root < size; root++) {
        for (int i = 0; i < BLOCK; i++)
            in[i] = rank == root ? root * BLOCK + i : -1;
        LAW_CHECK(MPI_Bcast(in, BLOCK, MPI_INT, root, comm) == MPI_SUCCESS, "bcast from %d", root);
        for (int i = 0; i < BLOCK; i++)
            LAW_CHECK(in[i] == root * BLOCK + i, "bcast from %d: [%d] is %d", root, i, in[i]);
    }
    free(out);
    free(in);
    if (argc > 1)
        MPI_Comm_free(&comm);
    MPI_Finalize();
    return 0;
}
