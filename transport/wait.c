/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/wait.h"

#include "transport/burn.h"
#include "transport/calibrate/costs.h"
#include "transport/linger.h"
#include "transport/park.h"
#include "transport/source.h"
#include "transport/topology/cpus.h"

enum stage { STAGE_SPIN, STAGE_YIELD, STAGE_ANNOUNCED, STAGE_TIMED };

/* How often the clock is read and the host MPI driven: every so many pauses or yields. */
#define PAUSES_PER_LOOK 32
#define YIELDS_PER_LOOK 4
/* A rank that never sleeps yields every so many looks although CPUs are enough: the scheduler or the program
 * may have put two ranks on one. Where it sleeps, the other one runs then. */
#define LOOKS_PER_YIELD 8
/* Between announcement and fence: most waits end here. Where there is no fence, longer than store buffers
 * take to drain on all but the busiest machines (see wait.h). */
#define GRACE_NS 1500u
/* After a wake-up that was not the end of the wait, the next message is probably near. */
#define SPIN_AFTER_WAKE_NS 10000u
/* Longest sleep while other ranks need this process. */
#define DUTY_SLICE_NS 100000u

/* Sleeps last a part of the time in which nothing came, so what comes is late by that part at most. A wait
 * that nobody can end early sleeps shorter. */
#define SLICE_PART       5
#define TIMED_SLICE_PART 3
#define TIMED_FIRST_NS   20000u
/* Longest sleeps: as long as it takes for waking and looking around to cost one part in so many of a CPU, but
 * they need not be shorter than this. */
#define SLEEP_PART    800
#define LONG_SLICE_NS 1000000u

static uint64_t relaxed_add(_Atomic uint64_t *counter, uint64_t n)
{
    return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

_Atomic int vc_wait_duties;

int vc_wait_check(const struct vc_wait_cfg *cfg, const struct vc_parking *parking, struct vc_wake_src *watch,
                  int whom)
{
    int err = cfg->check ? cfg->check(cfg->check_arg) : VC_OK;
    if (err == VC_OK && watch)
        err = watch->check(watch);
    return err == VC_OK && parking ? vc_park_check(parking, whom) : err;
}

static int check_liveness(struct vc_waiter *w, int whom, uint64_t now)
{
    if (w->t_liveness == 0)
        w->t_liveness = now;
    if (now - w->t_liveness < VC_LIVENESS_NS)
        return VC_OK;
    w->t_liveness = now;
    return vc_wait_check(w->cfg, w->parking, w->watch, whom);
}

/* ---- announcing ---- */

static void announce(struct vc_waiter *w, uint32_t value, uint64_t now)
{
    vc_park_announce(w->parking, value, w->src != NULL);
    w->announced = true;
    w->fenced = false;
    w->t_announced = now;
}

/* ---- escalation ---- */

#define LOOK_AROUND_NS 500000000u
static void look_at_steal(bool first)
{
    static _Atomic uint64_t last_steal, last_total;
    uint64_t steal, total;
    if (vc_steal_read(&steal, &total) != VC_OK)
        return;
    uint64_t old_steal = atomic_exchange_explicit(&last_steal, steal, memory_order_relaxed);
    uint64_t old_total = atomic_exchange_explicit(&last_total, total, memory_order_relaxed);
    if (!first && total > old_total) {
        uint64_t part = (steal - old_steal) * 1000 / (total - old_total);
        atomic_store_explicit(&vc_wait_stats.stolen, part, memory_order_relaxed);
    }
}

/* Sleeps (or yields, of ranks that never sleep) in a row that ended so late that another process must have
 * had the CPU, and how many of them are looked into, and when. */
static _Atomic unsigned late_sleeps;
#define LATE_NS       500000u
#define LATE_SLEEPS   4
#define LOOK_AGAIN_NS 20000000u

static void note_end(uint64_t due)
{
    if (vc_now_ns() < due + LATE_NS)
        atomic_store_explicit(&late_sleeps, 0, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&late_sleeps, 1, memory_order_relaxed);
}

/* Looks at the stolen time, and whatever else may change about the CPUs, now and then; called on the way to a
 * sleep, or by ranks that never sleep and share a CPU. */
static void look_around(const struct vc_waiter *w, uint64_t now)
{
    static _Atomic uint64_t next_look;
    uint64_t due = atomic_load_explicit(&next_look, memory_order_relaxed);
    bool late = atomic_load_explicit(&late_sleeps, memory_order_relaxed) >= LATE_SLEEPS;
    if (now + (late ? LOOK_AROUND_NS - LOOK_AGAIN_NS : 0) < due ||
        !atomic_compare_exchange_strong_explicit(&next_look, &due, now + LOOK_AROUND_NS, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    look_at_steal(due == 0);
    if (w->cfg->look_around)
        w->cfg->look_around();
}

/* Of a rank that never sleeps, while it has the CPU for itself as far as it knows. A yield that takes so long
 * that a sleep would have been late tells the same. */
static void yield_and_look(const struct vc_waiter *w)
{
    uint64_t begun = vc_now_ns();
    vc_wait_yield();
    note_end(begun);
    if (atomic_load_explicit(&late_sleeps, memory_order_relaxed) >= LATE_SLEEPS)
        look_around(w, vc_now_ns());
}

static bool cpus_stolen(void)
{
    return atomic_load_explicit(&vc_wait_stats.stolen, memory_order_relaxed) > VC_BURN_STOLEN_PERMILLE;
}

/* How late timed sleeps end, on average. Relaxed: a guess that all threads improve. */
static _Atomic uint64_t timed_late;
/* A wait that nobody ends early does not burn for longer, however late its sleeps end. */
#define UNWOKEN_BURN_MOST_NS 1000000u

static void learn_late(uint64_t ns)
{
    uint64_t old = atomic_load_explicit(&timed_late, memory_order_relaxed);
    ns = ns < UNWOKEN_BURN_MOST_NS ? ns : UNWOKEN_BURN_MOST_NS;
    atomic_store_explicit(&timed_late, old ? old - old / 8 + ns / 8 : ns, memory_order_relaxed);
}

/* How long it is worth burning before sleeping, in ns. Where nobody wakes a sleeper, two ranks that wait for
 * each other by turns would sleep in each turn: while one sleeps, the other one's patience ends. So whoever
 * waits burns for as long as the other one's sleep takes, and then both are awake. */
static uint64_t burn_budget(const struct vc_waiter *w)
{
    bool unwoken =
        w->wakers == VC_WAKERS_NONE && (w->cfg->mode == VC_WAIT_EVENT || w->cfg->mode == VC_WAIT_AUTO);
    uint64_t sleep = TIMED_FIRST_NS + atomic_load_explicit(&timed_late, memory_order_relaxed);
    uint64_t usual = vc_burn_ns(unwoken ? VC_WAIT_AUTO : w->cfg->mode, w->cfg->spin_ns,
                                atomic_load_explicit(&vc_wait_stats.wake_cost_ns, memory_order_relaxed),
                                cpus_stolen(), w->src && w->src->needs_cpu);
    if (sleep > UNWOKEN_BURN_MOST_NS)
        sleep = UNWOKEN_BURN_MOST_NS;
    return unwoken && sleep > usual ? sleep : usual;
}

static void start_burning(struct vc_waiter *w, uint64_t now, uint64_t budget)
{
    w->stage = vc_wait_crowded(w->cfg) ? STAGE_YIELD : STAGE_SPIN;
    w->t_came = w->t_quiet = now;
    w->signs = w->weak = 0;
    w->t_slept = 0;
    w->t_stage = budget == UINT64_MAX ? UINT64_MAX : now + budget;
    w->yields = 0;
    const struct vc_costs *c = vc_costs();
    w->least_yields =
        w->cfg->mode == VC_WAIT_AUTO && budget > 0 ? vc_burn_yields(c->yield_ns, c->wake_ns) : 0;
    w->cpu_ns = 0;
}

/* Time this thread itself has used: being preempted costs nothing. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The CPU time of a sleep after which nothing came: between the ends of two such sleeps of one wait. */
static void learn_sleep_cost(struct vc_waiter *w)
{
    uint64_t cpu = thread_cpu_ns();
    if (w->cpu_ns != 0 && cpu > w->cpu_ns) {
        uint64_t old = atomic_load_explicit(&vc_wait_stats.sleep_cost_ns, memory_order_relaxed);
        uint64_t cost = cpu - w->cpu_ns, avg = old ? old - old / 16 + cost / 16 : cost;
        atomic_store_explicit(&vc_wait_stats.sleep_cost_ns, avg, memory_order_relaxed);
    }
    w->cpu_ns = cpu;
}

/* Counts a finished sleep and lets the host MPI have its turn. */
static void after_sleep(struct vc_waiter *w, bool woken)
{
    relaxed_add(&vc_wait_stats.sleeps, 1);
    uint64_t now = vc_now_ns();
    /* Woken: what was waited for is probably there, and driving the host costs system calls of its own where
     * its messages go over sockets. A sleep that ends by itself always drives it, where it lasted long. */
    if ((woken || w->wakers == VC_WAKERS_NONE) && !vc_linger_due(now))
        return;
    if (!woken)
        learn_sleep_cost(w);
    look_around(w, vc_linger_after_sleep(w, now));
}

/* How long to sleep. */
static uint64_t slice_of(const struct vc_waiter *w, uint64_t now)
{
    const struct vc_wait_cfg *cfg = w->cfg;
    bool wakeable = (w->parking || w->src) && w->wakers != VC_WAKERS_NONE;
    uint64_t slice = (now - w->t_quiet) / (wakeable ? SLICE_PART : TIMED_SLICE_PART);
    uint64_t least = wakeable ? cfg->slice_min_ns : TIMED_FIRST_NS;
    uint64_t most = SLEEP_PART * atomic_load_explicit(&vc_wait_stats.sleep_cost_ns, memory_order_relaxed);
    if (most < LONG_SLICE_NS)
        most = LONG_SLICE_NS;
    if (most > cfg->slice_max_ns)
        most = cfg->slice_max_ns;
    if (slice > most)
        slice = most;
    if (slice < least)
        slice = least;
    if (w->wakers != VC_WAKERS_ALL && slice > LONG_SLICE_NS)
        slice = LONG_SLICE_NS;
    /* Relaxed: a hint. */
    bool duties = !cfg->on_duty && atomic_load_explicit(&vc_wait_duties, memory_order_relaxed) > 0;
    return duties && slice > DUTY_SLICE_NS ? DUTY_SLICE_NS : slice;
}

/* ---- sleeping ---- */

static void learn_wake_cost(const struct vc_waiter *w)
{
    uint64_t now = vc_now_ns();
    uint64_t stamp = vc_park_woken(w->parking);
    if (now > stamp && now - stamp < 10000000u) {
        uint64_t old = atomic_load_explicit(&vc_wait_stats.wake_cost_ns, memory_order_relaxed);
        uint64_t avg = old ? old - old / 8 + (now - stamp) / 8 : now - stamp;
        atomic_store_explicit(&vc_wait_stats.wake_cost_ns, avg, memory_order_relaxed);
    }
}

static void sleep_on_word(struct vc_waiter *w, uint32_t value)
{
    uint64_t begun = vc_now_ns(), slice = slice_of(w, begun);
    bool woken = vc_park_sleep(w->parking, value, slice);
    if (woken)
        learn_wake_cost(w);
    else
        note_end(begun + slice);
    after_sleep(w, woken);
}

static void sleep_on_source(struct vc_waiter *w)
{
    bool on_pipe;
    enum vc_slept slept = vc_source_sleep(w, slice_of(w, vc_now_ns()), &on_pipe);
    if (on_pipe)
        learn_wake_cost(w);
    if (slept != VC_SLEPT_NOT)
        after_sleep(w, slept == VC_SLEPT_WOKEN);
}

static void drive_and_escalate(struct vc_waiter *w, uint64_t now)
{
    bool early = w->stage == STAGE_YIELD && w->yields < w->least_yields;
    if (!vc_linger_drive(w, &now) && now >= w->t_stage && !early) {
        w->stage = (w->parking || w->src) && w->wakers != VC_WAKERS_NONE ? STAGE_ANNOUNCED : STAGE_TIMED;
        look_around(w, now);
    }
}

/* Woken, and still the condition does not hold: the next message is near. */
static void rise(struct vc_waiter *w, uint64_t now)
{
    bool sleep_again = w->cfg->mode == VC_WAIT_EVENT || (w->src && w->src->needs_cpu);
    start_burning(w, now, sleep_again ? 0 : SPIN_AFTER_WAKE_NS);
    if (sleep_again)
        w->stage = STAGE_ANNOUNCED;
}

/* Announces; or, when that stands and the condition was polled since, sleeps. */
static int idle_announced(struct vc_waiter *w, int whom)
{
    struct vc_parking *p = w->parking;
    uint64_t now = vc_now_ns();
    uint32_t value = (whom >= 0 ? 1u + (uint32_t)whom : VC_PARK_ANY) | (w->src ? VC_PARK_PIPE : 0),
             current = 0;
    bool again = false;
    if (w->src) {
        int err = vc_source_arm(w, &again);
        if (err != VC_OK)
            return err;
    }
    if (p) {
        current = atomic_load_explicit(&p->shared->word[p->me], memory_order_relaxed);
        if (!w->announced || (current != 0 && current != value)) {
            announce(w, value, now);
            return VC_OK;
        }
        if (current == 0) {
            w->announced = false;
            rise(w, now);
            return VC_OK;
        }
        if (now - w->t_announced < GRACE_NS) {
            vc_cpu_relax();
            return VC_OK;
        }
        if (!w->fenced) {
            vc_park_fence();
            w->fenced = true;
            return VC_OK; /* and the condition is polled once more */
        }
    }
    if (again)
        return VC_OK;
    if (w->src) {
        sleep_on_source(w);
        if (!w->armed && !p)
            rise(w, vc_now_ns());
    } else {
        sleep_on_word(w, value);
    }
    return check_liveness(w, whom, vc_now_ns());
}

int vc_wait_idle(struct vc_waiter *w, int whom)
{
    uint32_t n = ++w->polls;
    if (n < VC_TIGHT_POLLS)
        return VC_OK;
    uint64_t now;
    if (w->t_came == 0) {
        now = vc_now_ns();
        w->turn = (struct vc_turn){.cold = true};
        start_burning(w, now, burn_budget(w));
        if (w->t_stage == now)
            drive_and_escalate(w, now);
    }
    if (w->driving)
        return check_liveness(w, whom, vc_linger_idle(w));
    switch ((enum stage)w->stage) {
    case STAGE_SPIN:
        vc_cpu_relax();
        if (n % PAUSES_PER_LOOK != 0)
            return VC_OK;
        if (w->t_stage == UINT64_MAX && n % (PAUSES_PER_LOOK * LOOKS_PER_YIELD) == 0)
            yield_and_look(w);
        drive_and_escalate(w, now = vc_now_ns());
        return check_liveness(w, whom, now);
    case STAGE_YIELD:
        vc_wait_yield();
        if (++w->yields % YIELDS_PER_LOOK != 0)
            return VC_OK;
        drive_and_escalate(w, now = vc_now_ns());
        if (w->t_stage == UINT64_MAX) /* no sleep comes, and the CPU may be its own again */
            look_around(w, now);
        return check_liveness(w, whom, now);
    case STAGE_TIMED: {
        uint64_t begun = vc_now_ns(), slice = vc_min_size(slice_of(w, begun), 999999999u);
        struct timespec ts = {0, (long)slice};
        nanosleep(&ts, NULL);
        now = vc_now_ns();
        learn_late(now > begun + slice ? now - begun - slice : 0);
        after_sleep(w, false);
        return check_liveness(w, whom, vc_now_ns());
    }
    case STAGE_ANNOUNCED:
        break;
    }

    return idle_announced(w, whom);
}
