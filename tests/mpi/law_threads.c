/* SPDX-License-Identifier: BSD-3-Clause */
/* Two threads under MPI_THREAD_MULTIPLE, each with collectives on a communicator of its own, checked. */
#include "law.h"

#include <pthread.h>

struct job {
    MPI_Comm comm;
    int rounds, id;
    long bad;
};

static void *work(void *arg)
{
    static const int sizes[] = {1, 5, 64, 2000, 1, 300};
    struct job *j = arg;

    for (int i = 0; i < j->rounds; i++) {
        j->bad += law_six(j->comm, sizes[(i + j->id) % 6], i * 2 + j->id);
        if (i % 64 == 63) { /* a communicator comes and goes meanwhile */
            MPI_Comm extra;
            MPI_Comm_dup(j->comm, &extra);
            for (int k = 0; k < 4; k++)
                j->bad += law_six(extra, 10, k);
            MPI_Comm_free(&extra);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int provided, rank;
    struct job job[2];
    pthread_t other;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    if (provided != MPI_THREAD_MULTIPLE) {
        MPI_Finalize();
        return 77;
    }
    law_watchdog(90);
    law_stage = "two threads";
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < 2; i++) {
        MPI_Comm_split(MPI_COMM_WORLD, 0, i ? -rank : rank, &job[i].comm);
        job[i].rounds = (int)law_arg(argc, argv, 1, 200);
        job[i].id = i;
        job[i].bad = 0;
    }
    LAW_CHECK(pthread_create(&other, NULL, work, &job[1]) == 0, "no second thread");
    work(&job[0]);
    pthread_join(other, NULL);
    for (int i = 0; i < 2; i++) {
        LAW_CHECK(job[i].bad == 0, "%ld wrong elements in thread %d", job[i].bad, i);
        MPI_Comm_free(&job[i].comm);
    }
    MPI_Finalize();
    return 0;
}
