/* SPDX-License-Identifier: BSD-3-Clause */
/* Synthetic levels of a node. */
#ifndef VC_TEST_NODE_LEVELS_H
#define VC_TEST_NODE_LEVELS_H

#include "coll/levels.h"

#include <stdbool.h>

enum { SYNTHETIC_RANKS = 256 };

struct synthetic {
    struct vc_levels levels;
    int group_of[VC_LEVEL_KINDS][SYNTHETIC_RANKS];
};

/** At most `depth` levels of n ranks, in groups that are seldom of the same size. `shuffled`: groups are no
 * ranges of ranks. */
void make_random_levels(struct synthetic *s, int n, int depth, bool shuffled, unsigned seed);

/** Levels of groups of `size` (the last one may be smaller), of groups of as many of these as size[1] says,
 * and so on; ends at a 0. */
void make_even_levels(struct synthetic *s, int n, const int *size);

#endif
