/* SPDX-License-Identifier: BSD-3-Clause */
/* The collectives that pass through, VC_OTHER() of each behind VC_COLL_PASSED in coll.list. There is none. */
#include "pmpi/calls.h"
