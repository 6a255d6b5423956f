/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/ivshmem/lease.h"

#include "transport/shm/segment.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x31307668736c6376) /* "vclshv01" */

struct head {
    _Atomic uint64_t magic; /* written last */
    _Atomic uint64_t version, size, leases, extents;
};

struct lease {
    _Atomic uint64_t owner, beat, left; /* left: members that are done with it */
    /* Whose it is, for those that look whether it is stale. Written by the owner before its first beat. */
    _Atomic uint64_t boot[2], pid_ns, pid, start;
    char pad[VC_LINE_PAIR - 8 * sizeof(uint64_t)];
};
_Static_assert(sizeof(struct lease) == VC_LINE_PAIR, "each lease has lines of its own");

struct tables {
    struct head head;
    char pad[4096 - sizeof(struct head)];
    struct lease lease[VC_LEASES];
    _Atomic uint64_t extent[VC_EXTENTS];
};
_Static_assert(sizeof(struct tables) <= VC_LEASE_DATA, "the tables lie before the extents");

struct vc_leases {
    const struct vc_bar *bar;
    struct tables *t;
    size_t extent; /* bytes of each */
    struct vc_lease mine;
    unsigned first, count; /* extents of it */
    _Atomic bool lost;
    pid_t maker; /* a child of this process has no heart */
    /* the heart */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool beats, ends; /* ends: with the lock */
};

static uint64_t load(_Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static bool swap(_Atomic uint64_t *p, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(p, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

/* ---- the head ---- */

static bool is_zeroed(const void *mem, size_t bytes)
{
    const uint64_t *w = mem;
    for (size_t i = 0; i < bytes / sizeof *w; i++)
        if (w[i])
            return false;
    return true;
}

static int check_head(const struct vc_bar *bar, struct head *h)
{
    /* Acquire pairs with the release in write_head(). */
    if (atomic_load_explicit(&h->magic, memory_order_acquire) != MAGIC)
        return vc_fail(
            VC_ERR_INVAL,
            "the shared memory %s holds something that is not vcoll's: give it a device of its own, "
            "or zero it",
            bar->name);
    if (load(&h->version) != VC_LEASE_VERSION)
        return vc_fail(
            VC_ERR_INVAL,
            "the shared memory %s is in use by another version of vcoll (%llu, this is %u): zero it "
            "once no program uses it",
            bar->name, (unsigned long long)load(&h->version), VC_LEASE_VERSION);
    if (load(&h->size) != bar->len)
        return vc_fail(
            VC_ERR_INVAL,
            "the shared memory %s has %zu bytes here and %llu in the machine that used it first: give "
            "all the same size",
            bar->name, bar->len, (unsigned long long)load(&h->size));
    if (load(&h->leases) != VC_LEASES || load(&h->extents) != VC_EXTENTS)
        return vc_fail(VC_ERR_INVAL,
                       "the shared memory %s has a spoiled head: zero it once no program uses it", bar->name);
    return VC_OK;
}

/* Several machines may do this at once: they write the same. */
static void write_head(const struct vc_bar *bar, struct head *h)
{
    atomic_store_explicit(&h->version, VC_LEASE_VERSION, memory_order_relaxed);
    atomic_store_explicit(&h->size, bar->len, memory_order_relaxed);
    atomic_store_explicit(&h->leases, VC_LEASES, memory_order_relaxed);
    atomic_store_explicit(&h->extents, VC_EXTENTS, memory_order_relaxed);
    /* Pairs with check_head(). */
    atomic_store_explicit(&h->magic, MAGIC, memory_order_release);
}

/* The part of a mapping in which nobody's data lies. Its own head is not a part of it: another machine may be
 * writing that. */
static bool is_fresh(const struct vc_bar *bar)
{
    struct tables *t = bar->base;
    return load(&t->head.magic) == 0 &&
           is_zeroed((char *)bar->base + sizeof t->head, VC_LEASE_DATA - sizeof t->head);
}

int vc_leases_open(const struct vc_bar *bar, struct vc_leases **out)
{
    *out = NULL;
    struct tables *t = bar->base;
    if (is_fresh(bar))
        write_head(bar, &t->head);
    int err = check_head(bar, &t->head);
    if (err != VC_OK)
        return err;
    struct vc_leases *l = calloc(1, sizeof *l);
    if (!l)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the leases of %s", bar->name);
    l->bar = bar;
    l->t = t;
    l->extent = (bar->len - VC_LEASE_DATA) / VC_EXTENTS / VC_LINE_PAIR * VC_LINE_PAIR;
    *out = l;
    return VC_OK;
}

/* ---- the heart ---- */

static void *beat(void *arg)
{
    struct vc_leases *l = arg;
    struct lease *mine = &l->t->lease[l->mine.number];
    pthread_mutex_lock(&l->lock);
    while (!l->ends) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t ns = (uint64_t)until.tv_nsec + VC_LEASE_BEAT_NS;
        until.tv_sec += (time_t)(ns / 1000000000u);
        until.tv_nsec = (long)(ns % 1000000000u);
        pthread_cond_timedwait(&l->wake, &l->lock, &until);
        if (load(&mine->owner) != l->mine.owner)
            atomic_store_explicit(&l->lost, true, memory_order_relaxed);
        else
            atomic_fetch_add_explicit(&mine->beat, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int start_heart(struct vc_leases *l)
{
    pthread_condattr_t clock;
    pthread_attr_t attr;
    sigset_t all;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &clock);
    pthread_condattr_destroy(&clock);
    l->ends = false;
    /* The program's signals are not for this thread. */
    sigfillset(&all);
    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setsigmask_np(&attr, &all);
        if (rc == 0)
            rc = pthread_create(&l->thread, &attr, beat, l);
        pthread_attr_destroy(&attr);
    }
    l->beats = rc == 0;
    return rc == 0 ? VC_OK
                   : vc_fail(VC_ERR_SYS, "no thread could be started for the lease of %s: %s", l->bar->name,
                             strerror(rc));
}

static void stop_heart(struct vc_leases *l)
{
    if (!l->beats)
        return;
    pthread_mutex_lock(&l->lock);
    l->ends = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    l->beats = false;
}

/* ---- stale leases ---- */

/* What tells this operating system from others. */
static void fill_boot(uint64_t boot[2], uint64_t *pid_ns)
{
    struct vc_os_id os;
    vc_os_id_get(&os);
    memcpy(boot, os.boot_id, 2 * sizeof *boot);
    *pid_ns = os.pid_ns;
}

/* It is of a process that this one would see, and does not. */
static bool has_ended(struct lease *e, const uint64_t boot[2], uint64_t pid_ns)
{
    struct vc_peer_id id = {.pid = (pid_t)load(&e->pid), .start_time = load(&e->start)};
    return pid_ns != 0 && load(&e->boot[0]) == boot[0] && load(&e->boot[1]) == boot[1] &&
           load(&e->pid_ns) == pid_ns && id.pid > 0 && !vc_peer_alive(&id);
}

static void take_away(struct vc_leases *l, uint32_t number, uint64_t owner)
{
    if (owner == 0 || !swap(&l->t->lease[number].owner, owner, 0))
        return;
    for (unsigned i = 0; i < VC_EXTENTS; i++)
        if (load(&l->t->extent[i]) == owner)
            swap(&l->t->extent[i], owner, 0);
}

static void take_ended(struct vc_leases *l)
{
    uint64_t boot[2], ns;
    fill_boot(boot, &ns);
    for (uint32_t i = 0; i < VC_LEASES; i++) {
        uint64_t owner = load(&l->t->lease[i].owner);
        if (owner != 0 && has_ended(&l->t->lease[i], boot, ns))
            take_away(l, i, owner);
    }
}

void vc_leases_watch(struct vc_leases *l, uint64_t ns, struct vc_lease_watch *out)
{
    uint64_t beats[VC_LEASES], until = vc_now_ns() + ns;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < VC_LEASES; i++) {
        out->owner[i] = load(&l->t->lease[i].owner);
        beats[i] = load(&l->t->lease[i].beat);
        out->held += out->owner[i] != 0;
    }
    out->still = out->held;
    const struct timespec slice = {.tv_nsec = 50000000};
    while (out->still > 0 && vc_now_ns() < until) {
        nanosleep(&slice, NULL);
        for (uint32_t i = 0; i < VC_LEASES; i++)
            if (out->owner[i] != 0 && !out->beats[i] && load(&l->t->lease[i].beat) != beats[i]) {
                out->beats[i] = true;
                out->still--;
            }
    }
}

/* Watches all leases for as long as it takes to tell. */
static void take_still(struct vc_leases *l)
{
    struct vc_lease_watch w;
    vc_leases_watch(l, VC_LEASE_STALE_NS, &w);
    for (uint32_t i = 0; i < VC_LEASES && w.still > 0; i++)
        if (!w.beats[i])
            take_away(l, i, w.owner[i]);
}

/* ---- taking ---- */

/* An extent whose owner holds no lease was left behind by a process that died while it took or gave them. */
static bool is_free(struct vc_leases *l, uint64_t owner)
{
    for (uint32_t i = 0; owner != 0 && i < VC_LEASES; i++)
        if (load(&l->t->lease[i].owner) == owner)
            return false;
    return true;
}

static void give_extents(struct vc_leases *l, unsigned first, unsigned n, uint64_t owner)
{
    for (unsigned i = first; i < first + n; i++)
        swap(&l->t->extent[i], owner, 0);
}

/* `need` extents in a row; others may be taking some at the same time. */
static bool take_extents(struct vc_leases *l, unsigned need, uint64_t owner, unsigned *first)
{
    for (unsigned at = 0, got = 0; at < VC_EXTENTS; at++) {
        uint64_t was = load(&l->t->extent[at]);
        if (is_free(l, was) && swap(&l->t->extent[at], was, owner)) {
            if (++got == need) {
                *first = at + 1 - need;
                return true;
            }
        } else {
            give_extents(l, at - got, got, owner);
            got = 0;
        }
        if (at + 1 == VC_EXTENTS)
            give_extents(l, at + 1 - got, got, owner);
    }
    return false;
}

static bool try_take(struct vc_leases *l, unsigned need, struct vc_lease *got)
{
    uint32_t i = 0;
    while (i < VC_LEASES && !swap(&l->t->lease[i].owner, 0, got->owner))
        i++;
    if (i == VC_LEASES)
        return false;
    got->number = i;
    if (take_extents(l, need, got->owner, &l->first))
        return true;
    swap(&l->t->lease[i].owner, got->owner, 0);
    return false;
}

static void sign(struct vc_leases *l, const struct vc_lease *got)
{
    struct lease *e = &l->t->lease[got->number];
    struct vc_peer_id self = vc_peer_self();
    uint64_t boot[2], ns;
    fill_boot(boot, &ns);
    atomic_store_explicit(&e->left, 0, memory_order_relaxed);
    atomic_store_explicit(&e->boot[0], boot[0], memory_order_relaxed);
    atomic_store_explicit(&e->boot[1], boot[1], memory_order_relaxed);
    atomic_store_explicit(&e->pid_ns, ns, memory_order_relaxed);
    atomic_store_explicit(&e->pid, (uint64_t)self.pid, memory_order_relaxed);
    atomic_store_explicit(&e->start, self.start_time, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->beat, 1, memory_order_release);
}

static void give_back(struct vc_leases *l)
{
    if (l->mine.owner == 0)
        return;
    give_extents(l, l->first, l->count, l->mine.owner);
    swap(&l->t->lease[l->mine.number].owner, l->mine.owner, 0);
    memset(&l->mine, 0, sizeof l->mine);
}

int vc_lease_take(struct vc_leases *l, size_t bytes, bool patient, struct vc_lease *out)
{
    struct vc_lease got = {.bytes = bytes};
    memset(out, 0, sizeof *out);
    size_t need = (bytes + l->extent - 1) / l->extent;
    if (bytes == 0 || need > VC_EXTENTS)
        return vc_fail(VC_ERR_NOMEM, "the shared memory %s has room for %zu bytes, and %zu are needed",
                       l->bar->name, vc_leases_room(l), bytes);
    if (getrandom(&got.owner, sizeof got.owner, GRND_NONBLOCK) != (ssize_t)sizeof got.owner)
        got.owner = vc_now_ns() ^ (uint64_t)getpid() << 40 ^ (uintptr_t)&got;
    got.owner |= 1;
    bool taken = try_take(l, (unsigned)need, &got);
    if (!taken) {
        take_ended(l);
        taken = try_take(l, (unsigned)need, &got);
    }
    if (!taken && patient) {
        take_still(l);
        taken = try_take(l, (unsigned)need, &got);
    }
    if (!taken)
        return vc_fail(
            VC_ERR_NOMEM,
            "the shared memory %s has no room for %zu bytes: %u of %u leases are held by programs of "
            "this host",
            l->bar->name, bytes, vc_leases_held(l), VC_LEASES);
    got.at = VC_LEASE_DATA + (uint64_t)l->first * l->extent;
    l->count = (unsigned)need;
    l->mine = got;
    l->maker = getpid();
    sign(l, &got);
    int err = start_heart(l);
    if (err != VC_OK)
        give_back(l);
    else
        *out = got;
    return err;
}

void vc_leases_close(struct vc_leases *l)
{
    if (!l)
        return;
    if (l->mine.owner != 0 && l->maker == getpid()) {
        stop_heart(l);
        give_back(l);
    }
    free(l);
}

void vc_lease_leave(struct vc_leases *l, const struct vc_lease *lease, unsigned members)
{
    if (!vc_lease_seen(l, lease))
        return;
    if (l->mine.owner == lease->owner && l->maker == getpid()) {
        stop_heart(l);
        memset(&l->mine, 0, sizeof l->mine);
    }
    /* Who comes last finds the others done, whatever they did before. */
    if (atomic_fetch_add_explicit(&l->t->lease[lease->number].left, 1, memory_order_acq_rel) + 1 == members)
        take_away(l, lease->number, lease->owner);
}

/* ---- looking ---- */

bool vc_lease_held(const struct vc_leases *l)
{
    return l->mine.owner == 0 || !atomic_load_explicit(&l->lost, memory_order_relaxed);
}

bool vc_lease_seen(const struct vc_leases *l, const struct vc_lease *lease)
{
    return lease->owner != 0 && lease->number < VC_LEASES &&
           load(&l->t->lease[lease->number].owner) == lease->owner && vc_lease_memory(l, lease);
}

uint64_t vc_lease_beat(const struct vc_leases *l, uint32_t number)
{
    return number < VC_LEASES ? load(&l->t->lease[number].beat) : 0;
}

char *vc_lease_memory(const struct vc_leases *l, const struct vc_lease *lease)
{
    size_t len = l->bar->len;
    if (lease->at < VC_LEASE_DATA || lease->at > len || lease->bytes > len - lease->at ||
        lease->at % VC_LINE_PAIR != 0)
        return NULL;
    return (char *)l->bar->base + lease->at;
}

size_t vc_leases_room(const struct vc_leases *l)
{
    return l->extent * VC_EXTENTS;
}

unsigned vc_leases_held(const struct vc_leases *l)
{
    unsigned held = 0;
    for (uint32_t i = 0; i < VC_LEASES; i++)
        held += load(&l->t->lease[i].owner) != 0;
    return held;
}
