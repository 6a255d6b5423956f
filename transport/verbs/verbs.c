/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has once: its buffers, and the life of all that it has. */
#include "transport/verbs/verbs.h"

#include "transport/topology/numa.h"
#include "transport/verbs/conn.h"
#include "transport/verbs/event.h"
#include "transport/verbs/notes.h"
#include "transport/verbs/queues.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/sendq.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define GRANTS 256

void vc_verbs_need(const struct vc_verbs_cfg *cfg, struct vc_verbs_need *out)
{
    const struct ibv_device_attr ample = {.max_cqe = INT_MAX};
    struct sizes s;
    vc_queues_size(cfg, &ample, &s);
    memset(out, 0, sizeof *out);
    out->slots = s.nrecv + s.nsend;
    out->locked = vc_queues_slots_bytes(&s) + MAILBOX_BYTES;
    out->per_peer =
        sizeof(struct ep) + QP_WR * (sizeof(struct wr_rec) + VC_INLINE_BYTES) + sizeof(struct peer);
    out->per_closed = out->per_peer - (size_t)QP_WR * VC_INLINE_BYTES;
    out->per_process =
        sizeof(struct vc_verbs_address) + sizeof(struct ep *) + sizeof(struct peer *) + sizeof(int);
    out->cqe_latency = s.latency_cqe;
    out->cqe_bulk = s.bulk_cqe;
    out->qp_wr = QP_WR;
}

static int make_buffers(struct vc_verbs *v)
{
    const struct sizes *s = &v->size;
    int n = s->nrecv + s->nsend;
    size_t slots = vc_queues_slots_bytes(s), bytes = slots + MAILBOX_BYTES;
    /* A mapping and not malloc(), so that no page also holds other data, which a child of fork() may need. */
    v->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v->mem == MAP_FAILED) {
        v->mem = NULL;
        return vc_fail(VC_ERR_NOMEM, "no memory for %zu KiB of message buffers", bytes >> 10);
    }
    vc_numa_stay_near(v->mem, bytes); /* registering touches it */
    int err = vc_queues_register(v);
    if (err != VC_OK)
        return err;
    /* No child needs these pages. On kernels older than 5.12 a child that had them could make this process
     * write to a copy, while the device uses the original. */
    madvise(v->mem, bytes, MADV_DONTFORK);
    v->stats.locked = bytes;
    v->free_send = malloc((size_t)s->nsend * sizeof *v->free_send);
    v->free_recv = malloc(((size_t)s->nrecv + 1) * sizeof *v->free_recv);
    v->grants = calloc(GRANTS, sizeof *v->grants);
    if (!v->free_send || !v->free_recv || !v->grants)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %d message buffers", n);
    while (v->nfree_recv < s->nrecv) {
        v->free_recv[v->nfree_recv] = s->nrecv - 1 - v->nfree_recv;
        v->nfree_recv++;
    }
    while (v->nfree_send < s->nsend) {
        v->free_send[v->nfree_send] = n - 1 - v->nfree_send;
        v->nfree_send++;
    }
    v->ngrants = GRANTS;
    for (int i = 0; i < GRANTS; i++)
        v->grants[i].next_free = i + 1 < GRANTS ? i + 1 : -1;
    return VC_OK;
}

/* ---- registrations of the application's buffers ---- */

static int reg_user(void *ctx, void *addr, size_t len, struct vc_reg *out)
{
    struct vc_verbs *v = ctx;
    /* Local writes are also allowed for buffers that are only sent: some kernels would otherwise pin a copy
     * that is shared with other mappings of the page. */
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
    vc_ibv.dereg_mr(reg->mr); /* of a device that is gone, too */
}

/* Without a cache large messages are copied through slots, which is no error. */
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
 * On old kernels the first write to a page after a fork(), which system() and popen() call too, goes to a
 * copy, while the device goes on using the original: of queues, doorbells and buffers alike. libibverbs can
 * prevent that, but only the program or its MPI may switch it on, because children then miss those pages.
 */
static int check_fork_support(const struct vc_verbs *v)
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
    vc_queues_size(&v->cfg, &v->dev.attr, &v->size);
    if ((err = check_fork_support(v)) == VC_OK && (err = vc_queues_make(v)) == VC_OK &&
        (err = make_buffers(v)) == VC_OK) {
        vc_verbs_src_init(v);
        make_cache(v);
        if (v->srq)
            err = vc_recvq_repost(v);
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
    out->slot_bytes = (uint32_t)v->size.slot_bytes;
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

int vc_verbs_peers(struct vc_verbs *v, const struct vc_verbs_address *all, const int *of, int n, int me,
                   struct vc_chan *boot)
{
    v->boot = boot;
    v->nprocs = n;
    v->me = me;
    v->reached = malloc((size_t)n * sizeof *v->reached);
    v->ep = calloc((size_t)n, sizeof *v->ep);
    if (!v->reached || !v->ep)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the addresses of %d processes", n);
    for (int i = 0; i < n; i++) {
        const struct vc_verbs_address *a = &all[of ? of[i] : i];
        v->reached[i] = (unsigned char)((a->slot_bytes ? REACHED : 0) | (a->zcopy ? REACHED_ZCOPY : 0));
    }
    return VC_OK;
}

/* Destroying a queue pair drops messages that have not left yet. */
static void drain(struct vc_verbs *v)
{
    uint64_t until = vc_now_ns() + 500000000u;
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->state == EP_READY && v->ep[i]->head != v->ep[i]->tail)
            vc_ep_ping(v->ep[i]);
    for (int i = 0; i < v->nprocs; i++)
        while (v->ep[i] && v->ep[i]->state == EP_READY && v->ep[i]->head != v->ep[i]->tail &&
               vc_now_ns() < until)
            if (vc_sendq_poll(v) == 0)
                usleep(50);
    while (v->outs && !v->boot_failed && vc_now_ns() < until)
        if (vc_notes_poll(v) == 0)
            usleep(50);
}

void vc_verbs_destroy(struct vc_verbs *v)
{
    if (!v)
        return;
    drain(v);
    if (v->boot)
        v->boot->ops->destroy(v->boot); /* first: its requests lie in the connections */
    vc_detour_end(v);
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep && v->ep[i])
            vc_ep_free(v->ep[i]);
    if (v->regs)
        vc_regcache_destroy(v->regs);
    vc_queues_end(v);
    if (v->mem)
        munmap(v->mem, vc_queues_slots_bytes(&v->size) + MAILBOX_BYTES);
    pthread_mutex_destroy(&v->lock);
    free(v->free_send);
    free(v->free_recv);
    free(v->grants);
    free(v->reached);
    free(v->ep);
    free(v);
}
