/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/channels.h"

#include "pmpi/arena.h"
#include "pmpi/devices.h"
#include "pmpi/host_rings.h"
#include "pmpi/paths.h"
#include "pmpi/private_comm.h"
#include "pmpi/share.h"
#include "pmpi/vote.h"
#include "pmpi/world.h"
#include "transport/mux.h"
#include "transport/shm/shm_chan.h"
#include "tune/model/defaults.h"

#include <stdlib.h>
#include <string.h>

/* Shared memory of a rank for the rings of its messages, but not more than one part of so many of its region.
 */
#define RING_BUDGET ((size_t)512 << 10)
#define RING_PARTS  8

static size_t ring_budget(void)
{
    size_t most = vc_memory ? vc_arena_size(vc_memory) / RING_PARTS : 0;
    return most < RING_BUDGET ? most : RING_BUDGET;
}

/* The same on all ranks, as figures and settings are. */
static size_t cma_min(void)
{
    if (vc_params.cma_min != VC_CMA_MIN_AUTO)
        return vc_params.cma_min;
    return vc_default_single_copy_messages(vc_costs(), vc_world.os_crowded[vc_world.os_of[vc_world.rank]]);
}

static int make_shm(struct vc_team *t, char *const *mem, struct vc_chan **out)
{
    struct vc_shm_chan_cfg cfg = {
        .mem = mem,
        .budget = ring_budget(),
        .n = t->nlocal,
        .me = t->local,
        .ranks = t->ranks,
        .size = t->size,
        .rank = t->rank,
        .parking = &t->parking,
        .cma_pids = t->cma ? t->pids : NULL,
        .maps = t->maps,
        .cma_min = cma_min(),
    };
    return vc_shm_chan_create(&cfg, out);
}

static int make_mpi(MPI_Comm comm, struct vc_chan **out)
{
    MPI_Comm own = MPI_COMM_NULL;
    int err = vc_private_comm(comm, &own);
    return err == VC_OK ? vc_mpi_chan_create(own, out) : err; /* frees it when it fails */
}

/* Channels between nodes. */
struct far {
    struct vc_chan *verbs, *mpi; /* NULL: not needed, or this rank has no device */
};

/* Over verbs, and through the MPI to ranks that they do not reach. */
static int make_verbs(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct far *far)
{
    struct vc_reach reach;
    bool mpi = (vc_params.channels & VC_CHAN_MPI) != 0;
    if (t->fabric == VC_FABRIC_NONE)
        return VC_ERR_UNSUPPORTED;
    int err = vc_paths_find(comm, t->size, t->rank, t->world, &t->hier, mpi, &reach);
    if (err != VC_OK)
        return err;
    err = vc_paths_channel(&reach, t->size, t->rank, t->world, &far->verbs);
    if (reach.all) {
        free(reach.to);
        return err;
    }
    c->reach = reach.to;
    int also = make_mpi(comm, &far->mpi); /* collective, so in any case */
    return err == VC_OK ? also : err;
}

/* Between nodes. VC_ERR_UNSUPPORTED, on all ranks alike: settings or agreements forbid it. */
static int make_far(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct far *far)
{
    if (c == &t->chan[VC_NET_VERBS])
        return make_verbs(t, comm, c, far);
    return vc_params.channels & VC_CHAN_MPI ? make_mpi(comm, &far->mpi) : VC_ERR_UNSUPPORTED;
}

static void destroy(struct vc_chan *ch)
{
    if (ch)
        ch->ops->destroy(ch);
}

/* The channels of a rank, each to the ranks that it reaches. */
struct parts {
    struct vc_chan *shm, *host;
    struct far far;
};

static void destroy_parts(const struct parts *p)
{
    destroy(p->shm);
    destroy(p->host);
    destroy(p->far.verbs);
    destroy(p->far.mpi);
}

static struct vc_chan *way_to(const struct vc_team *t, const struct vc_team_chan *c, const struct parts *p,
                              int r)
{
    if (p->shm && t->hier.node_of[r] == t->mine)
        return p->shm;
    if (p->host && vc_team_by_host(t, c, r))
        return p->host;
    return p->far.verbs && (!c->reach || c->reach[r]) ? p->far.verbs : p->far.mpi;
}

/* One channel of all. Takes them over, even where it fails. The verbs channel needs the mux for messages to
 * oneself. */
static int join_channels(const struct vc_team *t, struct vc_team_chan *c, const struct parts *p)
{
    int n = (p->shm != NULL) + (p->host != NULL) + (p->far.mpi != NULL);
    if (!p->far.verbs && n < 2) {
        c->chan = p->shm ? p->shm : p->host ? p->host : p->far.mpi;
        return VC_OK;
    }
    struct vc_chan **via = calloc((size_t)t->size, sizeof(struct vc_chan *));
    int err = via ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for the channels of %d ranks", t->size);
    bool uses_verbs = false, uses_mpi = false;
    for (int r = 0; via && r < t->size; r++)
        if (r != t->rank) {
            via[r] = way_to(t, c, p, r);
            uses_verbs |= via[r] == p->far.verbs;
            uses_mpi |= via[r] == p->far.mpi;
        }
    if (err == VC_OK)
        err = vc_mux_create(t->size, t->rank, via, &c->chan);
    free(via);
    if (err != VC_OK) {
        destroy_parts(p);
        return err;
    }
    /* The mux takes over those that it uses. */
    if (!uses_verbs)
        destroy(p->far.verbs);
    if (!uses_mpi)
        destroy(p->far.mpi);
    return VC_OK;
}

/* This rank's part; whether it worked everywhere is for all ranks to agree. Takes `host` over. */
static int make_channel(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, char *const *rings,
                        struct vc_chan *host)
{
    struct parts p = {.host = host};
    int err = VC_OK;
    if (c->far)
        err = make_far(t, comm, c, &p.far);
    if (err == VC_OK && rings && t->nlocal > 1)
        err = make_shm(t, rings, &p.shm);
    if (err == VC_OK)
        return join_channels(t, c, &p);
    destroy_parts(&p);
    return err;
}

/* Takes memory for messages within the nodes: 1: all ranks have some, and mem[i] is rank i's of the node. 0:
 * agreed that none has. Negative: an error, after which nothing more is agreed. */
static int take_rings(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct vc_offers *all,
                      char **mem)
{
    size_t budget = ring_budget(), bytes = vc_shm_chan_bytes(t->nlocal, budget);
    struct vc_offer mine = {0};
    const struct vc_node_part whole = {0, bytes};
    vc_share_take(t, bytes, 0, &whole, 1, &c->rings, &mine);
    if (c->rings.bytes > 0)
        vc_shm_chan_prepare(vc_share_own(&c->rings), t->nlocal, budget);
    int err = vc_offers_exchange(all, comm, &mine);
    if (err != VC_OK)
        return err;
    if (vc_share_conclude(t, all, &c->rings) < 0) {
        for (int i = 0; t->nlocal > 1 && i < t->nlocal; i++)
            mem[i] = vc_share_place(t, all, i);
        return 1;
    }
    vc_arena_give(vc_memory, &c->rings);
    return vc_share_explain(t, comm, all, bytes);
}

/* The same, with the tables for it; *mem: NULL, unless 1. */
static int make_rings(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, char ***mem)
{
    struct vc_offers all;
    *mem = malloc((size_t)t->nlocal * sizeof **mem);
    bool enough = vc_offers_begin(&all, t->world, t->size, t->rank) && *mem;
    if (!enough)
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", t->size);
    /* A vote in any case: a rank that has failed before would leave the others waiting in what follows. */
    int got = vc_vote_all(t, comm, enough);
    if (got > 0)
        got = t->key.have_node ? take_rings(t, comm, c, &all, *mem) : 0;
    if (got <= 0) {
        free(*mem);
        *mem = NULL;
    }
    vc_offers_end(&all);
    return got;
}

/* Collective, after the key has changed. */
static int select_again(struct vc_team *t, MPI_Comm comm)
{
    int err = vc_team_select(t);
    int all = vc_vote_all(t, comm, err == VC_OK);
    if (all < 0 || err != VC_OK)
        return all < 0 ? all : err;
    return all ? VC_OK
               : vc_fail(VC_ERR_PEER,
                         "another rank had no memory for the choice of algorithms without a channel");
}

/* The channel cannot be had, agreed: what is selected does without. *instead: the mpi channel replaces it. */
static int do_without(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, bool mine, bool *instead)
{
    bool usual = c == t->chan_for[VC_CHANNEL_AUTO];
    *instead = usual && c == &t->chan[VC_NET_VERBS] && (vc_params.channels & VC_CHAN_MPI);
    if (mine)
        vc_log(VC_LOG_WARN, "no channel between the ranks of a communicator (%s): %s", vc_error_text(),
               *instead ? "the MPI carries its messages" : "algorithms without one run");
    destroy(c->chan);
    c->chan = NULL;
    free(c->reach);
    c->reach = NULL;
    free(c->by_host);
    c->by_host = NULL;
    vc_arena_give(vc_memory, &c->rings);
    vc_hosts_give(&c->host_rings);
    if (*instead) {
        t->key.have_verbs = false;
        for (int i = 0; i < VC_CHANNELS; i++)
            t->chan_for[i] = &t->chan[VC_NET_MPI];
    } else if (usual) {
        t->key.have_chan = false;
    } else {
        t->key.no_mpi = true; /* where there are two, the usual one is verbs */
    }
    return select_again(t, comm);
}

/* There is no memory of the hosts for messages, agreed: they go as if the machines shared none. */
static int leave_hosts(struct vc_team *t, MPI_Comm comm)
{
    t->one_host = t->key.hosts_shared = false;
    memcpy(t->key.device, vc_devices.rdma, sizeof t->key.device);
    t->key.have_verbs = t->fabric == VC_FABRIC_ALL;
    t->key.have_chan = t->fabric != VC_FABRIC_NONE || (vc_params.channels & VC_CHAN_MPI);
    return select_again(t, comm);
}

/* Memory for the channel's messages within nodes and hosts. *rings: NULL, agreed: there is none within nodes.
 * VC_OK, or an error after which nothing more is agreed; *mine: what this rank alone met. */
static int take_memory(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, char ***rings,
                       struct vc_chan **host, int *mine)
{
    int got = make_rings(t, comm, c, rings);
    if (got < 0)
        return got;
    got = vc_host_rings_make(t, comm, c, host, mine);
    if (got < 0)
        return got;
    bool within = *rings || t->key.max_ppn == 1;
    c->far = !(within && got > 0 && t->one_host) && !(*rings && t->hier.nnodes == 1);
    return (t->one_host || t->key.hosts_shared) && got == 0 ? leave_hosts(t, comm) : VC_OK;
}

/* For waits: without memory for it they are only slower. */
static void note_host(const struct vc_team *t, struct vc_team_chan *c)
{
    c->by_host = c->host_rings.units > 0 ? malloc((size_t)t->size * sizeof *c->by_host) : NULL;
    for (int r = 0; c->by_host && r < t->size; r++)
        c->by_host[r] = vc_team_by_host(t, c, r);
}

int vc_channels_open(struct vc_team *t, MPI_Comm comm, enum vc_choice_channel channel)
{
    struct vc_team_chan *c = t->chan_for[channel];
    bool instead;
    char **rings = NULL;
    struct vc_chan *host = NULL;
    if (c->tried)
        return VC_OK;
    c->tried = true;
    int own = VC_OK, fatal = take_memory(t, comm, c, &rings, &host, &own);
    /* Also where this rank has failed: it makes the network's channel together with the others. */
    int err = fatal == VC_OK ? make_channel(t, comm, c, rings, host) : fatal;
    if (own != VC_OK)
        err = own;
    free(rings);
    if (fatal != VC_OK)
        return fatal;
    uint64_t v[2] = {err == VC_OK,
                     err == VC_OK || err == VC_ERR_UNSUPPORTED ? VC_VOTE_YES : (uint64_t)t->rank};
    int failed = vc_vote(t, comm, v, 2);
    if (failed != VC_OK)
        return failed;
    if (!v[0]) {
        err = do_without(t, comm, c, v[1] == (uint64_t)t->rank, &instead);
        return err == VC_OK && instead ? vc_channels_open(t, comm, VC_CHANNEL_AUTO) : err;
    }
    note_host(t, c);
    vc_team_policy(t, t->policy);
    /* The rules about verbs do not hold where the MPI carries a part. */
    if (c->reach && t->key.have_verbs) {
        t->key.have_verbs = false;
        err = select_again(t, comm);
        if (err != VC_OK)
            return err;
    }
    /* No message leaves the host: the channel serves whatever a choice names. */
    for (int i = 0; !c->far && i < VC_CHANNELS; i++)
        t->chan_for[i] = c;
    return VC_OK;
}
