/* SPDX-License-Identifier: BSD-3-Clause */
/* What every channel must do, as functions that all ranks of a channel call together. */
#ifndef VC_TESTS_CONFORMANCE_H
#define VC_TESTS_CONFORMANCE_H

#include "transport/channel.h"

struct cf_env {
    struct vc_chan *ch; /**< the last test destroys it */
    const struct vc_wait_cfg *wait;
    struct vc_parking *parking; /**< NULL: sleeps are timed */
    void (*die)(void);          /**< ends all ranks after a failure; NULL: _exit(1) */
    unsigned seed;
    bool reduces; /**< the channel has irecv_reduce, and takes short messages from other ranks */
};

/** Runs all tests, returns only when all of them passed. */
void cf_run(struct cf_env *e);

/** Helpers for other tests. */
void cf_wait(struct cf_env *e, struct vc_chan_req *reqs, int n);
void cf_barrier(struct cf_env *e);
/** Bytes that tell message, sender, receiver and position apart. */
void cf_fill(void *buf, size_t len, int src, int dst, unsigned no);
void cf_verify(struct cf_env *e, const void *buf, size_t len, int src, int dst, unsigned no);
void cf_die(struct cf_env *e, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
