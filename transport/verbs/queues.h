/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has on its device: queues, their sizes and moderation, and registered buffers. */
#ifndef VC_TRANSPORT_VERBS_QUEUES_H
#define VC_TRANSPORT_VERBS_QUEUES_H

#include "transport/verbs/state.h"

#define MAILBOX_BYTES ((size_t)4096)

/** What the settings ask for, within what the device allows. */
void vc_queues_size(const struct vc_verbs_cfg *cfg, const struct ibv_device_attr *a, struct sizes *s);
/** Bytes of all slots. */
size_t vc_queues_slots_bytes(const struct sizes *s);

/** Makes the queues on v->dev: at first, or again with the same sizes. VC_OK, or an error that leaves some.
 */
int vc_queues_make(struct vc_verbs *v);
/** Registers v->mem with it. */
int vc_queues_register(struct vc_verbs *v);
/** Ends all of these and closes the device. No connection may have a queue pair or registration. */
void vc_queues_end(struct vc_verbs *v);

/** Acknowledges the events of each queue that has at least so many. */
void vc_queues_ack(struct vc_verbs *v, unsigned least);

#endif
