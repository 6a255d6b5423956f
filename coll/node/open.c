/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk slots whose memory comes with the first operation that needs them (vc_node_cfg.opener). All ranks find
 * that an operation is this one, because they find its ring alike. Each makes its own memory; an allreduce in
 * tiny slots tells whether all could, before any rank touches another's. Where some could not, none has bulk
 * slots from then on, and messages of any length go through small ones.
 *
 * What other ranks call may have another length. The allreduce therefore compares lengths, too. In
 * broadcasts that does not help: one of another length on another rank may not need bulk slots. So that this
 * ends with an error, as it does elsewhere, ranks first say that a broadcast of their length goes by other
 * means, as vc_node_pass() does, and agree only once the root has said the same: what they publish next could
 * be taken for another operation.
 */
#include "coll/node/tree.h"

#include <stdlib.h>

#define LOOK_EVERY 16

/* What the ranks agree on: the least of each. */
struct lowest {
    uint64_t without;         /* local index of a rank without memory; UINT64_MAX: all have some */
    uint64_t len, complement; /* of the call, and ~len; both 0 where each rank has a length of its own */
};

/* Of a node whose bulk slots are not there yet. */
struct vc_opening {
    struct vc_node_opener with;
    struct vc_node_call call; /* the allreduce */
    struct vc_redop least_of;
    struct lowest mine, least;
    bool passing, said; /* a broadcast: the root is still to say the same; this rank has said it */
    uint64_t passed;    /* in this tiny slot */
    unsigned idle;
};

/* The node, and each group of its tree that this rank is in. */
static void for_each_flat(struct vc_node *nd, void (*fn)(struct vc_node *))
{
    fn(nd);
    for (int t = 0; nd->tree && t <= nd->tree->last; t++) {
        fn(nd->tree->tier[t].up);
        if (nd->tree->tier[t].down)
            fn(nd->tree->tier[t].down);
    }
}

static void close_bulk(struct vc_node *nd)
{
    nd->bulk_cap = nd->bulk.cap;
    nd->bulk.cap = 0;
}

static void open_bulk(struct vc_node *nd)
{
    nd->bulk.cap = nd->bulk_cap;
}

int vc_open_init(struct vc_node *nd, const struct vc_node_opener *with)
{
    if (nd->n < 2 || nd->bulk.cap == 0)
        return VC_OK;
    struct vc_opening *o = nd->opening = calloc(1, sizeof *o);
    if (!o)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", nd->n);
    o->with = *with;
    vc_redop_init(&o->least_of, VC_OP_MIN, VC_T_UINT64);
    for_each_flat(nd, close_bulk);
    nd->plain = false;
    return VC_OK;
}

bool vc_open_needed(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (vc_tree_takes(nd, c))
        return c->len * (c->kind == VC_PHASE_ALLGATHER ? nd->tree->padded_blocks : 1) > VC_SMALL_SLOT;
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (i->few_know)
        return true;
    /* Ranks that are wrong about a length of a block must find out where all others are. What may go directly
     * must not open them, because whether it does is each rank's own affair. */
    if (i->uneven && !i->reduces)
        return (ptrdiff_t)c->len > nd->straight_max[c->kind][1];
    return !vc_node_cma_wanted(nd, c) && vc_slots_need(nd, c) > VC_SMALL_SLOT;
}

/* Begins the allreduce. It says the length of the call, so that a rank in a shorter one finds out. */
static int agree(struct vc_node *nd, const struct vc_node_call *c)
{
    struct vc_node_call *call = &nd->opening->call;
    int err = vc_flat_start(nd, call);
    if (err == VC_OK && !vc_phase_info[c->kind].few_know)
        call->st.says = c->len;
    return err;
}

int vc_open_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_opening *o = nd->opening;
    o->idle = 0;
    o->said = false;
    o->passing = c->kind == VC_PHASE_BCAST;
    if (o->passing)
        o->passed = nd->tiny.pos++;
    if (vc_tree_takes_some(nd, c))
        vc_tree_pass(nd->tree, c->len);
    bool known = !vc_phase_info[c->kind].few_know;
    o->mine = (struct lowest){
        .without = o->with.commit(o->with.arg) == VC_OK ? UINT64_MAX : (uint64_t)nd->me,
        .len = known ? c->len : 0,
        .complement = known ? ~(uint64_t)c->len : 0,
    };
    o->call = (struct vc_node_call){.kind = VC_PHASE_ALLREDUCE,
                                    .alg = VC_NODE_SLOTS,
                                    .parts = 1,
                                    .src = &o->mine,
                                    .dst = &o->least,
                                    .len = sizeof o->mine,
                                    .op = &o->least_of,
                                    .grain = sizeof o->mine.len};
    c->st.ring = NULL;
    c->st.says = c->len;
    c->st.phase = VC_OPENING;
    return o->passing ? VC_OK : agree(nd, c);
}

/* 1: the broadcast's length was compared, and the allreduce has begun. 0: not yet. Negative: failed. */
static int pass_on(struct vc_node *nd, const struct vc_node_call *c, int *whom)
{
    struct vc_opening *o = nd->opening;
    if (!o->said && !vc_say_passed(nd, c->len, o->passed, whom))
        return 0;
    o->said = true;
    if (nd->me != c->root) {
        int rc = vc_passed_check(nd, c, o->passed, o->idle++ % LOOK_EVERY == 0);
        *whom = c->root;
        if (rc <= 0)
            return rc;
    }
    vc_set_done(nd, &nd->tiny, o->passed + 1);
    o->passing = false;
    int err = agree(nd, c);
    return err == VC_OK ? 1 : err;
}

static void end_opening(struct vc_node *nd)
{
    struct vc_opening *o = nd->opening;
    if (o->least.without == UINT64_MAX)
        for_each_flat(nd, open_bulk);
    else
        o->with.refused(o->with.arg, o->least.without == (uint64_t)nd->me);
    nd->opening = NULL;
    nd->plain = !nd->tree;
    free(o);
}

int vc_open_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_opening *o = nd->opening;
    int rc = o->passing ? pass_on(nd, c, whom) : 1;
    if (rc > 0)
        rc = vc_flat_progress(nd, &o->call, whom);
    if (rc <= 0)
        return rc;
    if (o->least.len != 0 && o->least.len != ~o->least.complement)
        return vc_fail(VC_ERR_TRUNCATE,
                       "rank %d comes with %zu bytes, and the ranks of the node with %zu to %zu: the counts "
                       "differ",
                       vc_node_rank(nd, nd->me), c->len, (size_t)o->least.len, (size_t)~o->least.complement);
    end_opening(nd);
    return rc;
}
