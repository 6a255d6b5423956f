/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion events: sleeping on them, and what is checked during a long sleep. */
#ifndef VC_TRANSPORT_VERBS_EVENT_H
#define VC_TRANSPORT_VERBS_EVENT_H

#include "transport/verbs/state.h"

/** Fills in v->src. */
void vc_verbs_src_init(struct vc_verbs *v);

#endif
