/* SPDX-License-Identifier: BSD-3-Clause */
/* Every plan of the registry, run by the engine over a channel with real data. */
#ifndef VC_TESTS_ENGINE_SUITE_H
#define VC_TESTS_ENGINE_SUITE_H

#include "coll/engine.h"

struct es_env {
    struct vc_chan *chan; /**< of all ranks */
    struct vc_node *node; /**< of this rank's node; NULL where every node has one rank */
    const struct vc_hier *hier;
    const struct vc_wait_cfg *wait;
    struct vc_parking *parking; /**< what peers wake this rank through; may be NULL */
    size_t max_bytes;           /**< no shape above this */
};

/** A hierarchy of nodes of `per` ranks each (the last may be smaller), consecutive or dealt out in turn. */
struct es_hier {
    struct vc_hier h;
    int node_of[256], local_of[256], first[257], members[256];
};
void es_hier_make(struct es_hier *out, int size, int per, bool block);

/** Runs them all, on all ranks together. 0, or 1 after a line on standard error. *plans counts the runs. */
int es_run(const struct es_env *e, int *plans);

#endif
