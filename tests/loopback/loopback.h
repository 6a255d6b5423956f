/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loopback verbs device's own interface, for tests that share a process with it. Everything else is the
 * interface of libibverbs. README.md explains the settings.
 */
#ifndef VC_TESTS_LOOPBACK_H
#define VC_TESTS_LOOPBACK_H

#include <stdint.h>

#if defined(__GNUC__)
#define VC_LOOPBACK_API __attribute__((visibility("default")))
#endif

/** What this process did and has. Counts of one process; exact while one thread at a time posts. */
struct vc_loopback_stats {
    uint64_t sends;       /**< send work requests posted, all opcodes */
    uint64_t recvs;       /**< receive work requests posted, shared queues included */
    uint64_t bytes;       /**< payload moved by this process's sends */
    uint64_t doorbells;   /**< calls of ibv_post_send */
    uint64_t completions; /**< work completions polled */
    uint64_t polls;       /**< calls of ibv_poll_cq */
    uint64_t arms;        /**< calls of ibv_req_notify_cq */
    uint64_t events;      /**< completion events returned by ibv_get_cq_event */
    uint64_t deferred;    /**< sends that could not finish inside ibv_post_send */
    uint64_t rnr;         /**< attempts that met no receive */
    uint64_t drops;       /**< attempts that reached no queue pair */
    uint64_t faults;      /**< injected faults that struck */
    uint64_t stale;       /**< with pin=1: accesses to regions whose memory had been replaced */
    uint64_t mr_bytes;    /**< memory registered now */
    uint32_t contexts, pds, mrs, channels, cqs, qps, srqs; /**< objects alive now */
};

/**
 * Applies settings, in the syntax of the variable VC_LOOPBACK, from now on: counts start at 0, times start
 * now. "reset" forgets all faults. Limits and tables of devices that are open already do not change.
 * Returns 0, or EINVAL when a setting is not understood (none of the list is applied then). Thread-safe.
 */
VC_LOOPBACK_API int vc_loopback_inject(const char *settings);

/** From now on each ibv_post_send() of this process begins with fn(arg), before it reads anything of its work
 * requests. NULL: no more. Not concurrent with ibv_post_send(). */
VC_LOOPBACK_API void vc_loopback_on_post(void (*fn)(void *arg), void *arg);

/** Fills *out. Thread-safe. */
VC_LOOPBACK_API void vc_loopback_stats(struct vc_loopback_stats *out);

#endif
