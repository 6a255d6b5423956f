/* SPDX-License-Identifier: BSD-3-Clause */
/* A communicator's channels and its plans, made when they are first needed. */
#include "pmpi/team.h"

#include "pmpi/fabric.h"
#include "pmpi/world.h"
#include "transport/mux.h"
#include "transport/shm/shm_chan.h"

#include <stdlib.h>
#include <string.h>

/* Shared memory of the rings of one node. */
#define RING_BUDGET ((size_t)4 << 20)

/* ---- channels ---- */

/*
 * The mpi channel needs a communicator of its own. Not MPI_Comm_dup: that would run the copy callbacks of the
 * user's attributes.
 */
static int private_comm(MPI_Comm comm, MPI_Comm *out)
{
    MPI_Group group;
    if (vc_next.Comm_group(comm, &group) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Comm_group failed");
    int rc = vc_next.Comm_create(comm, group, out);
    vc_next.Group_free(&group);
    if (rc != MPI_SUCCESS || *out == MPI_COMM_NULL)
        return vc_fail(VC_ERR_MPI, "MPI_Comm_create of the mpi channel's communicator failed");
    vc_next.Comm_set_errhandler(*out, MPI_ERRORS_RETURN);
    return VC_OK;
}

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
    int err = private_comm(comm, &own);
    return err == VC_OK ? vc_mpi_chan_create(own, out) : err; /* frees it when it fails */
}

/* Between nodes. What settings and agreements forbid is unsupported on all ranks alike. */
static int make_far(struct vc_team *t, MPI_Comm comm, bool verbs, struct vc_chan **out)
{
    if (verbs)
        return vc_fabric ? vc_fabric_channel(comm, t->size, t->rank, t->world, &t->hier, out)
                         : VC_ERR_UNSUPPORTED;
    return vc_params.channels & VC_CHAN_MPI ? make_mpi(comm, out) : VC_ERR_UNSUPPORTED;
}

static void drop(struct vc_chan *ch)
{
    if (ch)
        ch->ops->destroy(ch);
}

/* shm where there is one, `far` elsewhere. Takes over both, whatever comes of it. The verbs channel needs the
 * mux for messages to oneself. */
static int join(const struct vc_team *t, struct vc_chan *shm, struct vc_chan *far, bool verbs,
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
        drop(shm);
        drop(far);
    }
    free(via);
    return err;
}

/* This rank's part of a lane; what comes of it is for all ranks to agree. */
static int make_lane(struct vc_team *t, MPI_Comm comm, struct vc_lane *l, bool rings)
{
    bool verbs = l == &t->lane[VC_LANE_VERBS];
    struct vc_chan *shm = NULL, *far = NULL;
    int err = VC_OK;
    if (!rings || t->hier.nnodes > 1)
        err = make_far(t, comm, verbs, &far);
    if (err == VC_OK && rings && t->nlocal > 1)
        err = make_shm(t, &l->seg, &shm);
    if (err == VC_OK)
        return join(t, shm, far, verbs, &l->chan);
    drop(shm);
    drop(far);
    return err;
}

int vc_team_open(struct vc_team *t, MPI_Comm comm, enum vc_choice_channel channel)
{
    struct vc_lane *l = t->lane_of[channel];
    bool ours = l == t->lane_of[VC_CHANNEL_AUTO], rings = false, cma;
    if (l->tried)
        return VC_OK;
    l->tried = true;
    t->chan_tried |= ours;
    if (t->key.have_node) {
        struct vc_share how = {.bytes = vc_shm_chan_bytes(t->nlocal, RING_BUDGET), .backing = t->backing};
        enum vc_shared got = vc_share_try(t, comm, &how, &l->seg, &cma);
        if (got == VC_SHARE_MPI)
            return VC_ERR_MPI; /* with the text */
        rings = got == VC_SHARED;
    } else {
        /* Nobody is left behind in what follows. */
        int here = vc_team_all(t, comm, true);
        if (here < 0)
            return here;
    }
    int err = make_lane(t, comm, l, rings);
    uint64_t v[2] = {err == VC_OK,
                     err == VC_OK || err == VC_ERR_UNSUPPORTED ? VC_VOTE_YES : (uint64_t)t->rank};
    int failed = vc_vote(t, comm, v, 2);
    if (failed != VC_OK)
        return failed;
    if (v[0]) {
        if (rings && t->hier.nnodes == 1) {
            for (int i = 0; i < VC_CHANNELS; i++)
                t->lane_of[i] = l;
            t->chan_tried = true;
        }
        return VC_OK;
    }
    bool instead = ours && l == &t->lane[VC_LANE_VERBS] && (vc_params.channels & VC_CHAN_MPI);
    if (v[1] == (uint64_t)t->rank)
        vc_log(VC_LOG_WARN, "no channel between the ranks of a communicator (%s): %s", vc_error_text(),
               instead ? "the MPI carries its messages" : "algorithms without one run");
    drop(l->chan);
    l->chan = NULL;
    vc_share_release(&l->seg);
    if (instead) {
        t->key.have_verbs = false;
        t->chan_tried = false;
        for (int i = 0; i < VC_CHANNELS; i++)
            t->lane_of[i] = &t->lane[VC_LANE_MPI];
    } else if (ours) {
        t->key.have_chan = false;
    } else {
        t->key.no_mpi = true; /* verbs are the other one, where there are two */
    }
    err = vc_team_select(t);
    int all = vc_team_all(t, comm, err == VC_OK);
    if (all == 0 && err == VC_OK)
        err =
            vc_fail(VC_ERR_PEER, "another rank had no memory for the choice of algorithms without a channel");
    if (all < 0 || err != VC_OK)
        return all < 0 ? all : err;
    return instead ? vc_team_open(t, comm, VC_CHANNEL_AUTO) : VC_OK;
}

/* ---- plans ---- */

/* Of node phases in *node, of messages in the result. */
static unsigned ways(const struct vc_team *t, const struct vc_lane *l, const struct vc_plan *p,
                     unsigned *node)
{
    unsigned via = 0, far = l == &t->lane[VC_LANE_VERBS] ? VC_VIA_VERBS : VC_VIA_MPI;
    *node = 0;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *s = &p->steps[i];
        if (s->kind == VC_STEP_NODE)
            *node |= t->node ? VC_VIA_SHM : 0;
        else if (s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE)
            via |= l->seg.base && t->hier.node_of[s->peer] == t->mine ? VC_VIA_SHM : far;
    }
    return via;
}

static void forget(struct vc_team *t, struct vc_plan_slot *s)
{
    if (s->exec)
        vc_exec_destroy(s->exec);
    t->plan_tmp -= s->tmp_bytes;
    memset(s, 0, sizeof *s);
}

static struct vc_plan_slot *oldest(struct vc_team *t, bool with_tmp)
{
    struct vc_plan_slot *best = NULL;
    for (int i = 0; i < VC_TEAM_PLANS; i++) {
        struct vc_plan_slot *s = &t->plan[i];
        if ((!with_tmp || s->tmp_bytes > 0) && (!best || s->last_used < best->last_used))
            best = s;
    }
    return best;
}

static int make_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                     struct vc_plan_slot *s)
{
    struct vc_shape shape = {
        .coll = coll,
        .size = t->size,
        .root = key->root,
        .bytes = key->bytes,
        .esize = key->esize,
        .commutative = key->commutative,
        .radix = key->radix,
        .segment = key->segment,
        .leaders = key->leaders,
        .hier = &t->hier,
    };
    const struct vc_lane *lane = t->lane_of[key->channel];
    s->key = *key;
    if (vc_alg_refuses(key->alg, &shape))
        return VC_OK;
    struct vc_plan plan;
    vc_plan_init(&plan);
    int err = key->alg->build(&shape, t->rank, &plan);
    if (err == VC_OK)
        err = vc_plan_finish(&plan);
    if (err == VC_OK) {
        /* Memory is bounded: what the new plan needs, old ones give up. */
        while (t->plan_tmp > 0 && t->plan_tmp + plan.tmp_bytes > VC_TEAM_TMP)
            forget(t, oldest(t, true));
        unsigned by_node, by_message = ways(t, lane, &plan, &by_node);
        struct vc_exec_env env = {
            .chan = lane->chan,
            .node = t->node,
            .local = t->local,
            .nlocal = t->nlocal,
            .by_shm = (by_message & VC_VIA_SHM) != 0,
            .by_device = (by_message & VC_VIA_VERBS) != 0,
        };
        size_t tmp = plan.tmp_bytes;
        s->via = by_node | by_message;
        err = vc_exec_create(&plan, &env, &s->exec);
        if (err == VC_OK) {
            s->tmp_bytes = tmp;
            t->plan_tmp += tmp;
        }
    }
    vc_plan_free(&plan);
    return err;
}

void vc_team_trim(struct vc_team *t, size_t plans)
{
    while (t->plan_tmp > plans)
        forget(t, oldest(t, true));
    for (int i = 0; i < VC_SCRATCHES; i++) {
        free(t->scratch[i].mem);
        t->scratch[i].mem = NULL;
        t->scratch[i].cap = 0;
    }
}

static bool same_key(const struct vc_plan_key *a, const struct vc_plan_key *b)
{
    return a->bytes == b->bytes && a->alg == b->alg && a->root == b->root && a->esize == b->esize &&
           a->commutative == b->commutative && a->radix == b->radix && a->segment == b->segment &&
           a->leaders == b->leaders && a->channel == b->channel;
}

int vc_team_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                 struct vc_plan_slot **out)
{
    for (int i = 0; i < VC_TEAM_PLANS; i++) {
        struct vc_plan_slot *s = &t->plan[i];
        if (s->last_used && same_key(&s->key, key)) {
            s->last_used = ++t->plan_clock;
            *out = s;
            return VC_OK;
        }
    }
    struct vc_plan_slot *s = oldest(t, false);
    forget(t, s);
    int err = make_plan(t, key, coll, s);
    if (err != VC_OK) {
        forget(t, s);
        return err;
    }
    s->last_used = ++t->plan_clock;
    *out = s;
    return VC_OK;
}
