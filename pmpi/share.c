/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/share.h"
#include "pmpi/gather.h"

#include "pmpi/arena.h"
#include "pmpi/calibrate.h"
#include "pmpi/maps.h"
#include "pmpi/pool.h"
#include "pmpi/vote.h"
#include "pmpi/world.h"
#include "transport/shm/shm_chan.h"
#include "transport/shm/single.h"
#include "tune/model/defaults.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int place_of(const struct vc_team *t, int local)
{
    const struct vc_kin *kin = vc_world_kin(t->world[t->ranks[local]]);
    return kin ? kin->place : -1;
}

/* ---- single copy ---- */

/* Both directions, because reading and writing are two system calls, and a sandbox may forbid one. */
static bool try_copies(pid_t pid, int place)
{
    const struct vc_memory_head *there = vc_arena_head(vc_memory, place);
    struct vc_cma_target seen = {0, 0};
    uint64_t written = there->target + offsetof(struct vc_cma_target, written), nonce = there->nonce;
    /* Reading comes first: only the right process has the word, so nothing is written into a wrong one. */
    if (vc_cma_read(pid, &seen, there->target, sizeof seen) != VC_OK || seen.word != nonce)
        return false;
    return vc_cma_write(pid, &nonce, written, sizeof nonce) == VC_OK &&
           vc_cma_read(pid, &seen, there->target, sizeof seen) == VC_OK && seen.written == nonce;
}

/* From and to the next rank of the node, in a ring, so that every border between two sandboxes is crossed. */
static bool try_cma(const struct vc_team *t)
{
    enum { WORDS = 16, BITS = 64 };
    static _Atomic uint64_t reached[WORDS]; /* places where it has worked */
    int next = (t->local + 1) % t->nlocal, place = place_of(t, next);
    if (!vc_memory || t->pids[next] == 0 || place < 0)
        return false;
    _Atomic uint64_t *word = place < WORDS * BITS ? &reached[place / BITS] : NULL;
    uint64_t bit = UINT64_C(1) << place % BITS;
    /* Relaxed: whoever does not see it tries again. */
    if (word && (atomic_load_explicit(word, memory_order_relaxed) & bit))
        return true;
    bool works = try_copies(t->pids[next], place);
    if (works && word)
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    return works;
}

/* ---- an attempt ---- */

static int take_parts(size_t bytes, size_t spare, const struct vc_node_part *part, int parts,
                      struct vc_hold *hold)
{
    int err = vc_arena_reserve(vc_memory, bytes, spare, hold);
    for (int i = 0; err == VC_OK && i < parts; i++)
        err = vc_arena_commit(vc_memory, hold, part[i].at, part[i].bytes);
    if (err != VC_OK)
        vc_arena_give(vc_memory, hold);
    return err;
}

void vc_share_take(const struct vc_team *t, size_t bytes, size_t spare, const struct vc_node_part *part,
                   int parts, struct vc_hold *hold, struct vc_offer *mine)
{
    mine->what_at &= ~(VC_OFFER_PLACE | (uint32_t)(VC_OFFER_FULL | VC_OFFER_NOMEM | VC_OFFER_POOL));
    mine->left = 0;
    memset(hold, 0, sizeof *hold);
    if (t->nlocal == 1)
        return;
    if (!vc_memory) {
        mine->what_at |= vc_memory_why()[0] ? VC_OFFER_NOMEM : VC_OFFER_FULL;
        return;
    }
    int err = take_parts(bytes, spare, part, parts, hold);
    if (err != VC_OK && vc_pool_any()) {
        mine->what_at |= VC_OFFER_POOL;
        vc_pool_drain();
        err = take_parts(bytes, spare, part, parts, hold);
    } else if (vc_pool_any()) {
        mine->what_at |= VC_OFFER_POOL;
    }
    if (err != VC_OK) {
        mine->what_at |= err == VC_ERR_UNSUPPORTED ? VC_OFFER_FULL : VC_OFFER_NOMEM;
        return;
    }
    mine->what_at |= hold->at;
    mine->left = vc_arena_left(vc_memory, hold);
}

char *vc_share_own(const struct vc_hold *hold)
{
    return vc_arena_at(vc_memory, vc_world_kin(vc_world.rank)->place, hold->at);
}

int vc_share_conclude(const struct vc_team *t, const struct vc_offers *all, struct vc_hold *hold)
{
    if (all->failed < 0 && t->nlocal > 1) {
        const struct vc_offer *lead = vc_offer_of(all, t->ranks[0]);
        vc_hold_share(hold, place_of(t, 0), lead->what_at & VC_OFFER_PLACE, lead->left, t->nlocal);
    }
    return all->failed;
}

char *vc_share_place(const struct vc_team *t, const struct vc_offers *all, int local)
{
    return vc_arena_at(vc_memory, place_of(t, local),
                       vc_offer_of(all, t->ranks[local])->what_at & VC_OFFER_PLACE);
}

/* ---- failure ---- */

int vc_share_explain(const struct vc_team *t, MPI_Comm comm, const struct vc_offers *all, size_t bytes)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    char why[256] = "";
    int failed = all->failed;
    if (all->full) {
        if (failed == t->rank)
            vc_log(VC_LOG_INFO,
                   "%zu KiB more of shared memory would be over VCOLL_SHM_LIMIT; doing with less",
                   bytes >> 10);
        return VC_OK;
    }
    if (failed == t->rank && vc_memory)
        snprintf(why, sizeof why, "rank %d could not take more of it: %s", failed, vc_error_text());
    else if (failed == t->rank)
        snprintf(why, sizeof why, "%s", vc_memory_why());
    vc_told_collective(sizeof why);
    if (vc_next.Bcast(why, (int)sizeof why, MPI_CHAR, failed, comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Bcast failed in the set-up of a communicator");
    /* All ranks know of the failure: one line a job, by rank 0 of the world, is a warning. */
    bool first = vc_world.rank == 0 && !atomic_flag_test_and_set(&told);
    vc_log(first ? VC_LOG_WARN : VC_LOG_INFO,
           "shared memory cannot be used as wanted (%s); all ranks of the communicator do with less", why);
    return VC_OK;
}

/* ---- memory of nodes ---- */

/* Bulk slots are had only while so much of the region stays free besides, so that later communicators get
 * small ones at least. */
#define SPARE_PARTS 4

/* The first rank of a node has what all of them write as well, before its slots. */
static size_t common_bytes(const struct vc_team *t)
{
    return vc_park_bytes(t->nlocal) + vc_node_common_bytes(t->nlocal);
}

static bool own_cpus(void)
{
    return !vc_world.os_crowded[vc_world.os_of[vc_world.rank]];
}

/* Those of the tree that the node is; NULL: it is flat. */
static const struct vc_levels *levels_of(const struct vc_team *t)
{
    return vc_node_levels(&t->levels, t->nlocal, own_cpus(),
                          vc_params.topology.mode == VC_TOPOLOGY_SYNTHETIC);
}

static size_t node_bytes(const struct vc_team *t, size_t bulk)
{
    return (t->local == 0 ? common_bytes(t) : 0) + vc_node_bytes(t->nlocal, bulk) +
           vc_node_tree_bytes(levels_of(t), t->nlocal, t->local, bulk);
}

/* Its parts that are memory at once, or later. Returns how many. */
static int node_parts(const struct vc_team *t, size_t bulk, bool later,
                      struct vc_node_part part[VC_NODE_PARTS + 1])
{
    size_t before = t->local == 0 ? common_bytes(t) : 0;
    int n = 0;
    if (!later && before > 0)
        part[n++] = (struct vc_node_part){0, before};
    int first = n;
    n += vc_node_parts(levels_of(t), t->nlocal, t->local, bulk, later, part + n);
    for (int i = first; i < n; i++)
        part[i].at += before;
    return n;
}

/* This rank's slots. */
static char *own_slots(const struct vc_team *t)
{
    return vc_share_own(&t->hold) + (t->local == 0 ? common_bytes(t) : 0);
}

/* This rank's part of an attempt. */
static void offer_memory(struct vc_team *t, size_t bulk, struct vc_offer *mine)
{
    size_t spare = bulk && vc_memory ? vc_arena_size(vc_memory) / SPARE_PARTS : 0;
    struct vc_node_part part[VC_NODE_PARTS + 1];
    int parts = node_parts(t, bulk, false, part);
    vc_share_take(t, node_bytes(t, bulk), spare, part, parts, &t->hold, mine);
    if (t->hold.bytes == 0)
        return;
    if (t->local == 0)
        memset(vc_share_own(&t->hold), 0, common_bytes(t));
    vc_node_prepare_parts(own_slots(t), levels_of(t), t->nlocal, t->local, bulk, false);
}

/* ---- bulk slots, when they are first needed ---- */

static int commit_bulk(void *team)
{
    struct vc_team *t = team;
    struct vc_node_part part[VC_NODE_PARTS + 1];
    int parts = node_parts(t, vc_params.shm_bulk, true, part), err = VC_OK;
    for (int i = 0; err == VC_OK && i < parts; i++)
        err = vc_arena_commit(vc_memory, &t->hold, part[i].at, part[i].bytes);
    if (err != VC_OK)
        snprintf(t->no_bulk, sizeof t->no_bulk, "%s", vc_error_text());
    else
        vc_node_prepare_parts(own_slots(t), levels_of(t), t->nlocal, t->local, vc_params.shm_bulk, true);
    return err;
}

/* One line for each operating system, by its first rank, is a warning. The rank that has no memory tells
 * more, to those who look. */
static void do_without_bulk(void *team, bool first)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    struct vc_team *t = team;
    bool speaks = vc_world_kin(vc_world.rank)->place == 0 && !atomic_flag_test_and_set(&told);
    t->less = true;
    if (first || speaks)
        vc_log(speaks ? VC_LOG_WARN : VC_LOG_INFO,
               "shared memory cannot be used as wanted (%s could not take more of it%s%s); all ranks of the "
               "communicator do with less",
               first ? "this rank" : "another rank", t->no_bulk[0] ? ": " : "", t->no_bulk);
}

void vc_share_begin(struct vc_team *t, struct vc_offer *mine)
{
    if (t->nlocal > 1 && !(vc_params.cma && try_cma(t)))
        mine->what_at |= VC_OFFER_NO_CMA;
    offer_memory(t, vc_params.shm_bulk, mine);
}

/* Tries less and less until it works: the same on all ranks, because all conclude the same from the offers.
 */
int vc_share_node(struct vc_team *t, MPI_Comm comm, struct vc_offer *mine, struct vc_offers *all)
{
    size_t bulk = vc_params.shm_bulk;
    bool drained = false;
    t->cma = t->key.have_bulk = false; /* what was expected */
    for (;;) {
        if (vc_share_conclude(t, all, &t->hold) < 0) {
            t->cma = !(all->any & VC_OFFER_NO_CMA);
            t->key.have_bulk = bulk > 0;
            t->less = bulk < vc_params.shm_bulk;
            return 1;
        }
        vc_arena_give(vc_memory, &t->hold);
        if ((all->any & VC_OFFER_POOL) && !drained) {
            /* What is kept goes first. A range is free once all have given theirs back. */
            drained = true;
            vc_pool_drain();
            int err = vc_vote_all(t, comm, true);
            if (err < 0)
                return err;
        } else {
            int err = vc_share_explain(t, comm, all, node_bytes(t, bulk));
            t->less = true;
            if (err != VC_OK || bulk == 0)
                return err;
            bulk = 0;
        }
        offer_memory(t, bulk, mine);
        int err = vc_offers_exchange(all, comm, mine);
        if (err != VC_OK)
            return err;
    }
}

void vc_share_expect(struct vc_team *t)
{
    t->key.have_node = t->key.max_ppn > 1;
    t->cma = t->key.have_node && vc_params.cma;
    t->key.have_bulk = t->key.have_node && vc_params.shm_bulk > 0;
    t->less = false;
}

bool vc_share_as_usual(struct vc_team *t, const struct vc_offers *all)
{
    if (all->failed >= 0 || (vc_params.cma && (all->any & VC_OFFER_NO_CMA)))
        return false;
    vc_share_conclude(t, all, &t->hold);
    return true;
}

/* Of the ranks of the node. Where a rank has no map, single copy goes by calls. */
static bool find_maps(struct vc_team *t)
{
    if (!t->cma || !vc_maps_on())
        return true;
    t->maps = calloc((size_t)t->nlocal, sizeof *t->maps);
    for (int i = 0; t->maps && i < t->nlocal; i++)
        t->maps[i] = vc_maps_peer(place_of(t, i));
    return t->maps != NULL;
}

/* Of broadcasts in plans; the same on all ranks, as figures and settings are. */
static size_t cma_min(const struct vc_team *t)
{
    return vc_params.cma_min != VC_CMA_MIN_AUTO
               ? vc_params.cma_min
               : vc_default_single_copy_bcasts(vc_costs(), t->nlocal, !own_cpus());
}

int vc_share_create_node(struct vc_team *t)
{
    vc_node_destroy(t->node);
    free(t->node_mem);
    free(t->maps);
    t->node = NULL;
    t->node_mem = NULL;
    t->maps = NULL;
    if (!t->key.have_node || t->nlocal == 1)
        return VC_OK;
    t->node_mem = malloc((size_t)t->nlocal * sizeof *t->node_mem);
    if (!t->node_mem || !find_maps(t))
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", t->nlocal);
    struct vc_node_opener opener = {.commit = commit_bulk, .refused = do_without_bulk, .arg = t};
    struct vc_node_cfg cfg = {
        .n = t->nlocal,
        .me = t->local,
        .bulk = t->key.have_bulk ? vc_params.shm_bulk : 0,
        .parking = &t->parking,
        .wait = &t->wait,
        .own_cpus = own_cpus(),
        .levels = levels_of(t),
        .reproducible = vc_params.reproducible,
        .cma_pids = t->cma ? t->pids : NULL,
        .maps = t->maps,
        .cma_min = cma_min(t),
        .pairs_copy = vc_calibrated() ? vc_default_pairs_copy(vc_calibrated(), t->nlocal, !own_cpus()) : 0,
        .opener = &opener,
    };
    return vc_node_create(&cfg, &t->node);
}

void vc_share_place_node(struct vc_team *t, const struct vc_offers *all)
{
    if (!t->node)
        return;
    char *lead = vc_share_place(t, all, 0);
    t->node_mem[0] = lead + common_bytes(t);
    for (int i = 1; i < t->nlocal; i++)
        t->node_mem[i] = vc_share_place(t, all, i);
    t->parking = (struct vc_parking){.shared = (struct vc_park_area *)(void *)lead,
                                     .n = t->nlocal,
                                     .me = t->local,
                                     .ids = t->ids,
                                     .ranks = t->ranks};
    vc_node_place(t->node, t->node_mem, lead + vc_park_bytes(t->nlocal),
                  t->key.have_bulk ? vc_params.shm_bulk : 0);
    free(t->node_mem); /* the node has copied it */
    t->node_mem = NULL;
}
