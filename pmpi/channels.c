/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/channels.h"

#include "pmpi/fabric.h"
#include "pmpi/private_comm.h"
#include "pmpi/share.h"
#include "pmpi/vote.h"
#include "transport/mux.h"
#include "transport/shm/shm_chan.h"

#include <stdlib.h>

/* Shared memory of the rings of one node. */
#define RING_BUDGET ((size_t)4 << 20)

static int make_shm(struct vc_team *t, const struct vc_seg *seg, struct vc_chan **out)
{
    struct vc_shm_chan_cfg cfg = {
        .mem = seg->base,
        .budget = RING_BUDGET,
        .n = t->nlocal,
        .me = t->local,
        .ranks = t->ranks,
        .size = t->size,
        .rank = t->rank,
        .parking = &t->parking,
        .cma_pids = t->cma ? t->pids : NULL,
        .cma_min = vc_params.cma_min,
    };
    return vc_shm_chan_create(&cfg, out);
}

static int make_mpi(MPI_Comm comm, struct vc_chan **out)
{
    MPI_Comm own = MPI_COMM_NULL;
    int err = vc_private_comm(comm, &own);
    return err == VC_OK ? vc_mpi_chan_create(own, out) : err; /* frees it when it fails */
}

/* Between nodes. VC_ERR_UNSUPPORTED, on all ranks alike: settings or agreements forbid it. */
static int make_far(struct vc_team *t, MPI_Comm comm, bool verbs, struct vc_chan **out)
{
    if (verbs)
        return vc_fabric ? vc_fabric_channel(comm, t->size, t->rank, t->world, &t->hier, out)
                         : VC_ERR_UNSUPPORTED;
    return vc_params.channels & VC_CHAN_MPI ? make_mpi(comm, out) : VC_ERR_UNSUPPORTED;
}

static void destroy(struct vc_chan *ch)
{
    if (ch)
        ch->ops->destroy(ch);
}

/* One channel of both: shm to the ranks that it reaches, `far` to the others. Takes over both, even where it
 * fails. The verbs channel needs the mux for messages to oneself. */
static int join_channels(const struct vc_team *t, struct vc_chan *shm, struct vc_chan *far, bool verbs,
                         struct vc_chan **out)
{
    if (!far || (!shm && !verbs)) {
        *out = shm ? shm : far;
        return VC_OK;
    }
    struct vc_chan **via = calloc((size_t)t->size, sizeof(struct vc_chan *));
    int err = via ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for the channels of %d ranks", t->size);
    for (int r = 0; via && r < t->size; r++)
        if (r != t->rank)
            via[r] = shm && t->hier.node_of[r] == t->mine ? shm : far;
    if (err == VC_OK)
        err = vc_mux_create(t->size, t->rank, via, out);
    if (err != VC_OK) {
        destroy(shm);
        destroy(far);
    }
    free(via);
    return err;
}

/* This rank's part; whether it worked everywhere is for all ranks to agree. */
static int make_channel(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, bool rings)
{
    bool verbs = c == &t->chan[VC_NET_VERBS];
    struct vc_chan *shm = NULL, *far = NULL;
    int err = VC_OK;
    if (!rings || t->hier.nnodes > 1)
        err = make_far(t, comm, verbs, &far);
    if (err == VC_OK && rings && t->nlocal > 1)
        err = make_shm(t, &c->rings, &shm);
    if (err == VC_OK)
        return join_channels(t, shm, far, verbs, &c->chan);
    destroy(shm);
    destroy(far);
    return err;
}

/* Memory for messages within the nodes. VC_OK, or an error, after which nothing more is agreed. */
static int make_rings(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, bool *rings)
{
    bool cma;
    *rings = false;
    if (!t->key.have_node) {
        /* A vote all the same: a rank that has failed before would leave the others waiting in what follows.
         */
        int here = vc_vote_all(t, comm, true);
        return here < 0 ? here : VC_OK;
    }
    struct vc_share how = {.bytes = vc_shm_chan_bytes(t->nlocal, RING_BUDGET), .backing = t->backing};
    enum vc_shared got = vc_share_try(t, comm, &how, &c->rings, &cma);
    *rings = got == VC_SHARED;
    return got == VC_SHARE_MPI ? VC_ERR_MPI : VC_OK; /* with the text */
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
    vc_shm_release(&c->rings);
    if (*instead) {
        t->key.have_verbs = false;
        for (int i = 0; i < VC_CHANNELS; i++)
            t->chan_for[i] = &t->chan[VC_NET_MPI];
    } else if (usual) {
        t->key.have_chan = false;
    } else {
        t->key.no_mpi = true; /* where there are two, the usual one is verbs */
    }
    int err = vc_team_select(t);
    int all = vc_vote_all(t, comm, err == VC_OK);
    if (all < 0 || err != VC_OK)
        return all < 0 ? all : err;
    return all ? VC_OK
               : vc_fail(VC_ERR_PEER,
                         "another rank had no memory for the choice of algorithms without a channel");
}

int vc_channels_open(struct vc_team *t, MPI_Comm comm, enum vc_choice_channel channel)
{
    struct vc_team_chan *c = t->chan_for[channel];
    bool rings, instead;
    if (c->tried)
        return VC_OK;
    c->tried = true;
    int err = make_rings(t, comm, c, &rings);
    if (err != VC_OK)
        return err;
    err = make_channel(t, comm, c, rings);
    uint64_t v[2] = {err == VC_OK,
                     err == VC_OK || err == VC_ERR_UNSUPPORTED ? VC_VOTE_YES : (uint64_t)t->rank};
    int failed = vc_vote(t, comm, v, 2);
    if (failed != VC_OK)
        return failed;
    if (!v[0]) {
        err = do_without(t, comm, c, v[1] == (uint64_t)t->rank, &instead);
        return err == VC_OK && instead ? vc_channels_open(t, comm, VC_CHANNEL_AUTO) : err;
    }
    /* No message leaves the node: the channel serves whatever a choice names. */
    for (int i = 0; rings && t->hier.nnodes == 1 && i < VC_CHANNELS; i++)
        t->chan_for[i] = c;
    return VC_OK;
}
