/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What MPI promises beyond plain buffers: MPI_IN_PLACE, types with gaps that stay untouched, different types
 * of one signature, nothing to move, MPI_BOTTOM, user operators that do not commute, pairs. Each several
 * times, so that set-up happens in the middle.
 */
#include "door.h"

enum { ROUNDS = 4 };
static const unsigned char FILL = 0xa5;

struct gap { /* a resized type: 4 bytes of data, 8 of gap */
    int v;
    unsigned char gap[8];
};
static MPI_Datatype gap_type, pair_type;

static void make_types(void)
{
    MPI_Type_create_resized(MPI_INT, 0, sizeof(struct gap), &gap_type);
    MPI_Type_commit(&gap_type);
    MPI_Type_contiguous(2, MPI_INT, &pair_type);
    MPI_Type_commit(&pair_type);
}

static struct gap *gaps(int n)
{
    struct gap *g = malloc((size_t)n * sizeof *g + 1);
    memset(g, FILL, (size_t)n * sizeof *g + 1);
    return g;
}

static int untouched(const struct gap *g, int n)
{
    for (int i = 0; i < n; i++)
        for (size_t b = 0; b < sizeof g->gap; b++)
            if (g[i].gap[b] != FILL)
                return 0;
    return 1;
}

static void bcast(int n, int root)
{
    struct gap *g = gaps(n);
    int *plain = malloc(((size_t)n + 1) * sizeof *plain);
    for (int i = 0; i < n; i++)
        plain[i] = rank == root ? root + i : -1;
    /* The root sends plain integers (as pairs, where they come out even), odd ranks receive into gaps. */
    if (rank % 2 && rank != root) {
        MPI_Bcast(g, n, gap_type, root, MPI_COMM_WORLD);
        for (int i = 0; i < n; i++)
            CHECK(g[i].v == root + i);
        CHECK(untouched(g, n));
    } else {
        if (n % 2 == 0)
            MPI_Bcast(plain, n / 2, pair_type, root, MPI_COMM_WORLD);
        else
            MPI_Bcast(plain, n, MPI_INT, root, MPI_COMM_WORLD);
        for (int i = 0; i < n; i++)
            CHECK(plain[i] == root + i);
    }
    free(g);
    free(plain);
}

static void bcast_bottom(void)
{
    int a = rank == 0 ? 11 : 0, b = rank == 0 ? 22 : 0, ones[2] = {1, 1};
    MPI_Aint at[2];
    MPI_Datatype both;
    MPI_Get_address(&a, &at[0]);
    MPI_Get_address(&b, &at[1]);
    MPI_Type_create_hindexed(2, ones, at, MPI_INT, &both);
    MPI_Type_commit(&both);
    MPI_Bcast(MPI_BOTTOM, 1, both, 0, MPI_COMM_WORLD);
    MPI_Type_free(&both);
    CHECK(a == 11 && b == 22);
}

static void allgather(int n)
{
    int *out = malloc((size_t)(n * size + 1) * sizeof *out), *in = malloc((size_t)(n + 1) * sizeof *in);
    struct gap *g = gaps(n * size);
    for (int i = 0; i < n; i++)
        in[i] = rank * 100 + i;
    MPI_Allgather(in, n, MPI_INT, g, n, gap_type, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++)
        CHECK(g[i].v == i / n * 100 + i % n);
    CHECK(untouched(g, n * size));
    for (int i = 0; i < n * size; i++)
        g[i].v = i / n == rank ? 7 * rank + i % n : -1;
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, g, n, gap_type, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++)
        CHECK(g[i].v == 7 * (i / n) + i % n);
    CHECK(untouched(g, n * size));
    for (int i = 0; i < n * size; i++)
        out[i] = i / n == rank ? rank + i % n : -1;
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, n, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++)
        CHECK(out[i] == i / n + i % n);
    free(out);
    free(in);
    free(g);
}

static void alltoall(int n)
{
    int *out = malloc((size_t)(n * size + 1) * sizeof *out);
    struct gap *g = gaps(n * size), *h = gaps(n * size);
    for (int i = 0; i < n * size; i++)
        out[i] = g[i].v = rank * 1000 + i;
    MPI_Alltoall(g, n, gap_type, h, n, gap_type, MPI_COMM_WORLD);
    MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, n, MPI_INT, MPI_COMM_WORLD);
    MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, g, n, gap_type, MPI_COMM_WORLD);
    for (int i = 0; i < n * size; i++) {
        int want = i / n * 1000 + rank * n + i % n;
        CHECK(h[i].v == want && out[i] == want && g[i].v == want);
    }
    CHECK(untouched(g, n * size) && untouched(h, n * size));
    free(out);
    free(g);
    free(h);
}

/* 2x2 matrices modulo 251: does not commute. */
static void matmul(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const int *a = in;
    int *b = inout;
    (void)type;
    for (int i = 0; i < *len; i++, a += 4, b += 4) {
        int c[4] = {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
                    a[2] * b[1] + a[3] * b[3]};
        for (int j = 0; j < 4; j++)
            b[j] = c[j] % 251;
    }
}

static void add_gaps(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const struct gap *a = in;
    struct gap *b = inout;
    (void)type;
    for (int i = 0; i < *len; i++)
        b[i].v += a[i].v;
}

static void user_ops(int n, int root)
{
    MPI_Op mul, add;
    MPI_Datatype matrix;
    MPI_Op_create(matmul, 0, &mul);
    MPI_Op_create(add_gaps, 1, &add);
    MPI_Type_contiguous(4, MPI_INT, &matrix);
    MPI_Type_commit(&matrix);
    int *in = malloc((size_t)n * 16 + 1), *out = malloc((size_t)n * 16 + 1),
        *want = malloc((size_t)n * 16 + 1);
    for (int i = 0; i < 4 * n; i++) {
        in[i] = (rank * 7 + i * 3 + 1) % 251;
        want[i] = (i * 3 + 1) % 251;
    }
    for (int r = 1; r < size; r++) {
        int *next = malloc((size_t)n * 16 + 1);
        for (int i = 0; i < 4 * n; i++)
            next[i] = (r * 7 + i * 3 + 1) % 251;
        matmul(want, next, &n, NULL);
        memcpy(want, next, (size_t)n * 16);
        free(next);
    }
    MPI_Allreduce(in, out, n, matrix, mul, MPI_COMM_WORLD);
    CHECK(memcmp(out, want, (size_t)n * 16) == 0);
    memset(out, 0, (size_t)n * 16);
    MPI_Reduce(in, rank == root ? out : NULL, n, matrix, mul, root, MPI_COMM_WORLD);
    CHECK(rank != root || memcmp(out, want, (size_t)n * 16) == 0);
    MPI_Allreduce(MPI_IN_PLACE, in, n, matrix, mul, MPI_COMM_WORLD);
    CHECK(memcmp(in, want, (size_t)n * 16) == 0);

    struct gap *g = gaps(n), *h = gaps(n);
    for (int i = 0; i < n; i++)
        g[i].v = rank + i;
    MPI_Allreduce(g, h, n, gap_type, add, MPI_COMM_WORLD);
    for (int i = 0; i < n; i++)
        CHECK(h[i].v == size * (size - 1) / 2 + size * i);
    CHECK(untouched(h, n));
    MPI_Reduce(rank == root ? MPI_IN_PLACE : (void *)g, g, n, gap_type, add, root, MPI_COMM_WORLD);
    for (int i = 0; i < n && rank == root; i++)
        CHECK(g[i].v == h[i].v);
    CHECK(untouched(g, n));
    free(in);
    free(out);
    free(want);
    free(g);
    free(h);
    MPI_Type_free(&matrix);
    MPI_Op_free(&mul);
    MPI_Op_free(&add);
}

static void pairs(int n)
{
    struct pair {
        double v;
        int i;
        unsigned char gap[4];
    } *in = malloc((size_t)n * sizeof *in + 1), *out = malloc((size_t)n * sizeof *out + 1);
    memset(out, FILL, (size_t)n * sizeof *out);
    for (int i = 0; i < n; i++) {
        in[i].v = (rank * 5 + i) % 7;
        in[i].i = rank;
    }
    MPI_Allreduce(in, out, n, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
    for (int i = 0; i < n; i++) {
        int best = 0;
        for (int r = 1; r < size; r++)
            if ((r * 5 + i) % 7 > (best * 5 + i) % 7)
                best = r;
        CHECK(out[i].v == (best * 5 + i) % 7 && out[i].i == best);
        for (int b = 0; b < 4; b++)
            CHECK(out[i].gap[b] == FILL);
    }
    free(in);
    free(out);
}

static void plain(int n, int root)
{
    int *in = malloc((size_t)(n + 1) * sizeof *in), *out = malloc((size_t)(n + 1) * sizeof *out);
    for (int i = 0; i < n; i++)
        in[i] = rank * i + 1;
    MPI_Allreduce(in, out, n, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Reduce(rank == root ? MPI_IN_PLACE : (void *)in, rank == root ? in : NULL, n, MPI_INT, MPI_SUM, root,
               MPI_COMM_WORLD);
    for (int i = 0; i < n; i++) {
        CHECK(out[i] == size * (size - 1) / 2 * i + size);
        CHECK(rank != root || in[i] == out[i]);
    }
    free(in);
    free(out);
}

static void nothing(void)
{
    MPI_Datatype none;
    int x = 5;
    MPI_Type_contiguous(0, MPI_INT, &none);
    MPI_Type_commit(&none);
    MPI_Bcast(&x, 3, none, 0, MPI_COMM_WORLD);
    MPI_Allgather(&x, 2, none, &x, 2, none, MPI_COMM_WORLD);
    MPI_Alltoall(NULL, 0, MPI_INT, NULL, 0, MPI_INT, MPI_COMM_WORLD);
    MPI_Allreduce(NULL, NULL, 0, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Bcast(NULL, 0, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    MPI_Type_free(&none);
    CHECK(x == 5);
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 3, 64, 5000, 40000};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    make_types();
    for (int round = 0; round < ROUNDS; round++) {
        MPI_Barrier(MPI_COMM_WORLD);
        bcast_bottom();
        nothing();
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            int n = counts[c], root = (round + n) % size;
            bcast(n, root);
            allgather(n);
            alltoall(n);
            plain(n, root);
            user_ops(n < 5000 ? n : 5000, root);
            pairs(n);
        }
    }
    MPI_Type_free(&gap_type);
    MPI_Type_free(&pair_type);
    MPI_Finalize();
    return 0;
}
