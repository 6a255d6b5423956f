/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/drive.h"

#include <sched.h>
#include <stdatomic.h>

/* A turn that takes longer than an idle one by a part of that and MARGIN_NS had an effect: messages cost
 * more, and idle turns scatter less. */
#define MARGIN_NS 60u
/* If other processes run between the calls, idle turns scatter more, and more messages come in one turn. */
#define YIELDING_TIMES 2
#define COLD_MARGIN_NS 500u
#define COLD_TIMES     10u

/* Parts of a nanosecond, so that it can move slowly. */
#define PARTS 64

/* Among the turns of so long there is an idle one, however many messages come. */
#define WINDOW_NS 100000000u

/* Relaxed throughout: guesses that all threads improve, which order nothing. idle is in PARTS. */
static _Atomic uint64_t idle_parts, cold_ns;
/* The cheapest turns of this window and of the one before, and when this one ends. */
static _Atomic uint64_t cheapest_now = UINT64_MAX, cheapest_before = UINT64_MAX, window_end;

uint64_t vc_drive_idle_ns(void)
{
    return atomic_load_explicit(&idle_parts, memory_order_relaxed) / PARTS;
}

static uint64_t load_ns(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void store_ns(_Atomic uint64_t *v, uint64_t to)
{
    atomic_store_explicit(v, to, memory_order_relaxed);
}

/* The most that an idle turn is taken to cost: a third above the cheapest turn of this window and the one
 * before. Without this bound many small messages, each of which is taken for an idle turn, would raise the
 * measure. If idle calls have become dearer for good (connections were made), that shows after two windows.
 */
static uint64_t most_idle(uint64_t ns, uint64_t now)
{
    uint64_t cheapest = load_ns(&cheapest_now), before = load_ns(&cheapest_before);
    if (now >= load_ns(&window_end)) {
        store_ns(&cheapest_before, before = cheapest);
        store_ns(&cheapest_now, cheapest = ns);
        store_ns(&window_end, now + WINDOW_NS);
    } else if (ns < cheapest) {
        store_ns(&cheapest_now, cheapest = ns);
    }
    if (before < cheapest)
        cheapest = before;
    return cheapest + cheapest / 3 + 20;
}

/* A low quantile of the turns: shorter ones pull faster than longer ones. Those that do not pass as idle pull
 * by next to nothing, whatever they took. */
static void learn(uint64_t ns, bool came, uint64_t now)
{
    uint64_t idle = load_ns(&idle_parts), turn = ns * PARTS, most = most_idle(ns, now) * PARTS;
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
    store_ns(&idle_parts, idle < PARTS ? PARTS : idle);
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
    /* These calls found the caches warm: what a cold turn takes is not known yet. */
    atomic_store_explicit(&cold_ns, 0, memory_order_relaxed);
}
