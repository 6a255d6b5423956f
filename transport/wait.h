/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a rank waits: spin, yield, sleep; and how it is woken. A wait is a loop of the caller's:
 *
 *     struct vc_waiter w;
 *     vc_wait_begin(&w, cfg, parking);
 *     while (!condition())
 *         if ((err = vc_wait_idle(&w, whom)) != VC_OK)
 *             break;
 *     vc_wait_end(&w);
 *
 * vc_wait_idle() escalates: pause, drive the host MPI now and then (Law 2), yield where the CPUs are crowded,
 * then announce itself in a park word and return once more, so that the condition is polled after the
 * announcement, and only then sleep on a futex, for a bounded slice. "Arm, poll again, sleep" is the same
 * protocol as a completion channel's.
 *
 * The waker's side carries no fence: publish data (release store), then vc_wake_*(), which is one relaxed
 * load of a line that hardly ever changes. That buys the waker, who is on the hot path of every collective,
 * some 30-100 ns a call. By itself it is Dekker's pattern with half of its fences: a waker whose store still
 * sits in its store buffer while it reads "nobody sleeps" would miss a sleeper that has just announced
 * itself, and that sleeper would not see the store either. So the sleeper fences for both: it announces
 * itself, lets a grace period pass, in which most waits end, calls membarrier(GLOBAL_EXPEDITED), polls once
 * more, and sleeps. The kernel runs a full fence on every CPU that is running a process that has registered
 * for it, and switching between processes is a fence by itself. On the waker's CPU that fence falls
 *   - before the waker's load: then the load comes after the announcement, and the waker sees the sleeper; or
 *   - after the load, and therefore after the store that precedes it: then the sleeper's last poll sees the
 * data. The futex itself refuses to sleep once a waker has changed the word. Between the announcement and its
 * sleeps one fence is enough, however many slices follow.
 *
 * Processes register in vc_wait_prepare(); kernels know this from 4.16 on, and it works across namespaces.
 * Where the kernel or a seccomp filter refuses, be it for one of them only, the grace period alone stands
 * against the store buffer, and a wake-up lost in spite of it costs one slice, never a hang.
 */
#ifndef VC_TRANSPORT_WAIT_H
#define VC_TRANSPORT_WAIT_H

#include "transport/base.h"
#include "transport/drive.h"
#include <stdatomic.h>
#include <sys/types.h>

enum vc_wait_mode { VC_WAIT_AUTO, VC_WAIT_POLL, VC_WAIT_EVENT, VC_WAIT_HYBRID };

/** How this process waits. Filled once before the first wait; read-only afterwards. Local: ranks may differ.
 */
struct vc_wait_cfg {
    enum vc_wait_mode mode;
    uint64_t spin_ns;              /**< hybrid: spin budget; auto: first guess of what a wake-up costs */
    bool crowded;                  /**< this OS has more ranks than CPUs for them: yield early, do not burn */
    uint64_t slice_min_ns;         /**< first sleep; later ones grow while nothing comes */
    uint64_t slice_max_ns;         /**< longest sleep */
    vc_progress_fn *host_progress; /**< drives the underlying MPI; never NULL */
    /** NULL, or called with check_arg at every look at who is alive: VC_OK, or an error that ends the wait.
     */
    int (*check)(void *check_arg);
    void *check_arg;
    void (*look_around)(void); /**< NULL, or called on the way to a sleep, or by ranks that never sleep and
                                * share a CPU: every half second at most, or some 20 ms where sleeps or
                                * yields end late */
    bool on_duty;              /**< this thread is what moves the things that vc_wait_duties counts */
};

/** This rank shares its CPU, which it did not when it began. Relaxed: a hint. */
extern _Atomic bool vc_wait_shares;

static inline bool vc_wait_crowded(const struct vc_wait_cfg *cfg)
{
    return cfg->crowded || VC_UNLIKELY(atomic_load_explicit(&vc_wait_shares, memory_order_relaxed));
}

/** Counters of this process for the statistics; relaxed, monotone. */
struct vc_wait_stats {
    _Atomic uint64_t sleeps, wakes, yields, progress_calls;
    _Atomic uint64_t
        wake_cost_ns; /**< running average of the time from a waker's call to the sleeper running again */
    _Atomic uint64_t sleep_cost_ns; /**< running average of the CPU time that a sleep without result costs */
    _Atomic uint64_t stolen;        /**< parts in a thousand of the CPUs' time stolen, when last looked at */
};
extern struct vc_wait_stats vc_wait_stats;

/** Who a park word belongs to, for telling a dead peer from a slow one. */
struct vc_peer_id {
    pid_t pid;           /**< 0: unknown (other pid namespace), never reported dead */
    uint64_t start_time; /**< field 22 of /proc/pid/stat: tells a reused pid */
};

/** This process's identity. */
struct vc_peer_id vc_peer_self(void);
/** True unless the process is certainly gone (no such pid, a zombie, or another start time). */
bool vc_peer_alive(const struct vc_peer_id *id);

struct vc_park_area;

/**
 * What may end a sleep besides a park word: a file descriptor that becomes readable, of a completion channel.
 * "Arm, poll again, sleep": after arm() the condition is polled once more before fd is slept on.
 */
struct vc_wake_src {
    int fd;
    int (*arm)(struct vc_wake_src *s);    /**< VC_OK: whatever happens from now on makes fd readable */
    void (*clear)(struct vc_wake_src *s); /**< takes the events out that made fd readable */
    /** Called every half second of waiting: VC_OK, or what has gone wrong without an event. */
    int (*check)(struct vc_wake_src *s);
    /** 0, or how long a sleep may be at most: something moves without events. A hint, relaxed: one thread's
     * arm() may change it while another one is about to sleep. */
    _Atomic uint64_t max_slice_ns;
    /* source.c's, zero at first: how many events were read; whether a thread sleeps on fd; how often one has
     * been awake again after that; how many others wait until it is. */
    _Atomic uint32_t reads;
    _Atomic bool held;
    _Atomic uint32_t turn, followers;
    /** What is waited for needs the CPUs that spinning would burn (a software NIC): auto does not spin. */
    bool needs_cpu;
};

/** Handle of one participant on a set of park words in shared memory. */
struct vc_parking {
    struct vc_park_area *shared;
    int n, me;
    const struct vc_peer_id *ids; /**< [n], or NULL: no liveness checks */
    const int *ranks;             /**< [n] communicator ranks, for error texts; NULL: same as index */
};

/** Bytes of shared memory n participants need, a multiple of VC_LINE_PAIR. Zeroed memory is the initial
 * state. */
size_t vc_park_bytes(int n);

/** Whom a waiter waits for: a participant's index, or anybody. */
#define VC_WAIT_ANY (-1)

/** Polls with nothing in between: a message that is already on its way arrives within these. About a
 * microsecond, which is also what a switch to another process and back costs. */
#define VC_TIGHT_POLLS 200
/** The same where ranks share CPUs: the one that is waited for probably waits for a CPU. */
#define VC_TIGHT_POLLS_CROWDED 30

/** To be called once by each process that waits or wakes; before it has threads if possible, because with
 * threads it takes some ten milliseconds. True: its wake-ups cannot be lost. */
bool vc_wait_prepare(void);

/** Which of those that a wait is for wake the waiter, where there is parking or a source. If not all of them
 * do, sleeps are short. */
enum vc_wakers { VC_WAKERS_ALL, VC_WAKERS_SOME, VC_WAKERS_NONE };

struct vc_waiter {
    const struct vc_wait_cfg *cfg;
    struct vc_parking *parking; /**< NULL: nobody can wake this wait through shared memory */
    struct vc_wake_src *src;    /**< NULL: nor through a descriptor; without both, sleeps are timed only */
    struct vc_wake_src *watch;  /**< NULL, or what is checked while waiting, whatever is waited for */
    uint32_t polls;
    uint32_t yields, least_yields; /**< since burning began; so many come before a sleep */
    uint32_t quiet_calls;          /**< of the host's progress since something came, while driving */
    uint8_t stage;
    /* Side by side, so that one store begins a wait. */
    bool announced, armed;
    uint8_t wakers; /**< the caller's: enum vc_wakers */
    bool driving;   /**< the host MPI is driven between polls: something may come through it */
    bool fenced;
    uint8_t signs,
        weak; /**< that something came, one after another; weak ones since a strong one or a sleep */
    uint32_t reads_armed; /**< src->reads before it was armed */
    uint32_t linger;      /**< for how long to drive it although nothing comes, in ns */
    uint64_t t_came;      /**< when something came last, or the wait became one; 0: not yet */
    uint64_t t_quiet;     /**< the same, where it certainly came */
    uint64_t t_slept;     /**< end of the last sleep after which the host was driven */
    uint64_t t_driven;    /**< since when nothing has come while driving */
    uint64_t t_stage, t_liveness, t_announced;
    uint64_t
        cpu_ns; /**< CPU time of the thread after the last sleep without result; 0: something else since */
    struct vc_turn turn;
};

static inline void vc_wait_begin(struct vc_waiter *w, const struct vc_wait_cfg *cfg,
                                 struct vc_parking *parking)
{
    w->cfg = cfg;
    w->parking = parking;
    w->src = w->watch = NULL;
    w->polls = vc_wait_crowded(cfg) ? VC_TIGHT_POLLS - VC_TIGHT_POLLS_CROWDED : 0;
    w->stage = 0;
    w->announced = w->armed = w->driving = false;
    w->wakers = VC_WAKERS_ALL;
    w->t_came = w->t_liveness = 0;
}

/** The same for a wait that may (also) be ended by `src`; NULL is legal. */
static inline void vc_wait_begin_src(struct vc_waiter *w, const struct vc_wait_cfg *cfg,
                                     struct vc_parking *parking, struct vc_wake_src *src)
{
    vc_wait_begin(w, cfg, parking);
    w->src = w->watch = src;
    /* Even a short spin takes time from a device that works on this CPU. */
    if (src && src->needs_cpu && cfg->mode != VC_WAIT_POLL)
        w->polls = VC_TIGHT_POLLS - 2;
}

/**
 * To be called after a poll that found nothing; `whom` is the participant whose message would end the wait,
 * or VC_WAIT_ANY. May pause, drive the host MPI, yield, or sleep up to cfg->slice_max_ns. VC_OK, or
 * VC_ERR_PEER with a recorded text when `whom` has died, or another participant; the first is noticed within
 * about a second, the second within as long by some of those that wait, who then tell the others.
 */
int vc_wait_idle(struct vc_waiter *w, int whom);

/** The look at who is alive that vc_wait_idle() takes every half second, for those that wait in other ways.
 * As vc_wait_idle(); `watch` may be NULL, and so may `parking`. */
int vc_wait_check(const struct vc_wait_cfg *cfg, const struct vc_parking *parking, struct vc_wake_src *watch,
                  int whom);
/** How often that is. */
#define VC_LIVENESS_NS 500000000u

/** Things that other ranks wait for, and that nothing moves but the host MPI's progress in this process.
 * While there are any, no wait sleeps long without driving it. */
extern _Atomic int vc_wait_duties;

/** The one waited for cannot run while this rank spins: the next vc_wait_idle() yields at once. */
static inline void vc_wait_hurry(struct vc_waiter *w)
{
    if (w->polls < VC_TIGHT_POLLS)
        w->polls = VC_TIGHT_POLLS;
}

/** Gives the CPU up once, for loops that wait a little before they wait. */
void vc_wait_yield(void);

/** Takes the announcement back. */
void vc_wait_unpark(struct vc_waiter *w);
static inline void vc_wait_end(struct vc_waiter *w)
{
    if (w->announced)
        vc_wait_unpark(w);
}

/** Shared part: one word each, packed, so that a waker reads one line for 14 participants. */
struct vc_park_area {
    _Atomic uint32_t nparked; /**< how many words are non-zero; written by sleepers and wakers only */
    _Atomic uint32_t gave_up; /**< 0, or 1 + index of the first participant that reported a failure */
    /** 0: awake. 1 + index of the one waited for, or VC_PARK_ANY. Futex word. */
    _Atomic uint32_t word[];
};
#define VC_PARK_ANY 0x7fffffffu
/** The sleeper sleeps on descriptors, its pipe among them, and not on the word. */
#define VC_PARK_PIPE 0x80000000u

void vc_wake_slow(struct vc_parking *p, int target);
/** Wakes everybody who sleeps waiting for this participant. Call after publishing. */
static inline void vc_wake_all(struct vc_parking *p)
{
    if (__builtin_expect(atomic_load_explicit(&p->shared->nparked, memory_order_relaxed) != 0, 0))
        vc_wake_slow(p, VC_WAIT_ANY);
}
/** Wakes `target` if it sleeps waiting for this participant. */
static inline void vc_wake_one(struct vc_parking *p, int target)
{
    if (__builtin_expect(atomic_load_explicit(&p->shared->nparked, memory_order_relaxed) != 0, 0))
        vc_wake_slow(p, target);
}

/**
 * This participant has met an error and will not come to collectives of this node any more: whoever waits for
 * it, now or later, gets VC_ERR_PEER with this text within about a second. The first report stays.
 */
void vc_park_give_up(struct vc_parking *p, const char *text);

#endif
