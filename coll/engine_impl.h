/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to the engine: engine.c runs what engine_make.c makes. */
#ifndef VC_COLL_ENGINE_IMPL_H
#define VC_COLL_ENGINE_IMPL_H

#include "coll/engine.h"

/**
 * One step's lasting facts. What changes in a run lies in arrays of their own, so that beginning a run is a
 * copy of `unmet`. A step's count of unmet conditions is its dependencies, plus one for its place in a chain:
 * sends to a peer, receives from a peer, node phases. `chained` is the next step of the chain, released when
 * this one has started (messages) or is complete (node phases).
 */
struct link {
    int chained;                /**< -1: none */
    int succ_first, succ_count; /**< range in vc_exec.succ: steps that depend on this one */
};

struct vc_exec {
    struct vc_plan plan;
    struct vc_exec_env env;
    struct link *links;       /**< [nsteps] */
    int *succ;                /**< [ndeps] */
    int *unmet0, *unmet;      /**< [nsteps] initially, now */
    int *roots, nroots;       /**< steps with nothing to wait for */
    int *ready, rhead, rtail; /**< [nsteps] steps that may start, each enters once in a run */
    int *flying, nflying;     /**< [nsteps] messages under way */
    struct vc_chan_req *reqs; /**< [nsteps] */
    unsigned char *tmp;
    unsigned char *bounce; /**< only for plans with reductions in place into the left operand */
    size_t bounce_bytes;
    /* the run */
    const struct vc_redop *op;
    struct vc_chan_op chan_op[2]; /**< op, by whether dst is the left operand; fn NULL: not by channels */
    unsigned char *base[4];       /**< by enum vc_buf */
    const struct vc_pairs *pairs; /**< of the run, see vc_exec_pairs() */
    const struct vc_view *view;   /**< likewise, see vc_exec_view() */
    unsigned char *seen;          /**< [blocks of VC_VIEW_BLOCK of the data] not 0: packed in this run */
    size_t cap_seen;
    int left;      /**< steps not yet complete */
    int node_step; /**< node phase under way, or -1 */
    int node_whom;
    struct vc_node_call call;
    bool running, advanced;
    int err; /**< the first error; for good */
    struct vc_exec *kept;
    int cap_steps, cap_deps; /**< room in the arrays above */
    int *last;               /**< [2 * peers] for linking */
    int peers;
    size_t cap_tmp;
    size_t scale; /**< bytes that a plan which scales is for now; 0: it does not */
    /* plans that are made part by part */
    const struct vc_alg *parts; /**< NULL: the plan is a whole */
    struct vc_shape shape;      /**< of the next run */
    int rank;
    long round; /**< the first one behind the part that runs */
};

/** Of a plan made part by part: makes the next part that has steps ready to run, from round x->round on. 1:
 * there is one. 0: there is none. Negative: an error. */
int vc_exec_next_part(struct vc_exec *x);

/* engine_view.c, of runs with a view: begins one. VC_OK or VC_ERR_NOMEM. */
int vc_exec_view_begin(struct vc_exec *x);
/* Packs what the step reads of this rank's data, before it does. */
void vc_exec_view_before(struct vc_exec *x, const struct vc_step *st);
/* Unpacks what the step has written of the result. */
void vc_exec_view_after(struct vc_exec *x, const struct vc_step *st);

#endif
