/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/linger.h"

/* After a sleep the host MPI is driven until nothing has come for GLANCE_NS. Once something came it is
 * LINGER_NS, or twice the usual gap between messages if that is longer, but LINGER_MAX_NS at most. */
#define GLANCE_NS     3000u
#define LINGER_NS     50000u
#define LINGER_MAX_NS 1000000u
/* The same in yields, where ranks share CPUs. */
#define GLANCE_YIELDS 8
#define LINGER_YIELDS 64
/* If a yield took longer, another process has run, and the caches hold its data. */
#define LONG_YIELD_NS 20000u
/* Such a yield counts as several short ones without result: messages that were on their way have had the time
 * to arrive, and switching between this rank and one that computes costs both. */
#define LONG_YIELD_COUNTS (GLANCE_YIELDS / 2)
/* So many signs one after another make sure that something comes. */
#define SURE 3
/* Of weak signs in a row only so many count: MANY_WEAK after SURE strong signs, FEW_WEAK otherwise. */
#define MANY_WEAK 100
#define FEW_WEAK  4

/* The host MPI has its turn at least that often even if all sleeps end early. */
#define HOST_EVERY_NS 500000u

static _Atomic uint64_t host_driven; /* when, in ns; any thread's */

/* Something may have come: the host is driven for some more time. */
static void drive_on(struct vc_waiter *w, uint64_t now)
{
    w->driving = true;
    w->t_driven = now;
    w->quiet_calls = 0;
    w->cpu_ns = 0;
    if (w->announced)
        vc_wait_unpark(w); /* awake: nobody needs to wake it */
}

/*
 * Something came through the host: another rank's messages need this rank, and more of them will follow. The
 * linger follows the gaps between them. A single sign may be an interrupt or a cold cache, so it only makes
 * this rank drive the host a little longer; a second one in a row halves the silence that sleeps are measured
 * by, and SURE of them end it.
 */
static void note_came(struct vc_waiter *w, uint64_t now)
{
    uint64_t gap = now - w->t_came, linger = LINGER_NS;
    if (w->signs == SURE) { /* a longer one shrinks slowly */
        linger = w->linger - w->linger / 16;
        if (linger < 2 * gap)
            linger = 2 * gap < LINGER_MAX_NS ? 2 * gap : LINGER_MAX_NS;
        if (linger < LINGER_NS)
            linger = LINGER_NS;
    } else {
        w->signs++;
    }
    if (w->signs == SURE)
        w->t_quiet = now;
    else if (w->signs > 1)
        w->t_quiet += (now - w->t_quiet) / 2;
    w->linger = (uint32_t)linger;
    w->t_came = now;
}

bool vc_linger_drive(struct vc_waiter *w, uint64_t *now)
{
    atomic_fetch_add_explicit(&vc_wait_stats.progress_calls, 1, memory_order_relaxed);
    w->turn.yielding = vc_wait_crowded(w->cfg);
    enum vc_sign sign = vc_drive(&w->turn, w->cfg->host_progress, now);
    if (sign == VC_SIGN_NONE)
        return false;
    if (sign == VC_SIGN_STRONG)
        w->weak = 0;
    else if (w->weak == (w->signs == SURE ? MANY_WEAK : FEW_WEAK))
        return false;
    else
        w->weak++;
    drive_on(w, *now);
    if (sign == VC_SIGN_STRONG)
        note_came(w, *now);
    return true;
}

/* Nothing has come for long enough. Where ranks share CPUs, yields are counted and not time, because the time
 * of a yield belongs to other ranks. */
static bool is_quiet(const struct vc_waiter *w, uint64_t now)
{
    if (vc_wait_crowded(w->cfg)) {
        if (w->signs == SURE)
            return w->quiet_calls >= LINGER_YIELDS;
        return w->quiet_calls >= (w->signs + w->weak > 0 ? 2 * GLANCE_YIELDS : GLANCE_YIELDS);
    }
    return w->quiet_calls >= VC_TURN_CALLS && now - w->t_driven > w->linger;
}

uint64_t vc_linger_idle(struct vc_waiter *w)
{
    uint64_t now;
    /* While something comes, this rank takes it in without giving the CPU away, as the MPI's own waits do. */
    if (vc_wait_crowded(w->cfg) && w->quiet_calls > 0) {
        uint64_t begun = vc_now_ns();
        vc_wait_yield();
        if (vc_now_ns() - begun > LONG_YIELD_NS) {
            w->turn = (struct vc_turn){.cold = true};
            w->quiet_calls += LONG_YIELD_COUNTS;
        }
    } else {
        vc_cpu_relax();
    }
    if (!vc_linger_drive(w, &now)) {
        w->quiet_calls++;
        if (is_quiet(w, now)) {
            w->driving = false;
            /* Signs add up over sleeps, until a sleep after which there was none. */
            if (w->t_came < w->t_slept && (w->signs < SURE || now - w->t_came > LINGER_MAX_NS))
                w->signs = 0;
            atomic_store_explicit(&host_driven, now, memory_order_relaxed);
        }
    }
    return now;
}

bool vc_linger_due(uint64_t now)
{
    return now - atomic_load_explicit(&host_driven, memory_order_relaxed) >= HOST_EVERY_NS;
}

uint64_t vc_linger_after_sleep(struct vc_waiter *w, uint64_t now)
{
    w->t_slept = now;
    w->weak = 0;
    w->turn = (struct vc_turn){.cold = true};
    bool certain = true;
    for (int calls = 0; calls < VC_TURN_CALLS; calls++) {
        vc_linger_drive(w, &now);
        certain = certain && w->turn.certain;
    }
    atomic_store_explicit(&host_driven, now, memory_order_relaxed);
    w->driving = !certain;
    w->t_driven = now;
    w->quiet_calls = 0;
    if (w->t_came < w->t_slept && w->signs < SURE)
        w->linger = GLANCE_NS;
    return now;
}
