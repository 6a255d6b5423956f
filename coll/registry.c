/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/registry.h"

#include "coll/info.h"
#include "coll/node/node.h"

#include <pthread.h>
#include <string.h>

static const struct vc_alg *const plans[] = {
#define VC_ALG_ENTRY(coll, name) &vc_alg_##coll##_##name,
#include "coll/algs.list"
#undef VC_ALG_ENTRY
};
enum { NPLANS = sizeof plans / sizeof plans[0] };

/* What collectives have besides plans. Reductions in a node's memory go in ascending rank order, so they need
 * no commutative operator. */
static const struct vc_alg others[] = {
    {.name = "native", .kind = VC_ALG_NATIVE, .help = "the underlying MPI's own"},
    {
        .name = "shm",
        .kind = VC_ALG_NODE,
        .restrictions = VC_NEEDS_ONE_NODE,
        .help = "direct code through slots in the node's shared memory",
        .node_alg = VC_NODE_SLOTS,
    },
    {
        .name = "shm_cma",
        .kind = VC_ALG_NODE,
        .restrictions = VC_NEEDS_ONE_NODE,
        .help = "one copy from process to process (cross memory attach), for large messages of one node",
        .node_alg = VC_NODE_CMA,
    },
};
enum { NOTHERS = sizeof others / sizeof others[0] };

/* The lists of all collectives, each ending with NULL. Made once; read-only afterwards. */
static struct vc_alg made[VC_COLL_COUNT][NOTHERS];
static const struct vc_alg *list[VC_COLL_COUNT * (NOTHERS + 1) + NPLANS];
static const struct vc_alg *const *first[VC_COLL_COUNT];

static void make_lists(void)
{
    int n = 0;
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        first[c] = &list[n];
        for (int i = 0; i < NOTHERS; i++) {
            if (others[i].kind == VC_ALG_NODE && others[i].node_alg == VC_NODE_CMA &&
                !vc_coll_info[c].single_copy)
                continue;
            made[c][i] = others[i];
            made[c][i].coll = (enum vc_coll)c;
            list[n++] = &made[c][i];
        }
        for (int i = 0; i < NPLANS; i++)
            if (plans[i]->coll == (enum vc_coll)c)
                list[n++] = plans[i];
        list[n++] = NULL;
    }
}

const struct vc_alg *const *vc_alg_list(enum vc_coll coll)
{
    static const struct vc_alg *const none[] = {NULL};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_lists);
    return (unsigned)coll < VC_COLL_COUNT ? first[coll] : none;
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
    bool reduction = vc_coll_reduces(s->coll);
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
    return !alg->part && alg->steps && alg->steps(shape) > VC_PLAN_STEPS ? VC_ALG_TOO_LONG : NULL;
}
