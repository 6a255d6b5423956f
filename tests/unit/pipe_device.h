/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device for tests of the registration cache: a registration is a pipe that holds the pages (vmsplice), so
 * that reading it shows what a device would transfer by this registration, which is not what is in memory
 * when the registration is stale.
 */
#ifndef VC_TESTS_PIPE_DEVICE_H
#define VC_TESTS_PIPE_DEVICE_H

#include "transport/verbs/regcache.h"

#include <stdatomic.h>

/** Largest registration in bytes (what fits into a pipe). */
#define PIPE_DEVICE_MAX ((size_t)1 << 20)

struct pipe_device {
    _Atomic int registered; /**< now */
    _Atomic int regs;       /**< ever */
    int fail_next;          /**< error that the next registration returns */
    int room;               /**< more registrations at a time fail with VC_ERR_NOMEM; 0: no limit */
    void (*meddle)(void);   /**< called by each registration and deregistration */
};

/** Callbacks; `ctx` is a pipe_device. */
int pipe_device_reg(void *ctx, void *addr, size_t len, struct vc_reg *out);
void pipe_device_dereg(void *ctx, struct vc_reg *reg);

/** Copies what the device sees at address `addr` of a registration to `to`. One thread at a time per
 * registration. */
void pipe_device_read(const struct vc_reg *reg, const void *addr, void *to, size_t len);

#endif
