/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/impl.h"
#include "coll/node/tree.h"

#include <stdlib.h>

int vc_node_create(const struct vc_node_cfg *cfg, struct vc_node **out)
{
    struct vc_node *nd = vc_flat_alloc(cfg->n);
    if (!nd)
        return VC_ERR_NOMEM;
    nd->me = cfg->me;
    nd->parking = cfg->parking;
    nd->wait = cfg->wait;
    nd->own_cpus = cfg->own_cpus;
    vc_flat_layout(nd, cfg->bulk);
    if (cfg->n > 1 && cfg->n <= VC_NODE_PAIRS_RANKS && !(nd->pairs = malloc(vc_node_pairs_bytes(cfg->n)))) {
        vc_node_destroy(nd);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
    }
    if (cfg->cma_pids) {
        nd->cma_pids = malloc((size_t)cfg->n * sizeof *nd->cma_pids);
        nd->scratch = vc_scratch_hold() == VC_OK;
        if (cfg->maps) {
            nd->maps = malloc((size_t)cfg->n * sizeof *cfg->maps);
            nd->held = calloc((size_t)cfg->n + 1, sizeof *nd->held);
        }
        if (!nd->cma_pids || !nd->scratch || (cfg->maps && !(nd->maps && nd->held))) {
            vc_node_destroy(nd);
            return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
        }
        memcpy(nd->cma_pids, cfg->cma_pids, (size_t)cfg->n * sizeof *nd->cma_pids);
        if (cfg->maps)
            memcpy(nd->maps, cfg->maps, (size_t)cfg->n * sizeof *cfg->maps);
        nd->cma_min = cfg->cma_min;
        nd->pairs_copy = cfg->pairs_copy ? cfg->pairs_copy : VC_PAIRS_COPY;
    }
    if (cfg->levels && cfg->levels->depth > 0 && cfg->n > 1) {
        int err = vc_tree_create(nd, cfg);
        if (err != VC_OK) {
            vc_node_destroy(nd);
            return err;
        }
        nd->plain = false;
    }
    vc_node_small_init(nd);
    if (cfg->opener && vc_open_init(nd, cfg->opener) != VC_OK) {
        vc_node_destroy(nd);
        return VC_ERR_NOMEM;
    }
    if (cfg->mem)
        vc_node_place(nd, cfg->mem, cfg->common, cfg->bulk);
    *out = nd;
    return VC_OK;
}

void vc_node_place(struct vc_node *nd, char *const *mem, void *common, size_t bulk)
{
    nd->cpu = common;
    vc_flat_place(nd, mem, 0, bulk);
    if (nd->tree)
        vc_tree_place(nd, mem, bulk);
    vc_node_note_cpu(nd);
}

void vc_node_destroy(struct vc_node *nd)
{
    if (!nd)
        return;
    vc_tree_destroy(nd->tree);
    free(nd->pairs);
    free(nd->cma_pids);
    if (nd->scratch)
        vc_scratch_drop();
    free(nd->opening);
    free(nd->maps);
    free(nd->held);
    free(nd);
}

/* On a node of one rank a phase is a copy. */
static void copy_alone(const struct vc_node_call *c)
{
    if (c->kind == VC_PHASE_ALLTOALLV) {
        if (c->pairs->src_len[0])
            memcpy(c->pairs->dst[0], c->pairs->src[0], c->pairs->src_len[0]);
        return;
    }
    if (c->src && c->dst && c->src != c->dst && vc_phase_info[c->kind].src != VC_EXTENT_NONE &&
        vc_phase_info[c->kind].operands != VC_OPERANDS_BELOW)
        memcpy(c->dst, c->src, c->len);
}

/* What is not on a plain node. 1: begun or done. 0: to be begun as there. */
static int start_otherwise(struct vc_node *nd, struct vc_node_call *c, bool direct)
{
    if (nd->n == 1) {
        copy_alone(c);
        c->st.phase = -1;
        return 1;
    }
    if (nd->opening && vc_open_needed(nd, c)) {
        int err = vc_open_start(nd, c);
        return err == VC_OK ? 1 : err;
    }
    if (vc_tree_takes(nd, c)) {
        int err = vc_tree_start(nd, c, direct);
        return err == VC_OK ? 1 : err;
    }
    /* Ranks that come with another length may wait in their group. */
    if (vc_tree_takes_some(nd, c))
        vc_tree_pass(nd->tree, c->len);
    return 0;
}

/* vc_node_start(). `direct`: from vc_node_run(), which may poll for a moment. */
static inline int start(struct vc_node *nd, struct vc_node_call *c, bool direct)
{
    if (!nd->plain) {
        int rc = start_otherwise(nd, c, direct);
        if (rc != 0)
            return rc < 0 ? rc : VC_OK;
    }
    return vc_flat_start(nd, c);
}

bool vc_node_takes_view(const struct vc_node *nd, const struct vc_node_call *c)
{
    bool moves = c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_ALLGATHER ||
                 c->kind == VC_PHASE_ALLGATHERV || c->kind == VC_PHASE_ALLTOALL ||
                 c->kind == VC_PHASE_ALLTOALLV || vc_node_any(c->kind);
    bool rooted = c->kind == VC_PHASE_GATHER || c->kind == VC_PHASE_SCATTER;
    /* Of small blocks the tree makes padded ones. */
    if (nd->n > 1 && vc_tree_takes(nd, c))
        return c->kind == VC_PHASE_BCAST && c->len > VC_SMALL_SLOT;
    /* By single copy ranks write into the root's buffer, and read out of all of it at once. */
    return (moves || (rooted && !vc_node_cma_wanted(nd, c))) && nd->n > 1 &&
           (ptrdiff_t)c->len > nd->straight_max[c->kind][1];
}

int vc_node_start(struct vc_node *nd, struct vc_node_call *c)
{
    return start(nd, c, false);
}

void vc_node_pass(struct vc_node *nd, size_t len)
{
    vc_pass_flat(nd, len);
    if (nd->tree)
        vc_tree_pass(nd->tree, len);
}

static int progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    if (!c->st.ring && c->st.phase == VC_OPENING) {
        int rc = vc_open_progress(nd, c, whom);
        if (rc <= 0)
            return rc;
        if ((rc = start(nd, c, false)) != VC_OK)
            return rc;
    }
    if (!c->st.ring && c->st.phase == VC_ON_TREE)
        return vc_tree_progress(nd, c, whom);
    return vc_flat_progress(nd, c, whom);
}

int vc_node_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    int rc = progress(nd, c, whom);
    if (VC_UNLIKELY(rc == VC_CMA_BY_SLOTS)) {
        rc = start(nd, c, false);
        rc = rc == VC_OK ? progress(nd, c, whom) : rc;
    }
    if (rc != 0)
        nd->by_slots = false;
    return rc;
}

int vc_node_run_on(struct vc_node *nd, struct vc_node_call *c, int begun)
{
    int whom = VC_WAIT_ANY, rc = VC_OK;
    if (begun < 0 && (rc = start(nd, c, true)) != VC_OK)
        return rc;
    rc = vc_node_progress(nd, c, &whom);
    if (rc != 0)
        return rc < 0 ? rc : VC_OK;
    struct vc_waiter w;
    vc_wait_begin(&w, nd->wait, nd->parking);
    int last = whom;
    do {
        if (vc_wait_crowded(nd->wait)) {
            vc_node_note_cpu(nd);
            if (whom >= 0 && vc_shares_cpu(nd, whom))
                vc_wait_hurry(&w);
        }
        int err = vc_wait_idle(&w, whom);
        if (err != VC_OK) {
            rc = err;
            break;
        }
        rc = vc_node_progress(nd, c, &whom);
        if (rc == 0 && whom != last) { /* a rank arrived: the wait for the next one begins anew */
            last = whom;
            if (!w.announced)
                vc_wait_begin(&w, nd->wait, nd->parking);
        }
    } while (rc == 0);
    vc_wait_end(&w);
    return rc < 0 ? rc : VC_OK;
}
