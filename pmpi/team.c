/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting a communicator up, and taking it down. */
#include "pmpi/team.h"

#include "pmpi/fabric.h"
#include "pmpi/online.h"
#include "pmpi/table.h"
#include "pmpi/world.h"
#include "tune/params/params.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is where ---- */

/*
 * World ranks of the communicator's ranks into `out` (NULL is legal: they are looked at only). Allocates
 * nothing, because what it finds decides who votes. False, with *why: some are of another world, or have
 * other settings; rank 0 of the world has said so already.
 */
static bool look_at_ranks(MPI_Comm comm, int size, int *out, const char **why)
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

static size_t hier_ints(int size)
{
    return 4 * (size_t)size + 1 + 2 * (size_t)vc_world.nos;
}

/* Nodes: ranks of one OS, cut into groups of `split` if that is not 0; single: every rank is a node of its
 * own. */
static void build_hier(struct vc_team *t, const int *world, int split, bool single)
{
    size_t n = (size_t)t->size;
    int *node_of = t->hier_mem, *local_of = node_of + n, *members = local_of + n, *first = members + n;
    int *node = first + n + 1; /* per OS: its current node, and ranks in that */
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

static int find_peers(struct vc_team *t, const int *world)
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

/* From the best to what always works; the same on all ranks, because every outcome is agreed. */
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
            .bytes = vc_park_bytes(t->nlocal) + vc_node_bytes(t->nlocal, bulk),
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
            backing = VC_SEG_SHM; /* memfd it was: /proc/<pid>/fd is not permitted everywhere */
        else if (bulk > 0 && (got == VC_SHARE_LIMIT || got == VC_SHARE_CREATE))
            bulk = 0;
        else
            return false;
    }
}

static int open_node(struct vc_team *t)
{
    struct vc_parking parking = {
        .shared = t->seg.base, .n = t->nlocal, .me = t->local, .ids = t->ids, .ranks = t->ranks};
    struct vc_node_cfg cfg = {
        .mem = (char *)t->seg.base + vc_park_bytes(t->nlocal),
        .n = t->nlocal,
        .me = t->local,
        .bulk = t->key.have_bulk ? vc_params.shm_bulk : 0,
        .parking = &t->parking,
        .wait = &t->wait,
        .own_cpus = !vc_world.os_crowded[vc_world.os_of[vc_world.rank]],
        .cma_pids = t->cma ? t->pids : NULL,
        .cma_min = vc_params.cma_min,
    };
    t->parking = parking;
    return vc_node_create(&cfg, &t->node);
}

/* ---- the whole ---- */

/* Who says how to wait is heard before a table. */
static void drop_policies(struct vc_team *t)
{
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        const struct vc_choice *forced = &vc_params.alg[i];
        for (struct vc_select_range *c = t->sel.rule[i];; c++) {
            if (!forced->alg || !vc_choice_same(&c->choice, forced))
                c->choice.policy = 0;
            if (!forced->alg || !vc_choice_same(&c->noncomm, forced))
                c->noncomm.policy = 0;
            if (c->max_bytes == SIZE_MAX)
                break;
        }
    }
}

/* Once for a collective, by the first communicator where it is so. */
static void warn_too_long(const struct vc_team *t)
{
    static _Atomic unsigned said;
    for (int i = 0; t->rank == 0 && i < VC_COLL_ACCELERATED; i++)
        if (t->sel.too_long[i] > 0 &&
            !(atomic_fetch_or_explicit(&said, 1u << i, memory_order_relaxed) & 1u << i))
            vc_log(VC_LOG_WARN,
                   "VCOLL_ALG: %s=%s is not run on %d ranks of %d nodes, what the rules say is: its plan "
                   "would have "
                   "%ld steps, and none of more than %d is built",
                   vc_coll_name((enum vc_coll)i), vc_params.alg[i].alg->name, t->size, t->hier.nnodes,
                   t->sel.too_long[i], VC_PLAN_STEPS);
}

int vc_team_select(struct vc_team *t)
{
    vc_select_free(&t->sel);
    t->selections++;
    int err = vc_select_init(&t->sel, &t->key, &vc_params, vc_world_table);
    if (err != VC_OK)
        return err;
    warn_too_long(t);
    if (vc_params.wait != VC_WAIT_AUTO)
        drop_policies(t);
    /* What cannot run any more is not forced any more. */
    for (int i = 0; i < VC_COLL_ACCELERATED; i++)
        if (t->force[i].alg && vc_select_force(&t->sel, &t->key, (enum vc_coll)i, &t->force[i]) != VC_OK)
            memset(&t->force[i], 0, sizeof t->force[i]);
    return VC_OK;
}

void vc_team_policy(struct vc_team *t, vc_policy policy)
{
    t->wait = vc_wait;
    t->wait.check_arg = t->comm;
    t->policy = policy;
    if (policy == 0)
        return;
    t->wait.mode = vc_policy_mode(policy);
    if (vc_policy_spin(policy) != VC_POLICY_SPIN_DEFAULT)
        t->wait.spin_ns = (uint64_t)vc_policy_spin(policy) * 1000;
}

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
    t->key.platform = vc_world.platform;
    memcpy(t->key.device, vc_world.device, sizeof t->key.device);
}

/* What a set-up needs before its ranks meet. Takes over `world`. NULL: no memory. */
static struct vc_team *prepare(MPI_Comm comm, int size, int *world)
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
    for (int i = 0; i < VC_LANES; i++)
        t->lane[i].seg.fd = -1;
    t->lane_of[VC_CHANNEL_AUTO] = &t->lane[vc_fabric ? VC_LANE_VERBS : VC_LANE_MPI];
    t->lane_of[VC_CHANNEL_VERBS] = &t->lane[VC_LANE_VERBS];
    t->lane_of[VC_CHANNEL_MPI] = &t->lane[VC_LANE_MPI];
    vc_team_policy(t, 0);
    t->hier_mem = malloc(hier_ints(size) * sizeof *t->hier_mem);
    if (t->hier_mem)
        build_hier(t, world, vc_params.node_split, !(vc_params.channels & VC_CHAN_SHM));
    else
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    if (!t->hier_mem || find_peers(t, world) != VC_OK) {
        vc_team_free(t);
        return NULL;
    }
    return t;
}

/* A vote of those who have met only; says as well what the team is called. */
static int all_well(MPI_Comm comm, int rank, bool ok, uint64_t *id)
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

/* Unique, because a communicator's first rank counts what it names. */
static uint64_t new_id(const struct vc_team *t)
{
    static _Atomic uint32_t made;
    if (t->rank != 0)
        return UINT64_MAX;
    uint32_t n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    return (uint64_t)(uint32_t)vc_world.rank << 32 | (n + 1);
}

/* From a team that all ranks have to one that is ready: 1. 0, with *why: agreed to pass through. */
static int build(struct vc_team *t, MPI_Comm comm, const char **why)
{
    if (t->key.max_ppn > 1 && !(t->key.have_node = share_node(t, comm)))
        build_hier(t, t->world, 0, true);
    fill_key(t, t->world);
    /* A node of this rank's alone and no channel: nothing but native could ever run. */
    *why = "no channel of VCOLL_CHANNELS reaches all its ranks";
    if (!t->key.have_node && !t->key.have_chan)
        return 0;
    int err = t->key.have_node && t->nlocal > 1 ? open_node(t) : VC_OK;
    if (err == VC_OK)
        err = vc_team_select(t);
    t->id = new_id(t);
    *why = "a rank could not set it up";
    return all_well(comm, t->rank, err == VC_OK, &t->id);
}

/* Takes over `world`. As vc_team_create(). */
static int create_new(MPI_Comm comm, int size, int *world, struct vc_team **out, const char **why)
{
    int rank = 0;
    vc_table_builtin(); /* read once a process: no cost of this communicator */
    uint64_t begun = vc_now_ns(), none = 0;
    vc_next.Comm_rank(comm, &rank);
    struct vc_team *t = prepare(comm, size, world);
    *why = "a rank had no memory to set it up";
    int all = all_well(comm, rank, t != NULL, &none);
    if (all > 0)
        all = build(t, comm, why);
    vc_setup_spent(vc_now_ns() - begun);
    if (all <= 0) {
        vc_team_free(t);
        return all;
    }
    t->ready = true;
    *out = t;
    return VC_OK;
}

int vc_team_create(MPI_Comm comm, struct vc_team **out, const char **why)
{
    enum { KNOWN, ID, ID_INVERSE, AFFORDABLE };
    int size = 0, rank = 0;
    *out = NULL;
    vc_next.Comm_size(comm, &size);
    int *world = malloc((size_t)size * sizeof *world);
    if (!look_at_ranks(comm, size, world, why)) {
        free(world);
        return VC_OK;
    }
    struct vc_team *old = world ? vc_pool_take(size, world) : NULL;
    uint64_t id = old ? old->id : 0;
    uint64_t v[] = {[KNOWN] = VC_VOTE_YES, [ID] = id, [ID_INVERSE] = ~id, [AFFORDABLE] = 1};
    if (!world) {
        vc_next.Comm_rank(comm, &rank);
        v[KNOWN] = (uint64_t)rank;
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    }
    if (!vc_setup_affordable())
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
    /* Another rank has none that is as old. */
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

void vc_team_free(struct vc_team *t)
{
    if (!t || t->abandoned)
        return;
    for (int i = 0; i < VC_TEAM_PLANS; i++)
        if (t->plan[i].exec)
            vc_exec_destroy(t->plan[i].exec);
    for (int i = 0; i < VC_LANES; i++) {
        if (t->lane[i].chan)
            t->lane[i].chan->ops->destroy(t->lane[i].chan);
        vc_share_release(&t->lane[i].seg);
    }
    vc_node_destroy(t->node);
    vc_share_release(&t->seg);
    for (int i = 0; i < VC_SCRATCHES; i++)
        free(t->scratch[i].mem);
    vc_online_release(t);
    vc_select_free(&t->sel);
    free(t->ids);
    free(t->pids);
    free(t->hier_mem);
    free(t->world);
    free(t);
}

void vc_team_break(struct vc_team *t, const char *why)
{
    if (!t)
        return;
    /* Ranks of this node that wait for this one, and those of other nodes. */
    if (t->seg.base)
        vc_park_give_up(&t->parking, why);
    for (int i = 0; i < VC_LANES; i++) {
        struct vc_chan *ch = t->lane[i].chan;
        if (ch && ch->ops->give_up)
            ch->ops->give_up(ch, why);
    }
}

size_t vc_team_heap(const struct vc_team *t)
{
    size_t sum = sizeof *t + ((size_t)t->size + hier_ints(t->size)) * sizeof(int) + t->plan_tmp;
    sum += (size_t)t->nlocal * (sizeof *t->ids + sizeof *t->pids);
    for (int i = 0; i < VC_SCRATCHES; i++)
        sum += t->scratch[i].cap;
    return sum;
}

void *vc_team_scratch(struct vc_team *t, enum vc_scratch which, size_t bytes)
{
    if (t->scratch[which].cap >= bytes && t->scratch[which].mem)
        return t->scratch[which].mem;
    free(t->scratch[which].mem);
    size_t cap = 4096;
    while (cap < bytes && cap < VC_TEAM_SCRATCH)
        cap *= 2;
    cap = vc_round_up(bytes > cap ? bytes : cap, VC_CACHELINE);
    t->scratch[which].mem = aligned_alloc(VC_CACHELINE, cap);
    t->scratch[which].cap = t->scratch[which].mem ? cap : 0;
    return t->scratch[which].mem;
}

void vc_team_scratch_done(struct vc_team *t)
{
    for (int i = 0; i < VC_SCRATCHES; i++)
        if (t->scratch[i].cap > VC_TEAM_SCRATCH) {
            free(t->scratch[i].mem);
            t->scratch[i].mem = NULL;
            t->scratch[i].cap = 0;
        }
}
