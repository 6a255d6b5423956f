/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gaps_cost [CALLS [WHICH]]: what collectives of types with gaps take: the slowest rank's time from a common
 * start, the median of the calls; up to 4 MiB, but 64 KiB of at most 3 CALLS. WHICH: those whose names begin
 * so. Run it with vcoll preloaded and without, in turns.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1001, KINDS = 10, LAYOUTS = 3, RANKS = 64 };

static char *in, *out;

static MPI_Datatype with_extent(MPI_Datatype type, MPI_Aint extent)
{
    MPI_Datatype t;
    MPI_Type_create_resized(type, 0, extent, &t);
    MPI_Type_free(&type);
    return t;
}

/* `bytes` of data in twice as much memory; *count elements of the type. */
static MPI_Datatype make_type(int layout, int bytes, int *count)
{
    int n = bytes / 8, size[2] = {n / 64, 128}, part[2] = {n / 64, 64}, from[2] = {0, 32};
    MPI_Datatype t;
    *count = 1;
    if (layout == 0) {
        MPI_Type_vector(n, 1, 2, MPI_DOUBLE, &t);
        t = with_extent(t, 2 * bytes);
    } else if (layout == 1) {
        MPI_Type_contiguous(16, MPI_DOUBLE, &t);
        t = with_extent(t, 256);
        *count = n / 16;
    } else {
        MPI_Type_create_subarray(2, size, part, from, MPI_ORDER_C, MPI_DOUBLE, &t);
    }
    MPI_Type_commit(&t);
    return t;
}

static const char *const kinds[KINDS] = {"bcast",     "allgather", "alltoall", "ibcast",     "iallgather",
                                         "ialltoall", "gatherv",   "scatterv", "allgatherv", "alltoallv"};

static void call(int kind, int count, MPI_Datatype type, int root)
{
    static int counts[RANKS], displs[RANKS];
    MPI_Comm w = MPI_COMM_WORLD;
    MPI_Request req = MPI_REQUEST_NULL;
    for (int r = 0; r < RANKS; r++) {
        counts[r] = count;
        displs[r] = r * count;
    }
    switch (kind) {
    case 0:
        MPI_Bcast(in, count, type, root, w);
        break;
    case 1:
        MPI_Allgather(in, count, type, out, count, type, w);
        break;
    case 2:
        MPI_Alltoall(in, count, type, out, count, type, w);
        break;
    case 3:
        MPI_Ibcast(in, count, type, root, w, &req);
        break;
    case 4:
        MPI_Iallgather(in, count, type, out, count, type, w, &req);
        break;
    case 5:
        MPI_Ialltoall(in, count, type, out, count, type, w, &req);
        break;
    case 6:
        MPI_Gatherv(in, count, type, out, counts, displs, type, root, w);
        break;
    case 7:
        MPI_Scatterv(in, counts, displs, type, out, count, type, root, w);
        break;
    case 8:
        MPI_Allgatherv(in, count, type, out, counts, displs, type, w);
        break;
    default:
        MPI_Alltoallv(in, counts, displs, type, out, counts, displs, type, w);
        break;
    }
    MPI_Wait(&req, MPI_STATUS_IGNORE);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median, in seconds. */
static double measure(int kind, int count, MPI_Datatype type, int calls, int size)
{
    static double took[MOST];
    for (int i = -4; i < calls; i++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double begun = MPI_Wtime(), mine, most;
        call(kind, count, type, i % 2 ? 0 : size - 1);
        mine = MPI_Wtime() - begun;
        MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        if (i >= 0)
            took[i] = most;
    }
    qsort(took, (size_t)calls, sizeof *took, by_value);
    return took[calls / 2];
}

int main(int argc, char **argv)
{
    static const char *const layouts[LAYOUTS] = {"every second double", "16 of 32 doubles",
                                                 "half of each row"};
    int most = argc > 1 ? atoi(argv[1]) : 100, bytes_most = most <= 3 ? 65536 : 4 << 20, rank, size, count;
    const char *which = argc > 2 ? argv[2] : "";
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    in = calloc((size_t)size, 2 * (size_t)bytes_most);
    out = calloc((size_t)size, 2 * (size_t)bytes_most);
    for (int l = 0; in && out && size <= RANKS && l < LAYOUTS; l++)
        for (int k = 0; k < KINDS; k++)
            for (int bytes = 4096; bytes <= bytes_most && strncmp(kinds[k], which, strlen(which)) == 0;
                 bytes *= 4) {
                MPI_Datatype type = make_type(l, bytes, &count);
                int calls = most < 1 ? 1 : most > MOST ? MOST : most;
                double median = measure(k, count, type, calls, size);
                MPI_Type_free(&type);
                if (rank == 0)
                    printf("%-20s %-10s %8d bytes: %9.2f us\n", layouts[l], kinds[k], bytes, median * 1e6);
            }
    free(in);
    free(out);
    MPI_Finalize();
    return 0;
}
