/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether messages get from one process to another, by the addresses of their ports. */
#ifndef VC_TRANSPORT_VERBS_PATH_H
#define VC_TRANSPORT_VERBS_PATH_H

#include "transport/verbs/verbs.h"

/** Whether the addresses of processes a and b let messages pass between them. VC_OK or VC_ERR_INVAL. */
int vc_addresses_match(const struct vc_verbs_address *all, int a, int b);

#endif
