/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared memory for every node of a communicator, agreed by all its ranks: one exchange of offers, then
 * everybody tries what was offered, then one vote. Failures that the offers already show cost no vote.
 */
#include "pmpi/team.h"
#include "pmpi/world.h"
#include "transport/shm/shm_chan.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a rank tells the others in one attempt. */
struct offer {
    struct vc_seg_handle handle; /* a node's first rank */
    uint64_t probe, nonce;       /* where in this process a struct cma_target is, and its word */
    int32_t fits, wanted;        /* within VCOLL_SHM_LIMIT; the node has more than one rank */
    char why[120];               /* a node's first rank: why it could not create the segment */
};

/* What the single copy is tried on. */
struct cma_target {
    uint64_t word;    /* read by the rank before this one */
    uint64_t written; /* written by it, and read back; nothing to this rank */
};

/* Bytes of shared memory this process has mapped, for VCOLL_SHM_LIMIT. */
static _Atomic uint64_t mapped;

static bool reserve(size_t bytes)
{
    uint64_t before = atomic_fetch_add_explicit(&mapped, bytes, memory_order_relaxed);
    if (before + bytes <= vc_params.shm_limit)
        return true;
    atomic_fetch_sub_explicit(&mapped, bytes, memory_order_relaxed);
    return false;
}

static void unreserve(size_t bytes)
{
    atomic_fetch_sub_explicit(&mapped, bytes, memory_order_relaxed);
}

void vc_share_release(struct vc_seg *seg)
{
    if (!seg->base)
        return;
    unreserve(seg->len);
    vc_seg_detach(seg);
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
}

/* One line a job, by rank 0 of the world: everybody knows of the failure. More only for those who ask. */
static void complain(int rank, const char *what, const char *why)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    bool first = vc_world.rank == 0 && !atomic_flag_test_and_set(&told);
    vc_log(first ? VC_LOG_WARN : VC_LOG_INFO,
           "shared memory cannot be used as wanted (rank %d could not %s%s%s); all ranks of the communicator "
           "do with "
           "less",
           rank, what, why[0] ? ": " : "", why);
}

/* Single copy from and to the next rank of the node, in a ring, so that every border between two sandboxes is
 * crossed. Both directions: they are two system calls, which may be forbidden apart. */
static bool probe_cma(const struct vc_team *t, const struct offer *offers)
{
    int next = (t->local + 1) % t->nlocal;
    const struct offer *o = &offers[t->ranks[next]];
    struct cma_target seen = {0, 0};
    uint64_t there = o->probe + offsetof(struct cma_target, written);
    pid_t pid = t->pids[next];
    return pid != 0 && vc_cma_write(pid, &o->nonce, there, sizeof o->nonce) == VC_OK &&
           vc_cma_read(pid, &seen, o->probe, sizeof seen) == VC_OK && seen.word == o->nonce &&
           seen.written == o->nonce;
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

enum vc_shared vc_share_try(const struct vc_team *t, MPI_Comm comm, const struct vc_share *how,
                            struct vc_seg *seg, bool *cma)
{
    static struct cma_target target; /* stays put while others reach for it */
    bool wanted = t->nlocal > 1, leader = t->local == 0;
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
    *cma = false;

    struct offer mine, *offers = malloc((size_t)t->size * sizeof *offers);
    memset(&mine, 0, sizeof mine);
    mine.wanted = wanted;
    if (!offers)
        return VC_SHARE_MPI;
    mine.fits = !wanted || reserve(how->bytes);
    bool reserved = mine.fits && wanted;
    if (wanted) {
        target.word = vc_now_ns() ^ (uintptr_t)&target;
        mine.probe = (uintptr_t)&target;
        mine.nonce = target.word;
    }
    if (reserved && leader && vc_seg_create(how->bytes, how->backing, seg, &mine.handle) != VC_OK) {
        memset(seg, 0, sizeof *seg);
        seg->fd = -1;
        mine.handle.backing = 0;
        snprintf(mine.why, sizeof mine.why, "%s", vc_error_text());
    }

    enum vc_shared result = VC_SHARED;
    if (vc_next.Allgather(&mine, (int)sizeof mine, MPI_BYTE, offers, (int)sizeof mine, MPI_BYTE, comm) !=
        MPI_SUCCESS) {
        result = VC_SHARE_MPI;
    } else {
        int failed = find_failure(t, offers, &result);
        if (failed >= 0 && result == VC_SHARE_CREATE)
            complain(failed, "create it", offers[failed].why);
        if (failed == t->rank && result == VC_SHARE_LIMIT)
            vc_log(VC_LOG_INFO,
                   "%zu KiB more of shared memory would be over VCOLL_SHM_LIMIT; doing with less",
                   how->bytes >> 10);
    }
    if (result == VC_SHARED) {
        /* vote[0]: the lowest rank that could not attach; vote[1]: whether single copy works. */
        int vote[2] = {t->size, how->try_cma}, out[2] = {0, 0};
        const struct offer *lead = &offers[t->ranks[0]];
        if (wanted && !leader && vc_seg_attach(&lead->handle, seg) != VC_OK) {
            memset(seg, 0, sizeof *seg);
            seg->fd = -1;
            vote[0] = t->rank;
        }
        /* Not after a failure: the probe would replace its text. */
        if (wanted && vote[0] == t->size && how->try_cma)
            vote[1] = probe_cma(t, offers);
        if (vc_next.Allreduce(vote, out, 2, MPI_INT, MPI_MIN, comm) != MPI_SUCCESS)
            result = VC_SHARE_MPI;
        else if (out[0] < t->size)
            result = VC_SHARE_ATTACH;
        if (result == VC_SHARE_ATTACH && !how->quiet)
            complain(out[0], "attach to it", out[0] == t->rank ? vc_error_text() : "");
        *cma = result == VC_SHARED && out[1] != 0;
    }
    if (result == VC_SHARED && leader && wanted)
        vc_seg_settle(seg);
    if (result != VC_SHARED && seg->base)
        vc_seg_detach(seg);
    if (result != VC_SHARED) {
        memset(seg, 0, sizeof *seg);
        seg->fd = -1;
        if (reserved)
            unreserve(how->bytes);
    }
    free(offers);
    return result;
}
