/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, ports, tables, limits, registration. */
#include "tests/loopback/test_loopback.h"

#include <arpa/inet.h>
#include <sys/mman.h>

static void test_list(void **state)
{
    int n;
    (void)state;
    setenv("VC_LOOPBACK", "devices=3", 1);
    struct ibv_device **list = ibv_get_device_list(&n);
    assert_int_equal(n, 3);
    assert_string_equal(ibv_get_device_name(list[2]), "loop2");
    assert_null(list[3]);
    assert_true(ibv_get_device_guid(list[0]) != ibv_get_device_guid(list[1]));
    ibv_free_device_list(list);
    setenv("VC_LOOPBACK", "devices=0", 1);
    list = ibv_get_device_list(&n);
    assert_non_null(list);
    assert_int_equal(n, 0);
    ibv_free_device_list(list);
}

static void test_limits(void **state)
{
    struct ibv_device_attr_ex a;
    struct ibv_port_attr p;
    (void)state;
    struct ibv_context *ctx =
        open_device("max_qp=7,max_qp_wr=33,max_inline=0,max_srq=0,max_cqe=99,max_msg=4096,mtu=1024");
    assert_non_null(ctx);
    assert_int_equal(ibv_query_device_ex(ctx, NULL, &a), 0);
    assert_int_equal(a.orig_attr.max_qp, 7);
    assert_int_equal(a.orig_attr.max_qp_wr, 33);
    assert_int_equal(a.orig_attr.max_srq, 0);
    assert_int_equal(a.orig_attr.max_cqe, 99);
    assert_int_equal(a.orig_attr.phys_port_cnt, 1);
    assert_int_equal(a.cq_mod_caps.max_cq_count, 65535);
    assert_int_equal(a.cq_mod_caps.max_cq_period, 4095);
    assert_int_equal(ibv_query_port(ctx, 1, &p), 0);
    assert_int_equal(p.state, IBV_PORT_ACTIVE);
    assert_int_equal(p.link_layer, IBV_LINK_LAYER_ETHERNET);
    assert_int_equal(p.active_mtu, IBV_MTU_1024);
    assert_int_equal(p.max_msg_sz, 4096);
    assert_int_equal(p.lid, 0);
    assert_int_equal(ibv_query_port(ctx, 2, &p), EINVAL);
    /* Beyond the limits. */
    assert_null(ibv_create_cq(ctx, 100, NULL, NULL, 0));
    assert_null(ibv_create_cq(ctx, 0, NULL, NULL, 0));
    assert_null(ibv_create_cq(ctx, 10, NULL, NULL, ctx->num_comp_vectors));
    struct ibv_cq *cq = ibv_create_cq(ctx, 99, NULL, NULL, 0);
    struct ibv_pd *pd = ibv_alloc_pd(ctx);
    struct ibv_qp_init_attr init = {
        .send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .cap = {.max_send_wr = 34, .max_send_sge = 1}};
    assert_null(ibv_create_qp(pd, &init));
    init.cap.max_send_wr = 33;
    init.cap.max_inline_data = 1;
    assert_null(ibv_create_qp(pd, &init));
    init.cap.max_inline_data = 0;
    init.qp_type = IBV_QPT_UD;
    assert_null(ibv_create_qp(pd, &init));
    init.qp_type = IBV_QPT_RC;
    struct ibv_qp *qp[8];
    for (int i = 0; i < 8; i++) {
        errno = 0;
        qp[i] = ibv_create_qp(pd, &init);
        assert_int_equal(qp[i] != NULL, i < 7);
        assert_int_equal(errno, i < 7 ? 0 : ENOMEM);
    }
    struct ibv_srq_init_attr si = {.attr = {.max_wr = 4, .max_sge = 1}};
    assert_null(ibv_create_srq(pd, &si));
    /* In use. */
    assert_int_equal(ibv_destroy_cq(cq), EBUSY);
    assert_int_equal(ibv_dealloc_pd(pd), EBUSY);
    for (int i = 0; i < 7; i++)
        assert_int_equal(ibv_destroy_qp(qp[i]), 0);
    assert_int_equal(ibv_destroy_cq(cq), 0);
    assert_int_equal(ibv_dealloc_pd(pd), 0);
    assert_int_equal(ibv_close_device(ctx), 0);
}

static void test_gids(void **state)
{
    union ibv_gid gid;
    struct ibv_gid_entry e, all[16];
    (void)state;
    struct ibv_context *ctx = open_device("gids=all");
    assert_int_equal(ibv_query_gid_ex(ctx, 1, 3, &e, 0), 0);
    assert_int_equal(e.gid_type, IBV_GID_TYPE_ROCE_V2);
    assert_int_equal(e.gid.raw[10], 0xff);
    assert_int_equal(e.gid.raw[12], 10);
    assert_int_equal(ibv_query_gid_ex(ctx, 1, 0, &e, 0), 0);
    assert_int_equal(e.gid_type, IBV_GID_TYPE_ROCE_V1);
    assert_int_equal(e.gid.raw[0], 0xfe);
    assert_int_equal(ibv_query_gid_ex(ctx, 1, 4, &e, 0), ENODATA);
    assert_int_equal(ibv_query_gid(ctx, 1, 4, &gid), 0);
    assert_true(gid.global.interface_id == 0);
    assert_int_equal(ibv_query_gid(ctx, 1, 99, &gid), -1);
    assert_int_equal(ibv_query_gid_table(ctx, all, 16, 0), 4);
    ibv_close_device(ctx);
    ctx = open_device("gids=none");
    assert_int_equal(ibv_query_gid_table(ctx, all, 16, 0), 0);
    ibv_close_device(ctx);
    ctx = open_device("gids=linklocal");
    assert_int_equal(ibv_query_gid_table(ctx, all, 16, 0), 2);
    ibv_close_device(ctx);
    ctx = open_device("gids=holes");
    assert_int_equal(ibv_query_gid_table(ctx, all, 16, 0), 4);
    assert_int_equal(all[3].gid_index, 7);
    ibv_close_device(ctx);
}

static void test_infiniband(void **state)
{
    struct ibv_port_attr p;
    __be16 pkey;
    (void)state;
    struct ibv_context *ctx = open_device("link=ib");
    assert_int_equal(ibv_query_port(ctx, 1, &p), 0);
    assert_int_equal(p.link_layer, IBV_LINK_LAYER_INFINIBAND);
    assert_true(p.lid != 0);
    assert_int_equal(p.pkey_tbl_len, 2);
    assert_int_equal(ibv_query_pkey(ctx, 1, 0, &pkey), 0);
    assert_int_equal(ntohs(pkey), 0x7fff);
    assert_int_equal(ibv_get_pkey_index(ctx, 1, htons(0xffff)), 1);
    assert_int_equal(ibv_get_pkey_index(ctx, 1, htons(0x8001)), -1);
    ibv_close_device(ctx);
    ctx = open_device("link=ib,pkeys=8001:ffff:7fff,port=down");
    assert_int_equal(ibv_query_pkey(ctx, 1, 2, &pkey), 0);
    assert_int_equal(ntohs(pkey), 0x7fff);
    assert_int_equal(ibv_query_pkey(ctx, 1, 3, &pkey), -1);
    assert_int_equal(ibv_query_port(ctx, 1, &p), 0);
    assert_int_equal(p.state, IBV_PORT_DOWN);
    ibv_close_device(ctx);
}

static void test_registration(void **state)
{
    (void)state;
    struct ibv_context *ctx = open_device("max_mr=3,memlock=40960");
    struct ibv_pd *pd = ibv_alloc_pd(ctx);
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_null(ibv_reg_mr(pd, p, 100, IBV_ACCESS_REMOTE_WRITE));
    assert_int_equal(errno, EINVAL);
    struct ibv_mr *a = ibv_reg_mr(pd, p, 40960, IBV_ACCESS_LOCAL_WRITE);
    assert_non_null(a);
    assert_null(ibv_reg_mr(pd, p, 1, IBV_ACCESS_LOCAL_WRITE)); /* a page more than may be locked */
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(ibv_dereg_mr(a), 0);
    struct ibv_mr *m[3];
    for (int i = 0; i < 3; i++)
        assert_non_null(m[i] = ibv_reg_mr(pd, p, 10, IBV_ACCESS_LOCAL_WRITE));
    assert_null(ibv_reg_mr(pd, p, 10, IBV_ACCESS_LOCAL_WRITE));
    assert_int_equal(ibv_dealloc_pd(pd), EBUSY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ibv_dereg_mr(m[i]), 0);
    /* Nothing there, and nothing that may be written. */
    munmap(p + 8192, 4096);
    assert_null(ibv_reg_mr(pd, p, 16384, IBV_ACCESS_LOCAL_WRITE));
    assert_int_equal(errno, EFAULT);
    mprotect(p, 4096, PROT_READ);
    assert_null(ibv_reg_mr(pd, p, 4096, IBV_ACCESS_LOCAL_WRITE));
    assert_non_null(a = ibv_reg_mr(pd, p, 4096, IBV_ACCESS_REMOTE_READ));
    struct vc_loopback_stats st;
    vc_loopback_stats(&st);
    assert_int_equal(st.mrs, 1);
    assert_int_equal(st.mr_bytes, 4096);
    assert_int_equal(ibv_dereg_mr(a), 0);
    munmap(p, 1 << 20);
    assert_int_equal(ibv_dealloc_pd(pd), 0);
    ibv_close_device(ctx);
}

static void test_states(void **state)
{
    struct options o = {0};
    struct side s;
    struct ibv_qp_attr a;
    struct ibv_qp_init_attr init;
    (void)state;
    side_open(&s, "mtu=1024", &o);
    struct addr me = side_addr(&s, &o);
    assert_int_equal(post_recv(&s, 1, 0, 10), EINVAL); /* RESET takes nothing */
    assert_int_equal(to_rtr(s.qp, &me, &o), EINVAL);   /* a step left out */
    a = (struct ibv_qp_attr){.qp_state = IBV_QPS_INIT, .port_num = 1};
    assert_int_equal(ibv_modify_qp(s.qp, &a, IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX), EINVAL);
    a.port_num = 2;
    assert_int_equal(
        ibv_modify_qp(s.qp, &a, IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_ACCESS_FLAGS),
        EINVAL);
    a.port_num = 1;
    assert_int_equal(
        ibv_modify_qp(s.qp, &a,
                      IBV_QP_STATE | IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_ACCESS_FLAGS | IBV_QP_QKEY),
        EINVAL); /* what does not belong there */
    assert_int_equal(to_init(s.qp, &o), 0);
    assert_int_equal(post_recv(&s, 1, 0, 10), 0);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 2, 0, 1, 0, NULL, 0), EINVAL);
    struct options big = {.mtu = IBV_MTU_2048}, no_gid = {.gid_index = 9};
    assert_int_equal(to_rtr(s.qp, &me, &big), EINVAL);
    assert_int_equal(to_rtr(s.qp, &me, &no_gid), EINVAL);
    assert_int_equal(to_rtr(s.qp, &me, &o), 0);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 2, 0, 1, 0, NULL, 0), EINVAL);
    assert_int_equal(to_rts(s.qp, &o), 0);
    assert_int_equal(ibv_query_qp(s.qp, &a, IBV_QP_STATE, &init), 0);
    assert_int_equal(a.qp_state, IBV_QPS_RTS);
    assert_int_equal(a.dest_qp_num, s.qp->qp_num);
    assert_int_equal(init.cap.max_send_wr, 32);
    a.qp_state = IBV_QPS_ERR;
    assert_int_equal(ibv_modify_qp(s.qp, &a, IBV_QP_STATE), 0);
    assert_int_equal(s.qp->state, IBV_QPS_ERR);
    expect_wc(s.rcq, 1, IBV_WC_WR_FLUSH_ERR);
    assert_int_equal(post_recv(&s, 3, 0, 10), 0); /* in error everything is taken, and flushed */
    expect_wc(s.rcq, 3, IBV_WC_WR_FLUSH_ERR);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 4, 0, 1, 0, NULL, 0), 0);
    expect_wc(s.scq, 4, IBV_WC_WR_FLUSH_ERR);
    assert_int_equal(to_init(s.qp, &o), EINVAL);
    a.qp_state = IBV_QPS_RESET;
    assert_int_equal(ibv_modify_qp(s.qp, &a, IBV_QP_STATE), 0);
    side_connect(&s, &me, &o); /* and once around again */
    assert_int_equal(post_recv(&s, 5, 0, 10), 0);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 6, 0, 1, 0, NULL, 0), 0);
    expect_wc(s.rcq, 5, IBV_WC_SUCCESS);
    side_close(&s);
}

/* What is granted is written back and is the limit; what a device says it is. */
static void test_profiles(void **state)
{
    struct side s;
    (void)state;
    struct options o = {.mtu = 0};
    side_open(&s, "grant_inline=16", &o);
    struct ibv_qp_init_attr init = {.send_cq = s.scq,
                                    .recv_cq = s.rcq,
                                    .cap = {.max_send_wr = 1, .max_send_sge = 1, .max_inline_data = 64},
                                    .qp_type = IBV_QPT_RC};
    struct ibv_qp *qp = ibv_create_qp(s.pd, &init);
    assert_non_null(qp);
    assert_int_equal(init.cap.max_inline_data, 16);
    assert_int_equal(ibv_destroy_qp(qp), 0);
    side_close(&s);
    struct side pair[2];
    pair_open(pair, "grant_inline=16", NULL);
    assert_int_equal(post_recv(&pair[1], 1, 0, 64), 0);
    assert_int_equal(post_send(&pair[0], IBV_WR_SEND, 1, 0, 17, IBV_SEND_INLINE, NULL, 0), EINVAL);
    assert_int_equal(post_send(&pair[0], IBV_WR_SEND, 1, 0, 16, IBV_SEND_INLINE, NULL, 0), 0);
    expect_wc(pair[1].rcq, 1, IBV_WC_SUCCESS);
    pair_close(pair);
    setenv("VC_LOOPBACK", "transport=iwarp,fork=disabled", 1);
    int n;
    struct ibv_device **list = ibv_get_device_list(&n);
    assert_int_equal(list[0]->transport_type, IBV_TRANSPORT_IWARP);
    ibv_free_device_list(list);
    assert_int_equal(ibv_is_fork_initialized(), IBV_FORK_DISABLED);
    setenv("VC_LOOPBACK", "", 1);
    assert_int_equal(ibv_is_fork_initialized(), IBV_FORK_UNNEEDED);
    setenv("VC_LOOPBACK", "profile=mana,devices=2", 1);
    list = ibv_get_device_list(&n);
    assert_int_equal(n, 2);
    assert_string_equal(ibv_get_device_name(list[1]), "mana_1");
    ibv_free_device_list(list);
    setenv("VC_LOOPBACK", "", 1);
    list = ibv_get_device_list(&n);
    assert_string_equal(ibv_get_device_name(list[0]), "loop0");
    ibv_free_device_list(list);
    assert_null(open_device("profile=nobody"));
    /* What is in no registered memory cannot be sent, as inline or not. */
    pair_open(pair, "ignore_inline=1", NULL);
    assert_int_equal(post_recv(&pair[1], 1, 0, 64), 0);
    struct ibv_sge nowhere = {.addr = (uintptr_t)&n, .length = sizeof n};
    struct ibv_send_wr wr = send_wr(IBV_WR_SEND, 2, &nowhere, 1, IBV_SEND_INLINE | IBV_SEND_SIGNALED), *bad;
    assert_int_equal(ibv_post_send(pair[0].qp, &wr, &bad), 0);
    expect_wc(pair[0].scq, 2, IBV_WC_LOC_PROT_ERR);
    pair_close(pair);
    pair_open(pair, "negative=1,max_inline=8", &(struct options){.inl = 8});
    assert_int_equal(post_send(&pair[0], IBV_WR_SEND, 1, 0, 17, IBV_SEND_INLINE, NULL, 0), -EINVAL);
    pair_close(pair);
    assert_null(open_device("lost=1"));
    assert_null(open_device("lost=1-2-3"));
    struct ibv_context *ctx = open_device("lost=1-2:3-4,link=ib,subnet=0x1234");
    union ibv_gid gid;
    assert_int_equal(ibv_query_gid(ctx, 1, 0, &gid), 0);
    assert_true(gid.raw[6] == 0x12 && gid.raw[7] == 0x34);
    ibv_close_device(ctx);
}

static void test_strings(void **state)
{
    (void)state;
    assert_string_equal(ibv_wc_status_str(IBV_WC_RNR_RETRY_EXC_ERR), "RNR retry counter exceeded");
    assert_string_equal(ibv_wc_status_str((enum ibv_wc_status)99), "unknown");
    assert_string_equal(ibv_event_type_str(IBV_EVENT_PORT_ERR), "port error");
    assert_string_equal(ibv_port_state_str(IBV_PORT_DOWN), "down");
    assert_string_equal(ibv_node_type_str(IBV_NODE_CA), "InfiniBand channel adapter");
    assert_int_equal(ibv_is_fork_initialized(), IBV_FORK_UNNEEDED);
    assert_int_equal(ibv_query_qp_data_in_order(NULL, IBV_WR_RDMA_WRITE, 0), 0);
}

int run_device_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),       cmocka_unit_test(test_limits),       cmocka_unit_test(test_gids),
        cmocka_unit_test(test_infiniband), cmocka_unit_test(test_registration), cmocka_unit_test(test_states),
        cmocka_unit_test(test_strings),    cmocka_unit_test(test_profiles),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
