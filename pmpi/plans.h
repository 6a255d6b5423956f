/* SPDX-License-Identifier: BSD-3-Clause */
/* The plans of a communicator, made when a call first needs them, and kept for the next call of that shape.
 */
#ifndef VC_PMPI_PLANS_H
#define VC_PMPI_PLANS_H

#include "coll/engine.h"
#include "tune/params/params.h"

#define VC_PLANS_KEPT 16 /**< per communicator */

/** What a plan is made for: all that a shape adds to its communicator. */
struct vc_plan_key {
    const struct vc_alg *alg;
    size_t bytes, esize, segment;
    int root, radix, leaders;
    enum vc_choice_channel channel;
    bool commutative;
    /** As in struct vc_shape; the plans make a copy. Its size is the communicator's. */
    const size_t *offsets;
    const size_t *node_pairs; /**< likewise, of `npairs` numbers */
    size_t npairs;
    uint64_t offsets_hash; /**< a hash of either, 0 without */
    bool in_parts; /**< the plans' own: made part by part as it runs, so that only the algorithm counts */
};

/** A hash of lengths or places. */
uint64_t vc_plan_hash(const size_t *numbers, size_t n);

struct vc_plan_slot {
    struct vc_plan_key key;
    struct vc_exec *exec; /**< NULL: the algorithm refuses this shape, native runs it */
    size_t bytes;         /**< steps, scratch and offsets, as far as they were counted */
    size_t *numbers;      /**< key.offsets or key.node_pairs, its own; NULL: none */
    size_t nnumbers;
    struct vc_plan_key call; /**< of the last call, which the plan still fits; alg NULL: look at all */
    unsigned via;            /**< of enum vc_via */
    uint64_t last_used;      /**< 0: the slot is free */
};

struct vc_plans {
    struct vc_plan_slot slot[VC_PLANS_KEPT];
    struct vc_plan_slot *recent[VC_COLL_COUNT]; /**< what each collective used last, or NULL */
    uint64_t clock;
    size_t bytes; /**< of steps, scratch and offsets that they have together */
};

struct vc_team;

/**
 * The plan for a call. VC_OK and *out, whose exec is NULL where the algorithm refuses the shape (agreed:
 * shapes are). The channel that key->channel names has been made. Valid until the next call.
 */
int vc_plans_get(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                 struct vc_plan_slot **out);

/** Whether the algorithm refuses the shape, so that there is no such plan. Local, and the same on all ranks.
 */
bool vc_plans_refused(const struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll);

/** Forgets the plans used longest ago until the others have at most `most` bytes. */
void vc_plans_trim(struct vc_plans *p, size_t most);
/** Forgets all. */
void vc_plans_free(struct vc_plans *p);

#endif
