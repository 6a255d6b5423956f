/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/recvq.h"

#include "transport/topology/numa.h"
#include "transport/verbs/fail.h"

#include <errno.h>
#include <sys/mman.h>

/* ---- of a connection ---- */

static int post_recv(struct ep *e, int slot)
{
    struct vc_verbs *v = e->v;
    struct ibv_sge sge = {(uintptr_t)recv_slot(v, e, slot), (uint32_t)v->size.slot_bytes, e->recv_mr->lkey};
    struct ibv_recv_wr wr = {.wr_id = wr_id(e->proc, (uint32_t)slot), .sg_list = &sge, .num_sge = 1}, *bad;
    return vc_ibv_errno(ibv_post_recv(e->qp, &wr, &bad));
}

/* Where the registration cache has used up the locked memory, it gives some back. 0, or an errno value. */
static int make_buffers(struct vc_verbs *v, struct ep *e)
{
    if (!e->recv_mem) {
        e->recv_bytes = vc_round_up((size_t)e->recv_slots * v->size.slot_bytes, 4096);
        e->recv_mem = mmap(NULL, e->recv_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (e->recv_mem == MAP_FAILED) {
            e->recv_mem = NULL;
            return ENOMEM;
        }
        vc_numa_stay_near(e->recv_mem, e->recv_bytes); /* registering touches it */
    }
    e->recv_mr = vc_ibv.reg_mr(v->pd, e->recv_mem, e->recv_bytes, IBV_ACCESS_LOCAL_WRITE);
    if (!e->recv_mr && errno == ENOMEM && v->regs && vc_regcache_shrink(v->regs))
        e->recv_mr = vc_ibv.reg_mr(v->pd, e->recv_mem, e->recv_bytes, IBV_ACCESS_LOCAL_WRITE);
    if (!e->recv_mr)
        return errno;
    madvise(e->recv_mem, e->recv_bytes, MADV_DONTFORK);
    v->stats.locked += e->recv_bytes;
    return 0;
}

int vc_recvq_make(struct ep *e)
{
    struct vc_verbs *v = e->v;
    int rc = 0;
    if (e->recv_slots == 0) {
        /* The completion queue must hold the completions of all connections. */
        int left = v->size.latency_cqe - v->recv_slots;
        if (left <= 0)
            return ENOSPC;
        e->recv_slots = v->size.recv_depth < left ? v->size.recv_depth : left;
        v->recv_slots += e->recv_slots;
    }
    if (!e->recv_mr && (rc = make_buffers(v, e)) != 0)
        return rc;
    for (int slot = 0; slot < e->recv_slots; slot++) {
        rc = post_recv(e, slot);
        if (rc != 0) /* fewer will do: a message that finds no buffer is repeated */
            return slot > 0 ? 0 : rc;
        v->posted++;
    }
    return 0;
}

void vc_recvq_post_again(struct ep *e, int slot)
{
    if (!e->qp || (e->state > EP_RETURNING && e->regain.step == REGAIN_NONE))
        return;
    int rc = post_recv(e, slot);
    if (rc != 0)
        vc_ep_lose(e, "%s: ibv_post_recv failed: %s", e->v->dev.name, vc_ibv_strerror(rc));
    else
        e->v->posted++;
}

void vc_recvq_free(struct ep *e)
{
    if (e->recv_mr) {
        vc_ibv.dereg_mr(e->recv_mr);
        e->v->stats.locked -= e->recv_bytes;
    }
    if (e->recv_mem)
        munmap(e->recv_mem, e->recv_bytes);
    e->recv_mr = NULL;
    e->recv_mem = NULL;
    e->v->recv_slots -= e->recv_slots;
    e->recv_slots = 0;
}

/* ---- shared ---- */

int vc_recvq_repost(struct vc_verbs *v)
{
    enum { BATCH = 16 };
    struct ibv_recv_wr wr[BATCH], *bad;
    struct ibv_sge sge[BATCH];
    while (v->srq && v->nfree_recv > 0 && !v->failed) {
        int n = v->nfree_recv < BATCH ? v->nfree_recv : BATCH;
        for (int i = 0; i < n; i++) {
            int slot = v->free_recv[v->nfree_recv - 1 - i];
            sge[i] = (struct ibv_sge){(uintptr_t)slot_mem(v, slot), (uint32_t)v->size.slot_bytes, v->lkey};
            wr[i] = (struct ibv_recv_wr){.wr_id = wr_id(0, (uint32_t)slot),
                                         .next = i + 1 < n ? &wr[i + 1] : NULL,
                                         .sg_list = &sge[i],
                                         .num_sge = 1};
        }
        int rc = ibv_post_srq_recv(v->srq, wr, &bad);
        if (rc != 0) {
            vc_verbs_fail(v, "%s: ibv_post_srq_recv failed: %s", v->dev.name, vc_ibv_strerror(rc));
            return VC_ERR_SYS;
        }
        v->nfree_recv -= n;
        v->posted += n;
    }
    return VC_OK;
}
