/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of a reliable connection between two queue pairs, for tools that have queue pairs of their own.
 */
#ifndef VC_TRANSPORT_VERBS_RC_H
#define VC_TRANSPORT_VERBS_RC_H

#include "transport/verbs/device.h"

/** What one end tells the other. */
struct vc_rc_address {
    uint32_t qpn, psn;
    uint16_t lid;
    uint8_t mtu, roce, has_gid, gid[16];
};
void vc_rc_address(const struct vc_verbs_dev *dev, const struct ibv_qp *qp, uint32_t psn,
                   struct vc_rc_address *out);

/** To INIT, in which receives can be posted. 0 or an errno value, as below. */
int vc_rc_init(struct ibv_qp *qp, const struct vc_verbs_dev *dev);
/** To RTS, by way of RTR. A message is repeated seven times, each after 4.096 us * 2^timeout. `sl`, `tc`:
 * service level and traffic class. */
int vc_rc_connect(struct ibv_qp *qp, const struct vc_verbs_dev *dev, const struct vc_rc_address *mine,
                  const struct vc_rc_address *peer, int sl, int tc, int timeout);

#endif
