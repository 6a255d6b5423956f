/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving data between two queue pairs of one process: opcodes, lists, keys, what completions say. */
#include "tests/loopback/test_loopback.h"

#include <sys/mman.h>

static void test_send(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    strcpy(s[0].buf, "hello");
    assert_int_equal(post_recv(&s[1], 5, 4096, 100), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 9, 0, 6, IBV_SEND_SIGNALED, NULL, 0), 0);
    struct ibv_wc wc = expect_wc(s[1].rcq, 5, IBV_WC_SUCCESS);
    assert_int_equal(wc.opcode, IBV_WC_RECV);
    assert_int_equal(wc.byte_len, 6);
    assert_int_equal(wc.qp_num, s[1].qp->qp_num);
    assert_int_equal(wc.src_qp, s[0].qp->qp_num);
    assert_int_equal(wc.wc_flags, 0);
    assert_string_equal(s[1].buf + 4096, "hello");
    wc = expect_wc(s[0].scq, 9, IBV_WC_SUCCESS);
    assert_int_equal(wc.opcode, IBV_WC_SEND);
    assert_int_equal(wc.qp_num, s[0].qp->qp_num);
    /* With immediate data, of no bytes, without a completion of its own. */
    assert_int_equal(post_recv(&s[1], 6, 0, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND_WITH_IMM, 3, 0, 0, 0, NULL, 0), 0);
    wc = expect_wc(s[1].rcq, 6, IBV_WC_SUCCESS);
    assert_int_equal(wc.wc_flags, IBV_WC_WITH_IMM);
    assert_int_equal(wc.imm_data, 0xfeed0003u);
    assert_int_equal(wc.byte_len, 0);
    expect_no_wc(s[0].scq);
    pair_close(s);
}

static void test_write_and_read(void **state)
{
    struct side s[2];
    struct options o = {.sig_all = true};
    (void)state;
    pair_open(s, NULL, &o);
    struct addr to = side_addr(&s[1], &o);
    memset(s[0].buf, 'w', 1000);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 1, 0, 1000, 0, &to, 500), 0);
    assert_int_equal(expect_wc(s[0].scq, 1, IBV_WC_SUCCESS).opcode, IBV_WC_RDMA_WRITE);
    assert_memory_equal(s[1].buf + 500, s[0].buf, 1000);
    assert_int_equal(s[1].buf[1500], 0);
    expect_no_wc(s[1].rcq);
    assert_int_equal(post_recv(&s[1], 7, 0, 0), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE_WITH_IMM, 2, 0, 10, 0, &to, 9000), 0);
    struct ibv_wc wc = expect_wc(s[1].rcq, 7, IBV_WC_SUCCESS);
    assert_int_equal(wc.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
    assert_int_equal(wc.byte_len, 10);
    assert_int_equal(wc.imm_data, 0xfeed0002u);
    assert_memory_equal(s[1].buf + 9000, s[0].buf, 10);
    expect_wc(s[0].scq, 2, IBV_WC_SUCCESS);
    memset(s[1].buf + 20000, 'r', 300000);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_READ, 3, 100000, 300000, 0, &to, 20000), 0);
    wc = expect_wc(s[0].scq, 3, IBV_WC_SUCCESS);
    assert_int_equal(wc.opcode, IBV_WC_RDMA_READ);
    assert_int_equal(wc.byte_len, 300000);
    assert_memory_equal(s[0].buf + 100000, s[1].buf + 20000, 300000);
    pair_close(s);
}

static void test_lists(void **state)
{
    struct side s[2];
    struct ibv_send_wr *bad;
    struct ibv_recv_wr *bad_recv;
    (void)state;
    pair_open(s, NULL, NULL);
    struct ibv_sge from[3] = {{(uintptr_t)s[0].buf, 3, s[0].mr->lkey},
                              {(uintptr_t)s[0].buf + 100, 0, s[0].mr->lkey},
                              {(uintptr_t)s[0].buf + 200, 7, s[0].mr->lkey}};
    struct ibv_sge into[3] = {{(uintptr_t)s[1].buf, 5, s[1].mr->lkey},
                              {(uintptr_t)s[1].buf + 50, 2, s[1].mr->lkey},
                              {(uintptr_t)s[1].buf + 99, 50, s[1].mr->lkey}};
    memcpy(s[0].buf, "abc", 3);
    memcpy(s[0].buf + 200, "defghij", 7);
    struct ibv_recv_wr rwr = {.wr_id = 1, .sg_list = into, .num_sge = 3};
    assert_int_equal(ibv_post_recv(s[1].qp, &rwr, &bad_recv), 0);
    struct ibv_send_wr wr = send_wr(IBV_WR_SEND, 2, from, 3, 0);
    assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), 0);
    assert_int_equal(expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS).byte_len, 10);
    assert_memory_equal(s[1].buf, "abcde", 6);
    assert_memory_equal(s[1].buf + 50, "fg", 3);
    assert_memory_equal(s[1].buf + 99, "hij", 4);
    /* One list entry more than was asked for at creation. */
    struct ibv_sge five[5] = {from[0], from[0], from[0], from[0], from[0]};
    struct ibv_send_wr first = send_wr(IBV_WR_SEND, 3, from, 1, IBV_SEND_SIGNALED);
    struct ibv_send_wr second = send_wr(IBV_WR_SEND, 4, five, 5, 0);
    first.next = &second;
    assert_int_equal(post_recv(&s[1], 3, 0, 100), 0);
    assert_int_equal(ibv_post_send(s[0].qp, &first, &bad), EINVAL);
    assert_ptr_equal(bad, &second);
    expect_wc(s[0].scq, 3, IBV_WC_SUCCESS); /* what stood before the bad one was posted */
    pair_close(s);
}

static void test_inline(void **state)
{
    struct side s[2];
    char data[65] = "inline";
    (void)state;
    pair_open(s, NULL, NULL);
    struct ibv_sge sge = {(uintptr_t)data, 64, 0}; /* no key: the memory is not registered */
    struct ibv_send_wr wr = send_wr(IBV_WR_SEND, 2, &sge, 1, IBV_SEND_INLINE), *bad;
    assert_int_equal(post_recv(&s[1], 1, 0, 100), 0);
    assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), 0);
    expect_wc(s[1].rcq, 1, IBV_WC_SUCCESS);
    assert_string_equal(s[1].buf, "inline");
    sge.length = 65;
    assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), EINVAL);
    /* The buffer belongs to the caller again at once, even when the send has to wait for a receive. */
    sge.length = 64;
    assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), 0);
    memset(data, 'x', sizeof(data));
    usleep(2000);
    assert_int_equal(post_recv(&s[1], 2, 4096, 100), 0);
    expect_wc(s[1].rcq, 2, IBV_WC_SUCCESS);
    assert_string_equal(s[1].buf + 4096, "inline");
    pair_close(s);
}

/* Each bad access, on a pair of its own: what the sender sees, and whether the target's end fails too. */
static void test_access(void **state)
{
    enum { RW = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_LOCAL_WRITE };
    static const struct {
        enum ibv_wr_opcode op;
        int mr_access, qp_access;
        size_t to_off;
        int bad_rkey, bad_lkey;
        enum ibv_wc_status status;
    } cases[] = {
        {IBV_WR_RDMA_WRITE, 0, 0, BUF - 99, 0, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_WRITE, 0, 0, (size_t)-8, 0, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_WRITE, 0, 0, 0, 1, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_WRITE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ, 0, 0, 0, 0,
         IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_READ, RW, 0, 0, 0, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_READ, 0, IBV_ACCESS_REMOTE_WRITE, 0, 0, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_WRITE, 0, IBV_ACCESS_REMOTE_READ, 0, 0, 0, IBV_WC_REM_ACCESS_ERR},
        {IBV_WR_RDMA_WRITE, 0, 0, 0, 0, 1, IBV_WC_LOC_PROT_ERR},
        {IBV_WR_RDMA_READ, IBV_ACCESS_REMOTE_READ, 0, 0, 0, 0, IBV_WC_LOC_PROT_ERR},
        {IBV_WR_ATOMIC_FETCH_AND_ADD, 0, 0, 0, 0, 0, IBV_WC_LOC_QP_OP_ERR},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct side s[2];
        struct options o = {.mr_access = cases[i].mr_access, .qp_access = cases[i].qp_access};
        struct ibv_qp_attr a;
        struct ibv_qp_init_attr init;
        pair_open(s, NULL, &o);
        struct addr to = side_addr(&s[1], &o);
        to.rkey ^= cases[i].bad_rkey ? 1 : 0; /* the lkey is no rkey */
        s[0].mr->lkey += cases[i].bad_lkey ? 256 * 7 : 0;
        assert_int_equal(post_send(&s[0], cases[i].op, i, 0, 100, 0, &to, cases[i].to_off), 0);
        expect_wc(s[0].scq, i, cases[i].status);
        assert_int_equal(ibv_query_qp(s[0].qp, &a, IBV_QP_STATE, &init), 0);
        assert_int_equal(a.qp_state, IBV_QPS_ERR);
        bool remote = cases[i].status == IBV_WC_REM_ACCESS_ERR;
        assert_int_equal(ibv_query_qp(s[1].qp, &a, IBV_QP_STATE, &init), 0);
        assert_int_equal(a.qp_state, remote ? IBV_QPS_ERR : IBV_QPS_RTS);
        assert_int_equal(wait_async(s[1].ctx, remote ? 1000 : 0), remote ? (int)IBV_EVENT_QP_ACCESS_ERR : -1);
        pair_close(s);
    }
}

static void test_deregistered(void **state)
{
    struct side s[2];
    struct options o = {0};
    (void)state;
    pair_open(s, NULL, &o);
    struct addr to = side_addr(&s[1], &o);
    assert_int_equal(ibv_dereg_mr(s[1].mr), 0);
    s[1].mr = ibv_reg_mr(s[1].pd, s[1].buf, BUF, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
    assert_int_not_equal(s[1].mr->rkey, to.rkey);
    assert_int_equal(post_send(&s[0], IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
    expect_wc(s[0].scq, 1, IBV_WC_REM_ACCESS_ERR);
    pair_close(s);
}

/* Whether this process is told where its pages are. */
static bool frames_told(void)
{
    uint64_t e = 0;
    FILE *f = fopen("/proc/self/pagemap", "r");
    if (f && fseek(f, (long)((uintptr_t)&e / 4096 * 8), SEEK_SET) == 0 && fread(&e, sizeof(e), 1, f) != 1)
        e = 0;
    if (f)
        fclose(f);
    return (e & (((uint64_t)1 << 55) - 1)) != 0;
}

/* pin=1: memory replaced under a registration is noticed, at either end. */
static void test_stale(void **state)
{
    (void)state;
    for (int end = 0; end < 2; end++) {
        struct side s[2];
        struct options o = {0};
        struct vc_loopback_stats st;
        pair_open(s, "pin=1", &o);
        struct addr to = side_addr(&s[1], &o);
        char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct ibv_mr *mr = ibv_reg_mr(
            s[end].pd, p, 65536, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
        assert_non_null(mr);
        struct ibv_sge sge = {(uintptr_t)s[0].buf, 8, s[0].mr->lkey};
        struct ibv_send_wr wr = send_wr(IBV_WR_RDMA_WRITE, 1, &sge, 1, IBV_SEND_SIGNALED), *bad;
        wr.wr.rdma.remote_addr = end ? (uintptr_t)p : to.buf;
        wr.wr.rdma.rkey = end ? mr->rkey : to.rkey;
        if (!end)
            sge = (struct ibv_sge){(uintptr_t)p, 8, mr->lkey};
        memset(p, 1, 65536); /* written to, but still the same memory */
        assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), 0);
        expect_wc(s[0].scq, 1, IBV_WC_SUCCESS);
        vc_loopback_stats(&st);
        uint64_t before = st.stale;
        assert_ptr_equal(
            mmap(p, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), p);
        memset(p, 2, 65536);
        assert_int_equal(ibv_post_send(s[0].qp, &wr, &bad), 0);
        vc_loopback_stats(&st);
        if (frames_told()) {
            expect_wc(s[0].scq, 1, end ? IBV_WC_REM_ACCESS_ERR : IBV_WC_LOC_PROT_ERR);
            assert_int_equal(st.stale, before + 1);
        }
        assert_int_equal(ibv_dereg_mr(mr), 0);
        munmap(p, 65536);
        pair_close(s);
    }
}

static void test_too_long(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    assert_int_equal(post_recv(&s[1], 1, 0, 10), 0);
    assert_int_equal(post_recv(&s[1], 2, 0, 10), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 3, 0, 11, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 3, IBV_WC_REM_INV_REQ_ERR);
    expect_wc(s[1].rcq, 1, IBV_WC_LOC_LEN_ERR);
    expect_wc(s[1].rcq, 2, IBV_WC_WR_FLUSH_ERR);
    pair_close(s);
    pair_open(s, "max_msg=1000", NULL);
    assert_int_equal(post_recv(&s[1], 1, 0, 5000), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 4, 0, 1001, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 4, IBV_WC_LOC_LEN_ERR);
    pair_close(s);
}

static void test_recv_without_key(void **state)
{
    struct side s[2];
    (void)state;
    pair_open(s, NULL, NULL);
    s[1].mr->lkey += 256;
    assert_int_equal(post_recv(&s[1], 1, 0, 10), 0);
    assert_int_equal(post_send(&s[0], IBV_WR_SEND, 3, 0, 5, 0, NULL, 0), 0);
    expect_wc(s[0].scq, 3, IBV_WC_REM_OP_ERR);
    expect_wc(s[1].rcq, 1, IBV_WC_LOC_PROT_ERR);
    pair_close(s);
}

static void test_to_itself(void **state)
{
    struct side s;
    struct options o = {.shared_cq = true};
    (void)state;
    side_open(&s, NULL, &o);
    struct addr me = side_addr(&s, &o);
    side_connect(&s, &me, &o);
    s.buf[0] = 42;
    assert_int_equal(post_recv(&s, 1, 100, 10), 0);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 2, 0, 1, IBV_SEND_SIGNALED, NULL, 0), 0);
    expect_wc(s.scq, 1, IBV_WC_SUCCESS);
    expect_wc(s.scq, 2, IBV_WC_SUCCESS);
    assert_int_equal(s.buf[100], 42);
    side_close(&s);
}

int run_transfer_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_deregistered),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_recv_without_key),
        cmocka_unit_test(test_to_itself),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
