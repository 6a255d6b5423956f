/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Law 2: a rank that waits in a collective drives the host MPI. Even ranks start a transfer that needs their
 * progress to finish (too large to be sent eagerly), then enter a collective; their odd neighbours finish the
 * transfer first.
 */
#include "law.h"

enum { BYTES = 1 << 20 };

static int rank, size;
static long in[4], out[64];

/* Every collective that makes an even rank wait for the odd ones. */
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
        MPI_Alltoall(out, 1, MPI_LONG, out + 32, 1, MPI_LONG, MPI_COMM_WORLD);
        break;
    }
}

static void isend_then_collective(char *buf, int which, int synchronous)
{
    MPI_Request req;
    int peer = rank ^ 1;

    if (rank % 2 == 0) {
        memset(buf, which + 1, BYTES);
        if (synchronous)
            MPI_Issend(buf, BYTES, MPI_CHAR, peer, 1, MPI_COMM_WORLD, &req);
        else
            MPI_Isend(buf, BYTES, MPI_CHAR, peer, 1, MPI_COMM_WORLD, &req);
        collective(which);
        MPI_Wait(&req, MPI_STATUS_IGNORE);
    } else {
        memset(buf, 0, BYTES);
        usleep(3000); /* so that the neighbour is in the collective by now, asleep if it sleeps */
        MPI_Recv(buf, BYTES, MPI_CHAR, peer, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        LAW_CHECK(buf[0] == which + 1 && buf[BYTES - 1] == which + 1, "wrong data received");
        collective(which);
    }
}

static void irecv_then_collective(char *buf, int which)
{
    MPI_Request req;
    int peer = rank ^ 1;

    if (rank % 2 == 0) {
        memset(buf, 0, BYTES);
        MPI_Irecv(buf, BYTES, MPI_CHAR, peer, 2, MPI_COMM_WORLD, &req);
        collective(which);
        MPI_Wait(&req, MPI_STATUS_IGNORE);
        LAW_CHECK(buf[0] == which + 1 && buf[BYTES - 1] == which + 1, "wrong data received");
    } else {
        memset(buf, which + 1, BYTES);
        usleep(3000);
        MPI_Ssend(buf, BYTES, MPI_CHAR, peer, 2, MPI_COMM_WORLD);
        collective(which);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"};
    char stage[80], *buf = malloc(BYTES);

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size % 2 == 0 && size <= 32, "needs an even number of ranks");
    law_stage = stage;
    law_watchdog(40);
    for (int i = 0; i < 4; i++) /* the communicator is set up before it counts */
        collective(3);
    for (int round = 0; round < 3; round++)
        for (int which = 0; which < 6; which++) {
            snprintf(stage, sizeof stage, "Isend, %s (round %d)", names[which], round);
            isend_then_collective(buf, which, 0);
            snprintf(stage, sizeof stage, "Issend, %s (round %d)", names[which], round);
            isend_then_collective(buf, which, 1);
            snprintf(stage, sizeof stage, "Ssend to a waiting rank, %s (round %d)", names[which], round);
            irecv_then_collective(buf, which);
        }
    free(buf);
    MPI_Finalize();
    return 0;
}
