/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scans among the participants of a group: each ends with the reduction of the operands of those up to itself
 * (scan), or before itself (exscan; the first one's `vec` is not touched then). `own`: the operand, which may
 * be the same place as `vec`, where the result is built. Ascending order, so for any operator.
 */
#ifndef VC_COLL_SCAN_EXCHANGE_H
#define VC_COLL_SCAN_EXCHANGE_H

#include "coll/group.h"

/** With partners at doubling distance: ceil(log2 n) rounds (Hillis and Steele 1986). */
void vc_x_scan_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref vec);
void vc_x_exscan_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref vec);
/** Segments up the ranks, one after another. */
void vc_x_scan_chain(struct vc_plan *p, const struct vc_group *g, size_t esize, int segments,
                     struct vc_ref own, struct vc_ref vec);
void vc_x_exscan_chain(struct vc_plan *p, const struct vc_group *g, size_t esize, int segments,
                       struct vc_ref own, struct vc_ref vec);

/** Bytes of a segment of the chains, unless the shape says otherwise. */
#define VC_SCAN_SEGMENT 65536

typedef void vc_x_scan_chain_of(struct vc_plan *p, const struct vc_group *g, size_t esize, int segments,
                                struct vc_ref own, struct vc_ref vec);
/** A plan of one of the chains among all ranks: a vc_alg's `build`. */
int vc_scan_chain_plan(const struct vc_shape *s, int rank, struct vc_plan *p, vc_x_scan_chain_of *chain);

#endif
