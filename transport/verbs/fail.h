/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures: each keeps the first text, which must not end in a newline. Nothing here tells other processes.
 */
#ifndef VC_TRANSPORT_VERBS_FAIL_H
#define VC_TRANSPORT_VERBS_FAIL_H

#include "transport/verbs/state.h"

/** The device: nothing works over it any more. */
void vc_verbs_fail(struct vc_verbs *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A connection, and with it all channels that use it. */
void vc_ep_fail(struct ep *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The same, of the connection with this queue pair number, after an error completion. */
void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status);
void vc_chan_fail(struct chan *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Another rank of the channel has told that it failed, with a text of at most `len` bytes. */
void vc_chan_gave_up(struct chan *c, int rank, const char *why, size_t len);

#endif
