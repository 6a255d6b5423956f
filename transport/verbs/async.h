/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device reports besides completions: its end, the port's state, another address of the port. */
#ifndef VC_TRANSPORT_VERBS_ASYNC_H
#define VC_TRANSPORT_VERBS_ASYNC_H

#include "transport/verbs/state.h"

void vc_verbs_async_init(struct vc_verbs *v);
/** Reads all events that there are, and acts on them. */
void vc_verbs_read_async(struct vc_verbs *v);
/** Whether the port is down is asked anew. The device may turn out to be gone. */
void vc_verbs_check_port(struct vc_verbs *v);
/** Reads the events, and looks whether the device was removed without an event. */
void vc_verbs_check_device(struct vc_verbs *v);
/** The same, to be called often where no rank ever waits for long: does so twice a second. */
void vc_verbs_check_busy_device(struct vc_verbs *v);

#endif
