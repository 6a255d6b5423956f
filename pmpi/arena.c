/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/arena.h"

#include "coll/node/node.h"
#include "pmpi/gather.h"
#include "pmpi/maps.h"
#include "pmpi/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Regions are so large where VCOLL_SHM_LIMIT allows it. Only what is used of them takes memory. */
#define REGION_MOST ((size_t)64 << 20)
/* Or for so many communicators, where VCOLL_SHM_BULK is large. */
#define REGION_PARTS 8
/* Regions are multiples of this, so that none shares a page with another. */
#define REGION_GRAIN ((size_t)64 << 10)

struct vc_arena *vc_memory;
static struct vc_cma_target target;

static char why_none[200];

const char *vc_memory_why(void)
{
    return why_none;
}

/* The ranks that share the memory. */
struct group {
    int *ranks;
    struct vc_kin **kin;
    int n, me;
    bool one_pid_ns;
};

/* What a rank tells the others of an attempt. */
struct result {
    int32_t failed;
    int32_t maps; /* vc_maps_begin() */
    char why[120];
};

/* Ranks with other settings do not come here, nor do they ever share a communicator with this one. */
static int find_group(struct group *g)
{
    const struct vc_world *w = &vc_world;
    memset(g, 0, sizeof *g);
    g->ranks = malloc((size_t)w->nkin * sizeof *g->ranks);
    g->kin = malloc((size_t)w->nkin * sizeof *g->kin);
    if (!g->ranks || !g->kin)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->nkin);
    g->one_pid_ns = w->os_one_pid_ns[w->os_of[w->rank]];
    for (int i = 0; i < w->nkin; i++) {
        int r = w->kin[i].rank;
        if (w->prints && w->prints[r] != w->prints[w->rank])
            continue;
        if (r == w->rank)
            g->me = g->n;
        g->kin[g->n] = &w->kin[i];
        g->ranks[g->n++] = r;
    }
    return VC_OK;
}

/* Bytes of each region; 0: VCOLL_SHM_LIMIT is too low for any communicator. */
static size_t region_bytes(int n)
{
    size_t part = vc_node_bytes(2, vc_params.shm_bulk), most = REGION_PARTS * part;
    size_t bytes = vc_params.shm_limit / (size_t)n;
    if (most < REGION_MOST)
        most = REGION_MOST;
    if (bytes > most)
        bytes = most;
    bytes = bytes / REGION_GRAIN * REGION_GRAIN;
    return bytes > vc_node_bytes(2, 0) + vc_node_common_bytes(2) + vc_park_bytes(2) + VC_ARENA_UNIT ? bytes
                                                                                                    : 0;
}

/* As much of that as this process may make and map: others may do the same, mostly. What its limits leave is
 * tried in any case, so that a line says why it is not enough. */
static size_t allowed_bytes(size_t bytes, int n)
{
    struct rlimit file, space;
    if (getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_cur != RLIM_INFINITY)
        bytes = vc_min_size(bytes, file.rlim_cur / 2 / (size_t)n);
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        bytes = vc_min_size(bytes, space.rlim_cur / 16 / (size_t)n);
    bytes = bytes / REGION_GRAIN * REGION_GRAIN;
    return bytes ? bytes : REGION_GRAIN;
}

static int open_own(const struct group *g, struct vc_seg *seg, const struct vc_seg_handle *lead)
{
    if (g->me > 0 && lead->backing == 0)
        return vc_fail(VC_ERR_PEER, "rank %d did not create it", g->ranks[0]);
    /* The descriptor's number means something in its own process only. */
    if (g->me > 0 && lead->backing == VC_SEG_MEMFD && g->kin[0]->id.pid == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "its process cannot be seen from here: VCOLL_SHM_BACKING=shm does "
                                           "without");
    int err = g->me > 0 ? vc_seg_attach(lead, seg) : VC_OK;
    return err == VC_OK ? vc_arena_open(seg, g->n, g->me, &vc_memory) : err;
}

static void fill_head(void)
{
    struct vc_memory_head *h = vc_arena_head(vc_memory, vc_world_kin(vc_world.rank)->place);
    target.word = vc_now_ns() ^ (uintptr_t)&target;
    h->target = (uintptr_t)&target;
    h->nonce = target.word;
}

/* 1: all ranks have it. 0: some do not, and why_none says why. Negative: an error of this rank. */
static int try_backing(const struct group *g, size_t bytes, enum vc_seg_backing backing)
{
    struct vc_seg seg;
    struct vc_seg_handle mine, *handles = malloc((size_t)g->n * sizeof *handles);
    struct result own = {0}, *results = malloc((size_t)g->n * sizeof *results);
    int err =
        handles && results ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", g->n);
    memset(&mine, 0, sizeof mine);
    memset(&seg, 0, sizeof seg);
    seg.fd = -1;
    int got = VC_OK, failed = -1;
    bool maps = true;
    if (err == VC_OK && g->me == 0)
        got = vc_arena_create(allowed_bytes(bytes, g->n), g->n, backing, &seg, &mine);
    if (err == VC_OK)
        err = vc_gather_among(g->ranks, g->n, g->me, &mine, handles, sizeof mine);
    if (err == VC_OK && got == VC_OK)
        got = open_own(g, &seg, &handles[0]);
    if (err == VC_OK && got == VC_OK)
        fill_head();
    if (err == VC_OK) {
        own.failed = got != VC_OK;
        own.maps = got == VC_OK && vc_maps_begin();
        snprintf(own.why, sizeof own.why, "%s", got != VC_OK ? vc_error_text() : "");
        err = vc_gather_among(g->ranks, g->n, g->me, &own, results, sizeof own);
    }
    for (int i = 0; err == VC_OK && failed < 0 && i < g->n; i++) {
        maps &= results[i].maps != 0;
        if (results[i].failed)
            failed = i;
    }
    if (failed >= 0)
        snprintf(why_none, sizeof why_none, "rank %d could not %s: %s", g->ranks[failed],
                 failed ? "attach to it" : "create it", results[failed].why);
    if (err != VC_OK || failed >= 0)
        vc_memory_fini();
    else
        vc_arena_settle(vc_memory);
    if (vc_memory && maps)
        err = vc_maps_prove(g->ranks, g->n, g->me);
    else
        vc_maps_fini();
    vc_seg_detach(&seg); /* unless the arena has taken it over */
    free(handles);
    free(results);
    return err != VC_OK ? err : failed < 0;
}

int vc_memory_init(void)
{
    struct group g;
    if (!(vc_params.channels & VC_CHAN_SHM) || vc_world.nkin < 2)
        return VC_OK;
    int got = find_group(&g);
    size_t bytes = got == VC_OK ? region_bytes(g.n) : 0;
    for (int i = 0; got == VC_OK && i < g.n; i++)
        g.kin[i]->place = i;
    if (got == VC_OK && g.n > 1 && bytes > 0) {
        enum vc_seg_backing backing = vc_params.shm_backing;
        /* A memfd is reached through /proc/<pid>, which is another process in another pid namespace. */
        if (backing == VC_SEG_AUTO && !g.one_pid_ns)
            backing = VC_SEG_SHM;
        got = try_backing(&g, bytes, backing);
        /* It was a memfd, and a sandbox may forbid /proc/<pid>/fd. */
        if (got == 0 && backing == VC_SEG_AUTO)
            got = try_backing(&g, bytes, VC_SEG_SHM);
    }
    free(g.ranks);
    free(g.kin);
    return got < 0 ? got : VC_OK;
}

void vc_memory_fini(void)
{
    vc_maps_fini();
    vc_arena_close(vc_memory);
    vc_memory = NULL;
}
