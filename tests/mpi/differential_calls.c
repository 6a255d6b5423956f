/* SPDX-License-Identifier: BSD-3-Clause */
/* The 17 blocking collectives through a table of functions, and the communicators they run on. */
#include "differential.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const coll_names[C_COUNT] = {
    "barrier",    "bcast",     "reduce",    "allreduce",      "allgather",
    "alltoall",   "gather",    "scatter",   "gatherv",        "scatterv",
    "allgatherv", "alltoallv", "alltoallw", "reduce_scatter", "reduce_scatter_block",
    "scan",       "exscan",
};

struct calls tested = {
#define X(name) .name = MPI_##name,
    EACH_COLL(X) EACH_POST(X)
#undef X
};
struct calls native = {
#define X(name) .name = PMPI_##name,
    EACH_COLL(X) EACH_POST(X)
#undef X
};

bool calls_init(void)
{
    void *(*find)(const char *);
    *(void **)&find = dlsym(RTLD_DEFAULT, "vcoll_native");

    if (find == NULL)
        return false;
#define X(name) *(void **)&native.name = find(#name);
    EACH_COLL(X)
    EACH_POST(X)
#undef X
    return true;
}

/* ---- a deliberately broken MPI, to show that the driver would notice ---- */
static enum { FINE, BREAK_RESULT, BREAK_GAP, BREAK_SEND, BREAK_BARRIER, BREAK_AGREEMENT } broken;

static int broken_allgather(const void *s, int sn, MPI_Datatype st, void *r, int rn, MPI_Datatype rt,
                            MPI_Comm comm)
{
    int rc = native.Allgather(s, sn, st, r, rn, rt, comm), size;
    MPI_Aint lb, extent, at, span;

    MPI_Comm_size(comm, &size);
    MPI_Type_get_true_extent(rt, &at, &span);
    MPI_Type_get_extent(rt, &lb, &extent);
    if (span == 0 || rn == 0)
        return rc;
    if (broken == BREAK_RESULT)
        ((char *)r)[at] ^= 1;
    else if (broken == BREAK_GAP)
        ((char *)r)[at + ((MPI_Aint)rn * size - 1) * extent + span] ^= 1;
    else if (broken == BREAK_SEND && s != MPI_IN_PLACE && sn > 0) {
        MPI_Type_get_true_extent(st, &at, &span);
        ((char *)(uintptr_t)s)[at] ^= 1;
    }
    return rc;
}

static int broken_barrier(MPI_Comm comm)
{
    (void)comm; /* waits for nobody */
    return MPI_SUCCESS;
}

/* The last bit of a sum differs on one rank: within the tolerance, but not the same everywhere. */
static int broken_allreduce(const void *s, void *r, int n, MPI_Datatype t, MPI_Op op, MPI_Comm comm)
{
    int rc = native.Allreduce(s, r, n, t, op, comm), rank;

    MPI_Comm_rank(comm, &rank);
    if (rank == 0 && t == MPI_DOUBLE && op == MPI_SUM)
        for (double *d = r; d < (double *)r + n; d++)
            if (*d != (double)(int)*d) /* only where sums round */
                *(unsigned char *)d ^= 1;
    return rc;
}

bool calls_break(const char *how)
{
    static const char *const words[] = {"", "result", "gap", "send", "barrier", "agreement"};

    for (int i = BREAK_RESULT; i <= BREAK_AGREEMENT; i++)
        if (strcmp(how, words[i]) == 0)
            broken = i;
    if (broken == BREAK_BARRIER)
        tested.Barrier = broken_barrier;
    else if (broken == BREAK_AGREEMENT)
        tested.Allreduce = broken_allreduce;
    else if (broken != FINE)
        tested.Allgather = broken_allgather;
    return broken != FINE;
}

int call_perform(const struct calls *f, const struct call *c)
{
    switch (c->coll) {
    case C_BARRIER:
        return f->Barrier(c->comm);
    case C_BCAST:
        return f->Bcast(c->rbuf, c->rcount, c->rtype, c->root, c->comm);
    case C_REDUCE:
        return f->Reduce(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->root, c->comm);
    case C_ALLREDUCE:
        return f->Allreduce(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm);
    case C_ALLGATHER:
        return f->Allgather(c->sbuf, c->scount, c->stype, c->rbuf, c->rcount, c->rtype, c->comm);
    case C_ALLTOALL:
        return f->Alltoall(c->sbuf, c->scount, c->stype, c->rbuf, c->rcount, c->rtype, c->comm);
    case C_GATHER:
        return f->Gather(c->sbuf, c->scount, c->stype, c->rbuf, c->rcount, c->rtype, c->root, c->comm);
    case C_GATHERV:
        return f->Gatherv(c->sbuf, c->scount, c->stype, c->rbuf, c->rcounts, c->rdispls, c->rtype, c->root,
                          c->comm);
    case C_SCATTER:
        return f->Scatter(c->sbuf, c->scount, c->stype, c->rbuf, c->rcount, c->rtype, c->root, c->comm);
    case C_SCATTERV:
        return f->Scatterv(c->sbuf, c->scounts, c->sdispls, c->stype, c->rbuf, c->rcount, c->rtype, c->root,
                           c->comm);
    case C_ALLGATHERV:
        return f->Allgatherv(c->sbuf, c->scount, c->stype, c->rbuf, c->rcounts, c->rdispls, c->rtype,
                             c->comm);
    case C_ALLTOALLV:
        return f->Alltoallv(c->sbuf, c->scounts, c->sdispls, c->stype, c->rbuf, c->rcounts, c->rdispls,
                            c->rtype, c->comm);
    case C_ALLTOALLW:
        return f->Alltoallw(c->sbuf, c->scounts, c->sdispls, c->stypes, c->rbuf, c->rcounts, c->rdispls,
                            c->rtypes, c->comm);
    case C_REDUCE_SCATTER:
        return f->Reduce_scatter(c->sbuf, c->rbuf, c->rcounts, c->stype, c->op, c->comm);
    case C_REDUCE_SCATTER_BLOCK:
        return f->Reduce_scatter_block(c->sbuf, c->rbuf, c->rcount, c->stype, c->op, c->comm);
    case C_SCAN:
        return f->Scan(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm);
    case C_EXSCAN:
        return f->Exscan(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm);
    default:
        return MPI_ERR_OTHER;
    }
}

bool coll_reduces(enum coll_id c)
{
    return c == C_REDUCE || c == C_ALLREDUCE || c == C_REDUCE_SCATTER || c == C_REDUCE_SCATTER_BLOCK ||
           c == C_SCAN || c == C_EXSCAN;
}

static int post(const struct calls *f, const struct call *c, MPI_Datatype st, MPI_Datatype rt,
                MPI_Request *req)
{
    switch (c->coll) {
    case C_BARRIER:
        return f->Ibarrier(c->comm, req);
    case C_BCAST:
        return f->Ibcast(c->rbuf, c->rcount, rt, c->root, c->comm, req);
    case C_REDUCE:
        return f->Ireduce(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->root, c->comm, req);
    case C_ALLREDUCE:
        return f->Iallreduce(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm, req);
    case C_ALLGATHER:
        return f->Iallgather(c->sbuf, c->scount, st, c->rbuf, c->rcount, rt, c->comm, req);
    case C_ALLTOALL:
        return f->Ialltoall(c->sbuf, c->scount, st, c->rbuf, c->rcount, rt, c->comm, req);
    case C_GATHER:
        return f->Igather(c->sbuf, c->scount, st, c->rbuf, c->rcount, rt, c->root, c->comm, req);
    case C_GATHERV:
        return f->Igatherv(c->sbuf, c->scount, st, c->rbuf, c->rcounts, c->rdispls, rt, c->root, c->comm,
                           req);
    case C_SCATTER:
        return f->Iscatter(c->sbuf, c->scount, st, c->rbuf, c->rcount, rt, c->root, c->comm, req);
    case C_SCATTERV:
        return f->Iscatterv(c->sbuf, c->scounts, c->sdispls, st, c->rbuf, c->rcount, rt, c->root, c->comm,
                            req);
    case C_ALLGATHERV:
        return f->Iallgatherv(c->sbuf, c->scount, st, c->rbuf, c->rcounts, c->rdispls, rt, c->comm, req);
    case C_ALLTOALLV:
        return f->Ialltoallv(c->sbuf, c->scounts, c->sdispls, st, c->rbuf, c->rcounts, c->rdispls, rt,
                             c->comm, req);
    case C_ALLTOALLW:
        return f->Ialltoallw(c->sbuf, c->scounts, c->sdispls, c->stypes, c->rbuf, c->rcounts, c->rdispls,
                             c->rtypes, c->comm, req);
    case C_REDUCE_SCATTER:
        return f->Ireduce_scatter(c->sbuf, c->rbuf, c->rcounts, c->stype, c->op, c->comm, req);
    case C_REDUCE_SCATTER_BLOCK:
        return f->Ireduce_scatter_block(c->sbuf, c->rbuf, c->rcount, c->stype, c->op, c->comm, req);
    case C_SCAN:
        return f->Iscan(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm, req);
    case C_EXSCAN:
        return f->Iexscan(c->sbuf, c->rbuf, c->scount, c->stype, c->op, c->comm, req);
    default:
        return MPI_ERR_INTERN;
    }
}

static MPI_Datatype copy_type(MPI_Datatype t)
{
    MPI_Datatype copy = t;
    int ni, na, nt, how = MPI_COMBINER_NAMED;

    if (t != MPI_DATATYPE_NULL)
        MPI_Type_get_envelope(t, &ni, &na, &nt, &how);
    if (how != MPI_COMBINER_NAMED)
        MPI_Type_dup(t, &copy);
    return copy;
}

int call_post(const struct calls *f, const struct call *c, MPI_Request *req)
{
    bool moves = c->coll != C_BARRIER && c->coll != C_ALLTOALLW && !coll_reduces(c->coll);
    MPI_Datatype st = moves && c->coll != C_BCAST ? copy_type(c->stype) : c->stype;
    MPI_Datatype rt = moves ? copy_type(c->rtype) : c->rtype;
    int rc = post(f, c, st, rt, req);

    if (moves && st != c->stype)
        MPI_Type_free(&st);
    if (moves && rt != c->rtype)
        MPI_Type_free(&rt);
    return rc;
}

/* ---- communicators: a function of the seed, the same on all ranks ---- */
enum comm_kind {
    K_WORLD,
    K_DUP,
    K_BLOCKS,
    K_STRIDED,
    K_REVERSED,
    K_SHUFFLED,
    K_SELF,
    K_CREATE,
    K_GROUP,
    K_INTER,
    K_COUNT
};

/* Common kinds are named more than once. */
static const enum comm_kind kinds[] = {K_WORLD,    K_WORLD,    K_DUP,    K_DUP,     K_BLOCKS,   K_STRIDED,
                                       K_REVERSED, K_REVERSED, K_BLOCKS, K_STRIDED, K_SHUFFLED, K_CREATE,
                                       K_SHUFFLED, K_GROUP,    K_SELF,   K_INTER};

static MPI_Comm subset(struct rng *r, int size, bool only_members)
{
    MPI_Group world, part;
    MPI_Comm comm = MPI_COMM_NULL;
    int members[64], n = 0, rank, inside;

    for (int i = size - 1; i >= 0; i--)
        if (n < 64 && !rng_once_in(r, 3))
            members[n++] = i;
    if (n == 0)
        members[n++] = 0;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, n, members, &part);
    MPI_Group_rank(part, &rank);
    inside = rank != MPI_UNDEFINED;
    if (!only_members)
        MPI_Comm_create(MPI_COMM_WORLD, part, &comm);
    else if (inside)
        MPI_Comm_create_group(MPI_COMM_WORLD, part, 7, &comm);
    MPI_Group_free(&part);
    MPI_Group_free(&world);
    return comm;
}

static MPI_Comm across(int rank, int size)
{
    MPI_Comm half, inter;
    int low = (size + 1) / 2, side = rank >= low;

    MPI_Comm_split(MPI_COMM_WORLD, side, rank, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, side ? 0 : low, 11, &inter);
    MPI_Comm_free(&half);
    return inter;
}

void comm_make(struct pool_comm *c, uint64_t seed)
{
    struct rng r = {seed};
    int rank, size, parts;
    const char *word = "world";

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    enum comm_kind kind = kinds[rng_below(&r, (int)(sizeof kinds / sizeof kinds[0]))];
    if (kind == K_INTER && size == 1)
        kind = K_SELF;
    parts = 2 + rng_below(&r, 2);
    c->owned = true;
    c->inter = kind == K_INTER;
    switch (kind) {
    case K_DUP:
        MPI_Comm_dup(MPI_COMM_WORLD, &c->comm);
        word = "dup";
        break;
    case K_BLOCKS:
        MPI_Comm_split(MPI_COMM_WORLD, rank * parts / size, rank, &c->comm);
        word = "split in blocks";
        break;
    case K_STRIDED:
        MPI_Comm_split(MPI_COMM_WORLD, rank % parts, rank, &c->comm);
        word = "split by turns";
        break;
    case K_REVERSED:
        MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &c->comm);
        word = "reversed";
        break;
    case K_SHUFFLED:
        MPI_Comm_split(MPI_COMM_WORLD, 0, (int)(rng_hash(seed, (uint64_t)rank) >> 40), &c->comm);
        word = "shuffled";
        break;
    case K_CREATE:
    case K_GROUP:
        c->comm = subset(&r, size, kind == K_GROUP);
        word = kind == K_GROUP ? "create_group" : "create";
        break;
    case K_INTER:
        c->comm = across(rank, size);
        word = "inter";
        break;
    case K_SELF:
        c->comm = MPI_COMM_SELF;
        c->owned = false;
        word = "self";
        break;
    default:
        c->comm = MPI_COMM_WORLD;
        c->owned = false;
        break;
    }
    snprintf(c->text, sizeof c->text, "%s", word);
    if (c->comm != MPI_COMM_NULL)
        MPI_Comm_set_errhandler(c->comm, MPI_ERRORS_RETURN);
}

void comm_drop(struct pool_comm *c)
{
    if (c->owned && c->comm != MPI_COMM_NULL)
        MPI_Comm_free(&c->comm);
    memset(c, 0, sizeof *c);
    c->comm = MPI_COMM_NULL;
}
