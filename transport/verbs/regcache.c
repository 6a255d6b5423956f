/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/regcache.h"
#include "transport/base.h"
#include "transport/verbs/regcache_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATIENCE       1000
#define REFUSED_RANGES 16
#define REFUSED_TIMES  1000
#define REFUSED_MEMORY 16

struct entry {
    struct vc_reg reg; /* first, because users hold a pointer to it */
    int pins;
    bool registered;
    bool stale;                  /* its memory changed while it was held: released with the last put */
    struct entry *newer, *older; /* by last use, of those in the index; `older` also links the free ones */
};

/* Sorted by start. Ranges may overlap. `reach` is the largest end of this and all slots before it, where a
 * search downwards can stop. */
struct slot {
    uintptr_t start, end, reach;
    struct entry *e;
};

struct refusal {
    struct vc_memrange range;
    bool whole; /* could not be registered as a whole; else no part of it can */
    int left;   /* times it is still refused without trying */
};

struct vc_regcache {
    struct vc_regcache_cfg cfg;
    struct vc_memwatch *watch;
    size_t page;
    /* A page that is zero in a forked child: 1 means that this process created the cache. */
    volatile char *here;

    pthread_mutex_t lock; /* of all that follows */
    bool off;
    int n; /* slots */
    struct slot *index;
    struct entry *pool, *unused, *newest, *oldest;
    size_t held; /* bytes of entries with pins */
    struct refusal refused[REFUSED_RANGES];
    int next_refusal;
    struct vc_regcache_stats stats;
    uint64_t window_changes, window_hits; /* at the start of the current window of patience */
};

static void release(struct vc_regcache *rc, struct entry *e)
{
    if (e->registered)
        rc->cfg.dereg(rc->cfg.ctx, &e->reg);
    e->registered = false;
    rc->stats.bytes -= e->reg.len;
    rc->stats.entries--;
    e->older = rc->unused;
    rc->unused = e;
}

static void lru_unlink(struct vc_regcache *rc, struct entry *e)
{
    *(e->newer ? &e->newer->older : &rc->newest) = e->older;
    *(e->older ? &e->older->newer : &rc->oldest) = e->newer;
}

static void lru_push(struct vc_regcache *rc, struct entry *e)
{
    e->newer = NULL;
    e->older = rc->newest;
    *(rc->newest ? &rc->newest->newer : &rc->oldest) = e;
    rc->newest = e;
}

static void update_reach(struct vc_regcache *rc, int from)
{
    uintptr_t reach = from ? rc->index[from - 1].reach : 0;
    for (int i = from; i < rc->n; i++) {
        if (rc->index[i].end > reach)
            reach = rc->index[i].end;
        rc->index[i].reach = reach;
    }
}

/* The number of slots that start before `addr`. */
static int slots_before(const struct vc_regcache *rc, uintptr_t addr)
{
    int lo = 0, hi = rc->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (rc->index[mid].start < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert(struct vc_regcache *rc, struct entry *e)
{
    int i = slots_before(rc, e->reg.addr);
    memmove(rc->index + i + 1, rc->index + i, (size_t)(rc->n - i) * sizeof rc->index[0]);
    rc->index[i] = (struct slot){e->reg.addr, e->reg.addr + e->reg.len, 0, e};
    rc->n++;
    update_reach(rc, i);
    lru_push(rc, e);
}

/* Takes slot i out of the index. Its entry is released now, or with the last put. */
static void retire(struct vc_regcache *rc, int i)
{
    struct entry *e = rc->index[i].e;
    rc->n--;
    memmove(rc->index + i, rc->index + i + 1, (size_t)(rc->n - i) * sizeof rc->index[0]);
    update_reach(rc, i);
    lru_unlink(rc, e);
    if (e->pins)
        e->stale = true;
    else
        release(rc, e);
}

static void invalidate(struct vc_regcache *rc, struct vc_memrange r)
{
    for (int i = slots_before(rc, r.end) - 1; i >= 0 && rc->index[i].reach > r.start; i--)
        if (rc->index[i].end > r.start) {
            rc->stats.invalidated++;
            retire(rc, i);
        }
}

/* All entries are dropped before the watch ends, because changes are not noticed afterwards. */
static void switch_off(struct vc_regcache *rc)
{
    while (rc->n)
        retire(rc, rc->n - 1);
    vc_memwatch_stop(rc->watch);
    rc->off = true;
}

/* Drops the entries of all memory that has changed since the last call. */
static void apply_changes(struct vc_regcache *rc)
{
    struct vc_memrange changed;
    while (vc_memwatch_next(rc->watch, &changed)) {
        rc->stats.changes++;
        invalidate(rc, changed);
    }
    if (rc->off || rc->stats.changes - rc->window_changes < (uint64_t)rc->cfg.patience)
        return;
    if (rc->stats.hits - rc->window_hits < (uint64_t)rc->cfg.patience)
        switch_off(rc);
    rc->window_changes = rc->stats.changes;
    rc->window_hits = rc->stats.hits;
}

static struct entry *find(const struct vc_regcache *rc, struct vc_memrange r, bool remote)
{
    struct entry *e = rc->newest;
    if (e && e->reg.addr <= r.start && r.end <= e->reg.addr + e->reg.len && e->reg.remote >= remote)
        return e;
    for (int i = slots_before(rc, r.start + 1) - 1; i >= 0 && rc->index[i].reach >= r.end; i--)
        if (rc->index[i].end >= r.end && rc->index[i].e->reg.remote >= remote)
            return rc->index[i].e;
    return NULL;
}

static bool evict(struct vc_regcache *rc)
{
    struct entry *e = rc->oldest;
    while (e && e->pins)
        e = e->newer;
    if (!e)
        return false;
    int i = slots_before(rc, e->reg.addr);
    while (rc->index[i].e != e)
        i++;
    retire(rc, i);
    rc->stats.evictions++;
    return true;
}

static bool refused_before(struct vc_regcache *rc, struct vc_memrange r)
{
    for (int i = 0; i < REFUSED_RANGES; i++) {
        struct refusal *f = &rc->refused[i];
        bool same = f->whole ? r.start <= f->range.start && f->range.end <= r.end
                             : f->range.start < r.end && r.start < f->range.end;
        if (f->left && same) {
            f->left--;
            return true;
        }
    }
    return false;
}

static void remember_refusal(struct vc_regcache *rc, struct vc_memrange r, bool whole, int times)
{
    rc->refused[rc->next_refusal] = (struct refusal){r, whole, times};
    rc->next_refusal = (rc->next_refusal + 1) % REFUSED_RANGES;
}

/* Watching begins before registering, so a change after the pages were pinned is always seen. A change
 * between reading the log and inserting the entry is in the log when the next get reads it, which drops the
 * entry. */
static int make_entry(struct vc_regcache *rc, struct vc_memrange r, bool remote, struct entry **out)
{
    size_t len = r.end - r.start;
    if (len > rc->cfg.max_bytes)
        return vc_fail(VC_ERR_UNSUPPORTED, "%zu bytes are more than the registration cache may hold (%zu)",
                       len, rc->cfg.max_bytes);
    struct vc_memrange culprit;
    int err = vc_memwatch_add(rc->watch, r, &culprit);
    if (err) {
        remember_refusal(rc, culprit, false, REFUSED_TIMES);
        return err;
    }
    if (rc->held + len > rc->cfg.max_bytes)
        return vc_fail(VC_ERR_UNSUPPORTED, "the registration cache is full of buffers in use");
    while (!rc->unused || rc->stats.bytes + len > rc->cfg.max_bytes)
        if (!evict(rc))
            return vc_fail(VC_ERR_UNSUPPORTED, "the registration cache is full of buffers in use");
    struct vc_reg reg = {.addr = r.start, .len = len, .remote = remote};
    err = rc->cfg.reg(rc->cfg.ctx, (void *)r.start, len, &reg);
    while (err == VC_ERR_NOMEM && evict(rc))
        err = rc->cfg.reg(rc->cfg.ctx, (void *)r.start, len, &reg);
    if (err) {
        /* Locked memory may be free again soon, so that range is tried earlier. */
        remember_refusal(rc, r, true, err == VC_ERR_NOMEM ? REFUSED_MEMORY : REFUSED_TIMES);
        return VC_ERR_UNSUPPORTED; /* the text is the callback's */
    }
    struct entry *e = rc->unused;
    rc->unused = e->older;
    *e = (struct entry){.reg = reg, .registered = true};
    e->reg.addr = r.start;
    e->reg.len = len;
    rc->stats.bytes += len;
    rc->stats.entries++;
    rc->stats.misses++;
    insert(rc, e);
    *out = e;
    return VC_OK;
}

static int get_locked(struct vc_regcache *rc, struct vc_memrange r, bool remote, struct entry **out)
{
    int err = rc->off ? VC_OK : vc_memwatch_settle(rc->watch);
    if (err)
        return err;
    apply_changes(rc);
    if (rc->off)
        return vc_fail(VC_ERR_UNSUPPORTED,
                       "the registration cache is off: buffers changed more often than they "
                       "were used again");
    if ((*out = find(rc, r, remote))) {
        rc->stats.hits++;
        if (*out != rc->newest) {
            lru_unlink(rc, *out);
            lru_push(rc, *out);
        }
        return VC_OK;
    }
    if (refused_before(rc, r))
        return vc_fail(VC_ERR_UNSUPPORTED, "memory at %p was refused before", (void *)r.start);
    return make_entry(rc, r, remote, out);
}

int vc_regcache_get(struct vc_regcache *rc, void *addr, size_t len, bool remote, struct vc_reg **out)
{
    uintptr_t a = (uintptr_t)addr, mask = rc->page - 1;
    if (!*rc->here)
        return vc_fail(VC_ERR_UNSUPPORTED, "the registration cache belongs to the parent process");
    if (!len || a + len < a || a + len > UINTPTR_MAX - mask)
        return vc_fail(VC_ERR_INVAL, "%zu bytes at %p are not a buffer", len, addr);
    struct entry *e = NULL;
    pthread_mutex_lock(&rc->lock);
    int err = get_locked(rc, (struct vc_memrange){a & ~mask, (a + len + mask) & ~mask}, remote, &e);
    if (err)
        rc->stats.refused++;
    else if (e->pins++ == 0)
        rc->held += e->reg.len;
    pthread_mutex_unlock(&rc->lock);
    if (!err)
        *out = &e->reg;
    return err;
}

bool vc_regcache_shrink(struct vc_regcache *rc)
{
    bool any = false;
    if (!*rc->here)
        return false;
    pthread_mutex_lock(&rc->lock);
    while (evict(rc))
        any = true;
    pthread_mutex_unlock(&rc->lock);
    return any;
}

void vc_regcache_put(struct vc_regcache *rc, struct vc_reg *reg)
{
    if (!*rc->here)
        return;
    struct entry *e = (struct entry *)(void *)reg;
    pthread_mutex_lock(&rc->lock);
    if (--e->pins == 0) {
        rc->held -= e->reg.len;
        if (e->stale)
            release(rc, e);
    }
    pthread_mutex_unlock(&rc->lock);
}

void vc_regcache_drop(struct vc_regcache *rc, struct vc_reg *reg)
{
    struct vc_memrange all = {reg->addr, reg->addr + reg->len};
    pthread_mutex_lock(&rc->lock);
    invalidate(rc, all);
    pthread_mutex_unlock(&rc->lock);
    vc_regcache_put(rc, reg);
}

void vc_regcache_abandon(struct vc_regcache *rc)
{
    if (!*rc->here)
        return;
    pthread_mutex_lock(&rc->lock);
    for (int i = 0; i < rc->cfg.max_entries; i++) {
        struct entry *e = &rc->pool[i];
        if (e->registered)
            rc->cfg.dereg(rc->cfg.ctx, &e->reg);
        e->registered = false;
    }
    while (rc->n)
        retire(rc, rc->n - 1);
    memset(rc->refused, 0, sizeof rc->refused);
    pthread_mutex_unlock(&rc->lock);
}

void vc_regcache_reap(struct vc_regcache *rc)
{
    if (!vc_memwatch_pending(rc->watch) || !*rc->here || pthread_mutex_trylock(&rc->lock))
        return;
    apply_changes(rc);
    pthread_mutex_unlock(&rc->lock);
}

void vc_regcache_stats(struct vc_regcache *rc, struct vc_regcache_stats *out)
{
    pthread_mutex_lock(&rc->lock);
    *out = rc->stats;
    out->off = rc->off;
    pthread_mutex_unlock(&rc->lock);
}

int vc_regcache_create(const struct vc_regcache_cfg *cfg, struct vc_regcache **out)
{
    if (cfg->max_entries <= 0 || !cfg->max_bytes)
        return vc_fail(VC_ERR_INVAL,
                       "a registration cache of %d entries and %zu bytes: both must be positive",
                       cfg->max_entries, cfg->max_bytes);
    struct vc_regcache *rc = calloc(1, sizeof *rc);
    if (!rc)
        return vc_fail(VC_ERR_NOMEM, "no memory for the registration cache");
    rc->cfg = *cfg;
    if (!rc->cfg.patience)
        rc->cfg.patience = PATIENCE;
    rc->page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_init(&rc->lock, NULL);
    rc->index = calloc((size_t)cfg->max_entries, sizeof rc->index[0]);
    rc->pool = calloc((size_t)cfg->max_entries, sizeof rc->pool[0]);
    void *here = mmap(NULL, rc->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    rc->here = here == MAP_FAILED ? NULL : here;
    int err = VC_OK;
    if (!rc->index || !rc->pool || !rc->here)
        err = vc_fail(VC_ERR_NOMEM, "no memory for a registration cache of %d entries", cfg->max_entries);
    else if (madvise(here, rc->page, MADV_WIPEONFORK))
        err = vc_fail(VC_ERR_UNSUPPORTED, "this kernel cannot tell a cache that its process has forked: %s",
                      strerror(errno));
    else
        err = vc_memwatch_create(&rc->watch);
    if (err) {
        if (rc->here)
            munmap(here, rc->page);
        free(rc->pool);
        free(rc->index);
        free(rc);
        return err;
    }
    for (int i = cfg->max_entries - 1; i >= 0; i--) {
        rc->pool[i].older = rc->unused;
        rc->unused = &rc->pool[i];
    }
    *rc->here = 1;
    *out = rc;
    return VC_OK;
}

void vc_regcache_destroy(struct vc_regcache *rc)
{
    if (*rc->here) {
        if (!rc->off)
            switch_off(rc);
        vc_memwatch_destroy(rc->watch);
        pthread_mutex_destroy(&rc->lock);
    }
    munmap((void *)(uintptr_t)rc->here, rc->page);
    free(rc->pool);
    free(rc->index);
    free(rc);
}
