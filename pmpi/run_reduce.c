/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions: for the root, for all ranks, to blocks, and scans. */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/quick.h"
#include "pmpi/redop.h"
#include "pmpi/run.h"
#include "pmpi/vectors.h"

#include <stdlib.h>
#include <string.h>

/* Offsets of this many ranks lie on the stack. */
#define STACK_RANKS 128

/* What a call asks of this rank. */
struct form {
    int root;      /* -1: several ranks receive */
    bool receives; /* this rank does */
    bool has_recv; /* its receive buffer means something: an operand in place, or the result */
    size_t blocks; /* 1, or that many in the send buffer, of which this rank receives one */
};

/* Both sides of a reduction, and where their elements are. */
struct sides {
    const void *from;
    struct vc_dtype in, out;
    size_t scount, rcount;
    bool receives;
    bool apart;       /* the operand lies where the result is to be, but it must not be built there */
    const size_t *at; /* as vc_work.at */
    size_t longest;
};

static void sides_of(const struct vc_call *k, const struct vc_dtype *type, const struct form *f,
                     struct sides *s)
{
    s->from = k->send == MPI_IN_PLACE ? k->recv : k->send;
    s->in = s->out = *type;
    s->rcount = (size_t)k->rcount;
    s->scount = s->rcount * f->blocks;
    s->receives = f->receives;
    s->apart = f->blocks > 1 && s->from == k->recv;
    s->at = NULL;
    s->longest = k->bytes;
    if (VC_LIKELY(!vc_device_on()))
        return;
    vc_dtype_place(s->from, &s->in);
    if (f->receives)
        vc_dtype_place(k->recv, &s->out);
}

/* What the kernels read: packed, or with the gaps of pairs. */
static int stage_in(const struct vc_reduction *r, const struct sides *s, size_t count, void *to, size_t bytes)
{
    if (!r->padded)
        return vc_pack(s->from, count, &s->in, to);
    memset(to, 0, bytes);
    return vc_fetch(s->from, to, count, &s->in);
}

static int stage_out(const struct vc_reduction *r, const struct sides *s, const void *from, void *to,
                     size_t count)
{
    if (!r->padded)
        return vc_unpack(from, to, count, &s->out);
    if (s->out.device)
        return vc_store(from, to, count, &s->out);
    vc_reduction_copy(r, from, to, count);
    return VC_OK;
}

/* Whether the result goes to a buffer of vcoll's first. */
static bool is_staged(const struct vc_reduction *r, const struct sides *s)
{
    return s->receives && (r->packed || r->padded || s->out.device || s->apart);
}

/* Both buffers: the program's, or packed. */
static int place_sides(const struct vc_call *k, const struct vc_room *room, const struct vc_reduction *r,
                       const struct sides *s, struct vc_work *w)
{
    size_t bytes = s->scount * r->op.esize;
    w->send = s->from;
    w->recv = s->receives ? k->recv : NULL;
    w->bytes = s->longest;
    w->at = s->at;
    if (is_staged(r, s) && !(w->recv = vc_room_for(room, VC_SCRATCH_RECV, s->rcount * r->op.esize)))
        return VC_ERR_NOMEM;
    if (!r->packed && !s->in.device)
        return VC_OK;
    void *mem = vc_room_for(room, VC_SCRATCH_SEND, bytes);
    w->send = mem;
    return mem ? stage_in(r, s, s->scount, mem, bytes) : VC_ERR_NOMEM;
}

/* The rare layouts: packed elements of a user's operator, pairs whose gaps must survive, memory of devices,
 * blocks in place. */
static int run_layout(struct vc_comm *c, struct vc_call *k, const struct vc_selected *sel,
                      struct vc_reduction *r, const struct sides *s)
{
    const struct vc_room room = {.team = c->team};
    struct vc_work w = {.op = &r->op};
    int err = vc_reduction_begin(r, s->scount);
    if (err == VC_OK)
        err = place_sides(k, &room, r, s, &w);
    if (err == VC_OK)
        err = vc_run(c, k, sel, &w);
    err = vc_reduction_end(r, err);
    if (err == VC_OK && is_staged(r, s))
        err = stage_out(r, s, w.recv, k->recv, s->rcount);
    vc_team_scratch_done(c->team);
    return err;
}

/* Whether MPI would complain about these buffers, or does not define what they mean. `plain`: the type has no
 * addresses of its own, so that NULL is no buffer. */
static inline bool bad_buffers(const struct vc_call *k, const struct form *f, bool plain)
{
    bool in_place = k->send == MPI_IN_PLACE;
    if (k->rcount < 0 || (in_place && !f->has_recv))
        return true;
    if (f->has_recv && (k->recv == MPI_IN_PLACE || (f->root >= 0 && k->send == k->recv)))
        return true;
    return plain && (k->send == NULL || ((f->receives || in_place) && k->recv == NULL)) && k->rcount > 0;
}

/* The size of the call; false, with k->why, when it is the underlying MPI's for that reason. */
static inline bool size_reduction(struct vc_call *k, size_t esize, size_t blocks)
{
    k->bytes = (size_t)k->rcount * esize;
    if (VC_LIKELY(k->bytes - 1 < VC_CALL_LIMIT / blocks && esize <= VC_NODE_ELEMENT_MAX))
        return true;
    k->why = k->bytes == 0 ? VC_PASS_EMPTY : VC_PASS_LARGE;
    return false;
}

static inline int run_plain(struct vc_comm *c, struct vc_call *k, const struct vc_redop *op, bool receives)
{
    struct vc_selected sel;
    int err = vc_select_call(c, k, op->esize, op->commutative, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    struct vc_work w = {
        .send = k->send == MPI_IN_PLACE ? k->recv : k->send,
        .recv = receives ? k->recv : NULL,
        .bytes = k->bytes,
        .op = op,
    };
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &w);
    if (err == VC_OK)
        vc_quick_learn(c, k, &sel, op);
    return vc_leave(c, k, err);
}

/* A pair that this thread did not use last, a user's operator, a layout with gaps, or blocks in place. */
static int run_any(struct vc_comm *c, struct vc_call *k, const struct form *f)
{
    struct vc_reduction r;
    if (k->rcount < 0 || !vc_reduction_init(&r, k->op, k->rtype) || bad_buffers(k, f, r.type.predefined))
        return vc_pass(k, VC_PASS_ARGS);
    if (!size_reduction(k, r.op.esize, f->blocks))
        return vc_native(k);
    struct sides s;
    sides_of(k, &r.type, f, &s);
    if (!r.user && !r.padded && !s.in.device && !s.out.device && !s.apart)
        return run_plain(c, k, &r.op, f->receives);
    struct vc_selected sel;
    int err = vc_select_call(c, k, r.op.esize, r.op.commutative, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    return vc_leave(c, k, err == VC_OK ? run_layout(c, k, &sel, &r, &s) : err);
}

static inline int run_reduction(struct vc_comm *c, struct vc_call *k, struct form f)
{
    const struct vc_redop *again = vc_redop_again(k->op, k->rtype);
    bool apart = f.blocks > 1 && (k->send == MPI_IN_PLACE || k->send == k->recv);
    if (VC_UNLIKELY(!again || apart))
        return run_any(c, k, &f);
    if (VC_UNLIKELY(bad_buffers(k, &f, true)))
        return vc_pass(k, VC_PASS_ARGS);
    if (VC_UNLIKELY(!size_reduction(k, again->esize, f.blocks)))
        return vc_native(k);
    return run_plain(c, k, again, f.receives);
}

/* ---- nonblocking ---- */

/* What the end of an operation needs. */
struct state {
    struct vc_reduction r;
    struct sides s;
    size_t offsets[]; /* [size + 1] reduce_scatter's */
};

static int finish(struct vc_posted *op)
{
    const struct state *st = op->state;
    return stage_out(&st->r, &st->s, op->w.recv, op->k.recv, st->s.rcount);
}

/* After vc_post_begin(). */
static int place_posted(struct vc_posted *op, struct state *st)
{
    const struct vc_room room = vc_post_room(op);
    op->redop = st->r.op;
    op->w.op = &op->redop;
    op->esize = st->r.padded ? 0 : st->r.op.esize;
    return place_sides(&op->k, &room, &st->r, &st->s, &op->w);
}

/* The operator and type of a call, unless the program may free the operator: as vc_reduction_init(). */
static bool find_predefined(const struct vc_call *k, struct vc_reduction *r)
{
    const struct vc_redop *again = vc_redop_again(k->op, k->rtype);
    if (VC_UNLIKELY(!again))
        return vc_reduction_init(r, k->op, k->rtype) && !r->user;
    r->op = *again;
    r->packed = r->padded = r->user = false;
    r->type = (struct vc_dtype){.type = k->rtype, .size = again->esize, .predefined = true, .dense = true};
    return true;
}

static int post_reduction(struct vc_comm *c, struct vc_call *k, struct form f, MPI_Request *request)
{
    struct state st;
    struct vc_posted op;
    if (!find_predefined(k, &st.r) || bad_buffers(k, &f, true))
        return vc_post_pass(k, VC_PASS_ARGS);
    if (!size_reduction(k, st.r.op.esize, f.blocks))
        return VC_POST_PASSES;
    int rc = vc_post_begin(&op, c, k, NULL, st.r.op.esize, st.r.op.commutative, request);
    if (rc != MPI_SUCCESS)
        return rc;
    sides_of(k, &st.r.type, &f, &st.s);
    int err = place_posted(&op, &st);
    if (err == VC_OK && is_staged(&st.r, &st.s))
        err = vc_post_result(&op, finish, &st, sizeof st, &st.s.out);
    return vc_post_launch(&op, err, k, request);
}

/* ---- each form ---- */

static struct form rooted_form(const struct vc_comm *c, const struct vc_call *k)
{
    bool root = c->rank == k->root;
    return (struct form){k->root, root, root, 1};
}

static struct form blocks_form(const struct vc_comm *c)
{
    return (struct form){-1, true, true, (size_t)c->size};
}

static struct form scan_form(const struct vc_comm *c)
{
    return (struct form){-1, c->rank > 0, true, 1};
}

static const struct form all_form = {-1, true, true, 1};

int vc_post_reduce(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    if (!c)
        return VC_POST_PASSES;
    if (k->root < 0 || k->root >= c->size)
        return vc_post_pass(k, VC_PASS_ARGS);
    return post_reduction(c, k, rooted_form(c, k), request);
}

int vc_post_allreduce(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    return c ? post_reduction(c, k, all_form, request) : VC_POST_PASSES;
}

int vc_post_exscan(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    return c ? post_reduction(c, k, scan_form(c), request) : VC_POST_PASSES;
}

int vc_post_reduce_blocks(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    return c ? post_reduction(c, k, blocks_form(c), request) : VC_POST_PASSES;
}

int vc_run_reduce(struct vc_call *k)
{
    if (VC_UNLIKELY(k->root < 0))
        return vc_pass(k, VC_PASS_ARGS);
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    if (VC_UNLIKELY(k->root >= c->size))
        return vc_pass(k, VC_PASS_ARGS);
    return run_reduction(c, k, rooted_form(c, k));
}

int vc_run_allreduce(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    return c ? run_reduction(c, k, all_form) : vc_native(k);
}

int vc_run_exscan(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    return c ? run_reduction(c, k, scan_form(c)) : vc_native(k);
}

int vc_run_reduce_blocks(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    return c ? run_reduction(c, k, blocks_form(c)) : vc_native(k);
}

/* ---- blocks of unequal lengths ---- */

/* Where the blocks begin, the longest of them, and their mean; false, with k->why, when the underlying MPI
 * gets the call. */
static bool size_blocks(struct vc_call *k, int size, size_t esize, size_t *offsets, size_t *longest)
{
    size_t at = 0;
    *longest = 0;
    for (int r = 0; r < size; r++) {
        MPI_Count count = vc_count_at(k, k->rcounts, r);
        if (count < 0) {
            k->why = VC_PASS_ARGS;
            return false;
        }
        if (esize > VC_NODE_ELEMENT_MAX || (esize && (size_t)count > (VC_CALL_LIMIT - at) / esize)) {
            k->why = VC_PASS_LARGE;
            return false;
        }
        offsets[r] = at;
        at += (size_t)count * esize;
        if ((size_t)count * esize > *longest)
            *longest = (size_t)count * esize;
    }
    offsets[size] = at;
    k->why = at ? VC_TAKEN : VC_PASS_EMPTY;
    k->bytes = at ? vc_mean_block(at, size, esize) : 0;
    return at > 0;
}

/* Where the blocks lie, and which of them is this rank's: k and *s, but for what sides_of() looks at, which
 * is set after the selection. False, with k->why: the underlying MPI gets the call. */
static bool find_uneven(const struct vc_comm *c, struct vc_call *k, const struct vc_reduction *r,
                        size_t *offsets, size_t *longest)
{
    const struct form f = blocks_form(c);
    if (!size_blocks(k, c->size, r->op.esize, offsets, longest))
        return false;
    k->rcount = (int)((offsets[c->rank + 1] - offsets[c->rank]) / r->op.esize);
    k->offsets = offsets;
    if (!bad_buffers(k, &f, r->type.predefined) && (k->send != NULL || !r->type.predefined))
        return true;
    k->why = VC_PASS_ARGS;
    return false;
}

static void uneven_sides_of(const struct vc_comm *c, const struct vc_call *k, const struct vc_reduction *r,
                            size_t longest, struct sides *s)
{
    const struct form f = blocks_form(c);
    sides_of(k, &r->type, &f, s);
    s->scount = k->offsets[c->size] / r->op.esize;
    s->apart = s->from == k->recv;
    s->at = k->offsets;
    s->longest = longest;
}

static int run_uneven(struct vc_comm *c, struct vc_call *k, struct vc_reduction *r, size_t *offsets)
{
    size_t longest;
    if (!find_uneven(c, k, r, offsets, &longest))
        return vc_native(k);
    struct vc_selected sel;
    int err = vc_select_call(c, k, r->op.esize, r->op.commutative, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    struct sides s;
    uneven_sides_of(c, k, r, longest, &s);
    return vc_leave(c, k, err == VC_OK ? run_layout(c, k, &sel, r, &s) : err);
}

static int no_counts(const struct vc_comm *c)
{
    return vc_fail(VC_ERR_NOMEM, "no memory for the counts of %d ranks", c->size);
}

int vc_run_reduce_scatter(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    struct vc_reduction r;
    size_t here[STACK_RANKS + 1], *offsets = here;
    if (!c)
        return vc_native(k);
    if (!k->rcounts || !vc_reduction_init(&r, k->op, k->rtype))
        return vc_pass(k, VC_PASS_ARGS);
    if (c->size > STACK_RANKS && !(offsets = malloc(((size_t)c->size + 1) * sizeof *offsets)))
        return vc_call_failed(c, k, no_counts(c));
    int rc = run_uneven(c, k, &r, offsets);
    if (offsets != here)
        free(offsets);
    return rc;
}

static int post_uneven(struct vc_comm *c, struct vc_call *k, struct state *st, size_t longest,
                       MPI_Request *request)
{
    struct vc_posted op;
    int rc = vc_post_begin(&op, c, k, st, st->r.op.esize, st->r.op.commutative, request);
    if (rc != MPI_SUCCESS)
        return rc;
    uneven_sides_of(c, k, &st->r, longest, &st->s);
    int err = place_posted(&op, st);
    op.esize = 0;
    op.finish = is_staged(&st->r, &st->s) ? finish : NULL;
    return vc_post_launch(&op, err, k, request);
}

int vc_post_reduce_scatter(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    struct vc_reduction r;
    size_t longest;
    if (!c)
        return VC_POST_PASSES;
    if (!k->rcounts || !find_predefined(k, &r))
        return vc_post_pass(k, VC_PASS_ARGS);
    struct state *st = malloc(sizeof *st + ((size_t)c->size + 1) * sizeof st->offsets[0]);
    if (!st)
        return vc_post_fail(c, k, no_counts(c), request);
    st->r = r;
    if (find_uneven(c, k, &st->r, st->offsets, &longest))
        return post_uneven(c, k, st, longest, request);
    free(st);
    return VC_POST_PASSES;
}
