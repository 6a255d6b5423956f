/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_young loop|living ROUNDS CALLS FACTOR: communicators that do not live long, or that are many, cost
 * about what they cost without vcoll (Law 8). `loop` makes, uses and frees them one by one, `living` a block
 * of them at once. The same with the underlying MPI's own functions alternates with it, and the best blocks
 * of both are compared: what else the machine does hits both. Fails when vcoll takes FACTOR times as long.
 */
#include "law.h"

enum { BLOCKS = 100 }; /* short ones: some of them meet nothing else that the machine does */

static int (*native)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static void use(MPI_Comm comm, int calls, int vcoll)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    for (int k = 0; k < calls; k++) {
        long x = rank + k, y = -1;
        (vcoll ? MPI_Allreduce : native)(&x, &y, 1, MPI_LONG, MPI_SUM, comm);
        LAW_CHECK(y == (long)size * (size - 1) / 2 + (long)size * k, "sum %ld in call %d", y, k);
    }
}

static double block(int rounds, int calls, int vcoll, int living)
{
    MPI_Comm *comm = malloc(sizeof *comm * (size_t)rounds);
    double mine, most;
    native(&(long){0}, &(long){0}, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    mine = MPI_Wtime();
    for (int i = 0; i < rounds; i++) {
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
        use(comm[i], calls, vcoll);
        if (!living)
            MPI_Comm_free(&comm[i]);
    }
    for (int i = 0; living && i < rounds; i++)
        MPI_Comm_free(&comm[i]);
    mine = MPI_Wtime() - mine;
    native(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    free(comm);
    return most / rounds * 1e6;
}

int main(int argc, char **argv)
{
    double best[2] = {1e9, 1e9};
    int rank;
    MPI_Init(&argc, &argv);
    law_watchdog(100);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    law_stage = "communicators";
    *(void **)&native = law_native("Allreduce", NULL);
    int living = argc > 1 && strcmp(argv[1], "living") == 0;
    int rounds = (int)law_arg(argc, argv, 2, 200), calls = (int)law_arg(argc, argv, 3, 10);
    double factor = argc > 4 ? atof(argv[4]) : 1.3;
    LAW_CHECK(native, "this program compares vcoll with the MPI under it: preload it");
    for (int i = 0; i < 2 * BLOCKS; i++) {
        double t = block(rounds, calls, i % 2, living);
        if (t < best[i % 2])
            best[i % 2] = t;
    }
    if (rank == 0)
        printf("%s: %.2f us native, %.2f us with vcoll: %.2f times\n", argv[1], best[0], best[1],
               best[1] / best[0]);
    LAW_CHECK(best[1] <= factor * best[0], "%.2f us became %.2f us", best[0], best[1]);
    MPI_Finalize();
    return 0;
}
