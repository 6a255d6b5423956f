/* SPDX-License-Identifier: BSD-3-Clause */
/* The texts of the checker: names of steps, and the first failure. */
#include "coll/check/internal.h"

#include <stdarg.h>
#include <stdio.h>

const char *vck_step_text(const struct vc_step *s, char *buf, size_t len)
{
    switch (s->kind) {
    case VC_STEP_SEND:
        snprintf(buf, len, "send to %d", s->peer);
        break;
    case VC_STEP_RECV:
        snprintf(buf, len, "recv from %d", s->peer);
        break;
    case VC_STEP_RECV_REDUCE:
        snprintf(buf, len, "recv_reduce from %d", s->peer);
        break;
    case VC_STEP_COPY:
        if (s->parts > 1)
            snprintf(buf, len, "copy of %d pieces", s->parts);
        else
            snprintf(buf, len, "copy");
        break;
    case VC_STEP_REDUCE:
        snprintf(buf, len, "reduce");
        break;
    case VC_STEP_NODE:
        snprintf(buf, len, "node %s", (unsigned)s->node < VC_PHASE_COUNT ? vc_phase_info[s->node].name : "?");
        break;
    default:
        snprintf(buf, len, "unknown kind %d", (int)s->kind);
    }
    return buf;
}

bool vck_fail(struct vck *c, int rank, int step, const char *fmt, ...)
{
    if (c->failed)
        return false;
    c->failed = true;
    char what[512], where[128] = "", name[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (rank >= 0 && step >= 0)
        snprintf(where, sizeof where, "rank %d, step %d (%s): ", rank, step,
                 vck_step_text(&c->plans[rank].steps[step], name, sizeof name));
    else if (rank >= 0)
        snprintf(where, sizeof where, "rank %d: ", rank);
    if (c->text_len)
        snprintf(c->text, c->text_len, "%s%s", where, what);
    return false;
}

bool vck_nomem(struct vck *c)
{
    return vck_fail(c, -1, -1, "out of memory");
}
