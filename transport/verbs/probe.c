/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool make_qp(const struct vc_probe_cfg *cfg, struct vc_probe *p, struct vc_probe_qp *e)
{
    struct ibv_qp_init_attr attr = {.cap = {.max_send_wr = (uint32_t)cfg->sends,
                                            .max_recv_wr = (uint32_t)cfg->recvs,
                                            .max_send_sge = 1,
                                            .max_recv_sge = 1,
                                            .max_inline_data = cfg->inline_bytes}};
    e->recv_cq = vc_ibv.create_cq(p->dev.ctx, 2 * cfg->recvs, NULL, p->events, 0);
    e->send_cq = e->recv_cq ? vc_ibv.create_cq(p->dev.ctx, 2 * cfg->sends, NULL, NULL, 0) : NULL;
    if (!e->send_cq)
        return false;
    attr.send_cq = e->send_cq;
    attr.recv_cq = e->recv_cq;
    e->qp = vc_rc_create(p->pd, &attr);
    if (!e->qp)
        return false;
    e->inline_bytes = attr.cap.max_inline_data;
    int rc = vc_rc_init(e->qp, &p->dev, 0);
    if (rc != 0)
        errno = rc;
    return rc == 0;
}

static bool make_all(const struct vc_probe_cfg *cfg, struct vc_probe *p)
{
    size_t bytes = vc_round_up(cfg->bytes, 4096);
    p->mem = aligned_alloc(4096, bytes);
    p->pd = p->mem ? vc_ibv.alloc_pd(p->dev.ctx) : NULL;
    if (!p->pd)
        return false;
    memset(p->mem, 0, bytes);
    if (cfg->events && !(p->events = vc_ibv.create_comp_channel(p->dev.ctx)))
        return false;
    p->mr = vc_ibv.reg_mr(p->pd, p->mem, bytes, IBV_ACCESS_LOCAL_WRITE);
    if (!p->mr)
        return false;
    for (int i = 0; i < cfg->qps; i++)
        if (!make_qp(cfg, p, &p->end[i]))
            return false;
    return true;
}

int vc_probe_open(const struct vc_probe_cfg *cfg, struct vc_probe *p)
{
    memset(p, 0, sizeof *p);
    p->path = (struct vc_rc_path){cfg->verbs->sl, cfg->verbs->tc, cfg->timeout, cfg->retries};
    p->psn = (uint32_t)vc_now_ns() & 0xffffff;
    int err = vc_verbs_dev_open(&cfg->verbs->want, &p->dev);
    if (err != VC_OK)
        return err;
    errno = 0;
    if (make_all(cfg, p))
        return VC_OK;
    return vc_fail(VC_ERR_SYS, "%s port %d: queue pairs or memory cannot be made: %s", p->dev.name,
                   p->dev.port, strerror(errno));
}

struct vc_rc_addr vc_probe_addr(const struct vc_probe *p, int i)
{
    struct vc_rc_addr addr = {.qpn = p->end[i].qp->qp_num, .psn = p->psn};
    vc_rc_port_of(&p->dev, &addr.port);
    return addr;
}

int vc_probe_connect(struct vc_probe *p, int i, const struct vc_rc_addr *peer)
{
    return vc_rc_connect(p->end[i].qp, &p->dev, &p->path, p->psn, peer);
}

int vc_probe_recv(struct vc_probe *p, int i, uint64_t wr_id, size_t offset, size_t len)
{
    struct ibv_sge sge = {(uintptr_t)p->mem + offset, (uint32_t)len, p->mr->lkey};
    struct ibv_recv_wr wr = {.wr_id = wr_id, .sg_list = &sge, .num_sge = 1}, *bad;
    return vc_ibv_errno(ibv_post_recv(p->end[i].qp, &wr, &bad));
}

void vc_probe_close(struct vc_probe *p)
{
    for (int i = 0; i < VC_PROBE_QPS; i++) {
        struct vc_probe_qp *e = &p->end[i];
        if (e->qp)
            vc_ibv.destroy_qp(e->qp);
        if (e->unacked)
            vc_ibv.ack_cq_events(e->recv_cq, e->unacked);
        if (e->recv_cq)
            vc_ibv.destroy_cq(e->recv_cq);
        if (e->send_cq)
            vc_ibv.destroy_cq(e->send_cq);
    }
    if (p->events)
        vc_ibv.destroy_comp_channel(p->events);
    if (p->mr)
        vc_ibv.dereg_mr(p->mr);
    if (p->pd)
        vc_ibv.dealloc_pd(p->pd);
    free(p->mem);
    vc_verbs_dev_close(&p->dev);
    memset(p, 0, sizeof *p);
}
