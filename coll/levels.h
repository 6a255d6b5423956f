/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks of a node are near each other. A level cuts the ranks of a node into groups, and the groups of
 * a level lie inside the groups of the next one: ranks that share a CPU, a last cache (core complex), a NUMA
 * node. Node collectives run over the tree that these make.
 */
#ifndef VC_COLL_LEVELS_H
#define VC_COLL_LEVELS_H

enum vc_level_kind { VC_LEVEL_CPU, VC_LEVEL_CACHE, VC_LEVEL_NUMA, VC_LEVEL_KINDS };

struct vc_level {
    enum vc_level_kind kind;
    int ngroups;
    const int *group_of; /**< [ranks of the node] group of a local index; numbered by their lowest member */
};

/** From the finest level to the coarsest. A level whose groups hold one rank each, or all ranks, is left out.
 */
struct vc_levels {
    int depth; /**< 0: none is known, the node is flat */
    struct vc_level level[VC_LEVEL_KINDS];
};

#endif
