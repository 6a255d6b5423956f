/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/drive.h"

#include <sched.h>
#include <stdatomic.h>

/* Beyond what an idle turn takes, and a part of that: a message costs more than this, the scatter of idle
 * turns less.
 */
#define MARGIN_NS 60u
/* With others running between the calls the scatter is larger, and messages that come are more. */
#define YIELDING_TIMES 2
#define COLD_MARGIN_NS 500u
#define COLD_TIMES     10u

/* Parts of a nanosecond, so that it can move slowly. */
#define PARTS 64

/* What is cheap in a turn shows within so long, be there ever so many messages. */
#define WINDOW_NS 100000000u

/* Relaxed throughout: guesses that all threads improve, which order nothing. idle is in PARTS. */
static _Atomic uint64_t idle_parts, cold_ns;
/* The cheapest turns of this window and of the one before, and when this one ends. */
static _Atomic uint64_t cheapest_now = UINT64_MAX, cheapest_before = UINT64_MAX, window_end;

uint64_t vc_drive_idle_ns(void)
{
    return atomic_load_explicit(&idle_parts, memory_order_relaxed) / PARTS;
}

static uint64_t get(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void set(_Atomic uint64_t *v, uint64_t to)
{
    atomic_store_explicit(v, to, memory_order_relaxed);
}

/* The most that an idle turn may be taken to cost: a third above the cheapest one of late. Many small
 * messages, each of which passes as idle, must not make themselves the measure. An idle call that has become
 * dearer for good (connections were made) is found to be one when the windows are over. */
static uint64_t most_idle(uint64_t ns, uint64_t now)
{
    uint64_t cheapest = get(&cheapest_now), before = get(&cheapest_before);
    if (now >= get(&window_end)) {
        set(&cheapest_before, before = cheapest);
        set(&cheapest_now, cheapest = ns);
        set(&window_end, now + WINDOW_NS);
    } else if (ns < cheapest) {
        set(&cheapest_now, cheapest = ns);
    }
    if (before < cheapest)
        cheapest = before;
    return cheapest + cheapest / 3 + 20;
}

/* A low quantile of the turns: shorter ones pull faster than longer ones. Those that do not pass as idle pull
 * by next to nothing, whatever they took. */
static void learn(uint64_t ns, bool came, uint64_t now)
{
    uint64_t idle = get(&idle_parts), turn = ns * PARTS, most = most_idle(ns, now) * PARTS;
    if (idle == 0)
        idle = turn;
    else if (turn < idle)
        idle -= (idle - turn) / 8;
    else if (came)
        idle += idle / 8192;
    else
        idle += (turn - idle) / 64;
    if (idle > most)
        idle = most;
    set(&idle_parts, idle < PARTS ? PARTS : idle);
}

/* The mean of the cold turns that pass as idle; a few times what a warm one takes, whatever comes in the
 * first. */
static bool judge_cold(uint64_t ns)
{
    uint64_t cold = atomic_load_explicit(&cold_ns, memory_order_relaxed), idle = vc_drive_idle_ns();
    if (cold == 0)
        cold = COLD_TIMES * idle / 2;
    bool came = idle != 0 && ns > 2 * cold + COLD_MARGIN_NS;
    cold = came ? cold + cold / 16 : cold - cold / 8 + ns / 8;
    if (cold > COLD_TIMES * idle + COLD_MARGIN_NS)
        cold = COLD_TIMES * idle + COLD_MARGIN_NS;
    atomic_store_explicit(&cold_ns, cold, memory_order_relaxed);
    return came;
}

static enum vc_sign judge(const struct vc_turn *t, uint64_t now)
{
    if (t->cold)
        return t->calls == VC_TURN_CALLS && judge_cold(t->ns) ? VC_SIGN_STRONG : VC_SIGN_NONE;
    uint64_t idle = vc_drive_idle_ns();
    uint64_t weak = idle + (t->yielding ? idle / 2 : idle / 4) + MARGIN_NS;
    uint64_t strong = t->yielding ? YIELDING_TIMES * weak : weak;
    bool came = idle != 0 && t->ns > weak;
    if (came || t->calls == VC_TURN_CALLS)
        learn(t->ns, came, now);
    return !came ? VC_SIGN_NONE : t->ns > strong ? VC_SIGN_STRONG : VC_SIGN_WEAK;
}

enum vc_sign vc_drive(struct vc_turn *t, vc_progress_fn *progress, uint64_t *now)
{
    uint64_t begun = vc_now_ns();
    int came = progress();
    *now = vc_now_ns();
    t->ns += *now - begun;
    t->calls++;
    t->certain = came == 0;
    enum vc_sign sign = came > 0 ? VC_SIGN_STRONG : came == 0 ? VC_SIGN_NONE : judge(t, *now);
    if (sign != VC_SIGN_NONE || t->calls == VC_TURN_CALLS)
        *t = (struct vc_turn){.certain = t->certain};
    return sign;
}

void vc_drive_learn(vc_progress_fn *progress, bool yielding)
{
    uint64_t now;
    struct vc_turn t = {.cold = true};
    for (int calls = 0; calls < 16 * VC_TURN_CALLS; calls++) {
        if (yielding)
            sched_yield();
        vc_drive(&t, progress, &now);
    }
    atomic_store_explicit(&cold_ns, 0, memory_order_relaxed); /* it was not so cold */
}
