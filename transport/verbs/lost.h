/* SPDX-License-Identifier: BSD-3-Clause */
/* From a lost connection to the boot channel. */
#ifndef VC_TRANSPORT_VERBS_LOST_H
#define VC_TRANSPORT_VERBS_LOST_H

#include "transport/verbs/state.h"

/** Moves lost connections on: tells the peer what has arrived, and when the peer has told the same sends the
 * rest again. Returns how much happened. */
int vc_lost_settle(struct vc_verbs *v);

/** Finds processes that are gone, among those that are not reached over a connection. */
void vc_lost_check(struct vc_verbs *v, uint64_t now);

#endif
