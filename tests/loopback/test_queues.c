/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues that are full, empty, shared, flushed; retries. */
#include "tests/loopback/test_loopback.h"

static void test_send_slots(void **state)
{
    struct side s[2];
    struct options o = {.send_wr = 4};
    (void)state;
    pair_open(s, NULL, &o);
    struct addr to = side_addr(&s[1], &o);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 4, 0, 8, IBV_SEND_SIGNALED, &to, 0), 0);
    /* All of it is long done, but a slot comes back only when a completion behind it is polled. */
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 5, 0, 8, 0, &to, 0), ENOMEM);
    expect_wc(s[0].scq, 4, IBV_WC_SUCCESS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 6, 0, 8, 0, &to, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 7, 0, 8, IBV_SEND_SIGNALED, &to, 0), ENOMEM);
    expect_no_wc(s[0].scq); /* nobody asked for a completion: stuck for good, as on hardware */
    pair_close(s);
}

static void test_recv_slots(void **state)
{
    struct side s[2];
    struct options o = {.recv_wr = 3};
    (void)state;
    pair_open(s, NULL, &o);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_recv(&s[1], (uint64_t)i, 0, 8), 0);
    assert_int_equal(post_recv(&s[1], 3, 0, 8), ENOMEM);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(post_recv(&s[1], 3, 0, 8), ENOMEM);
    expect_wc(s[1].rcq, 0, IBV_WC_SUCCESS);
    assert_int_equal(post_recv(&s[1], 3, 0, 8), 0);
    pair_close(s);
}

static void test_cq_overrun(void **state)
{
    struct side s[2];
    struct options o = {.rcqe = 3};
    struct ibv_async_event ev;
    (void)state;
    pair_open(s, NULL, &o);
    for (int i = 0; i < 6; i++)
        assert_int_equal(post_recv(&s[1], (uint64_t)i, 0, 8), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(wait_async(s[1].ctx, 0), -1);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 9, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 9, IBV_WC_REM_OP_ERR);
    assert_true(readable(s[1].ctx->async_fd, 1000));
    assert_int_equal(ibv_get_async_event(s[1].ctx, &ev), 0);
    assert_int_equal(ev.event_type, IBV_EVENT_CQ_ERR);
    assert_ptr_equal(ev.element.cq, s[1].rcq);
    ibv_ack_async_event(&ev);
    assert_int_equal(wait_async(s[1].ctx, 1000), IBV_EVENT_QP_FATAL);
    for (uint64_t i = 0; i < 3; i++)
        expect_wc(s[1].rcq, i, IBV_WC_SUCCESS);
    pair_close(s);
    /* The own queue of sends. */
    o = (struct options){.scqe = 2, .sig_all = true};
    pair_open(s, NULL, &o);
    struct addr to = side_addr(&s[1], &o);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
    assert_int_equal(wait_async(s[0].ctx, 1000), IBV_EVENT_CQ_ERR);
    assert_int_equal(wait_async(s[0].ctx, 1000), IBV_EVENT_QP_FATAL);
    pair_close(s);
}

static void test_rnr(void **state)
{
    struct side s[2];
    struct vc_loopback_stats before, after;
    struct options o = {.rnr_retry = 2, .rnr_timer = 14}; /* 1 ms */
    (void)state;
    pair_open(s, NULL, &o);
    uint64_t start = now_us();
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 1, IBV_WC_RNR_RETRY_EXC_ERR);
    assert_true(now_us() - start >= 2000);
    expect_wc(s[0].scq, 2, IBV_WC_WR_FLUSH_ERR); /* flushed work completes although it is not signalled */
    pair_close(s);
    o.rnr_retry = INFINITE;
    o.rnr_timer = 1; /* 10 us */
    pair_open(s, NULL, &o);
    vc_loopback_stats(&before);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 3, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    struct addr to = side_addr(&s[1], &o);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 4, 0, 8, IBV_SEND_SIGNALED, &to, 0), 0);
    for (int i = 0; i < 5000; i++) {
        vc_loopback_stats(&after);
        if (after.rnr > before.rnr + 8) /* more often than any count of retries */
            break;
        usleep(1000);
    }
    assert_true(after.rnr > before.rnr + 8);
    expect_no_wc(s[0].scq); /* nothing overtakes within a queue pair */
    assert_int_equal(post_recv(&s[1], 5, 0, 8), 0);
    expect_wc(s[0].scq, 3, IBV_WC_SUCCESS);
    expect_wc(s[0].scq, 4, IBV_WC_SUCCESS);
    expect_wc(s[1].rcq, 5, IBV_WC_SUCCESS);
    pair_close(s);
}

static void test_peer_not_ready(void **state)
{
    struct side s[2];
    struct options o = {.timeout = 8, .retry = 3}; /* 1 ms */
    (void)state;
    side_open(&s[0], NULL, &o);
    side_open(&s[1], NULL, &o);
    struct addr a0 = side_addr(&s[0], &o), a1 = side_addr(&s[1], &o);
    side_connect(&s[0], &a1, &o);
    assert_int_equal(to_init(s[1].qp, &o), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    uint64_t start = now_us();
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 2, IBV_WC_RETRY_EXC_ERR);
    assert_true(now_us() - start >= 4000);
    side_close(&s[0]);
    /* In time. */
    o.timeout = 15; /* 134 ms, which slow machines need */
    o.retry = 7;
    side_open(&s[0], NULL, &o);
    a0 = side_addr(&s[0], &o);
    side_connect(&s[0], &a1, &o);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 2, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
    expect_no_wc(s[0].scq);
    assert_int_equal(to_rtr(s[1].qp, &a0, &o), 0); /* ready to receive is enough */
    expect_wc(s[0].scq, 2, IBV_WC_SUCCESS);
    expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS);
    struct ibv_async_event ev;
    assert_int_equal(ibv_get_async_event(s[1].ctx, &ev), 0);
    assert_int_equal(ev.event_type, IBV_EVENT_COMM_EST);
    assert_ptr_equal(ev.element.qp, s[1].qp);
    ibv_ack_async_event(&ev);
    pair_close(s);
}

/* Wrong addresses: the packets get nowhere. */
static void test_wrong_path(void **state)
{
    static const struct {
        const char *settings;
        struct options theirs;
        bool psn, gid, other;
        bool works;
    } cases[] = {
        {"link=roce", {0}, false, false, false, true},
        {"link=roce", {0}, true, false, false, false},
        {"link=roce", {0}, false, true, false, false},
        {"link=roce", {.gid_index = 2}, false, false, false, false}, /* RoCE v1 talking to v2 */
        {"link=roce", {0}, false, false, true, false},               /* connected to another one */
        {"link=ib", {0}, false, false, false, false},                /* two limited members */
        {"link=ib", {.pkey_index = 1}, false, false, false, true},
        {"link=ib,pkeys=8001:ffff", {.pkey_index = 1}, false, false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct side s[2];
        struct options o = {.timeout = 5, .retry = 1}, theirs = cases[i].theirs;
        side_open(&s[0], cases[i].settings, &o);
        side_open(&s[1], cases[i].settings, &o);
        struct addr a0 = side_addr(&s[0], &theirs), a1 = side_addr(&s[1], &o);
        a0.qpn += cases[i].other;
        a0.psn += cases[i].psn;
        a1.gid.raw[15] ^= cases[i].gid;
        side_connect(&s[0], &a1, &o);
        side_connect(&s[1], &a0, &theirs);
        assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, i, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
        expect_wc(s[0].scq, i, cases[i].works ? IBV_WC_SUCCESS : IBV_WC_RETRY_EXC_ERR);
        pair_close(s);
    }
}

static void test_srq(void **state)
{
    struct side s[2], extra;
    struct options o = {.srq_wr = 8}, plain = {0};
    struct ibv_async_event ev;
    (void)state;
    pair_open(s, NULL, &o);
    /* A second queue pair of side 1 on the same shared queue, connected with `extra`. */
    struct ibv_qp_init_attr init = {.send_cq = s[1].scq,
                                    .recv_cq = s[1].rcq,
                                    .srq = s[1].srq,
                                    .qp_type = IBV_QPT_RC,
                                    .cap = {.max_send_wr = 1, .max_send_sge = 1}};
    struct ibv_qp *first = s[1].qp, *second = ibv_create_qp(s[1].pd, &init);
    assert_non_null(second);
    side_open(&extra, NULL, &plain);
    struct addr ax = side_addr(&extra, &plain);
    s[1].qp = second;
    struct addr a2 = side_addr(&s[1], &plain);
    side_connect(&s[1], &ax, &plain);
    side_connect(&extra, &a2, &plain);
    for (int i = 0; i < 8; i++)
        assert_int_equal(post_recv(&s[1], (uint64_t)i, (size_t)i * 64, 64), 0);
    assert_int_equal(post_recv(&s[1], 8, 0, 64), ENOMEM);
    struct ibv_srq_attr attr = {.srq_limit = 7};
    assert_int_equal(ibv_modify_srq(s[1].srq, &attr, IBV_SRQ_LIMIT), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(wait_async(s[1].ctx, 0), -1);
    assert_int_equal(post_send(&extra, IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    assert_int_equal(expect_wc(s[1].rcq, 0, IBV_WC_SUCCESS).qp_num, first->qp_num);
    struct ibv_wc wc = expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS);
    assert_int_equal(wc.qp_num, second->qp_num);
    assert_int_equal(wc.src_qp, extra.qp->qp_num);
    do {
        assert_true(readable(s[1].ctx->async_fd, 1000));
        assert_int_equal(ibv_get_async_event(s[1].ctx, &ev), 0);
        ibv_ack_async_event(&ev);
    } while (ev.event_type == IBV_EVENT_COMM_EST);
    assert_int_equal(ev.event_type, IBV_EVENT_SRQ_LIMIT_REACHED);
    assert_ptr_equal(ev.element.srq, s[1].srq);
    assert_int_equal(ibv_query_srq(s[1].srq, &attr), 0);
    assert_int_equal(attr.srq_limit, 0); /* one event for one setting */
    assert_int_equal(ibv_destroy_srq(s[1].srq), EBUSY);
    /* The error of one queue pair leaves the shared receives alone. */
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_ERR};
    assert_int_equal(ibv_modify_qp(second, &a, IBV_QP_STATE), 0);
    assert_int_equal(wait_async(s[1].ctx, 1000), IBV_EVENT_QP_LAST_WQE_REACHED);
    expect_no_wc(s[1].rcq);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    expect_wc(s[1].rcq, 2, IBV_WC_SUCCESS);
    assert_int_equal(ibv_destroy_qp(second), 0);
    s[1].qp = first;
    side_close(&extra);
    pair_close(s);
}

/* Destroying a queue pair takes its completions out of the queue, and only those. */
static void test_purge(void **state)
{
    struct side s[2];
    struct options o = {.sig_all = true};
    (void)state;
    pair_open(s, NULL, &o);
    struct addr to = side_addr(&s[1], &o);
    struct ibv_qp_init_attr init = {.send_cq = s[0].scq,
                                    .recv_cq = s[0].rcq,
                                    .qp_type = IBV_QPT_RC,
                                    .cap = {.max_send_wr = 4, .max_send_sge = 1}};
    struct ibv_qp *keep = s[0].qp, *gone = ibv_create_qp(s[0].pd, &init);
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_ERR};
    assert_int_equal(ibv_modify_qp(gone, &a, IBV_QP_STATE), 0);
    for (uint64_t i = 0; i < 4; i++) {
        s[0].qp = gone;
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, 100 + i, 0, 8, 0, NULL, 0), 0);
        s[0].qp = keep;
        assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, i, 0, 8, 0, &to, 0), 0);
    }
    assert_int_equal(ibv_destroy_qp(gone), 0);
    for (uint64_t i = 0; i < 4; i++)
        expect_wc(s[0].scq, i, IBV_WC_SUCCESS);
    expect_no_wc(s[0].scq);
    pair_close(s);
}

int run_queue_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_slots),
        cmocka_unit_test(test_recv_slots),
        cmocka_unit_test(test_cq_overrun),
        cmocka_unit_test(test_rnr),
        cmocka_unit_test(test_peer_not_ready),
        cmocka_unit_test(test_wrong_path),
        cmocka_unit_test(test_srq),
        cmocka_unit_test(test_purge),
    };
    return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
