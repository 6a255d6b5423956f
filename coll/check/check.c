/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/check/check.h"

#include "coll/check/internal.h"

#include <stdlib.h>

/* What the algorithm says of its length holds on this rank. */
static bool is_short(struct vck *c, int rank, long promised)
{
    const struct vc_plan *p = &c->plans[rank];
    return (p->nsteps <= promised && p->ndeps <= VC_PLAN_DEPS * promised) ||
           vck_fail(c, rank, -1, "has %d steps and %d dependencies where the algorithm promises %ld",
                    p->nsteps, p->ndeps, promised);
}

static bool build(struct vck *c)
{
    int size = c->shape->size;
    long promised = c->alg->steps ? c->alg->steps(c->shape) : 0;
    c->plans = calloc((size_t)size, sizeof *c->plans);
    c->ranks = calloc((size_t)size, sizeof *c->ranks);
    if (!c->plans || !c->ranks)
        return vck_nomem(c);
    for (int r = 0; r < size; r++) {
        vc_plan_init(&c->plans[r]);
        int err = c->alg->build(c->shape, r, &c->plans[r]);
        if (err)
            return vck_fail(c, r, -1, "build() failed with %d", err);
        if (c->alg->steps && !is_short(c, r, promised))
            return false;
        vc_plan_place_blocks(&c->plans[r], c->shape, r);
        c->ranks[r].first_step = c->nsteps;
        c->ranks[r].first_node = c->nnodes;
        for (int i = 0; i < c->plans[r].nsteps; i++)
            c->ranks[r].nnode += c->plans[r].steps[i].kind == VC_STEP_NODE;
        c->nsteps += c->plans[r].nsteps;
        c->nnodes += c->ranks[r].nnode;
    }
    size_t n = (size_t)c->nsteps + 1;
    c->steps = malloc(n * sizeof(*c->steps));
    c->owner = malloc(n * sizeof(int));
    c->partner = malloc(n * sizeof(int));
    c->prev = malloc(n * sizeof(int));
    c->next = malloc(n * sizeof(int));
    c->kth_node = malloc(n * sizeof(int));
    c->node_steps = malloc(((size_t)c->nnodes + 1) * sizeof(int));
    if (!c->steps || !c->owner || !c->partner || !c->prev || !c->next || !c->kth_node || !c->node_steps)
        return vck_nomem(c);
    for (int r = 0; r < size; r++) {
        int at = c->ranks[r].first_node;
        for (int i = 0; i < c->plans[r].nsteps; i++) {
            int g = c->ranks[r].first_step + i;
            c->steps[g] = &c->plans[r].steps[i];
            c->owner[g] = r;
            c->partner[g] = c->prev[g] = c->next[g] = c->kth_node[g] = -1;
            if (c->plans[r].steps[i].kind != VC_STEP_NODE)
                continue;
            c->kth_node[g] = at - c->ranks[r].first_node;
            if (c->kth_node[g] > 0) {
                c->prev[g] = c->node_steps[at - 1];
                c->next[c->prev[g]] = g;
            }
            c->node_steps[at++] = g;
        }
    }
    return true;
}

static bool check(struct vck *c)
{
    if (!build(c) || !vck_static(c)) /* after which steps refer to what is there */
        return false;
    bool commutative = c->shape->commutative;
    uint64_t hash = c->known ? vck_hash(c, commutative) : 0;
    if (c->known &&
        (vck_is_proven(c->known, hash) || (commutative && vck_is_proven(c->known, vck_hash(c, false)))))
        return true;
    if (!vck_match(c) || !vck_hazards(c))
        return false;
    if (!vck_reverse(c) || !vck_exprs_init(&c->exprs, c->shape->size, c->shape->commutative))
        return vck_nomem(c);
    for (int order = 0; order < 2; order++)
        if (!vck_run_all(c, order))
            return false;
    if (c->known)
        vck_set_proven(c->known, hash);
    return true;
}

int vc_check_plan(const struct vc_alg *alg, const struct vc_shape *shape, bool alias, char *text, size_t len)
{
    return vc_check_plan_once(NULL, alg, shape, alias, text, len);
}

int vc_check_plan_once(struct vc_proven *known, const struct vc_alg *alg, const struct vc_shape *shape,
                       bool alias, char *text, size_t len)
{
    struct vck c = {
        .alg = alg, .shape = shape, .alias = alias, .known = known, .text = text, .text_len = len};
    const char *refused = vc_alg_refuses(alg, shape);
    bool good = false;
    if (len)
        text[0] = 0;
    if (alg->kind != VC_ALG_PLAN || !alg->build)
        vck_fail(&c, -1, -1, "%s is not an algorithm with plans", alg->name);
    else if (alg->coll != shape->coll)
        vck_fail(&c, -1, -1, "%s is not an algorithm of this collective", alg->name);
    else if (refused)
        vck_fail(&c, -1, -1, "%s cannot run this shape: %s", alg->name, refused);
    else
        good = check(&c);
    for (int r = 0; c.plans && r < shape->size; r++)
        vc_plan_free(&c.plans[r]);
    free(c.plans);
    free(c.ranks);
    free(c.steps);
    free(c.owner);
    free(c.partner);
    free(c.prev);
    free(c.next);
    free(c.kth_node);
    free(c.node_steps);
    free(c.first_waiting);
    free(c.waiting);
    vck_exprs_free(&c.exprs);
    return good ? 0 : -1;
}
