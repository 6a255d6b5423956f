/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/copy.h"

/* Between two views data go through so much of the stack. */
#define STAGE 4096

static void copy_between_views(const struct vc_view *v, size_t to, size_t from, size_t len)
{
    char stage[STAGE];
    for (size_t n; len > 0; to += n, from += n, len -= n) {
        n = vc_min_size(len, sizeof stage);
        v->get(v->src, from, n, stage);
        v->put(v->dst, to, n, stage);
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
        copy_between_views(v, at_to, at_from, len);
}
