/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/vote.h"
#include "pmpi/gather.h"

#include "pmpi/meet.h"

#include <string.h>

/* One turn of waiting. VC_OK, or the error that another rank has told through a channel or shared memory. */
static int wait_turn(struct vc_team *t, struct vc_waiter *w)
{
    for (int i = 0; i < VC_NETS; i++) {
        struct vc_chan *ch = t->chan[i].chan;
        int rc = ch ? ch->ops->progress(ch) : 0;
        if (rc < 0)
            return rc;
    }
    return vc_wait_idle(w, VC_WAIT_ANY);
}

static int vote_in_use(struct vc_team *t, MPI_Comm comm, uint64_t *v, int n)
{
    struct vc_wait_cfg wait = t->wait;
    struct vc_waiter w;
    MPI_Request req;
    int done = 0, err = VC_OK;
    wait.mode = VC_WAIT_POLL; /* the reduction wakes no sleeper */
    memcpy(t->vote[0], v, (size_t)n * sizeof *v);
    vc_told_collective((size_t)n * sizeof *v);
    if (vc_next.Iallreduce(t->vote[0], t->vote[1], n, MPI_UINT64_T, MPI_MIN, comm, &req) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Iallreduce failed in a vote of a communicator's ranks");
    vc_wait_begin(&w, &wait, t->parking.shared ? &t->parking : NULL);
    while (err == VC_OK && !done)
        if (vc_next.Test(&req, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            err = vc_fail(VC_ERR_MPI, "MPI_Iallreduce failed in a vote of a communicator's ranks");
        else if (!done)
            err = wait_turn(t, &w);
    vc_wait_end(&w);
    if (!done) /* the MPI may still write the result */
        t->abandoned = true;
    memcpy(v, t->vote[1], (size_t)n * sizeof *v);
    return err;
}

static int vote_by_meeting(const struct vc_team *t, uint64_t *v, int n)
{
    _Static_assert(sizeof(uint64_t[VC_VOTE_MAX]) <= VC_MEET_MOST, "votes are short enough for a meeting");
    uint64_t all[VC_MEET_RANKS * VC_VOTE_MAX];
    int err = vc_meet(t->world, t->size, t->rank, v, all, (size_t)n * sizeof *v);
    for (int i = 0; err == VC_OK && i < t->size * n; i++)
        if (all[i] < v[i % n])
            v[i % n] = all[i];
    return err;
}

int vc_vote(struct vc_team *t, MPI_Comm comm, uint64_t *v, int n)
{
    uint64_t mine[VC_VOTE_MAX];
    /* A rank that has failed on it before does not come to vote. */
    if (t && t->ready)
        return vote_in_use(t, comm, v, n);
    if (t && vc_meet_possible(t->world, t->size))
        return vote_by_meeting(t, v, n);
    memcpy(mine, v, (size_t)n * sizeof *v);
    vc_told_collective((size_t)n * sizeof *v);
    if (vc_next.Allreduce(mine, v, n, MPI_UINT64_T, MPI_MIN, comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed in a vote of a communicator's ranks");
    return VC_OK;
}

void vc_vote_lost(bool mine)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (mine)
        vc_log(
            atomic_flag_test_and_set(&told) ? VC_LOG_INFO : VC_LOG_WARN,
            "a communicator cannot be set up as wanted (%s); all its ranks do with less, up to the MPI's own "
            "collectives",
            vc_error_text());
}

int vc_vote_all(struct vc_team *t, MPI_Comm comm, bool ok)
{
    uint64_t v = ok ? VC_VOTE_YES : (uint64_t)t->rank;
    int err = vc_vote(t, comm, &v, 1);
    if (err != VC_OK)
        return err;
    if (v != VC_VOTE_YES)
        vc_vote_lost(v == (uint64_t)t->rank && !ok);
    return v == VC_VOTE_YES;
}
