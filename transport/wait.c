/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/wait.h"
#include "transport/topology/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- shared layout ---- */

/* What a participant has behind the words, so that wakers do not disturb readers of nparked. */
struct stamp {
    _Atomic uint64_t woken; /* when it was woken last */
    _Atomic uint32_t pipe;  /* 1 + the descriptor of its pipe's writing end, in its process; 0: none */
    _Atomic uint32_t gone;  /* taken by the first that reports a failure (only in the first stamp) */
};
/* Text of the first failure, behind the stamps. */
#define WHY_BYTES 256

static size_t words_bytes(int n)
{
    return vc_round_up(sizeof(struct vc_park_area) + (size_t)n * sizeof(uint32_t), VC_LINE_PAIR);
}

static size_t stamps_bytes(int n)
{
    return vc_round_up((size_t)n * sizeof(struct stamp), VC_LINE_PAIR);
}

size_t vc_park_bytes(int n)
{
    return words_bytes(n) + stamps_bytes(n) + WHY_BYTES;
}

static struct stamp *stamp_of(const struct vc_parking *p, int i)
{
    return (struct stamp *)(void *)((char *)p->shared + words_bytes(p->n)) + i;
}

static char *why_text(const struct vc_parking *p)
{
    return (char *)p->shared + words_bytes(p->n) + stamps_bytes(p->n);
}

/* ---- who is alive ---- */

/* Reads state and start time from a /proc/<pid>/stat; false when there is no such process. */
static bool read_stat(const char *path, char *state, uint64_t *start)
{
    char buf[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT && errno != ESRCH ? (*state = '?', *start = 0, true) : false;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    if (n <= 0)
        return false;
    buf[n] = 0;
    const char *p = strrchr(buf, ')'); /* the name may hold blanks and parentheses */
    if (!p || p[1] != ' ')
        return false;
    p += 2;
    *state = *p;
    for (int field = 3; field < 22; field++) {
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    *start = strtoull(p, NULL, 10);
    return true;
}

struct vc_peer_id vc_peer_self(void)
{
    struct vc_peer_id id = {getpid(), 0};
    char state;
    if (!read_stat("/proc/self/stat", &state, &id.start_time))
        id.pid = 0;
    return id;
}

bool vc_peer_alive(const struct vc_peer_id *id)
{
    if (id->pid == 0)
        return true;
    char path[48], state;
    uint64_t start;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)id->pid);
    if (!read_stat(path, &state, &start))
        return access("/proc/self/stat", R_OK) != 0; /* without /proc nothing is certain */
    if (state == '?')
        return true;
    return state != 'Z' && state != 'X' && start == id->start_time;
}

static int check_peer(const struct vc_parking *p, int i)
{
    if (i == p->me || vc_peer_alive(&p->ids[i]))
        return VC_OK;
    return vc_fail(VC_ERR_PEER, "rank %d (process %ld) died while this rank waited for it",
                   p->ranks ? p->ranks[i] : i, (long)p->ids[i].pid);
}

/* Acquire pairs with the release in vc_park_give_up(): the text was written before. */
static int check_gave_up(const struct vc_parking *p)
{
    uint32_t who = atomic_load_explicit(&p->shared->gave_up, memory_order_acquire);
    if (who == 0 || who > (uint32_t)p->n || who == 1u + (uint32_t)p->me)
        return VC_OK;
    return vc_fail(VC_ERR_PEER, "rank %d gave up: %.*s", p->ranks ? p->ranks[who - 1] : (int)who - 1,
                   WHY_BYTES - 1, why_text(p));
}

static int check_liveness(struct vc_waiter *w, int whom, uint64_t now)
{
    if (w->t_liveness == 0)
        w->t_liveness = now;
    if (now - w->t_liveness < LIVENESS_NS)
        return VC_OK;
    w->t_liveness = now;
    int broken = w->src ? w->src->check(w->src) : VC_OK;
    if (broken != VC_OK)
        return broken;
    const struct vc_parking *p = w->parking;
    if (!p)
        return VC_OK;
    if ((broken = check_gave_up(p)) != VC_OK || !p->ids)
        return broken;
    /* The one waited for may itself wait for a dead one, and so never come. */
    int err = whom >= 0 ? check_peer(p, whom) : VC_OK;
    for (int i = 0; i < p->n && err == VC_OK; i++)
        err = check_peer(p, i);
    return err;
}

/* ---- park words ---- */

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const struct timespec *timeout)
{
    return syscall(SYS_futex, (uint32_t *)word, op, val, timeout, NULL, 0);
}

/* ---- pipes: waking a sleeper that sleeps on descriptors ---- */

static int wake_pipe[2] = {-1, -1};

static void make_pipe(void)
{
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        wake_pipe[0] = wake_pipe[1] = -1;
}

/* Number of the writing end, -1: there are no descriptors left. */
static int pipe_to_write(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_pipe);
    return wake_pipe[1];
}

/*
 * Writes into the pipe of another process, which its magic link in /proc opens. The few that this process
 * wakes stay open; a descriptor whose process is gone fails with EPIPE or belongs to a pipe that nobody
 * reads.
 */
static void poke(const struct vc_parking *p, int i)
{
    enum { KEPT = 32 };
    static struct {
        pid_t pid;
        uint32_t number;
        uint64_t start;
        int fd;
    } kept[KEPT];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint32_t number = atomic_load_explicit(&stamp_of(p, i)->pipe, memory_order_relaxed);
    if (number == 0 || !p->ids || p->ids[i].pid == 0)
        return;
    const struct vc_peer_id *id = &p->ids[i];
    unsigned k = (unsigned)id->pid % KEPT;
    pthread_mutex_lock(&lock);
    if (kept[k].pid != id->pid || kept[k].number != number || kept[k].start != id->start_time) {
        char path[64];
        if (kept[k].pid != 0 && kept[k].fd >= 0)
            close(kept[k].fd);
        snprintf(path, sizeof path, "/proc/%ld/fd/%u", (long)id->pid, number - 1);
        /* For reading too: then no write ever meets a pipe without readers, which would be a SIGPIPE. */
        kept[k].fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        kept[k].pid = id->pid;
        kept[k].number = number;
        kept[k].start = id->start_time;
    }
    if (kept[k].fd >= 0) {
        ssize_t n = write(kept[k].fd, "", 1);
        (void)n; /* full: it will wake */
    }
    pthread_mutex_unlock(&lock);
}

void vc_wake_slow(struct vc_parking *p, int target)
{
    struct vc_park_area *a = p->shared;
    int first = target >= 0 ? target : 0, last = target >= 0 ? target + 1 : p->n;
    for (int i = first; i < last; i++) {
        uint32_t v = atomic_load_explicit(&a->word[i], memory_order_relaxed);
        uint32_t whom = v & ~VC_PARK_PIPE, flag = v & VC_PARK_PIPE;
        if (v == 0 || i == p->me || (whom != VC_PARK_ANY && whom != 1u + (uint32_t)p->me))
            continue;
        /* Whoever turns the word to 0, waker or sleeper, takes it off the count: exactly one of them does. */
        if (!atomic_compare_exchange_strong_explicit(&a->word[i], &v, 0, memory_order_acq_rel,
                                                     memory_order_relaxed))
            continue;
        atomic_fetch_sub_explicit(&a->nparked, 1, memory_order_relaxed);
        atomic_store_explicit(&stamp_of(p, i)->woken, vc_now_ns(), memory_order_relaxed);
        if (flag)
            poke(p, i);
        else
            futex(&a->word[i], FUTEX_WAKE, 1, NULL);
        relaxed_add(&vc_wait_stats.wakes, 1);
    }
}

void vc_park_give_up(struct vc_parking *p, const char *text)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong_explicit(&stamp_of(p, 0)->gone, &none, 1, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    snprintf(why_text(p), WHY_BYTES, "%s", text);
    /* Release: pairs with the acquire in check_gave_up(). */
    atomic_store_explicit(&p->shared->gave_up, 1u + (uint32_t)p->me, memory_order_release);
}

static void announce(struct vc_waiter *w, uint32_t value, uint64_t now)
{
    struct vc_park_area *a = w->parking->shared;
    if (w->src)
        atomic_store_explicit(&stamp_of(w->parking, w->parking->me)->pipe, 1u + (uint32_t)pipe_to_write(),
                              memory_order_relaxed);
    if (atomic_exchange_explicit(&a->word[w->parking->me], value, memory_order_acq_rel) == 0)
        atomic_fetch_add_explicit(&a->nparked, 1, memory_order_relaxed);
    /* The sleeper's half of Dekker: the announcement is visible before the condition is polled again. */
    atomic_thread_fence(memory_order_seq_cst);
    w->announced = true;
    w->t_announced = now;
}

void vc_wait_unpark(struct vc_waiter *w)
{
    struct vc_park_area *a = w->parking->shared;
    if (atomic_exchange_explicit(&a->word[w->parking->me], 0, memory_order_acq_rel) != 0)
        atomic_fetch_sub_explicit(&a->nparked, 1, memory_order_relaxed);
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
    uint64_t stamp = atomic_load_explicit(&stamp_of(w->parking, w->parking->me)->woken, memory_order_relaxed);
    if (now > stamp && now - stamp < 10000000u) {
        uint64_t old = atomic_load_explicit(&vc_wait_stats.wake_cost_ns, memory_order_relaxed);
        uint64_t avg = old ? old - old / 8 + (now - stamp) / 8 : now - stamp;
        atomic_store_explicit(&vc_wait_stats.wake_cost_ns, avg, memory_order_relaxed);
    }
}

static void sleep_on_word(struct vc_waiter *w, uint32_t value)
{
    struct vc_parking *p = w->parking;
    struct timespec ts = {(time_t)(w->slice / 1000000000u), (long)(w->slice % 1000000000u)};
    if (futex(&p->shared->word[p->me], FUTEX_WAIT, value, &ts) == 0)
        learn_wake_cost(w);
    after_sleep(w);
}

/* Sleeps on the source's descriptor and, where peers may wake through shared memory too, on the pipe. */
static void sleep_on_fds(struct vc_waiter *w)
{
    uint64_t slice = w->slice;
    struct pollfd fds[2] = {{.fd = w->src->fd, .events = POLLIN}, {.fd = wake_pipe[0], .events = POLLIN}};
    if (w->parking && slice > PIPE_SLICE_NS)
        slice = PIPE_SLICE_NS;
    if (w->src->max_slice_ns && slice > w->src->max_slice_ns)
        slice = w->src->max_slice_ns;
    struct timespec ts = {(time_t)(slice / 1000000000u), (long)(slice % 1000000000u)};
    int n = ppoll(fds, w->parking ? 2 : 1, &ts, NULL);
    if (n > 0 && (fds[1].revents & POLLIN)) {
        char sink[64];
        while (read(wake_pipe[0], sink, sizeof sink) == (ssize_t)sizeof sink)
            ;
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
