/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mux.h"

#include <stdlib.h>
#include <string.h>

struct mux {
    struct vc_chan base;
    int nchans;
    struct vc_chan **chans; /**< distinct channels, owned */
    struct vc_chan **via;   /**< [size] */
    /* Messages to oneself when no channel takes them, in posting order. */
    struct vc_chan_req *sends, **sends_tail, *recvs, **recvs_tail;
};

/** What the mux keeps in vc_chan_req.priv for messages to oneself. */
enum { P_BUF, P_LEN };

static struct mux *mux_of(struct vc_chan *ch)
{
    return (struct mux *)(void *)ch;
}

static int match_self(struct mux *m)
{
    while (m->sends && m->recvs) {
        struct vc_chan_req *s = m->sends, *r = m->recvs;
        if (s->priv[P_LEN] != r->priv[P_LEN])
            return vc_fail(VC_ERR_TRUNCATE, "rank %d sends itself %llu bytes where it expects %llu",
                           m->base.rank, (unsigned long long)s->priv[P_LEN],
                           (unsigned long long)r->priv[P_LEN]);
        if (s->priv[P_LEN])
            memmove((void *)(uintptr_t)r->priv[P_BUF], (const void *)(uintptr_t)s->priv[P_BUF],
                    s->priv[P_LEN]);
        if (!(m->sends = s->next))
            m->sends_tail = &m->sends;
        if (!(m->recvs = r->next))
            m->recvs_tail = &m->recvs;
        vc_req_end(s);
        vc_req_end(r);
    }
    return VC_OK;
}

static int queue_to_self(struct mux *m, const void *buf, size_t len, struct vc_chan_req *r,
                         struct vc_chan_req ***tail)
{
    vc_req_begin(r);
    r->err = VC_OK;
    r->next = NULL;
    r->priv[P_BUF] = (uint64_t)(uintptr_t)buf;
    r->priv[P_LEN] = len;
    **tail = r;
    *tail = &r->next;
    return match_self(m);
}

static int no_channel(int peer)
{
    return vc_fail(VC_ERR_INVAL, "no channel leads to rank %d", peer);
}

static int mux_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    struct mux *m = mux_of(ch);
    struct vc_chan *via = peer >= 0 && peer < ch->size ? m->via[peer] : NULL;
    if (via)
        return via->ops->isend(via, peer, buf, len, r);
    return peer == ch->rank ? queue_to_self(m, buf, len, r, &m->sends_tail) : no_channel(peer);
}

static int mux_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    struct mux *m = mux_of(ch);
    struct vc_chan *via = peer >= 0 && peer < ch->size ? m->via[peer] : NULL;
    if (via)
        return via->ops->irecv(via, peer, buf, len, r);
    return peer == ch->rank ? queue_to_self(m, buf, len, r, &m->recvs_tail) : no_channel(peer);
}

static int mux_irecv_reduce(struct vc_chan *ch, int peer, void *buf, size_t len, const struct vc_chan_op *op,
                            void *scratch, struct vc_chan_req *r)
{
    struct mux *m = mux_of(ch);
    struct vc_chan *via = peer >= 0 && peer < ch->size ? m->via[peer] : NULL;
    return via && via->ops->irecv_reduce ? via->ops->irecv_reduce(via, peer, buf, len, op, scratch, r) : 1;
}

static int mux_progress(struct vc_chan *ch)
{
    struct mux *m = mux_of(ch);
    int work = 0;
    for (int i = 0; i < m->nchans; i++) {
        int rc = m->chans[i]->ops->progress(m->chans[i]);
        if (rc < 0)
            return rc;
        work += rc;
    }
    return work;
}

static void mux_destroy(struct vc_chan *ch)
{
    struct mux *m = mux_of(ch);
    for (int i = 0; i < m->nchans; i++)
        m->chans[i]->ops->destroy(m->chans[i]);
    free(m->chans);
    free(m->via);
    free(m);
}

static void mux_give_up(struct vc_chan *ch, const char *text)
{
    struct mux *m = mux_of(ch);
    for (int i = 0; i < m->nchans; i++)
        m->chans[i]->ops->give_up(m->chans[i], text);
}

/** Two tables, because `wakes` is false as soon as one of the channels does not wake sleepers. */
#define MUX_OPS(wakes)                                                                                       \
    {                                                                                                        \
        "mux", mux_isend, mux_irecv, mux_irecv_reduce, mux_progress, mux_destroy, wakes, mux_give_up         \
    }
static const struct vc_chan_ops mux_ops = MUX_OPS(true);
static const struct vc_chan_ops mux_ops_timed = MUX_OPS(false);

int vc_mux_create(int size, int rank, struct vc_chan *const *via, struct vc_chan **out)
{
    *out = NULL;
    size_t n = (size_t)size;
    struct mux *m = calloc(1, sizeof *m);
    if (m) {
        m->via = malloc(n * sizeof(*m->via));
        m->chans = malloc(n * sizeof(*m->chans));
    }
    if (!m || !m->via || !m->chans) {
        if (m) {
            free(m->via);
            free(m->chans);
        }
        free(m);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the channels of %d ranks", size);
    }
    bool wakes = true;
    for (int r = 0; r < size; r++) {
        m->via[r] = via[r];
        int known = via[r] ? 0 : m->nchans;
        /* There are few distinct channels, so a linear search does. */
        while (known < m->nchans && m->chans[known] != via[r])
            known++;
        if (via[r] && known == m->nchans) {
            m->chans[m->nchans++] = via[r];
            wakes = wakes && via[r]->ops->wakes;
        }
    }
    m->base.ops = wakes ? &mux_ops : &mux_ops_timed;
    m->base.rank = rank;
    m->base.size = size;
    for (int i = 0; i < m->nchans && !m->base.src; i++)
        m->base.src = m->chans[i]->src;
    m->sends_tail = &m->sends;
    m->recvs_tail = &m->recvs;
    *out = &m->base;
    return VC_OK;
}
