/* SPDX-License-Identifier: BSD-3-Clause */
/* Barrier, broadcast, allgather and alltoall: from the user's arguments to packed buffers, through, and back.
 */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/sides.h"
#include "pmpi/view.h"

#include <string.h>

int vc_run_barrier(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    struct vc_work w = {0};
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK)
        vc_learn(c, k, &sel, 1);
    return vc_leave(c, k, err);
}

int vc_post_barrier(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    struct vc_posted op;
    if (!c)
        return VC_POST_PASSES;
    int rc = vc_post_begin(&op, c, k, NULL, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    op.esize = 1;
    return vc_post_launch(&op, VC_OK, k, request);
}

/* Looks at the arguments; false, with k->why, when the underlying MPI gets the call. */
static bool message_of(struct vc_call *k, const struct vc_comm *c, struct vc_dtype *type)
{
    k->why = VC_PASS_ARGS;
    if (k->recv == MPI_IN_PLACE || k->root < 0 || k->root >= c->size ||
        vc_bad_side(k->recv, k->rcount, k->rtype, type))
        return false;
    k->why = VC_TAKEN;
    return vc_size_call(k, (size_t)k->rcount * type->size, 1);
}

static int pack_message(const struct vc_call *k, const struct vc_room *room, const struct vc_dtype *type,
                        struct vc_call_view *view, struct vc_work *w)
{
    bool root = room->team->rank == k->root;
    w->recv = k->recv;
    if (type->dense)
        return VC_OK;
    w->recv = vc_room_for(room, VC_SCRATCH_RECV, k->bytes);
    if (!w->recv)
        return VC_ERR_NOMEM;
    if (!root)
        vc_view_result(view, w, k->recv, (size_t)k->rcount, type);
    else if (!vc_view_data(view, w, k->recv, (size_t)k->rcount, type))
        return vc_pack(k->recv, (size_t)k->rcount, type, w->recv);
    return VC_OK;
}

/* Whether the result, received as packed data, is still to be unpacked. */
static bool is_packed(const struct vc_work *w, const void *result)
{
    return w->recv != result && !vc_view_unpacks(w);
}

int vc_run_bcast(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    struct vc_dtype type;
    if (!c || !message_of(k, c, &type))
        return vc_native(k);
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);

    const struct vc_room room = {.team = c->team};
    struct vc_work w = {.bytes = k->bytes};
    struct vc_call_view mem, *view = NULL;
    if (err == VC_OK && !type.dense && vc_view_may(c, k, k->bytes))
        view = vc_view_init(&mem);
    if (err == VC_OK)
        err = pack_message(k, &room, &type, view, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK && c->rank != k->root && is_packed(&w, k->recv))
        err = vc_unpack(w.recv, k->recv, (size_t)k->rcount, &type);
    if (!type.dense && c->team)
        vc_team_scratch_done(c->team);
    else if (err == VC_OK)
        vc_learn(c, k, &sel, type.size);
    return vc_leave(c, k, err);
}

static int finish_message(struct vc_posted *op)
{
    return vc_unpack(op->w.recv, op->k.recv, (size_t)op->k.rcount, op->state);
}

int vc_post_bcast(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    struct vc_dtype type;
    struct vc_posted op;
    if (!c || !message_of(k, c, &type))
        return VC_POST_PASSES;
    int rc = vc_post_begin(&op, c, k, NULL, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    const struct vc_room room = vc_post_room(&op);
    if (!type.dense)
        vc_posted_see(&op, k->bytes);
    int err = pack_message(k, &room, &type, op.view, &op.w);
    op.esize = type.dense && type.predefined ? type.size : 0;
    if (err == VC_OK && c->rank != k->root && is_packed(&op.w, k->recv))
        err = vc_post_result(&op, finish_message, &type, sizeof type, &type);
    return vc_post_launch(&op, err, k, request);
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
    if (k->recv == MPI_IN_PLACE || vc_bad_side(k->recv, k->rcount, k->rtype, &s->rtype))
        return false;
    size_t block = (size_t)k->rcount * s->rtype.size;
    if (s->in_place) {
        s->stype = s->rtype;
        s->scount = (size_t)k->rcount * sblocks;
    } else {
        if (vc_bad_side(k->send, k->scount, k->stype, &s->stype) ||
            (size_t)k->scount * s->stype.size != block)
            return false;
        s->scount = (size_t)k->scount * sblocks;
    }
    s->rcount = (size_t)k->rcount * (size_t)c->size;
    k->why = VC_TAKEN;
    return vc_size_call(k, block, (size_t)c->size);
}

/* The two packed buffers: the user's, or scratch. */
static int pack_sides(const struct vc_call *k, const struct vc_room *room, const struct sides *s,
                      size_t sblocks, struct vc_call_view *view, struct vc_work *w)
{
    const struct vc_team *t = room->team;
    w->recv = k->recv;
    if (!s->rtype.dense && !(w->recv = vc_room_for(room, VC_SCRATCH_RECV, k->bytes * (size_t)t->size)))
        return VC_ERR_NOMEM;
    if (!s->rtype.dense)
        vc_view_result(view, w, k->recv, s->rcount, &s->rtype);
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
    void *packed = vc_room_for(room, VC_SCRATCH_SEND, k->bytes * sblocks);
    if (!packed)
        return VC_ERR_NOMEM;
    w->send = packed;
    if (!copy && vc_view_data(view, w, from, s->scount, &s->stype))
        return VC_OK;
    if (!s->stype.dense)
        return vc_pack(from, s->scount, &s->stype, packed);
    memcpy(packed, from, k->bytes * sblocks);
    return VC_OK;
}

/* Blocks in the send buffer. */
static size_t blocks_sent(const struct vc_call *k, const struct vc_comm *c)
{
    return vc_coll_info[k->coll].send.extent == VC_EXTENT_EACH ? (size_t)c->size : 1;
}

int vc_run_blocks(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    size_t sblocks = blocks_sent(k, c);
    struct sides s;
    if (!sides_of(k, c, sblocks, &s))
        return vc_native(k);
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    const struct vc_room room = {.team = c->team};
    struct vc_work w = {.bytes = k->bytes};
    bool dense = s.stype.dense && s.rtype.dense;
    struct vc_call_view mem, *view = NULL;
    if (err == VC_OK && !dense && vc_view_may(c, k, k->bytes))
        view = vc_view_init(&mem);
    if (err == VC_OK)
        err = pack_sides(k, &room, &s, sblocks, view, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK && is_packed(&w, k->recv))
        err = vc_unpack(w.recv, k->recv, s.rcount, &s.rtype);
    if (c->team && (w.recv != k->recv || w.send != k->send))
        vc_team_scratch_done(c->team);
    else if (err == VC_OK && s.rtype.dense)
        vc_learn(c, k, &sel, s.rtype.size);
    return vc_leave(c, k, err);
}

static int finish_blocks(struct vc_posted *op)
{
    const struct sides *s = op->state;
    return vc_unpack(op->w.recv, op->k.recv, s->rcount, &s->rtype);
}

int vc_post_blocks(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    if (!c)
        return VC_POST_PASSES;
    size_t sblocks = blocks_sent(k, c);
    struct sides s;
    if (!sides_of(k, c, sblocks, &s))
        return VC_POST_PASSES;
    struct vc_posted op;
    int rc = vc_post_begin(&op, c, k, NULL, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    const struct vc_room room = vc_post_room(&op);
    if (!s.stype.dense || !s.rtype.dense)
        vc_posted_see(&op, k->bytes);
    int err = pack_sides(k, &room, &s, sblocks, op.view, &op.w);
    op.esize = s.rtype.dense && s.rtype.predefined && k->stype == k->rtype ? s.rtype.size : 0;
    if (err == VC_OK && is_packed(&op.w, k->recv))
        err = vc_post_result(&op, finish_blocks, &s, sizeof s, &s.rtype);
    return vc_post_launch(&op, err, k, request);
}
