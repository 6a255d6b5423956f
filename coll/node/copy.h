/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of results that are larger than a core's cache. */
#ifndef VC_COLL_NODE_COPY_H
#define VC_COLL_NODE_COPY_H

#include "transport/copy/copy.h"

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

#endif
