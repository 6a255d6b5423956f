/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/share.h"

#include "pmpi/pool.h"
#include "pmpi/vote.h"
#include "pmpi/world.h"
#include "transport/shm/shm_chan.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a rank tells the others in one attempt. */
struct offer {
    struct vc_seg_handle handle; /* a node's first rank */
    uint64_t probe, nonce;       /* address of this process's vc_cma_target, and the word in it */
    int32_t fits, wanted;        /* within VCOLL_SHM_LIMIT; the node has more than one rank */
    int32_t pooled;              /* this process keeps teams of communicators that were freed */
    char why[120];               /* a node's first rank: why it could not create the segment */
};

/* Teams that are kept for later give way. */
static bool reserve(size_t bytes)
{
    if (vc_shm_reserve(bytes))
        return true;
    vc_pool_drain();
    return vc_shm_reserve(bytes);
}

/* All ranks know of the failure: one line a job, by rank 0 of the world, is a warning. */
static void complain(int rank, const char *what, const char *why)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    bool first = vc_world.rank == 0 && !atomic_flag_test_and_set(&told);
    vc_log(first ? VC_LOG_WARN : VC_LOG_INFO,
           "shared memory cannot be used as wanted (rank %d could not %s%s%s); all ranks of the communicator "
           "do with less",
           rank, what, why[0] ? ": " : "", why);
}

/* Single copy from and to the next rank of the node, in a ring, so that every border between two sandboxes is
 * crossed. Both directions, because reading and writing are two system calls, and a sandbox may forbid one.
 */
static bool probe_cma(const struct vc_team *t, const struct offer *offers)
{
    int next = (t->local + 1) % t->nlocal;
    const struct offer *o = &offers[t->ranks[next]];
    struct vc_cma_target seen = {0, 0};
    uint64_t there = o->probe + offsetof(struct vc_cma_target, written);
    pid_t pid = t->pids[next];
    /* Reading comes first: only the right process has the word, so nothing is written into a wrong one. */
    if (pid == 0 || vc_cma_read(pid, &seen, o->probe, sizeof seen) != VC_OK || seen.word != o->nonce)
        return false;
    return vc_cma_write(pid, &o->nonce, there, sizeof o->nonce) == VC_OK &&
           vc_cma_read(pid, &seen, o->probe, sizeof seen) == VC_OK && seen.written == o->nonce;
}

/* The first rank whose offer shows that the attempt fails, or -1. */
static int find_failure(const struct vc_team *t, const struct offer *offers, enum vc_shared *why)
{
    for (int r = 0; r < t->size; r++)
        if (!offers[r].fits) {
            *why = VC_SHARE_LIMIT;
            return r;
        }
    for (int r = 0; r < t->size; r++)
        if (t->hier.local_of[r] == 0 && offers[r].wanted && offers[r].handle.backing == 0) {
            *why = VC_SHARE_CREATE;
            return r;
        }
    return -1;
}

/* This rank's part of the exchange: reserves, and a node's first rank creates. */
static void make_offer(struct vc_team *t, const struct vc_share *how, struct vc_seg *seg, struct offer *mine)
{
    memset(mine, 0, sizeof *mine);
    mine->fits = true;
    mine->pooled = vc_pool_any();
    if (t->nlocal == 1)
        return;
    mine->wanted = true;
    mine->fits = reserve(how->bytes);
    t->target.word = vc_now_ns() ^ (uintptr_t)&t->target;
    mine->probe = (uintptr_t)&t->target;
    mine->nonce = t->target.word;
    if (mine->fits && t->local == 0 && vc_seg_create(how->bytes, how->backing, seg, &mine->handle) != VC_OK) {
        vc_shm_none(seg);
        mine->handle.backing = 0;
        snprintf(mine->why, sizeof mine->why, "%s", vc_error_text());
    }
}

static int attach(const struct vc_team *t, const struct offer *lead, struct vc_seg *seg)
{
    /* The descriptor's number means something in its own process only. */
    if (lead->handle.backing == VC_SEG_MEMFD && t->pids[0] == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "its process cannot be seen from here: VCOLL_SHM_BACKING=shm does "
                                           "without");
    return vc_seg_attach(&lead->handle, seg);
}

/* Each rank tries what was offered, and a vote tells all ranks whether it worked everywhere. */
static enum vc_shared try_offers(struct vc_team *t, MPI_Comm comm, const struct vc_share *how,
                                 const struct offer *offers, struct vc_seg *seg, bool *cma)
{
    /* vote[0]: the lowest rank that could not attach; vote[1]: whether single copy works. */
    int vote[2] = {t->size, how->try_cma}, out[2] = {0, 0};
    bool wanted = t->nlocal > 1;
    if (wanted && t->local != 0 && attach(t, &offers[t->ranks[0]], seg) != VC_OK) {
        vc_shm_none(seg);
        vote[0] = t->rank;
    }
    /* Not after a failure: the probe would replace its text. */
    if (wanted && vote[0] == t->size && how->try_cma)
        vote[1] = probe_cma(t, offers);
    if (vc_next.Allreduce(vote, out, 2, MPI_INT, MPI_MIN, comm) != MPI_SUCCESS)
        return VC_SHARE_MPI;
    if (out[0] < t->size) {
        if (!how->quiet)
            complain(out[0], "attach to it", out[0] == t->rank ? vc_error_text() : "");
        return VC_SHARE_ATTACH;
    }
    *cma = out[1] != 0;
    if (wanted && t->local == 0)
        vc_seg_settle(seg);
    return VC_SHARED;
}

/* *again: it failed while some rank kept teams, and may work once all ranks have freed theirs. */
static enum vc_shared attempt(struct vc_team *t, MPI_Comm comm, const struct vc_share *how,
                              struct vc_seg *seg, bool *cma, bool *again)
{
    struct offer mine, *offers = malloc((size_t)t->size * sizeof *offers);
    vc_shm_none(seg);
    *cma = *again = false;
    if (!offers)
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", t->size);
    int all = vc_vote_all(t, comm, offers != NULL);
    if (all <= 0) {
        free(offers);
        return all < 0 ? VC_SHARE_MPI : VC_SHARE_NOMEM;
    }
    make_offer(t, how, seg, &mine);
    enum vc_shared result = VC_SHARED;
    if (vc_next.Allgather(&mine, (int)sizeof mine, MPI_BYTE, offers, (int)sizeof mine, MPI_BYTE, comm) !=
        MPI_SUCCESS) {
        result = VC_SHARE_MPI;
    } else {
        int failed = find_failure(t, offers, &result);
        for (int r = 0; failed >= 0 && result == VC_SHARE_CREATE && r < t->size; r++)
            *again |= offers[r].pooled != 0;
        if (failed >= 0 && result == VC_SHARE_CREATE && !*again)
            complain(failed, "create it", offers[failed].why);
        if (failed == t->rank && result == VC_SHARE_LIMIT)
            vc_log(VC_LOG_INFO,
                   "%zu KiB more of shared memory would be over VCOLL_SHM_LIMIT; doing with less",
                   how->bytes >> 10);
    }
    if (result == VC_SHARED)
        result = try_offers(t, comm, how, offers, seg, cma);
    if (result != VC_SHARED) {
        vc_seg_detach(seg);
        vc_shm_none(seg);
        if (mine.wanted && mine.fits)
            vc_shm_unreserve(how->bytes);
    }
    free(offers);
    return result;
}

enum vc_shared vc_share_try(struct vc_team *t, MPI_Comm comm, const struct vc_share *how, struct vc_seg *seg,
                            bool *cma)
{
    bool again;
    enum vc_shared got = attempt(t, comm, how, seg, cma, &again);
    if (!again)
        return got;
    vc_pool_drain();
    return attempt(t, comm, how, seg, cma, &again);
}
