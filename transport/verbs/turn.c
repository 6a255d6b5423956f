/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/turn.h"

#include "transport/verbs/conn.h"
#include "transport/verbs/detour.h"
#include "transport/verbs/lost.h"
#include "transport/verbs/notes.h"

bool vc_lost_begin(struct vc_verbs *v)
{
    bool any = false;
    for (struct ep *e = v->connecting; e; e = e->next_connecting)
        any |= e->read = e->state == EP_LOST;
    return any;
}

int vc_turn_boot(struct vc_verbs *v)
{
    if (vc_boot_forbidden())
        return 0;
    int work = vc_notes_poll(v);
    if (v->connecting)
        work += vc_ep_progress(v) + vc_lost_settle(v);
    v->unsettled = v->connecting || v->detours > 0;
    return work;
}
