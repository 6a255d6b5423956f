/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases as messages among the ranks of a node: stands in for coll/node, whose shared memory a simulated
 * rank has not. What the phases cost is what the simulator charges for messages inside a host. */
#ifndef VC_TESTS_SIM_PHASES_H
#define VC_TESTS_SIM_PHASES_H

#include "coll/node/node.h"
#include "tests/sim/pool.h"

/** The phases of rank `local` among the ranks[n] of its node. NULL: out of memory. */
struct vc_node *phases_create(struct pool *pool, const int *ranks, int n, int local);
void phases_destroy(struct vc_node *nd);

#endif
