/* SPDX-License-Identifier: BSD-3-Clause */
/* Both processes walk the same list of measurements and meet before each. */
#include "transport/calibrate/measure.h"

#include "transport/base.h"
#include "transport/copy/variants.h"
#include "transport/shm/single.h"
#include "transport/topology/cpus.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bytes of a copy whose lines are in a core's first cache, and of one whose lines are not. */
#define NEAR ((size_t)16 << 10)
#define FAR  ((size_t)128 << 10)
/* A pool: the first half is read, the second one written. Not larger: where a hypervisor backs pages when
 * they are first touched, each costs more than a microsecond. */
#define HALF ((size_t)256 << 10)
#define POOL (2 * HALF)
/* How long a CPU idles before it certainly has halted: guests poll for up to 200 us first. */
#define HALTS_NS 260000u
/* A process that has not come by then will not. */
#define PATIENCE_NS UINT64_C(200000000)

#define PING_BATCHES 3
#define PINGS        48
#define COPY_BATCHES 4
#define YIELDS       24
#define HANDOVERS    16
#define WAKES        1

/* A line pair each, so that none disturbs another. */
struct lane {
    _Alignas(VC_LINE_PAIR) _Atomic uint32_t met; /* how often this process has come to a meeting */
    _Alignas(VC_LINE_PAIR) _Atomic uint32_t flag;
    _Alignas(VC_LINE_PAIR) _Atomic uint32_t word; /* futex */
    _Alignas(VC_LINE_PAIR) _Atomic uint64_t woke; /* when it ran again */
    _Atomic uint64_t buffer, pool;                /* addresses in its own memory, for single copy */
    _Atomic int cpu;                              /* where it runs; -1: it could not be moved */
    cpu_set_t mask;
    char slot[NEAR];
};

struct shared {
    struct lane lane[2];
    _Atomic int plan[3]; /* by the first process: CPU of each, and whether these differ */
    _Atomic int late;    /* the budget is spent */
    struct vc_costs result;
};

struct meter {
    const struct vc_measure_cfg *cfg;
    struct shared *s;
    struct lane *own, *other;
    uint64_t begun;
    uint32_t meetings;
    bool lost, together; /* the other has not come; both may be on one CPU */
    char *near, *pool;   /* NEAR * 3 bytes, POOL bytes */
    struct vc_costs cost;
};

size_t vc_measure_bytes(void)
{
    return sizeof(struct shared);
}

/* Not the function: the library exports one of its own, which looks after the host MPI. */
static void yield_cpu(void)
{
    syscall(SYS_sched_yield);
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *limit)
{
    return syscall(SYS_futex, word, op, value, limit, NULL, 0);
}

/* Whether the condition came true before the patience ended. */
#define AWAIT(m, condition)                                                                                  \
    do {                                                                                                     \
        uint64_t until_ = 0;                                                                                 \
        for (unsigned polls_ = 1; !(m)->lost && !(condition); polls_++) {                                    \
            if ((m)->together)                                                                               \
                yield_cpu();                                                                                 \
            else                                                                                             \
                vc_cpu_relax();                                                                              \
            if (polls_ % 1024)                                                                               \
                continue;                                                                                    \
            uint64_t now_ = vc_now_ns();                                                                     \
            until_ = until_ ? until_ : now_ + PATIENCE_NS;                                                   \
            (m)->lost = now_ > until_;                                                                       \
            yield_cpu();                                                                                     \
        }                                                                                                    \
    } while (0)

/* Both are here. Acquire and release: what either wrote before is visible to the other. False: no further
 * measurement, the same on both. */
static bool meet(struct meter *m)
{
    m->meetings++;
    if (m->cfg->me == 0 && vc_now_ns() - m->begun > m->cfg->budget_ns)
        atomic_store_explicit(&m->s->late, 1, memory_order_relaxed);
    atomic_store_explicit(&m->own->met, m->meetings, memory_order_release);
    AWAIT(m, atomic_load_explicit(&m->other->met, memory_order_acquire) >= m->meetings);
    return !m->lost;
}

/* Meets, and asks whether there is time for one more measurement. The second meeting keeps the first process
 * from changing its mind between the two answers. */
static bool begin(struct meter *m)
{
    if (!meet(m))
        return false;
    bool late = atomic_load_explicit(&m->s->late, memory_order_relaxed) != 0;
    if (m->cfg->me == 0)
        atomic_store_explicit(&m->s->plan[2], late, memory_order_relaxed);
    if (!meet(m))
        return false;
    return atomic_load_explicit(&m->s->plan[2], memory_order_relaxed) == 0;
}

static void keep_least(uint64_t *least, uint64_t t)
{
    if (t > 0 && (*least == 0 || t < *least))
        *least = t;
}

/* ns for bytes, in picoseconds per byte; at least 1. */
static uint64_t per_byte(uint64_t ns, size_t bytes)
{
    uint64_t ps = ns * 1000 / bytes;
    return ps ? ps : 1;
}

/* ---- CPUs ---- */

static bool move_to(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static int other_than(const cpu_set_t *set, int cpu)
{
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (i != cpu && CPU_ISSET(i, set))
            return i;
    return -1;
}

/* The first process chooses a CPU for each: where it is, unless both have to be moved apart. */
static void plan_cpus(struct meter *m)
{
    int a = atomic_load_explicit(&m->own->cpu, memory_order_relaxed);
    int b = atomic_load_explicit(&m->other->cpu, memory_order_relaxed);
    if (a >= 0 && a == b) {
        int free = other_than(&m->other->mask, a);
        if (free >= 0)
            b = free;
        else if ((free = other_than(&m->own->mask, b)) >= 0)
            a = free;
    }
    atomic_store_explicit(&m->s->plan[0], a, memory_order_relaxed);
    atomic_store_explicit(&m->s->plan[1], b, memory_order_relaxed);
}

/* False: they could not be put where they were planned, so that nothing can be said of CPUs. */
static bool settle(struct meter *m, const cpu_set_t *allowed, int *apart)
{
    int cpu = sched_getcpu();
    bool known = allowed && cpu >= 0 && cpu < CPU_SETSIZE;
    atomic_store_explicit(&m->own->cpu, known ? cpu : -1, memory_order_relaxed);
    if (known)
        m->own->mask = *allowed;
    if (!meet(m))
        return false;
    if (m->cfg->me == 0)
        plan_cpus(m);
    if (!meet(m))
        return false;
    int a = atomic_load_explicit(&m->s->plan[0], memory_order_relaxed);
    int b = atomic_load_explicit(&m->s->plan[1], memory_order_relaxed);
    int mine = m->cfg->me == 0 ? a : b;
    bool moved = a >= 0 && b >= 0 && move_to(mine);
    atomic_store_explicit(&m->own->cpu, moved ? mine : -1, memory_order_relaxed);
    if (!meet(m))
        return false;
    *apart = a != b;
    return moved && atomic_load_explicit(&m->other->cpu, memory_order_relaxed) >= 0;
}

/* ---- cores ---- */

/* By the C library and by vector registers in turns: vcoll copies by the faster one, too. Where a virtual
 * machine is emulated, they are far apart. */
static void copy_in_turns(int turn, void *to, const void *from, size_t len)
{
    vc_copy_fn fn = turn % 2 ? vc_copy_find(VC_COPY_VECTOR) : NULL;
    if (fn)
        fn(to, from, len);
    else
        memcpy(to, from, len);
}

static void ping(struct meter *m, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count && !m->lost; i++) {
        if (m->cfg->me == 1)
            AWAIT(m, atomic_load_explicit(&m->other->flag, memory_order_acquire) == i + 1);
        atomic_store_explicit(&m->own->flag, i + 1, memory_order_release);
        if (m->cfg->me == 0)
            AWAIT(m, atomic_load_explicit(&m->other->flag, memory_order_acquire) == i + 1);
    }
}

static void measure_line(struct meter *m)
{
    for (uint32_t b = 0; b < PING_BATCHES && begin(m); b++) {
        uint64_t t = vc_now_ns();
        ping(m, b * PINGS, PINGS);
        keep_least(&m->cost.line_ns, (vc_now_ns() - t) / (2 * PINGS));
    }
}

/* Both copy at once, as they do in collectives. */
static void measure_warm(struct meter *m)
{
    uint64_t copy = 0, sum = 0;
    char *a = m->near, *b = a + NEAR, *out = b + NEAR;
    if (!begin(m))
        return;
    for (int i = 0; i < 2 * COPY_BATCHES; i++) {
        uint64_t t = vc_now_ns();
        copy_in_turns(i, b, a, NEAR);
        copy_in_turns(i, a, b, NEAR);
        keep_least(&copy, vc_now_ns() - t);
    }
    m->cost.copy_warm_ps = per_byte(copy, 2 * NEAR);
    memset(a, 0, 2 * NEAR); /* sums of numbers that are none take longer on some machines */
    for (int i = 0; m->cfg->sum && i < COPY_BATCHES; i++) {
        uint64_t t = vc_now_ns();
        m->cfg->sum(a, b, out, NEAR / sizeof(double), NULL);
        keep_least(&sum, vc_now_ns() - t);
    }
    m->cost.reduce_ps = m->cfg->sum ? per_byte(sum, NEAR) : 0;
}

static void measure_across(struct meter *m)
{
    uint64_t least = 0;
    for (int i = 0; i < COPY_BATCHES && begin(m); i++) {
        memset(m->own->slot, i, NEAR);
        if (!meet(m))
            return;
        uint64_t t = vc_now_ns();
        copy_in_turns(i, m->near, m->other->slot, NEAR);
        keep_least(&least, vc_now_ns() - t);
    }
    if (least)
        m->cost.copy_across_ps = per_byte(least, NEAR);
}

/* In turns, so that each copy finds the other's lines in the core's first cache. Each has a destination of
 * its own: stores past the caches take longer where these have the lines. */
static void measure_far(struct meter *m)
{
    uint64_t plain = 0, stream = 0;
    for (int i = 0; i < COPY_BATCHES && begin(m); i++) {
        size_t half = i / 2 % 2 ? FAR : 0; /* both ways read both */
        const char *from = m->pool + half;
        uint64_t t = vc_now_ns();
        copy_in_turns(i, m->pool + HALF, from, FAR);
        keep_least(&plain, vc_now_ns() - t);
        from = m->pool + (FAR - half);
        t = vc_now_ns();
        if (m->cfg->stream)
            m->cfg->stream(m->pool + HALF + FAR, from, FAR);
        keep_least(&stream, vc_now_ns() - t);
    }
    if (plain)
        m->cost.copy_far_ps = per_byte(plain, FAR);
    if (stream && m->cfg->stream)
        m->cost.copy_stream_ps = per_byte(stream, FAR);
}

static uint64_t read_other(struct meter *m, void *to, uint64_t from, size_t len)
{
    uint64_t t = vc_now_ns();
    int err = vc_single_read(m->cfg->peer, m->cfg->map, to, from, len, VC_COPY_TAKE);
    return err == VC_OK ? vc_now_ns() - t : 0;
}

static void measure_single_copy(struct meter *m)
{
    uint64_t call = 0, whole = 0, far = 0, word = 0;
    if (!begin(m))
        return;
    uint64_t theirs = atomic_load_explicit(&m->other->buffer, memory_order_relaxed);
    uint64_t pool = atomic_load_explicit(&m->other->pool, memory_order_relaxed);
    for (int i = 0; m->cfg->peer && i < COPY_BATCHES; i++)
        keep_least(&call, read_other(m, &word, theirs, sizeof word));
    for (int i = 0; i < COPY_BATCHES && begin(m); i++) {
        memset(m->near, i, NEAR);
        if (!meet(m))
            return;
        if (call)
            keep_least(&whole, read_other(m, m->near + NEAR, theirs, NEAR));
        if (!meet(m)) /* the other still reads */
            return;
        size_t at = (size_t)(i % 2) * FAR;
        if (call)
            keep_least(&far, read_other(m, m->pool + HALF + at, pool + at, FAR));
    }
    if (call == 0 || whole <= call || far <= call)
        return;
    m->cost.cma_call_ns = call;
    m->cost.cma_ps = per_byte(whole - call, NEAR);
    m->cost.cma_far_ps = per_byte(far - call, FAR);
}

/* ---- one CPU ---- */

static void measure_yield(struct meter *m)
{
    uint32_t first = PING_BATCHES * PINGS;
    uint64_t least = 0;
    for (int b = 0; b < 2 && begin(m); b++, first += YIELDS) {
        uint64_t t = vc_now_ns();
        ping(m, first, YIELDS);
        keep_least(&least, (vc_now_ns() - t) / (2 * YIELDS));
    }
    m->cost.yield_ns = least;
}

/* Sleeps until the own word is `value`. */
static void sleep_until(struct meter *m, uint32_t value)
{
    const struct timespec limit = {.tv_nsec = 20000000};
    for (int i = 0; i < 10; i++) {
        uint32_t now = atomic_load_explicit(&m->own->word, memory_order_acquire);
        if (now == value)
            return;
        futex(&m->own->word, FUTEX_WAIT, now, &limit);
    }
    m->lost = atomic_load_explicit(&m->own->word, memory_order_acquire) != value;
}

static void wake_other(struct meter *m, uint32_t value)
{
    atomic_store_explicit(&m->other->word, value, memory_order_release);
    futex(&m->other->word, FUTEX_WAKE, 1, NULL);
}

static void measure_handover(struct meter *m)
{
    uint32_t at = 0;
    uint64_t least = 0;
    for (int b = 0; b < 2 && begin(m); b++) {
        uint64_t t = vc_now_ns();
        for (int i = 0; i < HANDOVERS && !m->lost; i++) {
            at++;
            if (m->cfg->me == 1)
                sleep_until(m, at);
            wake_other(m, at);
            if (m->cfg->me == 0)
                sleep_until(m, at);
        }
        keep_least(&least, (vc_now_ns() - t) / (2 * HANDOVERS));
    }
    m->cost.handover_ns = least;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void measure_wake(struct meter *m)
{
    uint64_t whole[WAKES], call[WAKES];
    uint32_t at = 2 * HANDOVERS + 1;
    int n = 0;
    for (; n < WAKES && begin(m); n++, at++) {
        if (m->cfg->me == 1) {
            sleep_until(m, at);
            atomic_store_explicit(&m->own->woke, vc_now_ns(), memory_order_relaxed);
        } else {
            uint64_t t = vc_now_ns(), done;
            while (vc_now_ns() - t < HALTS_NS)
                vc_cpu_relax();
            t = vc_now_ns();
            wake_other(m, at);
            done = vc_now_ns();
            call[n] = done - t;
            whole[n] = t;
        }
        if (!meet(m))
            return;
        uint64_t woke = atomic_load_explicit(&m->other->woke, memory_order_relaxed);
        if (m->cfg->me == 0)
            whole[n] = woke > whole[n] ? woke - whole[n] : 0;
    }
    if (n == 0 || m->cfg->me == 1)
        return;
    qsort(whole, (size_t)n, sizeof *whole, by_size);
    qsort(call, (size_t)n, sizeof *call, by_size);
    m->cost.wake_ns = whole[n / 2];
    m->cost.wake_call_ns = call[n / 2];
}

/* ---- the whole ---- */

static void walk(struct meter *m)
{
    cpu_set_t before;
    bool known = sched_getaffinity(0, sizeof before, &before) == 0;
    int apart = 0;
    bool placed = settle(m, known ? &before : NULL, &apart);
    m->together = !(placed && apart);
    measure_warm(m);
    measure_far(m);
    if (placed && apart) {
        measure_line(m);
        measure_across(m);
        measure_single_copy(m);
        measure_wake(m);
        /* The second one comes to the first one's CPU. */
        if (m->cfg->me == 1)
            placed = move_to(atomic_load_explicit(&m->s->plan[0], memory_order_relaxed));
        m->together = true;
        atomic_store_explicit(&m->own->cpu, placed ? 0 : -1, memory_order_relaxed);
        placed = meet(m) && atomic_load_explicit(&m->other->cpu, memory_order_relaxed) >= 0 && placed;
    }
    if (placed) {
        measure_handover(m);
        measure_yield(m);
    }
    /* Back to a CPU of its own first: left on one, both would spin there until the scheduler parts them. */
    if (apart && known && m->cfg->me == 1)
        move_to(atomic_load_explicit(&m->s->plan[1], memory_order_relaxed));
    if (known)
        sched_setaffinity(0, sizeof before, &before);
}

bool vc_measure(const struct vc_measure_cfg *cfg, struct vc_costs *out, bool *complete)
{
    struct shared *s = cfg->mem;
    struct meter m = {
        .cfg = cfg, .s = s, .own = &s->lane[cfg->me], .other = &s->lane[1 - cfg->me], .begun = vc_now_ns()};
    memset(out, 0, sizeof *out);
    /* Filled, so that the pages are there. */
    m.near = malloc(3 * NEAR);
    m.pool = mmap(NULL, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (m.pool == MAP_FAILED)
        m.pool = NULL;
    if (m.near)
        memset(m.near, 1, 3 * NEAR);
    atomic_store_explicit(&m.own->buffer, (uint64_t)(uintptr_t)m.near, memory_order_relaxed);
    atomic_store_explicit(&m.own->pool, (uint64_t)(uintptr_t)m.pool, memory_order_relaxed);
    m.together = true;
    m.lost = !m.near || !m.pool;
    if (!m.lost)
        walk(&m);
    if (cfg->me == 0)
        s->result = m.cost;
    bool good = meet(&m);
    *complete = good && atomic_load_explicit(&s->late, memory_order_relaxed) == 0;
    if (good) {
        *out = s->result;
        vc_costs_sane(out);
    }
    if (m.pool)
        munmap(m.pool, POOL);
    free(m.near);
    return good;
}
