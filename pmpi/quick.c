/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/quick.h"

#include "pmpi/run.h"
#include "pmpi/types.h"

#include <limits.h>

int vc_quick_failed(struct vc_comm *c, enum vc_coll coll, int err)
{
    struct vc_call k = {.coll = coll, .comm = atomic_load_explicit(&c->handle, memory_order_relaxed)};
    return vc_call_failed(c, &k, err);
}

static bool is_known(const struct vc_quick *q, MPI_Datatype type, MPI_Op op)
{
    for (int i = 0; i < VC_QUICK_KINDS; i++)
        if (q->kind[i].most != 0 && q->kind[i].type == type && q->kind[i].op == op)
            return true;
    return false;
}

void vc_quick_learn(struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel,
                    const struct vc_redop *redop)
{
    if (sel->alg->kind != VC_ALG_NODE)
        return;
    struct vc_team *t = c->team;
    struct vc_quick *q = &t->quick[k->coll];
    /* All sizes up to this get one choice, of whatever type they are: every predefined operator commutes. */
    const struct vc_select_range *alike = t->sel.rule[k->coll];
    if (c->phase != VC_COMM_ACTIVE || sel->choice != &alike->choice || is_known(q, k->rtype, k->op) ||
        (k->rtype != NULL && !vc_dtype_predefined(k->rtype)))
        return;
    size_t bytes = vc_min_size(alike->max_bytes, VC_CALL_LIMIT / (size_t)c->size);
    q->call.kind = vc_coll_info[k->coll].node;
    q->call.alg = (enum vc_node_alg)sel->alg->node_alg;
    q->call.parts = 1;
    q->call.op = NULL;
    q->call.view = NULL;
    q->call.grain = 1;
    q->policy = sel->choice->policy;
    q->kind[q->next] = (struct vc_quick_kind){
        .type = k->rtype,
        .op = k->op,
        .most = (unsigned)vc_min_size(bytes / redop->esize, INT_MAX),
        .redop = *redop,
    };
    q->next = (q->next + 1) % VC_QUICK_KINDS;
}
