/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures: each keeps the first text, which must not end in a newline. Nothing here tells other processes.
 */
#ifndef VC_TRANSPORT_VERBS_FAIL_H
#define VC_TRANSPORT_VERBS_FAIL_H

#include "transport/verbs/state.h"

/** What to do about a fault of this end's device or library (ep.local_error) before any message got through.
 */
#define INLINE_ADVICE "if its library ignores inline data, set VCOLL_VERBS_INLINE=0"

/** The device: nothing works over it any more, and all connections are lost. */
void vc_verbs_fail(struct vc_verbs *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A connection is lost: its messages are going to take the boot channel (lost.h). Of one that is being
 * regained, only the new queue pair is lost. */
void vc_ep_lose(struct ep *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The same, of the connection with this queue pair number, after an error completion. */
void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status);
/** A process is gone, or something that was sent to it is: all channels that use it fail. */
void vc_ep_gone(struct ep *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vc_chan_fail(struct chan *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The same, where two ranks have different lengths in mind for a message. `more`: perhaps it is longer. */
void vc_chan_truncated(struct chan *c, int from, size_t sent, bool more, int to, size_t expected);
/** Another rank of the channel has told that it failed, with a text of at most `len` bytes. */
void vc_chan_gave_up(struct chan *c, int rank, const char *why, size_t len);

/** Ends the queue pair that a connection has, or was to be regained with. */
void vc_ep_end_qp(struct ep *e);

/** Puts a connection on the list of those that vc_ep_progress() drives. */
void vc_ep_list(struct ep *e);

#endif
