/* SPDX-License-Identifier: BSD-3-Clause */
/* Partners: sends with receives, and the node phases of the ranks of a node with each other. */
#include "coll/check/internal.h"

#include <stdlib.h>
#include <string.h>

static bool same_blocks(const struct vc_step *s, const struct vc_step *t, int q)
{
    if (!s->at || !t->at)
        return s->at == t->at;
    return memcmp(s->at, t->at, ((size_t)q + 1) * sizeof *s->at) == 0;
}

static bool is_recv(const struct vc_step *s)
{
    return s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE;
}

/* The node phases of a node's ranks must be those of its first rank. */
static bool match_nodes(struct vck *c)
{
    const struct vc_hier *h = c->shape->hier;
    for (int r = 0; r < c->shape->size; r++) {
        int first = vc_hier_rank(h, h->node_of[r], 0);
        const struct vck_rank *a = &c->ranks[first], *b = &c->ranks[r];
        for (int k = 0; k < a->nnode || k < b->nnode; k++) {
            if (k >= b->nnode)
                return vck_fail(c, first, c->node_steps[a->first_node + k] - a->first_step,
                                "rank %d of the same node has only %d node phases", r, k);
            int i = c->node_steps[b->first_node + k] - b->first_step;
            if (k >= a->nnode)
                return vck_fail(c, r, i, "rank %d of the same node has only %d node phases", first, k);
            int j = c->node_steps[a->first_node + k] - a->first_step;
            const struct vc_step *s = &c->plans[r].steps[i], *t = &c->plans[first].steps[j];
            if (s->node != t->node || s->peer != t->peer || s->parts != t->parts || s->len != t->len ||
                !same_blocks(s, t, vck_node_size(c, r)))
                return vck_fail(
                    c, r, i,
                    "kind, root, parts, length or blocks differ from step %d of rank %d of the same node", j,
                    first);
        }
    }
    return true;
}

/* The k-th send of a pair meets its k-th receive. */
bool vck_match(struct vck *c)
{
    int size = c->shape->size;
    size_t pairs = (size_t)size * (size_t)size;
    int *last_send = malloc(pairs * sizeof(int)), *last_recv = malloc(pairs * sizeof(int));
    int *head = malloc(pairs * sizeof(int));
    bool good = false;
    if (!last_send || !last_recv || !head) {
        vck_nomem(c);
        goto out;
    }
    memset(last_send, 0xff, pairs * sizeof(int));
    memset(last_recv, 0xff, pairs * sizeof(int));
    memset(head, 0xff, pairs * sizeof(int));
    for (int g = 0; g < c->nsteps; g++) {
        const struct vc_step *s = vck_step(c, g);
        if (s->kind != VC_STEP_SEND)
            continue;
        size_t pair = (size_t)c->owner[g] * (size_t)size + (size_t)s->peer;
        c->prev[g] = last_send[pair];
        if (last_send[pair] >= 0)
            c->next[last_send[pair]] = g;
        else
            head[pair] = g;
        last_send[pair] = g;
    }
    for (int g = 0; g < c->nsteps; g++) {
        const struct vc_step *s = vck_step(c, g);
        if (!is_recv(s))
            continue;
        int r = c->owner[g];
        size_t pair = (size_t)s->peer * (size_t)size + (size_t)r;
        c->prev[g] = last_recv[pair];
        if (last_recv[pair] >= 0)
            c->next[last_recv[pair]] = g;
        last_recv[pair] = g;
        int send = head[pair];
        if (send < 0) {
            vck_fail(c, r, g - c->ranks[r].first_step, "no send of rank %d is left for it", s->peer);
            goto out;
        }
        head[pair] = c->next[send];
        c->partner[g] = send;
        c->partner[send] = g;
        size_t len = vck_step(c, send)->src.len;
        if (len != s->dst.len) {
            vck_fail(c, r, g - c->ranks[r].first_step, "expects %zu bytes, but step %d of rank %d sends %zu",
                     s->dst.len, send - c->ranks[s->peer].first_step, s->peer, len);
            goto out;
        }
    }
    for (int g = 0; g < c->nsteps; g++)
        if (vck_step(c, g)->kind == VC_STEP_SEND && c->partner[g] < 0) {
            int r = c->owner[g];
            vck_fail(c, r, g - c->ranks[r].first_step, "rank %d has no receive for it", vck_step(c, g)->peer);
            goto out;
        }
    good = match_nodes(c);
out:
    free(last_send);
    free(last_recv);
    free(head);
    return good;
}
