/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks of a node are near each other. A level cuts the ranks of a node into groups, and the groups of
 * a level lie inside the groups of the next one: ranks that share a CPU, a last cache (core complex), a NUMA
 * node. Node collectives run over the tree that these make.
 */
#ifndef VC_COLL_LEVELS_H
#define VC_COLL_LEVELS_H

#include <stddef.h>

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

struct vc_locality;

/** Ints of memory that the groups of n ranks take. */
static inline size_t vc_levels_ints(int n)
{
    return (size_t)VC_LEVEL_KINDS * (size_t)n;
}

/**
 * The levels of n ranks, of[i] being where local index i stands. A kind of unit that is unknown for some rank
 * makes no level. Levels are ordered by their number of groups; one whose groups do not hold those of the
 * finer one whole, or are the same, is left out. `mem` has vc_levels_ints(n) ints, and outlives the result.
 */
void vc_levels_build(const struct vc_locality *of, int n, int *mem, struct vc_levels *out);

/** "core", "cache", "numa". Static storage. */
const char *vc_level_name(enum vc_level_kind kind);

/** In words: "8 ranks: cache 4 x 2, numa 2 x 3..5"; "8 ranks, flat". Returns buf. */
char *vc_levels_text(const struct vc_levels *l, int n, char *buf, size_t len);

#endif
