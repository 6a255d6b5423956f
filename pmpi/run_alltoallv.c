/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Alltoallv and alltoallw: where each block lies, packed where its type has gaps. Only the two ranks of a
 * pair know a length, so nothing that is looked at before the selection decides anything but errors of the
 * arguments (Law 1).
 */
#include "pmpi/pack.h"
#include "pmpi/post.h"
#include "pmpi/run.h"
#include "pmpi/vectors.h"
#include "pmpi/view.h"

#include <stdlib.h>
#include <string.h>

/* Blocks of this many ranks are described on the stack. */
#define STACK_RANKS 64

/* One block in the user's memory. */
struct block {
    char *at;
    size_t count;
    struct vc_dtype type;
    bool seen; /* a view unpacks it */
};

/* One side of a call. */
struct side {
    const void *buf;
    const void *counts, *displs;
    const MPI_Datatype *types; /* NULL: all blocks have `type`, and displacements are in its extents */
    MPI_Datatype type;
};

static struct side side_of(const struct vc_call *k, bool sends)
{
    if (sends)
        return (struct side){k->send, k->scounts, k->sdispls, k->stypes, k->stype};
    return (struct side){k->recv, k->rcounts, k->rdispls, k->rtypes, k->rtype};
}

static bool lacks_arrays(const struct vc_call *k, const struct side *s)
{
    return !s->counts || !s->displs || (k->coll == VC_ALLTOALLW && !s->types);
}

static size_t bytes_of(const struct block *b)
{
    return b->count * b->type.size;
}

/* Describes the blocks of a side; false where MPI will complain about it. */
static bool find_blocks(const struct vc_call *k, const struct side *s, int n, struct block *b)
{
    for (int r = 0; r < n; r++) {
        MPI_Count count = vc_count_at(k, s->counts, r);
        MPI_Aint displ = vc_displ_at(k, s->displs, r);
        MPI_Datatype type = s->types ? s->types[r] : s->type;
        if (count < 0)
            return false;
        if (r > 0 && type == b[r - 1].type.type && !vc_device_on())
            b[r].type = b[r - 1].type;
        else if (!vc_dtype_get(type, &b[r].type))
            return false;
        b[r].count = (size_t)count;
        b[r].seen = false;
        b[r].at = (char *)((uintptr_t)s->buf + (uintptr_t)(s->types ? displ : displ * b[r].type.extent));
        if (b[r].at == NULL) /* no buffer: the MPI's own pack reports it */
            b[r].type.dense = b[r].type.dense && b[r].type.predefined;
        if (s->buf == NULL && b[r].type.predefined && count > 0)
            return false;
        if (VC_UNLIKELY(vc_device_on()) && count > 0)
            vc_dtype_place(b[r].at, &b[r].type);
    }
    return true;
}

/* Elements at a time, as many as vc_pack() takes. */
static size_t piece_of(const struct block *b)
{
    size_t n = VC_CALL_LIMIT / b->type.size;
    return n < 1 ? 1 : n;
}

static int pack_block(const struct block *b, char *to)
{
    int err = VC_OK;
    size_t most = piece_of(b);
    for (size_t i = 0, n; err == VC_OK && i < b->count; i += n) {
        n = vc_min_size(b->count - i, most);
        err = vc_pack(b->at + (ptrdiff_t)i * b->type.extent, n, &b->type, to + i * b->type.size);
    }
    return err;
}

static int unpack_block(const struct block *b, const char *from)
{
    int err = VC_OK;
    size_t most = piece_of(b);
    for (size_t i = 0, n; err == VC_OK && i < b->count; i += n) {
        n = vc_min_size(b->count - i, most);
        err = vc_unpack(from + i * b->type.size, b->at + (ptrdiff_t)i * b->type.extent, n, &b->type);
    }
    return err;
}

/* The call as pairs see it. */
struct work {
    int n;
    struct block *send, *recv; /* [n] */
    struct vc_pairs pairs;     /* dst_len follows src_len */
};

/* Scratch for the blocks of a side that are packed; `all`: every one is. NULL with *err, or none is needed.
 */
static char *scratch_for(const struct vc_room *room, enum vc_scratch which, const struct block *b, int n,
                         bool all, int *err)
{
    size_t sum = 0;
    for (int r = 0; r < n; r++)
        sum += all || !b[r].type.dense ? bytes_of(&b[r]) : 0;
    char *mem = sum > 0 ? vc_room_for(room, which, sum) : NULL;
    if (sum > 0 && !mem)
        *err = VC_ERR_NOMEM;
    return mem;
}

/* In place, what is sent lies where the result goes: it is copied first. */
static int place_sends(const struct vc_room *room, struct work *w, struct vc_call_view *view, bool in_place)
{
    int err = VC_OK;
    const struct block *b = in_place ? w->recv : w->send;
    char *scratch = scratch_for(room, VC_SCRATCH_SEND, b, w->n, in_place, &err);
    for (int r = 0; err == VC_OK && r < w->n; r++) {
        size_t len = bytes_of(&b[r]);
        w->pairs.src_len[r] = len;
        w->pairs.src[r] = b[r].at;
        if (len == 0 || (b[r].type.dense && !in_place))
            continue;
        if (b[r].type.dense)
            memcpy(scratch, b[r].at, len);
        else if (!vc_view_block(view, true, r, b[r].at, b[r].count, &b[r].type))
            err = pack_block(&b[r], scratch);
        w->pairs.src[r] = scratch;
        scratch += len;
    }
    return err;
}

/* Whether some block has to be packed. */
static bool has_gaps(const struct work *w, bool in_place)
{
    for (int r = 0; r < w->n; r++)
        if (!w->recv[r].type.dense || (!in_place && !w->send[r].type.dense))
            return true;
    return false;
}

static int check_own(int rank, const struct vc_pairs *v)
{
    if (v->src_len[rank] == v->dst_len[rank])
        return VC_OK;
    return vc_fail(VC_ERR_TRUNCATE, "rank %d sends %zu bytes to itself, and expects %zu: the counts differ",
                   rank, v->src_len[rank], v->dst_len[rank]);
}

static int place_receives(const struct vc_room *room, struct work *w, struct vc_call_view *view)
{
    int err = VC_OK;
    char *scratch = scratch_for(room, VC_SCRATCH_RECV, w->recv, w->n, false, &err);
    for (int r = 0; err == VC_OK && r < w->n; r++) {
        struct block *b = &w->recv[r];
        size_t len = bytes_of(b);
        w->pairs.dst_len[r] = len;
        w->pairs.dst[r] = b->at;
        if (len == 0 || b->type.dense)
            continue;
        w->pairs.dst[r] = scratch;
        scratch += len;
        b->seen = vc_view_block(view, false, r, b->at, b->count, &b->type);
    }
    return err == VC_OK ? check_own(room->team->rank, &w->pairs) : err;
}

/* Whether the block from rank r is unpacked in the end. */
static bool is_packed(const struct work *w, int r)
{
    return w->pairs.dst[r] != w->recv[r].at && w->pairs.dst_len[r] > 0 && !w->recv[r].seen;
}

static int take_results(struct work *w)
{
    int err = VC_OK;
    for (int r = 0; err == VC_OK && r < w->n; r++)
        if (is_packed(w, r))
            err = unpack_block(&w->recv[r], w->pairs.dst[r]);
    return err;
}

/* For the statistics alone. */
static size_t mean_sent(const struct block *b, int n)
{
    size_t sum = 0;
    for (int r = 0; r < n; r++)
        sum += bytes_of(&b[r]);
    return sum / (size_t)n;
}

/* Types without gaps on both sides, one for all blocks, which is what most programs have: the blocks as they
 * lie. False: they are not so, or MPI will complain. */
static bool find_plain(const struct vc_call *k, int n, const struct vc_pairs *v, size_t *sent)
{
    struct vc_dtype stype, rtype;
    if (k->stypes || k->send == MPI_IN_PLACE || k->recv == MPI_IN_PLACE || !k->send || !k->recv ||
        !k->scounts || !k->rcounts || !k->sdispls || !k->rdispls || vc_device_on() ||
        !vc_dtype_get(k->stype, &stype) || !vc_dtype_get(k->rtype, &rtype) || !stype.dense || !rtype.dense)
        return false;
    *sent = 0;
    for (int r = 0; r < n; r++) {
        MPI_Count given = vc_count_at(k, k->scounts, r), taken = vc_count_at(k, k->rcounts, r);
        if (given < 0 || taken < 0)
            return false;
        v->src[r] = (const char *)k->send + vc_displ_at(k, k->sdispls, r) * stype.extent;
        v->dst[r] = (char *)k->recv + vc_displ_at(k, k->rdispls, r) * rtype.extent;
        v->src_len[r] = (size_t)given * stype.size;
        v->dst_len[r] = (size_t)taken * rtype.size;
        *sent += v->src_len[r];
    }
    return true;
}

static int run_plain(struct vc_comm *c, struct vc_call *k, const struct vc_pairs *v, size_t sent)
{
    struct vc_selected sel;
    struct vc_work work = {.pairs = v};
    k->bytes = sent / (size_t)c->size;
    k->pairs = v->src_len;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    if (err == VC_OK)
        err = check_own(c->rank, v);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &work);
    return vc_leave(c, k, err);
}

/* Describes the blocks of both sides; false where MPI will complain about them. */
static bool find_sides(struct vc_call *k, struct work *w)
{
    bool in_place = k->send == MPI_IN_PLACE;
    struct side send = side_of(k, true), recv = side_of(k, false);
    if (k->recv == MPI_IN_PLACE || lacks_arrays(k, &recv) || (!in_place && lacks_arrays(k, &send)) ||
        !find_blocks(k, &recv, w->n, w->recv) || (!in_place && !find_blocks(k, &send, w->n, w->send)))
        return false;
    k->bytes = mean_sent(in_place ? w->recv : w->send, w->n);
    for (int r = 0; r < w->n; r++) {
        w->pairs.src_len[r] = bytes_of(in_place ? &w->recv[r] : &w->send[r]);
        w->pairs.dst_len[r] = bytes_of(&w->recv[r]);
    }
    k->pairs = w->pairs.src_len;
    return true;
}

static int run(struct vc_comm *c, struct vc_call *k, struct work *w)
{
    size_t sent;
    if (find_plain(k, c->size, &w->pairs, &sent))
        return run_plain(c, k, &w->pairs, sent);
    if (!find_sides(k, w))
        return vc_pass(k, VC_PASS_ARGS);
    struct vc_selected sel;
    int err = vc_select_call(c, k, 1, true, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    const struct vc_room room = {.team = c->team};
    struct vc_work work = {.pairs = &w->pairs};
    /* Two sides that are one buffer are a program's mistake that most MPIs forgive. */
    bool in_place = k->send == MPI_IN_PLACE, one = in_place || k->send == k->recv;
    struct vc_call_view mem, *view = NULL;
    if (err == VC_OK && has_gaps(w, in_place) && vc_view_may(c, k, 0))
        view = vc_view_init(&mem);
    vc_view_pairs(view, &work, w->n);
    if (err == VC_OK)
        err = place_sends(&room, w, one ? NULL : view, in_place);
    if (err == VC_OK)
        err = place_receives(&room, w, view);
    if (err == VC_OK)
        err = vc_run(c, k, &sel, &work);
    if (err == VC_OK)
        err = take_results(w);
    vc_view_drop(view);
    if (c->team)
        vc_team_scratch_done(c->team);
    return vc_leave(c, k, err);
}

/* Room for n blocks on each side, in one piece. NULL: out of memory, with the text of the error. */
static struct work *make_work(int ranks)
{
    size_t n = (size_t)ranks;
    struct work *w = malloc(sizeof *w + 2 * n * (sizeof(struct block) + sizeof(char *) + sizeof(size_t)));
    if (!w) {
        vc_fail(VC_ERR_NOMEM, "no memory for the blocks of %d ranks", ranks);
        return NULL;
    }
    w->n = ranks;
    w->send = (struct block *)(w + 1);
    w->recv = w->send + n;
    w->pairs.src = (const char **)(void *)(w->recv + n);
    w->pairs.dst = (char **)(void *)(w->pairs.src + n);
    w->pairs.src_len = (size_t *)(void *)(w->pairs.dst + n);
    w->pairs.dst_len = w->pairs.src_len + n;
    return w;
}

int vc_run_alltoallv(struct vc_call *k)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    struct block blocks[2 * STACK_RANKS];
    const char *src[STACK_RANKS];
    char *dst[STACK_RANKS];
    size_t lens[2 * STACK_RANKS], n = (size_t)c->size;
    struct work w = {.n = c->size, .send = blocks, .recv = blocks + n, .pairs = {src, dst, lens, lens + n}};
    if (c->size <= STACK_RANKS)
        return run(c, k, &w);
    struct work *own = make_work(c->size);
    if (!own)
        return vc_call_failed(c, k, VC_ERR_NOMEM);
    int rc = run(c, k, own);
    free(own);
    return rc;
}

/* Blocks whose types have gaps need their types to the end. */
static int keep_types(struct vc_posted *op, struct work *w)
{
    int err = VC_OK;
    for (int r = 0; err == VC_OK && r < w->n; r++) {
        struct vc_dtype *type = &w->recv[r].type;
        MPI_Datatype given = type->type;
        if (!is_packed(w, r))
            continue;
        err = vc_posted_keep_type(op, type);
        /* Those that follow and are the same share the duplicate. */
        for (; err == VC_OK && r + 1 < w->n && w->recv[r + 1].type.type == given; r++)
            w->recv[r + 1].type.type = type->type;
    }
    return err;
}

static int finish(struct vc_posted *op)
{
    return take_results(op->state);
}

static int post(struct vc_comm *c, struct vc_call *k, struct work *w, bool plain, MPI_Request *request)
{
    struct vc_posted op;
    int rc = vc_post_begin(&op, c, k, w, 1, true, request);
    if (rc != MPI_SUCCESS)
        return rc;
    op.w.pairs = &w->pairs;
    if (plain)
        return vc_post_launch(&op, check_own(c->rank, &w->pairs), k, request);
    const struct vc_room room = vc_post_room(&op);
    bool in_place = k->send == MPI_IN_PLACE, one = in_place || k->send == k->recv;
    if (has_gaps(w, in_place))
        vc_posted_see(&op, 0);
    vc_view_pairs(op.view, &op.w, w->n);
    int err = place_sends(&room, w, one ? NULL : op.view, in_place);
    if (err == VC_OK)
        err = place_receives(&room, w, op.view);
    if (op.mem[VC_SCRATCH_RECV]) {
        op.finish = finish;
        if (err == VC_OK)
            err = keep_types(&op, w);
    }
    return vc_post_launch(&op, err, k, request);
}

int vc_post_alltoallv(struct vc_call *k, MPI_Request *request)
{
    struct vc_comm *c = vc_post_enter(k);
    if (!c)
        return VC_POST_PASSES;
    struct work *w = make_work(c->size);
    if (!w)
        return vc_post_fail(c, k, VC_ERR_NOMEM, request);
    size_t sent;
    bool plain = find_plain(k, c->size, &w->pairs, &sent);
    if (plain)
        k->bytes = sent / (size_t)c->size;
    if (plain || find_sides(k, w))
        return post(c, k, w, plain, request);
    free(w);
    return vc_post_pass(k, VC_PASS_ARGS);
}
