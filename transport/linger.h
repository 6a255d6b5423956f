/* SPDX-License-Identifier: BSD-3-Clause */
/* How a rank that waits drives the host MPI, and for how long it goes on when something came. For wait.c
 * alone. */
#ifndef VC_TRANSPORT_LINGER_H
#define VC_TRANSPORT_LINGER_H

#include "transport/wait.h"

/** One call of the host's progress; *now is the time afterwards. True: something came, or may have come, and
 * w->driving is set. */
bool vc_linger_drive(struct vc_waiter *w, uint64_t *now);
/** Between two polls of a rank whose messages come, or may come, through the host (w->driving). Clears that
 * when nothing has come for long enough. Returns the time. */
uint64_t vc_linger_idle(struct vc_waiter *w);
/** After a sleep: whether the host must have its turn although a waker ended the sleep. */
bool vc_linger_due(uint64_t now);
/** After a sleep: gives the host its turn. Going on for as long as it has something to do is up to
 * vc_linger_idle(), between polls. Returns the time. */
uint64_t vc_linger_after_sleep(struct vc_waiter *w, uint64_t now);

#endif
