/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that failed: closed, looked for, and opened again. */
#ifndef VC_TRANSPORT_VERBS_REOPEN_H
#define VC_TRANSPORT_VERBS_REOPEN_H

#include "transport/verbs/state.h"

/** A connection that is lost within this time after it was regained, or a device after it was opened again,
 * may be lost again soon: they are tried at growing intervals. */
#define VC_STEADY_NS 3000000000u
/** Before the first try. */
#define VC_FIRST_TRY_NS 250000000u

/**
 * One step. Closes the device as soon as all that it has brought was read, because some drivers end a removal
 * only then. Afterwards looks for a device of the same name at most four times a second. True: it is open
 * again, with queues and registered buffers, and has no connections.
 */
bool vc_verbs_reopen(struct vc_verbs *v, uint64_t now);

#endif
