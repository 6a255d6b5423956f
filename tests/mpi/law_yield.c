/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_yield WANT [widen|narrow] [ROUNDS]: whether the MPI underneath yields the CPU while it waits. WANT: on
 * or off, what is right; any: not checked. Prints what a ring of MPI_Sendrecv takes a round. widen: this
 * process may then use all CPUs, narrow: the first one alone, and after a while of waiting WANT has turned
 * round.
 */
#include "law.h"

#include <sched.h>
#include <stdbool.h>
#include <time.h>

static int rank, size;

/* How the switch stands; -1: this MPI has none. */
static int yields(void)
{
    bool (*set)(bool) = NULL;
    *(void **)&set = dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle");
    if (!set)
        return -1;
    bool was = set(false);
    set(was);
    return was;
}

static double ring(int rounds)
{
    long out = rank, in = -1;
    double begun = MPI_Wtime();

    for (int i = 0; i < rounds; i++) {
        MPI_Sendrecv(&out, 1, MPI_LONG, (rank + 1) % size, 0, &in, 1, MPI_LONG, (rank + size - 1) % size, 0,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        out = in;
    }
    LAW_CHECK(out == (rank + (long)size * rounds - rounds) % size, "%ld came round to rank %d", out, rank);
    return (MPI_Wtime() - begun) / rounds * 1e6;
}

static void move(bool widen)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < (widen ? CPU_SETSIZE : 1); i++)
        CPU_SET(i, &set);
    LAW_CHECK(sched_setaffinity(getpid(), sizeof set, &set) == 0, "sched_setaffinity failed");
}

/* Ranks wait for a second and a half in turns, while another burns its CPU: until the switch is as wanted on
 * all of them, or too many times. */
static bool turns(int want)
{
    int same = 0;

    for (int late = 0; late < 8 * size && !same; late++) {
        double until = MPI_Wtime() + 1.5;
        while (rank == late % size && MPI_Wtime() < until)
            for (volatile int i = 0; i < 10000; i++)
                ;
        int mine = yields() == want;
        MPI_Allreduce(&mine, &same, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    }
    return same;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    law_watchdog(60);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const char *want = argc > 1 ? argv[1] : "any", *then = argc > 2 ? argv[2] : "";
    int is = yields(), right = strcmp(want, "on") == 0;

    if (is < 0) {
        if (rank == 0)
            printf("SKIP: this MPI cannot be told to yield\n");
        MPI_Finalize();
        return 77;
    }
    LAW_CHECK(strcmp(want, "any") == 0 || is == right, "the MPI %s", is ? "yields" : "does not yield");
    double us = ring((int)law_arg(argc, argv, 3, 200));
    if (rank == 0)
        printf("yields %d, %.1f us a round\n", is, us);
    if (*then) {
        move(strcmp(then, "widen") == 0);
        LAW_CHECK(turns(!right), "after the mask had changed, the MPI %s",
                  right ? "yields" : "does not yield");
    }
    MPI_Finalize();
    return 0;
}
