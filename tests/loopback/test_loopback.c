/* SPDX-License-Identifier: BSD-3-Clause */
/* Helpers, and the order of the tests. */
#include "tests/loopback/test_loopback.h"

#include <poll.h>

uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000;
}

struct ibv_context *open_device(const char *settings)
{
    if (settings)
        setenv("VC_LOOPBACK", settings, 1);
    else
        unsetenv("VC_LOOPBACK");
    struct ibv_device **list = ibv_get_device_list(NULL);
    struct ibv_context *ctx = list && list[0] ? ibv_open_device(list[0]) : NULL;
    if (list)
        ibv_free_device_list(list);
    return ctx;
}

static int or_default(int v, int def)
{
    return v < 0 ? 0 : v ? v : def;
}

void side_open(struct side *s, const char *settings, const struct options *o)
{
    memset(s, 0, sizeof(*s));
    s->ctx = open_device(settings);
    assert_non_null(s->ctx);
    s->pd = ibv_alloc_pd(s->ctx);
    s->ch = ibv_create_comp_channel(s->ctx);
    assert_non_null(s->pd);
    assert_non_null(s->ch);
    s->scq = ibv_create_cq(s->ctx, or_default(o->scqe, 64), s, s->ch, 0);
    assert_non_null(s->scq);
    s->rcq = o->shared_cq ? s->scq : ibv_create_cq(s->ctx, or_default(o->rcqe, 64), s, s->ch, 0);
    assert_non_null(s->rcq);
    if (o->srq_wr) {
        struct ibv_srq_init_attr si = {.attr = {.max_wr = (uint32_t)o->srq_wr, .max_sge = 4}};
        s->srq = ibv_create_srq(s->pd, &si);
        assert_non_null(s->srq);
    }
    struct ibv_qp_init_attr init = {.send_cq = s->scq,
                                    .recv_cq = s->rcq,
                                    .srq = s->srq,
                                    .qp_type = IBV_QPT_RC,
                                    .sq_sig_all = o->sig_all,
                                    .cap = {.max_send_wr = (uint32_t)or_default(o->send_wr, 32),
                                            .max_recv_wr = (uint32_t)or_default(o->recv_wr, 32),
                                            .max_send_sge = (uint32_t)or_default(o->sge, 4),
                                            .max_recv_sge = (uint32_t)or_default(o->sge, 4),
                                            .max_inline_data = (uint32_t)or_default(o->inl, 64)}};
    s->qp = ibv_create_qp(s->pd, &init);
    assert_non_null(s->qp);
    assert_int_equal(posix_memalign((void **)&s->buf, 4096, BUF), 0);
    memset(s->buf, 0, BUF);
    int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ;
    s->mr = ibv_reg_mr(s->pd, s->buf, BUF, o->mr_access ? o->mr_access : access);
    assert_non_null(s->mr);
}

void side_close(struct side *s)
{
    if (s->qp)
        assert_int_equal(ibv_destroy_qp(s->qp), 0);
    if (s->srq)
        assert_int_equal(ibv_destroy_srq(s->srq), 0);
    if (s->rcq != s->scq)
        assert_int_equal(ibv_destroy_cq(s->rcq), 0);
    assert_int_equal(ibv_destroy_cq(s->scq), 0);
    assert_int_equal(ibv_destroy_comp_channel(s->ch), 0);
    assert_int_equal(ibv_dereg_mr(s->mr), 0);
    assert_int_equal(ibv_dealloc_pd(s->pd), 0);
    assert_int_equal(ibv_close_device(s->ctx), 0);
    free(s->buf);
    memset(s, 0, sizeof(*s));
}

struct addr side_addr(const struct side *s, const struct options *o)
{
    struct ibv_port_attr p;
    struct addr a = {.qpn = s->qp->qp_num, .psn = 77, .rkey = s->mr->rkey, .buf = (uintptr_t)s->buf};
    ibv_query_port(s->ctx, 1, &p);
    a.lid = p.lid;
    int g = p.link_layer == IBV_LINK_LAYER_ETHERNET ? or_default(o->gid_index, 3) : 0;
    ibv_query_gid(s->ctx, 1, g, &a.gid);
    return a;
}

int to_init(struct ibv_qp *qp, const struct options *o)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_INIT,
                            .pkey_index = (uint16_t)or_default(o->pkey_index, 0),
                            .port_num = 1,
                            .qp_access_flags = (unsigned)or_default(
                                o->qp_access, IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)};
    return ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

int to_rtr(struct ibv_qp *qp, const struct addr *peer, const struct options *o)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_RTR,
                            .path_mtu = (enum ibv_mtu)or_default(o->mtu, IBV_MTU_1024),
                            .dest_qp_num = peer->qpn,
                            .rq_psn = peer->psn,
                            .max_dest_rd_atomic = 4,
                            .min_rnr_timer = (uint8_t)or_default(o->rnr_timer, 12),
                            .ah_attr = {.port_num = 1, .dlid = peer->lid}};
    if (!peer->lid) {
        a.ah_attr.is_global = 1;
        a.ah_attr.grh.dgid = peer->gid;
        a.ah_attr.grh.sgid_index = (uint8_t)or_default(o->gid_index, 3);
        a.ah_attr.grh.hop_limit = 64;
    }
    return ibv_modify_qp(qp, &a,
                         IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                             IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
}

int to_rts(struct ibv_qp *qp, const struct options *o)
{
    struct ibv_qp_attr a = {.qp_state = IBV_QPS_RTS,
                            .timeout = (uint8_t)or_default(o->timeout, 14),
                            .retry_cnt = (uint8_t)or_default(o->retry, 7),
                            .rnr_retry = (uint8_t)or_default(o->rnr_retry, INFINITE),
                            .sq_psn = 77,
                            .max_rd_atomic = 4};
    return ibv_modify_qp(qp, &a,
                         IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                             IBV_QP_MAX_QP_RD_ATOMIC);
}

void side_connect(struct side *s, const struct addr *peer, const struct options *o)
{
    assert_int_equal(to_init(s->qp, o), 0);
    assert_int_equal(to_rtr(s->qp, peer, o), 0);
    assert_int_equal(to_rts(s->qp, o), 0);
}

void pair_open(struct side s[2], const char *settings, const struct options *o)
{
    static const struct options none;
    o = o ? o : &none;
    side_open(&s[0], settings, o);
    side_open(&s[1], settings, o);
    struct addr a0 = side_addr(&s[0], o), a1 = side_addr(&s[1], o);
    side_connect(&s[0], &a1, o);
    side_connect(&s[1], &a0, o);
}

void pair_close(struct side s[2])
{
    side_close(&s[0]);
    side_close(&s[1]);
}

int post_recv(struct side *s, uint64_t wr_id, size_t off, uint32_t len)
{
    struct ibv_sge sge = {(uintptr_t)s->buf + off, len, s->mr->lkey};
    struct ibv_recv_wr wr = {.wr_id = wr_id, .sg_list = &sge, .num_sge = 1}, *bad;
    return s->srq ? ibv_post_srq_recv(s->srq, &wr, &bad) : ibv_post_recv(s->qp, &wr, &bad);
}

struct ibv_send_wr send_wr(enum ibv_wr_opcode op, uint64_t wr_id, struct ibv_sge *sge, int n, unsigned flags)
{
    return (struct ibv_send_wr){.wr_id = wr_id,
                                .sg_list = sge,
                                .num_sge = n,
                                .opcode = op,
                                .send_flags = flags,
                                .imm_data = 0xfeed0000u + (uint32_t)wr_id};
}

int post_send(struct side *s, enum ibv_wr_opcode op, uint64_t wr_id, size_t off, uint32_t len, unsigned flags,
              const struct addr *to, size_t to_off)
{
    struct ibv_sge sge = {(uintptr_t)s->buf + off, len, s->mr->lkey};
    struct ibv_send_wr wr = send_wr(op, wr_id, &sge, 1, flags), *bad;
    if (to) {
        wr.wr.rdma.remote_addr = to->buf + to_off;
        wr.wr.rdma.rkey = to->rkey;
    }
    return ibv_post_send(s->qp, &wr, &bad);
}

bool wait_wc(struct ibv_cq *cq, struct ibv_wc *wc, int ms)
{
    uint64_t end = now_us() + (uint64_t)ms * 1000;
    do {
        int n = ibv_poll_cq(cq, 1, wc);
        if (n)
            return n == 1;
        if (ms)
            usleep(50);
    } while (now_us() < end);
    return false;
}

struct ibv_wc expect_wc(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status)
{
    struct ibv_wc wc;
    if (!wait_wc(cq, &wc, 10000))
        fail_msg("no completion for %u came", (unsigned)wr_id);
    if (wc.status != status)
        fail_msg("status %s, not %s", ibv_wc_status_str(wc.status), ibv_wc_status_str(status));
    assert_int_equal(wc.wr_id, wr_id);
    return wc;
}

void expect_no_wc(struct ibv_cq *cq)
{
    struct ibv_wc wc;
    assert_int_equal(ibv_poll_cq(cq, 1, &wc), 0);
}

bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

int wait_async(struct ibv_context *ctx, int ms)
{
    struct ibv_async_event ev;
    while (readable(ctx->async_fd, ms)) {
        if (ibv_get_async_event(ctx, &ev) != 0)
            return -1;
        ibv_ack_async_event(&ev);
        if (ev.event_type != IBV_EVENT_COMM_EST)
            return (int)ev.event_type;
    }
    return -1;
}

int main(void)
{
    char dir[64];
    int failed = 0;
    snprintf(dir, sizeof(dir), "/dev/shm/vc_loopback_test.%d", (int)getpid());
    setenv("VC_LOOPBACK_FABRIC", dir, 1);
    failed += run_device_tests();
    failed += run_transfer_tests();
    failed += run_queue_tests();
    failed += run_event_tests();
    failed += run_fault_tests();
    failed += run_process_tests();
    if (access(dir, F_OK) == 0) {
        fprintf(stderr, "%s was left behind\n", dir);
        failed++;
    }
    return failed != 0;
}
