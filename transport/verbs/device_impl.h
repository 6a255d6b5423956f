/* SPDX-License-Identifier: BSD-3-Clause */
/* What device.c and port.c share. */
#ifndef VC_TRANSPORT_VERBS_DEVICE_IMPL_H
#define VC_TRANSPORT_VERBS_DEVICE_IMPL_H

#include "transport/verbs/device.h"

/**
 * Takes a port of an open device (ctx, name and attr of `dev` are valid): fills in what is chosen on it, and
 * its rate in units of 100 Mbit/s. VC_OK, VC_ERR_INVAL or VC_ERR_SYS as vc_verbs_dev_open(); dev is then
 * unspecified but for what was valid before.
 */
int vc_verbs_port_take(const struct vc_verbs_want *want, struct vc_verbs_dev *dev, int port, unsigned *rate);

/** Appends printf-style; what does not fit is cut off. */
void vc_verbs_append(char *buf, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
