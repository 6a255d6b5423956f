/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_pool ROUNDS [single]: memory of freed communicators that goes on in later ones. Nothing of the old one
 * shows: no forced algorithm, no late message, no memory that others lack, whichever ranks a communicator has
 * and in whatever order several threads make and free theirs. `single`: without MPI_THREAD_MULTIPLE, where
 * set-ups are agreed through shared memory. Run with a VCOLL_SHM_LIMIT that few communicators fill.
 */
#include "law.h"

#include "include/vcoll/vcoll.h"

#include <pthread.h>
#include <stdbool.h>

static int rounds;

static const char *(*algorithm)(const void *, const char *, unsigned long long);
static int (*force)(const void *, const char *, const char *, char *, unsigned long);
static int (*key_of)(const void *, struct vcoll_comm_key *);

static void six(MPI_Comm comm, int n, int round)
{
    long bad = law_six(comm, n, round);
    LAW_CHECK(bad == 0, "%ld wrong elements, size %d, round %d", bad, n, round);
}

/* The next communicator chooses for itself. */
static void forced(void)
{
    for (int i = 0; i < 3; i++) {
        MPI_Comm comm;
        char why[256] = "", usual[64];
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        six(comm, 1, i);
        snprintf(usual, sizeof usual, "%s", algorithm(&comm, "allreduce", 8));
        LAW_CHECK(strcmp(usual, "native") != 0, "8 bytes run natively, so this test shows nothing");
        LAW_CHECK(force(&comm, "allreduce", "native", why, sizeof why) == 0, "%s", why);
        LAW_CHECK(strcmp(algorithm(&comm, "allreduce", 8), "native") == 0, "not forced");
        six(comm, 1, i);
        MPI_Comm_free(&comm);
    }
}

/* More sets of ranks than are kept, in several orders; each finds the memory that it would find alone. */
static void sets(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < rounds; i++) {
        MPI_Comm comm;
        struct vcoll_comm_key key = {0};
        int parts = 1 + i % 2, order = (rank * (2 * (i % 5) + 1) + i % 7) % 11, size;
        MPI_Comm_split(MPI_COMM_WORLD, rank * parts / 4 % parts, order, &comm);
        MPI_Comm_size(comm, &size);
        six(comm, i % 3 ? 3 : 20000, i);
        LAW_CHECK(size == 1 || (key_of(&comm, &key) == 0 && (key.bulk_slots || key.nodes > 1)),
                  "round %d: %d ranks without slots for large messages", i, size);
        MPI_Comm_free(&comm);
    }
}

/* Ranks that only send are far ahead when they free it. */
static void late(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < rounds; i++) {
        MPI_Comm comm;
        long v[5];
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        for (int k = 0; k < 20; k++) {
            for (int j = 0; j < 5; j++)
                v[j] = rank == 0 ? i * 1000L + k * 10 + j : -1;
            if (rank != 0 && i % 4 == 0 && k == 10)
                usleep(2000);
            MPI_Bcast(v, 5, MPI_LONG, 0, comm);
            for (int j = 0; j < 5; j++)
                LAW_CHECK(v[j] == i * 1000L + k * 10 + j, "element %d is %ld in call %d of round %d", j, v[j],
                          k, i);
        }
        MPI_Comm_free(&comm);
    }
}

/* A chain of communicators that live at the same time: each rank leads one of two and follows in the other,
 * and ranks come to their first calls at different times. */
static void overlapping(void)
{
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < rounds; i++) {
        MPI_Comm even, odd, back;
        unsigned seed = (unsigned)(i * 31 + rank);
        MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &even);
        MPI_Comm_split(MPI_COMM_WORLD, (rank + 1) / 2 % ((size + 1) / 2), i % 2 ? rank : -rank, &odd);
        MPI_Comm_split(MPI_COMM_WORLD, 0, (rank + i) % size, &back);
        if (rand_r(&seed) % 4 == 0)
            usleep((useconds_t)(rand_r(&seed) % 3000));
        six(even, 1 + i % 3, i);
        six(i % 3 ? odd : back, 2, i);
        six(even, 3, i);
        six(i % 3 ? back : odd, 3000, i);
        MPI_Comm_free(i % 2 ? &even : &back);
        MPI_Comm_free(&odd);
        MPI_Comm_free(i % 2 ? &back : &even);
    }
}

static void *thread(void *arg)
{
    MPI_Comm parent = *(MPI_Comm *)arg, comm[3];
    int rank;
    MPI_Comm_rank(parent, &rank);
    for (int i = 0; i < rounds; i++) {
        for (int k = 0; k < 3; k++) {
            MPI_Comm_dup(parent, &comm[k]);
            six(comm[k], 2, i + k);
        }
        for (int k = 0; k < 3; k++)
            MPI_Comm_free(&comm[(i + k * 2) % 3]);
    }
    return NULL;
}

static void threads(void)
{
    MPI_Comm parent[2];
    pthread_t t;
    for (int i = 0; i < 2; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &parent[i]);
    LAW_CHECK(pthread_create(&t, NULL, thread, &parent[1]) == 0, "no thread");
    thread(&parent[0]);
    pthread_join(t, NULL);
    for (int i = 0; i < 2; i++)
        MPI_Comm_free(&parent[i]);
}

int main(int argc, char **argv)
{
    int rank, level;
    bool single = argc > 2 && strcmp(argv[2], "single") == 0;
    MPI_Init_thread(&argc, &argv, single ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE, &level);
    law_watchdog(100);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    rounds = (int)law_arg(argc, argv, 1, 30);
    *(void **)&algorithm = dlsym(RTLD_DEFAULT, "vcoll_comm_algorithm");
    *(void **)&force = dlsym(RTLD_DEFAULT, "vcoll_comm_force");
    *(void **)&key_of = dlsym(RTLD_DEFAULT, "vcoll_comm_key");
    LAW_CHECK(algorithm && force && key_of, "there is no vcoll in this process");
    law_stage = "forced algorithms";
    forced();
    law_stage = "many sets of ranks";
    sets();
    law_stage = "late ranks";
    late();
    law_stage = "communicators that overlap";
    overlapping();
    law_stage = "two threads";
    if (level == MPI_THREAD_MULTIPLE)
        threads();
    if (rank == 0)
        printf("ok%s\n", single || level == MPI_THREAD_MULTIPLE ? "" : ", without threads");
    MPI_Finalize();
    return 0;
}
