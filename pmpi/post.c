/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/post.h"

#include "pmpi/queue.h"
#include "pmpi/stats.h"

#include <stdlib.h>
#include <string.h>

/* ---- which calls are taken ---- */

static bool pass(struct vc_call *k, enum vc_pass why)
{
    k->why = why;
    return false;
}

/* Whatever was under way is over: calls go as if there had been none. */
static void settle(struct vc_comm *c)
{
    const char *why;
    if (c->phase == VC_COMM_BUSY && vc_queue_empty(c->team) && !c->team->queue.wanted_channels &&
        vc_queue_failed(c->team, &why) == VC_OK)
        c->phase = c->idle;
}

struct vc_comm *vc_post_enter(struct vc_call *k)
{
    k->why = VC_PASS_COLLS;
    if (!(vc_params.colls & 1u << k->coll))
        return NULL;
    struct vc_comm *c = vc_comm_find(k->comm);
    k->why = VC_PASS_COMM;
    if (!c || c->phase == VC_COMM_PASSES)
        return NULL;
    if (c->posts < VC_POSTS_WORTH)
        c->posts++;
    if (c->phase == VC_COMM_NEW) {
        vc_comm_count(c);
        k->why = VC_PASS_WAITING;
        return NULL;
    }
    k->why = VC_TAKEN;
    settle(c);
    return c;
}

/* Whether the choice's plan can run; fills the key. */
static bool choose_plan(struct vc_posted *op, const struct vc_choice *choice, size_t esize, bool commutative)
{
    struct vc_team *t = op->team;
    const struct vc_team_chan *chan = t->chan_for[choice->channel];
    if (choice->alg->lengths) /* ranks would have to wait for each other's lengths */
        return false;
    if (!chan->tried) {
        /* To open it, ranks exchange messages: the next call that may wait does that. */
        t->queue.wanted_channels |= 1u << choice->channel;
        return false;
    }
    vc_plan_key_of(&op->key, op->comm, &op->k, choice, esize, commutative);
    op->by_plan = true;
    return chan->chan && !vc_plans_refused(t, &op->key, op->k.coll);
}

/* As vc_select_call(), without what only blocking calls may do. */
static bool choose(struct vc_posted *op, size_t esize, bool commutative)
{
    struct vc_team *t = op->team;
    struct vc_call *k = &op->k;
    const struct vc_choice *choice = vc_select(&t->sel, k->coll, k->bytes, commutative);
    const struct vc_choice *spare = &t->sel.spare[k->coll];
    op->by_plan = false;
    if (choice->alg->kind == VC_ALG_NODE) {
        op->call.kind = vc_coll_info[k->coll].node;
        op->call.alg = (enum vc_node_alg)choice->alg->node_alg;
        op->call.root = k->root;
        op->call.parts = 1;
        k->via = VC_VIA_SHM;
    } else if (choice->alg->kind == VC_ALG_NATIVE) {
        return pass(k, VC_PASS_SELECTED);
    } else if (!choose_plan(op, choice, esize, commutative)) {
        bool forced = choice->alg == vc_params.alg[k->coll].alg || t->force[k->coll].alg;
        if (t->queue.wanted_channels || forced || !spare->alg || !choose_plan(op, spare, esize, commutative))
            return pass(k, VC_PASS_SELECTED);
    }
    k->alg = op->by_plan ? op->key.alg : choice->alg;
    op->choice = choice;
    return true;
}

/* ---- beginning ---- */

static void start(struct vc_posted *op, struct vc_comm *c, const struct vc_call *k)
{
    op->comm = c;
    op->team = c->team;
    op->k = *k;
    op->w = (struct vc_work){.bytes = k->bytes};
    for (int i = 0; i < VC_SCRATCHES; i++)
        op->mem[i] = NULL;
    op->begun = op->told = op->reported = false;
    op->exec = NULL;
    op->state = NULL;
    op->view = NULL;
    op->displs = NULL;
    op->types = NULL;
    op->ntypes = 0;
    op->finish = NULL;
    op->etype = NULL;
    op->err = VC_OK;
    op->esize = 0;
}

/* Whether all calls before this one went well; they are a broken communicator's otherwise. */
static int look_back(struct vc_comm *c)
{
    const char *why;
    if (c->phase == VC_COMM_BROKEN)
        return c->team ? vc_fail(VC_ERR_UNSUPPORTED, "an earlier collective on this communicator failed")
                       : VC_ERR_MPI; /* the text is that of the set-up */
    /* An operation under way that has failed meanwhile takes the later ones with it. */
    if (!vc_queue_empty(c->team))
        return VC_OK;
    int err = vc_queue_failed(c->team, &why);
    return err == VC_OK ? VC_OK : vc_fail(err, "%s", why);
}

static void note_busy(struct vc_comm *c)
{
    if (c->phase == VC_COMM_BUSY)
        return;
    c->idle = c->phase;
    c->phase = VC_COMM_BUSY;
}

int vc_post_fail(struct vc_comm *c, struct vc_call *k, int err, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    return vc_call_failed(c, k, err);
}

int vc_post_begin(struct vc_posted *op, struct vc_comm *c, struct vc_call *k, void *state, size_t esize,
                  bool commutative, MPI_Request *request)
{
    int err = look_back(c);
    if (err != VC_OK) {
        free(state);
        return vc_post_fail(c, k, err, request);
    }
    start(op, c, k);
    op->state = state;
    if (choose(op, esize, commutative))
        return MPI_SUCCESS;
    *k = op->k;
    free(state);
    /* The next blocking call has to know of it. */
    if (c->team->queue.wanted_channels)
        note_busy(c);
    return VC_POST_PASSES;
}

int vc_post_result(struct vc_posted *op, vc_posted_finish *finish, const void *state, size_t bytes,
                   struct vc_dtype *type)
{
    op->finish = finish;
    int err = vc_posted_keep_type(op, type);
    if (err != VC_OK)
        return err;
    op->state = malloc(bytes);
    if (!op->state)
        return vc_fail(VC_ERR_NOMEM, "no memory for a nonblocking collective");
    memcpy(op->state, state, bytes);
    return VC_OK;
}

/* After an operation was started, or was not. */
static int conclude(struct vc_posted *op, int err, MPI_Request *request)
{
    if (VC_UNLIKELY(err != VC_OK)) {
        vc_posted_release(op);
        return vc_post_fail(op->comm, &op->k, err, request);
    }
    if (!vc_queue_empty(op->team))
        note_busy(op->comm);
    return MPI_SUCCESS;
}

/* Where nothing is under way, calls like this one may be quick. */
static void learn(struct vc_comm *c, const struct vc_posted *op)
{
    struct vc_redop none = {.esize = op->esize};
    if (op->by_plan || op->mem[VC_SCRATCH_SEND] || op->finish || op->esize == 0)
        return;
    struct vc_selected sel = {.alg = op->k.alg, .choice = op->choice};
    struct vc_call like = op->k;
    if (op->etype)
        like.rtype = op->etype;
    vc_quick_learn(c, &like, &sel, op->w.op ? &op->redop : &none);
}

int vc_post_launch(struct vc_posted *op, int err, struct vc_call *k, MPI_Request *request)
{
    if (err == VC_OK)
        err = vc_queue_post(op, request);
    if (err == VC_OK)
        learn(op->comm, op);
    *k = op->k;
    return conclude(op, err, request);
}

int vc_post_quick_on(struct vc_comm *c, enum vc_coll coll, int begun, MPI_Request *request)
{
    struct vc_team *t = c->team;
    struct vc_call k = {.coll = coll, .comm = atomic_load_explicit(&c->handle, memory_order_relaxed)};
    struct vc_posted op;
    start(&op, c, &k);
    op.by_plan = false;
    op.call = t->quick[coll].call;
    op.begun = begun >= 0;
    if (vc_coll_info[coll].reduces) {
        op.redop = *op.call.op;
        op.w.op = &op.redop;
    }
    return conclude(&op, vc_queue_go_on(&op, request), request);
}

/* ---- around them ---- */

int vc_post(vc_post_fn *fn, struct vc_call *k, MPI_Request *request)
{
    if (!request || vc_params.nonblocking == VC_NONBLOCKING_OFF)
        return VC_POST_PASSES;
    if (vc_gate_open())
        return fn(k, request);
    if (!vc_gate_takes(k))
        return VC_POST_PASSES;
    if (!vc_stats_on())
        return fn(k, request);
    uint64_t begun = vc_now_ns();
    int rc = fn(k, request);
    if (rc != VC_POST_PASSES)
        vc_stats_call(k, vc_now_ns() - begun);
    return rc;
}
