/* SPDX-License-Identifier: BSD-3-Clause */
/* Alltoalls among the participants of a group. The own block is left to the caller. */
#ifndef VC_COLL_ALLTOALL_EXCHANGE_H
#define VC_COLL_ALLTOALL_EXCHANGE_H

#include "coll/group.h"

/** Block v of `out` goes to v, block v of `in` comes from v; `window` peers at a time. Of the n - 1 peers
 * each way those that are `begin` to `end` - 1 away, `begin` at least 1. */
void vc_x_alltoall_linear(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                          const struct vc_layout *in, int window, int begin, int end);
/** The same in n - 1 rounds of one peer each way. */
void vc_x_alltoall_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                            const struct vc_layout *in, int begin, int end);

#endif
