/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleeping on a descriptor that several threads may wait for. For wait.c alone. */
#ifndef VC_TRANSPORT_SOURCE_H
#define VC_TRANSPORT_SOURCE_H

#include "transport/wait.h"

enum vc_slept {
    VC_SLEPT_OUT,   /**< nothing came */
    VC_SLEPT_WOKEN, /**< something came, or another thread has read an event */
    VC_SLEPT_NOT, /**< it did not sleep, because another thread has read an event since the source was armed:
                   * it has to be armed anew, and the condition polled */
};

/** Arms the source of the wait, unless that stands. *again: what is waited for has to be polled before the
 * sleep. An error of the source. */
int vc_source_arm(struct vc_waiter *w, bool *again);

/** Sleeps on the source, and on the pipe where the wait has a park word, for ns at most. *on_pipe: a waker
 * wrote to that. */
enum vc_slept vc_source_sleep(struct vc_waiter *w, uint64_t ns, bool *on_pipe);

#endif
