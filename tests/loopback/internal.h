/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the loopback verbs device; README.md describes how it works. Each process has a shared segment with
 * what its peers access: queue pairs, receive queues, completion queues, keys. The sender's process does all
 * the work of a transfer, so the target's CPU takes no part.
 *
 * Order of locks: process table (lb->lock), send queue (private), one shared queue pair, then shared receive
 * queue or completion queue, then the cache of descriptors. The locks inside segments are robust.
 */
#ifndef VC_TESTS_LOOPBACK_INTERNAL_H
#define VC_TESTS_LOOPBACK_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <sys/uio.h>

/* The library exports the functions of verbs.h and hides all others. */
#pragma GCC visibility push(default)
#include <infiniband/verbs.h>
#pragma GCC visibility pop
#undef ibv_query_port
#undef ibv_reg_mr
#undef ibv_reg_mr_iova

#include "tests/loopback/loopback.h"

enum {
    LB_SLOTS = 256, /* processes of a fabric */
    LB_QPS = 4096,
    LB_CQS = 1024,
    LB_SRQS = 256,
    LB_MRS = 65536,
    LB_DEVS = 4,
    LB_CTXS = 16,
    LB_GIDS = 16,
    LB_PKEYS = 16,
    LB_SGES = 16,
    LB_CHANNELS = 256,
    LB_LOST = 8,
};
#define LB_NEVER UINT64_MAX

/* ---- shared ---- */

struct lb_shm_dev {
    uint32_t link; /* IBV_LINK_LAYER_* */
    uint32_t port_up, removed;
    uint32_t lid;
    uint32_t n_pkeys;
    uint16_t pkey[LB_PKEYS];
    union ibv_gid gid[LB_GIDS];
    uint8_t gid_type[LB_GIDS];
};

/* A memory region. A transfer increments `users` and then reads `key`. Deregistering clears `key` and then
 * waits until `users` is 0. Both are sequentially consistent, so at least one of them sees the other. */
struct lb_shm_mr {
    uint32_t key; /* the lkey; the rkey is one more; 0: none */
    uint32_t users;
    uint32_t pd, access;
    uint64_t iova, len, addr;
    uint64_t pfn[2]; /* with pin=1: where its first and last page are */
    uint32_t pinned;
};

struct lb_shm_cqe {
    uint64_t wr_id;
    uint64_t sq_done; /* for sends: the send queue is free up to here once this is polled */
    uint32_t status, opcode, byte_len, imm, qpn, src_qp, wc_flags, is_recv;
};

struct lb_shm_cq {
    pthread_mutex_t lock; /* producers and arming */
    uint64_t ring;        /* offset of struct lb_shm_cqe[] in the segment */
    uint32_t mask, cqe;
    uint32_t gen, ctx;
    uint32_t armed; /* 0 no, 1 solicited, 2 any */
    uint32_t error;
    int32_t chan_fd; /* the owner's descriptor, -1: none */
    uint32_t chan_gen;
    uint32_t mod_count, mod_period; /* completions, microseconds */
    uint32_t mod_n, pending;        /* completions since the last event; an event is being held back */
    uint64_t mod_start;             /* when the first of them came, ns */
    uint64_t tail __attribute__((aligned(64)));
    uint64_t head __attribute__((aligned(64))); /* written by the owner's pollers */
};

struct lb_shm_rwqe {
    uint64_t wr_id;
    uint32_t n_sge, pad;
    struct ibv_sge sge[];
};

struct lb_shm_rq {
    uint64_t ring; /* offset of struct lb_shm_rwqe of `stride` bytes each */
    uint32_t stride, mask, cap, max_sge;
    uint64_t head, tail;
};

struct lb_shm_srq {
    pthread_mutex_t lock;
    struct lb_shm_rq rq;
    uint32_t limit, pd, ctx, gen;
};

struct lb_shm_qp {
    pthread_mutex_t lock;
    uint32_t qpn;   /* 0: none */
    uint32_t state; /* enum ibv_qp_state; atomic */
    uint32_t epoch; /* changes with each connection */
    uint32_t gen;
    uint32_t dest_qpn, access, pd, dev, ctx;
    uint32_t path_mtu, rq_psn, min_rnr_timer, max_dest_rd;
    uint32_t pkey, gid_type, comm_est;
    int32_t srq;
    uint32_t recv_cq, send_cq;
    struct lb_shm_rq rq;
};

struct lb_seg {
    uint32_t slot, seq;
    int32_t pid;
    int32_t rank;      /* -1: unknown */
    uint32_t left;     /* the process has closed the fabric itself; atomic */
    uint32_t kick;     /* futex of the owner's engine */
    uint32_t sleeping; /* the engine is, or is about to be, in FUTEX_WAIT */
    int32_t async_fd[LB_CTXS];
    uint32_t async_gen[LB_CTXS];
    struct lb_shm_dev dev[LB_DEVS];
    struct lb_shm_qp qp[LB_QPS];
    struct lb_shm_cq cq[LB_CQS];
    struct lb_shm_srq srq[LB_SRQS];
    struct lb_shm_mr mr[LB_MRS];
    char heap[] __attribute__((aligned(4096)));
};

/* ---- private ---- */

struct lb_ctx {
    int idx, dev;
    int async_w;   /* write side of the asynchronous events */
    uint32_t dead; /* atomic; its device was removed, and one that is plugged in later is another */
    struct verbs_context v;
};

struct lb_pd {
    struct ibv_pd ib;
    uint32_t refs;
};

struct lb_mr {
    struct ibv_mr ib;
    uint32_t idx;
    int pin_fd;
};

struct lb_channel {
    struct ibv_comp_channel ib;
    int wfd; /* opened for reading and writing, never blocks */
    uint32_t gen;
};

struct lb_cq {
    struct ibv_cq ib;
    struct lb_shm_cq *s;
    struct lb_shm_cqe *ring;
    pthread_mutex_t poll_lock; /* consumers */
    uint32_t idx, refs;
    uint32_t events_got, async_got;
};

struct lb_srq {
    struct ibv_srq ib;
    struct lb_shm_srq *s;
    uint32_t idx, refs;
    uint32_t unpolled; /* slots in use: posted, or consumed and not yet polled; atomic */
    uint32_t async_got;
};

enum lb_mark { LB_MARK_NONE, LB_MARK_WCERR, LB_MARK_QPERR, LB_MARK_RNR, LB_MARK_DROP };

/* A send under way. `sge` points to the caller's list while ibv_post_send runs, else behind the struct. */
struct lb_send {
    uint64_t wr_id, raddr, due;
    const struct ibv_sge *sge;
    uint32_t rkey, imm, n_sge, flags, opcode;
    uint32_t mark, mark_arg;
};

struct lb_peer;
struct lb_qp {
    struct ibv_qp ib;
    struct lb_shm_qp *s;
    struct ibv_qp_attr attr;
    struct ibv_qp_init_attr init;
    uint32_t idx;
    uint32_t rq_unpolled; /* atomic */
    uint32_t async_got;
    /* the send queue */
    pthread_mutex_t sq_lock;
    uint64_t posted, done;
    uint64_t reclaimed; /* atomic, written by pollers */
    char *sq;
    size_t sq_stride;
    uint32_t tries, rnr_tries;
    uint64_t retry_at, last_due;
    /* the peer, as last resolved */
    struct lb_seg *peer;
    struct lb_shm_qp *peer_qp;
    uint32_t peer_epoch;
    /* the engine's */
    struct lb_qp *next;
    bool listed;
    uint64_t due;
};

struct lb_block {
    struct lb_block *next;
    uint64_t off, size;
    bool used;
};

struct lb_engine {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    pthread_t thread;
    bool running;
    uint32_t stop; /* atomic */
    struct lb_qp *list, *current;
};

struct lb_fdref {
    struct lb_seg *seg;
    int32_t owner_fd;
    uint32_t gen;
    int fd;
};

/* All that a process has of the fabric, from its first open device to its last. */
struct lb_process {
    pthread_mutex_t lock; /* tables and reference counts */
    struct lb_seg *seg;
    struct lb_seg *peer[LB_SLOTS];
    pthread_mutex_t peer_lock;
    struct lb_block *blocks;
    struct lb_ctx *ctx[LB_CTXS];
    struct lb_qp *qp[LB_QPS];
    struct lb_cq *cq[LB_CQS];
    struct lb_srq *srq[LB_SRQS];
    struct lb_mr *mr[LB_MRS];
    struct lb_channel *channel[LB_CHANNELS];
    uint32_t next_qp, next_cq, next_srq, next_mr, next_pd, next_gen;
    uint64_t mr_bytes;
    uint32_t n_pds, n_channels;
    struct lb_engine engine;
    pthread_mutex_t fd_lock;
    struct lb_fdref fds[64];
    uint32_t next_fd;
    uint64_t opened_ns;
};

struct lb_limits {
    uint32_t devices, link, port_up, mtu, gids;
    uint32_t max_qp, max_cq, max_cqe, max_qp_wr, max_sge, max_srq, max_srq_wr, max_inline, max_mr;
    uint32_t max_msg, cqmod, max_rd, pin;
    uint32_t grant_inline, more_inline, ignore_inline, subnet, fork, transport;
    uint32_t profile, negative, endless_retry, max_recv_sge;
    uint32_t n_lost, lost[LB_LOST][2]; /* ranks between which everything is lost */
    uint32_t n_pkeys;
    uint16_t pkey[LB_PKEYS];
};
enum { LB_GIDS_ALL, LB_GIDS_NONE, LB_GIDS_LINKLOCAL, LB_GIDS_V1, LB_GIDS_HOLES };

extern struct lb_process *lb;
extern struct lb_limits lb_lim;
extern struct vc_loopback_stats lb_stats;

/* Counts without a locked instruction: exact while one thread at a time posts. */
#define LB_COUNT(field, n)                                                                                   \
    __atomic_store_n(&lb_stats.field, __atomic_load_n(&lb_stats.field, __ATOMIC_RELAXED) + (n),              \
                     __ATOMIC_RELAXED)

static inline uint64_t lb_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* fabric.c: segments, and which processes are alive */
int lb_join(void);
void lb_leave(bool exiting);
void lb_lock(pthread_mutex_t *m);
void lb_unlock(pthread_mutex_t *m);
void lb_lock_init(pthread_mutex_t *m);
struct lb_seg *lb_peer_seg(uint32_t slot); /* NULL: no process there */
bool lb_alive(const struct lb_seg *seg);
bool lb_any_dead(void);
uint64_t lb_alloc(size_t bytes); /* offset in the own segment, 0: no room; under lb->lock */
void lb_free(uint64_t off);
static inline void *lb_at(struct lb_seg *seg, uint64_t off)
{
    return (char *)seg + off;
}
uint32_t lb_pow2(uint32_t n);
int lb_pipe(int fd[2]); /* fd[0] read side, fd[1] nonblocking, read and write */
void lb_fd_write(struct lb_seg *seg, int32_t owner_fd, uint32_t gen, const void *token, size_t bytes);

/* settings.c, faults.c */
void lb_settings_load(void);   /* reads VC_LOOPBACK when it has changed */
void lb_settings_forget(void); /* in the child of a fork */
void lb_settings_reset(struct lb_limits *l);
int lb_limit_set(struct lb_limits *l, const char *key, const char *value); /* ENOENT: no limit */

/* profile.c */
int lb_profile_set(struct lb_limits *l, const char *name);
const char *lb_profile_device(const struct lb_limits *l); /* the names of its devices, without number */
struct lb_faults;
int lb_faults_set(struct lb_faults *f, const char *key, char sep, char *value);
void lb_faults_commit(const struct lb_faults *f, bool replace);
struct lb_faults *lb_faults_new(void);
bool lb_faults_timed(void);

enum {
    LB_HOT_FAIL = 1,
    LB_HOT_SEND = 2,
    LB_HOT_DELAY = 4,
    LB_HOT_REMOVED = 8,
    LB_HOT_CUT = 16,
    LB_HOT_DEAD = 32
};
extern uint32_t lb_hot;

#define LB_FUNCTIONS(X)                                                                                      \
    X(get_device_list)                                                                                       \
    X(open_device)                                                                                           \
    X(close_device)                                                                                          \
    X(query_device)                                                                                          \
    X(query_device_ex)                                                                                       \
    X(query_port)                                                                                            \
    X(query_gid)                                                                                             \
    X(query_gid_ex)                                                                                          \
    X(query_gid_table)                                                                                       \
    X(query_pkey)                                                                                            \
    X(get_pkey_index)                                                                                        \
    X(alloc_pd)                                                                                              \
    X(dealloc_pd)                                                                                            \
    X(reg_mr)                                                                                                \
    X(dereg_mr)                                                                                              \
    X(create_comp_channel)                                                                                   \
    X(destroy_comp_channel)                                                                                  \
    X(create_cq)                                                                                             \
    X(destroy_cq)                                                                                            \
    X(modify_cq)                                                                                             \
    X(poll_cq)                                                                                               \
    X(req_notify_cq)                                                                                         \
    X(get_cq_event)                                                                                          \
    X(create_qp)                                                                                             \
    X(modify_qp)                                                                                             \
    X(query_qp)                                                                                              \
    X(destroy_qp)                                                                                            \
    X(create_srq)                                                                                            \
    X(modify_srq)                                                                                            \
    X(query_srq)                                                                                             \
    X(destroy_srq)                                                                                           \
    X(post_send)                                                                                             \
    X(post_recv)                                                                                             \
    X(post_srq_recv)                                                                                         \
    X(get_async_event)
#define LB_FN_ENUM(name) LB_FN_##name,
enum lb_fn { LB_FUNCTIONS(LB_FN_ENUM) LB_FN_COUNT };

static inline struct lb_ctx *lb_ctx_of(struct ibv_context *c)
{
    return (struct lb_ctx *)((char *)c - offsetof(struct lb_ctx, v.context));
}

int lb_fault_slow(enum lb_fn fn);
/* The errno with which this call has to fail, or 0. */
static inline int lb_fault(enum lb_fn fn)
{
    uint32_t hot = __atomic_load_n(&lb_hot, __ATOMIC_RELAXED);
    return __builtin_expect(hot & (LB_HOT_FAIL | LB_HOT_REMOVED), 0) ? lb_fault_slow(fn) : 0;
}
/* The same for a call that belongs to a device that is open. */
static inline int lb_fault_in(enum lb_fn fn, struct ibv_context *context)
{
    uint32_t hot = __atomic_load_n(&lb_hot, __ATOMIC_RELAXED);
    if (__builtin_expect(hot & LB_HOT_DEAD, 0) &&
        __atomic_load_n(&lb_ctx_of(context)->dead, __ATOMIC_RELAXED))
        return EIO;
    return lb_fault(fn);
}
void lb_faults_plug(void);              /* a removed device comes back when its time has come */
void lb_fault_mark(struct lb_send *op); /* a send is posted: decides which fault it meets */
int lb_rank(void);                      /* of this process in the job, -1: unknown */
uint64_t lb_fault_delay(void);          /* ns that a send posted now takes at least */
uint64_t lb_faults_run(uint64_t now);   /* engine: does what is due, returns when the next is due */
bool lb_memlock_exceeded(uint64_t mr_bytes);

/* engine.c */
int lb_engine_start(void);
void lb_engine_stop(void);
void lb_engine_schedule(struct lb_qp *qp, uint64_t due);
void lb_engine_cancel(struct lb_qp *qp);
void lb_kick(struct lb_seg *seg);

/* cq.c, events.c */
int lb_poll_cq(struct ibv_cq *ibcq, int n, struct ibv_wc *wc);
int lb_req_notify_cq(struct ibv_cq *ibcq, int solicited_only);
int lb_modify_cq(struct ibv_cq *ibcq, struct ibv_modify_cq_attr *attr);
bool lb_cq_push(struct lb_seg *seg, uint32_t cq, const struct lb_shm_cqe *e, bool solicited);
void lb_cq_purge(struct lb_cq *cq, uint32_t qpn);
uint64_t lb_cq_timer(struct lb_cq *cq, uint64_t now);
void lb_async_raise(struct lb_seg *seg, uint32_t ctx, enum ibv_event_type type, uint32_t idx);
void lb_channels_close(void); /* device removal: wakes all that wait */

/* mr.c, pin.c */
int lb_pin(struct lb_shm_mr *m); /* returns the descriptor that holds the pages, or -1 */
bool lb_pin_stale(struct lb_seg *seg, const struct lb_shm_mr *m);
const struct lb_shm_mr *lb_mr_check(struct lb_seg *seg, uint32_t key, uint64_t addr, uint64_t len,
                                    uint32_t pd, uint32_t need, uint64_t *va);
bool lb_mr_enter(struct lb_seg *seg, uint32_t rkey);
void lb_mr_exit(struct lb_seg *seg, uint32_t rkey);

/* qp.c, srq.c, post.c, deliver.c, copy.c */
void lb_qp_error(struct lb_qp *qp);                             /* by the owner, sq_lock held */
void lb_shm_qp_error(struct lb_seg *seg, struct lb_shm_qp *qp); /* its lock held */
void lb_sq_flush(struct lb_qp *qp);                             /* sq_lock held */
int lb_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int lb_post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
int lb_post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
void lb_qp_progress(struct lb_qp *qp); /* engine */

enum lb_outcome { LB_DONE, LB_FAILED, LB_RNR, LB_DROPPED };
/* Tries to carry out one send. *status is set with LB_FAILED, *wait_ns with LB_RNR. */
enum lb_outcome lb_deliver(struct lb_qp *qp, const struct lb_send *op, enum ibv_wc_status *status,
                           uint32_t *bytes, uint64_t *wait_ns);
uint64_t lb_rnr_ns(uint32_t timer);
int lb_copy(int pid, const struct iovec *local, int n_local, const struct iovec *remote, int n_remote,
            uint64_t bytes, bool to_remote);

static inline uint32_t lb_state(const struct lb_shm_qp *q)
{
    return __atomic_load_n(&q->state, __ATOMIC_ACQUIRE);
}
/* A number that differs between objects that had the same index at different times; never 0. */
static inline uint32_t lb_new_gen(void)
{
    return __atomic_add_fetch(&lb->next_gen, 1, __ATOMIC_RELAXED);
}

#endif
