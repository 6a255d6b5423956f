/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/node_impl.h"

#include <stdlib.h>

static size_t lane_bytes(size_t cap)
{
    return vc_round_up(sizeof(struct vc_lane_head) + VC_RING_DEPTH * cap, VC_LINE_PAIR);
}

static size_t bulk_cap(size_t bulk)
{
    /* A bulk ring whose slots are no larger than the small ones is of no use. */
    size_t cap = bulk / VC_RING_DEPTH / VC_CACHELINE * VC_CACHELINE;
    return cap > VC_SMALL_SLOT ? cap : 0;
}

size_t vc_node_bytes(int n, size_t bulk)
{
    size_t lane = lane_bytes(VC_SMALL_SLOT);
    if (bulk_cap(bulk))
        lane += lane_bytes(bulk_cap(bulk));
    return lane * (size_t)n;
}

int vc_node_create(const struct vc_node_cfg *cfg, struct vc_node **out)
{
    struct vc_node *nd = calloc(1, sizeof *nd);
    if (!nd)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
    nd->n = cfg->n;
    nd->me = cfg->me;
    nd->parking = cfg->parking;
    nd->wait = cfg->wait;
    nd->small.mem = cfg->mem;
    nd->small.cap = VC_SMALL_SLOT;
    nd->small.stride = lane_bytes(VC_SMALL_SLOT);
    nd->bulk.cap = bulk_cap(cfg->bulk);
    if (nd->bulk.cap) {
        nd->bulk.mem = nd->small.mem + (size_t)cfg->n * nd->small.stride;
        nd->bulk.stride = lane_bytes(nd->bulk.cap);
    }
    if (cfg->cma_pids) {
        nd->cma_pids = malloc((size_t)cfg->n * sizeof *nd->cma_pids);
        if (!nd->cma_pids) {
            free(nd);
            return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
        }
        memcpy(nd->cma_pids, cfg->cma_pids, (size_t)cfg->n * sizeof *nd->cma_pids);
        nd->cma_min = cfg->cma_min;
    }
    *out = nd;
    return VC_OK;
}

void vc_node_destroy(struct vc_node *nd)
{
    if (!nd)
        return;
    free(nd->cma_pids);
    free(nd);
}

bool vc_all_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom)
{
    uint64_t least = UINT64_MAX;
    for (int r = 0; r < nd->n; r++) {
        if (r == nd->me)
            continue;
        /* Acquire: pairs with vc_set_done(); what that rank read it has read before we overwrite it. */
        uint64_t d = atomic_load_explicit(&vc_lane(ring, r)->done, memory_order_acquire);
        if (d < g) {
            *whom = r;
            return false;
        }
        if (d < least)
            least = d;
    }
    ring->known_done = least;
    return true;
}

/* A node of one rank: only copies remain. */
static void alone(const struct vc_node_call *c)
{
    if (c->src && c->dst && c->src != c->dst && c->len > 0 && c->kind != VC_NODE_BCAST &&
        c->kind != VC_NODE_ALLGATHER_SLICES && c->kind != VC_NODE_BARRIER)
        memcpy(c->dst, c->src, c->len);
}

int vc_node_start(struct vc_node *nd, struct vc_node_call *c)
{
    if (nd->n == 1) {
        alone(c);
        c->st.phase = -1;
        return VC_OK;
    }
    c->st.phase = 0;
    if (vc_node_cma_wanted(nd, c)) {
        c->st.ring = NULL;
        c->st.base = nd->small.pos;
        c->st.rd_next = 0;
        nd->small.pos += 2;
        return VC_OK;
    }
    return vc_node_slots_start(nd, c);
}

int vc_node_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    if (c->st.phase < 0)
        return 1;
    return c->st.ring ? vc_node_slots_progress(nd, c, whom) : vc_node_cma_progress(nd, c, whom);
}

int vc_node_run(struct vc_node *nd, struct vc_node_call *c)
{
    int whom = VC_WAIT_ANY, rc = vc_node_start(nd, c);
    if (rc != VC_OK)
        return rc;
    rc = vc_node_progress(nd, c, &whom);
    if (rc != 0)
        return rc < 0 ? rc : VC_OK;
    struct vc_waiter w;
    vc_wait_begin(&w, nd->wait, nd->parking);
    int last = whom;
    do {
        int err = vc_wait_idle(&w, whom);
        if (err != VC_OK) {
            rc = err;
            break;
        }
        rc = vc_node_progress(nd, c, &whom);
        if (rc == 0 && whom != last) { /* somebody arrived: the next one gets a fresh budget of tight polls */
            last = whom;
            if (!w.announced)
                vc_wait_begin(&w, nd->wait, nd->parking);
        }
    } while (rc == 0);
    vc_wait_end(&w);
    return rc < 0 ? rc : VC_OK;
}
