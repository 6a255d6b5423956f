/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/copy.h"

/* Between two views data go through so much of the stack. */
#define STAGE 4096

void vc_node_copy_sides(const struct vc_view *v, const void *dst, size_t to, const void *src, size_t from,
                        size_t len)
{
    char stage[STAGE];
    for (size_t n; len > 0; to += n, from += n, len -= n) {
        n = vc_min_size(len, sizeof stage);
        v->get(src, from, n, stage);
        v->put(dst, to, n, stage);
    }
}

void vc_node_copy_own(const struct vc_node_call *c, char *to, const char *from, size_t len, size_t total)
{
    const struct vc_view *v = c->view;
    size_t at_from = (size_t)(from - vc_node_data(c)), at_to = (size_t)(to - (char *)c->dst);
    if (!v || (!v->src && !v->dst))
        vc_copy_own(to, from, len, total);
    else if (!v->dst)
        v->get(v->src, at_from, len, to);
    else if (!v->src)
        v->put(v->dst, at_to, len, from);
    else
        vc_node_copy_sides(v, v->dst, at_to, v->src, at_from, len);
}

int vc_node_fetch(const struct vc_node *nd, const struct vc_view *v, const void *dst, size_t at, int r,
                  uint64_t from, size_t len)
{
    char *block = vc_scratch_take();
    int err = VC_OK;
    for (size_t n; err == VC_OK && len > 0; at += n, from += n, len -= n) {
        n = vc_min_size(len, VC_VIEW_BLOCK);
        err = vc_single_read(nd->cma_pids[r], vc_map_of(nd, r), block, from, n, VC_COPY_TAKE);
        if (err == VC_OK)
            v->put(dst, at, n, block);
    }
    vc_scratch_give(block);
    return err;
}
