/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs with views (coll/view.h). A step that reads the rank's data has them packed first, block by block and
 * each once, so what is sent first leaves while the rest is not yet packed. Whatever a step writes into the
 * receive buffer is unpacked as soon as the step is complete, so the last to be unpacked is what the buffer
 * holds in the end, although some plans write what is not the result in between.
 */
#include "coll/engine_impl.h"

#include <stdlib.h>
#include <string.h>

int vc_exec_view_begin(struct vc_exec *x)
{
    size_t blocks = x->view->src ? (x->view->src_len + VC_VIEW_BLOCK - 1) / VC_VIEW_BLOCK : 0;
    if (blocks > x->cap_seen) {
        free(x->seen);
        x->seen = malloc(blocks);
        x->cap_seen = x->seen ? blocks : 0;
        if (!x->seen)
            return vc_fail(VC_ERR_NOMEM, "no memory for a plan that packs %zu bytes", x->view->src_len);
    }
    if (blocks)
        memset(x->seen, 0, blocks);
    return VC_OK;
}

/* One side of a step: of a node phase, what this rank has there. */
static struct vc_ref side_of(const struct vc_exec *x, const struct vc_step *st, bool src)
{
    struct vc_ref r = src ? st->src : st->dst;
    if (st->kind != VC_STEP_NODE)
        return r;
    const struct vc_phase_info *i = &vc_phase_info[st->node];
    int n = x->env.nlocal > 1 ? x->env.nlocal : 1, me = x->env.nlocal > 1 ? x->env.local : 0;
    if ((src ? i->src_at_root : i->dst_at_root) && me != st->peer)
        r.len = 0;
    else
        r.len = vc_phase_side(src ? i->src : i->dst, st->len, i->uneven ? st->at : NULL, n, me);
    return r;
}

static int pieces_of(const struct vc_step *st)
{
    return st->kind == VC_STEP_COPY && st->parts > 1 ? st->parts : 1;
}

static void pack(struct vc_exec *x, const struct vc_ref *r)
{
    const struct vc_view *v = x->view;
    if (r->len == 0)
        return;
    for (size_t b = r->off / VC_VIEW_BLOCK; b * VC_VIEW_BLOCK < r->off + r->len; b++) {
        size_t at = b * VC_VIEW_BLOCK;
        if (x->seen[b])
            continue;
        v->get(v->src, at, vc_min_size(VC_VIEW_BLOCK, v->src_len - at), x->base[r->buf] + at);
        x->seen[b] = 1;
    }
}

/* Blocks whose sizes only pairs know: a step has all of one, and no other step has it. */
static void pack_block(const struct vc_exec *x, size_t r)
{
    const struct vc_view *v = x->view;
    if (v->src_blocks[r] && x->pairs->src_len[r])
        v->get(v->src_blocks[r], 0, x->pairs->src_len[r], (char *)(uintptr_t)x->pairs->src[r]);
}

static void unpack_block(const struct vc_exec *x, size_t r)
{
    const struct vc_view *v = x->view;
    if (v->dst_blocks[r] && x->pairs->dst_len[r])
        v->put(v->dst_blocks[r], 0, x->pairs->dst_len[r], x->pairs->dst[r]);
}

void vc_exec_view_before(struct vc_exec *x, const struct vc_step *st)
{
    /* Without a send buffer the data are the root's, where others receive; its node phases read them there.
     */
    enum vc_buf data = x->base[VC_BUF_SEND] ? VC_BUF_SEND : VC_BUF_RECV;
    struct vc_ref src = side_of(x, st, true), dst = side_of(x, st, false);
    if (x->view->src_blocks && st->src.buf == VC_BUF_SEND_BLOCK && st->kind != VC_STEP_RECV)
        pack_block(x, st->src.off);
    if (!x->view->src)
        return;
    for (int i = 0; i < pieces_of(st) && st->kind != VC_STEP_RECV && src.buf == data; i++) {
        struct vc_ref piece = vc_piece(src, st->src_step, i);
        pack(x, &piece);
    }
    if (st->kind == VC_STEP_NODE && dst.buf == data)
        pack(x, &dst);
}

void vc_exec_view_after(struct vc_exec *x, const struct vc_step *st)
{
    struct vc_ref dst = side_of(x, st, false);
    /* What the root of a node's broadcast has there it has received before. */
    bool has = st->kind == VC_STEP_NODE && st->node == VC_PHASE_BCAST && st->peer == x->env.local;
    if (x->view->dst_blocks && dst.buf == VC_BUF_RECV_BLOCK && st->kind != VC_STEP_SEND)
        unpack_block(x, dst.off);
    if (!x->view->dst || st->kind == VC_STEP_SEND || dst.buf != VC_BUF_RECV || dst.len == 0 || has)
        return;
    for (int i = 0; i < pieces_of(st); i++) {
        struct vc_ref piece = vc_piece(dst, st->dst_step, i);
        x->view->put(x->view->dst, piece.off, piece.len, x->base[VC_BUF_RECV] + piece.off);
    }
}
