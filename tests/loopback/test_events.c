/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion channels: arming, solicited events, moderation, acknowledging. */
#include "tests/loopback/test_loopback.h"

#include <fcntl.h>
#include <pthread.h>

static void send_some(struct side s[2], int n, unsigned flags)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
        assert_int_equal(post_send(&s[0], IBV_WR_SEND, 1, 0, 8, flags, NULL, 0), 0);
    }
}

static void take_event(struct side *s, struct ibv_cq *want)
{
    struct ibv_cq *cq;
    void *context;
    assert_true(readable(s->ch->fd, 5000));
    assert_int_equal(ibv_get_cq_event(s->ch, &cq, &context), 0);
    assert_ptr_equal(cq, want);
    assert_ptr_equal(context, s);
    ibv_ack_cq_events(cq, 1);
}

static void drain(struct ibv_cq *cq)
{
    struct ibv_wc wc[8];
    while (ibv_poll_cq(cq, 8, wc) > 0)
        ;
}

static void test_arming(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    send_some(s, 1, 0);
    assert_false(readable(s[1].ch->fd, 0)); /* not armed */
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    assert_false(readable(s[1].ch->fd, 0)); /* what is there already does not fire */
    send_some(s, 2, 0);
    take_event(&s[1], s[1].rcq);
    assert_false(readable(s[1].ch->fd, 0)); /* once per arming */
    send_some(s, 1, 0);
    assert_false(readable(s[1].ch->fd, 0));
    drain(s[1].rcq);
    /* Both queues on one channel. */
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].scq, 0), 0);
    struct addr to = side_addr(&s[0], &(struct options){0});
    assert_int_equal(post_send(&s[1], IBV_WR_RDMA_WRITE, 1, 0, 8, IBV_SEND_SIGNALED, &to, 0), 0);
    take_event(&s[1], s[1].scq);
    send_some(s, 1, 0);
    take_event(&s[1], s[1].rcq);
    pair_close(s);
}

static void test_solicited(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 1), 0);
    send_some(s, 3, 0);
    assert_false(readable(s[1].ch->fd, 0));
    send_some(s, 1, IBV_SEND_SOLICITED);
    take_event(&s[1], s[1].rcq);
    struct addr to = side_addr(&s[1], &(struct options){0});
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 1), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE_WITH_IMM, 1, 0, 8, IBV_SEND_SOLICITED, &to, 0), 0);
    take_event(&s[1], s[1].rcq);
    /* The stronger arming stays. */
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 1), 0);
    send_some(s, 1, 0);
    take_event(&s[1], s[1].rcq);
    /* Errors are always solicited. */
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 1), 0);
    assert_int_equal(post_recv(&s[1], 1, 0, 8), 0);
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_ERR};
    assert_int_equal(ibv_modify_qp(s[1].qp, &a, IBV_QP_STATE), 0);
    take_event(&s[1], s[1].rcq);
    pair_close(s);
}

static void test_nonblocking(void **state)
{
    struct side s[2];
    struct ibv_cq *cq;
    void *context;
    (void)state;
    pair_open(s, NULL, NULL);
    fcntl(s[1].ch->fd, F_SETFL, fcntl(s[1].ch->fd, F_GETFL) | O_NONBLOCK);
    assert_int_equal(ibv_get_cq_event(s[1].ch, &cq, &context), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    send_some(s, 1, 0);
    take_event(&s[1], s[1].rcq);
    /* An event that nobody took goes with its queue; those of others stay. */
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].scq, 0), 0);
    send_some(s, 1, 0);
    struct addr to = side_addr(&s[0], &(struct options){0});
    assert_int_equal(post_send(&s[1], IBV_WR_RDMA_WRITE, 1, 0, 8, IBV_SEND_SIGNALED, &to, 0), 0);
    assert_int_equal(ibv_destroy_qp(s[1].qp), 0);
    s[1].qp = NULL;
    assert_int_equal(ibv_destroy_cq(s[1].rcq), 0);
    s[1].rcq = s[1].scq;
    take_event(&s[1], s[1].scq);
    assert_false(readable(s[1].ch->fd, 0));
    pair_close(s);
}

static void *destroyer(void *arg)
{
    ibv_destroy_cq(arg);
    return NULL;
}

static void test_destroy_waits(void **state)
{
    struct side s[2];
    struct ibv_cq *cq;
    void *context;
    pthread_t t;
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    send_some(s, 1, 0);
    assert_int_equal(ibv_get_cq_event(s[1].ch, &cq, &context), 0);
    assert_int_equal(ibv_destroy_qp(s[1].qp), 0);
    s[1].qp = NULL;
    pthread_create(&t, NULL, destroyer, s[1].rcq);
    usleep(30000);
    assert_int_equal(pthread_tryjoin_np(t, NULL), EBUSY); /* it waits for the acknowledgement */
    ibv_ack_cq_events(cq, 1);
    assert_int_equal(pthread_join(t, NULL), 0);
    s[1].rcq = s[1].scq;
    pair_close(s);
}

static int moderate(struct ibv_cq *cq, unsigned count, unsigned period)
{
    struct ibv_modify_cq_attr a = {.attr_mask = IBV_CQ_ATTR_MODERATE,
                                   .moderate = {.cq_count = (uint16_t)count, .cq_period = (uint16_t)period}};
    return ibv_modify_cq(cq, &a);
}

static void test_moderation(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(moderate(s[1].rcq, 1, 4096), EINVAL);
    struct ibv_modify_cq_attr nothing = {0};
    assert_int_equal(ibv_modify_cq(s[1].rcq, &nothing), EINVAL);
    /* By count. */
    assert_int_equal(moderate(s[1].rcq, 4, 0), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    send_some(s, 3, 0);
    assert_false(readable(s[1].ch->fd, 20));
    send_some(s, 1, 0);
    take_event(&s[1], s[1].rcq);
    drain(s[1].rcq);
    /* By time. */
    assert_int_equal(moderate(s[1].rcq, 1000, 4000), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    uint64_t start = now_us();
    send_some(s, 2, 0);
    assert_int_equal(now_us() - start < 4000 && readable(s[1].ch->fd, 0), 0);
    take_event(&s[1], s[1].rcq);
    assert_true(now_us() - start >= 4000);
    assert_false(readable(s[1].ch->fd, 0));
    drain(s[1].rcq);
    /* A held-back event is not lost when moderation ends. */
    assert_int_equal(moderate(s[1].rcq, 100, 0), 0);
    assert_int_equal(ibv_req_notify_cq(s[1].rcq, 0), 0);
    send_some(s, 1, 0);
    assert_false(readable(s[1].ch->fd, 0));
    assert_int_equal(moderate(s[1].rcq, 0, 0), 0);
    take_event(&s[1], s[1].rcq);
    pair_close(s);
    pair_open(s, "cqmod=0", NULL);
    struct ibv_device_attr_ex a;
    assert_int_equal(ibv_query_device_ex(s[0].ctx, NULL, &a), 0);
    assert_int_equal(a.cq_mod_caps.max_cq_count, 0);
    assert_int_equal(moderate(s[1].rcq, 4, 10), EOPNOTSUPP);
    pair_close(s);
}

int run_event_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arming),      cmocka_unit_test(test_solicited),
        cmocka_unit_test(test_nonblocking), cmocka_unit_test(test_destroy_waits),
        cmocka_unit_test(test_moderation),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
