/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/gather.h"

#include "transport/mpi/next.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The messages go on MPI_COMM_WORLD itself, because making a communicator would itself be an exchange. The
 * program cannot receive them: a rank's MPI_Init returns when all messages for it have come, and MPI delivers
 * what the program sends to a rank that is still here after the message that the rank waits for.
 */
#define TAG 31001

#define SECOND UINT64_C(1000000000)

/*
 * A rank without vcoll does not come here, and the others cannot know that beforehand: `mpirun -x
 * LD_PRELOAD=...` counts for one application context only. MPI_Init returns at about the same time on all
 * ranks, so that a rank that waits long waits for one without vcoll.
 */
struct watch {
    uint64_t begun;
    bool warned;
};

static void watch_turn(struct watch *w)
{
    const uint64_t warn_after = 10, give_up_after = 120;
    uint64_t waited = vc_now_ns() - w->begun;
    if (waited > SECOND / 100)
        usleep(1000);
    else
        sched_yield();
    if (waited > give_up_after * SECOND) {
        vc_log(VC_LOG_ERROR, "other ranks did not answer for %d s after MPI_Init: ending the job",
               (int)give_up_after);
        vc_next.Abort(MPI_COMM_WORLD, 1);
    } else if (waited > warn_after * SECOND && !w->warned) {
        w->warned = true;
        vc_log(VC_LOG_WARN,
               "still waiting for the other ranks after MPI_Init: every rank of the job needs vcoll "
               "(mpirun's -x LD_PRELOAD counts for one application context only)");
    }
}

static int fail_message(void)
{
    return vc_fail(VC_ERR_MPI, "a message between the ranks failed right after MPI_Init");
}

static int wait_watched(MPI_Request *req, bool receives, struct watch *w)
{
    int done = 0;
    if (!w)
        return vc_next.Wait(req, MPI_STATUS_IGNORE) == MPI_SUCCESS ? VC_OK : fail_message();
    for (;;) {
        int err = receives ? vc_host_test(req, &done) : vc_next.Test(req, &done, MPI_STATUS_IGNORE);
        if (err != MPI_SUCCESS)
            return fail_message();
        if (done)
            return VC_OK;
        watch_turn(w);
    }
}

static int exchange(const char *out, int to, char *in, int from, size_t len, struct watch *w)
{
    MPI_Request send, recv;
    if (len > INT_MAX)
        return vc_fail(VC_ERR_UNSUPPORTED, "too many ranks: what they tell each other takes %zu bytes", len);
    if (vc_next.Irecv(in, (int)len, MPI_BYTE, from, TAG, MPI_COMM_WORLD, &recv) != MPI_SUCCESS ||
        vc_next.Isend(out, (int)len, MPI_BYTE, to, TAG, MPI_COMM_WORLD, &send) != MPI_SUCCESS)
        return fail_message();
    int err = wait_watched(&recv, true, w);
    return err == VC_OK ? wait_watched(&send, false, w) : err;
}

/* Who takes part. */
struct group {
    const int *ranks; /* NULL: all ranks of the world */
    size_t n, me;
};

static int rank_of(const struct group *g, size_t i)
{
    return g->ranks ? g->ranks[i % g->n] : (int)(i % g->n);
}

static int gather(const struct group *g, const void *mine, void *all, size_t bytes, struct watch *watch)
{
    int err = VC_OK;
    size_t n = g->n, me = g->me;
    /* Bruck's algorithm: the blocks form a circle that begins with the own one, and each round doubles how
     * many this rank has. */
    char *circle = malloc(n * bytes);
    if (!circle)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %zu ranks", n);
    memcpy(circle, mine, bytes);
    for (size_t have = 1; err == VC_OK && have < n;) {
        size_t more = have <= n - have ? have : n - have;
        err = exchange(circle, rank_of(g, me + n - have), circle + have * bytes, rank_of(g, me + have),
                       more * bytes, watch);
        have += more;
    }
    memcpy((char *)all + me * bytes, circle, (n - me) * bytes);
    memcpy(all, circle + (n - me) * bytes, me * bytes);
    free(circle);
    return err;
}

int vc_gather_world(const void *mine, void *all, size_t bytes, bool watched)
{
    int size = 1, rank = 0;
    vc_next.Comm_size(MPI_COMM_WORLD, &size);
    vc_next.Comm_rank(MPI_COMM_WORLD, &rank);
    struct watch watch = {.begun = vc_now_ns()};
    struct group world = {NULL, (size_t)size, (size_t)rank};
    return gather(&world, mine, all, bytes, watched ? &watch : NULL);
}

int vc_gather_among(const int *ranks, int n, int me, const void *mine, void *all, size_t bytes)
{
    struct group some = {ranks, (size_t)n, (size_t)me};
    return gather(&some, mine, all, bytes, NULL);
}
