/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/wait.h"

#include "transport/park.h"
#include "transport/topology/cpus.h"

#include <poll.h>
#include <sched.h>

struct vc_wait_stats vc_wait_stats;

enum stage { STAGE_SPIN, STAGE_YIELD, STAGE_ANNOUNCED, STAGE_TIMED };

/* How often the clock is read and the host MPI driven: every so many pauses or yields. */
#define PAUSES_PER_LOOK 32
#define YIELDS_PER_LOOK 4
/* Between announcement and sleep: longer than any store buffer takes to drain (see wait.h). */
#define GRACE_NS 1500u
/* After a wake-up that was not the end of the wait, the next message is probably near. */
#define SPIN_AFTER_WAKE_NS 10000u
#define LIVENESS_NS        500000000u
/* A sleeper on descriptors relies on a pipe that its waker may not be able to reach. */
#define PIPE_SLICE_NS 5000000u
/* The first timed sleep of a wait that nobody can end early. */
#define TIMED_FIRST_NS 20000u
/* How often the host MPI is driven after a slice: a rendezvous takes several steps. */
#define PROGRESS_BURST 2
/* A call of the host's progress that takes longer than this has moved data; there may be more to move. */
#define BUSY_NS        20000u
#define PROGRESS_LIMIT 32

static uint64_t relaxed_add(_Atomic uint64_t *counter, uint64_t n)
{
    return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static int check_liveness(struct vc_waiter *w, int whom, uint64_t now)
{
    if (w->t_liveness == 0)
        w->t_liveness = now;
    if (now - w->t_liveness < LIVENESS_NS)
        return VC_OK;
    w->t_liveness = now;
    int err = w->cfg->check ? w->cfg->check(w->cfg->check_arg) : VC_OK;
    if (err == VC_OK && w->watch)
        err = w->watch->check(w->watch);
    return err == VC_OK && w->parking ? vc_park_check(w->parking, whom) : err;
}

/* ---- announcing ---- */

static void announce(struct vc_waiter *w, uint32_t value, uint64_t now)
{
    vc_park_announce(w->parking, value, w->src != NULL);
    w->announced = true;
    w->t_announced = now;
}

void vc_wait_unpark(struct vc_waiter *w)
{
    vc_park_clear(w->parking);
    w->announced = false;
}

/* ---- escalation ---- */

#define STEAL_PERIOD_NS 500000000u
/* One part in so many stolen: the hypervisor has other guests to run, and a spinning vCPU is held against
 * this one. */
#define STEAL_PART 20

static _Atomic bool cpus_stolen;

/* Looks at the stolen time now and then; only ever called on the way to a sleep. */
static void look_at_steal(uint64_t now)
{
    static _Atomic uint64_t next_look, last_steal, last_total;
    uint64_t due = atomic_load_explicit(&next_look, memory_order_relaxed), steal, total;
    if (now < due || !atomic_compare_exchange_strong_explicit(&next_look, &due, now + STEAL_PERIOD_NS,
                                                              memory_order_relaxed, memory_order_relaxed))
        return;
    if (vc_steal_read(&steal, &total) != VC_OK)
        return;
    uint64_t old_steal = atomic_exchange_explicit(&last_steal, steal, memory_order_relaxed);
    uint64_t old_total = atomic_exchange_explicit(&last_total, total, memory_order_relaxed);
    if (due != 0 && total > old_total)
        atomic_store_explicit(&cpus_stolen, (steal - old_steal) * STEAL_PART > total - old_total,
                              memory_order_relaxed);
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
    if (atomic_load_explicit(&cpus_stolen, memory_order_relaxed))
        cost /= 4;
    if (cost < 5000)
        cost = 5000;
    return cost < 4 * cfg->spin_ns ? cost : 4 * cfg->spin_ns;
}

static void start_burning(struct vc_waiter *w, uint64_t now, uint64_t budget)
{
    w->stage = w->cfg->crowded ? STAGE_YIELD : STAGE_SPIN;
    w->t_start = now;
    w->t_stage = budget == UINT64_MAX ? UINT64_MAX : now + budget;
}

/* Time this thread itself has used: being preempted is not being busy. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The host MPI has its turn at least that often even if all sleeps end early. */
#define HOST_EVERY_NS 2000000u

static _Atomic uint64_t host_driven; /* when, in ns; any thread's */

/* Counts a finished sleep and lets the host MPI have its turn, for as long as it has something to do. */
static void after_sleep(struct vc_waiter *w)
{
    relaxed_add(&vc_wait_stats.sleeps, 1);
    relaxed_add(&vc_wait_stats.progress_calls, 1);
    w->cfg->host_progress(); /* not timed: after a sleep its code and data are out of the caches */
    bool worked = false;
    uint64_t t = thread_cpu_ns();
    for (int calls = 1, quiet = 1; calls <= PROGRESS_LIMIT && quiet < PROGRESS_BURST; calls++) {
        w->cfg->host_progress();
        uint64_t now = thread_cpu_ns();
        bool busy = now - t > BUSY_NS;
        worked |= busy;
        quiet = busy ? 0 : quiet + 1;
        t = now;
        relaxed_add(&vc_wait_stats.progress_calls, 1);
    }
    /* Where somebody's point-to-point messages need this rank, it looks after them more often until they are
     * through. Otherwise slices grow, but stay below half of what has been waited already: whoever needs this
     * rank's progress after all waits for that little longer in proportion. */
    w->slice = worked ? w->slice / 2 : w->slice + w->slice / 2;
    if (w->slice < w->cfg->slice_min_ns / 4)
        w->slice = w->cfg->slice_min_ns / 4;
    if (w->slice > w->cfg->slice_max_ns)
        w->slice = w->cfg->slice_max_ns;
}

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
    if (vc_park_sleep(w->parking, value, w->slice))
        learn_wake_cost(w);
    after_sleep(w);
}

/* Sleeps on the source's descriptor and, where peers may wake through shared memory too, on the pipe. */
static void sleep_on_fds(struct vc_waiter *w)
{
    uint64_t slice = w->slice;
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
    /* Woken: what was waited for is probably there, and driving the host costs system calls of its own where
     * its messages go over sockets. A sleep that ends by itself always drives it. */
    uint64_t now = vc_now_ns(), last = atomic_load_explicit(&host_driven, memory_order_relaxed);
    if (n > 0 && now - last < HOST_EVERY_NS) {
        relaxed_add(&vc_wait_stats.sleeps, 1);
        return;
    }
    atomic_store_explicit(&host_driven, now, memory_order_relaxed);
    after_sleep(w);
}

static void look(struct vc_waiter *w, uint64_t now)
{
    relaxed_add(&vc_wait_stats.progress_calls, 1);
    w->cfg->host_progress();
    if (now >= w->t_stage) {
        bool wakeable = w->parking || w->src;
        w->stage = wakeable ? STAGE_ANNOUNCED : STAGE_TIMED;
        w->slice = wakeable ? w->cfg->slice_min_ns : TIMED_FIRST_NS;
        if (w->cfg->mode == VC_WAIT_AUTO)
            look_at_steal(now);
    }
}

/* Woken, and still the condition does not hold: the next message is near. */
static void rise(struct vc_waiter *w, uint64_t now)
{
    bool sleep_again = w->cfg->mode == VC_WAIT_EVENT || (w->src && w->src->needs_cpu);
    start_burning(w, now, sleep_again ? 0 : SPIN_AFTER_WAKE_NS);
    if (sleep_again)
        w->stage = STAGE_ANNOUNCED;
    w->slice = w->cfg->slice_min_ns;
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
    if (w->t_start == 0) {
        now = vc_now_ns();
        start_burning(w, now, burn_budget(w));
        if (w->t_stage == now)
            look(w, now);
    }
    switch ((enum stage)w->stage) {
    case STAGE_SPIN:
        vc_cpu_relax();
        if (n % PAUSES_PER_LOOK != 0)
            return VC_OK;
        look(w, now = vc_now_ns());
        return check_liveness(w, whom, now);
    case STAGE_YIELD:
        sched_yield();
        relaxed_add(&vc_wait_stats.yields, 1);
        if (n % YIELDS_PER_LOOK != 0)
            return VC_OK;
        look(w, now = vc_now_ns());
        return check_liveness(w, whom, now);
    case STAGE_TIMED: {
        struct timespec ts = {0, (long)vc_min_size(w->slice, 999999999u)};
        nanosleep(&ts, NULL);
        after_sleep(w);
        return check_liveness(w, whom, vc_now_ns());
    }
    case STAGE_ANNOUNCED:
        break;
    }

    return idle_announced(w, whom);
}
