/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduce and allreduce. */
#include "pmpi/redop.h"
#include "pmpi/run.h"

#include <string.h>

/* The rare layouts: packed elements of a user's operator, and pairs whose gaps must survive. */
static int run_layout(struct vc_comm *c, struct vc_call *k, const struct vc_how *how, struct vc_reduction *r,
                      bool receives)
{
    struct vc_team *t = c->team;
    size_t count = (size_t)k->rcount;
    const void *from = k->send == MPI_IN_PLACE ? k->recv : k->send;
    struct vc_work w = {.send = from, .bytes = k->bytes, .op = &r->op};
    int err = vc_reduction_begin(r, count);
    if (err == VC_OK && receives && (r->packed || r->padded)) {
        w.recv = vc_team_scratch(t, VC_SCRATCH_RECV, k->bytes);
        if (!w.recv)
            err = vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", k->bytes);
    } else if (receives) {
        w.recv = k->recv;
    }
    if (err == VC_OK && r->packed) {
        void *packed = vc_team_scratch(t, VC_SCRATCH_SEND, k->bytes);
        w.send = packed;
        err = packed ? vc_pack(from, count, &r->type, packed)
                     : vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", k->bytes);
    }
    if (err == VC_OK)
        err = vc_run(c, k, how, &w);
    err = vc_reduction_end(r, err);
    if (err == VC_OK && receives && r->packed)
        err = vc_unpack(w.recv, k->recv, count, &r->type);
    else if (err == VC_OK && receives && r->padded)
        vc_reduction_copy(r, w.recv, k->recv, count);
    vc_team_scratch_done(t);
    return err;
}

/* `root` is -1 where all receive. */
static inline int run_reduction(struct vc_call *k, int root)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    bool receives = root < 0 || c->rank == root;
    bool in_place = k->send == MPI_IN_PLACE;
    struct vc_reduction r;
    if (k->rcount < 0 || root >= c->size || (in_place && !receives) ||
        (receives && (k->recv == MPI_IN_PLACE || (root >= 0 && k->send == k->recv))) ||
        !vc_reduction_init(&r, k->op, k->rtype) ||
        (r.type.predefined && (k->send == NULL || (receives && k->recv == NULL)) && k->rcount > 0))
        return vc_pass(k, VC_PASS_ARGS);
    k->bytes = (size_t)k->rcount * r.op.esize;
    if (VC_UNLIKELY(k->bytes == 0))
        return vc_pass(k, VC_PASS_EMPTY);
    if (VC_UNLIKELY(k->bytes > VC_CALL_LIMIT || r.op.esize > VC_NODE_ELEMENT_MAX))
        return vc_pass(k, VC_PASS_LARGE);
    struct vc_how how;
    int err = vc_choose(c, k, r.op.esize, r.op.commutative, &how);
    if (err == VC_OK && !how.alg)
        return vc_native(k);
    if (err == VC_OK && VC_LIKELY(!r.user && !r.padded)) {
        struct vc_work w = {
            .send = in_place ? k->recv : k->send,
            .recv = receives ? k->recv : NULL,
            .bytes = k->bytes,
            .op = &r.op,
        };
        err = vc_run(c, k, &how, &w);
    } else if (err == VC_OK) {
        err = run_layout(c, k, &how, &r, receives);
    }
    return vc_leave(c, k, err);
}

int vc_run_reduce(struct vc_call *k)
{
    if (VC_UNLIKELY(k->root < 0))
        return vc_pass(k, VC_PASS_ARGS);
    return run_reduction(k, k->root);
}

int vc_run_allreduce(struct vc_call *k)
{
    return run_reduction(k, -1);
}
