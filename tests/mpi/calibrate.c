/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints what runs each collective at each size, the same on all ranks of the world and of its halves, and
 * checks results and that ranks are where they were. */
#include "vcoll/vcoll.h"

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 30, LONGEST = 1 << 20 };

static void fail(const char *what)
{
    fprintf(stderr, "FAIL: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Three collectives set it up. */
static void use(MPI_Comm comm)
{
    int size;
    static double in[LONGEST / 8], out[LONGEST / 8];
    MPI_Comm_size(comm, &size);
    for (int count = 1; count <= LONGEST / 8; count *= 8) {
        for (int i = 0; i < count; i++)
            in[i] = i;
        MPI_Allreduce(in, out, count, MPI_DOUBLE, MPI_SUM, comm);
        for (int i = 0; i < count; i++)
            if (out[i] != (double)i * size)
                fail("a wrong sum");
    }
}

/* All sizes' algorithms in one line, in memory of its own. */
static char *describe(MPI_Comm comm, const char *coll)
{
    char *line = calloc(1, SIZES * 48);
    for (int i = 0; i < SIZES; i++) {
        unsigned long long bytes = 512ull << i / 2;
        const char *alg = vcoll_comm_algorithm(&comm, coll, i % 2 ? bytes + bytes / 2 : bytes);
        strcat(line, i ? " " : "");
        strncat(line, alg ? alg : "?", 40);
    }
    return line;
}

static void check(MPI_Comm comm, const char *name, int prints)
{
    static const char *const colls[] = {"bcast", "reduce", "allreduce", "allgather", "alltoall"};
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    use(comm);
    for (int c = 0; c < 5; c++) {
        char *mine = describe(comm, colls[c]), *firsts = calloc(1, SIZES * 48);
        if (rank == 0)
            strcpy(firsts, mine);
        MPI_Bcast(firsts, SIZES * 48, MPI_CHAR, 0, comm);
        if (strcmp(mine, firsts) != 0)
            fail("ranks differ in what they run");
        if (prints)
            printf("%s %s of %d: %s\n", name, colls[c], size, mine);
        free(mine);
        free(firsts);
    }
}

int main(int argc, char **argv)
{
    cpu_set_t before, after;
    MPI_Comm half;
    int rank;
    sched_getaffinity(0, sizeof before, &before);
    MPI_Init(&argc, &argv);
    sched_getaffinity(0, sizeof after, &after);
    if (!CPU_EQUAL(&before, &after))
        fail("a rank may use other CPUs than before MPI_Init");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    check(MPI_COMM_WORLD, "world", rank == 0);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
    check(half, "half", rank == 0);
    MPI_Comm_free(&half);
    MPI_Finalize();
    return 0;
}
