/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gatherv and scatterv: where each block lies at the root, packed where its type has gaps. Only its owner and
 * the root know a block's length, so no length decides anything but errors of the arguments (Law 1).
 */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/sides.h"
#include "pmpi/vectors.h"
#include "pmpi/view.h"

#include <stdlib.h>
#include <string.h>

/* Blocks of so many ranks are described on the stack. */
#define STACK_RANKS 64

struct blocks {
    bool gathers, root, in_place;
    const void *own;
    size_t own_count;
    struct vc_dtype own_type;
    /* At the root; if that is `own` as well, a program's mistake that most MPIs forgive. */
    void *all;
    struct vc_dtype all_type;
    size_t *lens, *at; /* [size], [size + 1] where each is in w.recv or w.send, with the end of the last */
    bool packed;       /* in scratch, one after the other */
};

static const void *counts_of(const struct vc_call *k, bool gathers)
{
    return gathers ? k->rcounts : k->scounts;
}

static MPI_Aint displ_at(const struct vc_call *k, bool gathers, int r)
{
    return vc_displ_at(k, gathers ? k->rdispls : k->sdispls, r);
}

/* The root's arguments; false where the MPI will complain. */
static bool find_all(const struct vc_call *k, const struct vc_comm *c, struct blocks *b)
{
    MPI_Datatype type = b->gathers ? k->rtype : k->stype;
    size_t sum = 0;
    b->all = b->gathers ? k->recv : (void *)(uintptr_t)k->send;
    if (b->all == MPI_IN_PLACE || !counts_of(k, b->gathers) || !(b->gathers ? k->rdispls : k->sdispls) ||
        !vc_dtype_of(b->all, type, &b->all_type))
        return false;
    for (int r = 0; r < c->size; r++) {
        MPI_Count count = vc_count_at(k, counts_of(k, b->gathers), r);
        if (count < 0)
            return false;
        b->lens[r] = (size_t)count * b->all_type.size;
        b->at[r] = sum;
        sum += b->lens[r];
    }
    b->at[c->size] = sum;
    return b->all || !b->all_type.predefined || sum == 0;
}

static bool find_blocks(struct vc_call *k, const struct vc_comm *c, struct blocks *b)
{
    MPI_Datatype type = b->gathers ? k->stype : k->rtype;
    b->own = b->gathers ? k->send : k->recv;
    b->root = c->rank == k->root;
    b->in_place = b->own == MPI_IN_PLACE;
    if (k->root < 0 || k->root >= c->size || (b->in_place && !b->root) || (b->root && !find_all(k, c, b)))
        return false;
    if (b->in_place) {
        k->bytes = b->lens[c->rank];
        return true;
    }
    if (k->count < 0 || !vc_dtype_of(b->own, type, &b->own_type) ||
        (b->own == NULL && b->own_type.predefined && k->count > 0))
        return false;
    b->own_count = (size_t)k->count;
    k->bytes = b->own_count * b->own_type.size;
    return !b->root || k->bytes == b->lens[c->rank];
}

/* The place of rank r's block in the program's buffer. */
static char *place_of(const struct vc_call *k, const struct blocks *b, int r)
{
    return (char *)((uintptr_t)b->all + (uintptr_t)(displ_at(k, b->gathers, r) * b->all_type.extent));
}

/* Whether blocks follow each other in the program's buffer as they would in scratch. */
static bool in_order(const struct vc_call *k, const struct blocks *b, int n)
{
    const char *begin = NULL;
    for (int r = 0; r < n; r++) {
        if (b->lens[r] == 0)
            continue;
        const char *place = place_of(k, b, r);
        if (!begin)
            begin = place - b->at[r];
        if (place != begin + b->at[r])
            return false;
    }
    return true;
}

/* ---- packing ---- */

/* Elements between the program's memory and `packed`, as many at a time as vc_pack() takes. */
static int move_elements(char *user, char *packed, size_t count, const struct vc_dtype *type, bool pack)
{
    size_t most = type->size ? VC_CALL_LIMIT / type->size : 1;
    int err = VC_OK;
    if (type->size == 0)
        return VC_OK;
    if (type->dense) {
        memcpy(pack ? packed : user, pack ? user : packed, count * type->size);
        return VC_OK;
    }
    for (size_t i = 0, n; err == VC_OK && i < count; i += n) {
        n = vc_min_size(count - i, most ? most : 1);
        char *u = user + (ptrdiff_t)i * type->extent, *p = packed + i * type->size;
        err = pack ? vc_pack(u, n, type, p) : vc_unpack(p, u, n, type);
    }
    return err;
}

/* Blocks of all ranks, but for the own one where that is in place already. */
static int move_blocks(const struct vc_call *k, const struct vc_team *t, const struct blocks *b, char *packed,
                       bool pack)
{
    int err = VC_OK;
    for (int r = 0; err == VC_OK && r < t->size; r++)
        if (b->lens[r] > 0 && !(b->in_place && r == t->rank))
            err = move_elements(place_of(k, b, r), packed + b->at[r], b->lens[r] / b->all_type.size,
                                &b->all_type, pack);
    return err;
}

/* The root's buffer, and in `at` where blocks are in it. Plans want them in order, node algorithms anywhere.
 */
static int place_blocks(const struct vc_call *k, const struct vc_room *room, bool plan, struct blocks *b,
                        struct vc_call_view *view, struct vc_work *w, char **mem)
{
    const struct vc_team *t = room->team;
    if (b->packed) {
        const struct vc_placed blocks = {.n = t->size,
                                         .base = b->all,
                                         .displs = b->gathers ? k->rdispls : k->sdispls,
                                         .wide = k->wide,
                                         .at = b->at};
        *mem = vc_room_for(room, b->gathers ? VC_SCRATCH_RECV : VC_SCRATCH_SEND, b->at[t->size]);
        if (!*mem)
            return VC_ERR_NOMEM;
        if (b->gathers)
            vc_view_placed_result(view, w, &blocks, &b->all_type);
        else if (b->own == b->all || !vc_view_placed_data(view, w, &blocks, &b->all_type))
            return move_blocks(k, t, b, *mem, true);
        return VC_OK;
    }
    if (plan) {
        *mem = NULL;
        for (int r = 0; r < t->size && !*mem; r++)
            if (b->lens[r] > 0)
                *mem = place_of(k, b, r) - b->at[r];
        return VC_OK;
    }
    *mem = b->all;
    for (int r = 0; r < t->size; r++)
        b->at[r] = (size_t)(displ_at(k, b->gathers, r) * b->all_type.extent);
    return VC_OK;
}

/* This rank's own block; `mem`: the root's buffer. */
static int place_own(const struct vc_call *k, const struct vc_room *room, const struct blocks *b,
                     struct vc_call_view *view, struct vc_work *w, const char *mem, char **own)
{
    const struct vc_team *t = room->team;
    char *among = b->root ? (char *)((uintptr_t)mem + b->at[t->rank]) : NULL;
    if (b->in_place) {
        /* Where packed, the own block alone is not there yet (gather), or is to be nowhere else (scatter). */
        *own = among;
        return b->packed && b->gathers
                   ? move_elements(place_of(k, b, t->rank), among,
                                   b->all_type.size ? b->lens[t->rank] / b->all_type.size : 0, &b->all_type,
                                   true)
                   : VC_OK;
    }
    *own = (char *)(uintptr_t)b->own;
    if (b->own_type.dense)
        return VC_OK;
    *own = vc_room_for(room, b->gathers ? VC_SCRATCH_SEND : VC_SCRATCH_RECV, k->bytes);
    if (!*own)
        return VC_ERR_NOMEM;
    char *mine = (char *)(uintptr_t)b->own;
    if (!b->gathers)
        vc_view_result(view, w, mine, b->own_count, &b->own_type);
    else if (b->own == b->all || !vc_view_data(view, w, mine, b->own_count, &b->own_type))
        return move_elements(mine, *own, b->own_count, &b->own_type, true);
    return VC_OK;
}

/* Both buffers: the program's, or packed. */
static int place_all(const struct vc_call *k, const struct vc_room *room, bool plan, struct blocks *b,
                     struct vc_call_view *view, struct vc_work *w)
{
    char *mem = NULL, *own = NULL;
    *w = (struct vc_work){.bytes = k->bytes, .at = b->at, .lens = b->lens};
    int err = b->root ? place_blocks(k, room, plan, b, view, w, &mem) : VC_OK;
    if (err == VC_OK)
        err = place_own(k, room, b, view, w, mem, &own);
    w->send = b->gathers ? own : mem;
    w->recv = b->gathers ? mem : own;
    return err;
}

/* Whether a side has to be packed. `plan`: it wants blocks in order. */
static bool find_gaps(const struct vc_call *k, bool plan, int n, struct blocks *b)
{
    b->packed = b->root && (!b->all_type.dense || (plan && !in_order(k, b, n)));
    return b->packed || (!b->in_place && !b->own_type.dense);
}

/* Which type the result is unpacked with in the end; NULL: it is where it belongs. */
static struct vc_dtype *result_type(const struct vc_work *w, struct blocks *b)
{
    if (vc_view_unpacks(w))
        return NULL;
    if (b->gathers)
        return b->root && b->packed ? &b->all_type : NULL;
    return !b->in_place && w->recv != b->own ? &b->own_type : NULL;
}

static int unpack(const struct vc_call *k, const struct vc_team *t, const struct blocks *b,
                  const struct vc_work *w)
{
    return b->gathers ? move_blocks(k, t, b, w->recv, false)
                      : move_elements((char *)(uintptr_t)b->own, w->recv, b->own_count, &b->own_type, false);
}

static int run_blocks(struct vc_comm *c, struct vc_call *k, const struct vc_selected *sel, struct blocks *b)
{
    struct vc_team *t = c->team;
    const struct vc_room room = {.team = t};
    struct vc_work w;
    bool plan = sel->alg->kind == VC_ALG_PLAN, gaps = find_gaps(k, plan, t->size, b);
    struct vc_call_view mem, *view = gaps && vc_view_may(c, k, k->bytes) ? vc_view_init(&mem) : NULL;
    int err = place_all(k, &room, plan, b, view, &w);
    if (err == VC_OK)
        err = vc_run(c, k, sel, &w);
    if (err == VC_OK && result_type(&w, b))
        err = unpack(k, t, b, &w);
    if (gaps)
        vc_team_scratch_done(t);
    if (err == VC_OK && !b->in_place && b->own_type.dense) {
        struct vc_call like = *k;
        like.rtype = b->own_type.type;
        vc_learn(c, &like, sel, b->own_type.size);
    }
    return err;
}

static int run(struct vc_comm *c, struct vc_call *k, struct blocks *b)
{
    struct vc_selected sel;
    if (!find_blocks(k, c, b))
        return vc_pass(k, VC_PASS_ARGS);
    k->why = VC_TAKEN;
    k->offsets = b->root ? b->at : NULL;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    return vc_leave(c, k, err == VC_OK ? run_blocks(c, k, &sel, b) : err);
}

static int no_blocks(const struct vc_comm *c)
{
    return vc_fail(VC_ERR_NOMEM, "no memory for the blocks of %d ranks", c->size);
}

static int run_rooted_any(struct vc_call *k, bool gathers)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    size_t stack[2 * STACK_RANKS + 1], n = c->rank == k->root ? (size_t)c->size : 0;
    struct blocks b = {.gathers = gathers, .lens = stack, .at = stack + n};
    if (n <= STACK_RANKS)
        return run(c, k, &b);
    b.lens = malloc((2 * n + 1) * sizeof *b.lens);
    if (!b.lens)
        return vc_call_failed(c, k, no_blocks(c));
    b.at = b.lens + n;
    int rc = run(c, k, &b);
    free(b.lens);
    return rc;
}

static int finish_blocks(struct vc_posted *op)
{
    return unpack(&op->k, op->team, op->state, &op->w);
}

static int post_blocks(struct vc_comm *c, struct vc_call *k, struct blocks *b, MPI_Request *request)
{
    struct vc_posted op;
    k->why = VC_TAKEN;
    k->offsets = b->root ? b->at : NULL;
    int rc = vc_post_begin(&op, c, k, b, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    const struct vc_room room = vc_post_room(&op);
    int err = VC_OK;
    if (find_gaps(k, op.by_plan, c->size, b))
        vc_posted_see(&op, k->bytes);
    if (b->packed) /* looked at in the end, or meanwhile */
        err = vc_posted_keep_displs(&op, !b->gathers);
    if (err == VC_OK)
        err = place_all(&op.k, &room, op.by_plan, b, op.view, &op.w);
    struct vc_dtype *type = err == VC_OK ? result_type(&op.w, b) : NULL;
    if (!b->in_place && b->own_type.dense) {
        op.esize = b->own_type.size;
        op.etype = b->own_type.type;
    }
    if (type) {
        op.finish = finish_blocks;
        err = vc_posted_keep_type(&op, type);
    }
    return vc_post_launch(&op, err, k, request);
}

static int post_rooted_any(struct vc_call *k, bool gathers, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    if (!c)
        return VC_POST_PASSES;
    size_t n = c->rank == k->root ? (size_t)c->size : 0;
    struct blocks *b = calloc(1, sizeof *b + (2 * n + 1) * sizeof *b->lens);
    if (!b)
        return vc_post_fail(c, k, no_blocks(c), request);
    b->gathers = gathers;
    b->lens = (size_t *)(b + 1);
    b->at = b->lens + n;
    if (find_blocks(k, c, b))
        return post_blocks(c, k, b, request);
    free(b);
    return vc_post_pass(k, VC_PASS_ARGS);
}

int vc_run_gatherv(struct vc_call *k)
{
    return run_rooted_any(k, true);
}

int vc_run_scatterv(struct vc_call *k)
{
    return run_rooted_any(k, false);
}

int vc_post_gatherv(struct vc_call *k, MPI_Request *request)
{
    return post_rooted_any(k, true, request);
}

int vc_post_scatterv(struct vc_call *k, MPI_Request *request)
{
    return post_rooted_any(k, false, request);
}
