/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_flood [MESSAGES] [BYTES] [KIND] [bind]: Law 2 with many messages. The last rank has MESSAGES for rank
 * 0, which sits in a collective: each of the six in turn. All data are checked. Prints for each collective
 * what a message took, in microseconds. Kinds:
 * - send: MPI_Send to receives that rank 0 has posted;
 * - ssend: MPI_Ssend, each message waits for the one before;
 * - rma: lock, fetch_and_op, unlock on rank 0's window;
 * - pieces: a few MPI_Send of 2 MiB (with btl_vader_single_copy_mechanism=none they go in pieces).
 *
 * With "bind" all ranks go to rank 0's CPU when the communicator is set up, which nobody tells the library.
 */
#include "law.h"

#include <sched.h>

static int rank, size, messages, bytes;
static long in[64], out[64];
static const char *kind;

static void collective(int which)
{
    switch (which) {
    case 0:
        MPI_Barrier(MPI_COMM_WORLD);
        break;
    case 1:
        MPI_Bcast(in, 1, MPI_LONG, size - 1, MPI_COMM_WORLD);
        break;
    case 2:
        MPI_Reduce(in, out, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
        break;
    case 3:
        MPI_Allreduce(in, out, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
        break;
    case 4:
        MPI_Allgather(in, 1, MPI_LONG, out, 1, MPI_LONG, MPI_COMM_WORLD);
        break;
    default:
        MPI_Alltoall(in, 1, MPI_LONG, out, 1, MPI_LONG, MPI_COMM_WORLD);
        break;
    }
}

static double flood(int which, char *buf, MPI_Request *req)
{
    size_t len = (size_t)bytes;

    if (rank == 0)
        for (int i = 0; i < messages; i++)
            MPI_Irecv(buf + (size_t)i * len, bytes, MPI_BYTE, size - 1, i % 100, MPI_COMM_WORLD, &req[i]);
    MPI_Barrier(MPI_COMM_WORLD);
    double t = MPI_Wtime();
    if (rank == size - 1)
        for (int i = 0; i < messages; i++) {
            memset(buf, (i + which) % 127, len);
            if (strcmp(kind, "ssend") == 0)
                MPI_Ssend(buf, bytes, MPI_BYTE, 0, i % 100, MPI_COMM_WORLD);
            else
                MPI_Send(buf, bytes, MPI_BYTE, 0, i % 100, MPI_COMM_WORLD);
        }
    collective(which);
    if (rank == 0)
        MPI_Waitall(messages, req, MPI_STATUSES_IGNORE);
    t = MPI_Wtime() - t;
    if (rank == 0)
        for (int i = 0; i < messages; i++)
            LAW_CHECK(buf[(size_t)i * len] == (i + which) % 127 &&
                          buf[(size_t)(i + 1) * len - 1] == (i + which) % 127,
                      "message %d is wrong", i);
    return t;
}

static double rma(int which)
{
    long *base, one = 1, old;
    MPI_Win win;

    MPI_Win_allocate(sizeof *base, sizeof *base, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);
    *base = 0;
    MPI_Barrier(MPI_COMM_WORLD);
    double t = MPI_Wtime();
    if (rank == size - 1)
        for (int i = 0; i < messages; i++) {
            old = -1;
            MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
            MPI_Fetch_and_op(&one, &old, MPI_LONG, 0, 0, MPI_SUM, win);
            MPI_Win_unlock(0, win);
            LAW_CHECK(old == i, "fetch_and_op %d found %ld", i, old);
        }
    collective(which);
    t = MPI_Wtime() - t;
    MPI_Win_free(&win);
    return t;
}

static void bind_all(void)
{
    int cpu = sched_getcpu();
    cpu_set_t one;
    MPI_Bcast(&cpu, 1, MPI_INT, 0, MPI_COMM_WORLD);
    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    LAW_CHECK(sched_setaffinity(0, sizeof one, &one) == 0, "cannot bind to CPU %d", cpu);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"};
    char stage[80];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size >= 2 && size <= 64, "needs 2 to 64 ranks");
    messages = (int)law_arg(argc, argv, 1, 1000);
    bytes = (int)law_arg(argc, argv, 2, 2000);
    kind = argc > 3 ? argv[3] : "send";
    if (strcmp(kind, "pieces") == 0) {
        messages = messages > 20 ? 20 : messages;
        bytes = 2 << 20;
    }
    char *buf = malloc((size_t)messages * (size_t)bytes);
    MPI_Request *req = malloc((size_t)messages * sizeof(MPI_Request));
    LAW_CHECK(buf && req, "no memory");
    memset(buf, 1, (size_t)messages * (size_t)bytes); /* no page comes into being while it counts */
    law_stage = stage;
    law_watchdog(100);
    for (int i = 0; i < 4; i++) /* the communicator is set up before it counts */
        collective(3);
    if (argc > 4 && strcmp(argv[4], "bind") == 0)
        bind_all();
    for (int which = 0; which < 6; which++) {
        snprintf(stage, sizeof stage, "%s, %s of %d bytes", names[which], kind, bytes);
        double t = strcmp(kind, "rma") == 0 ? rma(which) : flood(which, buf, req), slowest = t;
        MPI_Reduce(&t, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
        if (rank == 0)
            printf("%s %.2f\n", names[which], slowest / messages * 1e6);
    }
    free(buf);
    free(req);
    MPI_Finalize();
    return 0;
}
