/* SPDX-License-Identifier: BSD-3-Clause */
/* The one table of algorithms: feeds selection, VCOLL_ALG, `vcoll info`, the checker, the tests and the docs.
 */
#ifndef VC_COLL_REGISTRY_H
#define VC_COLL_REGISTRY_H

#include "coll/plan.h"

enum vc_alg_kind {
    VC_ALG_NATIVE, /**< the underlying MPI's own collective */
    VC_ALG_NODE,   /**< direct code in the node's shared memory (coll/node): all ranks must share one node */
    VC_ALG_PLAN,   /**< a plan run by the engine */
};

/** Restrictions as data. A call that breaks one cannot use the algorithm; shapes decide it, so all ranks
 * agree. */
enum vc_restriction {
    VC_NEEDS_COMMUTATIVE = 1 << 0,
    VC_NEEDS_POW2_SIZE = 1 << 1,
    VC_NEEDS_EVEN_SIZE = 1 << 2,
    VC_NEEDS_ONE_NODE = 1 << 3,
    VC_NEEDS_UNIFORM_NODES = 1 << 4, /**< same number of ranks on each node */
    VC_NEEDS_BLOCK_NODES = 1 << 5,   /**< each node's ranks are consecutive */
    VC_NEEDS_BLOCK_OR_COMM = 1 << 6, /**< consecutive, or a commutative operator */
    VC_NEEDS_MIN_COUNT = 1 << 7,     /**< reductions: at least `size` elements */
    VC_PLACEMENT_FREE = 1 << 8,      /**< not a restriction: the result does not depend on which ranks share a
                                        node, so      VCOLL_REPRODUCIBLE may choose it */
};

/** Which parameters of the shape an algorithm reads; others are refused in VCOLL_ALG. */
enum vc_alg_param { VC_PARAM_RADIX = 1 << 0, VC_PARAM_SEGMENT = 1 << 1, VC_PARAM_LEADERS = 1 << 2 };

/** Lengths that only some ranks know, and that a plan needs on more: they are exchanged before each call. */
enum vc_lengths {
    VC_LENGTHS_OWN,     /**< none: a rank's plan depends on what its own call says */
    VC_LENGTHS_OF_ALL,  /**< every rank knows every rank's block: vc_shape.offsets is there on all of them */
    VC_LENGTHS_OF_NODE, /**< the ranks of a node know each other's pairs: vc_shape.node_pairs */
};

struct vc_alg {
    const char *name; /**< unique within its collective, e.g. "recursive_doubling" */
    enum vc_coll coll;
    enum vc_alg_kind kind;
    unsigned restrictions;   /**< of enum vc_restriction */
    unsigned params;         /**< of enum vc_alg_param */
    enum vc_lengths lengths; /**< PLAN, of collectives whose sizes few ranks know */
    const char *help;        /**< one line: what it does and where it comes from */
    int node_alg;            /**< NODE: enum vc_node_alg */
    /** PLAN: builds the plan of `rank`. The shape meets the restrictions. VC_OK or VC_ERR_NOMEM. Pure;
     * thread-safe. */
    int (*build)(const struct vc_shape *shape, int rank, struct vc_plan *plan);
    /** PLAN, where the steps grow with the number of ranks: how many rounds the plan has, and the steps of
     * rounds `from` to `to` - 1, appended to a plan that was begun. Such a plan can be made part by part as
     * it runs: a part begins when the one before is complete on this rank, has scratch of its own, and no
     * node phases. Both NULL: it is built as a whole. */
    long (*rounds)(const struct vc_shape *shape);
    void (*part)(const struct vc_shape *shape, int rank, long from, long to, struct vc_plan *plan);
    /** PLAN: but for calls of no bytes, for unequal blocks and where a segment is given, all offsets and
     * lengths of a plan are multiples of shape->bytes, and nothing else depends on it: so one plan serves all
     * sizes (vc_exec_scale()). */
    bool scales;
    /** PLAN: no rank's plan has more steps, nor more than VC_PLAN_DEPS times as many dependencies, whatever
     * the root. From the shape alone, so that all ranks agree, and without building; the arrays of
     * shape->hier may be NULL. NULL: the algorithm is never too long. */
    long (*steps)(const struct vc_shape *shape);
};

/** Longer plans are not built as a whole: they would take more than 5 ms and a MiB. */
#define VC_PLAN_STEPS 4096
#define VC_PLAN_DEPS  8

/* Every plan algorithm is a `const struct vc_alg vc_alg_<collective>_<name>` in a file of its own and a line
 * of algs.list. */
#define VC_ALG_ENTRY(coll, name) extern const struct vc_alg vc_alg_##coll##_##name;
#include "coll/algs.list"
#undef VC_ALG_ENTRY

/** All algorithms of a collective, `native` first; the array ends with a NULL pointer. Static storage. */
const struct vc_alg *const *vc_alg_list(enum vc_coll coll);
/** By name, or NULL. */
const struct vc_alg *vc_alg_find(enum vc_coll coll, const char *name);
/** NULL when the shape meets the algorithm's restrictions and its plan is not too long, else the broken one
 * in words (static storage, VC_ALG_TOO_LONG for the latter). */
const char *vc_alg_refuses(const struct vc_alg *alg, const struct vc_shape *shape);
extern const char VC_ALG_TOO_LONG[];
/** Words for one restriction bit, e.g. "commutative operators only". */
const char *vc_restriction_text(enum vc_restriction bit);

#endif
