/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes over the boot channel. */
#ifndef VC_TRANSPORT_VERBS_NOTES_H
#define VC_TRANSPORT_VERBS_NOTES_H

#include "transport/verbs/state.h"

/** Drives the boot channel and reads the notes that have come. Returns how much happened. */
int vc_notes_poll(struct vc_verbs *v);

#endif
