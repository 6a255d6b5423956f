/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel that sends each peer's messages through the channel chosen for that peer. */
#ifndef VC_TRANSPORT_MUX_H
#define VC_TRANSPORT_MUX_H

#include "transport/channel.h"

/**
 * via[r] is the channel for rank r, or NULL: then messages to r are an error, except those to oneself, which
 * the mux delivers itself. Copies via. Owns the distinct channels from now on, unless it fails.
 */
int vc_mux_create(int size, int rank, struct vc_chan *const *via, struct vc_chan **out);

#endif
