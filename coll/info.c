/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/info.h"

#include <string.h>

#define NOTHING                                                                                              \
    {                                                                                                        \
        VC_EXTENT_NONE, false                                                                                \
    }
#define ONE                                                                                                  \
    {                                                                                                        \
        VC_EXTENT_ONE, false                                                                                 \
    }
#define EACH                                                                                                 \
    {                                                                                                        \
        VC_EXTENT_EACH, false                                                                                \
    }
#define ONE_AT_ROOT                                                                                          \
    {                                                                                                        \
        VC_EXTENT_ONE, true                                                                                  \
    }
#define EACH_AT_ROOT                                                                                         \
    {                                                                                                        \
        VC_EXTENT_EACH, true                                                                                 \
    }

/* clang-format off */
const struct vc_coll_info vc_coll_info[VC_COLL_COUNT] = {
    [VC_BARRIER] = {.name = "barrier", .bytes_are = "nothing", .sizes_known = true,
        .send = NOTHING, .recv = NOTHING, .node = VC_NODE_BARRIER},
    [VC_BCAST] = {.name = "bcast", .bytes_are = "the message", .rooted = true, .sizes_known = true,
        .send = NOTHING, .recv = ONE, .node = VC_NODE_BCAST, .single_copy = true},
    [VC_REDUCE] = {.name = "reduce", .bytes_are = "the vector", .rooted = true, .reduces = true, .sizes_known = true,
        .send = ONE, .recv = ONE_AT_ROOT, .in_place = VC_IN_PLACE_START, .node = VC_NODE_REDUCE, .single_copy = true},
    [VC_ALLREDUCE] = {.name = "allreduce", .bytes_are = "the vector", .reduces = true, .sizes_known = true,
        .send = ONE, .recv = ONE, .in_place = VC_IN_PLACE_START, .node = VC_NODE_ALLREDUCE, .single_copy = true},
    [VC_ALLGATHER] = {.name = "allgather", .bytes_are = "one rank's block", .sizes_known = true,
        .send = ONE, .recv = EACH, .in_place = VC_IN_PLACE_OWN_BLOCK, .node = VC_NODE_ALLGATHER, .single_copy = true},
    [VC_ALLTOALL] = {.name = "alltoall", .bytes_are = "the block for one rank", .sizes_known = true,
        .send = EACH, .recv = EACH, .in_place = VC_IN_PLACE_NEVER, .node = VC_NODE_ALLTOALL, .single_copy = true},
    [VC_GATHER] = {.name = "gather", .bytes_are = "one rank's block", .rooted = true, .sizes_known = true,
        .send = ONE, .recv = EACH_AT_ROOT, .in_place = VC_IN_PLACE_OWN_BLOCK},
    [VC_GATHERV] = {.name = "gatherv", .bytes_are = "what this rank sends", .rooted = true,
        .send = ONE, .recv = EACH_AT_ROOT, .in_place = VC_IN_PLACE_OWN_BLOCK},
    [VC_SCATTER] = {.name = "scatter", .bytes_are = "one rank's block", .rooted = true, .sizes_known = true,
        .send = EACH_AT_ROOT, .recv = ONE, .in_place = VC_IN_PLACE_OWN_BLOCK},
    [VC_SCATTERV] = {.name = "scatterv", .bytes_are = "what this rank receives", .rooted = true,
        .send = EACH_AT_ROOT, .recv = ONE, .in_place = VC_IN_PLACE_OWN_BLOCK},
    [VC_ALLGATHERV] = {.name = "allgatherv", .bytes_are = "what this rank sends", .sizes_known = true,
        .send = ONE, .recv = EACH, .in_place = VC_IN_PLACE_OWN_BLOCK},
    [VC_ALLTOALLV] = {.name = "alltoallv", .bytes_are = "what this rank sends", .send = EACH, .recv = EACH},
    [VC_ALLTOALLW] = {.name = "alltoallw", .bytes_are = "what this rank sends", .send = EACH, .recv = EACH},
    [VC_REDUCE_SCATTER] = {.name = "reduce_scatter", .bytes_are = "the vector", .reduces = true, .sizes_known = true,
        .send = EACH, .recv = ONE, .in_place = VC_IN_PLACE_START},
    [VC_REDUCE_SCATTER_BLOCK] = {.name = "reduce_scatter_block", .bytes_are = "one rank's block of the result",
        .reduces = true, .sizes_known = true, .send = EACH, .recv = ONE, .in_place = VC_IN_PLACE_START},
    [VC_SCAN] = {.name = "scan", .bytes_are = "the vector", .reduces = true, .sizes_known = true,
        .send = ONE, .recv = ONE, .in_place = VC_IN_PLACE_START},
    [VC_EXSCAN] = {.name = "exscan", .bytes_are = "the vector", .reduces = true, .sizes_known = true,
        .send = ONE, .recv = ONE, .in_place = VC_IN_PLACE_START},
};
/* clang-format on */

const char *vc_coll_name(enum vc_coll coll)
{
    return (unsigned)coll < VC_COLL_COUNT ? vc_coll_info[coll].name : NULL;
}

void vc_coll_words(const char *words[VC_COLL_ACCELERATED + 1])
{
    for (int i = 0; i < VC_COLL_ACCELERATED; i++)
        words[i] = vc_coll_info[i].name;
    words[VC_COLL_ACCELERATED] = NULL;
}

int vc_coll_by_name(const char *name)
{
    for (int i = 0; i < VC_COLL_COUNT; i++)
        if (strcmp(vc_coll_info[i].name, name) == 0)
            return i;
    return -1;
}
