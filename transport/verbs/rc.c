/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/rc.h"

#include <string.h>

void vc_rc_port_of(const struct vc_verbs_dev *dev, struct vc_rc_port *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->gid, dev->gid.raw, sizeof out->gid);
    memcpy(out->subnet, dev->subnet, sizeof out->subnet);
    out->lid = dev->lid;
    out->pkey = dev->pkey;
    out->mtu = (uint8_t)dev->mtu;
    out->roce = dev->roce;
    out->has_gid = dev->gid_index >= 0;
    out->gid_type = (uint8_t)dev->gid_type;
}

void vc_rc_patience(int seconds, struct vc_rc_path *path)
{
    /* A lost packet must not cost the connection, and rxe takes 7 tries after the first for "without end". */
    enum { TRIES_MIN = 3, TRIES_MAX = 7, TIMEOUT_MIN = 10, TIMEOUT_MAX = 31 };
    uint64_t limit = (uint64_t)seconds * 1000000000u, best = 0;
    for (unsigned tries = TRIES_MAX; tries >= TRIES_MIN; tries--)
        for (unsigned t = TIMEOUT_MIN; t <= TIMEOUT_MAX; t++) {
            uint64_t all = ((uint64_t)4096 << t) * tries;
            if (all > limit || all <= best)
                continue;
            best = all;
            path->timeout = (uint8_t)t;
            path->retries = (uint8_t)(tries - 1);
        }
}

struct ibv_qp *vc_rc_create(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
    static const uint32_t smaller[] = {128, 64, 32, 0};
    const struct ibv_qp_cap asked = attr->cap;
    uint32_t wanted = asked.max_inline_data;
    attr->qp_type = IBV_QPT_RC;
    for (size_t i = 0;;) {
        attr->cap.max_inline_data = wanted;
        struct ibv_qp *qp = vc_ibv.create_qp(pd, attr);
        /* Devices without inline grant 0, whatever is asked for; others grant more than that. The library
         * writes all that it grants into *attr. */
        uint32_t granted = attr->cap.max_inline_data;
        attr->cap = asked;
        if (qp) {
            attr->cap.max_inline_data = granted < wanted ? granted : wanted;
            return qp;
        }
        if (wanted == 0)
            return NULL;
        while (smaller[i] >= wanted)
            i++;
        wanted = smaller[i];
    }
}

static int modify(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
    return vc_ibv_errno(vc_ibv.modify_qp(qp, attr, mask | IBV_QP_STATE));
}

int vc_rc_init(struct ibv_qp *qp, const struct vc_verbs_dev *dev, unsigned access)
{
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_INIT,
                               .pkey_index = (uint16_t)dev->pkey_index,
                               .port_num = (uint8_t)dev->port,
                               .qp_access_flags = access};
    return modify(qp, &attr, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static int to_rtr(struct ibv_qp *qp, const struct vc_verbs_dev *dev, const struct vc_rc_path *path,
                  const struct vc_rc_addr *peer)
{
    const struct vc_rc_port *p = &peer->port;
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = p->mtu < (uint8_t)dev->mtu ? (enum ibv_mtu)p->mtu : dev->mtu,
        .dest_qp_num = peer->qpn,
        .rq_psn = peer->psn,
        .max_dest_rd_atomic = 1,
        .min_rnr_timer = 12, /* 0.64 ms: a receiver without a buffer is far behind */
        .ah_attr = {.dlid = p->lid, .sl = (uint8_t)path->sl, .port_num = (uint8_t)dev->port},
    };
    /* RoCE always has the global routing header. InfiniBand needs it where the port says so and between
     * subnets. */
    bool other_subnet = p->has_gid && dev->gid_index >= 0 && memcmp(p->gid, dev->gid.raw, 8) != 0;
    if (dev->roce || dev->grh || other_subnet) {
        attr.ah_attr.is_global = 1;
        memcpy(attr.ah_attr.grh.dgid.raw, p->gid, sizeof p->gid);
        attr.ah_attr.grh.sgid_index = (uint8_t)dev->gid_index;
        attr.ah_attr.grh.hop_limit = 64;
        attr.ah_attr.grh.traffic_class = (uint8_t)(path->tc < 0 ? dev->tc : path->tc);
    }
    return modify(qp, &attr,
                  IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
                      IBV_QP_MIN_RNR_TIMER);
}

static int to_rts(struct ibv_qp *qp, const struct vc_rc_path *path, uint32_t psn)
{
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_RTS,
                               .timeout = path->timeout,
                               .retry_cnt = path->retries,
                               .rnr_retry = 7, /* without end: the receiver is there and only slow */
                               .sq_psn = psn,
                               .max_rd_atomic = 1};
    return modify(qp, &attr,
                  IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                      IBV_QP_MAX_QP_RD_ATOMIC);
}

int vc_rc_connect(struct ibv_qp *qp, const struct vc_verbs_dev *dev, const struct vc_rc_path *path,
                  uint32_t psn, const struct vc_rc_addr *peer)
{
    int rc = to_rtr(qp, dev, path, peer);
    return rc != 0 ? rc : to_rts(qp, path, psn);
}

int vc_rc_break(struct ibv_qp *qp)
{
    struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
    return modify(qp, &attr, 0);
}
