/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduce and allreduce. */
#include "pmpi/pack.h"
#include "pmpi/quick.h"
#include "pmpi/redop.h"
#include "pmpi/run.h"

#include <string.h>

/* Both sides of a reduction, and where their elements are. */
struct sides {
    const void *from;
    struct vc_dtype in, out;
    bool receives;
};

static void sides_of(const struct vc_call *k, const struct vc_dtype *type, bool receives, struct sides *s)
{
    s->from = k->send == MPI_IN_PLACE ? k->recv : k->send;
    s->in = s->out = *type;
    s->receives = receives;
    if (VC_LIKELY(!vc_device_on()))
        return;
    vc_dtype_place(s->from, &s->in);
    if (receives)
        vc_dtype_place(k->recv, &s->out);
}

/* What the kernels read: packed, or with the gaps of pairs. */
static int stage_in(const struct vc_reduction *r, const struct sides *s, size_t count, void *to, size_t bytes)
{
    if (!to)
        return vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", bytes);
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

/* The rare layouts: packed elements of a user's operator, pairs whose gaps must survive, memory of devices.
 */
static int run_layout(struct vc_comm *c, struct vc_call *k, const struct vc_selected *sel,
                      struct vc_reduction *r, const struct sides *s)
{
    struct vc_team *t = c->team;
    size_t count = (size_t)k->rcount;
    bool staged = s->receives && (r->packed || r->padded || s->out.device);
    struct vc_work w = {.send = s->from, .bytes = k->bytes, .op = &r->op};
    int err = vc_reduction_begin(r, count);
    if (err == VC_OK && staged) {
        w.recv = vc_team_scratch(t, VC_SCRATCH_RECV, k->bytes);
        if (!w.recv)
            err = vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", k->bytes);
    } else if (s->receives) {
        w.recv = k->recv;
    }
    if (err == VC_OK && (r->packed || s->in.device)) {
        void *mem = vc_team_scratch(t, VC_SCRATCH_SEND, k->bytes);
        w.send = mem;
        err = stage_in(r, s, count, mem, k->bytes);
    }
    if (err == VC_OK)
        err = vc_run(c, k, sel, &w);
    err = vc_reduction_end(r, err);
    if (err == VC_OK && staged)
        err = stage_out(r, s, w.recv, k->recv, count);
    vc_team_scratch_done(t);
    return err;
}

/* Whether MPI would complain about these buffers, or does not define what they mean. `plain`: the type has no
 * addresses of its own, so that NULL is no buffer. */
static inline bool bad_buffers(const struct vc_call *k, int root, bool receives, bool plain)
{
    bool in_place = k->send == MPI_IN_PLACE;
    if (k->rcount < 0 || (in_place && !receives))
        return true;
    if (receives && (k->recv == MPI_IN_PLACE || (root >= 0 && k->send == k->recv)))
        return true;
    return plain && (k->send == NULL || (receives && k->recv == NULL)) && k->rcount > 0;
}

/* The size of the call; false, with k->why, when it is the underlying MPI's for that reason. */
static inline bool size_reduction(struct vc_call *k, size_t esize)
{
    k->bytes = (size_t)k->rcount * esize;
    if (VC_LIKELY(k->bytes - 1 < VC_CALL_LIMIT && esize <= VC_NODE_ELEMENT_MAX))
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

/* A pair that this thread did not use last, a user's operator, or a layout with gaps. */
static int run_any(struct vc_comm *c, struct vc_call *k, int root, bool receives)
{
    struct vc_reduction r;
    if (k->rcount < 0 || !vc_reduction_init(&r, k->op, k->rtype) ||
        bad_buffers(k, root, receives, r.type.predefined))
        return vc_pass(k, VC_PASS_ARGS);
    if (!size_reduction(k, r.op.esize))
        return vc_native(k);
    struct sides s;
    sides_of(k, &r.type, receives, &s);
    if (!r.user && !r.padded && !s.in.device && !s.out.device)
        return run_plain(c, k, &r.op, receives);
    struct vc_selected sel;
    int err = vc_select_call(c, k, r.op.esize, r.op.commutative, &sel);
    if (err == VC_OK && !sel.alg)
        return vc_native(k);
    return vc_leave(c, k, err == VC_OK ? run_layout(c, k, &sel, &r, &s) : err);
}

/* `root` is -1 where all receive. */
static inline int run_reduction(struct vc_call *k, int root)
{
    struct vc_comm *c = vc_enter(k);
    if (!c)
        return vc_native(k);
    if (VC_UNLIKELY(root >= c->size))
        return vc_pass(k, VC_PASS_ARGS);
    bool receives = root < 0 || c->rank == root;
    const struct vc_redop *again = vc_redop_again(k->op, k->rtype);
    if (VC_UNLIKELY(!again))
        return run_any(c, k, root, receives);
    if (VC_UNLIKELY(bad_buffers(k, root, receives, true)))
        return vc_pass(k, VC_PASS_ARGS);
    if (VC_UNLIKELY(!size_reduction(k, again->esize)))
        return vc_native(k);
    return run_plain(c, k, again, receives);
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
