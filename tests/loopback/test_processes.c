/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfers between processes, and what a killed process leaves. */
#include "tests/loopback/test_loopback.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct addr exchange(int fd, struct addr mine)
{
    struct addr theirs = {0};
    if (write(fd, &mine, sizeof(mine)) != sizeof(mine) || read(fd, &theirs, sizeof(theirs)) != sizeof(theirs))
        _exit(3);
    return theirs;
}

/* Returns once both processes have called it. */
static void meet(int fd)
{
    char c = 'x';
    if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
        _exit(4);
}

static pid_t fork_child(int *fd, void (*child)(int fd))
{
    int sv[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(sv[0]);
        alarm(60);
        setenv("CMOCKA_TEST_ABORT", "1",
               1); /* otherwise a failed assertion would run the next test in the child */
        child(sv[1]);
        _exit(0);
    }
    close(sv[1]);
    *fd = sv[0];
    return pid;
}

static void join_child(pid_t pid, int fd)
{
    int status;
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static struct addr connect_over(struct side *s, int fd, const struct options *o)
{
    struct addr to = exchange(fd, side_addr(s, o));
    side_connect(s, &to, o);
    meet(fd);
    return to;
}

static struct ibv_wc child_wc(struct ibv_cq *cq, uint64_t wr_id)
{
    struct ibv_wc wc = {0};
    CHILD_CHECK(wait_wc(cq, &wc, 10000));
    CHILD_CHECK(wc.status == IBV_WC_SUCCESS && wc.wr_id == wr_id);
    return wc;
}

static void opcodes_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    CHILD_CHECK(post_recv(&s, 1, 0, 4096) == 0 || to_init(s.qp, &o) == 0);
    struct addr to = exchange(fd, side_addr(&s, &o));
    CHILD_CHECK(to_rtr(s.qp, &to, &o) == 0 && to_rts(s.qp, &o) == 0);
    CHILD_CHECK(post_recv(&s, 1, 0, 4096) == 0 && post_recv(&s, 2, 0, 0) == 0);
    CHILD_CHECK(ibv_req_notify_cq(s.rcq, 1) == 0);
    meet(fd);
    struct ibv_cq *cq;
    void *context;
    CHILD_CHECK(ibv_get_cq_event(s.ch, &cq, &context) == 0 && cq == s.rcq); /* sleeps until solicited */
    ibv_ack_cq_events(cq, 1);
    struct ibv_wc wc = child_wc(s.rcq, 1);
    CHILD_CHECK(wc.byte_len == 3000 && s.buf[0] == 's' && s.buf[2999] == 's' && s.buf[3000] == 0);
    wc = child_wc(s.rcq, 2);
    CHILD_CHECK(wc.byte_len == 200000 && wc.imm_data == 0xfeed0000u + 3 &&
                wc.opcode == IBV_WC_RECV_RDMA_WITH_IMM);
    CHILD_CHECK(s.buf[100000] == 'w' && s.buf[299999] == 'w' && s.buf[300000] == 0);
    memset(s.buf + 500000, 'r', 100);
    meet(fd);
    meet(fd); /* busy with something else while the other one reads */
    side_close(&s);
}

static void test_opcodes(void **state)
{
    struct side s;
    struct options o = {0};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, opcodes_child);
    side_open(&s, NULL, &o);
    struct addr to = connect_over(&s, fd, &o);
    memset(s.buf, 's', 3000);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 1, 0, 3000, 0, NULL, 0), 0);
    memset(s.buf, 'w', 200000);
    assert_int_equal(post_send(&s, IBV_WR_RDMA_WRITE_WITH_IMM, 3, 0, 200000,
                               IBV_SEND_SIGNALED | IBV_SEND_SOLICITED, &to, 100000),
                     0);
    expect_wc(s.scq, 3, IBV_WC_SUCCESS);
    meet(fd);
    assert_int_equal(post_send(&s, IBV_WR_RDMA_READ, 4, 4096, 100, IBV_SEND_SIGNALED, &to, 500000), 0);
    assert_int_equal(expect_wc(s.scq, 4, IBV_WC_SUCCESS).byte_len, 100);
    assert_int_equal(s.buf[4096], 'r');
    meet(fd);
    join_child(pid, fd);
    side_close(&s);
}

/* Never calls verbs again once connected: as hardware, the transfers need nothing from it. */
static void idle_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    to_init(s.qp, &o);
    for (uint64_t i = 0; i < 20; i++)
        CHILD_CHECK(post_recv(&s, i, i * 8, 8) == 0);
    connect_over(&s, fd, &o);
    meet(fd);
    for (uint64_t i = 0; i < 20; i++)
        child_wc(s.rcq, i);
    side_close(&s);
}

static void test_idle_target(void **state)
{
    struct side s;
    struct options o = {0};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, idle_child);
    side_open(&s, NULL, &o);
    connect_over(&s, fd, &o);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(post_send(&s, IBV_WR_SEND, i, 0, 8, IBV_SEND_SIGNALED, NULL, 0), 0);
        expect_wc(s.scq, i, IBV_WC_SUCCESS);
    }
    meet(fd);
    join_child(pid, fd);
    side_close(&s);
}

/* Both send all the time, with few buffers, so that RNR and sleeping happen in both directions. */
static void storm(struct side *s, bool child)
{
    enum { N = 3000 };
    uint64_t sent = 0, acked = 0, got = 0;
    struct ibv_wc wc[8];
    while (acked < N || got < N) {
        while (sent < N && sent - acked < 4) {
            memcpy(s->buf + (sent % 4) * 64, &sent, sizeof(sent));
            if (post_send(s, IBV_WR_SEND, sent, (sent % 4) * 64, 64, IBV_SEND_SIGNALED | IBV_SEND_SOLICITED,
                          NULL, 0))
                break;
            sent++;
        }
        ibv_req_notify_cq(s->scq, 0);
        int n = ibv_poll_cq(s->scq, 8, wc);
        for (int i = 0; i < n; i++) {
            bool ok = wc[i].status == IBV_WC_SUCCESS;
            if (ok && (wc[i].opcode & IBV_WC_RECV)) {
                uint64_t v;
                memcpy(&v, s->buf + 4096 + wc[i].wr_id * 64, sizeof(v));
                ok = v == got++ && post_recv(s, wc[i].wr_id, 4096 + wc[i].wr_id * 64, 64) == 0;
            } else if (ok) {
                ok = wc[i].wr_id == acked++;
            }
            if (!ok && child)
                _exit(5);
            assert_true(ok);
        }
        if (n == 0 && readable(s->ch->fd, 5000)) {
            struct ibv_cq *cq;
            void *context;
            ibv_get_cq_event(s->ch, &cq, &context);
            ibv_ack_cq_events(cq, 1);
        }
    }
}

static const struct options storm_options = {.shared_cq = true, .send_wr = 5, .rnr_timer = 1};

static void storm_open(struct side *s, int fd)
{
    const struct options *o = &storm_options;
    side_open(s, NULL, o);
    to_init(s->qp, o);
    for (uint64_t i = 0; i < 2; i++)
        post_recv(s, i, 4096 + i * 64, 64);
    struct addr to = exchange(fd, side_addr(s, o));
    if (to_rtr(s->qp, &to, o) || to_rts(s->qp, o))
        _exit(6);
    meet(fd);
}

static void storm_child(int fd)
{
    struct side s;
    storm_open(&s, fd);
    storm(&s, true);
    meet(fd);
    side_close(&s);
}

static void test_storm(void **state)
{
    struct side s;
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, storm_child);
    storm_open(&s, fd);
    storm(&s, false);
    meet(fd);
    join_child(pid, fd);
    side_close(&s);
}

static void killed_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    to_init(s.qp, &o);
    post_recv(&s, 1, 0, 8);
    connect_over(&s, fd, &o);
    for (;;)
        pause();
}

static void test_killed_peer(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct side s;
        struct options o = {.timeout = 10, .retry = 2}; /* 4 ms */
        int fd;
        pid_t pid = fork_child(&fd, killed_child);
        side_open(&s, NULL, &o);
        struct addr to = connect_over(&s, fd, &o);
        kill(pid, SIGKILL);
        siginfo_t si;
        /* Dead, but not yet waited for: that must do. */
        assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
        if (how == 0)
            assert_int_equal(post_send(&s, IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
        else if (how == 1)
            assert_int_equal(post_send(&s, IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
        else
            assert_int_equal(post_send(&s, IBV_WR_SEND, 1, 0, 0, 0, NULL, 0), 0);
        expect_wc(s.scq, 1, IBV_WC_RETRY_EXC_ERR);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(fd);
        side_close(&s);
    }
}

/* Faults of one process are its own. */
static void removed_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    to_init(s.qp, &o);
    post_recv(&s, 1, 0, 8);
    connect_over(&s, fd, &o);
    CHILD_CHECK(vc_loopback_inject("removed@1") == 0);
    CHILD_CHECK(wait_async(s.ctx, 5000) == IBV_EVENT_DEVICE_FATAL);
    struct ibv_wc wc;
    CHILD_CHECK(wait_wc(s.rcq, &wc, 5000) && wc.status == IBV_WC_WR_FLUSH_ERR);
    meet(fd);
    meet(fd);
    CHILD_CHECK(ibv_close_device(s.ctx) == 0);
}

static void test_removed_peer(void **state)
{
    struct side s;
    struct options o = {.timeout = 8, .retry = 2};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, removed_child);
    side_open(&s, NULL, &o);
    connect_over(&s, fd, &o);
    meet(fd);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    expect_wc(s.scq, 1, IBV_WC_RETRY_EXC_ERR);
    meet(fd);
    join_child(pid, fd);
    side_close(&s);
}

/* A target that errs, ends up in error with its waiting sends flushed, without doing anything. */
static void passive_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    connect_over(&s, fd, &o);
    CHILD_CHECK(post_send(&s, IBV_WR_SEND, 9, 0, 8, 0, NULL, 0) == 0); /* waits: no receive there */
    meet(fd);
    struct ibv_wc wc;
    CHILD_CHECK(wait_wc(s.scq, &wc, 5000) && wc.status == IBV_WC_WR_FLUSH_ERR && wc.wr_id == 9);
    CHILD_CHECK(wait_async(s.ctx, 1000) == IBV_EVENT_QP_ACCESS_ERR);
    side_close(&s);
}

static void test_remote_error(void **state)
{
    struct side s;
    struct options o = {0};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, passive_child);
    side_open(&s, NULL, &o);
    struct addr to = connect_over(&s, fd, &o);
    meet(fd);
    to.rkey = 12345;
    assert_int_equal(post_send(&s, IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
    expect_wc(s.scq, 1, IBV_WC_REM_ACCESS_ERR);
    join_child(pid, fd);
    side_close(&s);
}

/* Moderated events of a process are set off by its own timer, whoever sends. */
static void moderated_child(int fd)
{
    struct side s;
    struct options o = {0};
    struct ibv_modify_cq_attr m = {.attr_mask = IBV_CQ_ATTR_MODERATE,
                                   .moderate = {.cq_count = 1000, .cq_period = 2000}};
    side_open(&s, NULL, &o);
    to_init(s.qp, &o);
    post_recv(&s, 1, 0, 8);
    CHILD_CHECK(ibv_modify_cq(s.rcq, &m) == 0 && ibv_req_notify_cq(s.rcq, 0) == 0);
    connect_over(&s, fd, &o);
    CHILD_CHECK(readable(s.ch->fd, 5000));
    child_wc(s.rcq, 1);
    meet(fd);
    side_close(&s);
}

static void test_moderated_peer(void **state)
{
    struct side s;
    struct options o = {0};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, moderated_child);
    side_open(&s, NULL, &o);
    connect_over(&s, fd, &o);
    assert_int_equal(post_send(&s, IBV_WR_SEND, 1, 0, 8, 0, NULL, 0), 0);
    meet(fd);
    join_child(pid, fd);
    side_close(&s);
}

static void leaving_child(int fd)
{
    struct side s;
    struct options o = {0};
    side_open(&s, NULL, &o);
    connect_over(&s, fd, &o);
    side_close(&s);
    meet(fd);
}

static void test_peer_left(void **state)
{
    struct side s;
    struct options o = {.timeout = 8, .retry = 2};
    int fd;
    (void)state;
    pid_t pid = fork_child(&fd, leaving_child);
    side_open(&s, NULL, &o);
    struct addr to = connect_over(&s, fd, &o);
    meet(fd);
    assert_int_equal(post_send(&s, IBV_WR_RDMA_WRITE, 1, 0, 8, 0, &to, 0), 0);
    expect_wc(s.scq, 1, IBV_WC_RETRY_EXC_ERR);
    join_child(pid, fd);
    side_close(&s);
}

int run_process_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opcodes),        cmocka_unit_test(test_idle_target),
        cmocka_unit_test(test_storm),          cmocka_unit_test(test_killed_peer),
        cmocka_unit_test(test_removed_peer),   cmocka_unit_test(test_remote_error),
        cmocka_unit_test(test_moderated_peer), cmocka_unit_test(test_peer_left),
    };
    return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
