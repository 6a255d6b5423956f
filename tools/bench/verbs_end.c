/* SPDX-License-Identifier: BSD-3-Clause */
/* The two ends of the connection that raw verbs are measured on. */
#include "tools/bench/verbs_impl.h"

#include "transport/verbs/rc.h"

#include <stdlib.h>
#include <string.h>

#define TAG 77

/* What the two ends tell each other. */
struct card {
    int32_t ok;
    struct vc_rc_address at;
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
    if (vc_rc_init(e->qp, &e->dev) != 0)
        return false;
    for (int i = 0; i < BENCH_RECVS; i++)
        if (bench_end_recv(e, i) != 0)
            return false;
    return true;
}

bool bench_end_meet(struct vc_measure_world *w, struct bench_end *e, const struct vc_params *p)
{
    struct card mine = {.ok = make_end(e, p)}, theirs;
    if (mine.ok)
        vc_rc_address(&e->dev, e->qp, (uint32_t)vc_measure_rand(&w->rng_local), &mine.at);
    MPI_Sendrecv(&mine, sizeof mine, MPI_BYTE, e->other, TAG, &theirs, sizeof theirs, MPI_BYTE, e->other, TAG,
                 w->ctl, MPI_STATUS_IGNORE);
    /* About a second for each of eight tries: a lost packet costs a sample, not the run. */
    return mine.ok && theirs.ok && theirs.at.roce == mine.at.roce &&
           vc_rc_connect(e->qp, &e->dev, &mine.at, &theirs.at, p->verbs_sl, p->verbs_tc, 18) == 0;
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
