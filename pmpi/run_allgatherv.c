/* SPDX-License-Identifier: BSD-3-Clause */
/* Allgatherv: from the user's arguments to packed buffers, through, and back. Every rank knows the lengths of
 * all blocks, so they may decide. */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/quick.h"
#include "pmpi/run.h"
#include "pmpi/vectors.h"
#include "pmpi/view.h"

#include <stdlib.h>
#include <string.h>

/* Offsets of this many ranks lie on the stack. */
#define STACK_RANKS 128

struct sides {
    struct vc_dtype stype, rtype;
    bool in_place;
    bool row;        /* in RECV each block begins where the one before it ends */
    char *first;     /* there: where the first begins */
    size_t longest;  /* block, in bytes */
    size_t *offsets; /* [size + 1] */
};

static char *place_of(const struct vc_call *k, const struct sides *s, int r)
{
    return (char *)((uintptr_t)k->recv + (uintptr_t)(vc_displ_at(k, k->rdispls, r) * s->rtype.extent));
}

static bool bad_sides(struct vc_call *k, struct sides *s)
{
    s->in_place = k->send == MPI_IN_PLACE;
    if (k->recv == MPI_IN_PLACE || !k->rcounts || !k->rdispls || !vc_dtype_of(k->recv, k->rtype, &s->rtype))
        return true;
    if (s->in_place)
        s->stype = s->rtype;
    else if (k->scount < 0 || !vc_dtype_of(k->send, k->stype, &s->stype) ||
             (k->send == NULL && s->stype.predefined && k->scount > 0))
        return true;
    return false;
}

/* Lengths and places of the blocks; false, with k->why, when the underlying MPI gets the call. */
static bool size_call(struct vc_call *k, int size, struct sides *s)
{
    size_t at = 0, esize = s->rtype.size;
    MPI_Aint next = 0;
    bool begun = false;
    s->longest = 0;
    s->row = true;
    s->first = NULL;
    for (int r = 0; r < size; r++) {
        MPI_Count count = vc_count_at(k, k->rcounts, r);
        if (count < 0) {
            k->why = VC_PASS_ARGS;
            return false;
        }
        size_t len = (size_t)count > VC_CALL_LIMIT ? (esize ? VC_CALL_LIMIT + 1 : 0) : (size_t)count * esize;
        s->offsets[r] = at;
        at = len > VC_CALL_LIMIT - at ? VC_CALL_LIMIT + 1 : at + len;
        if (at > VC_CALL_LIMIT) {
            k->why = VC_PASS_LARGE;
            return false;
        }
        s->longest = len > s->longest ? len : s->longest;
        if (len == 0)
            continue;
        MPI_Aint displ = vc_displ_at(k, k->rdispls, r);
        s->row = s->row && (!begun || displ == next);
        if (!begun)
            s->first = place_of(k, s, r);
        begun = true;
        next = displ + (MPI_Aint)count;
    }
    s->offsets[size] = at;
    k->bytes = vc_mean_block(at, size, 1);
    k->why = !begun ? VC_PASS_EMPTY : k->recv == NULL && s->rtype.predefined ? VC_PASS_ARGS : VC_TAKEN;
    return k->why == VC_TAKEN;
}

/* What this rank sends must be what it says that it receives from itself. */
static int check_own(const struct vc_call *k, const struct vc_team *t, const struct sides *s)
{
    size_t own = s->offsets[t->rank + 1] - s->offsets[t->rank], sent = (size_t)k->scount * s->stype.size;
    if (s->in_place || sent == own)
        return VC_OK;
    return vc_fail(VC_ERR_TRUNCATE, "rank %d sends %zu bytes, and expects %zu from itself: the counts differ",
                   t->rank, sent, own);
}

/* Whether blocks are received where they belong. */
static bool is_direct(const struct sides *s)
{
    return s->row && s->rtype.dense;
}

/* The two packed buffers: the user's, or scratch. */
static int pack_sides(const struct vc_call *k, const struct vc_room *room, const struct sides *s,
                      struct vc_call_view *view, struct vc_work *w)
{
    const struct vc_team *t = room->team;
    size_t own = s->offsets[t->rank + 1] - s->offsets[t->rank];
    bool direct = is_direct(s);
    int err = check_own(k, t, s);
    if (err != VC_OK)
        return err;
    w->bytes = s->longest;
    w->at = s->offsets;
    w->recv = direct ? s->first : vc_room_for(room, VC_SCRATCH_RECV, s->offsets[t->size]);
    if (!w->recv)
        return VC_ERR_NOMEM;
    const struct vc_placed blocks = {
        .n = t->size, .base = k->recv, .displs = k->rdispls, .wide = k->wide, .at = s->offsets};
    if (!direct)
        vc_view_placed_result(view, w, &blocks, &s->rtype);
    w->send = k->send;
    if (s->in_place) {
        char *place = (char *)w->recv + s->offsets[t->rank];
        const char *from = place_of(k, s, t->rank);
        w->send = place;
        if (direct || own == 0)
            return VC_OK;
        if (!s->rtype.dense)
            return vc_pack(from, own / s->rtype.size, &s->rtype, place);
        memcpy(place, from, own);
        return VC_OK;
    }
    if (s->stype.dense || own == 0)
        return VC_OK;
    void *packed = vc_room_for(room, VC_SCRATCH_SEND, own);
    if (!packed)
        return VC_ERR_NOMEM;
    w->send = packed;
    /* Two sides that are one buffer are a program's mistake that most MPIs forgive. */
    if (k->send != k->recv && vc_view_data(view, w, k->send, (size_t)k->scount, &s->stype))
        return VC_OK;
    return vc_pack(k->send, (size_t)k->scount, &s->stype, packed);
}

static int unpack(const struct vc_call *k, const struct vc_team *t, const struct sides *s, const char *from)
{
    int err = VC_OK;
    for (int r = 0; err == VC_OK && r < t->size; r++) {
        size_t len = s->offsets[r + 1] - s->offsets[r];
        if (len == 0)
            continue;
        if (s->rtype.dense)
            memcpy(place_of(k, s, r), from + s->offsets[r], len);
        else
            err = vc_unpack(from + s->offsets[r], place_of(k, s, r), len / s->rtype.size, &s->rtype);
    }
    return err;
}

static int run(struct vc_comm *c, struct vc_call *k, struct sides *s)
{
    if (!size_call(k, c->size, s))
        return vc_native(k);
    k->offsets = s->offsets;
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    const struct vc_room room = {.team = c->team};
    struct vc_work w = {0};
    bool direct = is_direct(s), dense = direct && s->stype.dense;
    struct vc_call_view mem, *view = NULL;
    if (err == VC_OK && !dense && vc_view_may(c, k, s->longest))
        view = vc_view_init(&mem);
    if (err == VC_OK)
        err = pack_sides(k, &room, s, view, &w);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK && !direct && !vc_view_unpacks(&w))
        err = unpack(k, c->team, s, w.recv);
    if (c->team && !dense)
        vc_team_scratch_done(c->team);
    else if (err == VC_OK && s->rtype.size) {
        const struct vc_redop none = {.esize = s->rtype.size};
        vc_quick_learn(c, k, &sel, &none);
    }
    return vc_leave(c, k, err);
}

static int no_counts(const struct vc_comm *c)
{
    return vc_fail(VC_ERR_NOMEM, "no memory for the counts of %d ranks", c->size);
}

int vc_run_allgatherv(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    struct sides s;
    if (bad_sides(k, &s))
        return vc_pass(k, VC_PASS_ARGS);
    size_t here[STACK_RANKS + 1];
    s.offsets = here;
    if (c->size <= STACK_RANKS)
        return run(c, k, &s);
    s.offsets = malloc(((size_t)c->size + 1) * sizeof *s.offsets);
    if (!s.offsets)
        return vc_call_failed(c, k, no_counts(c));
    int rc = run(c, k, &s);
    free(s.offsets);
    return rc;
}

static int finish(struct vc_posted *op)
{
    return unpack(&op->k, op->team, op->state, op->w.recv);
}

static int post(struct vc_comm *c, struct vc_call *k, struct sides *s, MPI_Request *request)
{
    struct vc_posted op;
    k->offsets = s->offsets;
    int rc = vc_post_begin(&op, c, k, s, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    const struct vc_room room = vc_post_room(&op);
    bool direct = is_direct(s);
    if (!direct || !s->stype.dense)
        vc_posted_see(&op, s->longest);
    int err = direct ? VC_OK : vc_posted_keep_displs(&op, false);
    if (err == VC_OK)
        err = pack_sides(&op.k, &room, s, op.view, &op.w);
    op.esize = direct ? s->rtype.size : 0;
    if (!direct && !vc_view_unpacks(&op.w)) {
        op.finish = finish;
        if (err == VC_OK && !s->rtype.dense)
            err = vc_posted_keep_type(&op, &s->rtype);
    }
    return vc_post_launch(&op, err, k, request);
}

int vc_post_allgatherv(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    if (!c)
        return VC_POST_PASSES;
    struct sides *s = malloc(sizeof *s + ((size_t)c->size + 1) * sizeof *s->offsets);
    if (!s)
        return vc_post_fail(c, k, no_counts(c), request);
    s->offsets = (size_t *)(s + 1);
    bool bad = bad_sides(k, s);
    if (!bad && size_call(k, c->size, s))
        return post(c, k, s, request);
    free(s);
    return bad ? vc_post_pass(k, VC_PASS_ARGS) : VC_POST_PASSES;
}
