/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/rc.h"

#include <string.h>

void vc_rc_address(const struct vc_verbs_dev *dev, const struct ibv_qp *qp, uint32_t psn,
                   struct vc_rc_address *out)
{
    memset(out, 0, sizeof *out);
    out->qpn = qp->qp_num;
    out->psn = psn & 0xffffff;
    out->lid = dev->lid;
    out->mtu = (uint8_t)dev->mtu;
    out->roce = dev->roce;
    out->has_gid = dev->gid_index >= 0;
    memcpy(out->gid, dev->gid.raw, sizeof out->gid);
}

int vc_rc_init(struct ibv_qp *qp, const struct vc_verbs_dev *dev)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_INIT, .pkey_index = (uint16_t)dev->pkey_index, .port_num = (uint8_t)dev->port};
    return vc_ibv.modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

int vc_rc_connect(struct ibv_qp *qp, const struct vc_verbs_dev *dev, const struct vc_rc_address *mine,
                  const struct vc_rc_address *peer, int sl, int tc, int timeout)
{
    struct ibv_qp_attr attr = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = peer->mtu < mine->mtu ? (enum ibv_mtu)peer->mtu : dev->mtu,
        .dest_qp_num = peer->qpn,
        .rq_psn = peer->psn,
        .max_dest_rd_atomic = 1,
        .min_rnr_timer = 12,
        .ah_attr = {.dlid = peer->lid, .sl = (uint8_t)sl, .port_num = (uint8_t)dev->port},
    };
    /* InfiniBand needs the global header only from one subnet to another; RoCE has nothing else. */
    bool other_subnet = peer->has_gid && dev->gid_index >= 0 && memcmp(peer->gid, dev->gid.raw, 8) != 0;
    if (dev->roce || dev->grh || other_subnet) {
        attr.ah_attr.is_global = 1;
        memcpy(attr.ah_attr.grh.dgid.raw, peer->gid, sizeof peer->gid);
        attr.ah_attr.grh.sgid_index = (uint8_t)dev->gid_index;
        attr.ah_attr.grh.hop_limit = 64;
        attr.ah_attr.grh.traffic_class = (uint8_t)tc;
    }
    int err = vc_ibv.modify_qp(qp, &attr,
                               IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                   IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
    struct ibv_qp_attr rts = {.qp_state = IBV_QPS_RTS,
                              .timeout = (uint8_t)timeout,
                              .retry_cnt = 7,
                              .rnr_retry = 7,
                              .sq_psn = mine->psn,
                              .max_rd_atomic = 1};
    return err ? err
               : vc_ibv.modify_qp(qp, &rts,
                                  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                                      IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}
