/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/limit.h"

#include <errno.h>
#include <limits.h>

/* A closed connection gets a queue pair again when it has had so many messages. */
#define WORTH_IT 8
/* After the device has refused a queue pair, it is asked for no more than it has granted for so long. */
#define REFUSED_NS 10000000000u

int vc_limit_most(const struct vc_verbs *v)
{
    int most = v->cfg.most_open > 0 ? v->cfg.most_open : INT_MAX;
    if (v->granted > 0 && v->granted < most && vc_now_ns() - v->t_refused < REFUSED_NS)
        most = v->granted;
    return most;
}

void vc_limit_created(struct vc_verbs *v, bool made, int err)
{
    if (made) {
        v->open++;
        if ((uint64_t)v->open > v->stats.most_open)
            v->stats.most_open = (uint64_t)v->open;
        return;
    }
    if ((err != ENOMEM && err != EAGAIN && err != ENOSPC) || v->open == 0)
        return;
    if (!v->limited)
        vc_log(VC_LOG_INFO, "%s grants no more than %d queue pairs: connections that are not used are closed",
               v->dev.name, v->open);
    v->limited = true;
    v->granted = v->open;
    v->t_refused = vc_now_ns();
}

bool vc_ep_is_wanted(const struct ep *e)
{
    return e->idle.closed && !e->idle.asleep && e->state == EP_MPI &&
           (e->idle.wanted || vc_ep_traffic(e) - e->idle.at_close >= WORTH_IT);
}

void vc_ep_count(struct ep *e)
{
    bool counts = e->state == EP_MPI && e->peers && !e->idle.asleep;
    e->v->detours += counts - e->detour;
    e->detour = counts;
    if (counts)
        verbs_unsettle(e->v);
}

void vc_ep_sleep(struct ep *e)
{
    e->idle.asleep = true;
    e->idle.wanted = false;
    e->idle.at_close = vc_ep_traffic(e);
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        p->c->peer[p->rank] = NULL;
    vc_ep_count(e);
}

void vc_ep_wake(struct ep *e)
{
    if (!e->idle.asleep)
        return;
    e->idle.asleep = false;
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        p->c->peer[p->rank] = p;
    vc_ep_count(e);
}
