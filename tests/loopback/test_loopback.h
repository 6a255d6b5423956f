/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the loopback verbs device have in common. */
#ifndef VC_TESTS_LOOPBACK_TEST_H
#define VC_TESTS_LOOPBACK_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <infiniband/verbs.h>
#include "tests/loopback/loopback.h"

enum { BUF = 1 << 20, INFINITE = 7 };

/* One end of a connection with all that it needs. */
struct side {
    struct ibv_context *ctx;
    struct ibv_pd *pd;
    struct ibv_comp_channel *ch;
    struct ibv_cq *scq, *rcq;
    struct ibv_srq *srq;
    struct ibv_qp *qp;
    struct ibv_mr *mr;
    char *buf;
};

struct options {
    int scqe, rcqe, send_wr, recv_wr, sge, inl, srq_wr;
    bool sig_all, shared_cq;
    int mr_access, qp_access;
    int timeout, retry, rnr_retry, rnr_timer; /* retry and rnr_retry: negative for 0 */
    int pkey_index, gid_index, mtu;
};

struct addr {
    uint32_t qpn, psn, rkey;
    uint16_t lid;
    union ibv_gid gid;
    uint64_t buf;
};

/* Sets VC_LOOPBACK (NULL: nothing) and opens the first device. */
struct ibv_context *open_device(const char *settings);
void side_open(struct side *s, const char *settings, const struct options *o);
void side_close(struct side *s);
struct addr side_addr(const struct side *s, const struct options *o);
int to_init(struct ibv_qp *qp, const struct options *o);
int to_rtr(struct ibv_qp *qp, const struct addr *peer, const struct options *o);
int to_rts(struct ibv_qp *qp, const struct options *o);
void side_connect(struct side *s, const struct addr *peer, const struct options *o);
/* Two connected sides in this process. */
void pair_open(struct side s[2], const char *settings, const struct options *o);
void pair_close(struct side s[2]);

int post_recv(struct side *s, uint64_t wr_id, size_t off, uint32_t len);
struct ibv_send_wr send_wr(enum ibv_wr_opcode op, uint64_t wr_id, struct ibv_sge *sge, int n, unsigned flags);
int post_send(struct side *s, enum ibv_wr_opcode op, uint64_t wr_id, size_t off, uint32_t len, unsigned flags,
              const struct addr *to, size_t to_off);
/* Waits up to `ms` for a completion; false: none came. */
bool wait_wc(struct ibv_cq *cq, struct ibv_wc *wc, int ms);
/* Waits for a completion that must come and have this id and status. */
struct ibv_wc expect_wc(struct ibv_cq *cq, uint64_t wr_id, enum ibv_wc_status status);
void expect_no_wc(struct ibv_cq *cq);
bool readable(int fd, int ms);
/* Waits for the next asynchronous event but COMM_EST, and acknowledges it; -1: none came. */
int wait_async(struct ibv_context *ctx, int ms);
uint64_t now_us(void);

/* For children of fork: says what failed and ends the child. */
#define CHILD_CHECK(x)                                                                                       \
    do {                                                                                                     \
        if (!(x)) {                                                                                          \
            fprintf(stderr, "%s:%d: child: %s\n", __FILE__, __LINE__, #x);                                   \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

int run_device_tests(void);
int run_transfer_tests(void);
int run_queue_tests(void);
int run_event_tests(void);
int run_fault_tests(void);
int run_process_tests(void);

#endif
