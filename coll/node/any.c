/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/any.h"

void vc_node_any_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_ring *ring = vc_any_ring(nd);
    c->st = (struct vc_node_state){
        .ring = &nd->tiny, .base = nd->tiny.pos, .mid = nd->small.pos, .more = ring->pos};
    nd->tiny.pos += 1;
    if (c->kind == VC_PHASE_GATHER_ANY && vc_any_has_small(nd))
        nd->small.pos++;
    if (nd->room.next != ring->pos) /* other operations have used the ring */
        nd->room.since = ring->pos;
    ring->pos += VC_ANY_TURNS;
    if (c->kind == VC_PHASE_SCATTER_ANY)
        nd->room.next = ring->pos;
}

int vc_node_any_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    bool root = nd->me == c->root;
    if (c->kind == VC_PHASE_GATHER_ANY)
        return root ? vc_any_take_blocks(nd, c, whom) : vc_any_give_block(nd, c, whom);
    return root ? vc_any_give_blocks(nd, c, whom) : vc_any_get_block(nd, c, whom);
}
