/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/registry.h"

#include "coll/node/node.h"

#include <string.h>

#define NATIVE(COLL, name_)                                                                                  \
    static const struct vc_alg native_##name_ = {                                                            \
        .name = "native",                                                                                    \
        .coll = COLL,                                                                                        \
        .kind = VC_ALG_NATIVE,                                                                               \
        .help = "the underlying MPI's own",                                                                  \
    };
NATIVE(VC_BARRIER, barrier)
NATIVE(VC_BCAST, bcast)
NATIVE(VC_REDUCE, reduce)
NATIVE(VC_ALLREDUCE, allreduce)
NATIVE(VC_ALLGATHER, allgather)
NATIVE(VC_ALLTOALL, alltoall)

/* Reductions in a node's memory go in ascending rank order, so they need no commutative operator. */
#define SHM(COLL, name_)                                                                                     \
    static const struct vc_alg shm_##name_ = {                                                               \
        .name = "shm",                                                                                       \
        .coll = COLL,                                                                                        \
        .kind = VC_ALG_NODE,                                                                                 \
        .restrictions = VC_NEEDS_ONE_NODE,                                                                   \
        .help = "direct code through slots in the node's shared memory",                                     \
        .node_alg = VC_NODE_SLOTS,                                                                           \
    };
SHM(VC_BARRIER, barrier)
SHM(VC_BCAST, bcast)
SHM(VC_REDUCE, reduce)
SHM(VC_ALLREDUCE, allreduce)
SHM(VC_ALLGATHER, allgather)
SHM(VC_ALLTOALL, alltoall)

#define SHM_CMA(COLL, name_)                                                                                 \
    static const struct vc_alg shm_cma_##name_ = {                                                           \
        .name = "shm_cma",                                                                                   \
        .coll = COLL,                                                                                        \
        .kind = VC_ALG_NODE,                                                                                 \
        .restrictions = VC_NEEDS_ONE_NODE,                                                                   \
        .help = "one copy from process to process (cross memory attach), for large messages of one node",    \
        .node_alg = VC_NODE_CMA,                                                                             \
    };
SHM_CMA(VC_BCAST, bcast)
SHM_CMA(VC_REDUCE, reduce)
SHM_CMA(VC_ALLREDUCE, allreduce)
SHM_CMA(VC_ALLGATHER, allgather)
SHM_CMA(VC_ALLTOALL, alltoall)

#define VC_ALG_ENTRY(coll, name) &vc_alg_##coll##_##name,

static const struct vc_alg *const barrier_algs[] = {
    &native_barrier,
    &shm_barrier,
#include "coll/barrier/algs.list"
    NULL,
};
static const struct vc_alg *const bcast_algs[] = {
    &native_bcast,
    &shm_bcast,
    &shm_cma_bcast,
#include "coll/bcast/algs.list"
    NULL,
};
static const struct vc_alg *const reduce_algs[] = {
    &native_reduce,
    &shm_reduce,
    &shm_cma_reduce,
#include "coll/reduce/algs.list"
    NULL,
};
static const struct vc_alg *const allreduce_algs[] = {
    &native_allreduce,
    &shm_allreduce,
    &shm_cma_allreduce,
#include "coll/allreduce/algs.list"
    NULL,
};
static const struct vc_alg *const allgather_algs[] = {
    &native_allgather,
    &shm_allgather,
    &shm_cma_allgather,
#include "coll/allgather/algs.list"
    NULL,
};
static const struct vc_alg *const alltoall_algs[] = {
    &native_alltoall,
    &shm_alltoall,
    &shm_cma_alltoall,
#include "coll/alltoall/algs.list"
    NULL,
};

static const struct vc_alg *const *const lists[VC_COLL_ACCELERATED] = {
    [VC_BARRIER] = barrier_algs,     [VC_BCAST] = bcast_algs,         [VC_REDUCE] = reduce_algs,
    [VC_ALLREDUCE] = allreduce_algs, [VC_ALLGATHER] = allgather_algs, [VC_ALLTOALL] = alltoall_algs,
};

const struct vc_alg *const *vc_alg_list(enum vc_coll coll)
{
    static const struct vc_alg *const none[] = {NULL};
    return (unsigned)coll < VC_COLL_ACCELERATED ? lists[coll] : none;
}

const struct vc_alg *vc_alg_find(enum vc_coll coll, const char *name)
{
    for (const struct vc_alg *const *a = vc_alg_list(coll); *a; a++)
        if (!strcmp((*a)->name, name))
            return *a;
    return NULL;
}

const char *vc_restriction_text(enum vc_restriction bit)
{
    switch (bit) {
    case VC_NEEDS_COMMUTATIVE:
        return "commutative operators only";
    case VC_NEEDS_POW2_SIZE:
        return "number of ranks must be a power of two";
    case VC_NEEDS_EVEN_SIZE:
        return "number of ranks must be even";
    case VC_NEEDS_ONE_NODE:
        return "all ranks must share one node";
    case VC_NEEDS_UNIFORM_NODES:
        return "every node must have the same number of ranks";
    case VC_NEEDS_BLOCK_NODES:
        return "each node's ranks must be consecutive";
    case VC_NEEDS_BLOCK_OR_COMM:
        return "each node's ranks must be consecutive, or the operator commutative";
    case VC_NEEDS_MIN_COUNT:
        return "at least as many elements as ranks";
    case VC_PLACEMENT_FREE:
        return "result does not depend on placement";
    }
    return "";
}

static bool broken(enum vc_restriction bit, const struct vc_shape *s)
{
    bool reduction = s->coll == VC_REDUCE || s->coll == VC_ALLREDUCE;
    switch (bit) {
    case VC_NEEDS_COMMUTATIVE:
        return reduction && !s->commutative;
    case VC_NEEDS_POW2_SIZE:
        return (s->size & (s->size - 1)) != 0;
    case VC_NEEDS_EVEN_SIZE:
        return s->size % 2 != 0;
    case VC_NEEDS_ONE_NODE:
        return s->hier->nnodes != 1;
    case VC_NEEDS_UNIFORM_NODES:
        return !s->hier->uniform;
    case VC_NEEDS_BLOCK_NODES:
        return !s->hier->block;
    case VC_NEEDS_BLOCK_OR_COMM:
        return !s->hier->block && reduction && !s->commutative;
    case VC_NEEDS_MIN_COUNT:
        return reduction && s->bytes / s->esize < (size_t)s->size;
    case VC_PLACEMENT_FREE:
        break;
    }
    return false;
}

const char VC_ALG_TOO_LONG[] = "its plan would be too long for so many ranks and nodes";

const char *vc_alg_refuses(const struct vc_alg *alg, const struct vc_shape *shape)
{
    for (unsigned rest = alg->restrictions; rest; rest &= rest - 1) {
        enum vc_restriction bit = (enum vc_restriction)(rest & -rest);
        if (broken(bit, shape))
            return vc_restriction_text(bit);
    }
    return alg->steps && alg->steps(shape) > VC_PLAN_STEPS ? VC_ALG_TOO_LONG : NULL;
}
