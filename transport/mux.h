/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel that sends each peer's messages through the channel chosen for that peer. */
#ifndef VC_TRANSPORT_MUX_H
#define VC_TRANSPORT_MUX_H

#include "transport/channel.h"

/**
 * via[r] is the channel for rank r: NULL where there is none, then messages to r are refused, except those to
 * oneself, which the mux carries. Copies via. Takes ownership of the distinct channels, unless it fails.
 */
int vc_mux_create(int size, int rank, struct vc_chan *const *via, struct vc_chan **out);

#endif
