/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of data and results: of results that are larger than a core's cache, and through views. */
#ifndef VC_COLL_NODE_COPY_H
#define VC_COLL_NODE_COPY_H

#include "coll/node/impl.h"

/** From this many bytes of result on, copies go past the cache, which then keeps what is still to be read. */
#define VC_STREAM_BYTES ((size_t)1 << 20)

/** Of a copy out of a slot or another rank's memory, one of many that together write `total` bytes of result.
 */
static inline enum vc_copy_role vc_result_role(size_t total)
{
    return total >= VC_STREAM_BYTES ? VC_COPY_RESULT : VC_COPY_TAKE;
}

/** A copy out of a slot, one of many that together write `total` bytes of result. */
static inline void vc_copy_result(void *to, const void *from, size_t len, size_t total)
{
    vc_copy(to, from, len, vc_result_role(total));
}

/** The same of this rank's own memory. */
static inline void vc_copy_own(void *to, const void *from, size_t len, size_t total)
{
    if (total >= VC_STREAM_BYTES)
        vc_copy_stream(to, from, len);
    else
        vc_copy(to, from, len, VC_COPY_OWN);
}

/** Where this rank's data would lie if it had no view of them. */
static inline const char *vc_node_data(const struct vc_node_call *c)
{
    return vc_phase_info[c->kind].src == VC_EXTENT_NONE ? c->dst : c->src;
}

/** To where the result belongs; `to` points into dst. */
static inline void vc_node_put(const struct vc_node_call *c, char *to, const void *from, size_t len,
                               size_t total)
{
    if (c->view && c->view->dst)
        c->view->put(c->view->dst, (size_t)(to - (char *)c->dst), len, from);
    else
        vc_copy_result(to, from, len, total);
}

/** From this rank's data, which `from` points into, to a slot. */
static inline void vc_node_give(const struct vc_node_call *c, void *slot, const char *from, size_t len)
{
    if (c->view && c->view->src)
        c->view->get(c->view->src, (size_t)(from - vc_node_data(c)), len, slot);
    else
        vc_copy(slot, from, len, VC_COPY_GIVE);
}

/** From where this rank's data are to where the result belongs; `to` and `from` point into dst and src. */
void vc_node_copy_own(const struct vc_node_call *c, char *to, const char *from, size_t len, size_t total);

/** Between two sides of a view, [from, from + len) of one to `to` of the other. */
void vc_node_copy_sides(const struct vc_view *v, const void *dst, size_t to, const void *src, size_t from,
                        size_t len);

/** By single copy from rank r's memory to [at, at + len) of a side of a view. VC_OK or an error. */
int vc_node_fetch(const struct vc_node *nd, const struct vc_view *v, const void *dst, size_t at, int r,
                  uint64_t from, size_t len);

#endif
