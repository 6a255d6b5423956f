/* SPDX-License-Identifier: BSD-3-Clause */
/* What accelerated collectives have in common: to enter, to select, to run, to fail. Inline, because of calls
 * of 8 bytes. */
#ifndef VC_PMPI_RUN_H
#define VC_PMPI_RUN_H

#include "coll/info.h"
#include "pmpi/comm.h"
#include "pmpi/team.h"
#include "pmpi/types.h"

/** What runs a call. */
struct vc_selected {
    const struct vc_alg *alg; /**< NULL: the underlying MPI */
    struct vc_exec *exec;     /**< of a plan */
    /** Where alg is not NULL: the choice it comes from. Valid while the call runs. */
    const struct vc_choice *choice;
};

/** What it works on: packed buffers. */
struct vc_work {
    const void *send;
    void *recv;
    size_t bytes;
    const struct vc_redop *op;
    const size_t *at;             /**< allgatherv, reduce_scatter: where blocks begin; bytes is the longest */
    const struct vc_pairs *pairs; /**< alltoallv and alltoallw, in place of send, recv and bytes */
    const size_t *lens;           /**< gatherv and scatterv within a node, at the root, with `at` */
    const struct vc_view *view;   /**< NULL: none */
};

/** Where packed copies of a call's data lie: in its team's scratch or, of a nonblocking one, in memory of its
 * own. */
struct vc_room {
    struct vc_team *team;
    void **own; /**< [VC_SCRATCHES] from malloc(), or NULL: scratch, until vc_team_scratch_done() */
};

/** So much room, at least a byte, aligned to 64; once per call for each `which`. NULL: out of memory, with
 * the text of the error. */
void *vc_room_for(const struct vc_room *room, enum vc_scratch which, size_t bytes);

/** Passes the call through, for the reason given. */
static inline int vc_pass(struct vc_call *k, enum vc_pass why)
{
    k->why = why;
    return vc_native(k);
}

/** A failure in the middle of a collective: logged once, then an MPI error at every call. The MPI's error. */
int vc_call_failed(struct vc_comm *c, struct vc_call *k, int err);

/** The rest of vc_enter(): everything but an active communicator. */
struct vc_comm *vc_enter_slow(struct vc_call *k, struct vc_comm *c);

/** The communicator's state. NULL: the call passes through whatever its arguments are (k->why is set). */
static inline struct vc_comm *vc_enter(struct vc_call *k)
{
    if (VC_UNLIKELY(!(vc_params.colls & 1u << k->coll))) {
        k->why = VC_PASS_COLLS;
        return NULL;
    }
    struct vc_comm *c = vc_comm_find(k->comm);
    return VC_LIKELY(c && c->phase == VC_COMM_ACTIVE) ? c : vc_enter_slow(k, c);
}

/** A native call of at least so many bytes is told to the node. */
#define VC_NATIVE_TOLD 16384

/** The counts of other ranks may differ, which is an error, so that their call goes through the node's
 * memory: this tells them not to wait there for ever. For calls of at least VC_NATIVE_TOLD bytes, because it
 * would cost short ones time. */
void vc_tell_native(struct vc_comm *c, const struct vc_call *k);

/** The rest of vc_select_call(): everything but node algorithms. */
int vc_select_call_slow(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                        struct vc_selected *out);

/**
 * Finds what runs the call of k->bytes (not 0). Looks only at what is equal on all ranks; may set the
 * communicator up or make its channel, collectively. out->alg is NULL for native, then k->why says why. VC_OK
 * or an error.
 */
static inline int vc_select_call(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                                 struct vc_selected *out)
{
    out->alg = NULL;
    out->exec = NULL;
    if (VC_LIKELY(c->phase == VC_COMM_ACTIVE)) {
        const struct vc_choice *choice = vc_select(&c->team->sel, k->coll, k->bytes, commutative);
        const struct vc_alg *alg = choice->alg;
        if (VC_LIKELY(alg->kind == VC_ALG_NODE)) {
            k->alg = out->alg = alg;
            out->choice = choice;
            k->via = VC_VIA_SHM;
            return VC_OK;
        }
        if (alg->kind == VC_ALG_NATIVE) {
            k->why = VC_PASS_SELECTED;
            if (k->bytes >= VC_NATIVE_TOLD)
                vc_tell_native(c, k);
            return VC_OK;
        }
    }
    return vc_select_call_slow(c, k, esize, commutative, out);
}

/** The plan that this choice is for the call. */
void vc_plan_key_of(struct vc_plan_key *key, const struct vc_comm *c, const struct vc_call *k,
                    const struct vc_choice *choice, size_t esize, bool commutative);

/** Runs it. VC_OK or an error. */
static inline int vc_run(struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel,
                         const struct vc_work *w)
{
    struct vc_team *t = c->team;
    if (VC_UNLIKELY(sel->choice->policy != t->policy))
        vc_team_policy(t, sel->choice->policy);
    if (VC_LIKELY(sel->alg->kind == VC_ALG_NODE)) {
        /* One node: its ranks are the communicator's, in the same order. */
        struct vc_node_call call; /* its state is set when it begins */
        call.kind = vc_coll_info[k->coll].node;
        call.alg = (enum vc_node_alg)sel->alg->node_alg;
        call.root = k->root;
        call.parts = 1;
        call.src = w->send;
        call.dst = w->recv;
        call.len = w->bytes;
        call.at = w->at;
        call.lens = w->lens;
        call.pairs = w->pairs;
        call.op = w->op;
        call.view = w->view;
        call.grain = w->op ? w->op->esize : 1;
        return vc_node_run(t->node, &call);
    }
    vc_exec_pairs(sel->exec, w->pairs);
    if (VC_UNLIKELY(w->view != NULL))
        vc_exec_view(sel->exec, w->view);
    int err = vc_exec_start(sel->exec, w->send, w->recv, w->op);
    if (err == VC_OK)
        err = vc_exec_wait(sel->exec, &t->wait, t->parking.shared ? &t->parking : NULL);
    if (VC_UNLIKELY(w->view != NULL))
        vc_exec_view(sel->exec, NULL);
    return err;
}

/** Ends a call that was run. */
static inline int vc_leave(struct vc_comm *c, struct vc_call *k, int err)
{
    return VC_LIKELY(err == VC_OK) ? MPI_SUCCESS : vc_call_failed(c, k, err);
}

#endif
