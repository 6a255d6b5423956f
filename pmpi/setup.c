/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/setup.h"

#include "pmpi/calibrate.h"
#include "pmpi/devices.h"
#include "pmpi/fabric.h"
#include "pmpi/localities.h"
#include "pmpi/pool.h"
#include "pmpi/share.h"
#include "pmpi/vote.h"
#include "pmpi/world.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- what set-ups may cost ---- */

/* A process may spend so much on new teams, and besides one part in so many of the time that passes. */
#define AT_ONCE_NS UINT64_C(1000000)
#define TIME_PARTS 32

bool vc_setup_at_once;
static _Atomic uint64_t spent_ns, since_ns; /* on set-ups, since the first of them */

/* Whether this process can afford a new team: its number in a vote. */
static bool affordable(void)
{
    uint64_t now = vc_now_ns(), since = 0;
    if (vc_setup_at_once || vc_params.reproducible)
        return true;
    if (atomic_compare_exchange_strong_explicit(&since_ns, &since, now, memory_order_relaxed,
                                                memory_order_relaxed))
        since = now;
    return atomic_load_explicit(&spent_ns, memory_order_relaxed) <= AT_ONCE_NS + (now - since) / TIME_PARTS;
}

/* ---- which rank is where ---- */

/*
 * World ranks of the communicator's ranks into `out`; NULL: they are only checked. Allocates nothing, because
 * its answer decides which ranks vote. False, with *why: some ranks are of another world, or have other
 * settings, which rank 0 of the world has said already.
 */
static bool find_world_ranks(MPI_Comm comm, int size, int *out, const char **why)
{
    enum { AT_ONCE = 64 };
    int in[AT_ONCE], got[AT_ONCE];
    uint64_t print = 0;
    MPI_Group ours, world;
    *why = "it has ranks of another MPI_COMM_WORLD";
    if (vc_next.Comm_group(comm, &ours) != MPI_SUCCESS)
        return false;
    if (vc_next.Comm_group(MPI_COMM_WORLD, &world) != MPI_SUCCESS) {
        vc_next.Group_free(&ours);
        return false;
    }
    bool ok = true, agree = true;
    for (int at = 0; ok && at < size; at += AT_ONCE) {
        int n = size - at < AT_ONCE ? size - at : AT_ONCE;
        for (int i = 0; i < n; i++)
            in[i] = at + i;
        ok = vc_next.Group_translate_ranks(ours, n, in, world, got) == MPI_SUCCESS;
        for (int i = 0; ok && i < n; i++) {
            ok = got[i] >= 0 && got[i] < vc_world.size;
            if (ok && vc_world.prints) {
                print = at + i == 0 ? vc_world.prints[got[i]] : print;
                agree &= vc_world.prints[got[i]] == print;
            }
        }
        if (ok && out)
            memcpy(out + at, got, (size_t)n * sizeof *got);
    }
    vc_next.Group_free(&world);
    vc_next.Group_free(&ours);
    if (ok)
        *why = agree ? "" : "its ranks were started with different settings";
    return ok && agree;
}

/* Nodes are the ranks of one operating system, cut into groups of `split` if that is not 0. `single`: every
 * rank is a node of its own. */
static void build_hier(struct vc_team *t, const int *world, int split, bool single)
{
    size_t n = (size_t)t->size;
    int *node_of = t->hier_mem, *local_of = node_of + n, *members = local_of + n, *first = members + n;
    int *node = first + n + 1; /* of an operating system: its last node so far, and how many ranks that has */
    int *filled = node + vc_world.nos, nnodes = 0;
    memset(node, 0, 2 * (size_t)vc_world.nos * sizeof *node);
    for (int r = 0; r < t->size; r++) {
        int os = vc_world.os_of[world[r]];
        if (single || filled[os] == 0 || (split > 0 && filled[os] == split)) {
            node[os] = nnodes++;
            filled[os] = 0;
        }
        node_of[r] = node[os];
        local_of[r] = filled[os]++;
    }
    /* Ranks grouped by node: count, then place. */
    memset(first, 0, ((size_t)nnodes + 1) * sizeof *first);
    for (int r = 0; r < t->size; r++)
        first[node_of[r] + 1]++;
    t->hier.uniform = true;
    t->key.max_ppn = 0;
    for (int i = 0; i < nnodes; i++) {
        t->hier.uniform &= first[i + 1] == first[1];
        if (first[i + 1] > t->key.max_ppn)
            t->key.max_ppn = first[i + 1];
    }
    for (int i = 0; i < nnodes; i++)
        first[i + 1] += first[i];
    t->hier.block = true;
    for (int r = 0; r < t->size; r++) {
        int at = first[node_of[r]] + local_of[r];
        members[at] = r;
        t->hier.block &= at == r;
    }
    t->hier.nnodes = nnodes;
    t->hier.node_of = node_of;
    t->hier.local_of = local_of;
    t->hier.members = members;
    t->hier.first = first;
    t->mine = node_of[t->rank];
    t->local = local_of[t->rank];
    t->nlocal = vc_hier_node_size(&t->hier, t->mine);
    t->ranks = members + first[t->mine];
}

static int find_processes(struct vc_team *t, const int *world)
{
    t->ids = calloc((size_t)t->nlocal, sizeof *t->ids);
    t->pids = calloc((size_t)t->nlocal, sizeof *t->pids);
    if (!t->ids || !t->pids)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", t->nlocal);
    for (int i = 0; i < t->nlocal; i++) {
        const struct vc_kin *kin = vc_world_kin(world[t->ranks[i]]);
        if (kin) {
            t->ids[i] = kin->id;
            t->pids[i] = kin->id.pid;
        }
    }
    return VC_OK;
}

/* ---- shared memory ---- */

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

/* What local index i has of the memory. */
static size_t part_bytes(const struct vc_team *t, int i, size_t bulk)
{
    return vc_node_bytes(t->nlocal, bulk) + vc_node_tree_bytes(levels_of(t), t->nlocal, i, bulk);
}

static size_t all_bytes(const struct vc_team *t, size_t bulk)
{
    size_t sum = vc_park_bytes(t->nlocal) + vc_node_common_bytes(t->nlocal);
    for (int i = 0; i < t->nlocal; i++)
        sum += part_bytes(t, i, bulk);
    return sum;
}

/* Tries less and less until it works: the same on all ranks, because every outcome is agreed. */
static bool share_node(struct vc_team *t, MPI_Comm comm)
{
    enum vc_seg_backing backing = vc_params.shm_backing;
    size_t bulk = vc_params.shm_bulk;
    /* A memfd is reached through /proc/<pid>, which is another process in another pid namespace. */
    for (int r = 0; r < t->size && backing == VC_SEG_AUTO; r++)
        if (!vc_world.os_one_pid_ns[vc_world.os_of[t->world[r]]])
            backing = VC_SEG_SHM;
    for (;;) {
        struct vc_share how = {
            .bytes = all_bytes(t, bulk),
            .backing = backing,
            .try_cma = vc_params.cma,
            .quiet = backing == VC_SEG_AUTO,
        };
        enum vc_shared got = vc_share_try(t, comm, &how, &t->seg, &t->cma);
        if (got == VC_SHARED) {
            t->key.have_bulk = bulk > 0;
            t->backing = backing;
            return true;
        }
        if (got == VC_SHARE_ATTACH && backing == VC_SEG_AUTO)
            backing = VC_SEG_SHM; /* it was a memfd, and a sandbox may forbid /proc/<pid>/fd */
        else if (bulk > 0 && (got == VC_SHARE_LIMIT || got == VC_SHARE_CREATE))
            bulk = 0;
        else
            return false;
    }
}

static int create_node(struct vc_team *t)
{
    size_t bulk = t->key.have_bulk ? vc_params.shm_bulk : 0;
    char *common = (char *)t->seg.base + vc_park_bytes(t->nlocal);
    char **mem = malloc((size_t)t->nlocal * sizeof *mem);
    if (!mem)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", t->nlocal);
    /* New memory is clear, as groups of the tree need it. */
    char *part = common + vc_node_common_bytes(t->nlocal);
    for (int i = 0; i < t->nlocal; i++) {
        mem[i] = part;
        part += part_bytes(t, i, bulk);
    }
    struct vc_parking parking = {
        .shared = t->seg.base, .n = t->nlocal, .me = t->local, .ids = t->ids, .ranks = t->ranks};
    struct vc_node_cfg cfg = {
        .mem = mem,
        .common = common,
        .n = t->nlocal,
        .me = t->local,
        .bulk = bulk,
        .parking = &t->parking,
        .wait = &t->wait,
        .levels = levels_of(t),
        .reproducible = vc_params.reproducible,
        .own_cpus = own_cpus(),
        .cma_pids = t->cma ? t->pids : NULL,
        .cma_min = vc_params.cma_min,
    };
    t->parking = parking;
    int err = vc_node_create(&cfg, &t->node);
    free(mem);
    return err;
}

/* ---- the whole ---- */

static void fill_key(struct vc_team *t, const int *world)
{
    unsigned channels = vc_params.channels;
    t->key.size = t->size;
    t->key.nnodes = t->hier.nnodes;
    t->key.hier = &t->hier;
    t->key.reproducible = vc_params.reproducible;
    t->key.have_cma = t->cma;
    t->key.have_verbs = vc_fabric != NULL;
    t->key.have_chan = vc_fabric || (channels & VC_CHAN_MPI) || (t->key.have_node && t->hier.nnodes == 1);
    t->key.crowded = false;
    for (int r = 0; r < t->size; r++)
        t->key.crowded |= vc_world.os_crowded[vc_world.os_of[world[r]]];
    t->key.no_mpi = !(channels & VC_CHAN_MPI);
    t->key.costs = vc_calibrated();
    t->key.platform = vc_devices.platform;
    memcpy(t->key.device, vc_devices.rdma, sizeof t->key.device);
}

/* What needs no other rank. Takes over `world`. NULL: no memory. */
static struct vc_team *alloc_team(MPI_Comm comm, int size, int *world)
{
    struct vc_team *t = calloc(1, sizeof *t);
    if (!t) {
        free(world);
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
        return NULL;
    }
    t->comm = comm;
    t->world = world;
    t->size = size;
    vc_next.Comm_rank(comm, &t->rank);
    t->seg.fd = -1;
    for (int i = 0; i < VC_NETS; i++)
        t->chan[i].rings.fd = -1;
    t->chan_for[VC_CHANNEL_AUTO] = &t->chan[vc_fabric ? VC_NET_VERBS : VC_NET_MPI];
    t->chan_for[VC_CHANNEL_VERBS] = &t->chan[VC_NET_VERBS];
    t->chan_for[VC_CHANNEL_MPI] = &t->chan[VC_NET_MPI];
    vc_team_policy(t, 0);
    t->hier_ints = 4 * (size_t)size + 1 + 2 * (size_t)vc_world.nos;
    t->hier_mem = malloc(t->hier_ints * sizeof *t->hier_mem);
    if (t->hier_mem)
        build_hier(t, world, vc_params.node_split, !(vc_params.channels & VC_CHAN_SHM));
    else
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    if (!t->hier_mem || find_processes(t, world) != VC_OK || vc_localities_group(t) != VC_OK) {
        vc_team_free(t);
        return NULL;
    }
    return t;
}

/* A vote among ranks that cannot have failed on the communicator yet; agrees on the id as well. As
 * vc_vote_all(). */
static int agree(MPI_Comm comm, int rank, bool ok, uint64_t *id)
{
    uint64_t v[2] = {ok ? VC_VOTE_YES : (uint64_t)rank, *id};
    int err = vc_vote(NULL, comm, v, 2);
    if (err != VC_OK)
        return err;
    *id = v[1];
    if (v[0] != VC_VOTE_YES)
        vc_vote_lost(!ok && v[0] == (uint64_t)rank);
    return v[0] == VC_VOTE_YES;
}

/* Unique: the communicator's first rank gives its own number and counts the ids that it gives. */
static uint64_t new_id(const struct vc_team *t)
{
    static _Atomic uint32_t made;
    if (t->rank != 0)
        return UINT64_MAX;
    uint32_t n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    return (uint64_t)(uint32_t)vc_world.rank << 32 | (n + 1);
}

/* The rest. 1: the team is ready. 0, with *why: agreed to pass through. Negative: an error. */
static int fill_team(struct vc_team *t, MPI_Comm comm, const char **why)
{
    if (t->key.max_ppn > 1 && !(t->key.have_node = share_node(t, comm)))
        build_hier(t, t->world, 0, true);
    fill_key(t, t->world);
    /* Without node and channel nothing but native could ever run. */
    *why = "no channel of VCOLL_CHANNELS reaches all its ranks";
    if (!t->key.have_node && !t->key.have_chan)
        return 0;
    int err = t->key.have_node && t->nlocal > 1 ? create_node(t) : VC_OK;
    if (err == VC_OK)
        err = vc_team_select(t);
    t->id = new_id(t);
    *why = "a rank could not set it up";
    return agree(comm, t->rank, err == VC_OK, &t->id);
}

/* Takes over `world`. As vc_setup(). */
static int create_new(MPI_Comm comm, int size, int *world, struct vc_team **out, const char **why)
{
    int rank = 0;
    vc_table_builtin(); /* parsed at the first call of the process, which is no cost of this communicator */
    uint64_t begun = vc_now_ns(), none = 0;
    vc_next.Comm_rank(comm, &rank);
    struct vc_team *t = alloc_team(comm, size, world);
    *why = "a rank had no memory to set it up";
    int all = agree(comm, rank, t != NULL, &none);
    if (all > 0)
        all = fill_team(t, comm, why);
    atomic_fetch_add_explicit(&spent_ns, vc_now_ns() - begun, memory_order_relaxed);
    if (all <= 0) {
        vc_team_free(t);
        return all;
    }
    t->ready = true;
    *out = t;
    return VC_OK;
}

int vc_setup(MPI_Comm comm, struct vc_team **out, const char **why)
{
    enum { KNOWN, ID, ID_INVERSE, AFFORDABLE };
    int size = 0, rank = 0;
    *out = NULL;
    vc_next.Comm_size(comm, &size);
    int *world = malloc((size_t)size * sizeof *world);
    if (!find_world_ranks(comm, size, world, why)) {
        free(world);
        return VC_OK;
    }
    struct vc_team *old = world ? vc_pool_find(size, world) : NULL;
    uint64_t id = old ? old->id : 0;
    uint64_t v[] = {[KNOWN] = VC_VOTE_YES, [ID] = id, [ID_INVERSE] = ~id, [AFFORDABLE] = 1};
    if (!world) {
        vc_next.Comm_rank(comm, &rank);
        v[KNOWN] = (uint64_t)rank;
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    }
    if (!affordable())
        v[AFFORDABLE] = 0;
    int err = vc_vote(NULL, comm, v, 4);
    uint64_t newest = ~v[ID_INVERSE];
    if (err == VC_OK && old && v[ID] == newest) {
        free(world);
        old->comm = comm;
        vc_team_policy(old, 0);
        *out = old;
        return VC_OK;
    }
    /* Each rank offers its oldest. A rank that offers a newer one does not have this one any more, so that it
     * will never be agreed on. */
    if (old && old->id < newest)
        vc_team_free(old);
    else if (old)
        vc_pool_return(old);
    if (err == VC_OK && v[KNOWN] == VC_VOTE_YES && v[AFFORDABLE])
        return create_new(comm, size, world, out, why);
    *why = NULL;
    if (err == VC_OK && v[KNOWN] != VC_VOTE_YES) {
        *why = "a rank had no memory to set it up";
        vc_vote_lost(!world && v[KNOWN] == (uint64_t)rank);
    }
    free(world);
    return err;
}
