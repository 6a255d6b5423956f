/* SPDX-License-Identifier: BSD-3-Clause */
/* For channels that have irecv_reduce: reducing out of the memory in which a message arrives. */
#ifndef VC_TRANSPORT_REDUCE_H
#define VC_TRANSPORT_REDUCE_H

#include "transport/base.h"
#include "transport/channel.h"

#include <string.h>

static inline void vc_chan_reduce(const struct vc_chan_op *op, unsigned char *buf, const unsigned char *msg,
                                  size_t count)
{
    if (op->buf_left)
        op->fn(buf, msg, buf, count, NULL);
    else
        op->fn(msg, buf, buf, count, NULL);
}

/**
 * The next `len` bytes of a message have arrived, which begin `at` bytes behind its beginning. buf and
 * scratch are those of the receive. Elements that pieces cut are put together in scratch.
 */
static inline void vc_chan_reduce_piece(const struct vc_chan_op *op, unsigned char *buf,
                                        unsigned char *scratch, size_t at, const unsigned char *piece,
                                        size_t len)
{
    size_t have = at % op->esize;
    if (have) {
        size_t more = vc_min_size(op->esize - have, len);
        memcpy(scratch + have, piece, more);
        if (have + more < op->esize)
            return;
        vc_chan_reduce(op, buf + (at - have), scratch, 1);
        at += more;
        piece += more;
        len -= more;
    }
    size_t count = len / op->esize, whole = count * op->esize;
    if (count)
        vc_chan_reduce(op, buf + at, piece, count);
    if (len > whole)
        memcpy(scratch, piece + whole, len - whole);
}

#endif
