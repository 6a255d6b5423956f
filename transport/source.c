/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One thread at a time sleeps on the descriptor and reads its events: the holder. If others slept there too,
 * one of them would read the event that is for another one, and handle what had come, and that one would
 * sleep on. They sleep on a futex, `turn`, which the holder changes each time it is awake again. Then one of
 * them is the next holder.
 *
 * A thread notes `reads` before it arms. If it has changed by the time of the sleep, the event for which the
 * thread has armed may have been read: it polls what it waits for, and arms again.
 */
#include "transport/source.h"

#include "transport/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sleeper on descriptors relies on a pipe that its waker may not be able to reach. */
#define PIPE_SLICE_NS 5000000u
/* Longest sleep of a thread that has a pipe to watch while another one holds the source. */
#define SECOND_SLICE_NS 1000000u

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

int vc_source_arm(struct vc_waiter *w, bool *again)
{
    struct vc_wake_src *s = w->src;
    *again = !w->armed;
    if (w->armed)
        return VC_OK;
    /* Acquire: pairs with the release in vc_source_sleep(). An event that is read after this changes it. */
    w->reads_armed = atomic_load_explicit(&s->reads, memory_order_acquire);
    int err = s->arm(s);
    w->armed = err == VC_OK;
    return err;
}

static bool hold(struct vc_wake_src *s)
{
    bool held = false;
    /* Acquire: pairs with the release of the holder before. */
    return atomic_compare_exchange_strong_explicit(&s->held, &held, true, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void leave(struct vc_wake_src *s)
{
    atomic_store_explicit(&s->held, false, memory_order_release);
    /* Sequentially consistent, as the follower's count and its look at `turn` in the kernel: either this
     * thread sees the follower, or the follower the new turn. */
    atomic_fetch_add(&s->turn, 1);
    if (atomic_load(&s->followers) > 0)
        syscall(SYS_futex, (uint32_t *)&s->turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Whether the event for which the wait has armed may have been read by another thread. */
static bool is_stale(const struct vc_waiter *w)
{
    return atomic_load_explicit(&w->src->reads, memory_order_acquire) != w->reads_armed;
}

/* Until the holder that was seen after `turn` is awake. */
static enum vc_slept follow(struct vc_waiter *w, uint32_t turn, uint64_t ns)
{
    struct vc_wake_src *s = w->src;
    struct timespec ts = timespec_of(ns);
    atomic_fetch_add(&s->followers, 1);
    syscall(SYS_futex, (uint32_t *)&s->turn, FUTEX_WAIT_PRIVATE, turn, &ts, NULL, 0);
    atomic_fetch_sub_explicit(&s->followers, 1, memory_order_relaxed);
    return is_stale(w) ? VC_SLEPT_WOKEN : VC_SLEPT_OUT;
}

/* On the descriptor, unless another thread holds it, and on the pipe. */
static enum vc_slept sleep_on_fds(struct vc_waiter *w, bool holds, uint64_t ns, bool *on_pipe)
{
    struct vc_wake_src *s = w->src;
    struct pollfd fds[2] = {{.fd = holds ? s->fd : -1, .events = POLLIN},
                            {.fd = w->parking ? vc_park_pipe() : -1, .events = POLLIN}};
    if (w->parking && ns > PIPE_SLICE_NS)
        ns = PIPE_SLICE_NS;
    if (!holds && ns > SECOND_SLICE_NS)
        ns = SECOND_SLICE_NS;
    struct timespec ts = timespec_of(ns);
    int n = ppoll(fds, w->parking ? 2 : 1, &ts, NULL);
    if (n > 0 && (fds[1].revents & POLLIN)) {
        vc_park_drain_pipe();
        *on_pipe = true;
    }
    if (n > 0 && fds[0].revents) {
        s->clear(s);
        /* Release: who sees it and arms afterwards does so after the event was read. */
        atomic_fetch_add_explicit(&s->reads, 1, memory_order_release);
    }
    return n > 0 ? VC_SLEPT_WOKEN : VC_SLEPT_OUT;
}

enum vc_slept vc_source_sleep(struct vc_waiter *w, uint64_t ns, bool *on_pipe)
{
    struct vc_wake_src *s = w->src;
    enum vc_slept slept = VC_SLEPT_NOT;
    uint32_t turn = atomic_load(&s->turn);
    uint64_t most = atomic_load_explicit(&s->max_slice_ns, memory_order_relaxed);
    bool holds = hold(s);
    *on_pipe = false;
    if (most && ns > most)
        ns = most;
    /* Nobody else reads events while this thread holds; and `turn` has changed if a holder read one since. */
    if (!is_stale(w))
        slept = holds || w->parking ? sleep_on_fds(w, holds, ns, on_pipe) : follow(w, turn, ns);
    if (is_stale(w))
        w->armed = false;
    if (holds)
        leave(s);
    return slept;
}
