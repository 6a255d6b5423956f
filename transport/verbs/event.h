/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion events: sleeping on them, moderating them, and what is checked during a long sleep. */
#ifndef VC_TRANSPORT_VERBS_EVENT_H
#define VC_TRANSPORT_VERBS_EVENT_H

#include "transport/verbs/state.h"

/** Fills in v->src. */
void vc_verbs_src_init(struct vc_verbs *v);
/** Acknowledges all events, as destroying the queues requires. */
void vc_verbs_ack_all(struct vc_verbs *v);
/** Moderates the queues if the settings ask for it. Devices without moderation are no error. */
int vc_verbs_moderate(struct vc_verbs *v);

#endif
