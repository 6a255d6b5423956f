/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine: every plan of the registry with real data, and its own rules on a channel under the test's
 * control. */
#include "tests/unit/conformance/engine_suite.h"
#include "tests/unit/conformance/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- all plans, over forked ranks ---- */

struct job {
    int n, per; /**< ranks, ranks per node */
    bool block;
    enum vc_wait_mode mode;
    size_t max_bytes, budget;
    bool cma;
    struct hs_node shared;
    size_t node_stride;
};

enum { BULK = 64 << 10 };

static int job_rank(int me, void *arg)
{
    const struct job *j = arg;
    struct hs_rank hr;
    struct es_hier hier;
    int ranks[256];
    hs_join(&j->shared, me, &hr);
    es_hier_make(&hier, j->n, j->per, j->block);
    for (int i = 0; i < j->n; i++)
        ranks[i] = i;
    struct vc_wait_cfg wait = hs_wait(j->mode, j->n > 1);
    struct es_env e = {.hier = &hier.h, .wait = &wait, .parking = &hr.parking, .max_bytes = j->max_bytes};
    struct vc_shm_chan_cfg cc = {.mem = hr.chan_mem,
                                 .budget = j->budget,
                                 .n = j->n,
                                 .me = me,
                                 .ranks = ranks,
                                 .size = j->n,
                                 .rank = me,
                                 .parking = &hr.parking,
                                 .cma_pids = j->cma && hr.cma ? hr.pids : NULL,
                                 .cma_min = 8192};
    if (vc_shm_chan_create(&cc, &e.chan) != VC_OK)
        return 1;

    /* Each node has its own words and slots; a node of all ranks shares the channel's words, as in real life.
     */
    int node = hier.node_of[me], q = vc_hier_node_size(&hier.h, node);
    char *mem = (char *)hr.extra + (size_t)node * j->node_stride;
    struct vc_parking parking = {
        .shared = (struct vc_park_area *)(void *)mem, .n = q, .me = hier.local_of[me]};
    pid_t pids[256];
    for (int l = 0; l < q; l++)
        pids[l] = hr.pids[vc_hier_rank(&hier.h, node, l)];
    char *parts[256], *common = mem + vc_park_bytes(j->n);
    for (int l = 0; l < q; l++)
        parts[l] = common + vc_node_common_bytes(j->n) + (size_t)l * vc_node_bytes(j->n, BULK);
    struct vc_node_cfg nc = {.mem = parts,
                             .common = common,
                             .n = q,
                             .me = hier.local_of[me],
                             .bulk = BULK,
                             .parking = hier.h.nnodes == 1 ? &hr.parking : &parking,
                             .wait = &wait,
                             .cma_pids = j->cma && hr.cma ? pids : NULL,
                             .cma_min = 8192};
    if (j->per > 1 && vc_node_create(&nc, &e.node) != VC_OK)
        return 1;
    int plans, rc = es_run(&e, &plans);
    if (rc == 0 && plans == 0)
        rc = 1;
    if (me == 0 && getenv("VC_TEST_VERBOSE"))
        fprintf(stderr, "  %d ranks, %d per node: %d plans\n", j->n, j->per, plans);
    hs_meet(hr.start, j->n); /* nobody's memory goes while a peer may still read it */
    e.chan->ops->destroy(e.chan);
    if (e.node)
        vc_node_destroy(e.node);
    return rc;
}

static void run_job(struct job j)
{
    j.budget = j.budget ? j.budget : 256 << 10;
    int nnodes = (j.n + j.per - 1) / j.per;
    j.node_stride = vc_park_bytes(j.n) + vc_node_common_bytes(j.n) + (size_t)j.n * vc_node_bytes(j.n, BULK);
    j.shared = hs_node_make(j.n, j.budget, (size_t)nnodes * j.node_stride);
    int failed = hs_fork(j.n, job_rank, &j, 240);
    hs_node_free(&j.shared);
    assert_int_equal(failed, 0);
}

static void plans_alone(void **state)
{
    (void)state;
    run_job((struct job){.n = 1, .per = 1, .block = true, .max_bytes = 300000});
}

static void plans_two_ranks_one_node(void **state)
{
    (void)state;
    run_job((struct job){
        .n = 2, .per = 2, .block = true, .max_bytes = 300000, .mode = VC_WAIT_AUTO, .cma = true});
}

static void plans_three_nodes_of_one(void **state)
{
    (void)state;
    run_job((struct job){.n = 3, .per = 1, .block = true, .max_bytes = 70000, .mode = VC_WAIT_HYBRID});
}

static void plans_four_ranks_event(void **state)
{
    (void)state;
    run_job((struct job){.n = 4, .per = 4, .block = true, .max_bytes = 1000, .mode = VC_WAIT_EVENT});
}

static void plans_two_nodes_of_two(void **state)
{
    (void)state;
    run_job((struct job){
        .n = 4, .per = 2, .block = true, .max_bytes = 300000, .mode = VC_WAIT_POLL, .cma = true});
}

static void plans_uneven_nodes(void **state)
{
    (void)state;
    run_job((struct job){.n = 5, .per = 2, .block = true, .max_bytes = 70000, .mode = VC_WAIT_POLL});
}

static void plans_interleaved_nodes(void **state)
{
    (void)state;
    run_job((struct job){
        .n = 6, .per = 3, .block = false, .max_bytes = 4096, .mode = VC_WAIT_POLL, .budget = 4096});
}

/* ---- a channel that does what the test says ---- */

struct script {
    struct vc_chan base;
    struct {
        bool send;
        int peer;
        size_t len;
        void *buf;
        struct vc_chan_req *req;
    } log[32];
    int n, fail_after; /**< progress calls until it fails; 0: never */
    bool at_once;      /**< requests are done when they are posted */
};

static int log_request(struct vc_chan *ch, bool send, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    struct script *s = (struct script *)(void *)ch;
    r->done = s->at_once;
    r->err = VC_OK;
    s->log[s->n].send = send;
    s->log[s->n].peer = peer;
    s->log[s->n].len = len;
    s->log[s->n].buf = buf;
    s->log[s->n++].req = r;
    return VC_OK;
}

static int script_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    return log_request(ch, true, peer, (void *)(uintptr_t)buf, len, r);
}

static int script_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    return log_request(ch, false, peer, buf, len, r);
}

static int script_progress(struct vc_chan *ch)
{
    struct script *s = (struct script *)(void *)ch;
    if (s->fail_after > 0 && --s->fail_after == 0)
        return vc_fail(VC_ERR_PEER, "the script says so");
    return 0;
}

static void script_destroy(struct vc_chan *ch)
{
    (void)ch;
}

static const struct vc_chan_ops script_ops = {.name = "script",
                                              .isend = script_isend,
                                              .irecv = script_irecv,
                                              .progress = script_progress,
                                              .destroy = script_destroy};

static struct script script_make(void)
{
    struct script s = {.base = {&script_ops, 0, 8}};
    return s;
}

static struct vc_exec *make(struct vc_plan *plan, struct vc_chan *ch)
{
    struct vc_exec_env env = {.chan = ch, .nlocal = 1};
    struct vc_exec *x;
    assert_int_equal(vc_plan_finish(plan), VC_OK);
    assert_int_equal(vc_exec_create(plan, &env, &x), VC_OK);
    return x;
}

static void messages_of_a_pair_start_in_list_order(void **state)
{
    (void)state;
    struct script s = script_make();
    struct vc_plan p;
    unsigned char recv[64];
    vc_plan_init(&p);
    struct vc_ref a = vc_ref_of(VC_BUF_RECV, 0, 8), b = vc_ref_of(VC_BUF_RECV, 8, 16);
    vc_plan_recv(&p, 2, a);
    vc_plan_send(&p, 1, a); /* waits for the receive */
    vc_plan_send(&p, 1, b); /* waits for nothing but its turn */
    vc_plan_send(&p, 3, b); /* waits for nothing at all */
    struct vc_exec *x = make(&p, &s.base);
    assert_int_equal(p.nsteps, 0); /* taken over */
    for (int run = 0; run < 2; run++) {
        s.n = 0;
        assert_int_equal(vc_exec_start(x, NULL, recv, NULL), VC_OK);
        assert_int_equal(vc_exec_start(x, NULL, recv, NULL), VC_ERR_INVAL); /* one run at a time */
        assert_int_equal(vc_exec_progress(x), 0);
        assert_int_equal(s.n, 2);
        assert_false(s.log[0].send);
        assert_ptr_equal(s.log[0].buf, recv);
        assert_int_equal(s.log[1].peer, 3);
        assert_int_equal(vc_exec_progress(x), 0);
        assert_false(vc_exec_advanced(x));
        s.log[0].req->done = true;
        assert_int_equal(vc_exec_progress(x), 0);
        assert_true(vc_exec_advanced(x));
        assert_int_equal(s.n, 4);
        assert_int_equal(s.log[2].len, 8);
        assert_int_equal(s.log[3].len, 16);
        assert_ptr_equal(s.log[3].buf, recv + 8);
        for (int i = 1; i < 4; i++)
            s.log[i].req->done = true;
        assert_int_equal(vc_exec_progress(x), 1);
        assert_int_equal(vc_exec_progress(x), 1);
    }
    vc_exec_destroy(x);
}

static void node_phases_run_in_list_order(void **state)
{
    (void)state;
    struct script s = script_make();
    struct vc_plan p;
    char send[4] = "abc", recv[8] = "-------";
    vc_plan_init(&p);
    struct vc_ref token = vc_plan_tmp(&p, 0), none = vc_ref_of(VC_BUF_NONE, 0, 0);
    int first = vc_plan_recv(&p, 1, token);
    int barrier = vc_plan_node(&p, VC_PHASE_BARRIER, 0, 1, 0, none, none);
    vc_plan_after(&p, barrier, first);
    vc_plan_node(&p, VC_PHASE_ALLGATHER, 0, 1, 4, vc_ref_of(VC_BUF_SEND, 0, 4), vc_ref_of(VC_BUF_RECV, 0, 4));
    struct vc_exec *x = make(&p, &s.base);
    assert_int_equal(vc_exec_start(x, send, recv, NULL), VC_OK);
    assert_int_equal(vc_exec_progress(x), 0);
    assert_string_equal(recv, "-------");
    s.log[0].req->done = true;
    assert_int_equal(vc_exec_progress(x), 1);
    assert_string_equal(recv, "abc");
    vc_exec_destroy(x);
}

/** Elements are of any size, the first byte names them; the result of (a, b) is named a * 10 + b. */
static size_t element;
static void decimal(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    (void)ctx;
    assert_ptr_not_equal(a, out);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *x = a, *y = b;
        unsigned char r = (unsigned char)(x[i * element] * 10 + y[i * element]);
        memset((char *)out + i * element, r, element);
    }
}

static void operands_keep_their_sides(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 24, 70000}; /* the last one is larger than the engine's own room */
    for (size_t i = 0; i < 3; i++) {
        struct script s = script_make();
        struct vc_plan p;
        element = sizes[i];
        size_t count = 4000 / element + 2, len = count * element;
        unsigned char *send = malloc(len), *recv = malloc(len);
        assert_true(send && recv);
        memset(send, 3, len);
        memset(recv, 1, len);
        s.at_once = true;
        vc_plan_init(&p);
        struct vc_ref in = vc_ref_of(VC_BUF_SEND, 0, len), out = vc_ref_of(VC_BUF_RECV, 0, len);
        vc_plan_reduce(&p, in, out, true);  /* 1 (op) 3 */
        vc_plan_reduce(&p, in, out, false); /* 3 (op) 13 */
        struct vc_exec *x = make(&p, &s.base);
        int ctx;
        struct vc_redop op = {.fn = decimal, .ctx = &ctx, .esize = element};
        assert_int_equal(vc_exec_start(x, send, recv, &op), VC_OK);
        assert_int_equal(vc_exec_progress(x), 1);
        for (size_t k = 0; k < len; k++) {
            assert_int_equal(recv[k], 43);
            assert_int_equal(send[k], 3);
        }
        vc_exec_destroy(x);
        free(send);
        free(recv);
    }
}

static void receive_and_reduce(void **state)
{
    (void)state;
    for (int left = 0; left < 2; left++) {
        struct script s = script_make();
        struct vc_plan p;
        unsigned char recv[5] = {2, 2, 2, 2, 2};
        int ctx;
        struct vc_redop op = {.fn = decimal, .ctx = &ctx, .esize = 1};
        element = 1;
        vc_plan_init(&p);
        vc_plan_recv_reduce(&p, 1, vc_ref_of(VC_BUF_RECV, 0, 5), left);
        struct vc_exec *x = make(&p, &s.base);
        assert_int_equal(vc_exec_start(x, NULL, recv, &op), VC_OK);
        assert_int_equal(vc_exec_progress(x), 0);
        assert_ptr_not_equal(s.log[0].buf, recv);
        assert_int_equal((uintptr_t)s.log[0].buf % VC_CACHELINE, 0);
        memset(s.log[0].buf, 7, 5);
        s.log[0].req->done = true;
        assert_int_equal(vc_exec_progress(x), 1);
        for (int k = 0; k < 5; k++)
            assert_int_equal(recv[k], left ? 27 : 72);
        vc_exec_destroy(x);
    }
}

static void empty_things(void **state)
{
    (void)state;
    struct script s = script_make();
    struct vc_plan p;
    vc_plan_init(&p);
    struct vc_exec *x = make(&p, NULL); /* no steps at all */
    assert_int_equal(vc_exec_start(x, NULL, NULL, NULL), VC_OK);
    assert_int_equal(vc_exec_progress(x), 1);
    vc_exec_destroy(x);
    vc_exec_destroy(NULL);

    s.at_once = true;
    vc_plan_init(&p);
    struct vc_ref r = vc_ref_of(VC_BUF_RECV, 0, 0), o = vc_ref_of(VC_BUF_SEND, 0, 0);
    vc_plan_copy(&p, o, r);
    vc_plan_reduce(&p, o, r, true);
    vc_plan_send(&p, 1, r);
    vc_plan_recv(&p, 1, r);
    vc_plan_recv_reduce(&p, 1, r, false);
    vc_plan_node(&p, VC_PHASE_ALLTOALL, 0, 1, 0, o, r);
    x = make(&p, &s.base);
    assert_int_equal(vc_exec_start(x, NULL, NULL, NULL), VC_OK);
    assert_int_equal(vc_exec_progress(x), 1);
    assert_int_equal(s.n, 3);
    vc_exec_destroy(x);
}

static void plans_that_cannot_run_here(void **state)
{
    (void)state;
    struct vc_plan p;
    struct vc_exec *x;
    struct vc_exec_env env = {.nlocal = 2};
    vc_plan_init(&p);
    vc_plan_send(&p, 1, vc_ref_of(VC_BUF_RECV, 0, 8));
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    assert_int_equal(vc_exec_create(&p, &env, &x), VC_ERR_UNSUPPORTED);
    assert_int_equal(p.nsteps, 1); /* still the caller's */
    vc_plan_free(&p);
    vc_plan_init(&p);
    vc_plan_node(&p, VC_PHASE_BCAST, 0, 1, 8, vc_ref_of(VC_BUF_NONE, 0, 0), vc_ref_of(VC_BUF_RECV, 0, 8));
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    assert_int_equal(vc_exec_create(&p, &env, &x), VC_ERR_UNSUPPORTED);
    vc_plan_free(&p);
}

static void a_failed_run_poisons(void **state)
{
    (void)state;
    struct script s = script_make();
    struct vc_plan p;
    struct vc_wait_cfg wait = hs_wait(VC_WAIT_HYBRID, true);
    unsigned char recv[8] = {0};
    int ctx;
    struct vc_redop op = {.fn = decimal, .ctx = &ctx, .esize = 1};
    s.fail_after = 50;
    vc_plan_init(&p);
    vc_plan_recv_reduce(&p, 1, vc_ref_of(VC_BUF_RECV, 0, 8), false);
    struct vc_exec *x = make(&p, &s.base);
    assert_int_equal(vc_exec_start(x, NULL, recv, &op), VC_OK);
    assert_int_equal(vc_exec_wait(x, &wait, NULL), VC_ERR_PEER);
    assert_string_equal(vc_error_text(), "the script says so");
    assert_int_equal(vc_exec_progress(x), VC_ERR_PEER);
    assert_int_equal(vc_exec_start(x, NULL, recv, &op), VC_ERR_PEER);
    vc_exec_destroy(x);
    /* The message comes after all: its memory must still be there. */
    memset(s.log[0].buf, 1, 8);
    s.log[0].req->done = true;

    /* An error that a request carries. */
    struct script t = script_make();
    vc_plan_init(&p);
    vc_plan_recv(&p, 1, vc_ref_of(VC_BUF_RECV, 0, 8));
    vc_plan_recv(&p, 2, vc_ref_of(VC_BUF_RECV, 8, 8));
    x = make(&p, &t.base);
    unsigned char two[16];
    assert_int_equal(vc_exec_start(x, NULL, two, NULL), VC_OK);
    assert_int_equal(vc_exec_progress(x), 0);
    t.log[0].req->err = VC_ERR_SYS;
    t.log[0].req->done = true;
    assert_int_equal(vc_exec_progress(x), VC_ERR_SYS);
    vc_exec_destroy(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_pair_start_in_list_order),
        cmocka_unit_test(node_phases_run_in_list_order),
        cmocka_unit_test(operands_keep_their_sides),
        cmocka_unit_test(receive_and_reduce),
        cmocka_unit_test(empty_things),
        cmocka_unit_test(plans_that_cannot_run_here),
        cmocka_unit_test(a_failed_run_poisons),
        cmocka_unit_test(plans_alone),
        cmocka_unit_test(plans_two_ranks_one_node),
        cmocka_unit_test(plans_three_nodes_of_one),
        cmocka_unit_test(plans_four_ranks_event),
        cmocka_unit_test(plans_two_nodes_of_two),
        cmocka_unit_test(plans_uneven_nodes),
        cmocka_unit_test(plans_interleaved_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
