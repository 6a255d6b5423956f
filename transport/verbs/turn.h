/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress: what the device and the boot channel have brought, and what can be sent. */
#ifndef VC_TRANSPORT_VERBS_TURN_H
#define VC_TRANSPORT_VERBS_TURN_H

#include "transport/verbs/state.h"

/** One turn: both completion queues, connections, the boot channel where it carries messages, active peers.
 * Returns how much happened, or a negative error: the boot channel has failed. */
int vc_verbs_progress(struct vc_verbs *v);

#endif
