/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions in two stages: who reduces which slice of a chunk. */
#include "coll/node/slots.h"

int vc_slots_slice_parts(const struct vc_node *nd, const struct vc_node_call *c, size_t len)
{
    if (nd->n <= VC_FLAT_RANKS && c->kind != VC_PHASE_REDUCE)
        return nd->n;
    size_t most = len / VC_SLICE_LEAST;
    return most >= (size_t)nd->n ? nd->n : most > 1 ? (int)most : 1;
}

int vc_slots_first_reducer(const struct vc_node *nd, const struct vc_node_call *c, int k)
{
    int parts = vc_slots_slice_parts(nd, c, c->st.chunk);
    return parts == nd->n ? 0 : (int)((int64_t)k * parts % nd->n);
}

void vc_slots_own_slice(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *lo, size_t *hi)
{
    size_t grain = vc_grain(c), len = vc_slots_chunk_len(c, k);
    int parts = vc_slots_slice_parts(nd, c, len), mine = nd->me - vc_slots_first_reducer(nd, c, k);
    if (mine < 0)
        mine += nd->n;
    *lo = *hi = 0;
    if (mine < parts) {
        *lo = vc_slice(len, grain, parts, mine);
        *hi = vc_slice(len, grain, parts, mine + 1);
    }
}
