/* SPDX-License-Identifier: BSD-3-Clause */
/* The two ends of the connection that raw verbs are measured on. */
#include "tools/bench/verbs_impl.h"

#include <stdlib.h>
#include <string.h>

#define TAG 77

/* What the two ends tell each other. */
struct card {
    int32_t ok;
    uint32_t qpn, psn;
    uint16_t lid;
    uint8_t mtu, roce, has_gid, gid[16];
};

int bench_end_peer(const struct vc_measure_world *w, const struct vc_params *p)
{
    if (!(p->channels & VC_CHAN_VERBS) || w->size < 2 || p->disable)
        return -1;
    if (!w->one_host)
        return w->leader[1];
    if (p->node_split > 0)
        return p->node_split < w->size ? p->node_split : -1;
    return p->channels & VC_CHAN_SHM ? -1 : 1;
}

static void make_qp(struct bench_end *e)
{
    struct ibv_qp_init_attr attr = {
        .send_cq = e->send_cq,
        .recv_cq = e->recv_cq,
        .cap = {.max_send_wr = BENCH_SENDS,
                .max_recv_wr = BENCH_RECVS,
                .max_send_sge = 1,
                .max_recv_sge = 1,
                .max_inline_data = sizeof(struct bench_ball)},
        .qp_type = IBV_QPT_RC,
    };
    e->qp = vc_ibv.create_qp(e->pd, &attr);
    /* The library writes what was granted, which may be less. */
    e->inlined = e->qp != NULL && attr.cap.max_inline_data >= sizeof(struct bench_ball);
    attr.cap.max_inline_data = 0;
    if (!e->qp)
        e->qp = vc_ibv.create_qp(e->pd, &attr);
}

int bench_end_recv(struct bench_end *e, int place)
{
    struct ibv_sge sge = {(uintptr_t)&e->mem[1 + place], sizeof(struct bench_ball), e->mr->lkey};
    struct ibv_recv_wr wr = {.wr_id = (uint64_t)place, .sg_list = &sge, .num_sge = 1}, *bad;
    return ibv_post_recv(e->qp, &wr, &bad);
}

/* The own end, up to INIT with all receives posted. */
static bool make_end(struct bench_end *e, const struct vc_params *p)
{
    struct vc_verbs_want want = {.library = p->verbs_library,
                                 .device = p->verbs_device,
                                 .port = p->verbs_port,
                                 .gid_index = p->verbs_gid_index,
                                 .pkey = p->verbs_pkey};
    size_t bytes = 4096;
    if (vc_verbs_dev_open(&want, &e->dev) != VC_OK)
        return false;
    e->mem = aligned_alloc(4096, bytes);
    e->pd = vc_ibv.alloc_pd(e->dev.ctx);
    e->events = e->pd ? vc_ibv.create_comp_channel(e->dev.ctx) : NULL;
    if (!e->mem || !e->events)
        return false;
    memset(e->mem, 0, bytes);
    e->mr = vc_ibv.reg_mr(e->pd, e->mem, bytes, IBV_ACCESS_LOCAL_WRITE);
    e->recv_cq = vc_ibv.create_cq(e->dev.ctx, 2 * BENCH_RECVS, NULL, e->events, 0);
    e->send_cq = vc_ibv.create_cq(e->dev.ctx, 2 * BENCH_SENDS, NULL, NULL, 0);
    if (e->mr && e->recv_cq && e->send_cq)
        make_qp(e);
    if (!e->qp)
        return false;
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT,
                               .pkey_index = (uint16_t)e->dev.pkey_index,
                               .port_num = (uint8_t)e->dev.port};
    if (vc_ibv.modify_qp(e->qp, &attr,
                         IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) != 0)
        return false;
    for (int i = 0; i < BENCH_RECVS; i++)
        if (bench_end_recv(e, i) != 0)
            return false;
    return true;
}

static bool connect_end(struct bench_end *e, const struct vc_params *p, const struct card *mine,
                        const struct card *c)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = c->mtu < mine->mtu ? (enum ibv_mtu)c->mtu : e->dev.mtu,
        .dest_qp_num = c->qpn,
        .rq_psn = c->psn,
        .max_dest_rd_atomic = 1,
        .min_rnr_timer = 12,
        .ah_attr = {.dlid = c->lid, .sl = (uint8_t)p->verbs_sl, .port_num = (uint8_t)e->dev.port},
    };
    bool other_subnet = c->has_gid && e->dev.gid_index >= 0 && memcmp(c->gid, e->dev.gid.raw, 8) != 0;
    if (c->roce != mine->roce)
        return false;
    if (e->dev.roce || e->dev.grh || other_subnet) {
        attr.ah_attr.is_global = 1;
        memcpy(attr.ah_attr.grh.dgid.raw, c->gid, sizeof c->gid);
        attr.ah_attr.grh.sgid_index = (uint8_t)e->dev.gid_index;
        attr.ah_attr.grh.hop_limit = 64;
        attr.ah_attr.grh.traffic_class = (uint8_t)p->verbs_tc;
    }
    if (vc_ibv.modify_qp(e->qp, &attr,
                         IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                             IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) != 0)
        return false;
    /* About a second for each of eight tries: a lost packet costs a sample, not the run. */
    struct ibv_qp_attr rts = {.qp_state = IBV_QPS_RTS,
                              .timeout = 18,
                              .retry_cnt = 7,
                              .rnr_retry = 7,
                              .sq_psn = mine->psn,
                              .max_rd_atomic = 1};
    return vc_ibv.modify_qp(e->qp, &rts,
                            IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                                IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC) == 0;
}

bool bench_end_meet(struct vc_measure_world *w, struct bench_end *e, const struct vc_params *p)
{
    struct card mine = {.ok = make_end(e, p)}, theirs;
    if (mine.ok) {
        mine.qpn = e->qp->qp_num;
        mine.psn = (uint32_t)vc_measure_rand(&w->rng_local) & 0xffffff;
        mine.lid = e->dev.lid;
        mine.mtu = (uint8_t)e->dev.mtu;
        mine.roce = e->dev.roce;
        mine.has_gid = e->dev.gid_index >= 0;
        memcpy(mine.gid, e->dev.gid.raw, sizeof mine.gid);
    }
    MPI_Sendrecv(&mine, sizeof mine, MPI_BYTE, e->other, TAG, &theirs, sizeof theirs, MPI_BYTE, e->other, TAG,
                 w->ctl, MPI_STATUS_IGNORE);
    return mine.ok && theirs.ok && connect_end(e, p, &mine, &theirs);
}

void bench_end_free(struct bench_end *e)
{
    if (e->qp)
        vc_ibv.destroy_qp(e->qp);
    if (e->recv_cq) {
        if (e->unacked)
            vc_ibv.ack_cq_events(e->recv_cq, e->unacked);
        vc_ibv.destroy_cq(e->recv_cq);
    }
    if (e->send_cq)
        vc_ibv.destroy_cq(e->send_cq);
    if (e->events)
        vc_ibv.destroy_comp_channel(e->events);
    if (e->mr)
        vc_ibv.dereg_mr(e->mr);
    if (e->pd)
        vc_ibv.dealloc_pd(e->pd);
    free(e->mem);
    vc_verbs_dev_close(&e->dev);
}
