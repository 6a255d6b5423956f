/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/setup.h"

#include "pmpi/arena.h"
#include "pmpi/calibrate.h"
#include "pmpi/devices.h"
#include "pmpi/fabric.h"
#include "pmpi/host_rings.h"
#include "pmpi/localities.h"
#include "pmpi/meet.h"
#include "pmpi/members.h"
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
    /* Ranks of one operating system are on one host, so there are at most as many hosts. */
    int *host_of = filled + vc_world.nos, nhosts = 0;
    memset(node, 0, (size_t)vc_world.nos * sizeof *node);
    for (int i = 0; i < nnodes; i++) {
        int *known = &node[vc_hosts_number(world[members[first[i]]])];
        if (*known == 0)
            *known = ++nhosts;
        host_of[i] = *known - 1;
    }
    t->hier.host_of = nhosts == nnodes ? NULL : host_of;
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

/* ---- the whole ---- */

/* Several hosts, and memory between all nodes of a host. The same on all ranks. */
static bool hosts_are_shared(const struct vc_team *t)
{
    const struct vc_hier *h = &t->hier;
    bool several = false;
    for (int node = 0; h->host_of && node < h->nnodes; node++) {
        int before = node - 1;
        while (before >= 0 && h->host_of[before] != h->host_of[node])
            before--;
        several |= h->host_of[node] > 0;
        int sharing = vc_hosts_sharing(t->world[vc_hier_rank(h, node, 0)]);
        if (before >= 0 && (sharing < 0 || sharing != vc_hosts_sharing(t->world[vc_hier_rank(h, before, 0)])))
            return false;
    }
    return several;
}

static void fill_key(struct vc_team *t, const int *world)
{
    unsigned channels = vc_params.channels;
    t->key.size = t->size;
    t->key.nnodes = t->hier.nnodes;
    t->key.hier = &t->hier;
    t->key.reproducible = vc_params.reproducible;
    t->key.have_cma = t->cma;
    /* A rule about verbs holds where all messages between nodes go over them. What holds between hosts with
     * RDMA devices is nearer to what holds for their memory than what holds for messages of the MPI. */
    t->one_host = vc_host_rings_reach_all(t);
    t->key.have_verbs = t->fabric == VC_FABRIC_ALL || t->one_host;
    t->key.hosts_shared = hosts_are_shared(t);
    t->key.have_chan = t->fabric != VC_FABRIC_NONE || t->one_host || (channels & VC_CHAN_MPI) ||
                       (t->key.have_node && t->hier.nnodes == 1);
    t->key.crowded = false;
    for (int r = 0; r < t->size; r++)
        t->key.crowded |= vc_world.os_crowded[vc_world.os_of[world[r]]];
    t->key.no_mpi = !(channels & VC_CHAN_MPI);
    t->key.costs = vc_calibrated();
    t->key.platform = vc_devices.platform;
    memcpy(t->key.device, vc_devices.rdma, sizeof t->key.device);
    if (t->one_host) /* no message meets a device */
        t->key.device[0] = '\0';
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
    t->chan_for[VC_CHANNEL_VERBS] = &t->chan[VC_NET_VERBS];
    t->chan_for[VC_CHANNEL_MPI] = &t->chan[VC_NET_MPI];
    vc_team_policy(t, 0);
    t->hier_ints = 5 * (size_t)size + 1 + 2 * (size_t)vc_world.nos;
    t->hier_mem = malloc(t->hier_ints * sizeof *t->hier_mem);
    if (t->hier_mem)
        build_hier(t, world, vc_params.node_split, !(vc_params.channels & VC_CHAN_SHM));
    else
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", size);
    if (t->hier_mem)
        t->fabric = vc_fabric_extent(world, &t->hier);
    t->chan_for[VC_CHANNEL_AUTO] = &t->chan[t->fabric != VC_FABRIC_NONE ? VC_NET_VERBS : VC_NET_MPI];
    if (!t->hier_mem || find_processes(t, world) != VC_OK || vc_localities_group(t) != VC_OK) {
        vc_team_free(t);
        return NULL;
    }
    return t;
}

/* A vote among ranks that have no team yet. As vc_vote_all(). */
static int agree(MPI_Comm comm, int rank, bool ok)
{
    uint64_t v = ok ? VC_VOTE_YES : (uint64_t)rank;
    if (!ok)
        vc_fail(VC_ERR_NOMEM, "out of memory for the ranks of a communicator");
    int err = vc_vote(NULL, comm, &v, 1);
    if (err != VC_OK)
        return err;
    if (v != VC_VOTE_YES)
        vc_vote_lost(!ok && v == (uint64_t)rank);
    return v == VC_VOTE_YES;
}

/* Unique: the communicator's first rank gives its own number and counts the ids that it gives. */
static uint64_t new_id(void)
{
    static _Atomic uint32_t made;
    uint32_t n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    return (uint64_t)(uint32_t)vc_world.rank << 32 | (n + 1);
}

/* Without node and channel nothing but native could ever run. */
static bool runs_something(const struct vc_team *t, const char **why)
{
    *why = "no channel of VCOLL_CHANNELS reaches all its ranks";
    return t->key.have_node || t->key.have_chan;
}

/* All that needs memory, for what was agreed or is expected to be. */
static int complete_team(struct vc_team *t)
{
    int err = vc_share_create_node(t);
    return err == VC_OK ? vc_team_select(t) : err;
}

/* The rest, from what all have offered. 1: the team is ready. 0, with *why: agreed to pass through. Negative:
 * an error. Where it is as expected the team was complete before its rank made an offer, and no rank can fail
 * any more. Otherwise it is completed once more, and a vote tells whether all ranks could. */
static int fill_team(struct vc_team *t, MPI_Comm comm, struct vc_offer *mine, struct vc_offers *all,
                     const char **why)
{
    t->id = all->highest; /* the first rank's, which alone gives one */
    bool usual = t->key.max_ppn == 1 || vc_share_as_usual(t, all);
    if (!usual) {
        int got = vc_share_node(t, comm, mine, all);
        if (got < 0)
            return got;
        t->key.have_node = got > 0;
        if (!got)
            build_hier(t, t->world, 0, true);
        fill_key(t, t->world);
    }
    if (!runs_something(t, why))
        return 0;
    int all_did = 1;
    if (!usual) {
        int err = complete_team(t);
        *why = "a rank could not set it up";
        all_did = vc_vote_all(t, comm, err == VC_OK);
    }
    if (all_did > 0)
        vc_share_place_node(t, all);
    return all_did;
}

/* A set-up while it goes on. */
struct attempt {
    MPI_Comm comm;
    int size, rank;
    int *world;           /* the same, for the team; NULL: out of memory, or the team has them */
    struct vc_team *old;  /* one that was kept */
    struct vc_team *team; /* a new one */
    struct vc_offer mine;
    struct vc_offers all;
};

/* A new team with its memory, as this rank makes it alone, for what is expected of the others. */
static void begin_team(struct attempt *a)
{
    if (a->world)
        a->team = alloc_team(a->comm, a->size, a->world); /* takes the ranks over */
    else
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", a->size);
    a->world = NULL;
    a->mine = (struct vc_offer){.id = a->rank == 0 ? new_id() : 0};
    if (a->team) {
        const char *why;
        vc_share_expect(a->team);
        fill_key(a->team, a->team->world);
        if (runs_something(a->team, &why) && complete_team(a->team) != VC_OK) {
            vc_team_free(a->team);
            a->team = NULL;
        }
    }
    if (a->team)
        vc_share_begin(a->team, &a->mine);
    else
        a->mine.what_at = VC_OFFER_POOR;
}

/* Some rank has no memory to take part: all know, and the first of those tells why. */
static bool is_poor(const struct attempt *a, const char **why)
{
    if (a->all.poor < 0)
        return false;
    vc_vote_lost(a->all.poor == a->rank);
    *why = "a rank had no memory to set it up";
    return true;
}

/* As vc_setup(), after the first exchange, for a communicator whose team was not kept everywhere. */
static int finish_new(struct attempt *a, struct vc_team **out, const char **why)
{
    if (is_poor(a, why))
        return VC_OK;
    *why = NULL;
    if (a->all.any & VC_OFFER_DEAR)
        return VC_OK;
    if (a->all.any & VC_OFFER_OLD) { /* some ranks have not begun a new one */
        if (!a->team)
            begin_team(a);
        int err = vc_offers_exchange(&a->all, a->comm, &a->mine);
        if (err != VC_OK || is_poor(a, why))
            return err;
    }
    int all = fill_team(a->team, a->comm, &a->mine, &a->all, why);
    if (all <= 0)
        return all;
    a->team->ready = true;
    *out = a->team;
    a->team = NULL;
    return VC_OK;
}

static int set_up(struct attempt *a, struct vc_team **out, const char **why)
{
    bool dear = !affordable();
    uint64_t begun = vc_now_ns();
    a->old = a->world ? vc_pool_find(a->size, a->world) : NULL;
    if (vc_memory)
        vc_arena_used(vc_memory); /* what others were late to leave comes back */
    if (a->old)
        a->mine = (struct vc_offer){.id = a->old->id, .what_at = VC_OFFER_OLD};
    else if (!dear || !a->world)
        begin_team(a);
    if (dear)
        a->mine.what_at |= VC_OFFER_DEAR;
    int err = vc_offers_exchange(&a->all, a->comm, &a->mine);
    if (err == VC_OK && a->all.all_old && a->all.same) { /* all have kept the same team */
        a->old->comm = a->comm;
        vc_team_policy(a->old, 0);
        *out = a->old;
        a->old = NULL;
        return VC_OK;
    }
    /* Each rank offers its oldest. A rank that offers a newer one does not have this one any more, so that it
     * will never be agreed on. */
    if (a->old && err == VC_OK && a->old->id >= a->all.newest) {
        vc_pool_return(a->old);
        a->old = NULL;
    }
    if (err == VC_OK)
        err = finish_new(a, out, why);
    if (a->team || *out)
        atomic_fetch_add_explicit(&spent_ns, vc_now_ns() - begun, memory_order_relaxed);
    return err;
}

int vc_setup(MPI_Comm comm, struct vc_team **out, const char **why)
{
    int few[VC_MEET_RANKS], err = 1;
    struct attempt a = {.comm = comm};
    *out = NULL;
    vc_table_builtin(); /* made at the first call of the process, which is no cost of this communicator */
    vc_next.Comm_size(comm, &a.size);
    vc_next.Comm_rank(comm, &a.rank);
    a.world = malloc((size_t)a.size * sizeof *a.world);
    int *ranks = a.size <= VC_MEET_RANKS ? few : a.world;
    if (!vc_members_find(comm, a.size, ranks, why)) {
        free(a.world);
        return VC_OK;
    }
    if (a.world && a.world != ranks)
        memcpy(a.world, ranks, (size_t)a.size * sizeof *ranks);
    *why = "a rank had no memory to set it up";
    bool enough = vc_offers_begin(&a.all, ranks, a.size, a.rank);
    if (a.size > VC_MEET_RANKS)
        err = agree(comm, a.rank, enough);
    if (err > 0) {
        *why = "";
        err = set_up(&a, out, why);
    }
    vc_team_free(a.old);
    vc_team_free(a.team);
    free(a.world);
    vc_offers_end(&a.all);
    return err;
}
