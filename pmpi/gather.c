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

struct vc_told vc_told;

static void count(_Atomic uint64_t *of, size_t n)
{
    atomic_fetch_add_explicit(of, n, memory_order_relaxed);
}

void vc_told_collective(size_t bytes)
{
    count(&vc_told.collectives, 1);
    count(&vc_told.collective_bytes, bytes);
}

/* `most`: of the bytes that may come. */
static int exchange(const char *out, size_t len, int to, char *in, size_t most, int from, struct watch *w)
{
    MPI_Request send, recv;
    if (len > INT_MAX || most > INT_MAX)
        return vc_fail(VC_ERR_UNSUPPORTED, "too many ranks: what they tell each other takes %zu bytes", most);
    count(&vc_told.messages, 1);
    count(&vc_told.bytes, len);
    if (vc_next.Irecv(in, (int)most, MPI_BYTE, from, TAG, MPI_COMM_WORLD, &recv) != MPI_SUCCESS ||
        vc_next.Isend(out, (int)len, MPI_BYTE, to, TAG, MPI_COMM_WORLD, &send) != MPI_SUCCESS)
        return fail_message();
    int err = wait_watched(&recv, true, w);
    return err == VC_OK ? wait_watched(&send, false, w) : err;
}

static void tell_exchange(int n, size_t bytes, int different, const struct vc_told *before)
{
    vc_log(VC_LOG_DEBUG,
           "exchange of %zu bytes among %d ranks, %d of them different: %llu messages, %llu bytes", bytes, n,
           different, (unsigned long long)(vc_told.messages - before->messages),
           (unsigned long long)(vc_told.bytes - before->bytes));
}

/*
 * Both are Bruck's algorithm: the blocks form a circle that begins with the own one, and each round doubles
 * how many this rank has.
 */
static size_t next_round(size_t have, size_t n)
{
    return have <= n - have ? have : n - have;
}

int vc_gather_among(const int *ranks, int n, int me, const void *mine, void *all, size_t bytes)
{
    int err = VC_OK;
    size_t size = (size_t)n, my = (size_t)me;
    const struct vc_told before = vc_told;
    char *circle = malloc(size * bytes);
    if (!circle)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", n);
    memcpy(circle, mine, bytes);
    for (size_t have = 1; err == VC_OK && have < size;) {
        size_t more = next_round(have, size);
        err = exchange(circle, more * bytes, ranks[(my + size - have) % size], circle + have * bytes,
                       more * bytes, ranks[(my + have) % size], NULL);
        have += more;
    }
    memcpy((char *)all + my * bytes, circle, (size - my) * bytes);
    memcpy(all, circle + (size - my) * bytes, my * bytes);
    free(circle);
    tell_exchange(n, bytes, n, &before);
    return err;
}

/* One round: this rank's first `more` records go to one rank, and as many come from another one. */
static int tell_records(struct vc_records *r, int more, int to, int from, struct watch *watch)
{
    size_t most = vc_records_most(r->bytes, more);
    char *out = malloc(most), *in = calloc(1, most); /* zeros: it may be shorter */
    int err = out && in ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for what %d ranks told", more);
    if (err == VC_OK)
        err = exchange(out, vc_records_write(r, more, out), to, in, most, from, watch);
    if (err == VC_OK)
        err = vc_records_append(r, in, more);
    free(out);
    free(in);
    return err;
}

int vc_gather_world(const void *mine, size_t bytes, bool watched, struct vc_records *out)
{
    int size = 1, rank = 0;
    vc_next.Comm_size(MPI_COMM_WORLD, &size);
    vc_next.Comm_rank(MPI_COMM_WORLD, &rank);
    struct watch watch = {.begun = vc_now_ns()};
    const struct vc_told before = vc_told;
    int err = vc_records_begin(out, mine, bytes);
    if (err != VC_OK)
        return err;
    while (err == VC_OK && out->ranks < size) {
        int have = out->ranks, more = (int)next_round((size_t)have, (size_t)size);
        err = tell_records(out, more, (rank - have + size) % size, (rank + have) % size,
                           watched ? &watch : NULL);
    }
    if (err == VC_OK)
        err = vc_records_turn(out, (size - rank) % size);
    tell_exchange(size, bytes, out->nvalues, &before);
    if (err != VC_OK)
        vc_records_free(out);
    return err;
}
