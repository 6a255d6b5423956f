/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/coll.h"

#include <stddef.h>
#include <string.h>

static const char *const names[VC_COLL_COUNT] = {
    [VC_BARRIER] = "barrier",
    [VC_BCAST] = "bcast",
    [VC_REDUCE] = "reduce",
    [VC_ALLREDUCE] = "allreduce",
    [VC_ALLGATHER] = "allgather",
    [VC_ALLTOALL] = "alltoall",
    [VC_GATHER] = "gather",
    [VC_GATHERV] = "gatherv",
    [VC_SCATTER] = "scatter",
    [VC_SCATTERV] = "scatterv",
    [VC_ALLGATHERV] = "allgatherv",
    [VC_ALLTOALLV] = "alltoallv",
    [VC_ALLTOALLW] = "alltoallw",
    [VC_REDUCE_SCATTER] = "reduce_scatter",
    [VC_REDUCE_SCATTER_BLOCK] = "reduce_scatter_block",
    [VC_SCAN] = "scan",
    [VC_EXSCAN] = "exscan",
};

const char *vc_coll_name(enum vc_coll coll)
{
    return (unsigned)coll < VC_COLL_COUNT ? names[coll] : NULL;
}

int vc_coll_by_name(const char *name)
{
    for (int i = 0; i < VC_COLL_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}
