/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks as forked processes that share anonymous memory, bounded in time. */
#ifndef VC_TESTS_HARNESS_H
#define VC_TESTS_HARNESS_H

#include "transport/shm/shm_chan.h"
#include "transport/wait.h"

/** Zeroed memory that children share with the parent; page-aligned; NULL never (aborts). */
void *hs_shared(size_t bytes);
void hs_unshare(void *mem, size_t bytes);

/**
 * Runs fn(rank, arg) in n forked processes and waits for them. 0 when all returned 0 in time; the first
 * failure or the time limit ends the others.
 */
int hs_fork(int n, int (*fn)(int rank, void *arg), void *arg, int seconds);

/** The same with ranks as threads of this process, where a thread sanitizer sees all accesses. No time limit.
 */
int hs_threads(int n, int (*fn)(int rank, void *arg), void *arg);

/** What n ranks of one node share, laid out in one piece of shared memory. */
struct hs_node {
    void *mem;
    size_t bytes;
    int n;
    size_t park_at, chan_at, chan_part, extra_at;
};

struct hs_start {
    _Atomic int arrived, phase;
    _Atomic int cma_refused;
    _Atomic uint64_t wakes; /**< for the test's use */
    pid_t pids[256];
    struct vc_peer_id ids[256];
};

/** Memory for park words, a channel of that budget for each rank and `extra` bytes. */
struct hs_node hs_node_make(int n, size_t budget, size_t extra);
void hs_node_free(struct hs_node *nd);

/** A rank's view, made in the child. */
struct hs_rank {
    struct hs_start *start;
    struct vc_parking parking;
    char *chan_mem[256]; /**< of each rank */
    void *extra;
    const pid_t *pids;
    bool cma; /**< single copy works between all ranks */
};
/** Meets the other ranks, learns their process ids and tries cross memory attach with them. */
void hs_join(const struct hs_node *nd, int me, struct hs_rank *out);
/** All n ranks arrive before any leaves. */
void hs_meet(struct hs_start *s, int n);

/** A wait policy for tests: sleeps are 50 us .. 1 ms. */
struct vc_wait_cfg hs_wait(enum vc_wait_mode mode, bool crowded);

#endif
