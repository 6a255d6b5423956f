/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node primitives by single copy: everybody publishes where its data is, reads what it needs straight from
 * the others' memory, and says so; the owners return when their data is no longer needed. Two slots of the
 * small ring.
 */
#include "coll/node/node_impl.h"
#include "transport/shm/shm_chan.h"

bool vc_node_cma_wanted(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (!nd->cma_pids || c->alg == VC_NODE_SLOTS || c->len == 0)
        return false;
    if (c->kind != VC_NODE_BCAST && c->kind != VC_NODE_ALLGATHER && c->kind != VC_NODE_ALLTOALL)
        return false;
    /* The others' src is read while one's own dst is written: they must not overlap (but for the own block of
     * an allgather in its place). Only who knows that asks for it by name. */
    return c->alg == VC_NODE_CMA || (c->kind == VC_NODE_BCAST && c->len >= nd->cma_min);
}

/* Copies this rank's share from rank r's memory at `remote`. */
static int fetch(struct vc_node *nd, struct vc_node_call *c, int r, uint64_t remote)
{
    size_t me = (size_t)nd->me;
    char *dst = c->dst;
    switch (c->kind) {
    case VC_NODE_BCAST:
        return vc_cma_read(nd->cma_pids[r], dst, remote, c->len);
    case VC_NODE_ALLGATHER:
        return vc_cma_read(nd->cma_pids[r], dst + (size_t)r * c->len, remote, c->len);
    default:
        return vc_cma_read(nd->cma_pids[r], dst + (size_t)r * c->len, remote + me * c->len, c->len);
    }
}

enum { POST, READ, CONFIRM, LEAVE };

int vc_node_cma_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = &nd->small;
    uint64_t g = st->base;
    bool bcast = c->kind == VC_NODE_BCAST;
    bool speaks = !bcast || nd->me == c->root, reads = !bcast || nd->me != c->root;

    if (st->phase == POST) {
        if (!vc_may_write(nd, ring, g + 1, whom))
            return 0;
        if (speaks) {
            uint64_t addr = (uint64_t)(uintptr_t)(bcast ? c->dst : c->src);
            memcpy(vc_payload(ring, nd->me, g, sizeof addr), &addr, sizeof addr);
            vc_publish(nd, ring, g);
        }
        if (!bcast) { /* the own block */
            char *to = (char *)c->dst + (size_t)nd->me * c->len;
            const char *from =
                (const char *)c->src + (c->kind == VC_NODE_ALLTOALL ? (size_t)nd->me * c->len : 0);
            if (to != from)
                memcpy(to, from, c->len);
        }
        st->phase = READ;
        st->rd_next = 1;
    }
    if (st->phase == READ) {
        for (; reads && st->rd_next < nd->n; st->rd_next++) {
            int r = bcast ? c->root : (nd->me + st->rd_next) % nd->n;
            if (!vc_ready(ring, r, g)) {
                *whom = r;
                return 0;
            }
            uint64_t addr;
            memcpy(&addr, vc_payload(ring, r, g, sizeof addr), sizeof addr);
            int err = fetch(nd, c, r, addr);
            if (err != VC_OK)
                return err;
            if (bcast)
                break;
        }
        st->phase = CONFIRM;
    }
    if (st->phase == CONFIRM) {
        if (reads)
            vc_publish(nd, ring, g + 1);
        st->rd_next = 0;
        st->phase = LEAVE;
    }
    for (; speaks && st->rd_next < nd->n; st->rd_next++) {
        if (st->rd_next == nd->me)
            continue;
        if (!vc_ready(ring, st->rd_next, g + 1)) {
            *whom = st->rd_next;
            return 0;
        }
    }
    if (speaks)
        vc_learned(ring, st->base);
    vc_set_done(nd, ring, g + 2);
    st->phase = -1;
    return 1;
}
