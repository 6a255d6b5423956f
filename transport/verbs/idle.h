/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that are not used, closed for the sake of others. */
#ifndef VC_TRANSPORT_VERBS_IDLE_H
#define VC_TRANSPORT_VERBS_IDLE_H

#include "transport/verbs/state.h"

/** Whether closing it is being talked of with the peer. */
static inline bool vc_idle_is_talked_of(const struct ep *e)
{
    return e->idle.asking || e->idle.asked || e->idle.peer_left;
}

/** Frees what only a queue pair needs. */
void vc_ep_give_back(struct ep *e);

/** Moves connections on that are being closed. Returns how much happened. */
int vc_idle_settle(struct vc_verbs *v);

/** Where queue pairs are limited: looks which connections were used, asks peers to close such as were not
 * where others need their queue pairs, and lets unused ones without a queue pair sleep. */
void vc_idle_tick(struct vc_verbs *v, uint64_t now);

#endif
