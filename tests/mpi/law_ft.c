/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_ft CASE [COLLECTIVE]: a fault-tolerant job, to be run under `mpirun --with-ft ulfm` on at least 3
 * ranks.
 *
 *   kill      the last rank kills itself while the others are in collectives: they get MPI_ERR_PROC_FAILED,
 * revoke, shrink, agree, and go on revoke    rank 0 revokes while the others wait in a collective: they get
 * MPI_ERR_REVOKED, shrink, and go on revoked   a collective on a revoked communicator is MPI_ERR_REVOKED on
 * every rank
 *
 * COLLECTIVE: barrier, small (8 bytes; default), large (256 KiB).
 */
#include "law.h"

#include <mpi-ext.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

enum { SMALL = 1, LARGE = 32768 };

static long a[LARGE], b[LARGE];
static int rank, size;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void *killer(void *arg)
{
    (void)arg;
    usleep(200000);
    kill(getpid(), SIGKILL);
    return NULL;
}

static int collective(const char *which, MPI_Comm comm)
{
    if (strcmp(which, "barrier") == 0)
        return MPI_Barrier(comm);
    return MPI_Allreduce(a, b, strcmp(which, "large") == 0 ? LARGE : SMALL, MPI_LONG, MPI_SUM, comm);
}

static int class_of(int rc)
{
    int class = MPI_SUCCESS;

    MPI_Error_class(rc, &class);
    return class;
}

/* Survivors make a communicator of their own, agree on it, and use it. */
static void go_on(MPI_Comm comm, int survivors)
{
    MPI_Comm left;
    int flag = 1, n, r;

    law_stage = "revoke";
    MPIX_Comm_revoke(comm);
    law_stage = "shrink";
    LAW_CHECK(MPIX_Comm_shrink(comm, &left) == MPI_SUCCESS, "rank %d", rank);
    MPI_Comm_size(left, &n);
    MPI_Comm_rank(left, &r);
    LAW_CHECK(n == survivors, "%d of %d survivors", n, survivors);
    law_stage = "agree";
    LAW_CHECK(MPIX_Comm_agree(left, &flag) == MPI_SUCCESS && flag == 1, "rank %d", rank);
    law_stage = "the new communicator";
    for (int i = 0; i < 20; i++)
        LAW_CHECK(law_six(left, i % 2 ? 3000 : 2, i) == 0, "round %d", i);
    MPI_Comm_free(&left);
}

int main(int argc, char **argv)
{
    pthread_t t;
    MPI_Comm comm;
    const char *what = argc > 1 ? argv[1] : "kill", *which = argc > 2 ? argv[2] : "small";

    MPI_Init(&argc, &argv);
    law_watchdog(60);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    for (int i = 0; i < 10; i++)
        LAW_CHECK(law_six(comm, 10, i) == 0, "before");
    /* So that nobody is still in there when rank 0 revokes. */
    MPI_Barrier(MPI_COMM_WORLD);

    int want = strcmp(what, "kill") == 0 ? MPI_ERR_PROC_FAILED : MPI_ERR_REVOKED, rc = MPI_SUCCESS;
    double begun = now();
    law_stage = what;
    if (strcmp(what, "kill") == 0) {
        if (rank == size - 1)
            pthread_create(&t, NULL, killer, NULL);
        while (rc == MPI_SUCCESS)
            rc = collective(which, comm);
    } else if (strcmp(what, "revoke") == 0) {
        if (rank == 0) {
            usleep(200000);
            MPIX_Comm_revoke(comm);
        }
        rc = collective(which, comm);
    } else {
        if (rank == 0)
            MPIX_Comm_revoke(comm);
        /* The news needs progress to spread, and this is no collective. */
        for (int revoked = 0; !revoked;) {
            MPI_Status st;
            int flag;
            MPIX_Comm_is_revoked(comm, &revoked);
            MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_SELF, &flag, &st);
        }
        rc = collective(which, comm);
    }
    double took = now() - begun;
    /* Where one has revoked already, others hear of that first. */
    LAW_CHECK(class_of(rc) == want || (want == MPI_ERR_PROC_FAILED && class_of(rc) == MPI_ERR_REVOKED),
              "rank %d: class %d instead of %d", rank, class_of(rc), want);
    LAW_CHECK(took < 10, "rank %d: %.1f s until the error", rank, took);
    LAW_CHECK(collective(which, comm) != MPI_SUCCESS, "rank %d: the second call", rank);
    go_on(comm, strcmp(what, "kill") == 0 ? size - 1 : size);
    printf("rank %d: class %d after %.2f s, ok\n", rank, class_of(rc), took);
    fflush(stdout);
    /* Open MPI's MPI_Finalize after a death hangs now and then, with vcoll and without. */
    if (strcmp(what, "kill") == 0) {
        usleep(300000);
        _exit(0);
    }
    MPI_Comm_free(&comm);
    MPI_Finalize();
    return 0;
}
