/* SPDX-License-Identifier: BSD-3-Clause */
/* Every rank meets every other of its node directly: nodes have few ranks, and messages inside a host are
 * short ways. */
#include "tests/sim/phases.h"

#include <stdlib.h>
#include <string.h>

/** Up to so many bytes every rank of an allreduce gets all operands; above, a slice of each, and the results.
 */
#define WHOLE_BYTES 8192

struct vc_node {
    struct pool *pool;
    const int *ranks;
    int n, me;
    int stage;
    struct vc_chan_req *req; /* [2 * n] of this stage */
    int nreq;
    char *operands; /* what others sent to be reduced, one after another */
    size_t room;
};

struct vc_node *phases_create(struct pool *pool, const int *ranks, int n, int local)
{
    struct vc_node *nd = calloc(1, sizeof *nd);
    struct vc_chan_req *req = calloc((size_t)(2 * n), sizeof *req);
    if (!nd || !req) {
        free(nd);
        free(req);
        return NULL;
    }
    *nd = (struct vc_node){.pool = pool, .ranks = ranks, .n = n, .me = local, .req = req};
    return nd;
}

void phases_destroy(struct vc_node *nd)
{
    if (!nd)
        return;
    free(nd->req);
    free(nd->operands);
    free(nd);
}

static void to(struct vc_node *nd, int l, const char *buf, size_t len)
{
    pool_send(nd->pool, POOL_PHASE, nd->ranks[l], buf, len, &nd->req[nd->nreq++]);
}

static void from(struct vc_node *nd, int l, char *buf, size_t len)
{
    pool_recv(nd->pool, POOL_PHASE, nd->ranks[l], buf, len, &nd->req[nd->nreq++]);
}

/** Room for an operand of every rank. */
static int make_room(struct vc_node *nd, size_t len)
{
    size_t need = (size_t)nd->n * len;
    if (need <= nd->room)
        return VC_OK;
    char *bigger = realloc(nd->operands, need);
    if (!bigger)
        return vc_fail(VC_ERR_NOMEM, "no memory for the operands of a node");
    nd->operands = bigger;
    nd->room = need;
    return VC_OK;
}

/** Bytes [*at, *at + result) of the slice of rank l of `parts`. */
static size_t slice(const struct vc_node_call *c, int parts, int l, size_t *at)
{
    *at = vc_slice(c->len, c->grain, parts, l);
    return l < parts ? vc_slice(c->len, c->grain, parts, l + 1) - *at : 0;
}

/** Asks the others for their parts of what this rank reduces. */
static int operands_from_all(struct vc_node *nd, size_t len)
{
    int err = make_room(nd, len);
    for (int l = 0; l < nd->n && err == VC_OK; l++)
        if (l != nd->me)
            from(nd, l, nd->operands + (size_t)l * len, len);
    return err;
}

static void reduce_all(struct vc_node *nd, const struct vc_node_call *c, const char *own, char *dst,
                       size_t len)
{
    if (len == 0)
        return;
    memcpy(nd->operands + (size_t)nd->me * len, own, len);
    for (int l = 1; l < nd->n; l++)
        c->op->fn(nd->operands, nd->operands + (size_t)l * len, nd->operands, len / c->op->esize, c->op->ctx);
    memcpy(dst, nd->operands, len);
}

static void copy(char *dst, const char *src, size_t len)
{
    if (len && dst != src)
        memcpy(dst, src, len);
}

/* ---- stage by stage: begins stage nd->stage. VC_OK; 1: there is no further one ---- */

static int barrier(struct vc_node *nd)
{
    if (nd->stage > 1)
        return 1;
    for (int l = 1; l < nd->n; l++)
        if (nd->me == 0 && nd->stage == 0)
            from(nd, l, NULL, 0);
        else if (nd->me == 0)
            to(nd, l, NULL, 0);
    if (nd->me && nd->stage == 0) {
        to(nd, 0, NULL, 0);
        from(nd, 0, NULL, 0);
    }
    return VC_OK;
}

static int bcast(struct vc_node *nd, const struct vc_node_call *c)
{
    if (nd->stage)
        return 1;
    for (int l = 0; l < nd->n; l++)
        if (nd->me == c->root && l != c->root)
            to(nd, l, c->dst, c->len);
    if (nd->me != c->root)
        from(nd, c->root, c->dst, c->len);
    return VC_OK;
}

static int reduce(struct vc_node *nd, const struct vc_node_call *c)
{
    if (nd->stage == 1 && nd->me == c->root)
        reduce_all(nd, c, c->src, c->dst, c->len);
    if (nd->stage)
        return 1;
    if (nd->me == c->root)
        return operands_from_all(nd, c->len);
    to(nd, c->root, c->src, c->len);
    return VC_OK;
}

static int reduce_scatter(struct vc_node *nd, const struct vc_node_call *c, int parts)
{
    size_t mine, at, own = slice(c, parts, nd->me, &mine);
    if (nd->stage) {
        if (nd->me < parts)
            reduce_all(nd, c, (const char *)c->src + mine, (char *)c->dst + mine, own);
        return 1;
    }
    for (int l = 0; l < parts; l++)
        if (l != nd->me) {
            size_t len = slice(c, parts, l, &at);
            to(nd, l, (const char *)c->src + at, len);
        }
    return nd->me < parts ? operands_from_all(nd, own) : VC_OK;
}

static int allgather_slices(struct vc_node *nd, const struct vc_node_call *c, int parts)
{
    size_t mine, at, own = slice(c, parts, nd->me, &mine);
    for (int l = 0; l < nd->n; l++)
        if (l != nd->me && nd->me < parts)
            to(nd, l, (const char *)c->dst + mine, own);
    for (int l = 0; l < parts; l++)
        if (l != nd->me) {
            size_t len = slice(c, parts, l, &at);
            from(nd, l, (char *)c->dst + at, len);
        }
    return VC_OK;
}

static int allreduce(struct vc_node *nd, const struct vc_node_call *c)
{
    if (c->len > WHOLE_BYTES) {
        if (nd->stage < 2)
            reduce_scatter(nd, c, nd->n);
        return nd->stage == 0 ? VC_OK : nd->stage == 1 ? allgather_slices(nd, c, nd->n) : 1;
    }
    if (nd->stage == 1)
        reduce_all(nd, c, c->src, c->dst, c->len);
    if (nd->stage)
        return 1;
    for (int l = 0; l < nd->n; l++)
        if (l != nd->me)
            to(nd, l, c->src, c->len);
    return operands_from_all(nd, c->len);
}

/** Blocks of all ranks to all: equal ones, or those of c->at. */
static int allgather(struct vc_node *nd, const struct vc_node_call *c)
{
    bool uneven = vc_phase_info[c->kind].uneven;
    if (nd->stage)
        return 1;
    size_t mine = uneven ? c->at[nd->me] : (size_t)nd->me * c->len;
    size_t own = uneven ? c->at[nd->me + 1] - mine : c->len;
    for (int l = 0; l < nd->n; l++)
        if (l != nd->me) {
            size_t at = uneven ? c->at[l] : (size_t)l * c->len;
            from(nd, l, (char *)c->dst + at, uneven ? c->at[l + 1] - at : c->len);
            to(nd, l, c->src, own);
        }
    copy((char *)c->dst + mine, c->src, own);
    return VC_OK;
}

static int gather(struct vc_node *nd, const struct vc_node_call *c)
{
    if (nd->stage)
        return 1;
    for (int l = 0; l < nd->n; l++)
        if (nd->me == c->root && l != c->root)
            from(nd, l, (char *)c->dst + (size_t)l * c->len, c->len);
    if (nd->me == c->root)
        copy((char *)c->dst + (size_t)c->root * c->len, c->src, c->len);
    else
        to(nd, c->root, c->src, c->len);
    return VC_OK;
}

static int scatter(struct vc_node *nd, const struct vc_node_call *c)
{
    if (nd->stage)
        return 1;
    for (int l = 0; l < nd->n; l++)
        if (nd->me == c->root && l != c->root)
            to(nd, l, (const char *)c->src + (size_t)l * c->len, c->len);
    if (nd->me == c->root)
        copy(c->dst, (const char *)c->src + (size_t)c->root * c->len, c->len);
    else
        from(nd, c->root, c->dst, c->len);
    return VC_OK;
}

static int alltoall(struct vc_node *nd, const struct vc_node_call *c)
{
    size_t all = (size_t)nd->n * c->len;
    if (nd->stage)
        return 1;
    int err = make_room(nd, c->len);
    if (err != VC_OK)
        return err;
    memcpy(nd->operands, c->src, all); /* src and dst may be the same memory */
    for (int l = 0; l < nd->n; l++)
        if (l != nd->me) {
            from(nd, l, (char *)c->dst + (size_t)l * c->len, c->len);
            to(nd, l, nd->operands + (size_t)l * c->len, c->len);
        }
    memcpy((char *)c->dst + (size_t)nd->me * c->len, nd->operands + (size_t)nd->me * c->len, c->len);
    return VC_OK;
}

static int begin_stage(struct vc_node *nd, const struct vc_node_call *c)
{
    nd->nreq = 0;
    switch (c->kind) {
    case VC_PHASE_BARRIER:
        return barrier(nd);
    case VC_PHASE_BCAST:
        return bcast(nd, c);
    case VC_PHASE_REDUCE:
        return reduce(nd, c);
    case VC_PHASE_ALLREDUCE:
        return allreduce(nd, c);
    case VC_PHASE_REDUCE_SCATTER:
        return reduce_scatter(nd, c, c->parts);
    case VC_PHASE_ALLGATHER_SLICES:
        return nd->stage ? 1 : allgather_slices(nd, c, c->parts);
    case VC_PHASE_ALLGATHER:
    case VC_PHASE_ALLGATHERV:
        return allgather(nd, c);
    case VC_PHASE_GATHER:
        return gather(nd, c);
    case VC_PHASE_SCATTER:
        return scatter(nd, c);
    case VC_PHASE_ALLTOALL:
        return alltoall(nd, c);
    default:
        return vc_fail(VC_ERR_UNSUPPORTED, "no messages stand for node phase %s",
                       vc_phase_info[c->kind].name);
    }
}

/* ---- what the engine calls ---- */

int vc_node_start(struct vc_node *nd, struct vc_node_call *call)
{
    nd->stage = 0;
    int rc = begin_stage(nd, call);
    return rc < 0 ? rc : VC_OK;
}

int vc_node_progress(struct vc_node *nd, struct vc_node_call *call, int *whom)
{
    *whom = VC_WAIT_ANY;
    for (;;) {
        for (int i = 0; i < nd->nreq; i++)
            if (!vc_req_done(&nd->req[i]))
                return 0;
        nd->stage++;
        int rc = begin_stage(nd, call);
        if (rc != VC_OK)
            return rc;
    }
}
