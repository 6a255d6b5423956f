/* SPDX-License-Identifier: BSD-3-Clause */
/* One random call: what all ranks agree on comes from the shared stream, how a rank lays out its memory from
 * its own. */
#include "differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRANULES = 6 };
static const size_t granules[GRANULES] = {1, 1, 2, 3, 4, 12};

static const int weights[C_COUNT] = {
    [C_BARRIER] = 4,    [C_BCAST] = 10,         [C_REDUCE] = 10,
    [C_ALLREDUCE] = 16, [C_ALLGATHER] = 10,     [C_ALLTOALL] = 10,
    [C_GATHER] = 8,     [C_GATHERV] = 2,        [C_SCATTER] = 8,
    [C_SCATTERV] = 2,   [C_ALLGATHERV] = 8,     [C_ALLTOALLV] = 8,
    [C_ALLTOALLW] = 8,  [C_REDUCE_SCATTER] = 6, [C_REDUCE_SCATTER_BLOCK] = 8,
    [C_SCAN] = 8,       [C_EXSCAN] = 8,
};

static bool is_rooted(enum coll_id c)
{
    return c == C_BCAST || c == C_REDUCE || c == C_GATHER || c == C_GATHERV || c == C_SCATTER ||
           c == C_SCATTERV;
}

/* Where MPI, or the underlying MPI's age, keeps intercommunicators out of trouble. */
static bool fine_between_groups(enum coll_id c)
{
    return c == C_BARRIER || c == C_BCAST || c == C_REDUCE || c == C_ALLREDUCE || c == C_ALLGATHER ||
           c == C_ALLTOALL;
}

static enum coll_id choose(struct rng *g, const struct limits *lim, bool inter)
{
    for (int tries = 0; tries < 1000; tries++) {
        int total = 0, c = 0;

        if (lim->favour >= 0 && !rng_once_in(g, 4)) {
            c = lim->favour;
        } else {
            for (int i = 0; i < C_COUNT; i++)
                total += weights[i];
            for (int w = rng_below(g, total); w >= weights[c]; c++)
                w -= weights[c];
        }
        if (lim->only && !(lim->only >> c & 1))
            continue;
        if (!inter || fine_between_groups((enum coll_id)c))
            return (enum coll_id)c;
    }
    return C_BARRIER;
}

/* Atoms per block: mostly few, now and then as many as the limit allows. */
static size_t amount(struct rng *g, size_t granule, size_t most)
{
    static const size_t ceilings[] = {1, 1, 4, 16, 16, 64, 64, 64, 300, 300, 1200, 5000, 5000, 70000};
    size_t top = ceilings[rng_below(g, (int)(sizeof ceilings / sizeof *ceilings))], n;

    if (rng_once_in(g, 12))
        return 0;
    if (rng_once_in(g, 60))
        top = most;
    if (top > most)
        top = most;
    n = top ? 1 + rng_next(g) % top : 0;
    return n < granule ? (most >= granule ? granule : 0) : n / granule * granule;
}

static size_t divisor(struct rng *l, size_t granule)
{
    size_t d;

    do
        d = 1 + (size_t)rng_below(l, (int)granule);
    while (granule % d != 0);
    return d;
}

static void draw_signature(struct trial *t, struct rng *g, bool reduction, bool simple, enum coll_id coll)
{
    struct signature *s = &t->sig;

    s->nfields = 1;
    t->mode = V_BITS;
    if (reduction && rng_once_in(g, 4)) {
        static struct basic u64;
        t->op = op_user_random(g);
        u64 = (struct basic){.name = "UINT64_T",
                             .type = MPI_UINT64_T,
                             .kind = B_UINT,
                             .size = 8,
                             .npieces = 1,
                             .piece = {{0, 8}}};
        s->nfields = t->op->fields;
        for (int i = 0; i < s->nfields; i++)
            s->field[i] = &u64;
    } else if (reduction) {
        s->field[0] = basic_random_reducible(g, &t->op);
        t->mode = t->op->mode;
        bool real = s->field[0]->kind == B_FLOAT || s->field[0]->kind == B_LDOUBLE;
        bool sum = strcmp(t->op->name, "SUM") == 0, prod = strcmp(t->op->name, "PROD") == 0;
        /* One third of the sums and products of reals round, so that the order of evaluation shows. */
        if (real && (sum || prod) && coll != C_REDUCE_SCATTER && rng_once_in(g, 3))
            t->mode = sum ? V_RANDOM_SUM : V_RANDOM_PROD;
    } else {
        if (!simple && rng_once_in(g, 4))
            s->nfields = 2 + rng_below(g, 2);
        for (int i = 0; i < s->nfields; i++)
            s->field[i] = basic_random(g, s->nfields == 1);
    }
    for (int i = 0; i < s->nfields; i++)
        for (int p = 0; p < s->field[i]->npieces; p++)
            s->packed += s->field[i]->piece[p].len;
}

static void draw_any_layout(struct trial *t, struct layout *lay, size_t granule, size_t n, bool same,
                            size_t total, bool columns, bool simple, struct rng *l)
{
    size_t m = simple ? 1 : divisor(l, granule);

    if (total == 0 && !simple)
        m = 0; /* three times nothing is nothing */
    else if (same && !simple && n <= 20000 && n > 0 && rng_once_in(l, 3))
        m = n;
    if (m == 1 && t->sig.nfields == 1 && (simple || rng_once_in(l, 2)))
        layout_plain(lay, t->sig.field[0]);
    else
        layout_random(lay, &t->sig, m, columns && m ? total / m + 64 + 3 * (size_t)t->blocks : 0, l);
}

/* A layout of this rank for blocks whose sizes are multiples of the granule; `same`: blocks are all of `n`
 * atoms. */
static void draw_layout(struct trial *t, struct layout *lay, size_t granule, size_t n, bool same,
                        size_t total, bool columns, bool simple, struct rng *l)
{
    enum { TRIES = 1000, LARGE_TRIES = 4 };

    for (int i = 0; i < TRIES; i++) {
        /* Where the MPI can do few of them, the basic type itself or a struct of the fields once: found fast.
         */
        const bool small = i >= LARGE_TRIES && total > 0;
        draw_any_layout(t, lay, small ? 1 : granule, n, same && !small, total, columns,
                        simple || (small && t->sig.nfields == 1), l);
        if (lay->predefined || layout_moves(lay, &t->sig, total))
            return;
        layout_free(lay);
    }
    fprintf(stderr, "differential: this MPI moves no layout of %s as it should\n", t->sig.field[0]->name);
    MPI_Abort(MPI_COMM_WORLD, 2);
}

/* Atoms that `src` sends to `dst` where the call lets them differ. */
static size_t between(uint64_t seed, size_t granule, size_t n, int src, int dst, bool symmetric)
{
    if (symmetric && src > dst) {
        int s = src;
        src = dst;
        dst = s;
    }
    uint64_t h = rng_hash(seed, (uint64_t)src * 1000003u + (uint64_t)dst);
    return h % 5 == 0 ? 0 : (h >> 8) % (n / granule + 1) * granule;
}

struct shape_of_call {
    int sblocks, rblocks; /**< 0: no such buffer on this rank */
    bool suniform, runiform;
    enum placement splace, rplace;
};

static void fill_call(struct trial *t, bool in_place)
{
    struct call *c = &t->call;
    struct view *s = &t->send, *r = &t->recv;

    c->stype = t->has_send ? t->slay.type : MPI_BYTE;
    c->rtype = t->has_recv ? t->rlay.type : MPI_BYTE;
    if (t->has_send) {
        c->sbuf = s->base;
        c->scount = s->nblocks ? s->count[0] : 0;
        c->scounts = s->count;
        c->sdispls = s->displ;
    }
    if (t->has_recv) {
        c->rbuf = r->base;
        c->rcount = r->nblocks ? r->count[0] : 0;
        c->rcounts = r->count;
        c->rdispls = r->displ;
    }
    if (in_place)
        c->sbuf = MPI_IN_PLACE;
}

/* Describes one block by a type with absolute addresses. */
static void to_bottom(struct view *v, const void **sbuf, void **rbuf, int *count, MPI_Datatype *type)
{
    MPI_Aint where;

    MPI_Get_address(v->base, &where);
    MPI_Type_create_hindexed(1, count, &where, *type, &v->absolute);
    MPI_Type_commit(&v->absolute);
    *count = 1;
    *type = v->absolute;
    if (sbuf)
        *sbuf = MPI_BOTTOM;
    else
        *rbuf = MPI_BOTTOM;
}

static void make_types_of_w(struct trial *t, int n)
{
    for (int side = 0; side < 2; side++) {
        t->type_list[side] = malloc(sizeof(MPI_Datatype) * (size_t)n);
        for (int i = 0; i < n; i++)
            t->type_list[side][i] = side ? t->rlay.type : t->slay.type;
    }
    t->call.stypes = t->type_list[0];
    t->call.rtypes = t->type_list[1];
}

void trial_make(struct trial *t, const struct pool_comm *pc, uint64_t seed, const struct limits *lim)
{
    struct rng g = {seed}, l;
    int me, n, local;

    memset(t, 0, sizeof *t);
    MPI_Comm_rank(pc->comm, &me);
    MPI_Comm_size(pc->comm, &local);
    n = local;
    if (pc->inter)
        MPI_Comm_remote_size(pc->comm, &n);
    l.s = rng_hash(seed, (uint64_t)me + 77);

    struct call *c = &t->call;
    c->comm = pc->comm;
    c->coll = choose(&g, lim, pc->inter);
    t->inter = pc->inter;
    const enum coll_id k = c->coll;
    const bool reduction = coll_reduces(k), v = k == C_GATHERV || k == C_SCATTERV || k == C_ALLGATHERV ||
                                                k == C_ALLTOALLV || k == C_ALLTOALLW || k == C_REDUCE_SCATTER;

    /* The root, as this rank has to name it. */
    int root = rng_below(&g, 1 << 20);
    bool is_root = false, other_side = false;
    if (pc->inter) {
        int world, low;
        MPI_Comm_rank(MPI_COMM_WORLD, &world);
        MPI_Comm_size(MPI_COMM_WORLD, &low);
        bool side = world >= (low + 1) / 2;
        bool rooted_here = side == ((root >> 10 & 1) != 0);
        int in_side = rooted_here ? root % local : root % n;
        is_root = rooted_here && me == in_side;
        other_side = rooted_here && !is_root;
        c->root = is_root ? MPI_ROOT : rooted_here ? MPI_PROC_NULL : in_side;
    } else {
        c->root = root % n;
        is_root = me == c->root;
    }

    draw_signature(t, &g, reduction, lim->simple, k);
    size_t granule = lim->simple ? 1 : granules[rng_below(&g, GRANULES)];
    bool user_derived = reduction && t->op->user && (t->op->fields > 1 || rng_once_in(&g, 2));
    if (reduction && !user_derived)
        granule = 1;
    bool in_place = !pc->inter && k != C_BCAST && k != C_BARRIER && rng_once_in(&g, 4);
    t->in_place = in_place;
    if (is_rooted(k))
        in_place = in_place && is_root;
    /* What a rank receives in all stays under the limit. */
    size_t most = lim->max_bytes / t->sig.packed;
    if (k != C_BCAST && k != C_REDUCE && k != C_ALLREDUCE && k != C_SCAN && k != C_EXSCAN)
        most /= (size_t)(local > n ? local : n);
    size_t natoms = amount(&g, granule, most);
    /* Empty types with a count, on all ranks or on none: where only some ranks count nothing, native calls
     * hang. */
    bool empty_type = natoms == 0 && k < C_VARIANTS && rng_once_in(&g, 2);
    uint64_t vseed = rng_next(&g);

    struct shape_of_call sh = {.suniform = true, .runiform = true};
    switch (k) {
    case C_BARRIER:
        break;
    case C_BCAST:
        sh.rblocks = 1;
        break;
    case C_REDUCE:
    case C_ALLREDUCE:
    case C_SCAN:
    case C_EXSCAN:
        sh.sblocks = in_place ? 0 : 1;
        sh.rblocks = 1;
        break;
    case C_ALLGATHER:
    case C_GATHER:
        sh.sblocks = in_place ? 0 : 1;
        sh.rblocks = n;
        break;
    case C_ALLGATHERV:
    case C_GATHERV:
        sh.sblocks = in_place ? 0 : 1;
        sh.rblocks = n;
        sh.suniform = sh.runiform = false;
        sh.rplace = PLACE_DISPLS;
        break;
    case C_SCATTER:
        sh.sblocks = n;
        sh.rblocks = in_place ? 0 : 1;
        break;
    case C_SCATTERV:
        sh.sblocks = n;
        sh.rblocks = in_place ? 0 : 1;
        sh.suniform = sh.runiform = false;
        sh.splace = PLACE_DISPLS;
        break;
    case C_ALLTOALL:
        sh.sblocks = in_place ? 0 : n;
        sh.rblocks = n;
        break;
    case C_ALLTOALLV:
    case C_ALLTOALLW:
        sh.sblocks = in_place ? 0 : n;
        sh.rblocks = n;
        sh.suniform = sh.runiform = false;
        sh.splace = sh.rplace = k == C_ALLTOALLV ? PLACE_DISPLS : PLACE_BYTES;
        break;
    case C_REDUCE_SCATTER:
    case C_REDUCE_SCATTER_BLOCK:
        sh.sblocks = in_place ? 0 : n; /* one buffer of n parts */
        sh.rblocks = in_place ? n : 1;
        sh.suniform = sh.runiform = k == C_REDUCE_SCATTER_BLOCK;
        break;
    default:
        break;
    }
    if (pc->inter && is_rooted(k) && other_side)
        sh.sblocks = sh.rblocks = 0;
    if ((k == C_GATHER || k == C_GATHERV) && !is_root)
        sh.rblocks = 0;
    if ((k == C_SCATTER || k == C_SCATTERV) && !is_root)
        sh.sblocks = 0;
    if (pc->inter && k == C_REDUCE) {
        sh.sblocks = is_root || other_side ? 0 : 1;
        sh.rblocks = is_root ? 1 : 0;
    }

    /* Atoms per block. */
    size_t *sn = calloc((size_t)n + 1, sizeof *sn), *rn = calloc((size_t)n + 1, sizeof *rn), stotal = 0,
           rtotal = 0;
    bool symmetric = in_place && (k == C_ALLTOALLV || k == C_ALLTOALLW);
    for (int i = 0; i < sh.sblocks || i < sh.rblocks; i++) {
        size_t to_i = natoms, from_i = natoms;
        if (v) {
            bool by_sender = k == C_GATHERV || k == C_ALLGATHERV,
                 by_receiver = k == C_SCATTERV || k == C_REDUCE_SCATTER;
            int partner_s = sh.sblocks == 1 ? me : i, partner_r = sh.rblocks == 1 ? me : i;
            to_i = by_sender     ? between(vseed, granule, natoms, me, 0, false)
                   : by_receiver ? between(vseed, granule, natoms, partner_s, 0, false)
                                 : between(vseed, granule, natoms, me, i, symmetric);
            from_i = by_sender     ? between(vseed, granule, natoms, partner_r, 0, false)
                     : by_receiver ? between(vseed, granule, natoms, partner_r, 0, false)
                                   : between(vseed, granule, natoms, i, me, symmetric);
        }
        if (i < sh.sblocks)
            stotal += sn[i] = to_i;
        if (i < sh.rblocks)
            rtotal += rn[i] = from_i;
    }

    t->has_send = sh.sblocks > 0;
    t->has_recv = sh.rblocks > 0;
    t->recv_written =
        t->has_recv && !((k == C_REDUCE || k == C_BCAST) && !pc->inter && (k == C_REDUCE) != is_root);
    if (pc->inter && k == C_BCAST)
        t->recv_written = !is_root && t->has_recv;
    t->recv_undefined = k == C_EXSCAN && me == 0;
    if (t->recv_undefined) /* and no reason to write there */
        t->recv_written = false;
    t->same_everywhere = k == C_ALLREDUCE && !pc->inter;

    /* Reductions: the same type on all ranks, so from the shared stream. */
    struct rng *ls = reduction ? &g : &l;
    bool simple = lim->simple || (reduction && !user_derived);
    size_t widest = (size_t)n * natoms + 1;
    t->blocks = n;
    bool columns = k != C_ALLTOALLW;
    if (reduction) {
        struct rng twin = *ls;
        draw_layout(t, &t->rlay, granule, 0, false, empty_type ? 0 : widest, columns, simple, ls);
        draw_layout(t, &t->slay, granule, 0, false, empty_type ? 0 : widest, columns, simple, &twin);
        if (t->slay.type != t->rlay.type && !t->rlay.predefined) { /* one handle, as an application has */
            layout_free(&t->slay);
            t->slay = t->rlay;
            t->slay.nmade = 0;
        }
    } else {
        if (t->has_send)
            draw_layout(t, &t->slay, granule, natoms, sh.suniform, empty_type ? 0 : stotal + 1, columns,
                        simple, &l);
        if (t->has_recv)
            draw_layout(t, &t->rlay, granule, natoms, sh.runiform, empty_type ? 0 : rtotal + 1, columns,
                        simple, &l);
    }
    /* Operands of predefined operators lie where their C type may lie; anything else lies anywhere. */
    size_t grid = 1;
    if (reduction && !t->op->user) {
        const struct basic *b = t->sig.field[0];
        grid = b->piece[0].len > b->piece[1].len ? b->piece[0].len : b->piece[1].len;
        if (b->kind == B_COMPLEX || b->kind == B_LDCOMPLEX)
            grid /= 2;
    }
    if (t->has_send)
        view_make(&t->send, &t->slay, sh.sblocks, sn, sh.splace, grid, &l);
    if (t->has_recv)
        view_make(&t->recv, &t->rlay, sh.rblocks, rn, sh.rplace, grid, &l);
    const char *opname = reduction ? t->op->name : "";
    if (t->has_send)
        view_fill(&t->send, &t->sig, t->mode, opname, &l);
    if (t->has_recv)
        view_fill(&t->recv, &t->sig, t->mode, opname, &l);
    fill_call(t, in_place);

    /* The calls that see their n parts as one buffer. */
    int *parts = NULL;
    if (reduction) {
        c->op = t->op->op;
        c->stype = c->rtype = t->rlay.type;
        if (!t->has_send)
            c->scount = c->rcount;
        if (k == C_REDUCE_SCATTER) {
            parts = t->has_send ? t->send.count : t->recv.count;
            c->rcounts = parts;
        }
        if (pc->inter && k == C_REDUCE) {
            c->scount = (int)(natoms / (t->rlay.atoms ? t->rlay.atoms : 1));
            if (t->rlay.atoms == 0)
                c->scount = 3;
        }
    }
    if (in_place && (k == C_SCATTER || k == C_SCATTERV)) {
        c->sbuf = t->send.base;
        c->rbuf = MPI_IN_PLACE;
    }
    if (k == C_ALLTOALLW)
        make_types_of_w(t, n);
    bool one_s = sh.sblocks == 1 && sh.splace == PLACE_ROW && !reduction;
    bool one_r = sh.rblocks == 1 && sh.rplace == PLACE_ROW && !reduction;
    if (one_s && c->scount > 0 && rng_once_in(&l, 10))
        to_bottom(&t->send, &c->sbuf, NULL, &c->scount, &c->stype);
    if (one_r && c->rcount > 0 && rng_once_in(&l, 10))
        to_bottom(&t->recv, NULL, &c->rbuf, &c->rcount, &c->rtype);
    if (pc->inter && is_root && k == C_BCAST)
        t->recv_written = false;
    t->sleep_us = rng_once_in(&l, 25) ? rng_below(&l, 400) : 0;

    snprintf(t->text, sizeof t->text,
             "%s on %s (%d of %d) root %d %s%s atoms %zu of %zu B%s; send %s%d x %s; recv %s%d x %s",
             coll_names[k], pc->text, me, local, c->root, reduction ? "op " : "", opname, natoms,
             t->sig.packed, in_place ? " in place" : "",
             t->send.absolute != MPI_DATATYPE_NULL && t->has_send ? "BOTTOM " : "", c->scount,
             t->has_send ? t->slay.text : "-",
             t->recv.absolute != MPI_DATATYPE_NULL && t->has_recv ? "BOTTOM " : "", c->rcount,
             t->has_recv ? t->rlay.text : "-");
    free(sn);
    free(rn);
}

void trial_free(struct trial *t)
{
    if (t->has_send)
        view_free(&t->send);
    if (t->has_recv)
        view_free(&t->recv);
    if (t->slay.piece && t->slay.piece != t->rlay.piece)
        layout_free(&t->slay);
    layout_free(&t->rlay);
    free(t->type_list[0]);
    free(t->type_list[1]);
    free(t->got);
    memset(t, 0, sizeof *t);
}
