/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting a communicator up, and taking it down. */
#include "pmpi/team.h"

#include "pmpi/fabric.h"
#include "pmpi/online.h"
#include "pmpi/table.h"
#include "pmpi/world.h"
#include "tune/choice.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- who is where ---- */

/* World ranks of the communicator's ranks. False: some are of another world, or MPI failed. */
static bool world_ranks(MPI_Comm comm, int size, int *out)
{
    MPI_Group ours, world;
    bool ok = false;
    int *own = malloc((size_t)size * sizeof *own);
    if (!own || vc_next.Comm_group(comm, &ours) != MPI_SUCCESS) {
        free(own);
        return false;
    }
    if (vc_next.Comm_group(MPI_COMM_WORLD, &world) == MPI_SUCCESS) {
        for (int r = 0; r < size; r++)
            own[r] = r;
        ok = vc_next.Group_translate_ranks(ours, size, own, world, out) == MPI_SUCCESS;
        for (int r = 0; ok && r < size; r++)
            ok = out[r] >= 0 && out[r] < vc_world.size;
        vc_next.Group_free(&world);
    }
    vc_next.Group_free(&ours);
    free(own);
    return ok;
}

/* Nodes: ranks of one OS, cut into groups of `split` if that is not 0; single: every rank is a node of its
 * own. */
static int build_hier(struct vc_team *t, const int *world, int split, bool single)
{
    size_t n = (size_t)t->size;
    if (!t->hier_mem)
        t->hier_mem = malloc((4 * n + 1) * sizeof *t->hier_mem);
    int *node =
        calloc((size_t)vc_world.nos * 2, sizeof *node); /* per OS: its current node, and ranks in that */
    if (!t->hier_mem || !node) {
        free(node);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", t->size);
    }
    int *node_of = t->hier_mem, *local_of = node_of + n, *members = local_of + n, *first = members + n;
    int *filled = node + vc_world.nos, nnodes = 0;
    for (int r = 0; r < t->size; r++) {
        int os = vc_world.os_of[world[r]];
        if (single || filled[os] == 0 || (split > 0 && filled[os] == split)) {
            node[os] = nnodes++;
            filled[os] = 0;
        }
        node_of[r] = node[os];
        local_of[r] = filled[os]++;
    }
    free(node);
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
    return VC_OK;
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

/* Rank 0 of the world has said so already. */
static bool settings_agree(const struct vc_team *t, const int *world)
{
    bool agree = true;
    for (int r = 0; vc_world.prints && r < t->size; r++)
        agree &= vc_world.prints[world[r]] == vc_world.prints[world[0]];
    return agree;
}

/* Who says how to wait is heard before a table. */
static void drop_policies(struct vc_team *t)
{
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        const struct vc_alg_choice *forced = &vc_params.alg[i];
        for (struct vc_choice *c = t->sel.rule[i];; c++) {
            if (!forced->alg || !vc_choice_same(&c->pick, forced))
                c->pick.policy = 0;
            if (!forced->alg || !vc_choice_same(&c->pick_noncomm, forced))
                c->pick_noncomm.policy = 0;
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

static int build(struct vc_team *t, MPI_Comm comm, const int *world)
{
    bool shm = (vc_params.channels & VC_CHAN_SHM) != 0;
    int err = build_hier(t, world, vc_params.node_split, !shm);
    if (err == VC_OK && t->key.max_ppn > 1) {
        err = find_peers(t, world);
        if (err == VC_OK && !(t->key.have_node = share_node(t, comm)))
            err = build_hier(t, world, 0, true);
    }
    if (err == VC_OK && t->key.have_node && t->nlocal > 1)
        err = open_node(t);
    if (err != VC_OK)
        return err;
    fill_key(t, world);
    return vc_team_select(t);
}

int vc_team_create(MPI_Comm comm, struct vc_team **out, const char **why)
{
    *out = NULL;
    struct vc_team *t = calloc(1, sizeof *t);
    int size = 0;
    vc_next.Comm_size(comm, &size);
    int *world = malloc((size_t)size * sizeof *world);
    if (t)
        t->world = world;
    if (!t || !world) {
        free(t);
        free(world);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    }
    t->comm = comm;
    t->size = size;
    vc_next.Comm_rank(comm, &t->rank);
    t->seg.fd = -1;
    for (int i = 0; i < VC_LANES; i++)
        t->lane[i].seg.fd = -1;
    t->lane_of[VC_CHANNEL_AUTO] = &t->lane[vc_fabric ? VC_LANE_VERBS : VC_LANE_MPI];
    t->lane_of[VC_CHANNEL_VERBS] = &t->lane[VC_LANE_VERBS];
    t->lane_of[VC_CHANNEL_MPI] = &t->lane[VC_LANE_MPI];
    vc_team_policy(t, 0);

    int err = VC_OK;
    bool use = false;
    if (!world_ranks(comm, size, world)) {
        *why = "it has ranks of another MPI_COMM_WORLD";
    } else if (!settings_agree(t, world)) {
        *why = "its ranks were started with different settings";
    } else {
        err = build(t, comm, world);
        /* A node of this rank's alone and no channel: nothing but native could ever run. */
        use = err == VC_OK && (t->key.have_node || t->key.have_chan);
        if (err == VC_OK && !use)
            *why = "no channel of VCOLL_CHANNELS reaches all its ranks";
    }
    if (!use) {
        vc_team_free(t);
        return err;
    }
    *why = "";
    *out = t;
    return VC_OK;
}

void vc_team_free(struct vc_team *t)
{
    if (!t)
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

size_t vc_team_heap(const struct vc_team *t)
{
    size_t sum = sizeof *t + (size_t)(5 * t->size + 1) * sizeof(int) + t->plan_tmp;
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
