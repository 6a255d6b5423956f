/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_kill MILLISECONDS [survive [COLLECTIVE [VICTIM]]]: collectives without end, in which a rank, the last
 * one if none is named, kills itself with SIGKILL. With `survive`, errors return, and each survivor says how
 * long after the death it got one, and leaves. COLLECTIVE "setup": it dies before the first call on a
 * communicator, in which the others are. With LAW_LATE_MS in the environment, sleepers are woken as late as
 * that, as on a busy machine.
 */
#include "law.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

static long delay_ms;
static MPI_Comm fresh; /* not set up yet */

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void *killer(void *arg)
{
    (void)arg;
    usleep((useconds_t)(delay_ms * 1000));
    kill(getpid(), SIGKILL);
    return NULL;
}

/* In place of the C library's, for the library under test, too. */
__attribute__((visibility("default"))) int nanosleep(const struct timespec *wanted, struct timespec *rest)
{
    const char *late = getenv("LAW_LATE_MS");
    long ms = late ? atol(late) : 0;
    struct timespec t = {wanted->tv_sec, wanted->tv_nsec};
    if (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms)
        t = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    int err = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, rest);
    if (err == 0)
        return 0;
    errno = err;
    return -1;
}

static int collective(const char *which, long *a, long *b, int n)
{
    if (strcmp(which, "setup") == 0) /* of the victim's that lives, no call comes */
        return MPI_Allreduce(a, b, 1, MPI_LONG, MPI_SUM, fresh);
    if (strcmp(which, "barrier") == 0)
        return MPI_Barrier(MPI_COMM_WORLD);
    if (strcmp(which, "bcast") == 0) {
        int size;
        MPI_Comm_size(MPI_COMM_WORLD, &size);
        return MPI_Bcast(a, n, MPI_LONG, size - 1, MPI_COMM_WORLD);
    }
    if (strcmp(which, "iallreduce") == 0) { /* two under way */
        MPI_Request req[2];
        long c, d = 0;
        int rc = MPI_Iallreduce(a, b, n, MPI_LONG, MPI_SUM, MPI_COMM_WORLD, &req[0]);
        if (rc == MPI_SUCCESS &&
            (rc = MPI_Iallreduce(&d, &c, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD, &req[1])) == MPI_SUCCESS) {
            rc = MPI_Wait(&req[0], MPI_STATUS_IGNORE);
            int second = MPI_Wait(&req[1], MPI_STATUS_IGNORE);
            rc = rc == MPI_SUCCESS ? second : rc;
        }
        return rc;
    }
    if (strcmp(which, "alltoall") == 0)
        return MPI_Alltoall(a, n / 64, MPI_LONG, b, n / 64, MPI_LONG, MPI_COMM_WORLD);
    return MPI_Allreduce(a, b, n, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    int rank, size, rc;
    pthread_t t;
    long *a = calloc(65536, sizeof *a), *b = calloc(65536, sizeof *b);

    MPI_Init(&argc, &argv);
    law_watchdog(40);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int survive = argc > 2 && strcmp(argv[2], "survive") == 0;
    const char *which = argc > 3 ? argv[3] : "allreduce";
    if (survive)
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    delay_ms = law_arg(argc, argv, 1, 500);
    for (int i = 0; i < 10; i++)
        MPI_Allreduce(a, b, 4, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("running\n");
        fflush(stdout);
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &fresh);
    if (rank == (int)law_arg(argc, argv, 4, size - 1))
        pthread_create(&t, NULL, killer, NULL);
    law_stage = which;
    if (strcmp(which, "setup") == 0 && rank == (int)law_arg(argc, argv, 4, size - 1))
        pause();
    uint64_t last;
    long i = 0;
    do {
        last = now_ms();
        rc = collective(which, a, b, i++ % 2 ? 65536 : 64);
    } while (rc == MPI_SUCCESS);
    char text[MPI_MAX_ERROR_STRING], line[MPI_MAX_ERROR_STRING + 100];
    int class, len;
    MPI_Error_class(rc, &class);
    MPI_Error_string(rc, text, &len);
    snprintf(line, sizeof line, "survivor %d: %s after %llu ms: %s\n", rank, class ? "error" : "success",
             (unsigned long long)(now_ms() - last), text);
    fputs(line, stdout);
    fflush(stdout);
    usleep(500000); /* the launcher collects what was printed */
    _exit(0);       /* MPI_Finalize would wait for the dead */
}
