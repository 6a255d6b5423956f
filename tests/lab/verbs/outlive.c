/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Six collectives of several sizes, all results checked, while somebody takes the RDMA device of one machine
 * away and gives it back: outlive DIRECTORY. Rank 0 writes the number of rounds to DIRECTORY/rounds, and all
 * end after the round in which DIRECTORY/stop is there. Prints the longest call of all ranks. Any error of
 * the MPI ends the job.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 40000, SIZES = 4, WHATS = 6 };

static const int sizes[SIZES] = {1, 60, 3000, LONGEST}; /* longs: slots, several of them, and by rendezvous */
static const char *const names[WHATS] = {"barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"};
static long *in, *out;
static int rank, ranks;
static struct {
    double s;
    int what, bytes;
} longest;

static void wrong(int what, int n, int i, long got, long want)
{
    printf("WRONG RESULT: rank %d, %s of %d longs: element %d is %ld, not %ld\n", rank, names[what], n, i,
           got, want);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* What rank `from` sends in element i of this round. */
static long sent(int from, int i, long round)
{
    return round * 1000003 + from * 7919L + i;
}

static void check(int what, int n, int from, int first, long scale, long round)
{
    for (int i = 0; i < n; i++) {
        long want = scale == 1 ? sent(from, i, round) : 0;
        for (int r = 0; scale > 1 && r < ranks; r++)
            want += sent(r, i, round);
        if (out[first + i] != want)
            wrong(what, n, i, out[first + i], want);
    }
}

static void fill(int n, long round, int blocks)
{
    for (int b = 0; b < blocks; b++)
        for (int i = 0; i < n; i++)
            in[b * n + i] = sent(rank, i, round);
    memset(out, 0xff, (size_t)n * (size_t)ranks * sizeof *out);
}

/* One checked collective; its time is noted. */
static void call(int what, int n, long round)
{
    int root = (int)(round % ranks);
    fill(n, round, what == 5 ? ranks : 1);
    if (what == 1)
        memcpy(out, in, (size_t)n * sizeof *out);
    double begun = MPI_Wtime();
    switch (what) {
    case 0:
        MPI_Barrier(MPI_COMM_WORLD);
        break;
    case 1:
        MPI_Bcast(out, n, MPI_LONG, root, MPI_COMM_WORLD);
        break;
    case 2:
        MPI_Reduce(in, out, n, MPI_LONG, MPI_SUM, root, MPI_COMM_WORLD);
        break;
    case 3:
        MPI_Allreduce(in, out, n, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
        break;
    case 4:
        MPI_Allgather(in, n, MPI_LONG, out, n, MPI_LONG, MPI_COMM_WORLD);
        break;
    default:
        MPI_Alltoall(in, n, MPI_LONG, out, n, MPI_LONG, MPI_COMM_WORLD);
    }
    double s = MPI_Wtime() - begun;
    if (s > longest.s) {
        longest.s = s;
        longest.what = what;
        longest.bytes = n * (int)sizeof(long);
    }
    if (what == 1)
        check(what, n, root, 0, 1, round);
    if (what == 3 || (what == 2 && rank == root))
        check(what, n, 0, 0, ranks, round);
    for (int r = 0; what >= 4 && r < ranks; r++)
        check(what, n, r, r * n, 1, round);
}

/* Told in a file that is replaced at once, never half written. */
static void tell_rounds(const char *dir, long round)
{
    char path[512], next[512];
    snprintf(path, sizeof path, "%s/rounds", dir);
    snprintf(next, sizeof next, "%s/rounds.next", dir);
    FILE *f = fopen(next, "w");
    if (!f)
        return;
    fprintf(f, "%ld\n", round);
    if (fclose(f) == 0)
        rename(next, path);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : ".";
    char stop[512];
    int go = 1;
    long round = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    in = malloc((size_t)LONGEST * (size_t)ranks * sizeof *in);
    out = malloc((size_t)LONGEST * (size_t)ranks * sizeof *out);
    if (!in || !out)
        MPI_Abort(MPI_COMM_WORLD, 1);
    snprintf(stop, sizeof stop, "%s/stop", dir);
    for (; go; round++) {
        for (int what = 0; what < WHATS; what++)
            call(what, what == 0 ? 1 : sizes[(round + what) % SIZES], round);
        if (rank == 0) {
            tell_rounds(dir, round);
            go = access(stop, F_OK) != 0;
        }
        MPI_Bcast(&go, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    struct {
        double s;
        int rank;
    } mine = {longest.s, rank}, all;
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
    if (rank == all.rank)
        printf("%ld rounds of six collectives; longest call %.2f s: %s of %d bytes on rank %d\n", round,
               longest.s, names[longest.what], longest.bytes, rank);
    free(in);
    free(out);
    MPI_Finalize();
    return 0;
}
