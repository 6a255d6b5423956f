/* SPDX-License-Identifier: BSD-3-Clause */
/* Hierarchies that are made up: for predictions and tools. Those of communicators are found by pmpi. */
#include "coll/plan.h"

#include <stdlib.h>

int *vc_hier_blocks(struct vc_hier *h, int ranks, int ppn)
{
    int nnodes = ranks / ppn + (ranks % ppn != 0);
    int *mem = malloc((3 * (size_t)ranks + (size_t)nnodes + 1) * sizeof *mem);
    if (!mem)
        return NULL;
    int *node_of = mem, *local_of = node_of + ranks, *members = local_of + ranks, *first = members + ranks;
    for (int r = 0; r < ranks; r++) {
        node_of[r] = r / ppn;
        local_of[r] = r % ppn;
        members[r] = r;
    }
    for (int i = 0; i < nnodes; i++)
        first[i] = i * ppn;
    first[nnodes] = ranks;
    *h = (struct vc_hier){.nnodes = nnodes,
                          .uniform = ranks % ppn == 0,
                          .block = true,
                          .node_of = node_of,
                          .local_of = local_of,
                          .first = first,
                          .members = members};
    return mem;
}
