/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/wait.h"

#include "transport/calibrate/costs.h"
#include "transport/drive.h"
#include "transport/park.h"
#include "transport/topology/cpus.h"

#include <poll.h>
#include <sched.h>

enum stage { STAGE_SPIN, STAGE_YIELD, STAGE_ANNOUNCED, STAGE_TIMED };

/* How often the clock is read and the host MPI driven: every so many pauses or yields. */
#define PAUSES_PER_LOOK 32
#define YIELDS_PER_LOOK 4
/* Where ranks share CPUs, auto yields so often before it sleeps, however long that takes: the time of a yield
 * is other ranks' time, and they must have had their turns before what is waited for can come. As often as
 * yields cost what a wake-up costs, within these bounds; the second where that is not known. */
#define LEAST_YIELDS 8u
#define USUAL_YIELDS 16u
#define MOST_YIELDS  64u
/* Between announcement and fence: most waits end here. Where there is no fence, longer than store buffers
 * take to drain on all but the busiest machines (see wait.h). */
#define GRACE_NS 1500u
/* After a wake-up that was not the end of the wait, the next message is probably near. */
#define SPIN_AFTER_WAKE_NS 10000u
/* Longest sleep while other ranks need this process. */
#define DUTY_SLICE_NS 100000u
/* A sleeper on descriptors relies on a pipe that its waker may not be able to reach. */
#define PIPE_SLICE_NS 5000000u

/* Sleeps last a part of the time in which nothing came, so what comes is late by that part at most. A wait
 * that nobody can end early sleeps shorter. */
#define SLICE_PART       5
#define TIMED_SLICE_PART 3
#define TIMED_FIRST_NS   20000u
/* Longest sleeps: as long as it takes for waking and looking around to cost one part in so many of a CPU, but
 * they need not be shorter than this. */
#define SLEEP_PART    800
#define LONG_SLICE_NS 1000000u

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

void vc_wait_unpark(struct vc_waiter *w)
{
    vc_park_clear(w->parking);
    w->announced = false;
}

/* ---- escalation ---- */

#define LOOK_AROUND_NS 500000000u
/* If more than this part of the time is stolen, the hypervisor has other guests to run, and time in which
 * this guest spins is time that it does not get later. */
#define STEAL_PERMILLE 50

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

/* Looks at the stolen time, and whatever else may change about the CPUs, now and then; only ever called on
 * the way to a sleep. */
static void look_around(const struct vc_waiter *w, uint64_t now)
{
    static _Atomic uint64_t next_look;
    uint64_t due = atomic_load_explicit(&next_look, memory_order_relaxed);
    if (now < due || !atomic_compare_exchange_strong_explicit(&next_look, &due, now + LOOK_AROUND_NS,
                                                              memory_order_relaxed, memory_order_relaxed))
        return;
    look_at_steal(due == 0);
    if (w->cfg->look_around)
        w->cfg->look_around();
}

static bool cpus_stolen(void)
{
    return atomic_load_explicit(&vc_wait_stats.stolen, memory_order_relaxed) > STEAL_PERMILLE;
}

/* How long it is worth burning before sleeping, in ns. */
static uint64_t burn_budget(const struct vc_waiter *w)
{
    const struct vc_wait_cfg *cfg = w->cfg;
    switch (cfg->mode) {
    case VC_WAIT_POLL:
        return UINT64_MAX;
    case VC_WAIT_EVENT:
        return 0;
    case VC_WAIT_HYBRID:
        return cfg->spin_ns;
    case VC_WAIT_AUTO:
        break;
    }
    if (w->src && w->src->needs_cpu)
        return 0;
    /* Spinning for as long as a sleep would cost is at most twice as dear as knowing the future (ski rental).
     */
    uint64_t cost = atomic_load_explicit(&vc_wait_stats.wake_cost_ns, memory_order_relaxed);
    if (cost == 0)
        cost = cfg->spin_ns;
    if (cpus_stolen())
        cost /= 4;
    if (cost < 5000)
        cost = 5000;
    return cost < 4 * cfg->spin_ns ? cost : 4 * cfg->spin_ns;
}

static uint32_t yields_worth_a_sleep(void)
{
    const struct vc_costs *c = vc_costs();
    if (c->yield_ns == 0 || c->wake_ns == 0)
        return USUAL_YIELDS;
    uint64_t n = c->wake_ns / c->yield_ns;
    return n < LEAST_YIELDS ? LEAST_YIELDS : n > MOST_YIELDS ? MOST_YIELDS : (uint32_t)n;
}

static void start_burning(struct vc_waiter *w, uint64_t now, uint64_t budget)
{
    w->stage = w->cfg->crowded ? STAGE_YIELD : STAGE_SPIN;
    w->t_came = w->t_quiet = now;
    w->signs = w->weak = 0;
    w->t_slept = 0;
    w->t_stage = budget == UINT64_MAX ? UINT64_MAX : now + budget;
    w->yields = 0;
    w->least_yields = w->cfg->mode == VC_WAIT_AUTO && budget > 0 ? yields_worth_a_sleep() : 0;
    w->cpu_ns = 0;
}

/* ---- the host MPI ---- */

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

/* One call of the host's progress; *now is the time afterwards. */
static bool drive(struct vc_waiter *w, uint64_t *now)
{
    relaxed_add(&vc_wait_stats.progress_calls, 1);
    w->turn.yielding = w->cfg->crowded;
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
    if (w->cfg->crowded) {
        if (w->signs == SURE)
            return w->quiet_calls >= LINGER_YIELDS;
        return w->quiet_calls >= (w->signs + w->weak > 0 ? 2 * GLANCE_YIELDS : GLANCE_YIELDS);
    }
    return w->quiet_calls >= VC_TURN_CALLS && now - w->t_driven > w->linger;
}

static void yield(void)
{
    sched_yield();
    relaxed_add(&vc_wait_stats.yields, 1);
}

/* Between two polls of a rank whose messages come, or may come, through the host. */
static int idle_driving(struct vc_waiter *w, int whom)
{
    uint64_t now;
    /* While something comes, this rank takes it in without giving the CPU away, as the MPI's own waits do. */
    if (w->cfg->crowded && w->quiet_calls > 0) {
        uint64_t begun = vc_now_ns();
        yield();
        if (vc_now_ns() - begun > LONG_YIELD_NS) {
            w->turn = (struct vc_turn){.cold = true};
            w->quiet_calls += LONG_YIELD_COUNTS;
        }
    } else {
        vc_cpu_relax();
    }
    if (!drive(w, &now)) {
        w->quiet_calls++;
        if (is_quiet(w, now)) {
            w->driving = false;
            /* Signs add up over sleeps, until a sleep after which there was none. */
            if (w->t_came < w->t_slept && (w->signs < SURE || now - w->t_came > LINGER_MAX_NS))
                w->signs = 0;
            atomic_store_explicit(&host_driven, now, memory_order_relaxed);
        }
    }
    return check_liveness(w, whom, now);
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

/* Counts a finished sleep and lets the host MPI have its turn. Going on for as long as it has something to do
 * is up to vc_wait_idle(), between polls. */
static void after_sleep(struct vc_waiter *w, bool woken)
{
    relaxed_add(&vc_wait_stats.sleeps, 1);
    uint64_t now = vc_now_ns(), last = atomic_load_explicit(&host_driven, memory_order_relaxed);
    /* Woken: what was waited for is probably there, and driving the host costs system calls of its own where
     * its messages go over sockets. A sleep that ends by itself always drives it. */
    if (woken && now - last < HOST_EVERY_NS)
        return;
    if (!woken)
        learn_sleep_cost(w);
    w->t_slept = now;
    w->weak = 0;
    w->turn = (struct vc_turn){.cold = true};
    bool certain = true;
    for (int calls = 0; calls < VC_TURN_CALLS; calls++) {
        drive(w, &now);
        certain = certain && w->turn.certain;
    }
    atomic_store_explicit(&host_driven, now, memory_order_relaxed);
    w->driving = !certain;
    w->t_driven = now;
    w->quiet_calls = 0;
    if (w->t_came < w->t_slept && w->signs < SURE)
        w->linger = GLANCE_NS;
    look_around(w, now);
}

/* How long to sleep. */
static uint64_t slice_of(const struct vc_waiter *w, uint64_t now)
{
    const struct vc_wait_cfg *cfg = w->cfg;
    bool wakeable = w->parking || w->src;
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
    /* Relaxed: a hint. */
    bool duties = atomic_load_explicit(&vc_wait_duties, memory_order_relaxed) > 0;
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
    bool woken = vc_park_sleep(w->parking, value, slice_of(w, vc_now_ns()));
    if (woken)
        learn_wake_cost(w);
    after_sleep(w, woken);
}

/* Sleeps on the source's descriptor and, where peers may wake through shared memory too, on the pipe. */
static void sleep_on_fds(struct vc_waiter *w)
{
    uint64_t slice = slice_of(w, vc_now_ns());
    struct pollfd fds[2] = {{.fd = w->src->fd, .events = POLLIN},
                            {.fd = w->parking ? vc_park_pipe() : -1, .events = POLLIN}};
    if (w->parking && slice > PIPE_SLICE_NS)
        slice = PIPE_SLICE_NS;
    uint64_t most = atomic_load_explicit(&w->src->max_slice_ns, memory_order_relaxed);
    if (most && slice > most)
        slice = most;
    struct timespec ts = {(time_t)(slice / 1000000000u), (long)(slice % 1000000000u)};
    int n = ppoll(fds, w->parking ? 2 : 1, &ts, NULL);
    if (n > 0 && (fds[1].revents & POLLIN)) {
        vc_park_drain_pipe();
        learn_wake_cost(w);
    }
    if (n > 0 && fds[0].revents) {
        w->src->clear(w->src);
        w->armed = false;
    }
    after_sleep(w, n > 0);
}

static void drive_and_escalate(struct vc_waiter *w, uint64_t now)
{
    bool early = w->stage == STAGE_YIELD && w->yields < w->least_yields;
    if (!drive(w, &now) && now >= w->t_stage && !early) {
        w->stage = w->parking || w->src ? STAGE_ANNOUNCED : STAGE_TIMED;
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
    if (w->src && !w->armed) {
        int err = w->src->arm(w->src);
        if (err != VC_OK)
            return err;
        w->armed = again = true;
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
        sleep_on_fds(w);
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
        return idle_driving(w, whom);
    switch ((enum stage)w->stage) {
    case STAGE_SPIN:
        vc_cpu_relax();
        if (n % PAUSES_PER_LOOK != 0)
            return VC_OK;
        drive_and_escalate(w, now = vc_now_ns());
        return check_liveness(w, whom, now);
    case STAGE_YIELD:
        yield();
        if (++w->yields % YIELDS_PER_LOOK != 0)
            return VC_OK;
        drive_and_escalate(w, now = vc_now_ns());
        return check_liveness(w, whom, now);
    case STAGE_TIMED: {
        struct timespec ts = {0, (long)vc_min_size(slice_of(w, vc_now_ns()), 999999999u)};
        nanosleep(&ts, NULL);
        after_sleep(w, false);
        return check_liveness(w, whom, vc_now_ns());
    }
    case STAGE_ANNOUNCED:
        break;
    }

    return idle_announced(w, whom);
}
