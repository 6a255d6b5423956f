/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/conformance/engine_suite.h"

#include "tests/unit/turned.h"

#include "coll/info.h"
#include "coll/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void es_hier_make(struct es_hier *o, int size, int per, bool block)
{
    int nnodes = (size + per - 1) / per, at = 0;
    for (int node = 0; node < nnodes; node++) {
        o->first[node] = at;
        for (int r = 0; r < size; r++) {
            if ((block ? r / per : r % nnodes) != node)
                continue;
            o->node_of[r] = node;
            o->local_of[r] = at - o->first[node];
            o->members[at++] = r;
        }
    }
    o->first[nnodes] = at;
    o->h = (struct vc_hier){.nnodes = nnodes,
                            .uniform = size % nnodes == 0 && (!block || size % per == 0),
                            .block = block || nnodes == 1 || nnodes == size,
                            .node_of = o->node_of,
                            .local_of = o->local_of,
                            .first = o->first,
                            .members = o->members};
}

/* ---- operators ---- */

/**
 * An element is the function x -> a*x + b on 32-bit integers; the operator composes them, the left one first.
 * That is associative, not commutative, and sensitive to every exchange of operands.
 */
struct affine {
    uint32_t a, b;
};

static void compose(const void *va, const void *vb, void *vout, size_t count, void *ctx)
{
    const struct affine *l = va, *r = vb;
    struct affine *out = vout;
    ++*(int *)ctx;
    if (va == vout)
        abort(); /* operators of users may not write their left operand */
    for (size_t i = 0; i < count; i++) {
        struct affine x = l[i], y = r[i];
        out[i] = (struct affine){x.a * y.a, y.a * x.b + y.b};
    }
}

static void add(const void *va, const void *vb, void *vout, size_t count, void *ctx)
{
    const uint64_t *a = va, *b = vb;
    uint64_t *out = vout;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] + b[i];
}

/* ---- data ---- */

/** What rank `rank` contributes in run `run`: odd multipliers keep every element's influence alive. */
static uint32_t word(int rank, int run, size_t i)
{
    uint64_t x = ((uint64_t)(rank + 1) << 40) + ((uint64_t)run << 32) + i;
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(x >> 32) | 1u;
}

static void contribute(void *buf, size_t bytes, int rank, int run)
{
    unsigned char *p = buf;
    for (size_t at = 0, i = 0; at < bytes; at += 4, i++) {
        uint32_t w = word(rank, run, i);
        memcpy(p + at, &w, vc_min_size(4, bytes - at));
    }
}

/** Whether a rank has that side of the call. */
static bool has(struct vc_side side, const struct vc_shape *s, int me)
{
    return side.extent != VC_EXTENT_NONE && (!side.root_only || me == s->root);
}

/** Fills `want` with what rank `me` must hold in RECV at the end; false when it holds nothing. */
static bool expect(const struct vc_shape *s, int me, int run, const struct vc_redop *op, unsigned char *want,
                   unsigned char *scratch)
{
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    size_t n = s->bytes, from = info->send.extent == VC_EXTENT_EACH ? (size_t)me * n : 0;
    if (!has(info->recv, s, me))
        return false;
    if (info->reduces) {
        int operands = vc_operands_of(info->operands, me, s->size);
        if (operands == 0)
            return false;
        contribute(want, from + n, operands - 1, run);
        memmove(want, want + from, n);
        for (int r = operands - 2; r >= 0; r--) {
            contribute(scratch, from + n, r, run);
            op->fn(scratch + from, want, want, n / op->esize, op->ctx);
        }
        return true;
    }
    if (info->recv.extent == VC_EXTENT_ONE) {
        contribute(scratch, from + n, s->root, run);
        memcpy(want, scratch + from, n);
        return true;
    }
    for (int r = 0; r < s->size; r++) {
        contribute(scratch, from + n, r, run);
        memcpy(want + (size_t)r * n, scratch + from, n);
    }
    return true;
}

/* ---- one plan ---- */

struct buffers {
    unsigned char *send, *recv, *want, *scratch;
    size_t bytes;
};

enum { GUARD = 64 };

static int complain(const struct vc_alg *alg, const struct vc_shape *s, int me, int run, const char *what)
{
    fprintf(stderr,
            "engine: %s/%s, %d ranks on %d nodes, %zu bytes, root %d, radix %d, segment %zu, rank %d, run "
            "%d: %s (%s)\n",
            vc_coll_name(s->coll), alg->name, s->size, s->hier->nnodes, s->bytes, s->root, s->radix,
            s->segment, me, run, what, vc_error_text());
    return 1;
}

/* Which runs of a plan there are. */
enum how { PLAIN, IN_PLACE, WITH_VIEWS };

/* The rank sees its data, the result, or both through a view. */
static void see_turned(struct turned_view *v, const struct vc_shape *s, int me, void *send, void *recv)
{
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    bool bcast = vc_coll_root_gives_recv(s->coll), root = me == s->root;
    void *data = bcast ? (root ? recv : NULL) : send;
    if (data && (me % 3 != 0 || bcast))
        turned_data(v, data, vc_side_bytes(bcast ? info->recv : info->send, s->bytes, s->size));
    if (recv && me % 3 != 1 && !(bcast && root))
        turned_result(v, vc_side_bytes(info->recv, s->bytes, s->size));
}

static int run_once(const struct es_env *e, const struct vc_alg *alg, const struct vc_shape *s,
                    struct vc_exec *x, const struct vc_redop *op, enum how how, int run, struct buffers *b)
{
    bool in_place = how == IN_PLACE;
    struct turned_view view = {.view = {.src = NULL}};
    int me = e->chan->rank;
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    size_t n = s->bytes;
    size_t recv_len = vc_side_bytes(info->recv, n, s->size), send_len = vc_side_bytes(info->send, n, s->size);
    const unsigned char *send = has(info->send, s, me) ? b->send : NULL;
    void *recv = has(info->recv, s, me) ? b->recv : NULL;
    memset(b->recv, 0xee, recv_len + GUARD);
    contribute(b->send, send_len, me, run);
    if (vc_coll_root_gives_recv(s->coll)) {
        if (me == s->root)
            contribute(b->recv, n, me, run);
    } else if (in_place && send && recv && info->in_place == VC_IN_PLACE_IN_SEND) {
        recv = b->send + (size_t)me * n;
    } else if (in_place && send && recv) {
        unsigned char *own = info->in_place == VC_IN_PLACE_OWN_BLOCK ? b->recv + (size_t)me * n : b->recv;
        memcpy(own, b->send, n);
        send = own;
    }
    if (how == WITH_VIEWS)
        see_turned(&view, s, me, (void *)(uintptr_t)send, recv);
    vc_exec_view(x, how == WITH_VIEWS ? &view.view : NULL);
    if (vc_exec_start(x, send, recv, op) != VC_OK)
        return complain(alg, s, me, run, "start");
    if (vc_exec_wait(x, e->wait, e->parking) != VC_OK)
        return complain(alg, s, me, run, "wait");
    if (vc_exec_progress(x) != 1)
        return complain(alg, s, me, run, "a finished run is not done");
    turned_end(&view, vc_coll_root_gives_recv(s->coll) ? recv : (void *)(uintptr_t)send, recv);
    if (expect(s, me, run, op, b->want, b->scratch) && memcmp(recv, b->want, recv_len) != 0)
        return complain(alg, s, me, run, "wrong result");
    for (size_t i = 0; i < GUARD; i++)
        if (b->recv[recv_len + i] != 0xee)
            return complain(alg, s, me, run, "wrote beyond RECV");
    if (send == b->send) {
        contribute(b->scratch, send_len, me, run);
        if (memcmp(b->send, b->scratch, send_len) != 0)
            return complain(alg, s, me, run, "wrote SEND");
    }
    return 0;
}

static int run_plan(const struct es_env *e, const struct vc_alg *alg, const struct vc_shape *s,
                    const struct vc_redop *op, struct buffers *b)
{
    int me = e->chan->rank, node = e->hier->node_of[me];
    struct vc_exec_env env = {.chan = e->chan,
                              .node = e->node,
                              .local = e->hier->local_of[me],
                              .nlocal = vc_hier_node_size(e->hier, node)};
    struct vc_plan plan;
    struct vc_exec *x;
    if (alg->build(s, me, &plan) != VC_OK)
        return complain(alg, s, me, 0, "build");
    vc_plan_place_blocks(&plan, s, me);
    if (vc_exec_create(&plan, &env, &x) != VC_OK) {
        vc_plan_free(&plan);
        return complain(alg, s, me, 0, "create");
    }
    int rc = 0;
    bool aliases = vc_coll_info[s->coll].in_place != VC_IN_PLACE_NEVER, reduces = vc_coll_reduces(s->coll);
    /* Long messages are cut as those of 70 000 bytes are. */
    int runs = s->bytes <= 4096 || (!reduces && s->bytes <= 70000 && s->root == 0) ? 3 : 2;
    for (int run = 0; run < runs && rc == 0; run++)
        rc = run_once(e, alg, s, x, op,
                      run == 1 && aliases    ? IN_PLACE
                      : run == 2 && !reduces ? WITH_VIEWS
                                             : PLAIN,
                      run, b);
    vc_exec_destroy(x);
    return rc;
}

static int all_roots(const struct es_env *e, const struct vc_alg *alg, struct vc_shape *s,
                     const struct vc_redop *op, struct buffers *b, int *plans)
{
    for (s->root = 0; s->root < (vc_coll_rooted(s->coll) ? s->size : 1); s->root++) {
        /* What large messages add does not depend on the root: first and last are enough there. */
        if (s->bytes > 4096 && s->root > 0 && s->root < s->size - 1)
            continue;
        if (vc_alg_refuses(alg, s))
            return 0;
        if (run_plan(e, alg, s, op, b))
            return 1;
        ++*plans;
    }
    return 0;
}

static int run_alg(const struct es_env *e, const struct vc_alg *alg, struct buffers *b, int *plans)
{
    static const size_t sizes[] = {8, 0, 40, 1000, 4096, 70000, 300000};
    int calls = 0;
    const struct vc_redop sum = {.fn = add, .esize = 8, .commutative = true};
    const struct vc_redop aff = {.fn = compose, .ctx = &calls, .esize = sizeof(struct affine)};
    bool reduces = vc_coll_reduces(alg->coll), sized = vc_coll_sized(alg->coll);
    for (size_t i = 0; i < (sized ? sizeof sizes / sizeof *sizes : 1); i++)
        for (int ordered = 0; ordered <= (reduces ? 1 : 0); ordered++)
            for (int radix = 0; radix <= ((alg->params & VC_PARAM_RADIX) && sizes[i] <= 1000 ? 3 : 0);
                 radix += 3)
                for (int cut = 0; cut <= ((alg->params & VC_PARAM_SEGMENT) && sizes[i] >= 4096 ? 1 : 0);
                     cut++) {
                    if (sizes[i] > e->max_bytes)
                        continue;
                    const struct vc_redop *op = !reduces ? NULL : ordered ? &aff : &sum;
                    struct vc_shape s = {.coll = alg->coll,
                                         .size = e->chan->size,
                                         .bytes = sized ? sizes[i] : 0,
                                         .esize = reduces ? op->esize : 1,
                                         .commutative = !reduces || op->commutative,
                                         .radix = radix,
                                         .segment = cut ? 2048 : 0,
                                         .hier = e->hier};
                    if (all_roots(e, alg, &s, op, b, plans))
                        return 1;
                }
    return 0;
}

int es_run(const struct es_env *e, int *plans)
{
    struct buffers b = {.bytes = e->max_bytes * (size_t)e->chan->size + GUARD};
    b.send = malloc(b.bytes);
    b.recv = malloc(b.bytes);
    b.want = malloc(b.bytes);
    b.scratch = malloc(b.bytes);
    int rc = !b.send || !b.recv || !b.want || !b.scratch;
    *plans = 0;
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)coll); *a && rc == 0; a++)
            if ((*a)->kind == VC_ALG_PLAN)
                rc = run_alg(e, *a, &b, plans);
    free(b.send);
    free(b.recv);
    free(b.want);
    free(b.scratch);
    return rc;
}
