/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress_tells: vc_host_progress() says whether something came. Two ranks; this program's sched_yield()
 * stands in for the C library's as the library's does. Rank 0 drives the MPI while nothing comes, then while
 * rank 1's messages come, and the same once more beside callbacks that always say that something came (some
 * releases' osc/pt2pt has one): then the answers may be "unknown", but not "something" for long.
 */
#include "tests/mpi/law.h"
#include "transport/mpi/next.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IDLE = 20000, MESSAGES = 2000, TAG = 7 };

extern __typeof__(sched_yield) sched_yield __attribute__((visibility("default")));

int sched_yield(void)
{
    return vc_host_sees_yield() ? 0 : (int)syscall(SYS_sched_yield);
}

static int answers[3]; /* unknown, nothing, something */

static int drive(void)
{
    int came = vc_host_progress();
    LAW_CHECK(came >= -1 && came <= 1, "the answer is %d", came);
    answers[came + 1]++;
    return came;
}

static void show(const char *when)
{
    printf("%s: unknown %d, nothing %d, something %d\n", when, answers[0], answers[1], answers[2]);
}

/* Nothing comes. How often something did, nevertheless. */
static int idle(const char *when)
{
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < IDLE; i++)
        drive();
    show(when);
    return answers[2];
}

/* Messages that come one by one, each after rank 1 was told to send it. How many were seen to come. */
static int serve(int rank, const char *when)
{
    int seen = 0;
    char ask = 1, in = 0;
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < MESSAGES; i++) {
        if (rank == 1) {
            MPI_Recv(&in, 1, MPI_CHAR, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(&ask, 1, MPI_CHAR, 0, TAG, MPI_COMM_WORLD);
            continue;
        }
        /* The receive is posted, so the message is in its buffer as soon as progress has found it. */
        volatile char *arrived = &in;
        MPI_Request req;
        in = 0;
        MPI_Irecv(&in, 1, MPI_CHAR, 1, TAG, MPI_COMM_WORLD, &req);
        MPI_Send(&ask, 1, MPI_CHAR, 1, TAG, MPI_COMM_WORLD);
        bool told = false, unknown = false;
        double begun = MPI_Wtime();
        while (!*arrived && MPI_Wtime() - begun < 10) {
            int came = drive();
            told = told || came > 0;
            unknown = unknown || came < 0;
            if (!*arrived)
                syscall(SYS_sched_yield);
        }
        LAW_CHECK(*arrived, "message %d did not come", i);
        seen += told || unknown;
        MPI_Wait(&req, MPI_STATUS_IGNORE);
    }
    if (rank == 0)
        show(when);
    return seen;
}

/* A message that comes while rank 0 looks for it, unless rank 0 is late; whether rank 0 is certain now. */
static bool see_message(int rank)
{
    char byte = 1, certain = 0;
    if (rank == 1) {
        MPI_Recv(&byte, 1, MPI_CHAR, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        usleep(50000); /* until rank 0 looks for it */
        MPI_Send(&byte, 1, MPI_CHAR, 0, TAG, MPI_COMM_WORLD);
    } else {
        MPI_Request req;
        int done = 0;
        MPI_Irecv(&byte, 1, MPI_CHAR, 1, TAG, MPI_COMM_WORLD, &req);
        MPI_Send(&certain, 1, MPI_CHAR, 1, TAG, MPI_COMM_WORLD);
        for (double begun = MPI_Wtime(); !done && MPI_Wtime() - begun < 10;)
            LAW_CHECK(vc_host_test(&req, &done) == MPI_SUCCESS, "test");
        LAW_CHECK(done, "the message did not come");
        certain = vc_host_is_certain();
    }
    MPI_Bcast(&certain, 1, MPI_CHAR, 0, MPI_COMM_WORLD);
    return certain;
}

static int always(void)
{
    return 1;
}

static int always_too(void)
{
    return 1;
}

int main(int argc, char **argv)
{
    int rank, size;
    int (*add)(int (*)(void)), (*off)(int (*)(void));

    MPI_Init(&argc, &argv);
    law_watchdog(60);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size == 2, "two ranks");
    LAW_CHECK(vc_host_progress_init() == VC_OK, "%s", vc_error_text());
    for (int i = 0; rank == 0 && i < 100; i++) /* the first ones may find what is left of MPI_Init */
        drive();
    MPI_Barrier(MPI_COMM_WORLD);
    if (!vc_host_can_yield()) {
        if (rank == 0)
            printf("this MPI has no switch for yielding: skipped\n");
        MPI_Finalize();
        return 77;
    }

    *(void **)&add = vc_next_find("opal_progress_register");
    *(void **)&off = vc_next_find("opal_progress_unregister");
    LAW_CHECK(add && off, "no opal_progress_register");

    /* Not certain before a message has been seen to come. */
    LAW_CHECK(rank != 0 || !vc_host_is_certain(), "certain too soon");
    bool certain = false;
    for (int i = 0; i < 20 && !certain; i++)
        certain = see_message(rank);

    int seen;
    if (rank == 0) {
        LAW_CHECK(certain, "not certain after messages");
        idle("idle");
        LAW_CHECK(answers[1] > IDLE * 9 / 10, "nothing came, and that was said %d times of %d", answers[1],
                  IDLE);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    seen = serve(rank, "messages");
    LAW_CHECK(rank != 0 || seen == MESSAGES, "%d of %d messages were said to come", seen, MESSAGES);

    static int (*const callbacks[])(void) = {always, always_too};
    for (int i = 0; i < 2; i++) {
        add(callbacks[i]);
        if (rank == 0) {
            int something = idle("idle beside a callback that always finds something");
            LAW_CHECK(something < IDLE / 10, "nothing came, and something was said to %d times of %d",
                      something, IDLE);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        seen = serve(rank, "messages beside it");
        LAW_CHECK(rank != 0 || seen == MESSAGES, "%d of %d messages were said to come", seen, MESSAGES);
    }
    for (int i = 0; i < 2; i++)
        off(callbacks[i]);
    if (rank == 0) {
        idle("idle again");
        LAW_CHECK(answers[1] > IDLE * 9 / 10, "nothing came, and that was said %d times of %d", answers[1],
                  IDLE);
    }
    MPI_Barrier(MPI_COMM_WORLD);

    vc_host_is_uncertain();
    LAW_CHECK(!vc_host_is_certain() && vc_host_progress() != 0, "certain although told not to be");
    vc_host_progress_fini();
    MPI_Finalize();
    return 0;
}
