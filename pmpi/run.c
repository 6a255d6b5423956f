/* SPDX-License-Identifier: BSD-3-Clause */
/* Barrier, broadcast, allgather and alltoall: from the user's arguments to packed buffers, through, and back.
 */
#include "pmpi/ft.h"
#include "pmpi/online.h"
#include "pmpi/redop.h"
#include "pmpi/run.h"

#include <stdio.h>
#include <string.h>

/* Broadcasts of at least so many bytes are told to the node when they go natively. */
#define BCAST_TOLD 16384

int vc_call_failed(struct vc_comm *c, struct vc_call *k, int err)
{
    char why[256];
    snprintf(why, sizeof why, "%s", vc_error_text());
    int class = vc_ft_class(k->comm, err);
    if (c->phase != VC_COMM_BROKEN) {
        c->phase = VC_COMM_BROKEN;
        c->why_not = "a collective on it failed";
        vc_team_break(c->team, why);
        /* A fault-tolerant program learns it from the error's class, and goes on. */
        vc_log(class == MPI_ERR_OTHER ? VC_LOG_ERROR : VC_LOG_INFO,
               "%s of rank %d on a communicator of %d ranks: %s", vc_coll_name(k->coll), c->rank, c->size,
               why);
    }
    vc_next.Comm_call_errhandler(k->comm, class);
    return class;
}

/* Makes `pick` how the call runs; how->alg stays NULL, and k->why says why, when native does. */
static int take(struct vc_comm *c, struct vc_call *k, const struct vc_alg_choice *pick, size_t esize,
                bool commutative, struct vc_how *how)
{
    k->via = VC_VIA_SHM;
    /* A channel that the choice names need not be there: agreed. */
    if (pick->alg->kind == VC_ALG_PLAN && c->team->lane_of[pick->channel]->chan) {
        struct vc_plan_key key = {
            .alg = pick->alg,
            .bytes = k->bytes,
            .esize = esize,
            .segment = pick->segment,
            .root = k->root,
            .radix = pick->radix,
            .leaders = pick->leaders,
            .channel = pick->channel,
            .commutative = commutative,
        };
        struct vc_plan_slot *slot;
        int err = vc_team_plan(c->team, &key, k->coll, &slot);
        if (err != VC_OK)
            return err;
        how->exec = slot->exec;
        k->via = slot->via;
    }
    if (pick->alg->kind == VC_ALG_NATIVE || (pick->alg->kind == VC_ALG_PLAN && !how->exec))
        k->why = VC_PASS_SELECTED;
    else
        k->alg = how->alg = pick->alg;
    how->pick = pick;
    return VC_OK;
}

static const struct vc_alg_choice *picked(struct vc_comm *c, struct vc_call *k, bool commutative)
{
    const struct vc_alg_choice *pick =
        c->phase == VC_COMM_LEARNING ? vc_online_choose(c, k, commutative) : NULL;
    return pick ? pick : vc_select(&c->team->sel, k->coll, k->bytes, commutative);
}

/* Whether the lane of a plan is still to be opened, collectively. */
static bool lane_is_new(const struct vc_team *t, const struct vc_alg_choice *pick)
{
    return pick->alg->kind == VC_ALG_PLAN && !t->lane_of[pick->channel]->tried;
}

/* Tries the plan that refuses no shape, where the one that was picked has refused. */
static int take_spare(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                      struct vc_how *how)
{
    const struct vc_alg_choice *spare = &c->team->sel.spare[k->coll];
    int err = VC_OK;
    if (spare->alg && lane_is_new(c->team, spare))
        err = vc_team_open(c->team, k->comm, spare->channel);
    /* Without a channel there is none any more. */
    return err == VC_OK && spare->alg ? take(c, k, spare, esize, commutative, how) : err;
}

int vc_choose_slow(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative, struct vc_how *how)
{
    if (c->phase == VC_COMM_NEW && !vc_comm_advance(c, k->comm) && c->phase != VC_COMM_BROKEN) {
        k->why = c->phase == VC_COMM_NEW ? VC_PASS_WAITING : VC_PASS_COMM;
        return VC_OK;
    }
    if (c->phase == VC_COMM_BROKEN)
        return c->team ? vc_fail(VC_ERR_UNSUPPORTED, "an earlier collective on this communicator failed")
                       : VC_ERR_MPI; /* the text is that of the set-up */
    struct vc_team *t = c->team;
    const struct vc_alg_choice *pick = picked(c, k, commutative);
    int err = VC_OK;
    if (VC_UNLIKELY(lane_is_new(t, pick))) {
        unsigned selections = t->selections;
        err = vc_team_open(t, k->comm, pick->channel);
        if (err == VC_OK && selections != t->selections) /* it is another one now */
            pick = vc_select(&t->sel, k->coll, k->bytes, commutative);
    }
    if (err == VC_OK)
        err = take(c, k, pick, esize, commutative, how);
    if (err != VC_OK || how->alg || pick->alg->kind != VC_ALG_PLAN)
        return err;
    /* The algorithm was picked for its size alone and may want more elements than these are. A forced one is
     * not replaced by another of ours. */
    bool forced = pick->alg == vc_params.alg[k->coll].alg || t->force[k->coll].alg;
    return forced ? VC_OK : take_spare(c, k, esize, commutative, how);
}

struct vc_comm *vc_enter_slow(struct vc_call *k, struct vc_comm *c)
{
    if (!c || c->phase == VC_COMM_PASSES) {
        k->why = VC_PASS_COMM;
        return NULL;
    }
    /* Programs may have loaded a driver since MPI_Init: seen at the latest when a communicator is set up. */
    if (c->phase == VC_COMM_NEW) {
        vc_device_look();
        if (vc_device_on())
            vc_redop_forget();
    }
    return c;
}

int vc_run_barrier(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    struct vc_how how;
    int err = vc_choose(c, k, 1, true, &how);
    if (err == VC_OK && !how.alg)
        return vc_native(k);
    struct vc_work w = {0};
    if (err == VC_OK)
        err = vc_run(c, k, &how, &w);
    return vc_leave(c, k, err);
}

/* Whether this side of the arguments is one that MPI will refuse; fills *t. */
static inline bool bad_side(const void *buf, int count, MPI_Datatype type, struct vc_dtype *t)
{
    return count < 0 || !vc_dtype_of(buf, type, t) || (buf == NULL && t->predefined && count > 0);
}

/* The size of the call; false, with k->why, when it is the underlying MPI's for that reason. */
static inline bool size_call(struct vc_call *k, size_t block, size_t nblocks)
{
    k->bytes = block;
    if (VC_UNLIKELY(block == 0)) {
        k->why = VC_PASS_EMPTY;
        return false;
    }
    if (VC_UNLIKELY(block > VC_CALL_LIMIT / nblocks)) {
        k->why = VC_PASS_LARGE;
        return false;
    }
    return true;
}

/* Others' count may differ, which is an error, and take them to the node's memory: they must not wait there
 * for ever. Where native is for long messages only; of short ones it would be a part of their time. */
static void pass_bcast(struct vc_comm *c, const struct vc_call *k)
{
    if (k->bytes >= BCAST_TOLD && k->why == VC_PASS_SELECTED && c->team && c->team->node &&
        c->team->hier.nnodes == 1)
        vc_node_pass(c->team->node, k->bytes);
}

int vc_run_bcast(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    struct vc_dtype type;
    if (k->recv == MPI_IN_PLACE || k->root < 0 || k->root >= c->size ||
        bad_side(k->recv, k->rcount, k->rtype, &type))
        return vc_pass(k, VC_PASS_ARGS);
    size_t count = (size_t)k->rcount;
    struct vc_how how;
    if (!size_call(k, count * type.size, 1))
        return vc_native(k);
    int err = vc_choose(c, k, 1, true, &how);
    if (err == VC_OK && !how.alg) {
        pass_bcast(c, k);
        return vc_native(k);
    }

    struct vc_work w = {.recv = k->recv, .bytes = k->bytes};
    if (err == VC_OK && !type.dense) {
        w.recv = vc_team_scratch(c->team, VC_SCRATCH_RECV, k->bytes);
        if (!w.recv)
            err = vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", k->bytes);
        else if (c->rank == k->root)
            err = vc_pack(k->recv, count, &type, w.recv);
    }
    if (err == VC_OK)
        err = vc_run(c, k, &how, &w);
    if (!type.dense && err == VC_OK && c->rank != k->root)
        err = vc_unpack(w.recv, k->recv, count, &type);
    if (!type.dense && c->team)
        vc_team_scratch_done(c->team);
    return vc_leave(c, k, err);
}

/* Allgather and alltoall: both sides of a rank, as blocks. */
struct sides {
    struct vc_dtype stype, rtype;
    size_t scount, rcount; /* elements of all blocks this rank sends and receives */
    bool in_place;
};

/* Looks at the arguments; false, with k->why, when the underlying MPI gets the call. */
static bool sides_of(struct vc_call *k, const struct vc_comm *c, size_t sblocks, struct sides *s)
{
    k->why = VC_PASS_ARGS;
    s->in_place = k->send == MPI_IN_PLACE;
    if (k->recv == MPI_IN_PLACE || bad_side(k->recv, k->rcount, k->rtype, &s->rtype))
        return false;
    size_t block = (size_t)k->rcount * s->rtype.size;
    if (s->in_place) {
        s->stype = s->rtype;
        s->scount = (size_t)k->rcount * sblocks;
    } else {
        if (bad_side(k->send, k->scount, k->stype, &s->stype) || (size_t)k->scount * s->stype.size != block)
            return false;
        s->scount = (size_t)k->scount * sblocks;
    }
    s->rcount = (size_t)k->rcount * (size_t)c->size;
    k->why = VC_TAKEN;
    return size_call(k, block, (size_t)c->size);
}

/* Takes or makes the two buffers. */
static int buffers(struct vc_call *k, struct vc_team *t, const struct sides *s, size_t sblocks,
                   struct vc_work *w)
{
    size_t all = k->bytes * (size_t)t->size;
    w->recv = k->recv;
    if (!s->rtype.dense && !(w->recv = vc_team_scratch(t, VC_SCRATCH_RECV, all)))
        return vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", all);
    w->send = k->send;
    if (s->in_place && vc_coll_info[k->coll].in_place == VC_IN_PLACE_OWN_BLOCK) {
        /* Own block, where the result has it. */
        char *own = (char *)w->recv + (size_t)t->rank * k->bytes;
        const char *from = (const char *)k->recv + (ptrdiff_t)t->rank * k->rcount * s->rtype.extent;
        w->send = own;
        return s->rtype.dense ? VC_OK : vc_pack(from, (size_t)k->rcount, &s->rtype, own);
    }
    /* In alltoall the send buffer may not be the receive buffer, so in place means a copy. */
    bool copy = s->in_place || k->send == k->recv;
    const void *from = s->in_place ? k->recv : k->send;
    if (s->stype.dense && !copy)
        return VC_OK;
    void *packed = vc_team_scratch(t, VC_SCRATCH_SEND, k->bytes * sblocks);
    if (!packed)
        return vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", k->bytes * sblocks);
    w->send = packed;
    if (!s->stype.dense)
        return vc_pack(from, s->scount, &s->stype, packed);
    memcpy(packed, from, k->bytes * sblocks);
    return VC_OK;
}

int vc_run_blocks(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    size_t sblocks = vc_coll_info[k->coll].send.extent == VC_EXTENT_EACH ? (size_t)c->size : 1;
    struct sides s;
    if (!sides_of(k, c, sblocks, &s))
        return vc_native(k);
    struct vc_how how;
    int err = vc_choose(c, k, 1, true, &how);
    if (err == VC_OK && !how.alg)
        return vc_native(k);
    struct vc_work w = {.bytes = k->bytes};
    if (err == VC_OK)
        err = buffers(k, c->team, &s, sblocks, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &how, &w);
    if (err == VC_OK && w.recv != k->recv)
        err = vc_unpack(w.recv, k->recv, s.rcount, &s.rtype);
    if (c->team && (w.recv != k->recv || w.send != k->send))
        vc_team_scratch_done(c->team);
    return vc_leave(c, k, err);
}
