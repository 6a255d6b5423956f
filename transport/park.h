/* SPDX-License-Identifier: BSD-3-Clause */
/* Park words: announcing a sleep, sleeping, waking, and which participants are alive. For wait.c alone. */
#ifndef VC_TRANSPORT_PARK_H
#define VC_TRANSPORT_PARK_H

#include "transport/wait.h"

/** Announces this participant as asleep from now on; value: see struct vc_park_area. With `on_pipe` wakers
 * write into this process's pipe. */
void vc_park_announce(struct vc_parking *p, uint32_t value, bool on_pipe);
/** Between the announcement and the last poll: the fence for sleeper and wakers (see wait.h). */
void vc_park_fence(void);
/** vc_wait_prepare(); tests can do without membarrier. */
bool vc_park_prepare_with(bool membarrier);
/** Takes the announcement back. */
void vc_park_clear(struct vc_parking *p);
/** Sleeps on the own word while it has this value, for ns at most. True: a waker ended it. */
bool vc_park_sleep(struct vc_parking *p, uint32_t value, uint64_t ns);
/** The reading end of this process's pipe, -1 when there is none, or the program has closed it. */
int vc_park_pipe(void);
void vc_park_drain_pipe(void);
/** When this participant was woken last, in ns. */
uint64_t vc_park_woken(const struct vc_parking *p);
/** VC_OK, or VC_ERR_PEER: a participant gave up, or `whom` or one of the next few others has died. So a few
 * calls see all; what a call costs does not grow with their number. */
int vc_park_check(const struct vc_parking *p, int whom);

#endif
