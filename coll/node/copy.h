/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of results that are larger than a core's cache. */
#ifndef VC_COLL_NODE_COPY_H
#define VC_COLL_NODE_COPY_H

#include "transport/base.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** From this many bytes of result on, copies go past the cache, which then keeps what is still to be read. */
#define VC_STREAM_BYTES ((size_t)1 << 20)

/** memcpy() past the caches where the CPU can: lines are written without being read first. */
static inline void vc_copy_stream(void *to, const void *from, size_t len)
{
#ifdef __SSE2__
    char *d = to;
    const char *s = from;
    size_t head = vc_min_size(-(uintptr_t)d % VC_CACHELINE, len);
    memcpy(d, s, head);
    for (d += head, s += head, len -= head; len >= VC_CACHELINE;
         d += VC_CACHELINE, s += VC_CACHELINE, len -= VC_CACHELINE)
        for (int i = 0; i < VC_CACHELINE; i += 16)
            _mm_stream_si128((__m128i *)(void *)(d + i),
                             _mm_loadu_si128((const __m128i *)(const void *)(s + i)));
    memcpy(d, s, len);
    /* Streaming stores are weakly ordered, even against a later release store. */
    _mm_sfence();
#else
    memcpy(to, from, len);
#endif
}

/** One of many copies that together write `total` bytes of result. */
static inline void vc_copy_result(void *to, const void *from, size_t len, size_t total)
{
    if (total >= VC_STREAM_BYTES)
        vc_copy_stream(to, from, len);
    else
        memcpy(to, from, len);
}

#endif
