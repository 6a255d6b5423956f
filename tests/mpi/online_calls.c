/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * online_calls steady N: N allreduces of one size on the world, five times as many on one of two ranks
 * that is freed. online_calls mix N: N calls of all six collectives, sizes, roots and operators. All results
 * are checked.
 */
#include <mpi.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 6000 }; /* elements of a block */

static int rank, size;
static long wrong;
static uint64_t state = 1;
static MPI_Op left;

static unsigned draw(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static void check(bool ok, const char *what, long call, long got, long want)
{
    if (ok)
        return;
    if (wrong++ == 0)
        fprintf(stderr, "rank %d, call %ld: %s gave %ld instead of %ld\n", rank, call, what, got, want);
}

/* Element i of rank r in a call. */
static int value(long call, int r, int i)
{
    return (int)((call * 31 + r * 7 + i) % 1000);
}

/* Associative but not commutative: the composition of x -> ax + b, modulo a prime, over pairs. */
static void compose(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const int *x = in;
    int *y = inout;
    (void)type;
    for (int i = 0; i < 2 * *len; i += 2) {
        int a = (int)((long)x[i] * y[i] % 10007), b = (int)(((long)x[i + 1] * y[i] + y[i + 1]) % 10007);
        y[i] = a;
        y[i + 1] = b;
    }
}

/* ---- one size ---- */

static void steady(MPI_Comm comm, long calls, int n)
{
    int r, p;
    double in[64], out[64];
    MPI_Comm_rank(comm, &r);
    MPI_Comm_size(comm, &p);
    for (long c = 0; c < calls; c++) {
        for (int i = 0; i < n; i++)
            in[i] = value(c, r, i);
        MPI_Allreduce(in, out, n, MPI_DOUBLE, MPI_SUM, comm);
        for (int i = 0; i < n; i += n - 1) {
            double want = 0;
            for (int q = 0; q < p; q++)
                want += value(c, q, i);
            check(out[i] == want, "allreduce", c, (long)out[i], (long)want);
        }
    }
}

/* ---- everything ---- */

static int *in, *out;

static void do_bcast(long c, int n, int root)
{
    for (int i = 0; i < n; i++)
        out[i] = rank == root ? value(c, root, i) : -1;
    MPI_Bcast(out, n, MPI_INT, root, MPI_COMM_WORLD);
    for (int i = 0; i < n; i++)
        check(out[i] == value(c, root, i), "bcast", c, out[i], value(c, root, i));
}

static long sum(long c, int i)
{
    long s = 0;
    for (int r = 0; r < size; r++)
        s += value(c, r, i);
    return s;
}

static void do_sum(long c, int n, int root)
{
    for (int i = 0; i < n; i++)
        in[i] = value(c, rank, i);
    if (root < 0)
        MPI_Allreduce(in, out, n, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    else
        MPI_Reduce(in, out, n, MPI_INT, MPI_SUM, root, MPI_COMM_WORLD);
    for (int i = 0; (root < 0 || rank == root) && i < n; i++)
        check(out[i] == sum(c, i), root < 0 ? "allreduce" : "reduce", c, out[i], sum(c, i));
}

static void do_compose(long c, int n, int root)
{
    for (int i = 0; i < 2 * n; i++)
        in[i] = value(c, rank, i) + 1;
    if (root < 0)
        MPI_Allreduce(in, out, n, MPI_2INT, left, MPI_COMM_WORLD);
    else
        MPI_Reduce(in, out, n, MPI_2INT, left, root, MPI_COMM_WORLD);
    for (int i = 0; (root < 0 || rank == root) && i < n; i++) {
        int want[2] = {value(c, size - 1, 2 * i) + 1, value(c, size - 1, 2 * i + 1) + 1}, one = 1;
        for (int r = size - 2; r >= 0; r--) {
            int x[2] = {value(c, r, 2 * i) + 1, value(c, r, 2 * i + 1) + 1};
            compose(x, want, &one, NULL);
        }
        check(out[2 * i] == want[0] && out[2 * i + 1] == want[1], "a user's operator", c, out[2 * i],
              want[0]);
    }
}

static void do_allgather(long c, int n)
{
    for (int i = 0; i < n; i++)
        in[i] = value(c, rank, i);
    MPI_Allgather(in, n, MPI_INT, out, n, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++)
        check(out[i] == value(c, i / n, i % n), "allgather", c, out[i], value(c, i / n, i % n));
}

static void do_alltoall(long c, int n)
{
    for (int i = 0; i < n * size; i++)
        in[i] = value(c, rank, i);
    MPI_Alltoall(in, n, MPI_INT, out, n, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++) {
        int want = value(c, i / n, rank * n + i % n);
        check(out[i] == want, "alltoall", c, out[i], want);
    }
}

static void mix(long calls)
{
    static const int counts[] = {1, 2, 3, 16, 250, 257, 2048};
    in = calloc((size_t)MOST * (size_t)size, sizeof *in);
    out = calloc((size_t)MOST * (size_t)size, sizeof *out);
    MPI_Op_create(compose, 0, &left);
    for (long c = 0; c < calls; c++) {
        int n = counts[draw(7)], root = draw(4) ? 0 : (int)draw((unsigned)size);
        switch (draw(8)) {
        case 0:
            MPI_Barrier(MPI_COMM_WORLD);
            break;
        case 1:
            do_bcast(c, n, root);
            break;
        case 2:
            do_sum(c, n, root);
            break;
        case 3:
            do_allgather(c, n);
            break;
        case 4:
            do_alltoall(c, n);
            break;
        case 5:
            do_compose(c, n, draw(2) ? root : -1);
            break;
        default:
            do_sum(c, n, -1);
        }
    }
    MPI_Op_free(&left);
    free(in);
    free(out);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    long calls = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (calls <= 0 || (strcmp(argv[1], "steady") != 0 && strcmp(argv[1], "mix") != 0)) {
        fprintf(stderr, "usage: online_calls steady|mix CALLS\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    if (!strcmp(argv[1], "mix")) {
        mix(calls);
    } else {
        MPI_Comm pair;
        steady(MPI_COMM_WORLD, calls, 64);
        MPI_Comm_split(MPI_COMM_WORLD, rank < 2 ? 0 : MPI_UNDEFINED, rank, &pair);
        if (pair != MPI_COMM_NULL) {
            steady(pair, 5 * calls, 8);
            MPI_Comm_free(&pair);
        }
    }
    long all = 0;
    MPI_Allreduce(&wrong, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0 && all == 0)
        printf("ok\n");
    MPI_Finalize();
    return all != 0 || wrong != 0;
}
