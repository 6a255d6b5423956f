/* SPDX-License-Identifier: BSD-3-Clause */
/* Barrier, broadcast, allgather and alltoall: from the user's arguments to packed buffers, through, and back.
 */
#include "pmpi/pack.h"
#include "pmpi/sides.h"

#include <string.h>

/* A native broadcast of at least so many bytes is told to the node. */
#define BCAST_TOLD 16384

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

/* The counts of other ranks may differ, which is an error, so that their call goes through the node's memory:
 * this tells them not to wait there for ever. Long messages only, because it would cost short ones time. */
static void tell_native_bcast(struct vc_comm *c, const struct vc_call *k)
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
        vc_bad_side(k->recv, k->rcount, k->rtype, &type))
        return vc_pass(k, VC_PASS_ARGS);
    size_t count = (size_t)k->rcount;
    struct vc_selected sel;
    if (!vc_size_call(k, count * type.size, 1))
        return vc_native(k);
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg) {
        tell_native_bcast(c, k);
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
        err = vc_run(c, k, &sel, &w);
    if (!type.dense && err == VC_OK && c->rank != k->root)
        err = vc_unpack(w.recv, k->recv, count, &type);
    if (!type.dense && c->team)
        vc_team_scratch_done(c->team);
    else if (err == VC_OK)
        vc_learn(c, k, &sel, type.size);
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
static int pack_sides(struct vc_call *k, struct vc_team *t, const struct sides *s, size_t sblocks,
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
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    struct vc_work w = {.bytes = k->bytes};
    if (err == VC_OK)
        err = pack_sides(k, c->team, &s, sblocks, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK && w.recv != k->recv)
        err = vc_unpack(w.recv, k->recv, s.rcount, &s.rtype);
    if (c->team && (w.recv != k->recv || w.send != k->send))
        vc_team_scratch_done(c->team);
    else if (err == VC_OK && s.rtype.dense)
        vc_learn(c, k, &sel, s.rtype.size);
    return vc_leave(c, k, err);
}
