/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instructions CALLS PAUSE: so many collectives of 8 bytes of each kind, each in a function of its own, whose
 * instructions instructions.sh counts in rank 0. Before each call rank 0 sleeps PAUSE microseconds, so that
 * the others are there already, and it polls nothing in vain.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_RANKS = 64 };

static double in[MOST_RANKS], out[MOST_RANKS];
static MPI_Request request;

/* Prototypes, because the functions are not static: callgrind knows them by their names. */
#define MEASURED(name, call)                                                                                 \
    __attribute__((noinline)) void measured_##name(void);                                                    \
    __attribute__((noinline)) void measured_##name(void)                                                     \
    {                                                                                                        \
        call;                                                                                                \
    }

MEASURED(allreduce, MPI_Allreduce(in, out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD))
MEASURED(barrier, MPI_Barrier(MPI_COMM_WORLD))
MEASURED(bcast_root, MPI_Bcast(in, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD))
MEASURED(bcast_other, MPI_Bcast(in, 1, MPI_DOUBLE, 1, MPI_COMM_WORLD))
MEASURED(reduce_root, MPI_Reduce(in, out, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD))
MEASURED(reduce_other, MPI_Reduce(in, out, 1, MPI_DOUBLE, MPI_SUM, 1, MPI_COMM_WORLD))
MEASURED(allgather, MPI_Allgather(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, MPI_COMM_WORLD))
MEASURED(alltoall, MPI_Alltoall(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, MPI_COMM_WORLD))
MEASURED(gather_root, MPI_Gather(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD))
MEASURED(gather_other, MPI_Gather(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, 1, MPI_COMM_WORLD))
MEASURED(scatter_root, MPI_Scatter(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD))
MEASURED(scatter_other, MPI_Scatter(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, 1, MPI_COMM_WORLD))
/* Posted, and at once waited for. */
#define MEASURED_POSTED(name, ...) MEASURED(name, MPI_##__VA_ARGS__; MPI_Wait(&request, MPI_STATUS_IGNORE))
MEASURED_POSTED(iallreduce, Iallreduce(in, out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD, &request))
MEASURED_POSTED(ibcast_root, Ibcast(in, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD, &request))
MEASURED_POSTED(ibcast_other, Ibcast(in, 1, MPI_DOUBLE, 1, MPI_COMM_WORLD, &request))
MEASURED_POSTED(ialltoall, Ialltoall(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, MPI_COMM_WORLD, &request))

static void (*const measured[])(void) = {
    measured_allreduce,   measured_barrier,      measured_bcast_root,   measured_bcast_other,
    measured_reduce_root, measured_reduce_other, measured_allgather,    measured_alltoall,
    measured_gather_root, measured_gather_other, measured_scatter_root, measured_scatter_other,
    measured_iallreduce,  measured_ibcast_root,  measured_ibcast_other, measured_ialltoall,
};

/* Not under the names that are counted. */
static void warm_up(void)
{
    for (int i = 0; i < 200; i++) {
        MPI_Allreduce(in, out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Bcast(in, 1, MPI_DOUBLE, i % 2, MPI_COMM_WORLD);
        MPI_Reduce(in, out, 1, MPI_DOUBLE, MPI_SUM, i % 2, MPI_COMM_WORLD);
        MPI_Allgather(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, MPI_COMM_WORLD);
        MPI_Alltoall(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, MPI_COMM_WORLD);
        MPI_Gather(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, i % 2, MPI_COMM_WORLD);
        MPI_Scatter(in, 1, MPI_DOUBLE, out, 1, MPI_DOUBLE, i % 2, MPI_COMM_WORLD);
    }
}

int main(int argc, char **argv)
{
    long calls = argc > 1 ? atol(argv[1]) : 40, pause = argc > 2 ? atol(argv[2]) : 500;
    const struct timespec nap = {pause / 1000000, pause % 1000000 * 1000};
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size < 2 || size > MOST_RANKS) {
        fprintf(stderr, "2 to %d ranks\n", MOST_RANKS);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    warm_up();
    for (size_t k = 0; k < sizeof measured / sizeof measured[0]; k++)
        for (long i = 0; i < calls; i++) {
            MPI_Barrier(MPI_COMM_WORLD);
            if (rank == 0)
                nanosleep(&nap, NULL);
            measured[k]();
        }
    MPI_Finalize();
    return 0;
}
