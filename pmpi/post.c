/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/post.h"

#include "pmpi/pack.h"
#include "pmpi/queue.h"
#include "pmpi/redop.h"
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

/* The communicator's state, if it is set up; broken ones too. NULL: the call passes through. */
static struct vc_comm *enter(struct vc_call *k)
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
    if (!chan->tried) {
        /* To open it, ranks exchange messages: the next call that may wait does that. */
        t->queue.wanted_channels |= 1u << choice->channel;
        return false;
    }
    op->key = (struct vc_plan_key){
        .alg = choice->alg,
        .bytes = op->k.bytes,
        .esize = esize,
        .segment = choice->segment,
        .root = op->k.root,
        .radix = choice->radix,
        .leaders = choice->leaders,
        .channel = choice->channel,
        .commutative = commutative,
    };
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
        op->call.at = NULL;
        op->call.lens = NULL;
        op->call.pairs = NULL;
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
    op->unpacks = op->padded = op->owns_type = op->begun = op->told = op->reported = false;
    op->exec = NULL;
    op->err = VC_OK;
    op->esize = 0;
}

static int no_memory(size_t bytes)
{
    return vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", bytes);
}

static void *packing_room(struct vc_posted *op, enum vc_scratch which, size_t bytes)
{
    op->mem[which] = aligned_alloc(VC_CACHELINE, vc_round_up(bytes ? bytes : 1, VC_CACHELINE));
    if (!op->mem[which])
        no_memory(bytes);
    return op->mem[which];
}

/* The result goes to a buffer of vcoll's first. Where the program may free the type meanwhile, it is
 * duplicated. */
static int stage_result(struct vc_posted *op, const struct vc_dtype *type, size_t count, size_t bytes)
{
    op->unpacks = true;
    op->count = count;
    op->type = *type;
    op->w.recv = packing_room(op, VC_SCRATCH_RECV, bytes);
    if (!op->w.recv)
        return VC_ERR_NOMEM;
    if (type->predefined)
        return VC_OK;
    if (vc_next.Type_dup(type->type, &op->type.type) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Type_dup failed");
    op->owns_type = true;
    return VC_OK;
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

/* After an operation was started, or was not. */
static void conclude(struct vc_posted *op, int err, MPI_Request *request, int *rc)
{
    struct vc_comm *c = op->comm;
    *rc = MPI_SUCCESS;
    if (VC_UNLIKELY(err != VC_OK)) {
        vc_posted_release(op);
        *request = MPI_REQUEST_NULL;
        *rc = vc_call_failed(c, &op->k, err);
    } else if (c->phase != VC_COMM_BUSY && !vc_queue_empty(c->team)) {
        c->idle = c->phase;
        c->phase = VC_COMM_BUSY;
    }
}

/* Where nothing is under way, calls like this one may be quick. */
static void learn(struct vc_comm *c, const struct vc_posted *op)
{
    struct vc_redop none = {.esize = op->esize};
    if (op->by_plan || op->mem[VC_SCRATCH_SEND] || op->unpacks || op->esize == 0)
        return;
    struct vc_selected sel = {.alg = op->k.alg, .choice = op->choice};
    vc_quick_learn(c, &op->k, &sel, op->w.op ? &op->redop : &none);
}

int vc_post_quick_on(struct vc_comm *c, enum vc_coll coll, int begun, MPI_Request *request)
{
    struct vc_team *t = c->team;
    struct vc_call k = {.coll = coll, .comm = atomic_load_explicit(&c->handle, memory_order_relaxed)};
    struct vc_posted op;
    int rc;
    start(&op, c, &k);
    op.by_plan = false;
    op.call = t->quick[coll].call;
    op.begun = begun >= 0;
    if (vc_coll_info[coll].reduces) {
        op.redop = *op.call.op;
        op.w.op = &op.redop;
    }
    conclude(&op, vc_queue_go_on(&op, request), request, &rc);
    return rc;
}

/* Starts the operation, unless its preparation has failed. */
static bool launch(struct vc_posted *op, int err, struct vc_call *k, MPI_Request *request, int *rc)
{
    if (err == VC_OK)
        err = vc_queue_post(op, request);
    if (err == VC_OK)
        learn(op->comm, op);
    *k = op->k;
    conclude(op, err, request, rc);
    return true;
}

/* A call that passes through, and of which the next blocking one has to know. */
static bool pass_on(struct vc_posted *op, struct vc_call *k)
{
    struct vc_comm *c = op->comm;
    *k = op->k;
    if (op->team->queue.wanted_channels && c->phase != VC_COMM_BUSY) {
        c->idle = c->phase;
        c->phase = VC_COMM_BUSY;
    }
    return false;
}

static bool fail_early(struct vc_comm *c, struct vc_call *k, int err, MPI_Request *request, int *rc)
{
    *request = MPI_REQUEST_NULL;
    *rc = vc_call_failed(c, k, err);
    return true;
}

/* ---- each form of arguments ---- */

/* Fills *t. True: MPI will complain about this side of the arguments. */
static bool bad_side(const void *buf, int count, MPI_Datatype type, struct vc_dtype *t)
{
    return count < 0 || !vc_dtype_of(buf, type, t) || (buf == NULL && t->predefined && count > 0);
}

/* The size of the call; false when it is the underlying MPI's for that reason. */
static bool size_call(struct vc_call *k, size_t block, size_t nblocks)
{
    k->bytes = block;
    if (block == 0)
        return pass(k, VC_PASS_EMPTY);
    return block <= VC_CALL_LIMIT / nblocks || pass(k, VC_PASS_LARGE);
}

bool vc_post_barrier(struct vc_call *k, MPI_Request *request, int *rc)
{
    struct vc_comm *c = enter(k);
    struct vc_posted op;
    if (!c)
        return false;
    int err = look_back(c);
    if (err != VC_OK)
        return fail_early(c, k, err, request, rc);
    start(&op, c, k);
    op.esize = 1;
    return choose(&op, 1, true) ? launch(&op, VC_OK, k, request, rc) : pass_on(&op, k);
}

bool vc_post_bcast(struct vc_call *k, MPI_Request *request, int *rc)
{
    struct vc_comm *c = enter(k);
    struct vc_dtype type;
    struct vc_posted op;
    if (!c)
        return false;
    if (k->recv == MPI_IN_PLACE || k->root < 0 || k->root >= c->size ||
        bad_side(k->recv, k->rcount, k->rtype, &type))
        return pass(k, VC_PASS_ARGS);
    size_t count = (size_t)k->rcount;
    if (!size_call(k, count * type.size, 1))
        return false;
    int err = look_back(c);
    if (err != VC_OK)
        return fail_early(c, k, err, request, rc);
    start(&op, c, k);
    if (!choose(&op, 1, true))
        return pass_on(&op, k);
    op.w.recv = k->recv;
    op.esize = type.dense && type.predefined ? type.size : 0;
    if (!type.dense && c->rank != k->root) {
        err = stage_result(&op, &type, count, k->bytes);
    } else if (!type.dense) {
        op.w.recv = packing_room(&op, VC_SCRATCH_RECV, k->bytes);
        err = op.w.recv ? vc_pack(k->recv, count, &type, op.w.recv) : VC_ERR_NOMEM;
    }
    return launch(&op, err, k, request, rc);
}

/* Both sides of allgather and alltoall, as blocks. */
struct sides {
    struct vc_dtype stype, rtype;
    size_t scount, rcount; /* elements of all blocks this rank sends and receives */
    bool in_place;
};

static bool sides_of(struct vc_call *k, const struct vc_comm *c, size_t sblocks, struct sides *s)
{
    s->in_place = k->send == MPI_IN_PLACE;
    if (k->recv == MPI_IN_PLACE || bad_side(k->recv, k->rcount, k->rtype, &s->rtype))
        return pass(k, VC_PASS_ARGS);
    size_t block = (size_t)k->rcount * s->rtype.size;
    s->rcount = (size_t)k->rcount * (size_t)c->size;
    if (s->in_place) {
        s->stype = s->rtype;
        s->scount = (size_t)k->rcount * sblocks;
    } else {
        if (bad_side(k->send, k->scount, k->stype, &s->stype) || (size_t)k->scount * s->stype.size != block)
            return pass(k, VC_PASS_ARGS);
        s->scount = (size_t)k->scount * sblocks;
    }
    return size_call(k, block, (size_t)c->size);
}

/* The two packed buffers: the program's, or vcoll's. */
static int pack_sides(struct vc_posted *op, const struct sides *s, size_t sblocks)
{
    struct vc_call *k = &op->k;
    struct vc_team *t = op->team;
    int err = VC_OK;
    op->w.recv = k->recv;
    if (!s->rtype.dense)
        err = stage_result(op, &s->rtype, s->rcount, k->bytes * (size_t)t->size);
    if (err != VC_OK)
        return err;
    op->w.send = k->send;
    if (s->in_place && vc_coll_info[k->coll].in_place == VC_IN_PLACE_OWN_BLOCK) {
        /* Own block, where the result has it. */
        char *own = (char *)op->w.recv + (size_t)t->rank * k->bytes;
        const char *from = (const char *)k->recv + (ptrdiff_t)t->rank * k->rcount * s->rtype.extent;
        op->w.send = own;
        return s->rtype.dense ? VC_OK : vc_pack(from, (size_t)k->rcount, &s->rtype, own);
    }
    /* In alltoall the send buffer may not be the receive buffer, so in place means a copy. */
    bool copy = s->in_place || k->send == k->recv;
    const void *from = s->in_place ? k->recv : k->send;
    if (s->stype.dense && !copy)
        return VC_OK;
    void *packed = packing_room(op, VC_SCRATCH_SEND, k->bytes * sblocks);
    if (!packed)
        return VC_ERR_NOMEM;
    op->w.send = packed;
    if (!s->stype.dense)
        return vc_pack(from, s->scount, &s->stype, packed);
    memcpy(packed, from, k->bytes * sblocks);
    return VC_OK;
}

bool vc_post_blocks(struct vc_call *k, MPI_Request *request, int *rc)
{
    struct vc_comm *c = enter(k);
    struct sides s;
    struct vc_posted op;
    if (!c)
        return false;
    size_t sblocks = vc_coll_info[k->coll].send.extent == VC_EXTENT_EACH ? (size_t)c->size : 1;
    if (!sides_of(k, c, sblocks, &s))
        return false;
    int err = look_back(c);
    if (err != VC_OK)
        return fail_early(c, k, err, request, rc);
    start(&op, c, k);
    if (!choose(&op, 1, true))
        return pass_on(&op, k);
    op.esize = s.rtype.dense && s.rtype.predefined && k->stype == k->rtype ? s.rtype.size : 0;
    return launch(&op, pack_sides(&op, &s, sblocks), k, request, rc);
}

/* Whether MPI would complain about these buffers, or does not define what they mean. */
static bool bad_buffers(const struct vc_call *k, bool rooted, bool receives)
{
    bool in_place = k->send == MPI_IN_PLACE;
    if (k->rcount < 0 || (in_place && !receives))
        return true;
    if (receives && (k->recv == MPI_IN_PLACE || (rooted && k->send == k->recv)))
        return true;
    return (k->send == NULL || (receives && k->recv == NULL)) && k->rcount > 0;
}

/* What the kernels read and write: the program's buffers, or copies of what lies in a device's memory. */
static int stage_reduction(struct vc_posted *op, const struct vc_reduction *r, bool receives)
{
    struct vc_call *k = &op->k;
    struct vc_dtype in = r->type, out = r->type;
    const void *from = k->send == MPI_IN_PLACE ? k->recv : k->send;
    size_t count = (size_t)k->rcount;
    int err = VC_OK;
    if (VC_UNLIKELY(vc_device_on())) {
        vc_dtype_place(from, &in);
        if (receives)
            vc_dtype_place(k->recv, &out);
    }
    op->redop = r->op;
    op->esize = r->padded ? 0 : r->op.esize;
    op->w.op = &op->redop;
    op->w.send = from;
    op->w.recv = receives ? k->recv : NULL;
    op->padded = r->padded;
    if (receives && (r->padded || out.device))
        err = stage_result(op, &out, count, k->bytes);
    if (err != VC_OK || !in.device)
        return err;
    void *mem = packing_room(op, VC_SCRATCH_SEND, k->bytes);
    if (!mem)
        return VC_ERR_NOMEM;
    op->w.send = mem;
    if (!r->padded)
        return vc_pack(from, count, &in, mem);
    memset(mem, 0, k->bytes);
    return vc_fetch(from, mem, count, &in);
}

static bool post_reduction(struct vc_call *k, bool rooted, MPI_Request *request, int *rc)
{
    struct vc_comm *c = enter(k);
    struct vc_posted op;
    if (!c)
        return false;
    if (rooted && (k->root < 0 || k->root >= c->size))
        return pass(k, VC_PASS_ARGS);
    bool receives = !rooted || c->rank == k->root;
    struct vc_reduction r;
    const struct vc_redop *again = vc_redop_again(k->op, k->rtype);
    if (VC_LIKELY(again != NULL)) { /* what vc_reduction_init() would find */
        r.op = *again;
        r.padded = r.user = false;
        r.type.device = 0;
        r.type.type = k->rtype;
    } else if (!vc_reduction_init(&r, k->op, k->rtype) || r.user) {
        return pass(k, VC_PASS_ARGS);
    }
    if (bad_buffers(k, rooted, receives))
        return pass(k, VC_PASS_ARGS);
    k->bytes = (size_t)k->rcount * r.op.esize;
    if (k->bytes - 1 >= VC_CALL_LIMIT || r.op.esize > VC_NODE_ELEMENT_MAX)
        return pass(k, k->bytes == 0 ? VC_PASS_EMPTY : VC_PASS_LARGE);
    int err = look_back(c);
    if (err != VC_OK)
        return fail_early(c, k, err, request, rc);
    start(&op, c, k);
    if (!choose(&op, r.op.esize, r.op.commutative))
        return pass_on(&op, k);
    return launch(&op, stage_reduction(&op, &r, receives), k, request, rc);
}

bool vc_post_reduce(struct vc_call *k, MPI_Request *request, int *rc)
{
    return post_reduction(k, true, request, rc);
}

bool vc_post_allreduce(struct vc_call *k, MPI_Request *request, int *rc)
{
    return post_reduction(k, false, request, rc);
}

/* ---- around them ---- */

bool vc_post(vc_post_fn *fn, struct vc_call *k, MPI_Request *request, int *rc)
{
    if (!request || vc_params.nonblocking == VC_NONBLOCKING_OFF)
        return false;
    if (vc_gate_open())
        return fn(k, request, rc);
    if (!vc_gate_takes(k))
        return false;
    if (!vc_stats_on())
        return fn(k, request, rc);
    uint64_t begun = vc_now_ns();
    bool taken = fn(k, request, rc);
    if (taken)
        vc_stats_call(k, vc_now_ns() - begun);
    return taken;
}
