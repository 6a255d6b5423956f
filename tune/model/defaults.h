/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Defaults by what things cost here: among ranks that share one node's memory, whether a call goes through
 * slots (shm), by single copy (shm_cma), or to the underlying MPI (native). Closed forms of the figures of
 * transport/calibrate/costs.h and of what coll/node does in each. Whole numbers throughout, so that all ranks
 * compute the same. The built-in rules stay where figures are missing, where the forms are not known to hold,
 * and where they say less than their error.
 */
#ifndef VC_TUNE_MODEL_DEFAULTS_H
#define VC_TUNE_MODEL_DEFAULTS_H

#include "coll/registry.h"
#include "transport/calibrate/costs.h"

enum vc_default_way { VC_DEFAULT_SLOTS, VC_DEFAULT_CMA, VC_DEFAULT_NATIVE, VC_DEFAULT_WAYS };

/** What a default is for. */
struct vc_default_case {
    enum vc_coll coll;
    int ranks;    /**< all on one node */
    bool crowded; /**< more ranks than CPUs: then times are those of all ranks together */
    bool cma;     /**< single copy was agreed */
    size_t bytes;
};

/** Picoseconds of a call; 0: not known. */
uint64_t vc_default_time(const struct vc_costs *c, const struct vc_default_case *at, enum vc_default_way way);

/** The algorithm, or NULL: `prior`, which is what the built-in rules say, stays. */
const struct vc_alg *vc_default_choose(const struct vc_costs *c, const struct vc_default_case *at,
                                       const struct vc_alg *prior);

/** From this many bytes on a message between ranks of a node is to go by single copy, and so is a broadcast
 * that is a step of a plan; SIZE_MAX: never. */
size_t vc_default_single_copy_messages(const struct vc_costs *c, bool crowded);
size_t vc_default_single_copy_bcasts(const struct vc_costs *c, int ranks, bool crowded);
/** Both where nothing is known. */
#define VC_DEFAULT_SINGLE_COPY ((size_t)32 << 10)

/** Sizes are decided in steps of a fourth of a doubling: the last size of the step that has `bytes`, or
 * SIZE_MAX where defaults are left to the built-in rules. */
size_t vc_default_step(size_t bytes);

/** Of an alltoallv, whose blocks go by single copy or through slots as their own lengths say: from how many
 * bytes on they are copied once. 0: not known. */
size_t vc_default_pairs_copy(const struct vc_costs *c, int ranks, bool crowded);

/** The times that led there, in words: "shm 3.4 us, shm_cma 7.6 us, ..." Returns buf. */
const char *vc_default_text(const struct vc_costs *c, const struct vc_default_case *at, char *buf,
                            size_t len);

#endif
