/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/latency.h"

#include "transport/base.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { PASSES = 2 };                       /* each of a pair measures once */
enum { WARM = 4, BATCHES = 6, BATCH = 8 }; /* round trips before; times that are taken; round trips of each */
enum { STEPS = 1 << 8 };                   /* more than the round trips of a pair */
#define WAIT_NS  UINT64_C(1000000000)      /* for one answer */
#define TOTAL_NS UINT64_C(3000000000)

/*
 * The memory is a page for each process, that only the process itself writes, and then `shared`. Flags count
 * upwards through all round trips of all rounds, so that none is ever taken for another.
 */
struct shared {
    _Atomic int stop; /* some process has given up */
    char line[VC_LINE_PAIR - sizeof(int)];
    float time[]; /* [n * n] */
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static _Atomic uint64_t *flag_of(void *mem, int i)
{
    return (_Atomic uint64_t *)((char *)mem + (size_t)i * page_bytes());
}

static struct shared *shared_of(void *mem, int n)
{
    return (struct shared *)((char *)mem + (size_t)n * page_bytes());
}

size_t vc_latency_bytes(int n)
{
    return (size_t)n * page_bytes() + sizeof(struct shared) + (size_t)n * (size_t)n * sizeof(float);
}

int vc_latency_settle(void *mem, int n, int me)
{
    (void)n;
    char *page = (char *)flag_of(mem, me);
    /* What is removed is zero when it is touched next, and comes from the node of who touches it. Where this
     * is not possible (private memory of a test), the page is good enough. */
    if (madvise(page, page_bytes(), MADV_REMOVE) != 0)
        return VC_OK;
    if (madvise(page, page_bytes(), MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
        return vc_fail(VC_ERR_SYS, "no memory for a page of flags: %s", strerror(errno));
    atomic_store_explicit(flag_of(mem, me), 0, memory_order_relaxed);
    return VC_OK;
}

int vc_latency_partner(int n, int round, int me)
{
    /* The circle method: all but the last turn around the circle, and who would meet himself meets the last.
     * An odd number has a last one who is not there. */
    int last = vc_latency_rounds(n), other;
    if (me == last)
        other = (int)((long long)round * ((last + 1) / 2) % last);
    else if ((other = (round - me + last) % last) == me)
        other = last;
    return other < n ? other : -1;
}

/* What a wait needs. */
struct clock {
    struct shared *shared;
    uint64_t until; /* for all waits */
};

/* Until the flag has come to `value`. False: given up. Pairs with the release store of who sets it. */
static bool await_flag(const struct clock *c, const _Atomic uint64_t *flag, uint64_t value)
{
    enum { LOOK = 4096 };
    uint64_t until = 0;
    for (unsigned spins = 1; atomic_load_explicit(flag, memory_order_acquire) < value; spins++) {
        vc_cpu_relax();
        if (spins % LOOK)
            continue;
        uint64_t now = vc_now_ns();
        if (!until)
            until = now + WAIT_NS < c->until ? now + WAIT_NS : c->until;
        if (now > until)
            atomic_store_explicit(&c->shared->stop, 1, memory_order_relaxed);
        if (atomic_load_explicit(&c->shared->stop, memory_order_relaxed))
            return false;
        sched_yield(); /* something else runs here as well: the time is spoilt, but others are to come */
    }
    return true;
}

/* One round trip is: the own flag up, the other one's after it. */
static bool ping(const struct clock *c, _Atomic uint64_t *mine, const _Atomic uint64_t *other, uint64_t value)
{
    atomic_store_explicit(mine, value, memory_order_release);
    return await_flag(c, other, value);
}

/* The shortest time of a batch, per round trip. Negative: given up. */
static double time_partner(const struct clock *c, _Atomic uint64_t *mine, const _Atomic uint64_t *other,
                           uint64_t value)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < WARM; i++)
        if (!ping(c, mine, other, ++value))
            return -1;
    for (int b = 0; b < BATCHES; b++) {
        uint64_t begun = vc_now_ns();
        for (int i = 0; i < BATCH; i++)
            if (!ping(c, mine, other, ++value))
                return -1;
        uint64_t took = vc_now_ns() - begun;
        best = took < best ? took : best;
    }
    return (double)best / BATCH;
}

static bool answer(const struct clock *c, _Atomic uint64_t *mine, const _Atomic uint64_t *other,
                   uint64_t value)
{
    for (int i = 0; i < WARM + BATCHES * BATCH; i++) {
        if (!await_flag(c, other, ++value))
            return false;
        atomic_store_explicit(mine, value, memory_order_release);
    }
    return true;
}

int vc_latency_measure(void *mem, int n, int me)
{
    _Static_assert(WARM + BATCHES * BATCH < STEPS, "flags of one round do not reach into the next");
    struct clock c = {shared_of(mem, n), vc_now_ns() + TOTAL_NS};
    int rounds = vc_latency_rounds(n);
    for (int k = 0; k < PASSES * rounds; k++) {
        int other = vc_latency_partner(n, k % rounds, me);
        uint64_t value = (uint64_t)(k + 1) * STEPS;
        if (other < 0)
            continue;
        bool asks = (me < other) == (k < rounds), answered = true;
        double took = 0;
        if (asks)
            took = time_partner(&c, flag_of(mem, me), flag_of(mem, other), value);
        else
            answered = answer(&c, flag_of(mem, me), flag_of(mem, other), value);
        if (!answered || took < 0)
            return vc_fail(VC_ERR_PEER, "the process with local index %d did not answer in time", other);
        if (asks)
            c.shared->time[(size_t)me * (size_t)n + (size_t)other] = (float)took;
    }
    return VC_OK;
}

const float *vc_latency_times(const void *mem, int n)
{
    return ((const struct shared *)((const char *)mem + (size_t)n * page_bytes()))->time;
}
