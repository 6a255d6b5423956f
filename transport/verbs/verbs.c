/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has once: device, queues, buffers. */
#include "transport/verbs/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAILBOX_BYTES ((size_t)4096)
#define GRANTS        256
#define BULK_CQE      1024
/* Without a shared receive queue, whose size bounds it: some 2 MiB of a device's completions. */
#define LATENCY_CQE 32768

/* Connections that are likely: two for each step of an exchange whose partners lie 1, 2, 4, ... apart. */
static int likely_peers(int peers)
{
    int steps = 0;
    while (1 << steps < peers)
        steps++;
    int likely = 2 * steps + 2;
    return peers < likely ? (peers > 0 ? peers : 1) : likely;
}

void vc_verbs_need(const struct vc_verbs_cfg *cfg, struct vc_verbs_need *out)
{
    int likely = likely_peers(cfg->peers);
    memset(out, 0, sizeof *out);
    int nrecv = likely * (cfg->credits + 4), nsend = 16 + 8 * likely;
    out->slots = nrecv + nsend;
    out->locked =
        vc_round_up((size_t)out->slots * vc_round_up(cfg->slot, VC_CACHELINE), 4096) + MAILBOX_BYTES;
    out->per_peer = sizeof(struct ep) + QP_WR * sizeof(struct wr_rec) + sizeof(struct peer);
    out->per_process =
        sizeof(struct vc_verbs_address) + sizeof(struct ep *) + sizeof(struct peer *) + sizeof(int);
    out->cqe_latency = nrecv + 16;
    out->cqe_bulk = BULK_CQE;
    out->qp_wr = QP_WR;
}

/* Sizes that the device allows. */
static void fit(struct vc_verbs *v)
{
    const struct ibv_device_attr *a = &v->dev.attr;
    int likely = likely_peers(v->cfg.peers);
    v->slot_bytes = vc_round_up(v->cfg.slot, VC_CACHELINE);
    v->nrecv = likely * (v->cfg.credits + 4);
    v->nsend = 16 + 8 * likely;
    int most = a->max_cqe > 16 ? a->max_cqe - 8 : 8;
    if (a->max_srq > 0 && a->max_srq_wr > 0 && a->max_srq_wr < most)
        most = a->max_srq_wr;
    if (v->nrecv > most)
        v->nrecv = most;
    v->bulk_cqe = a->max_cqe < BULK_CQE ? a->max_cqe : BULK_CQE;
    v->latency_cqe = v->nrecv + 8;
}

/* Without a shared receive queue every connection has buffers of its own, made with it. The queue must hold
 * the completions of all of them, so that a device of small queues gives each connection fewer. */
static void fit_without_srq(struct vc_verbs *v)
{
    const struct ibv_device_attr *a = &v->dev.attr;
    int reached = v->cfg.procs > 1 ? v->cfg.procs - 1 : v->cfg.peers > 0 ? v->cfg.peers : 1;
    int most = a->max_cqe < LATENCY_CQE ? a->max_cqe : LATENCY_CQE;
    int each = (most - 8) / reached;
    v->nrecv = 0;
    v->recv_depth = v->cfg.credits + 4 < a->max_qp_wr ? v->cfg.credits + 4 : a->max_qp_wr;
    if (v->recv_depth > each)
        v->recv_depth = each > 0 ? each : 1;
    int64_t all = (int64_t)reached * v->recv_depth + 8;
    v->latency_cqe = all < most ? (int)all : most;
}

static int too_little_memory(const struct vc_verbs *v, size_t bytes)
{
    struct rlimit lim = {0, 0};
    int saved = errno;
    getrlimit(RLIMIT_MEMLOCK, &lim);
    if (lim.rlim_cur != RLIM_INFINITY && (saved == ENOMEM || saved == EAGAIN || saved == EPERM))
        return vc_fail(
            VC_ERR_NOMEM,
            "%s: %zu KiB of memory could not be registered (%s): the limit of locked memory is %llu "
            "KiB; raise it (ulimit -l, or memlock in /etc/security/limits.conf, or LimitMEMLOCK of "
            "the batch system's service), or lower VCOLL_VERBS_CREDITS or VCOLL_VERBS_SLOT",
            v->dev.name, bytes >> 10, strerror(saved), (unsigned long long)lim.rlim_cur >> 10);
    return vc_fail(VC_ERR_NOMEM, "%s: %zu KiB of memory could not be registered: %s", v->dev.name,
                   bytes >> 10, strerror(saved));
}

static int make_buffers(struct vc_verbs *v)
{
    int n = v->nrecv + v->nsend;
    size_t slots = vc_round_up((size_t)n * v->slot_bytes, 4096);
    v->mem_bytes = slots + MAILBOX_BYTES;
    v->mailbox = NULL;
    /* Not malloc: pages of their own, so that fork() never shares one of them with other data. */
    v->mem = mmap(NULL, v->mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v->mem == MAP_FAILED) {
        v->mem = NULL;
        return vc_fail(VC_ERR_NOMEM, "no memory for %zu KiB of message buffers", v->mem_bytes >> 10);
    }
    errno = 0;
    v->mr = vc_ibv.reg_mr(v->pd, v->mem, slots, IBV_ACCESS_LOCAL_WRITE);
    /* Peers may write into the mailbox, where nobody reads, and into nothing else. */
    v->mailbox = v->mr ? vc_ibv.reg_mr(v->pd, v->mem + slots, MAILBOX_BYTES,
                                       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
                       : NULL;
    if (!v->mailbox)
        return too_little_memory(v, v->mem_bytes);
    /* Nobody needs these pages in a child, and a child that writes them must not move them from under the
     * device on kernels that copy on write without looking. */
    madvise(v->mem, v->mem_bytes, MADV_DONTFORK);
    v->stats.locked = v->mem_bytes;
    v->free_send = malloc((size_t)v->nsend * sizeof *v->free_send);
    v->free_recv = malloc(((size_t)v->nrecv + 1) * sizeof *v->free_recv);
    v->grants = calloc(GRANTS, sizeof *v->grants);
    if (!v->free_send || !v->free_recv || !v->grants)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %d message buffers", n);
    while (v->nfree_recv < v->nrecv) {
        v->free_recv[v->nfree_recv] = v->nrecv - 1 - v->nfree_recv;
        v->nfree_recv++;
    }
    while (v->nfree_send < v->nsend) {
        v->free_send[v->nfree_send] = n - 1 - v->nfree_send;
        v->nfree_send++;
    }
    v->ngrants = GRANTS;
    for (int i = 0; i < GRANTS; i++)
        v->grants[i].next_free = i + 1 < GRANTS ? i + 1 : -1;
    return VC_OK;
}

static int sys_fail(const struct vc_verbs *v, const char *what)
{
    return vc_fail(VC_ERR_SYS, "%s: %s failed: %s", v->dev.name, what, strerror(errno));
}

/* Where there is none, or it cannot be made, connections do without. */
static void make_srq(struct vc_verbs *v)
{
    struct ibv_srq_init_attr attr = {.attr = {.max_wr = (uint32_t)v->nrecv, .max_sge = 1}};
    if (v->dev.attr.max_srq > 0)
        v->srq = vc_ibv.create_srq(v->pd, &attr);
    if (!v->srq)
        fit_without_srq(v);
}

static int make_queues(struct vc_verbs *v)
{
    struct ibv_context *ctx = v->dev.ctx;
    int vector = ctx->num_comp_vectors > 0 ? v->cfg.local % ctx->num_comp_vectors : 0;
    v->pd = vc_ibv.alloc_pd(ctx);
    if (!v->pd)
        return sys_fail(v, "ibv_alloc_pd");
    v->events = vc_ibv.create_comp_channel(ctx);
    if (!v->events)
        return sys_fail(v, "ibv_create_comp_channel");
    int flags = fcntl(v->events->fd, F_GETFL), async = fcntl(ctx->async_fd, F_GETFL);
    if (flags < 0 || async < 0 || fcntl(v->events->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(ctx->async_fd, F_SETFL, async | O_NONBLOCK) != 0)
        return sys_fail(v, "fcntl");
    make_srq(v);
    v->cq_latency = vc_ibv.create_cq(ctx, v->latency_cqe, NULL, v->events, vector);
    v->cq_bulk = v->cq_latency ? vc_ibv.create_cq(ctx, v->bulk_cqe, NULL, v->events, vector) : NULL;
    if (!v->cq_bulk)
        return sys_fail(v, "ibv_create_cq");
    return vc_verbs_moderate(v);
}

/* ---- registrations of the application's buffers ---- */

static int reg_user(void *ctx, void *addr, size_t len, struct vc_reg *out)
{
    struct vc_verbs *v = ctx;
    /* Writing is also allowed for what is only sent: the pages of the registration may belong to others, too,
     * and without it some kernels would pin a shared copy of them. */
    int access = IBV_ACCESS_LOCAL_WRITE | (out->remote ? IBV_ACCESS_REMOTE_WRITE : 0);
    struct ibv_mr *mr = vc_ibv.reg_mr(v->pd, addr, len, access);
    if (!mr)
        return vc_fail(errno == ENOMEM || errno == EAGAIN ? VC_ERR_NOMEM : VC_ERR_UNSUPPORTED,
                       "%s: %zu KiB could not be registered: %s", v->dev.name, len >> 10, strerror(errno));
    out->mr = mr;
    out->lkey = mr->lkey;
    out->rkey = mr->rkey;
    return VC_OK;
}

static void dereg_user(void *ctx, struct vc_reg *reg)
{
    (void)ctx;
    vc_ibv.dereg_mr(reg->mr);
}

/* Without one, large messages are copied through buffers: no error. */
static void make_cache(struct vc_verbs *v)
{
    struct vc_regcache_cfg cfg = {
        .ctx = v, .reg = reg_user, .dereg = dereg_user, .max_bytes = (size_t)1 << 30, .max_entries = 256};
    if (!v->cfg.reg_cache)
        return;
    if (!v->dev.fork_safe) {
        vc_log(VC_LOG_INFO,
               "%s: no zero copy, because kernel or libibverbs are too old to keep registered memory "
               "safe over fork()",
               v->dev.name);
        return;
    }
    if (vc_regcache_create(&cfg, &v->regs) != VC_OK) {
        v->regs = NULL;
        vc_log(VC_LOG_INFO, "%s: no zero copy: %s", v->dev.name, vc_error_text());
    }
}

/* ---- life ---- */

/*
 * On old kernels the first write after a fork(), be it in system() or popen(), moves the page from under the
 * device: queues, doorbells and buffers alike. Only the program or its MPI may switch the help of libibverbs
 * on, because that changes what children see.
 */
static int allows_fork(const struct vc_verbs *v)
{
    if (!v->dev.fork_breaks)
        return VC_OK;
    return vc_fail(
        VC_ERR_SYS,
        "%s: fork() would take memory away from the device, because this kernel is older than 5.12 "
        "and the program's fork support is off; start the program with RDMAV_FORK_SAFE=1 if it "
        "shall use verbs",
        v->dev.name);
}

int vc_verbs_create(const struct vc_verbs_cfg *cfg, struct vc_verbs **out)
{
    *out = NULL;
    struct vc_verbs *v = calloc(1, sizeof *v);
    if (!v)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the verbs channel");
    v->cfg = *cfg;
    v->free_grant = 0;
    pthread_mutex_init(&v->lock, NULL);
    int err = vc_verbs_dev_open(&cfg->want, &v->dev);
    if (err != VC_OK) {
        pthread_mutex_destroy(&v->lock);
        free(v);
        return err;
    }
    fit(v);
    if ((err = allows_fork(v)) == VC_OK && (err = make_queues(v)) == VC_OK &&
        (err = make_buffers(v)) == VC_OK) {
        vc_verbs_src_init(v);
        make_cache(v);
        if (v->srq)
            err = vc_verbs_repost(v);
    }
    if (err != VC_OK) {
        vc_verbs_destroy(v);
        return err;
    }
    *out = v;
    return VC_OK;
}

void vc_verbs_address(const struct vc_verbs *v, struct vc_verbs_address *out)
{
    memset(out, 0, sizeof *out);
    vc_rc_port_of(&v->dev, &out->port);
    out->slot_bytes = (uint32_t)v->slot_bytes;
    out->zcopy = v->regs != NULL;
}

const struct vc_verbs_dev *vc_verbs_dev(const struct vc_verbs *v)
{
    return &v->dev;
}

const struct vc_verbs_stats *vc_verbs_stats(const struct vc_verbs *v)
{
    return &v->stats;
}

int vc_verbs_peers(struct vc_verbs *v, const struct vc_verbs_address *all, int n, int me,
                   struct vc_chan *boot)
{
    v->boot = boot;
    v->nprocs = n;
    v->me = me;
    v->addresses = malloc((size_t)n * sizeof *v->addresses);
    v->ep = calloc((size_t)n, sizeof *v->ep);
    if (!v->addresses || !v->ep)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the addresses of %d processes", n);
    memcpy(v->addresses, all, (size_t)n * sizeof *v->addresses);
    for (int i = 0; i < n; i++) {
        int err = vc_addresses_match(all, i, me);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

/* What is on its way must have left before the queue pair goes, or the device drops it. */
static void drain(struct vc_verbs *v)
{
    uint64_t until = vc_now_ns() + 500000000u;
    for (int i = 0; i < v->nprocs && !v->failed; i++)
        if (v->ep[i] && v->ep[i]->state == EP_READY && v->ep[i]->head != v->ep[i]->tail)
            vc_ep_ping(v->ep[i]);
    for (int i = 0; i < v->nprocs && !v->failed; i++)
        while (v->ep[i] && v->ep[i]->state == EP_READY && v->ep[i]->head != v->ep[i]->tail &&
               vc_now_ns() < until)
            if (vc_verbs_poll_bulk(v) == 0)
                usleep(50);
}

void vc_verbs_destroy(struct vc_verbs *v)
{
    if (!v)
        return;
    drain(v);
    if (v->boot)
        v->boot->ops->destroy(v->boot); /* first: it may know the memory of connections */
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep && v->ep[i])
            vc_ep_free(v->ep[i]);
    if (v->regs)
        vc_regcache_destroy(v->regs);
    if (v->srq)
        vc_ibv.destroy_srq(v->srq);
    if (v->cq_latency && v->cq_bulk)
        vc_verbs_ack_all(v);
    if (v->cq_bulk)
        vc_ibv.destroy_cq(v->cq_bulk);
    if (v->cq_latency)
        vc_ibv.destroy_cq(v->cq_latency);
    if (v->events)
        vc_ibv.destroy_comp_channel(v->events);
    if (v->mailbox)
        vc_ibv.dereg_mr(v->mailbox);
    if (v->mr)
        vc_ibv.dereg_mr(v->mr);
    if (v->mem)
        munmap(v->mem, v->mem_bytes);
    if (v->pd)
        vc_ibv.dealloc_pd(v->pd);
    vc_verbs_dev_close(&v->dev);
    pthread_mutex_destroy(&v->lock);
    free(v->free_send);
    free(v->free_recv);
    free(v->grants);
    free(v->addresses);
    free(v->ep);
    free(v);
}
