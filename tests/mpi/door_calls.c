/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls each of the 17 collectives ten times, for the tests that read the statistics. */
#include "door.h"

int main(int argc, char **argv)
{
    enum { TIMES = 10, MAX = 16 };
    int in[MAX], out[MAX], counts[MAX], displs[MAX];
    MPI_Datatype types[MAX];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    CHECK(size <= MAX);
    for (int i = 0; i < MAX; i++) {
        in[i] = rank + i;
        counts[i] = 1;
        displs[i] = i;
        types[i] = MPI_INT;
    }
    int bytes[MAX];
    for (int i = 0; i < MAX; i++)
        bytes[i] = 4 * i;
    for (int i = 0; i < TIMES; i++) {
        MPI_Comm w = MPI_COMM_WORLD;
        MPI_Barrier(w);
        MPI_Bcast(out, 1, MPI_INT, 0, w);
        MPI_Reduce(in, out, 1, MPI_INT, MPI_SUM, 0, w);
        MPI_Allreduce(in, out, 1, MPI_INT, MPI_SUM, w);
        MPI_Allgather(in, 1, MPI_INT, out, 1, MPI_INT, w);
        MPI_Alltoall(in, 1, MPI_INT, out, 1, MPI_INT, w);
        MPI_Gather(in, 1, MPI_INT, out, 1, MPI_INT, 0, w);
        MPI_Gatherv(in, 1, MPI_INT, out, counts, displs, MPI_INT, 0, w);
        MPI_Scatter(in, 1, MPI_INT, out, 1, MPI_INT, 0, w);
        MPI_Scatterv(in, counts, displs, MPI_INT, out, 1, MPI_INT, 0, w);
        MPI_Allgatherv(in, 1, MPI_INT, out, counts, displs, MPI_INT, w);
        MPI_Alltoallv(in, counts, displs, MPI_INT, out, counts, displs, MPI_INT, w);
        MPI_Alltoallw(in, counts, bytes, types, out, counts, bytes, types, w);
        MPI_Reduce_scatter(in, out, counts, MPI_INT, MPI_SUM, w);
        MPI_Reduce_scatter_block(in, out, 1, MPI_INT, MPI_SUM, w);
        MPI_Scan(in, out, 1, MPI_INT, MPI_SUM, w);
        MPI_Exscan(in, out, 1, MPI_INT, MPI_SUM, w);
    }
    MPI_Finalize();
    return 0;
}
