/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives one after another, while another program writes into the memory that the ranks share as
 * machines do. A rank stops at its first error. Then all others must meet one within some seconds: prints
 * "rank R: error after N calls, LATE ms after the first", or "no error" where nobody has met one in time.
 * Makes the file of its first word when the ranks have begun.
 */
#include "law.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BEGUN = 5, ROUND = 1000, BYTES = 20000, LATE_MS = 8000, MAX_MS = 15000 };

/* What a rank brings to an agreement: the time of its first error, GOES_ON without one, or TIME_IS_UP. */
static const long GOES_ON = INT64_MAX, TIME_IS_UP = 0;

static long now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    static char a[BYTES], b[BYTES * 8];
    int rank, size, rc = MPI_SUCCESS, calls = 0;
    MPI_Comm comm;
    int (*allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    *(void **)&allreduce = law_native("Allreduce", (void *)PMPI_Allreduce);
    LAW_CHECK(size <= 8, "too many ranks");
    long mine, first = GOES_ON, end = now_ms() + MAX_MS;
    while (first == GOES_ON) {
        calls++;
        if (calls == BEGUN && rank == 0 && argc > 1)
            close(open(argv[1], O_CREAT | O_WRONLY, 0600));
        double x = 1, y = 0;
        int n = 1 + calls * 37 % BYTES;
        switch (calls % 4) {
        case 0:
            rc = MPI_Allreduce(&x, &y, 1, MPI_DOUBLE, MPI_SUM, comm);
            break;
        case 1:
            rc = MPI_Bcast(a, n, MPI_CHAR, calls / 4 % size, comm);
            break;
        case 2:
            rc = MPI_Alltoall(b, n / size, MPI_CHAR, b + BYTES, n / size, MPI_CHAR, comm);
            break;
        default:
            rc = MPI_Reduce(a, b, n, MPI_BYTE, MPI_BOR, calls / 4 % size, comm);
            break;
        }
        if (rc == MPI_SUCCESS && calls % ROUND != 0)
            continue;
        /* Once a round, or at once where a rank has failed: then the others fail, and come here, too. */
        mine = rc != MPI_SUCCESS ? now_ms() : rank == 0 && now_ms() > end ? TIME_IS_UP : GOES_ON;
        allreduce(&mine, &first, 1, MPI_LONG, MPI_MIN, MPI_COMM_WORLD);
    }
    if (first == TIME_IS_UP)
        printf("rank %d: no error\n", rank);
    else
        printf("rank %d: error after %d calls, %ld ms after the first\n", rank, calls,
               rc == MPI_SUCCESS ? 0 : mine - first);
    fflush(stdout);
    LAW_CHECK(rc == MPI_SUCCESS || mine - first < LATE_MS, "too late");
    MPI_Finalize();
    return 0;
}
