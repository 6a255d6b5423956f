/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of the collectives, shared by plans, selection, statistics and the front door. */
#ifndef VC_COLL_COLL_H
#define VC_COLL_COLL_H

/** The rows of coll.list. */
enum vc_coll {
#define VC_COLL_ROW(coll, ...) coll,
#include "coll/coll.list"
#undef VC_COLL_ROW
    VC_COLL_COUNT
};

/** "barrier", "bcast", ... as users write them in VCOLL_ALG; NULL for a value out of range. Static storage.
 */
const char *vc_coll_name(enum vc_coll coll);

/** The collective of that name, or -1. */
int vc_coll_by_name(const char *name);

#endif
