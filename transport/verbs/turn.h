/* SPDX-License-Identifier: BSD-3-Clause */
/* The seldom parts of vc_verbs_progress(). */
#ifndef VC_TRANSPORT_VERBS_TURN_H
#define VC_TRANSPORT_VERBS_TURN_H

#include "transport/verbs/state.h"

/** Before the device is polled: whether connections were lost, of which it is to be read what has arrived. */
bool vc_lost_begin(struct vc_verbs *v);
/** The boot channel, where connections are made or it carries messages. Returns how much happened. */
int vc_turn_boot(struct vc_verbs *v);

#endif
