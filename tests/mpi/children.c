/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program that runs under MPI hands to those it starts. Prints LD_PRELOAD as a child finds it, before
 * and after MPI_Init, and after MPI_Finalize. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static void child(const char *when)
{
    printf("%s: ", when);
    fflush(stdout);
    if (system("echo \"${LD_PRELOAD-none}\"") != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    int x = 1, sum;
    child("before");
    MPI_Init(&argc, &argv);
    child("within");
    for (int i = 0; i < 5; i++)
        MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Finalize();
    child("after");
    return 0;
}
