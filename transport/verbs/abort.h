/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling other processes of a failure, over the device where it still works and over the boot channel. */
#ifndef VC_TRANSPORT_VERBS_ABORT_H
#define VC_TRANSPORT_VERBS_ABORT_H

#include "transport/verbs/state.h"

/** Tells every peer of a channel that has failed; once. */
void vc_chan_abort(struct chan *c);

#endif
