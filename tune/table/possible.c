/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows that no call can use, whatever the communicator: told when a table is read, not found out by nobody.
 */
#include "coll/info.h"
#include "tune/table/internal.h"

#include <stddef.h>

static bool has_power_of_two(struct vc_range r)
{
    for (uint64_t p = 1; p <= INT32_MAX; p *= 2)
        if (vc_range_has(r, p))
            return true;
    return false;
}

/* Whether some n nodes of p ranks each are in the ranges. Looks at so many n; beyond, yes. */
static bool has_uniform(const struct vc_row_keys *k)
{
    enum { MOST = 4096 };
    uint64_t first = k->nodes.min, last = k->nodes.max < k->ranks.max ? k->nodes.max : k->ranks.max;
    if (last - first >= MOST)
        return true;
    for (uint64_t n = first; n <= last; n++) {
        uint64_t lo = (k->ranks.min + n - 1) / n, hi = k->ranks.max / n;
        lo = lo > k->ppn.min ? lo : k->ppn.min;
        hi = hi < k->ppn.max ? hi : k->ppn.max;
        if (lo <= hi)
            return true;
    }
    return false;
}

static bool possible(enum vc_restriction bit, const struct vc_row *r)
{
    const struct vc_row_keys *k = &r->keys;
    bool reduction = vc_coll_reduces(r->coll);
    switch (bit) {
    case VC_NEEDS_COMMUTATIVE:
        return !reduction || r->commutative != VC_NO;
    case VC_NEEDS_POW2_SIZE:
        return has_power_of_two(k->ranks);
    case VC_NEEDS_EVEN_SIZE:
        return k->ranks.max > k->ranks.min || k->ranks.min % 2 == 0;
    case VC_NEEDS_ONE_NODE:
        return k->nodes.min <= 1;
    case VC_NEEDS_UNIFORM_NODES:
        return has_uniform(k);
    case VC_NEEDS_MIN_COUNT:
        return !reduction || r->bytes.max >= k->ranks.min;
    case VC_NEEDS_BLOCK_NODES:
    case VC_NEEDS_BLOCK_OR_COMM:
    case VC_PLACEMENT_FREE:
        break;
    }
    return true;
}

const char *vc_row_impossible(const struct vc_row *r)
{
    const char *why;
    const struct vc_alg *alg = r->choice.alg;
    if (vc_row_keys_empty(&r->keys, &why))
        return why;
    if (!vc_coll_sized(r->coll) && r->bytes.min > 0)
        return "a barrier has 0 bytes";
    if (r->commutative == VC_NO && !vc_coll_reduces(r->coll))
        return "only reduce and allreduce have an operator";
    if (r->choice.channel == VC_CHANNEL_VERBS && r->keys.network == VC_CHANNEL_MPI)
        return "\"channel\" is verbs where \"network\" is mpi";
    if (!alg)
        return NULL;
    /* Where ranks share no memory, each one is a node of its own. */
    if (alg->kind == VC_ALG_NODE && r->keys.ppn.max < 2)
        return "several ranks must share a node, and \"ppn\" is 1";
    for (unsigned rest = alg->restrictions; rest; rest &= rest - 1) {
        enum vc_restriction bit = (enum vc_restriction)(rest & -rest);
        if (!possible(bit, r))
            return vc_restriction_text(bit);
    }
    return NULL;
}
