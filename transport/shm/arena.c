/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/shm/arena.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* So much memory that nobody uses stays committed. */
#define KEPT_UNITS 256

/* A range that is taken, or that this process has left and others may not. */
struct range {
    uint32_t at, units;
    bool left;
    /* Once left: the group's counter, and what it must reach. */
    int lead;
    uint32_t lead_at, all_left;
};

struct vc_arena {
    struct vc_seg seg;
    int n, me;
    uint32_t units; /* of each region */
    /* Guards what follows. */
    pthread_mutex_t lock;
    struct range *range; /* ascending */
    size_t nranges, room;
    size_t used;             /* units of all ranges */
    size_t ncommitted, held; /* units that are memory: all, those of ranges */
    bool *committed;         /* [units] */
};

/* ---- layout of a region: head, counters, board, ranges ---- */

static char *region(const struct vc_arena *a, int who)
{
    return (char *)a->seg.base + (size_t)who * a->units * VC_ARENA_UNIT;
}

static _Atomic uint32_t *counter(const struct vc_arena *a, int who, uint32_t at)
{
    return (_Atomic uint32_t *)(void *)(region(a, who) + VC_ARENA_HEAD) + at;
}

static size_t board_at(const struct vc_arena *a)
{
    return vc_round_up(VC_ARENA_HEAD + (size_t)a->units * sizeof(_Atomic uint32_t), VC_LINE_PAIR);
}

/* Units that all but the ranges take. */
static uint32_t reserved_units(const struct vc_arena *a)
{
    size_t bytes = board_at(a) + vc_arena_board_bytes(a->n);
    return (uint32_t)(vc_round_up(bytes, VC_ARENA_UNIT) / VC_ARENA_UNIT);
}

size_t vc_arena_size(const struct vc_arena *a)
{
    return (size_t)a->units * VC_ARENA_UNIT;
}

void *vc_arena_head(const struct vc_arena *a, int who)
{
    return region(a, who);
}

void *vc_arena_board(const struct vc_arena *a, int who)
{
    return region(a, who) + board_at(a);
}

char *vc_arena_at(const struct vc_arena *a, int who, uint32_t at)
{
    return region(a, who) + (size_t)at * VC_ARENA_UNIT;
}

/* ---- opening ---- */

int vc_arena_create(size_t each, int n, enum vc_seg_backing backing, struct vc_seg *seg,
                    struct vc_seg_handle *handle)
{
    each = each / VC_ARENA_UNIT * VC_ARENA_UNIT;
    return vc_seg_create_sparse(each * (size_t)n, backing, seg, handle);
}

/* Where a unit of the own region lies in the segment. */
static size_t offset(const struct vc_arena *a, uint32_t unit)
{
    return (size_t)a->me * vc_arena_size(a) + (size_t)unit * VC_ARENA_UNIT;
}

static size_t count_committed(const struct vc_arena *a, uint32_t at, uint32_t units)
{
    size_t n = 0;
    for (uint32_t i = at; i < at + units; i++)
        n += a->committed[i];
    return n;
}

/* Makes memory of the own region exist. */
static int commit(struct vc_arena *a, uint32_t at, uint32_t units)
{
    for (uint32_t end = at + units, next; at < end; at = next) {
        bool have = a->committed[at];
        for (next = at + 1; next < end && a->committed[next] == have;)
            next++;
        int err = have ? VC_OK : vc_seg_commit(&a->seg, offset(a, at), (size_t)(next - at) * VC_ARENA_UNIT);
        if (err != VC_OK)
            return err;
        memset(a->committed + at, true, next - at);
        a->ncommitted += have ? 0 : next - at;
    }
    return VC_OK;
}

int vc_arena_open(struct vc_seg *seg, int n, int me, struct vc_arena **out)
{
    struct vc_arena *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a) {
        vc_seg_detach(seg);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the shared memory of %d processes", n);
    }
    a->seg = *seg;
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
    a->n = n;
    a->me = me;
    a->units = (uint32_t)(a->seg.len / (size_t)n / VC_ARENA_UNIT);
    pthread_mutex_init(&a->lock, NULL);
    a->committed = calloc(a->units + 1, sizeof *a->committed);
    int err = !a->committed ? vc_fail(VC_ERR_NOMEM, "out of memory for the shared memory of %d processes", n)
              : reserved_units(a) < a->units
                  ? commit(a, 0, reserved_units(a))
                  : vc_fail(VC_ERR_UNSUPPORTED, "%zu KiB of shared memory are too little", a->seg.len >> 10);
    if (err != VC_OK) {
        vc_arena_close(a);
        return err;
    }
    *out = a;
    return VC_OK;
}

void vc_arena_settle(struct vc_arena *a)
{
    vc_seg_settle(&a->seg);
}

void vc_arena_close(struct vc_arena *a)
{
    if (!a)
        return;
    vc_seg_detach(&a->seg);
    pthread_mutex_destroy(&a->lock);
    free(a->range);
    free(a->committed);
    free(a);
}

/* ---- ranges ---- */

static void remove_range(struct vc_arena *a, size_t i)
{
    const struct range *r = &a->range[i];
    size_t here = count_committed(a, r->at, r->units);
    a->used -= r->units;
    a->held -= here;
    size_t idle = a->ncommitted - a->held - reserved_units(a);
    if (idle > KEPT_UNITS && here > 0 &&
        vc_seg_release(&a->seg, offset(a, r->at), (size_t)r->units * VC_ARENA_UNIT)) {
        memset(a->committed + r->at, false, r->units);
        a->ncommitted -= here;
    }
    memmove(&a->range[i], &a->range[i + 1], (--a->nranges - i) * sizeof *a->range);
}

/* Frees ranges that all members have left meanwhile. */
static void reclaim(struct vc_arena *a)
{
    for (size_t i = a->nranges; i-- > 0;) {
        const struct range *r = &a->range[i];
        /* Acquire: pairs with the release in vc_arena_give(); what others did in the range comes before. */
        if (r->left && (int32_t)(atomic_load_explicit(counter(a, r->lead, r->lead_at), memory_order_acquire) -
                                 r->all_left) >= 0)
            remove_range(a, i);
    }
}

static bool have_room(struct vc_arena *a)
{
    if (a->nranges < a->room)
        return true;
    size_t room = a->room ? 2 * a->room : 16;
    struct range *more = realloc(a->range, room * sizeof *more);
    if (!more)
        return false;
    a->range = more;
    a->room = room;
    return true;
}

/* The first gap that is large enough: the index of the range behind it, and where it begins. */
static bool find_gap(const struct vc_arena *a, size_t units, size_t *index, uint32_t *at)
{
    uint32_t begin = reserved_units(a);
    for (size_t i = 0; i <= a->nranges; i++) {
        uint32_t end = i < a->nranges ? a->range[i].at : a->units;
        if (end - begin >= units) {
            *index = i;
            *at = begin;
            return true;
        }
        if (i < a->nranges)
            begin = a->range[i].at + a->range[i].units;
    }
    return false;
}

static int reserve_locked(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *out)
{
    size_t units = (bytes + VC_ARENA_UNIT - 1) / VC_ARENA_UNIT, index;
    size_t most = a->units - reserved_units(a);
    reclaim(a);
    if (a->used + units + spare / VC_ARENA_UNIT > most || !find_gap(a, units, &index, &out->at))
        return vc_fail(VC_ERR_UNSUPPORTED, "%zu KiB of shared memory are not left of this process's %zu KiB",
                       bytes >> 10, vc_arena_size(a) >> 10);
    if (!have_room(a))
        return vc_fail(VC_ERR_NOMEM, "out of memory for one more range of shared memory");
    memmove(&a->range[index + 1], &a->range[index], (a->nranges++ - index) * sizeof *a->range);
    a->range[index] = (struct range){.at = out->at, .units = (uint32_t)units};
    a->used += units;
    a->held += count_committed(a, out->at, (uint32_t)units);
    out->bytes = bytes;
    return VC_OK;
}

int vc_arena_reserve(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *out)
{
    memset(out, 0, sizeof *out);
    if (bytes == 0 || bytes > vc_arena_size(a))
        return vc_fail(VC_ERR_UNSUPPORTED, "%zu KiB of shared memory are more than this process's %zu KiB",
                       bytes >> 10, vc_arena_size(a) >> 10);
    pthread_mutex_lock(&a->lock);
    int err = reserve_locked(a, bytes, spare, out);
    pthread_mutex_unlock(&a->lock);
    return err;
}

int vc_arena_commit(struct vc_arena *a, const struct vc_hold *h, size_t at, size_t n)
{
    uint32_t first = h->at + (uint32_t)(at / VC_ARENA_UNIT);
    uint32_t end = h->at + (uint32_t)((at + n + VC_ARENA_UNIT - 1) / VC_ARENA_UNIT);
    if (n == 0)
        return VC_OK;
    pthread_mutex_lock(&a->lock);
    size_t before = a->ncommitted;
    int err = commit(a, first, end - first);
    a->held += a->ncommitted - before;
    pthread_mutex_unlock(&a->lock);
    return err;
}

int vc_arena_take(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *out)
{
    int err = vc_arena_reserve(a, bytes, spare, out);
    if (err == VC_OK && (err = vc_arena_commit(a, out, 0, bytes)) != VC_OK)
        vc_arena_give(a, out);
    return err;
}

uint32_t vc_arena_left(const struct vc_arena *a, const struct vc_hold *h)
{
    /* Relaxed: whoever took the range saw all members of the last group leave. */
    return atomic_load_explicit(counter(a, a->me, h->at), memory_order_relaxed);
}

void vc_hold_share(struct vc_hold *h, int lead, uint32_t lead_at, uint32_t left, int members)
{
    h->shared = true;
    h->lead = lead;
    h->lead_at = lead_at;
    h->all_left = left + (uint32_t)members;
}

void vc_arena_give(struct vc_arena *a, struct vc_hold *h)
{
    if (h->bytes == 0)
        return;
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->nranges; i++) {
        struct range *r = &a->range[i];
        if (r->at != h->at)
            continue;
        if (!h->shared) {
            remove_range(a, i);
            break;
        }
        r->left = true;
        r->lead = h->lead;
        r->lead_at = h->lead_at;
        r->all_left = h->all_left;
        break;
    }
    /* Ranges of groups that others have left first. */
    reclaim(a);
    pthread_mutex_unlock(&a->lock);
    /* Release: pairs with the acquire in reclaim(). */
    if (h->shared)
        atomic_fetch_add_explicit(counter(a, h->lead, h->lead_at), 1, memory_order_release);
    memset(h, 0, sizeof *h);
}

size_t vc_arena_committed(struct vc_arena *a)
{
    pthread_mutex_lock(&a->lock);
    size_t bytes = a->ncommitted * VC_ARENA_UNIT;
    pthread_mutex_unlock(&a->lock);
    return bytes;
}

size_t vc_arena_used(struct vc_arena *a)
{
    pthread_mutex_lock(&a->lock);
    reclaim(a);
    size_t bytes = a->used * VC_ARENA_UNIT;
    pthread_mutex_unlock(&a->lock);
    return bytes;
}
