/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/phase.h"

/* clang-format off */
const struct vc_phase_info vc_phase_info[VC_PHASE_COUNT] = {
    [VC_PHASE_BARRIER] = {.name = "barrier", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL},
    [VC_PHASE_BCAST] = {.name = "bcast", .gives = VC_WHO_ROOT, .gets = VC_WHO_OTHERS,
        .dst = VC_EXTENT_ONE},
    [VC_PHASE_REDUCE] = {.name = "reduce", .gives = VC_WHO_ALL, .gets = VC_WHO_ROOT,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_ONE, .dst_at_root = true, .reduces = true},
    [VC_PHASE_ALLREDUCE] = {.name = "allreduce", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_ONE, .reduces = true},
    [VC_PHASE_REDUCE_SCATTER] = {.name = "reduce_scatter", .gives = VC_WHO_ALL, .gets = VC_WHO_PARTS,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_ONE, .reduces = true},
    [VC_PHASE_ALLGATHER] = {.name = "allgather", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_EACH},
    [VC_PHASE_ALLGATHER_SLICES] = {.name = "allgather_slices", .gives = VC_WHO_PARTS, .gets = VC_WHO_ALL,
        .dst = VC_EXTENT_ONE},
    [VC_PHASE_GATHER] = {.name = "gather", .gives = VC_WHO_ALL, .gets = VC_WHO_ROOT,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_EACH, .dst_at_root = true},
    [VC_PHASE_SCATTER] = {.name = "scatter", .gives = VC_WHO_ROOT, .gets = VC_WHO_OTHERS,
        .src = VC_EXTENT_EACH, .dst = VC_EXTENT_ONE, .src_at_root = true},
    [VC_PHASE_ALLTOALL] = {.name = "alltoall", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL,
        .src = VC_EXTENT_EACH, .dst = VC_EXTENT_EACH},
    [VC_PHASE_ALLGATHERV] = {.name = "allgatherv", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_EACH, .uneven = true},
    [VC_PHASE_ALLTOALLV] = {.name = "alltoallv", .gives = VC_WHO_ALL, .gets = VC_WHO_ALL,
        .src = VC_EXTENT_EACH, .dst = VC_EXTENT_EACH},
    [VC_PHASE_GATHERV] = {.name = "gatherv", .gives = VC_WHO_ALL, .gets = VC_WHO_ROOT,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_EACH, .dst_at_root = true, .uneven = true},
    [VC_PHASE_SCATTERV] = {.name = "scatterv", .gives = VC_WHO_ROOT, .gets = VC_WHO_OTHERS,
        .src = VC_EXTENT_EACH, .dst = VC_EXTENT_ONE, .src_at_root = true, .uneven = true},
    [VC_PHASE_GATHER_ANY] = {.name = "gather_any", .gives = VC_WHO_ALL, .gets = VC_WHO_ROOT,
        .src = VC_EXTENT_ONE, .dst = VC_EXTENT_EACH, .dst_at_root = true},
    [VC_PHASE_SCATTER_ANY] = {.name = "scatter_any", .gives = VC_WHO_ROOT, .gets = VC_WHO_OTHERS,
        .src = VC_EXTENT_EACH, .dst = VC_EXTENT_ONE, .src_at_root = true},
};
/* clang-format on */
