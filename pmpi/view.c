/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/view.h"

static void get(const void *side, size_t at, size_t len, void *to)
{
    vc_strewn_get(side, at, len, to);
}

static void put(const void *side, size_t at, size_t len, const void *from)
{
    vc_strewn_put(side, at, len, from);
}

bool vc_view_may(const struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel)
{
    if (!sel->alg || sel->alg->kind != VC_ALG_NODE)
        return sel->exec != NULL;
    const struct vc_node_call call = {.kind = vc_coll_info[k->coll].node,
                                      .alg = (enum vc_node_alg)sel->alg->node_alg,
                                      .root = k->root,
                                      .parts = 1,
                                      .len = k->bytes};
    return vc_node_takes_view(c->team->node, &call);
}

static bool see(const struct vc_call_view *v, struct vc_strewn *s, const void *base, size_t count,
                const struct vc_dtype *type)
{
    return v->may && !type->device && vc_dtype_strewn(s, base, count, type);
}

bool vc_view_data(struct vc_call_view *v, struct vc_work *w, const void *base, size_t count,
                  const struct vc_dtype *type)
{
    if (!see(v, &v->src, base, count, type))
        return false;
    v->packed.get = get;
    v->packed.src = &v->src;
    v->packed.src_len = count * type->size;
    w->view = &v->packed;
    return true;
}

bool vc_view_result(struct vc_call_view *v, struct vc_work *w, void *base, size_t count,
                    const struct vc_dtype *type)
{
    if (!see(v, &v->dst, base, count, type))
        return false;
    v->packed.put = put;
    v->packed.dst = &v->dst;
    w->view = &v->packed;
    return true;
}
