/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing the address (GID) and partition (P_Key) of a port. */
#ifndef VC_TRANSPORT_VERBS_PORT_H
#define VC_TRANSPORT_VERBS_PORT_H

#include "transport/verbs/device.h"

/**
 * Chooses GID and P_Key of a port of an open device (ctx, name and attr of `dev` are valid), and fills in
 * what follows from that; `rate` in units of 100 Mbit/s. VC_OK, or VC_ERR_INVAL or VC_ERR_SYS as
 * vc_verbs_dev_open(); then only what was valid before is valid in `dev`.
 */
int vc_verbs_port_choose(const struct vc_verbs_want *want, struct vc_verbs_dev *dev, int port,
                         unsigned *rate);

#endif
