/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/queues.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#define BULK_CQE 1024
/* Most entries of the latency queue without a shared receive queue: some 2 MiB. */
#define LATENCY_CQE 32768

/* ---- sizes ---- */

/* How many processes one probably sends to: two for each step of an exchange whose partners lie 1, 2, 4, ...
 * apart, and two more. */
static int likely_peers(int peers)
{
    int steps = 0;
    while (1 << steps < peers)
        steps++;
    int likely = 2 * steps + 2;
    return peers < likely ? (peers > 0 ? peers : 1) : likely;
}

/* What the settings ask for, within what the device allows. */
void vc_queues_size(const struct vc_verbs_cfg *cfg, const struct ibv_device_attr *a, struct sizes *s)
{
    int likely = likely_peers(cfg->peers);
    int most = a->max_cqe > 16 ? a->max_cqe - 8 : 8;
    if (a->max_srq > 0 && a->max_srq_wr > 0 && a->max_srq_wr < most)
        most = a->max_srq_wr;
    memset(s, 0, sizeof *s);
    s->slot_bytes = vc_round_up(cfg->slot, VC_CACHELINE);
    s->nrecv = likely * (cfg->credits + 4);
    if (s->nrecv > most)
        s->nrecv = most;
    s->nsend = 16 + 8 * likely;
    s->bulk_cqe = a->max_cqe < BULK_CQE ? a->max_cqe : BULK_CQE;
    s->latency_cqe = s->nrecv + 8;
}

/* Without a shared receive queue every connection has buffers of its own, made with it. The queue must hold
 * the completions of all of them, so that a device of small queues gives each connection fewer. */
static void choose_sizes_without_srq(const struct vc_verbs_cfg *cfg, const struct ibv_device_attr *a,
                                     struct sizes *s)
{
    int reached = cfg->procs > 1 ? cfg->procs - 1 : cfg->peers > 0 ? cfg->peers : 1;
    int most = a->max_cqe < LATENCY_CQE ? a->max_cqe : LATENCY_CQE;
    int each = (most - 8) / reached;
    s->nrecv = 0;
    s->recv_depth = cfg->credits + 4 < a->max_qp_wr ? cfg->credits + 4 : a->max_qp_wr;
    if (s->recv_depth > each)
        s->recv_depth = each > 0 ? each : 1;
    int64_t all = (int64_t)reached * s->recv_depth + 8;
    s->latency_cqe = all < most ? (int)all : most;
}

size_t vc_queues_slots_bytes(const struct sizes *s)
{
    return vc_round_up((size_t)(s->nrecv + s->nsend) * s->slot_bytes, 4096);
}

/* ---- moderation ---- */

static int moderate_queue(struct vc_verbs *v, struct ibv_cq *cq, const struct vc_cq_mod *m, const char *which)
{
    if (m->count > v->dev.cq_mod_count || m->period > v->dev.cq_mod_period)
        return vc_fail(
            VC_ERR_INVAL,
            "VCOLL_CQ_MODERATION: %s=%u:%u is out of range for %s: at most %u completions and %u us", which,
            m->count, m->period, v->dev.name, v->dev.cq_mod_count, v->dev.cq_mod_period);
    struct ibv_modify_cq_attr attr = {.attr_mask = IBV_CQ_ATTR_MODERATE,
                                      .moderate = {.cq_count = m->count, .cq_period = m->period}};
    int rc = vc_ibv_errno(ibv_modify_cq(cq, &attr));
    if (rc == EOPNOTSUPP || rc == ENOSYS)
        return vc_fail(VC_ERR_UNSUPPORTED, "%s has no moderation of completion queues", v->dev.name);
    if (rc != 0)
        return vc_fail(VC_ERR_SYS, "%s: ibv_modify_cq(%u, %u us) failed: %s", v->dev.name, m->count,
                       m->period, strerror(rc));
    return VC_OK;
}

int vc_verbs_set_moderation(struct vc_verbs *v, const struct vc_cq_mod *latency, const struct vc_cq_mod *bulk)
{
    if (v->dev.cq_mod_count == 0 && v->dev.cq_mod_period == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "%s has no moderation of completion queues", v->dev.name);
    verbs_lock(v);
    int err = v->failed ? vc_fail(VC_ERR_SYS, "%s has failed", v->dev.name) : VC_OK;
    if (err == VC_OK)
        err = moderate_queue(v, v->cq_latency, latency, "latency");
    if (err == VC_OK)
        err = moderate_queue(v, v->cq_bulk, bulk, "bulk");
    verbs_unlock(v);
    return err;
}

static int moderate(struct vc_verbs *v)
{
    if (!v->cfg.moderate)
        return VC_OK;
    int err = vc_verbs_set_moderation(v, &v->cfg.latency, &v->cfg.bulk);
    if (err != VC_ERR_UNSUPPORTED)
        return err;
    vc_log(VC_LOG_INFO, "VCOLL_CQ_MODERATION: %s", vc_error_text());
    return VC_OK;
}

/* ---- making and ending ---- */

static int sys_fail(const struct vc_verbs *v, const char *what)
{
    return vc_fail(VC_ERR_SYS, "%s: %s failed: %s", v->dev.name, what, strerror(errno));
}

/* Devices without shared receive queues, or that cannot make one, are no error. But what was so at first must
 * be so again. */
static int make_srq(struct vc_verbs *v)
{
    bool again = v->mem != NULL;
    struct ibv_srq_init_attr attr = {.attr = {.max_wr = (uint32_t)v->size.nrecv, .max_sge = 1}};
    if (v->dev.attr.max_srq > 0 && v->size.nrecv > 0)
        v->srq = vc_ibv.create_srq(v->pd, &attr);
    if (!v->srq && !again)
        choose_sizes_without_srq(&v->cfg, &v->dev.attr, &v->size);
    return v->srq || v->size.nrecv == 0 ? VC_OK : sys_fail(v, "ibv_create_srq");
}

int vc_queues_make(struct vc_verbs *v)
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
    int err = make_srq(v);
    if (err != VC_OK)
        return err;
    v->cq_latency = vc_ibv.create_cq(ctx, v->size.latency_cqe, NULL, v->events, vector);
    v->cq_bulk = v->cq_latency ? vc_ibv.create_cq(ctx, v->size.bulk_cqe, NULL, v->events, vector) : NULL;
    if (!v->cq_bulk)
        return sys_fail(v, "ibv_create_cq");
    return moderate(v);
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

int vc_queues_register(struct vc_verbs *v)
{
    size_t slots = vc_queues_slots_bytes(&v->size);
    errno = 0;
    v->mr = vc_ibv.reg_mr(v->pd, v->mem, slots, IBV_ACCESS_LOCAL_WRITE);
    /* Peers may write into the mailbox, which nobody reads, and into no slot. */
    v->mailbox = v->mr ? vc_ibv.reg_mr(v->pd, v->mem + slots, MAILBOX_BYTES,
                                       IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
                       : NULL;
    if (!v->mailbox)
        return too_little_memory(v, slots + MAILBOX_BYTES);
    v->lkey = v->mr->lkey;
    return VC_OK;
}

static void ack(struct ibv_cq *cq, unsigned *unacked, unsigned least)
{
    if (*unacked < least)
        return;
    vc_ibv.ack_cq_events(cq, *unacked);
    *unacked = 0;
}

void vc_queues_ack(struct vc_verbs *v, unsigned least)
{
    ack(v->cq_latency, &v->unacked_latency, least);
    ack(v->cq_bulk, &v->unacked_bulk, least);
}

/* Of a device that was removed, nothing may be destroyed any more: then it is forgotten. */
void vc_queues_end(struct vc_verbs *v)
{
    if (v->srq)
        vc_ibv.destroy_srq(v->srq);
    if (v->cq_latency && v->cq_bulk)
        vc_queues_ack(v, 1);
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
    if (v->pd)
        vc_ibv.dealloc_pd(v->pd);
    if (v->dev.ctx)
        vc_ibv.close_device(v->dev.ctx);
    v->srq = NULL;
    v->cq_bulk = v->cq_latency = NULL;
    v->events = NULL;
    v->mailbox = v->mr = NULL;
    v->pd = NULL;
    v->dev.ctx = NULL;
    v->armed_latency = v->armed_bulk = false;
    v->unacked_latency = v->unacked_bulk = 0;
    v->posted = v->signaled = 0;
}
