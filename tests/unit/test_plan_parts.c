/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans that are made part by part, and plans that are for all sizes: what runs is what the whole plan says,
 * it is proven, and its memory does not grow with the ranks.
 */
#include "coll/check/check.h"
#include "coll/engine.h"
#include "coll/info.h"
#include "coll/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- shapes ---- */

struct place {
    struct vc_hier h;
    int mem[4 * 4096 + 1];
};

static const struct vc_hier *place(struct place *p, int n, int ppn)
{
    int *node_of = p->mem, *local_of = node_of + n, *members = local_of + n, *first = members + n,
        nodes = (n + ppn - 1) / ppn;
    for (int r = 0; r < n; r++) {
        node_of[r] = r / ppn;
        local_of[r] = r % ppn;
        members[r] = r;
    }
    for (int i = 0; i <= nodes; i++)
        first[i] = i * ppn < n ? i * ppn : n;
    p->h = (struct vc_hier){.nnodes = nodes,
                            .uniform = n % ppn == 0,
                            .block = true,
                            .node_of = node_of,
                            .local_of = local_of,
                            .first = first,
                            .members = members};
    return &p->h;
}

static struct vc_shape shape_of(const struct vc_alg *alg, const struct vc_hier *h, int n, size_t bytes)
{
    return (struct vc_shape){.coll = alg->coll,
                             .size = n,
                             .bytes = bytes,
                             .esize = vc_coll_reduces(alg->coll) ? 8 : 1,
                             .commutative = true,
                             .hier = h};
}

static void each_alg(void (*with)(const struct vc_alg *alg))
{
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            if ((*a)->kind == VC_ALG_PLAN)
                with(*a);
}

/* ---- parts: on paper ---- */

static const struct vc_alg *cut; /* the algorithm whose parts are joined, `at_once` rounds each */
static long at_once;

static int build_cut(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(cut, s, rank, at_once, p);
}

static void prove_parts(const struct vc_alg *alg)
{
    static struct place p;
    char why[512];
    if (!alg->part)
        return;
    cut = alg;
    struct vc_alg joined = *alg;
    joined.build = build_cut;
    joined.steps = NULL; /* which speaks of whole plans */
    for (int n = 1; n <= 16; n++)
        for (at_once = 1; at_once <= 5; at_once += 2)
            for (int root = 0; root < (vc_coll_rooted(alg->coll) ? n : 1); root += 1 + n / 3)
                for (int big = 0; big < 2; big++) {
                    struct vc_shape s = shape_of(alg, place(&p, n, 1), n, big ? 8192 : 16);
                    s.root = root;
                    if (vc_alg_refuses(alg, &s))
                        continue;
                    if (vc_check_plan(&joined, &s, false, why, sizeof why) != 0)
                        fail_msg("%s %s, %d ranks, root %d, %ld rounds: %s", vc_coll_name(alg->coll),
                                 alg->name, n, root, at_once, why);
                }
}

static void parts_are_proven(void **state)
{
    (void)state;
    each_alg(prove_parts);
}

/* ---- parts: what runs ---- */

enum { MOST = 600 };

/* A message that waits for its other end, and those behind it of the same pair of ranks; 0: none. */
struct waiting {
    int from, to;
    void *buf;
    size_t len;
    struct vc_chan_req *req;
    int next;
};

/* All ranks in one process. */
static struct {
    struct waiting of[MOST * MOST + 1];
    int first[2][MOST][MOST], last[2][MOST][MOST]; /* receives and sends */
    int used, unused;                              /* the latter as a list */
    int waits;
    bool wrong;
} net;

struct mem_chan {
    struct vc_chan base;
    int me;
};

static void wait_behind(const struct waiting *w, bool sends)
{
    int *first = &net.first[sends][w->from][w->to], *last = &net.last[sends][w->from][w->to];
    int at = net.unused ? net.unused : ++net.used;
    assert_true(at <= MOST * MOST);
    net.unused = net.unused ? net.of[at].next : 0;
    net.of[at] = *w;
    *(*first ? &net.of[*last].next : first) = at;
    *last = at;
    net.waits++;
}

/* Takes the first one of the pair out, which keeps their order. */
static bool meet(const struct waiting *w, bool sends, struct waiting *out)
{
    int *first = &net.first[!sends][w->from][w->to], at = *first;
    if (!at)
        return false;
    *out = net.of[at];
    *first = out->next;
    net.of[at].next = net.unused;
    net.unused = at;
    net.waits--;
    return true;
}

static int post(struct waiting w, bool sends)
{
    struct waiting other;
    vc_req_begin(w.req);
    w.req->err = VC_OK;
    if (!meet(&w, sends, &other)) {
        wait_behind(&w, sends);
        return VC_OK;
    }
    net.wrong = net.wrong || other.len != w.len;
    if (w.len)
        memcpy(sends ? other.buf : w.buf, sends ? w.buf : other.buf, w.len);
    vc_req_end(w.req);
    vc_req_end(other.req);
    return VC_OK;
}

static int mem_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    int me = ((struct mem_chan *)(void *)ch)->me;
    return post((struct waiting){me, peer, (void *)(uintptr_t)buf, len, r, 0}, true);
}

static int mem_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    return post((struct waiting){peer, ((struct mem_chan *)(void *)ch)->me, buf, len, r, 0}, false);
}

static int mem_progress(struct vc_chan *ch)
{
    (void)ch;
    return 0;
}

static const struct vc_chan_ops mem_ops = {
    .name = "memory", .isend = mem_isend, .irecv = mem_irecv, .progress = mem_progress};

static struct mem_chan chan[MOST];
static struct vc_exec *exec[MOST];

/* Byte `at` of what `from` has for `to`. */
static unsigned char byte_of(int from, int to, size_t at)
{
    return (unsigned char)(from * 31 + to * 7 + (int)at);
}

static void run_all(int n, char *const *send, char *const *recv, const struct vc_redop *op)
{
    int left = n;
    bool done[MOST] = {false};
    for (int r = 0; r < n; r++)
        assert_int_equal(vc_exec_start(exec[r], send[r], recv[r], op), VC_OK);
    for (int turn = 0; left && turn < 100000; turn++)
        for (int r = 0; r < n; r++) {
            int rc = done[r] ? 0 : vc_exec_progress(exec[r]);
            assert_true(rc >= 0);
            done[r] = done[r] || rc > 0;
            left -= rc > 0;
        }
    assert_int_equal(left, 0);
    assert_false(net.wrong);
    assert_int_equal(net.waits, 0);
}

/* All ranks' execs, made part by part or whole. */
static void make_all(const struct vc_alg *alg, const struct vc_shape *s, bool parts)
{
    for (int r = 0; r < s->size; r++) {
        struct vc_plan plan;
        chan[r] = (struct mem_chan){.base = {.ops = &mem_ops}, .me = r};
        struct vc_exec_env env = {.chan = &chan[r].base, .nlocal = 1};
        if (parts) {
            assert_int_equal(vc_exec_create_parts(alg, r, s->size, &env, &exec[r]), VC_OK);
            vc_exec_shape(exec[r], s);
            continue;
        }
        vc_plan_init(&plan);
        assert_int_equal(alg->build(s, r, &plan), VC_OK);
        assert_int_equal(vc_exec_create(&plan, &env, &exec[r]), VC_OK);
    }
}

static void free_all(int n)
{
    for (int r = 0; r < n; r++)
        vc_exec_destroy(exec[r]);
}

static char **buffers(int n, size_t bytes)
{
    char **b = calloc((size_t)n, sizeof *b);
    assert_non_null(b);
    for (int i = 0; i < n; i++)
        assert_non_null(b[i] = calloc(1, bytes));
    return b;
}

static void free_buffers(char **b, int n)
{
    for (int i = 0; i < n; i++)
        free(b[i]);
    free(b);
}

/* Alltoall: every byte is of the right block, in sizes that follow each other on the same execs. */
static void run_alltoall(const char *name, int n, bool parts)
{
    static struct place p;
    static const size_t sizes[] = {8, 3, 40};
    const struct vc_alg *alg = vc_alg_find(VC_ALLTOALL, name);
    struct vc_shape s = shape_of(alg, place(&p, n, 1), n, parts ? 8 : VC_SCALE_UNIT);
    assert_int_equal(vc_alg_part_rounds(alg, &s) > 0, parts);
    make_all(alg, &s, parts);
    for (int r = 0; !parts && r < n; r++)
        vc_exec_scales(exec[r], s.bytes);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t b = s.bytes = sizes[k];
        char **send = buffers(n, (size_t)n * b), **recv = buffers(n, (size_t)n * b);
        for (int r = 0; r < n; r++) {
            for (size_t i = 0; i < (size_t)n * b; i++)
                send[r][i] = (char)byte_of(r, (int)(i / b), i % b);
            if (parts)
                vc_exec_shape(exec[r], &s);
            else
                assert_int_equal(vc_exec_scale(exec[r], b), VC_OK);
        }
        run_all(n, send, recv, NULL);
        for (int r = 0; r < n; r++)
            for (size_t i = 0; i < (size_t)n * b; i++)
                assert_int_equal((unsigned char)recv[r][i], byte_of((int)(i / b), r, i % b));
        free_buffers(send, n);
        free_buffers(recv, n);
    }
    for (int r = 0; parts && r < n; r++)
        assert_true(vc_exec_bytes(exec[r]) < (size_t)256 << 10);
    free_all(n);
}

static void alltoall_runs_in_parts(void **state)
{
    (void)state;
    run_alltoall("linear", 600, true);
    run_alltoall("pairwise", 300, true);
    run_alltoall("pairwise", 512, true);
}

static void one_plan_for_all_sizes(void **state)
{
    (void)state;
    run_alltoall("linear", 20, false);
    run_alltoall("pairwise", 16, false);
    run_alltoall("bruck", 13, false);
}

static void allreduce_runs_in_parts(void **state)
{
    enum { N = 300, COUNT = 700 };
    static struct place p;
    const struct vc_alg *alg = vc_alg_find(VC_ALLREDUCE, "ring");
    struct vc_shape s = shape_of(alg, place(&p, N, 1), N, COUNT * sizeof(double));
    struct vc_redop sum;
    (void)state;
    vc_redop_init(&sum, VC_OP_SUM, VC_T_DOUBLE);
    assert_true(vc_alg_part_rounds(alg, &s) > 0);
    make_all(alg, &s, true);
    char **send = buffers(N, s.bytes), **recv = buffers(N, s.bytes);
    for (int r = 0; r < N; r++)
        for (int i = 0; i < COUNT; i++)
            ((double *)(void *)send[r])[i] = r + i;
    for (int again = 0; again < 2; again++) {
        run_all(N, send, recv, &sum);
        for (int r = 0; r < N; r++)
            for (int i = 0; i < COUNT; i++)
                assert_true(((double *)(void *)recv[r])[i] == N * (N - 1) / 2.0 + (double)N * i);
    }
    free_buffers(send, N);
    free_buffers(recv, N);
    free_all(N);
}

/* Long blocks come a few at a time, for tokens, also across the borders of parts. */
static void gather_runs_in_parts(void **state)
{
    enum { N = 600, BYTES = 5000, ROOT = 77 };
    static struct place p;
    const struct vc_alg *alg = vc_alg_find(VC_GATHER, "linear");
    struct vc_shape s = shape_of(alg, place(&p, N, 1), N, BYTES);
    (void)state;
    s.root = ROOT;
    assert_true(vc_alg_part_rounds(alg, &s) > 0);
    make_all(alg, &s, true);
    char **send = buffers(N, BYTES), **recv = buffers(N, 1);
    free(recv[ROOT]);
    recv[ROOT] = calloc(N, BYTES);
    assert_non_null(recv[ROOT]);
    for (int r = 0; r < N; r++)
        memset(send[r], byte_of(r, 0, 0), BYTES);
    run_all(N, send, recv, NULL);
    for (int r = 0; r < N; r++)
        assert_memory_equal(recv[ROOT] + (size_t)r * BYTES, send[r], BYTES);
    free_buffers(send, N);
    free_buffers(recv, N);
    free_all(N);
}

/* A part of a plan of 65536 ranks is as short as that of a few hundred. */
static void parts_are_short(const struct vc_alg *alg)
{
    static struct vc_hier h;
    struct vc_plan p;
    struct vc_shape s = shape_of(alg, &h, 65536, (size_t)1 << 20);
    if (!alg->part)
        return;
    int *zero = calloc(65536, sizeof *zero);
    assert_non_null(zero);
    h = (struct vc_hier){.nnodes = 65536, .uniform = true, .block = true, .local_of = zero};
    assert_null(vc_alg_refuses(alg, &s));
    long rounds = vc_alg_part_rounds(alg, &s);
    assert_true(rounds > 0);
    vc_plan_begin(&p, &s, 0);
    alg->part(&s, 0, rounds, 2 * rounds, &p);
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    if (p.nsteps > 2 * VC_PART_STEPS)
        fail_msg("%s %s: %d steps", vc_coll_name(alg->coll), alg->name, p.nsteps);
    vc_plan_free(&p);
    free(zero);
}

static void parts_do_not_grow(void **state)
{
    (void)state;
    each_alg(parts_are_short);
}

/* ---- all sizes ---- */

static bool ref_scales(const struct vc_ref *a, const struct vc_ref *unit, size_t bytes, size_t of)
{
    /* Scratch of other lengths begins elsewhere. */
    return a->buf == unit->buf && a->len * of == unit->len * bytes &&
           (a->buf == VC_BUF_TMP || a->off * of == unit->off * bytes);
}

/* Whether the plan for `bytes` is that for the unit, but for the lengths. */
static bool plan_scales(const struct vc_alg *alg, struct vc_shape s, int rank, size_t bytes, size_t unit)
{
    struct vc_plan a, b;
    s.bytes = bytes;
    vc_plan_init(&a);
    vc_plan_init(&b);
    bool same = !vc_alg_refuses(alg, &s) && alg->build(&s, rank, &a) == VC_OK;
    s.bytes = unit;
    same = same && !vc_alg_refuses(alg, &s) && alg->build(&s, rank, &b) == VC_OK;
    same = same && a.nsteps == b.nsteps && a.ndeps == b.ndeps &&
           (a.ndeps == 0 || memcmp(a.deps, b.deps, (size_t)a.ndeps * sizeof *a.deps) == 0);
    for (int i = 0; same && i < a.nsteps; i++) {
        const struct vc_step *x = &a.steps[i], *y = &b.steps[i];
        same = x->kind == y->kind && x->peer == y->peer && x->parts == y->parts &&
               x->dst_left == y->dst_left && (x->kind != VC_STEP_NODE || x->node == y->node) &&
               x->len * unit == y->len * bytes && ref_scales(&x->src, &y->src, bytes, unit) &&
               ref_scales(&x->dst, &y->dst, bytes, unit) && x->dep_count == y->dep_count && !x->at && !y->at;
    }
    vc_plan_free(&a);
    vc_plan_free(&b);
    return same;
}

/* For elements of `esize`, in all sizes; *any: there was a plan. */
static bool scales_with(const struct vc_alg *alg, size_t esize, size_t unit, bool *any)
{
    static struct place p;
    static const size_t sizes[] = {8, 24, 64, 1000, 4096, 65536, 1 << 20, 3 << 20, 40 << 20};
    static const int shapes[][2] = {{2, 1}, {5, 1}, {8, 1}, {16, 1}, {8, 4}, {12, 3}, {11, 4}, {33, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (int rank = 0, n = shapes[i][0]; rank < n; rank++) {
                size_t bytes = (sizes[k] + esize - 1) / esize * esize;
                struct vc_shape s = shape_of(alg, place(&p, n, shapes[i][1]), n, bytes);
                s.esize = esize;
                s.root = vc_coll_rooted(alg->coll) ? n / 2 : 0;
                s.radix = k % 2 ? 4 : 0;
                if (vc_alg_refuses(alg, &s))
                    continue;
                *any = true;
                if (!plan_scales(alg, s, rank, bytes, unit))
                    return false;
            }
    return true;
}

static void check_scales(const struct vc_alg *alg)
{
    bool any = false, reduces = vc_coll_reduces(alg->coll);
    bool all = scales_with(alg, reduces ? 8 : 1, 64, &any) && (!reduces || scales_with(alg, 48, 192, &any));
    if (getenv("VC_TEST_VERBOSE"))
        print_message("%s %s: %s\n", vc_coll_name(alg->coll), alg->name, any && all ? "scales" : "does not");
    if (alg->scales && !(any && all))
        fail_msg("%s %s says that it scales, and does not", vc_coll_name(alg->coll), alg->name);
    if (!alg->scales && any && all && vc_coll_by_size(alg->coll))
        fail_msg("%s %s scales, and does not say so", vc_coll_name(alg->coll), alg->name);
}

static void scaling_is_a_fact(void **state)
{
    (void)state;
    each_alg(check_scales);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_proven),        cmocka_unit_test(parts_do_not_grow),
        cmocka_unit_test(alltoall_runs_in_parts),  cmocka_unit_test(one_plan_for_all_sizes),
        cmocka_unit_test(allreduce_runs_in_parts), cmocka_unit_test(gather_runs_in_parts),
        cmocka_unit_test(scaling_is_a_fact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
