/* SPDX-License-Identifier: BSD-3-Clause */
/* From the boot channel back to a connection. */
#ifndef VC_TRANSPORT_VERBS_REGAIN_H
#define VC_TRANSPORT_VERBS_REGAIN_H

#include "transport/verbs/state.h"

/** A connection was lost: when to try to regain it. */
void vc_regain_plan(struct ep *e);
/** Moves connections on that are being regained, and begins with others when their time has come. Costs a
 * look at the clock otherwise. Returns how much happened. */
int vc_regain_progress(struct vc_verbs *v);

#endif
