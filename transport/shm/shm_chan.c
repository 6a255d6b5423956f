/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings (ring.h) among ranks that trust each other. Sequence numbers count cells from 1; fresh memory holds
 * 0. Three pairs of a release store and an acquire load order the data:
 *
 *     cell.seq   sender stores, receiver loads: the cell's bytes are there
 *     consumed   receiver stores, sender loads: the receiver has read the cell, which may be overwritten
 *     copied     receiver stores, sender loads: the receiver has read the sender's buffer (single copy)
 */
#include "transport/shm/shm_chan.h"

#include "transport/copy/copy.h"
#include "transport/reduce.h"
#include "transport/shm/ring.h"

#include <stdlib.h>
#include <string.h>

enum cell_kind { CELL_DATA, CELL_SINGLE_COPY };

/** Bytes that one progress call copies from one peer in a single copy: then other peers and the host MPI have
 * their turn. */
#define COPY_SLICE ((size_t)1 << 20)

size_t vc_shm_chan_bytes(int n, size_t budget)
{
    return n > 1 ? (size_t)(n - 1) * vc_cells_layout(n, budget).ring : 0;
}

void vc_shm_chan_prepare(void *mem, int n, size_t budget)
{
    struct vc_cells_layout l = vc_cells_layout(n, budget);
    for (int i = 0; i < n - 1; i++) {
        struct vc_ring *ring = (struct vc_ring *)(void *)((char *)mem + (size_t)i * l.ring);
        /* Relaxed: what tells the other ranks of the memory orders these. */
        atomic_store_explicit(&ring->consumed, 0, memory_order_relaxed);
        atomic_store_explicit(&ring->copied, 0, memory_order_relaxed);
        for (uint32_t k = 0; k < l.ncells; k++) {
            struct vc_cell *cell = (struct vc_cell *)(void *)(ring->cells + k * l.cell);
            atomic_store_explicit(&cell->seq, 0, memory_order_relaxed);
        }
    }
}

/** What the channel keeps in vc_chan_req.priv. */
enum { P_REMOTE = VC_REQ_OWN, P_COPYING, P_OP, P_SCRATCH };
#define P_TICKET P_REMOTE /**< sender: the single copy's number */

/** Everything about one other rank of the node; private. */
struct peer {
    struct vc_ring *out, *in;
    uint64_t published, freed; /**< out: cells published; of them, those known to be consumed */
    uint64_t consumed;         /**< in: cells read */
    uint64_t tickets;          /**< out: single copies offered */
    uint64_t copies;           /**< in: single copies finished */
    struct vc_req_queue sends, offered, recvs;
};

struct shm_chan {
    struct vc_chan base;
    struct vc_cells_layout lay;
    int n, me;
    struct vc_parking *parking;
    const pid_t *cma_pids;
    struct vc_map_peer **maps; /**< NULL: none */
    size_t cma_min;
    int failed; /**< the first error, which made the channel unusable */
    int *index; /**< [size] node index of a communicator rank, or -1 */
    struct vc_busy_peers busy;
    struct peer *peers; /**< [n]; the own entry's queues match messages to oneself */
};

static struct shm_chan *shm_of(struct vc_chan *ch)
{
    return (struct shm_chan *)(void *)ch;
}

static void req_init(struct vc_chan_req *r, const void *buf, size_t len)
{
    vc_ring_req_init(r, buf, len);
    r->priv[P_COPYING] = 0;
    r->priv[P_OP] = 0;
}

/** NULL: the message is received as it is. */
static const struct vc_chan_op *req_op(const struct vc_chan_req *r)
{
    return (const struct vc_chan_op *)(uintptr_t)r->priv[P_OP];
}

static unsigned char *req_scratch(const struct vc_chan_req *r)
{
    return (unsigned char *)(uintptr_t)r->priv[P_SCRATCH];
}

static struct vc_cell *cell_at(const struct shm_chan *c, struct vc_ring *ring, uint64_t i)
{
    return vc_ring_cell(&c->lay, ring, i);
}

static bool idle(const struct peer *p)
{
    return !p->sends.head && !p->offered.head && !p->recvs.head;
}

/* ---- sending ---- */

static bool have_room(const struct shm_chan *c, struct peer *p)
{
    if (p->published - p->freed < c->lay.ncells)
        return true;
    /* Pairs with the receiver's store in receive_cells(): it has read these cells. */
    p->freed = atomic_load_explicit(&p->out->consumed, memory_order_acquire);
    return p->published - p->freed < c->lay.ncells;
}

static void publish(struct shm_chan *c, int i, struct vc_cell *cell, enum cell_kind kind, size_t len,
                    uint64_t total)
{
    struct peer *p = &c->peers[i];
    cell->kind_len = (uint32_t)kind << 31 | (uint32_t)len;
    cell->total = total;
    /* Pairs with the load in receive_cells(). */
    atomic_store_explicit(&cell->seq, (uint32_t)++p->published, memory_order_release);
    vc_wake_one(c->parking, i);
}

/** The same on both sides. */
static bool by_single_copy(const struct shm_chan *c, size_t len)
{
    return c->cma_pids && len >= c->cma_min && len > 0;
}

/** Writes as much of the message into the ring as fits. True: all of it, or it goes in a single copy. */
static bool send_cells(struct shm_chan *c, int i, struct vc_chan_req *r, int *work)
{
    struct peer *p = &c->peers[i];
    size_t len = r->priv[VC_REQ_LEN], at = r->priv[VC_REQ_AT];
    if (by_single_copy(c, len)) {
        if (!have_room(c, p))
            return false;
        struct vc_cell *cell = cell_at(c, p->out, p->published);
        memcpy(cell->data, &r->priv[VC_REQ_BUF], sizeof(uint64_t));
        r->priv[P_TICKET] = ++p->tickets;
        publish(c, i, cell, CELL_SINGLE_COPY, sizeof(uint64_t), len);
        vc_req_push(&p->offered, r);
        ++*work;
        return true;
    }
    size_t most = vc_ring_room(&c->lay);
    do {
        if (!have_room(c, p)) {
            r->priv[VC_REQ_AT] = at;
            return false;
        }
        struct vc_cell *cell = cell_at(c, p->out, p->published);
        size_t part = vc_min_size(len - at, most);
        if (part)
            vc_copy(cell->data, vc_ring_req_buf(r) + at, part, VC_COPY_GIVE);
        publish(c, i, cell, CELL_DATA, part, len);
        at += part;
        ++*work;
    } while (at < len);
    vc_req_end(r);
    return true;
}

static void push_sends(struct shm_chan *c, int i, int *work)
{
    struct peer *p = &c->peers[i];
    while (p->sends.head) {
        struct vc_chan_req *r = p->sends.head, *next = r->next;
        if (!send_cells(c, i, r, work))
            return;
        p->sends.head = next; /* not r->next: send_cells() may have moved r to another queue */
        if (!next)
            p->sends.tail = &p->sends.head;
    }
}

static void finish_offered(struct peer *p, int *work)
{
    if (!p->offered.head)
        return;
    /* Pairs with the store in copy_some(): the receiver has read these buffers. */
    uint64_t copied = atomic_load_explicit(&p->out->copied, memory_order_acquire);
    while (p->offered.head && p->offered.head->priv[P_TICKET] <= copied) {
        struct vc_chan_req *r = p->offered.head;
        vc_req_pop(&p->offered);
        vc_req_end(r);
        ++*work;
    }
}

/* ---- receiving ---- */

static int mismatch(const struct shm_chan *c, int i, uint64_t sent, uint64_t expected)
{
    int rank = -1;
    for (int k = 0; k < c->base.size; k++)
        if (c->index[k] == i)
            rank = k;
    return vc_fail(VC_ERR_TRUNCATE, "rank %d sent a message of %llu bytes where rank %d expects %llu", rank,
                   (unsigned long long)sent, c->base.rank, (unsigned long long)expected);
}

static struct vc_map_peer *map_of(const struct shm_chan *c, int i)
{
    return c->maps ? c->maps[i] : NULL;
}

/** Reduces a part of the sender's buffer where it is; where that cannot be mapped, copies it first. */
static int reduce_some(struct shm_chan *c, int i, struct vc_chan_req *r, size_t at, size_t part)
{
    uint64_t from = r->priv[P_REMOTE] + at;
    struct vc_map_hold h = vc_map_range(map_of(c, i), from, part);
    unsigned char *copy = req_scratch(r) + at; /* elements that are cut are put together at its beginning */
    if (!h.at) {
        int err = vc_cma_read(c->cma_pids[i], copy, from, part);
        if (err != VC_OK)
            return err;
    }
    vc_chan_reduce_piece(req_op(r), vc_ring_req_buf(r), req_scratch(r), at, h.at ? h.at : copy, part);
    vc_map_drop(&h);
    return VC_OK;
}

/** Moves a slice of a single copy. 1: the message is complete, 0: more to do, negative: failed. */
static int copy_some(struct shm_chan *c, int i, struct vc_chan_req *r, int *work)
{
    struct peer *p = &c->peers[i];
    size_t at = r->priv[VC_REQ_AT], part = vc_min_size(r->priv[VC_REQ_LEN] - at, COPY_SLICE);
    int err = req_op(r) ? reduce_some(c, i, r, at, part)
                        : vc_single_read(c->cma_pids[i], map_of(c, i), vc_ring_req_buf(r) + at,
                                         r->priv[P_REMOTE] + at, part, VC_COPY_TAKE);
    if (err != VC_OK)
        return err;
    ++*work;
    r->priv[VC_REQ_AT] = at += part;
    if (at < r->priv[VC_REQ_LEN])
        return 0;
    /* Pairs with the load in finish_offered(). */
    atomic_store_explicit(&p->in->copied, ++p->copies, memory_order_release);
    vc_wake_one(c->parking, i);
    return 1;
}

/** Reads what the ring holds of the message. 1: it is complete, 0: more has to come, negative: failed. */
static int receive_cells(struct shm_chan *c, int i, struct vc_chan_req *r, int *work)
{
    struct peer *p = &c->peers[i];
    if (r->priv[P_COPYING])
        return copy_some(c, i, r, work);
    size_t len = r->priv[VC_REQ_LEN], at = r->priv[VC_REQ_AT];
    /* At most one ring's worth in a call, because a fast sender would keep this rank from its other peers. */
    for (uint32_t k = 0; k < c->lay.ncells; k++) {
        struct vc_cell *cell = cell_at(c, p->in, p->consumed);
        /* Pairs with the store in publish(). */
        if (atomic_load_explicit(&cell->seq, memory_order_acquire) != (uint32_t)(p->consumed + 1))
            break;
        size_t part = cell->kind_len & 0x7fffffffu;
        bool single = cell->kind_len >> 31 != CELL_DATA;
        if (cell->total != len || part > (single ? sizeof(uint64_t) : len - at))
            return mismatch(c, i, cell->total, len);
        if (single)
            memcpy(&r->priv[P_REMOTE], cell->data, sizeof(uint64_t));
        else if (part && req_op(r))
            vc_chan_reduce_piece(req_op(r), vc_ring_req_buf(r), req_scratch(r), at, cell->data, part);
        else if (part)
            vc_copy(vc_ring_req_buf(r) + at, cell->data, part, VC_COPY_TAKE);
        at += part;
        ++*work;
        /* Pairs with the load in have_room(). */
        atomic_store_explicit(&p->in->consumed, ++p->consumed, memory_order_release);
        vc_wake_one(c->parking, i);
        if (single) {
            r->priv[P_COPYING] = 1;
            return copy_some(c, i, r, work);
        }
        if (at == len) {
            vc_req_end(r);
            return 1;
        }
    }
    r->priv[VC_REQ_AT] = at;
    return 0;
}

static int pull_recvs(struct shm_chan *c, int i, int *work)
{
    struct peer *p = &c->peers[i];
    while (p->recvs.head) {
        struct vc_chan_req *r = p->recvs.head;
        int rc = receive_cells(c, i, r, work);
        if (rc <= 0)
            return rc;
        vc_req_pop(&p->recvs);
        vc_req_end(r);
    }
    return VC_OK;
}

/* ---- to oneself ---- */

static int match_self(struct shm_chan *c)
{
    struct peer *p = &c->peers[c->me];
    while (p->sends.head && p->recvs.head) {
        struct vc_chan_req *s = p->sends.head, *r = p->recvs.head;
        if (s->priv[VC_REQ_LEN] != r->priv[VC_REQ_LEN])
            return mismatch(c, c->me, s->priv[VC_REQ_LEN], r->priv[VC_REQ_LEN]);
        if (s->priv[VC_REQ_LEN])
            memmove(vc_ring_req_buf(r), vc_ring_req_buf(s), s->priv[VC_REQ_LEN]);
        vc_req_pop(&p->sends);
        vc_req_pop(&p->recvs);
        vc_req_end(s);
        vc_req_end(r);
    }
    return VC_OK;
}

/* ---- the vtable ---- */

static int shm_fail(struct shm_chan *c, int err)
{
    if (c->failed == VC_OK)
        c->failed = err;
    return err;
}

static int unusable(const struct shm_chan *c)
{
    return vc_fail(c->failed, "the shm channel has failed before");
}

static int peer_index(const struct shm_chan *c, int rank)
{
    return rank >= 0 && rank < c->base.size ? c->index[rank] : -1;
}

static int not_here(int rank)
{
    return vc_fail(VC_ERR_INVAL, "rank %d does not share memory with this one", rank);
}

static int shm_isend(struct vc_chan *ch, int rank, const void *buf, size_t len, struct vc_chan_req *r)
{
    struct shm_chan *c = shm_of(ch);
    int i = peer_index(c, rank);
    if (i < 0)
        return not_here(rank);
    if (c->failed)
        return unusable(c);
    struct peer *p = &c->peers[i];
    req_init(r, buf, len);
    if (i == c->me) {
        vc_req_push(&p->sends, r);
        int err = match_self(c);
        return err == VC_OK ? VC_OK : shm_fail(c, err);
    }
    int work = 0;
    if (p->sends.head || !send_cells(c, i, r, &work))
        vc_req_push(&p->sends, r);
    if (!vc_req_done(r))
        vc_busy_peers_add(&c->busy, i);
    return VC_OK;
}

static int receive_from(struct shm_chan *c, int i, struct vc_chan_req *r)
{
    struct peer *p = &c->peers[i];
    if (!p->recvs.head) {
        int work = 0, rc = receive_cells(c, i, r, &work);
        if (rc < 0)
            return shm_fail(c, rc);
        if (rc > 0) {
            vc_req_end(r);
            return VC_OK;
        }
    }
    vc_req_push(&p->recvs, r);
    vc_busy_peers_add(&c->busy, i);
    return VC_OK;
}

static int shm_irecv(struct vc_chan *ch, int rank, void *buf, size_t len, struct vc_chan_req *r)
{
    struct shm_chan *c = shm_of(ch);
    int i = peer_index(c, rank);
    if (i < 0)
        return not_here(rank);
    if (c->failed)
        return unusable(c);
    req_init(r, buf, len);
    if (i != c->me)
        return receive_from(c, i, r);
    vc_req_push(&c->peers[i].recvs, r);
    int err = match_self(c);
    return err == VC_OK ? VC_OK : shm_fail(c, err);
}

static int shm_irecv_reduce(struct vc_chan *ch, int rank, void *buf, size_t len, const struct vc_chan_op *op,
                            void *scratch, struct vc_chan_req *r)
{
    struct shm_chan *c = shm_of(ch);
    int i = peer_index(c, rank);
    if (i < 0)
        return not_here(rank);
    if (c->failed)
        return unusable(c);
    /* Without a map: a single copy in blocks that are reduced one by one is slower than one in one piece. */
    if (i == c->me || (by_single_copy(c, len) && !map_of(c, i)))
        return 1;
    req_init(r, buf, len);
    r->priv[P_OP] = (uint64_t)(uintptr_t)op;
    r->priv[P_SCRATCH] = (uint64_t)(uintptr_t)scratch;
    return receive_from(c, i, r);
}

static int shm_progress(struct vc_chan *ch)
{
    struct shm_chan *c = shm_of(ch);
    if (c->failed)
        return unusable(c);
    int work = 0;
    /* Downwards: the place of a peer that leaves the list is taken by the last one, which had its turn. */
    for (int k = c->busy.n - 1; k >= 0; k--) {
        int i = c->busy.list[k];
        struct peer *p = &c->peers[i];
        int err = pull_recvs(c, i, &work);
        if (err != VC_OK)
            return shm_fail(c, err);
        push_sends(c, i, &work);
        finish_offered(p, &work);
        if (idle(p))
            vc_busy_peers_remove(&c->busy, i);
    }
    return work;
}

static void shm_destroy(struct vc_chan *ch)
{
    struct shm_chan *c = shm_of(ch);
    free(c->index);
    free(c->busy.list);
    free(c->peers);
    free((void *)(uintptr_t)c->cma_pids);
    free(c->maps);
    free(c);
}

/* Ranks that wait sleep on the park words, or look at them every half second. */
static void shm_give_up(struct vc_chan *ch, const char *text)
{
    struct shm_chan *c = shm_of(ch);
    if (c->parking)
        vc_park_give_up(c->parking, text);
    shm_fail(c, VC_ERR_PEER);
}

static const struct vc_chan_ops shm_ops = {
    .name = "shm",
    .isend = shm_isend,
    .irecv = shm_irecv,
    .irecv_reduce = shm_irecv_reduce,
    .progress = shm_progress,
    .destroy = shm_destroy,
    .wakes = true,
    .give_up = shm_give_up,
};

static struct vc_ring *ring_of(const struct shm_chan *c, char *const *mem, int src, int dst)
{
    size_t k = (size_t)(src > dst ? src - 1 : src);
    return (struct vc_ring *)(void *)(mem[dst] + k * c->lay.ring);
}

int vc_shm_chan_create(const struct vc_shm_chan_cfg *cfg, struct vc_chan **out)
{
    *out = NULL;
    bool fits = cfg->n < 2 || (cfg->mem && cfg->parking);
    for (int i = 0; fits && cfg->n > 1 && i < cfg->n; i++)
        fits = (uintptr_t)cfg->mem[i] % VC_LINE_PAIR == 0;
    if (!fits)
        return vc_fail(VC_ERR_INVAL, "the shm channel needs park words and memory aligned to %d bytes",
                       VC_LINE_PAIR);
    struct shm_chan *c = calloc(1, sizeof *c);
    if (!c)
        return vc_fail(VC_ERR_NOMEM, "no memory for the shm channel");
    size_t n = (size_t)cfg->n;
    c->base = (struct vc_chan){.ops = &shm_ops, .rank = cfg->rank, .size = cfg->size};
    c->lay = vc_cells_layout(cfg->n, cfg->budget);
    c->n = cfg->n;
    c->me = cfg->me;
    c->parking = cfg->parking;
    c->cma_min = cfg->cma_min;
    c->index = malloc((size_t)cfg->size * sizeof *c->index);
    bool ready = vc_busy_peers_init(&c->busy, cfg->n);
    c->peers = calloc(n, sizeof *c->peers);
    pid_t *pids = cfg->cma_pids ? malloc(n * sizeof *pids) : NULL;
    c->cma_pids = pids;
    if (cfg->cma_pids && cfg->maps)
        c->maps = malloc(n * sizeof *cfg->maps);
    if (!ready || !c->index || !c->peers || (cfg->cma_pids && !pids) ||
        (cfg->cma_pids && cfg->maps && !c->maps)) {
        shm_destroy(&c->base);
        return vc_fail(VC_ERR_NOMEM, "no memory for the shm channel of %d ranks", cfg->n);
    }
    if (pids)
        memcpy(pids, cfg->cma_pids, n * sizeof *pids);
    if (c->maps)
        memcpy(c->maps, cfg->maps, n * sizeof *cfg->maps);
    for (int r = 0; r < cfg->size; r++)
        c->index[r] = -1;
    for (int i = 0; i < cfg->n; i++) {
        struct peer *p = &c->peers[i];
        c->index[cfg->ranks[i]] = i;
        vc_req_queue_init(&p->sends);
        vc_req_queue_init(&p->offered);
        vc_req_queue_init(&p->recvs);
        if (i != cfg->me) {
            p->out = ring_of(c, cfg->mem, cfg->me, i);
            p->in = ring_of(c, cfg->mem, i, cfg->me);
        }
    }
    *out = &c->base;
    return VC_OK;
}
