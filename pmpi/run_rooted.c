/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather and scatter: from the user's arguments to packed buffers, through, and back. */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/sides.h"
#include "pmpi/view.h"

#include <string.h>

/* The arguments that mean something on this rank: its own block, and at the root the blocks of all ranks. */
struct blocks {
    const void *own;
    void *all;                   /* NULL: this rank is not the root */
    size_t own_count, all_count; /* elements of a block */
    struct vc_dtype own_type, all_type;
    bool in_place;   /* the own block lies in `all`, where it belongs */
    bool one_buffer; /* two sides that are one buffer: a program's mistake that most MPIs forgive */
};

/* Looks at the arguments; false, with k->why, when the underlying MPI gets the call. */
static bool find_blocks(struct vc_call *k, const struct vc_comm *c, bool gathers, struct blocks *b)
{
    const void *own = gathers ? k->send : k->recv, *all = gathers ? k->recv : k->send;
    int own_count = gathers ? k->scount : k->rcount, all_count = gathers ? k->rcount : k->scount;
    MPI_Datatype own_type = gathers ? k->stype : k->rtype, all_type = gathers ? k->rtype : k->stype;
    bool root = c->rank == k->root;
    size_t block = 0;
    memset(b, 0, sizeof *b);
    b->in_place = own == MPI_IN_PLACE;
    k->why = VC_PASS_ARGS;
    if (k->root < 0 || k->root >= c->size || (b->in_place && !root))
        return false;
    if (root) {
        if (all == MPI_IN_PLACE || vc_bad_side(all, all_count, all_type, &b->all_type))
            return false;
        block = (size_t)all_count * b->all_type.size;
        b->all = (void *)(uintptr_t)all;
        b->all_count = (size_t)all_count;
        b->one_buffer = own == all;
    }
    if (!b->in_place) {
        if (vc_bad_side(own, own_count, own_type, &b->own_type))
            return false;
        size_t mine = (size_t)own_count * b->own_type.size;
        if (root && mine != block)
            return false;
        block = mine;
        b->own = own;
        b->own_count = (size_t)own_count;
    }
    k->why = VC_TAKEN;
    return vc_size_call(k, block, (size_t)c->size);
}

/* The own block among those of all ranks, as the program has them. */
static const void *own_among(const struct blocks *b, const struct vc_team *t)
{
    return (const char *)b->all + (ptrdiff_t)t->rank * (ptrdiff_t)b->all_count * b->all_type.extent;
}

/* The packed buffers of a gather: the user's, or scratch. */
static int pack_gather(const struct vc_call *k, const struct vc_room *room, const struct blocks *b,
                       struct vc_call_view *view, struct vc_work *w)
{
    const struct vc_team *t = room->team;
    if (b->all) {
        w->recv = b->all_type.dense ? b->all : vc_room_for(room, VC_SCRATCH_RECV, k->bytes * (size_t)t->size);
        if (!w->recv)
            return VC_ERR_NOMEM;
        if (!b->all_type.dense)
            vc_view_result(view, w, b->all, b->all_count * (size_t)t->size, &b->all_type);
    }
    if (b->in_place) {
        char *own = (char *)w->recv + (size_t)t->rank * k->bytes;
        w->send = own;
        return b->all_type.dense ? VC_OK : vc_pack(own_among(b, t), b->all_count, &b->all_type, own);
    }
    w->send = b->own;
    if (b->own_type.dense && !b->one_buffer)
        return VC_OK;
    void *packed = vc_room_for(room, VC_SCRATCH_SEND, k->bytes);
    w->send = packed;
    if (!packed)
        return VC_ERR_NOMEM;
    if (!b->one_buffer && vc_view_data(view, w, b->own, b->own_count, &b->own_type))
        return VC_OK;
    if (!b->own_type.dense)
        return vc_pack(b->own, b->own_count, &b->own_type, packed);
    memcpy(packed, b->own, k->bytes);
    return VC_OK;
}

static int pack_scatter(const struct vc_call *k, const struct vc_room *room, const struct blocks *b,
                        struct vc_call_view *view, struct vc_work *w)
{
    const struct vc_team *t = room->team;
    w->send = b->all;
    if (b->all && !b->all_type.dense) {
        void *packed = vc_room_for(room, VC_SCRATCH_SEND, k->bytes * (size_t)t->size);
        w->send = packed;
        if (!packed)
            return VC_ERR_NOMEM;
        size_t count = b->all_count * (size_t)t->size;
        bool seen = !b->one_buffer && vc_view_data(view, w, b->all, count, &b->all_type);
        int err = seen ? VC_OK : vc_pack(b->all, count, &b->all_type, packed);
        if (err != VC_OK)
            return err;
    }
    if (b->in_place)
        w->recv = (char *)(uintptr_t)w->send + (size_t)t->rank * k->bytes;
    else if (b->own_type.dense && !b->one_buffer)
        w->recv = (void *)(uintptr_t)b->own;
    else if (!(w->recv = vc_room_for(room, VC_SCRATCH_RECV, k->bytes)))
        return VC_ERR_NOMEM;
    else if (!b->one_buffer)
        vc_view_result(view, w, (void *)(uintptr_t)b->own, b->own_count, &b->own_type);
    return VC_OK;
}

/* What a rank has received in scratch, to where the program wants it. */
static int unpack(const struct vc_call *k, const struct vc_team *t, const struct blocks *b, bool gathers,
                  const struct vc_work *w)
{
    if (vc_view_unpacks(w))
        return VC_OK;
    if (gathers)
        return b->all && w->recv != b->all
                   ? vc_unpack(w->recv, b->all, b->all_count * (size_t)t->size, &b->all_type)
                   : VC_OK;
    void *own = (void *)(uintptr_t)b->own;
    if (b->in_place || w->recv == own)
        return VC_OK;
    if (!b->own_type.dense)
        return vc_unpack(w->recv, own, b->own_count, &b->own_type);
    memcpy(own, w->recv, k->bytes);
    return VC_OK;
}

/* Whether no scratch was used, so that later calls like this one may be quick. */
static bool is_dense(const struct blocks *b)
{
    return !b->one_buffer && (!b->all || b->all_type.dense) && (b->in_place || b->own_type.dense);
}

/* On the other ranks only one of the two types means something. */
static const struct vc_dtype *element_of(const struct blocks *b)
{
    return b->in_place ? &b->all_type : &b->own_type;
}

static int run_rooted(struct vc_call *k, bool gathers)
{
    struct vc_comm *c = vc_enter(k);
    struct blocks b;
    if (!c || !find_blocks(k, c, gathers, &b))
        return vc_native(k);
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    const struct vc_room room = {.team = c->team};
    struct vc_work w = {.bytes = k->bytes};
    struct vc_call_view mem, *view = NULL;
    if (err == VC_OK && !is_dense(&b) && vc_view_may(c, k, k->bytes))
        view = vc_view_init(&mem);
    if (err == VC_OK)
        err = gathers ? pack_gather(k, &room, &b, view, &w) : pack_scatter(k, &room, &b, view, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK)
        err = unpack(k, c->team, &b, gathers, &w);
    if (c->team && !is_dense(&b)) {
        vc_team_scratch_done(c->team);
    } else if (err == VC_OK) {
        struct vc_call like = *k;
        like.rtype = element_of(&b)->type;
        vc_learn(c, &like, &sel, element_of(&b)->size);
    }
    return vc_leave(c, k, err);
}

/* Which type the result is unpacked with in the end; NULL: it is where it belongs. */
static struct vc_dtype *result_type(const struct vc_work *w, bool gathers, struct blocks *b)
{
    if (vc_view_unpacks(w))
        return NULL;
    if (gathers)
        return b->all && w->recv != b->all ? &b->all_type : NULL;
    return !b->in_place && w->recv != b->own ? &b->own_type : NULL;
}

static int finish_rooted(struct vc_posted *op)
{
    return unpack(&op->k, op->team, op->state, op->k.coll == VC_GATHER, &op->w);
}

static int post_rooted(struct vc_call *k, bool gathers, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    struct blocks b;
    struct vc_posted op;
    if (!c || !find_blocks(k, c, gathers, &b))
        return VC_POST_PASSES;
    int rc = vc_post_begin(&op, c, k, NULL, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    const struct vc_room room = vc_post_room(&op);
    if (!is_dense(&b))
        vc_posted_see(&op, k->bytes);
    int err =
        gathers ? pack_gather(k, &room, &b, op.view, &op.w) : pack_scatter(k, &room, &b, op.view, &op.w);
    struct vc_dtype *type = err == VC_OK ? result_type(&op.w, gathers, &b) : NULL;
    op.esize = is_dense(&b) ? element_of(&b)->size : 0;
    op.etype = element_of(&b)->type;
    if (type)
        err = vc_post_result(&op, finish_rooted, &b, sizeof b, type);
    return vc_post_launch(&op, err, k, request);
}

int vc_run_gather(struct vc_call *k)
{
    return run_rooted(k, true);
}

int vc_run_scatter(struct vc_call *k)
{
    return run_rooted(k, false);
}

int vc_post_gather(struct vc_call *k, MPI_Request *request)
{
    return post_rooted(k, true, request);
}

int vc_post_scatter(struct vc_call *k, MPI_Request *request)
{
    return post_rooted(k, false, request);
}
