/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults on request: each strikes where it should and nowhere else. */
#include "tests/loopback/test_loopback.h"

static void test_failing_calls(void **state)
{
    struct ibv_wc wc;
    struct side s[2];
    (void)state;
    assert_null(open_device("fail=ibv_open_device:1:EACCES"));
    assert_int_equal(errno, EACCES);
    pair_open(s, "fail=ibv_reg_mr:3", NULL); /* the two sides take the first two */
    assert_null(ibv_reg_mr(s[0].pd, s[0].buf, 8, 0));
    assert_int_equal(errno, ENOMEM);
    struct ibv_mr *mr = ibv_reg_mr(s[0].pd, s[0].buf, 8, 0);
    assert_non_null(mr);
    ibv_dereg_mr(mr);
    assert_int_equal(vc_loopback_inject("fail=post_send:2:12,fail=poll_cq:all,fail=ibv_req_notify_cq"), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 12);
    assert_int_equal(ibv_poll_cq(s[1].rcq, 1, &wc), -1);
    assert_int_equal(ibv_poll_cq(s[1].rcq, 1, &wc), -1);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), EIO);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    assert_int_equal(vc_loopback_inject("reset"), 0);
    expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS);
    assert_int_equal(vc_loopback_inject("fail=no_such_function"), EINVAL);
    assert_int_equal(vc_loopback_inject("nonsense=1"), EINVAL);
    assert_int_equal(vc_loopback_inject("max_qp=70000"), EINVAL);
    pair_close(s);
    assert_null(open_device("linc=ib")); /* a mistake must not go unnoticed */
}

static void test_rank(void **state)
{
    (void)state;
    setenv("VC_LOOPBACK_RANK", "2", 1);
    struct ibv_context *ctx = open_device("link=ib;fail=ibv_alloc_pd,rank=1;rank=2,fail=ibv_alloc_pd:2");
    struct ibv_port_attr p;
    assert_int_equal(ibv_query_port(ctx, 1, &p), 0);
    assert_int_equal(p.link_layer, IBV_LINK_LAYER_INFINIBAND);
    struct ibv_pd *pd = ibv_alloc_pd(ctx);
    assert_non_null(pd);
    assert_null(ibv_alloc_pd(ctx));
    ibv_dealloc_pd(pd);
    ibv_close_device(ctx);
    unsetenv("VC_LOOPBACK_RANK");
}

static void test_completion_error(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, "wcerr=8@2", NULL);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 3, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 1, IBV_WC_SUCCESS);
    expect_wc(s[0].scq, 2, IBV_WC_LOC_ACCESS_ERR);
    expect_wc(s[0].scq, 3, IBV_WC_WR_FLUSH_ERR);
    pair_close(s);
}

static void test_qp_error(void **state)
{
    struct side s[2];
    struct ibv_async_event ev;
    (void)state;
    pair_open(s, "qperr@2", NULL);
    assert_int_equal(post_recv(&s[0], 7, 0, 8), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, i, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 2, IBV_WC_WR_FLUSH_ERR);
    expect_wc(s[0].scq, 3, IBV_WC_WR_FLUSH_ERR);
    expect_wc(s[0].rcq, 7, IBV_WC_WR_FLUSH_ERR);
    assert_int_equal(ibv_get_async_event(s[0].ctx, &ev), 0);
    assert_int_equal(ev.event_type, IBV_EVENT_QP_FATAL);
    assert_ptr_equal(ev.element.qp, s[0].qp);
    ibv_ack_async_event(&ev);
    pair_close(s);
}

static void test_injected_rnr_and_drop(void **state)
{
    struct side s[2];
    struct vc_loopback_stats a, b;
    struct options o = {.timeout = 8};
    (void)state;
    pair_open(s, "rnr=3,drop=7", &o);
    vc_loopback_stats(&a);
    for (uint64_t i = 0; i < 30; i++)
        assert_int_equal(post_recv(&s[1], i, (size_t)i * 8, 8), 0);
    for (uint64_t i = 0; i < 30; i++) {
        memcpy(s[0].buf + i * 8, &i, 8);
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, i, (size_t)i * 8, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    }
    for (uint64_t i = 0; i < 30; i++) { /* late, and in order */
        expect_wc(s[1].rcq, i, IBV_WC_SUCCESS);
        expect_wc(s[0].scq, i, IBV_WC_SUCCESS);
    }
    assert_memory_equal(s[0].buf, s[1].buf, 240);
    vc_loopback_stats(&b);
    assert_int_equal(b.rnr - a.rnr, 10);
    assert_int_equal(b.drops - a.drops, 3); /* the 21st met RNR instead */
    pair_close(s);
}

static void test_delay(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, "delay_us=3000", NULL);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    uint64_t start = now_us();
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS);
    assert_true(now_us() - start >= 3000);
    expect_wc(s[0].scq, 2, IBV_WC_SUCCESS);
    pair_close(s);
}

/* Queue pairs connected to themselves, all with one completion queue, which shows the order of arrival. */
static void test_reorder(void **state)
{
    enum { QPS = 3, N = 20 };
    struct side s;
    struct options o = {.rcqe = 64};
    struct ibv_qp *qp[QPS], *first;
    uint64_t next[QPS] = {0};
    int overtaken = 0;
    (void)state;
    side_open(&s, "reorder=2000", &o);
    first = s.qp;
    struct ibv_qp_init_attr init = {
        .send_cq = s.scq,
        .recv_cq = s.rcq,
        .qp_type = IBV_QPT_RC,
        .cap = {.max_send_wr = N, .max_recv_wr = N, .max_send_sge = 1, .max_recv_sge = 1}};
    for (int q = 0; q < QPS; q++) {
        qp[q] = s.qp = ibv_create_qp(s.pd, &init);
        struct addr me = side_addr(&s, &o);
        side_connect(&s, &me, &o);
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(post_recv(&s, (uint64_t)q, 0, 8), 0);
    }
    for (uint64_t i = 0; i < N; i++) {
        for (int q = 0; q < QPS; q++) {
            s.qp = qp[q];
            assert_int_equal(post_send(&s, IBV_WR_SEND_WITH_IMM, i, 0, 8, 0, NULL, 0), 0);
        }
    }
    for (int k = 0; k < QPS * N; k++) {
        struct ibv_wc wc;
        assert_true(wait_wc(s.rcq, &wc, 5000));
        assert_int_equal(wc.imm_data, 0xfeed0000u + next[wc.wr_id]); /* in order within one */
        overtaken += (uint64_t)k / QPS != next[wc.wr_id];
        next[wc.wr_id]++;
    }
    assert_true(overtaken > 0);
    for (int q = 0; q < QPS; q++)
        assert_int_equal(ibv_destroy_qp(qp[q]), 0);
    s.qp = first;
    side_close(&s);
}

static void test_port_error(void **state)
{
    struct side s[2];
    struct ibv_port_attr p;
    struct options o = {.timeout = 15};
    (void)state;
    pair_open(s, NULL, &o);
    assert_int_equal(vc_loopback_inject("porterr@1,portup@40"), 0);
    assert_int_equal(wait_async(s[0].ctx, 2000), IBV_EVENT_PORT_ERR);
    assert_int_equal(wait_async(s[1].ctx, 2000), IBV_EVENT_PORT_ERR); /* every context is told */
    assert_int_equal(ibv_query_port(s[0].ctx, 1, &p), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    assert_int_equal(wait_async(s[0].ctx, 2000), IBV_EVENT_PORT_ACTIVE);
    expect_wc(s[0].scq, 2, IBV_WC_SUCCESS); /* what was lost meanwhile is sent again */
    pair_close(s);
}

static void test_device_fatal(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(post_recv(&s[0], 1, 0, 8), 0);
    assert_int_equal(ibv_req_notify_cq(s[0].rcq, 1), 0);
    assert_int_equal(vc_loopback_inject("devfatal@1"), 0);
    assert_int_equal(wait_async(s[0].ctx, 2000), IBV_EVENT_DEVICE_FATAL);
    assert_true(readable(s[0].ch->fd, 2000));
    expect_wc(s[0].rcq, 1, IBV_WC_WR_FLUSH_ERR);
    pair_close(s);
    assert_int_equal(vc_loopback_inject("reset"), 0);
}

static void test_removed(void **state)
{
    struct side s[2];
    struct ibv_port_attr p;
    struct ibv_cq *cq;
    void *context;
    int n;
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(post_recv(&s[0], 1, 0, 8), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, 0, NULL, 0), 0); /* meets no receive */
    assert_int_equal(vc_loopback_inject("removed@1"), 0);
    assert_int_equal(wait_async(s[0].ctx, 2000), IBV_EVENT_DEVICE_FATAL);
    assert_true(readable(s[0].ch->fd, 2000));
    assert_int_equal(ibv_get_cq_event(s[0].ch, &cq, &context), -1);
    assert_int_equal(errno, EIO);
    expect_wc(s[0].rcq, 1, IBV_WC_WR_FLUSH_ERR);
    expect_wc(s[0].scq, 2, IBV_WC_WR_FLUSH_ERR);
    assert_int_equal(ibv_query_port(s[0].ctx, 1, &p), EIO);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, 0, NULL, 0), EIO);
    assert_null(ibv_alloc_pd(s[0].ctx));
    assert_int_equal(ibv_destroy_qp(s[0].qp), EIO);
    struct ibv_device **list = ibv_get_device_list(&n);
    assert_int_equal(n, 0);
    ibv_free_device_list(list);
    assert_int_equal(vc_loopback_inject("reset"), 0);
    pair_close(s);
}

int run_fault_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_completion_error),
        cmocka_unit_test(test_qp_error),
        cmocka_unit_test(test_injected_rnr_and_drop),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_reorder),
        cmocka_unit_test(test_port_error),
        cmocka_unit_test(test_device_fatal),
        cmocka_unit_test(test_removed),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
