/* SPDX-License-Identifier: BSD-3-Clause */
/* How many queue pairs a process has, and may have; and connections that do without one. */
#ifndef VC_TRANSPORT_VERBS_LIMIT_H
#define VC_TRANSPORT_VERBS_LIMIT_H

#include "transport/verbs/state.h"

/** Whether connections must do without queue pairs, now or at some time. */
static inline bool vc_limit_matters(const struct vc_verbs *v)
{
    return v->cfg.most_open > 0 || v->limited;
}

/** How many queue pairs there may be: as the setting says, and no more than the device has granted lately. */
int vc_limit_most(const struct vc_verbs *v);
static inline bool vc_limit_full(const struct vc_verbs *v)
{
    return vc_limit_matters(v) && v->open >= vc_limit_most(v);
}
/** A queue pair was made, or the device has refused it with this errno value. */
void vc_limit_created(struct vc_verbs *v, bool made, int err);

/** Rises with every message, either way. */
static inline uint32_t vc_ep_traffic(const struct ep *e)
{
    return e->head + e->got_seq + e->got_writes;
}

/** Whether a closed connection has had enough messages to be worth a queue pair again, for either end. */
bool vc_ep_is_wanted(const struct ep *e);

/** Whether a request waits for this peer. */
static inline bool vc_peer_waits(const struct peer *p)
{
    return p->recvs > 0 || p->wait_head || p->push_head || p->send_head[STREAM_EAGER] ||
           p->send_head[STREAM_DECLINED];
}

/** Counts the connection in v->detours, or not: to be called after each change of what that depends on. */
void vc_ep_count(struct ep *e);
/** Turns do not heed a closed connection until one of its peers is looked up, or its process says something.
 */
void vc_ep_sleep(struct ep *e);
void vc_ep_wake(struct ep *e);

#endif
