/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checker's files share. Memory is a row of cells per rank, one cell for every `grain` bytes.
 * check.c builds the plans and calls static.c, match.c, hazards.c (what can be said without running) and
 * run.c (the symbolic run), which calls phase.c (data of node phases), which calls values.c (what cells
 * hold). All call text.c. proven.c knows what need not be run.
 */
#ifndef VC_COLL_CHECK_INTERNAL_H
#define VC_COLL_CHECK_INTERNAL_H

#include "coll/check/check.h"

/** What a cell holds: the value `expr`, of the bytes at `org` (in cells) of the contributors' buffers. */
struct vck_cell {
    uint32_t expr; /**< 0: undefined; 1 + r: rank r's own data; above: a combination, see values.c */
    uint32_t org;
};

/** How a value came about. Equal trees are equal numbers, so associations are compared by comparing numbers.
 */
struct vck_expr {
    uint32_t left, right;
    int lo, hi, count; /**< lowest, highest and number of contributing ranks */
};

struct vck_exprs {
    struct vck_expr *e;
    uint64_t *sets; /**< [cap * words] contributing ranks */
    uint32_t *table;
    uint32_t n, cap, mask;
    int words;
    bool commutative;
};

/** Memory of one rank as addresses: RECV and SEND, apart or the one inside the other, then TMP. */
struct vck_rank {
    size_t recv_len, send_len;
    size_t recv_at, send_at, tmp_at, end;
    size_t first_cell;
    int first_step; /**< its steps are first_step .. first_step + plan.nsteps in arrays over all steps */
    int first_node; /**< same, for its NODE steps */
    int nnode;
};

/** A use of memory by a step. */
struct vck_touch {
    size_t lo, hi;
    bool write;
};

struct vck {
    const struct vc_alg *alg;
    const struct vc_shape *shape;
    bool alias, failed, nomem;
    char *text;
    size_t text_len;
    size_t grain;
    struct vc_proven *known; /**< or NULL */
    struct vc_plan *plans;
    struct vck_rank *ranks;
    int nsteps, nnodes; /**< steps and NODE steps of all ranks */
    /* over all steps */
    const struct vc_step **steps;
    int *owner;   /**< rank of a step */
    int *partner; /**< SEND, RECV*: the step that it meets */
    int *prev; /**< SEND, RECV*: the one before it to or from the same peer, or -1; NODE: the NODE step before
                  it */
    int *next; /**< the other way round */
    int *kth_node;   /**< NODE: which of its rank's NODE steps it is */
    int *node_steps; /**< [nnodes] */
    /** The steps that wait for the end of step g: waiting[first_waiting[g] .. first_waiting[g + 1] - 1]. */
    int *first_waiting, *waiting;
    struct vck_exprs exprs;
    struct vck_cell *mem; /**< of all ranks, while they run */
};

/** Records the first failure. step < 0: the rank as a whole; rank < 0: the plans as a whole. Returns false.
 */
bool vck_fail(struct vck *c, int rank, int step, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool vck_nomem(struct vck *c);
/** "recv from 3", for texts; uses `buf`. */
const char *vck_step_text(const struct vc_step *s, char *buf, size_t len);

static inline const struct vc_step *vck_step(const struct vck *c, int global)
{
    return c->steps[global];
}

/** Address of a reference in its rank's memory. */
static inline size_t vck_addr(const struct vck *c, int rank, struct vc_ref ref)
{
    const struct vck_rank *k = &c->ranks[rank];
    return ref.off + (ref.buf == VC_BUF_SEND ? k->send_at : ref.buf == VC_BUF_TMP ? k->tmp_at : k->recv_at);
}

/** Ranks of the rank's node. */
static inline int vck_node_size(const struct vck *c, int rank)
{
    return vc_hier_node_size(c->shape->hier, c->shape->hier->node_of[rank]);
}

/** Its number in its rank's plan. */
static inline int vck_local(const struct vck *c, int global)
{
    return global - c->ranks[c->owner[global]].first_step;
}

static inline struct vck_cell *vck_cells(const struct vck *c, int rank, struct vc_ref ref)
{
    return c->mem + c->ranks[rank].first_cell + vck_addr(c, rank, ref) / c->grain;
}

/** Lengths of src and dst that a node phase needs on rank l of the q of a node; 0: not looked at. */
void vck_node_lengths(const struct vc_step *s, int q, int l, size_t *src, size_t *dst);

/** Which memory a step uses; up to 3 entries. Returns how many. */
int vck_touches(const struct vck *c, int rank, const struct vc_step *s, struct vck_touch t[3]);

/* Each returns false after a failure. */
bool vck_static(struct vck *c);  /**< every step on its own; lays out memory */
bool vck_match(struct vck *c);   /**< sends with receives, node phases with each other */
bool vck_hazards(struct vck *c); /**< unordered steps of one rank that touch the same memory */
bool vck_reverse(struct vck *c); /**< turns the dependencies around, for vck_run_all() */
/** Runs all plans to their end and checks what they leave. `order` 0: fair, sends wait for their receives; 1:
 * unfair, in the other direction, sends complete at once and posted receives lose their old contents. */
bool vck_run_all(struct vck *c, int order);

/** The data of a node phase of q ranks, whose steps these are. `big` has room for q * q * len. */
bool vck_phase(struct vck *c, const int *steps, int q, struct vck_cell *big);

/** Fails when one of n cells is undefined; g is the step that reads them. */
bool vck_defined(struct vck *c, int g, struct vc_ref ref, const struct vck_cell *v, size_t n);
/** dst = left (op) right, cell by cell; dst may be either. */
bool vck_reduce(struct vck *c, int g, struct vck_cell *dst, const struct vck_cell *left,
                const struct vck_cell *right, size_t n);

bool vck_exprs_init(struct vck_exprs *x, int size, bool commutative);
void vck_exprs_free(struct vck_exprs *x);
/** left (op) right; 0 when it may not be done, with *why saying why ("" : out of memory). */
uint32_t vck_combine(struct vck_exprs *x, uint32_t left, uint32_t right, const char **why);
/** "ranks 0-3,7 of 0-15" for texts. */
const char *vck_expr_text(const struct vck_exprs *x, uint32_t e, char *buf, size_t len);

/** Of the plans and all of the shape that the checker looks at, were its operator as said. */
uint64_t vck_hash(const struct vck *c, bool commutative);
bool vck_is_proven(const struct vc_proven *k, uint64_t hash);
void vck_set_proven(struct vc_proven *k, uint64_t hash);

#endif
