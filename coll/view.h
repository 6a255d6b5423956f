/* SPDX-License-Identifier: BSD-3-Clause */
/* Data that memory holds in another order than a collective moves them. */
#ifndef VC_COLL_VIEW_H
#define VC_COLL_VIEW_H

#include <stddef.h>

/** Packing and transfer take turns by blocks of so many bytes, which stay in a core's own cache. */
#define VC_VIEW_BLOCK ((size_t)32 << 10)

/**
 * The data, the result or both of a rank where they lie in another order than packed, with gaps: functions
 * that copy bytes [at, at + len) of the packed data from there, or to there, so that packing goes on while
 * the data move. Whether a rank has a view makes no difference to the others. No reductions.
 */
struct vc_view {
    void (*get)(const void *side, size_t at, size_t len, void *to);
    void (*put)(const void *side, size_t at, size_t len, const void *from);
    /** For get: the send buffer, or the receive buffer of the root of a broadcast, is memory that may be
     * written and has nothing in it yet. NULL: the data are there. */
    const void *src;
    size_t src_len; /**< bytes of it */
    /** For put: the receive buffer is memory that may be written, and need not hold the result in the end.
     * NULL: it does. */
    const void *dst;
    /** In place of src and dst, of blocks whose sizes only pairs know (struct vc_pairs): [size] sides for get
     * and put; NULL: the block lies where vc_pairs says. Otherwise there is memory, as above. */
    const void *const *src_blocks, *const *dst_blocks;
};

#endif
