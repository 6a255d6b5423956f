/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two pairs of a release store and an acquire load order the data, as in the shm channel:
 *
 *     cell.seq   sender stores, receiver loads: the cell's bytes are there
 *     consumed   receiver stores, sender loads: the receiver has read the cell, which may be overwritten
 *
 * Numbers in shared memory are scattered: multiplied by an odd constant and mixed with the channel's key. So
 * neighbours differ in most of their bytes, and what other programs left in the memory is no number of this
 * channel.
 */
#include "transport/ivshmem/chan.h"

#include "transport/copy/copy.h"
#include "transport/shm/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCATTER UINT64_C(0x9e3779b97f4a7c15)
#define GATHER  UINT64_C(0xf1de83e19937733d) /* its inverse */
_Static_assert(SCATTER *GATHER == 1, "the inverse modulo 2^64");

/** In front of the rings: a rank's word whether it takes part. */
struct board {
    _Atomic uint64_t state; /**< enum state, scattered */
    char text[VC_LINE_PAIR - sizeof(uint64_t)];
};
_Static_assert(sizeof(struct board) == VC_LINE_PAIR, "rings are aligned to the line pair");
enum state { TAKES_PART = 1, GAVE_UP };

/** After so many polls in vain it is looked whether peers have given up; after LOOK_NS, whether they live. */
#define IDLE_POLLS 16
#define LOOK_NS    VC_LIVENESS_NS

struct peer {
    int rank;
    const struct board *board;
    struct vc_ring *out, *in;
    uint64_t published, freed; /**< out: cells published; of them, those known to be consumed */
    uint64_t consumed;         /**< in: cells read */
    struct vc_req_queue sends, recvs;
};

struct ivshmem_chan {
    struct vc_chan base;
    struct vc_cells_layout lay;
    uint64_t key;
    int failed; /**< the first error, which made the channel unusable */
    struct board *own;
    int *index; /**< [size] peer of a rank, or -1 */
    int n;
    struct vc_busy_peers busy;
    struct peer *peers; /**< [n]; the last is this rank itself: its queues match */
    unsigned idle_polls;
    uint64_t looked; /**< when it was last looked whether peers live; 0: not since something came */
    int (*check)(void *arg, int rank);
    void *arg;
};

static struct ivshmem_chan *ivshmem_of(struct vc_chan *ch)
{
    return (struct ivshmem_chan *)(void *)ch;
}

/* ---- numbers in shared memory ---- */

static uint64_t scatter(uint64_t key, uint64_t n)
{
    return (n * SCATTER) ^ key;
}

static uint64_t gather(uint64_t key, uint64_t word)
{
    return (word ^ key) * GATHER;
}

/* Of the i-th cell; those before the first are what fresh memory holds. */
static uint32_t sequence(uint64_t key, uint64_t i)
{
    return (uint32_t)(scatter(key, i + 1) >> 32);
}

static struct vc_cells_layout layout(int senders, size_t budget)
{
    return vc_cells_layout(senders + 1, budget > sizeof(struct board) ? budget - sizeof(struct board) : 0);
}

size_t vc_ivshmem_chan_bytes(int senders, size_t budget)
{
    return sizeof(struct board) + (size_t)senders * layout(senders, budget).ring;
}

static struct vc_ring *ring_at(char *mem, const struct vc_cells_layout *lay, int k)
{
    return (struct vc_ring *)(void *)(mem + sizeof(struct board) + (size_t)k * lay->ring);
}

void vc_ivshmem_chan_prepare(void *mem, int senders, size_t budget, uint64_t key)
{
    struct vc_cells_layout l = layout(senders, budget);
    struct board *board = mem;
    memset(board->text, 0, sizeof board->text);
    /* Relaxed: what tells the other ranks of the memory orders these. */
    atomic_store_explicit(&board->state, scatter(key, TAKES_PART), memory_order_relaxed);
    for (int i = 0; i < senders; i++) {
        struct vc_ring *ring = ring_at(mem, &l, i);
        atomic_store_explicit(&ring->consumed, scatter(key, 0), memory_order_relaxed);
        for (uint32_t k = 0; k < l.ncells; k++)
            atomic_store_explicit(&vc_ring_cell(&l, ring, k)->seq, sequence(key, (uint64_t)k - l.ncells),
                                  memory_order_relaxed);
    }
}

int vc_ivshmem_senders(const int *machine, int size, int rank)
{
    int n = 0;
    for (int r = 0; r < size; r++)
        n += machine[r] >= 0 && machine[r] != machine[rank];
    return n;
}

/* ---- errors ---- */

static int ivshmem_fail(struct ivshmem_chan *c, int err)
{
    if (c->failed == VC_OK)
        c->failed = err;
    return err;
}

static int spoiled(const struct ivshmem_chan *c, const struct peer *p, const char *what)
{
    return vc_fail(VC_ERR_PEER,
                   "rank %d shares memory of the host with rank %d, and %s there was overwritten: another "
                   "machine, or another program in one, writes to it",
                   c->base.rank, p->rank, what);
}

static int mismatch(const struct ivshmem_chan *c, const struct peer *p, uint64_t sent, uint64_t expected)
{
    return vc_fail(VC_ERR_TRUNCATE, "rank %d sent a message of %llu bytes where rank %d expects %llu",
                   p->rank, (unsigned long long)sent, c->base.rank, (unsigned long long)expected);
}

/* ---- sending ---- */

/* 1, 0: no, or an error. */
static int have_room(struct ivshmem_chan *c, struct peer *p)
{
    if (p->published - p->freed < c->lay.ncells)
        return 1;
    /* Pairs with the receiver's store in receive_cells(): it has read these cells. */
    uint64_t n = gather(c->key, atomic_load_explicit(&p->out->consumed, memory_order_acquire));
    if (n - p->freed > p->published - p->freed)
        return spoiled(c, p, "the counter of what it has received");
    p->freed = n;
    return p->published - p->freed < c->lay.ncells;
}

/** Writes as much of the message into the ring as fits. 1: all of it, 0: there is no room, or an error. */
static int send_cells(struct ivshmem_chan *c, struct peer *p, struct vc_chan_req *r, int *work)
{
    size_t len = r->priv[VC_REQ_LEN], at = r->priv[VC_REQ_AT], most = vc_ring_room(&c->lay);
    do {
        int room = have_room(c, p);
        r->priv[VC_REQ_AT] = at;
        if (room <= 0)
            return room;
        struct vc_cell *cell = vc_ring_cell(&c->lay, p->out, p->published);
        size_t part = vc_min_size(len - at, most);
        if (part)
            vc_copy(cell->data, vc_ring_req_buf(r) + at, part, VC_COPY_GIVE);
        cell->kind_len = (uint32_t)part;
        cell->total = len;
        /* Pairs with the load in receive_cells(). */
        atomic_store_explicit(&cell->seq, sequence(c->key, p->published), memory_order_release);
        p->published++;
        at += part;
        ++*work;
    } while (at < len);
    return 1;
}

static int push_sends(struct ivshmem_chan *c, struct peer *p, int *work)
{
    while (p->sends.head) {
        struct vc_chan_req *r = p->sends.head;
        int rc = send_cells(c, p, r, work);
        if (rc <= 0)
            return rc;
        vc_req_pop(&p->sends);
        vc_req_end(r);
    }
    return VC_OK;
}

/* ---- receiving ---- */

/** Reads what the ring holds of the message. 1: it is complete, 0: more has to come, negative: failed. */
static int receive_cells(struct ivshmem_chan *c, struct peer *p, struct vc_chan_req *r, int *work)
{
    size_t len = r->priv[VC_REQ_LEN], at = r->priv[VC_REQ_AT], most = vc_ring_room(&c->lay);
    /* At most one ring's worth in a call, because a fast sender would keep this rank from its other peers. */
    for (uint32_t k = 0; k < c->lay.ncells; k++) {
        struct vc_cell *cell = vc_ring_cell(&c->lay, p->in, p->consumed);
        /* Pairs with the store in send_cells(). */
        uint32_t seq = atomic_load_explicit(&cell->seq, memory_order_acquire);
        if (VC_UNLIKELY(seq != sequence(c->key, p->consumed))) {
            if (seq != sequence(c->key, p->consumed - c->lay.ncells))
                return spoiled(c, p, "a message");
            break;
        }
        /* Once: they may change at any time. */
        uint32_t part = __atomic_load_n(&cell->kind_len, __ATOMIC_RELAXED);
        uint64_t total = __atomic_load_n(&cell->total, __ATOMIC_RELAXED);
        if (VC_UNLIKELY(total != len || part != vc_min_size(len - at, most)))
            return total != len && part <= most ? mismatch(c, p, total, len)
                                                : spoiled(c, p, "the length of a message");
        if (part)
            vc_copy(vc_ring_req_buf(r) + at, cell->data, part, VC_COPY_TAKE);
        at += part;
        ++*work;
        /* Pairs with the load in have_room(). */
        atomic_store_explicit(&p->in->consumed, scatter(c->key, ++p->consumed), memory_order_release);
        if (at == len)
            return 1;
    }
    r->priv[VC_REQ_AT] = at;
    return 0;
}

static int pull_recvs(struct ivshmem_chan *c, struct peer *p, int *work)
{
    while (p->recvs.head) {
        struct vc_chan_req *r = p->recvs.head;
        int rc = receive_cells(c, p, r, work);
        if (rc <= 0)
            return rc;
        vc_req_pop(&p->recvs);
        vc_req_end(r);
    }
    return VC_OK;
}

static int match_self(struct ivshmem_chan *c)
{
    struct peer *p = &c->peers[c->n - 1];
    while (p->sends.head && p->recvs.head) {
        struct vc_chan_req *s = p->sends.head, *r = p->recvs.head;
        if (s->priv[VC_REQ_LEN] != r->priv[VC_REQ_LEN])
            return mismatch(c, p, s->priv[VC_REQ_LEN], r->priv[VC_REQ_LEN]);
        if (s->priv[VC_REQ_LEN])
            memmove(vc_ring_req_buf(r), vc_ring_req_buf(s), s->priv[VC_REQ_LEN]);
        vc_req_pop(&p->sends);
        vc_req_pop(&p->recvs);
        vc_req_end(s);
        vc_req_end(r);
    }
    return VC_OK;
}

/* ---- peers that are gone ---- */

/* The text comes from another machine: it is printed, so only what is printable of it. */
static int read_board(const struct ivshmem_chan *c, const struct peer *p)
{
    char text[sizeof p->board->text];
    if (!p->board)
        return VC_OK;
    /* Acquire pairs with the release in ivshmem_give_up(). */
    uint64_t state = gather(c->key, atomic_load_explicit(&p->board->state, memory_order_acquire));
    if (state == TAKES_PART)
        return VC_OK;
    if (state != GAVE_UP)
        return spoiled(c, p, "the word whether it takes part");
    memcpy(text, p->board->text, sizeof text);
    text[sizeof text - 1] = '\0';
    for (char *s = text; *s; s++)
        if (*s < ' ' || *s > '~')
            *s = '?';
    return vc_fail(VC_ERR_PEER, "rank %d has given up: %s", p->rank, text);
}

/* After polls in vain: whether those that this rank waits for will come. */
static int look_around(struct ivshmem_chan *c)
{
    uint64_t now = vc_now_ns();
    bool look = c->check && c->looked != 0 && now - c->looked >= LOOK_NS;
    if (look || c->looked == 0)
        c->looked = now;
    for (int k = 0; k < c->busy.n; k++) {
        const struct peer *p = &c->peers[c->busy.list[k]];
        int err = read_board(c, p);
        if (err == VC_OK && look && p->board)
            err = c->check(c->arg, p->rank);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

/* ---- the vtable ---- */

static int unusable(const struct ivshmem_chan *c)
{
    return vc_fail(c->failed, "the ivshmem channel has failed before");
}

/* NULL: there is none, or the channel has failed, for the reason in *err. */
static struct peer *find_peer(struct ivshmem_chan *c, int rank, int *err)
{
    int i = rank >= 0 && rank < c->base.size ? c->index[rank] : -1;
    *err = i < 0       ? vc_fail(VC_ERR_INVAL, "rank %d is not in another machine of this host", rank)
           : c->failed ? unusable(c)
                       : VC_OK;
    return *err == VC_OK ? &c->peers[i] : NULL;
}

static int begin(struct vc_chan *ch, int rank, const void *buf, size_t len, struct vc_chan_req *r, bool sends)
{
    struct ivshmem_chan *c = ivshmem_of(ch);
    int work = 0, rc = 0;
    struct peer *p = find_peer(c, rank, &rc);
    if (!p)
        return rc;
    struct vc_req_queue *queue = sends ? &p->sends : &p->recvs;
    vc_ring_req_init(r, buf, len);
    if (rank == ch->rank) {
        vc_req_push(queue, r);
        rc = match_self(c);
        return rc == VC_OK ? VC_OK : ivshmem_fail(c, rc);
    }
    if (!queue->head)
        rc = sends ? send_cells(c, p, r, &work) : receive_cells(c, p, r, &work);
    if (rc < 0)
        return ivshmem_fail(c, rc);
    if (rc > 0) {
        vc_req_end(r);
        return VC_OK;
    }
    vc_req_push(queue, r);
    vc_busy_peers_add(&c->busy, c->index[rank]);
    return VC_OK;
}

static int ivshmem_isend(struct vc_chan *ch, int rank, const void *buf, size_t len, struct vc_chan_req *r)
{
    return begin(ch, rank, buf, len, r, true);
}

static int ivshmem_irecv(struct vc_chan *ch, int rank, void *buf, size_t len, struct vc_chan_req *r)
{
    return begin(ch, rank, buf, len, r, false);
}

static int ivshmem_progress(struct vc_chan *ch)
{
    struct ivshmem_chan *c = ivshmem_of(ch);
    if (c->failed)
        return unusable(c);
    int work = 0;
    /* Downwards: the place of a peer that leaves the list is taken by the last one, which had its turn. */
    for (int k = c->busy.n - 1; k >= 0; k--) {
        int i = c->busy.list[k];
        struct peer *p = &c->peers[i];
        int err = pull_recvs(c, p, &work);
        if (err == VC_OK)
            err = push_sends(c, p, &work);
        if (err != VC_OK)
            return ivshmem_fail(c, err);
        if (!p->sends.head && !p->recvs.head)
            vc_busy_peers_remove(&c->busy, i);
    }
    if (work > 0) {
        c->idle_polls = 0;
        c->looked = 0;
    } else if (++c->idle_polls % IDLE_POLLS == 0 && c->busy.n > 0) {
        int err = look_around(c);
        if (err != VC_OK)
            return ivshmem_fail(c, err);
    }
    return work;
}

static void ivshmem_destroy(struct vc_chan *ch)
{
    struct ivshmem_chan *c = ivshmem_of(ch);
    free(c->index);
    free(c->busy.list);
    free(c->peers);
    free(c);
}

static void ivshmem_give_up(struct vc_chan *ch, const char *text)
{
    struct ivshmem_chan *c = ivshmem_of(ch);
    if (c->own) {
        snprintf(c->own->text, sizeof c->own->text, "%s", text);
        /* Pairs with the load in read_board(). */
        atomic_store_explicit(&c->own->state, scatter(c->key, GAVE_UP), memory_order_release);
    }
    ivshmem_fail(c, VC_ERR_PEER);
}

static const struct vc_chan_ops ivshmem_ops = {
    .name = "ivshmem",
    .isend = ivshmem_isend,
    .irecv = ivshmem_irecv,
    .progress = ivshmem_progress,
    .destroy = ivshmem_destroy,
    .wakes = false,
    .give_up = ivshmem_give_up,
};

/* Which ring of `dst` is for `src`. */
static int ring_number(const int *machine, int src, int dst)
{
    int k = 0;
    for (int r = 0; r < src; r++)
        k += machine[r] >= 0 && machine[r] != machine[dst];
    return k;
}

static void add_peer(struct ivshmem_chan *c, const struct vc_ivshmem_chan_cfg *cfg, int rank)
{
    struct peer *p = &c->peers[c->n];
    p->rank = rank;
    vc_req_queue_init(&p->sends);
    vc_req_queue_init(&p->recvs);
    if (rank != cfg->rank) {
        p->board = (const struct board *)(const void *)cfg->mem[rank];
        p->out = ring_at(cfg->mem[rank], &c->lay, ring_number(cfg->machine, cfg->rank, rank));
        p->in = ring_at(cfg->mem[cfg->rank], &c->lay, ring_number(cfg->machine, rank, cfg->rank));
    }
    c->index[rank] = c->n++;
}

int vc_ivshmem_chan_create(const struct vc_ivshmem_chan_cfg *cfg, struct vc_chan **out)
{
    *out = NULL;
    int n = 1 + vc_ivshmem_senders(cfg->machine, cfg->size, cfg->rank);
    bool fits = n - 1 <= cfg->senders && cfg->machine[cfg->rank] >= 0;
    for (int r = 0; fits && n > 1 && r < cfg->size; r++)
        fits = cfg->machine[r] < 0 || (cfg->mem[r] && (uintptr_t)cfg->mem[r] % VC_LINE_PAIR == 0);
    if (!fits)
        return vc_fail(VC_ERR_INVAL, "the ivshmem channel needs memory of all ranks, aligned to %d bytes",
                       VC_LINE_PAIR);
    struct ivshmem_chan *c = calloc(1, sizeof *c);
    if (c) {
        c->index = malloc((size_t)cfg->size * sizeof *c->index);
        c->peers = calloc((size_t)n, sizeof *c->peers);
    }
    if (!c || !c->index || !c->peers || !vc_busy_peers_init(&c->busy, n)) {
        if (c)
            ivshmem_destroy(&c->base);
        return vc_fail(VC_ERR_NOMEM, "no memory for the ivshmem channel of %d ranks", n);
    }
    c->base = (struct vc_chan){.ops = &ivshmem_ops, .rank = cfg->rank, .size = cfg->size};
    c->lay = layout(cfg->senders, cfg->budget);
    c->key = cfg->key;
    c->check = cfg->check;
    c->arg = cfg->arg;
    c->own = n > 1 ? (struct board *)(void *)cfg->mem[cfg->rank] : NULL;
    for (int r = 0; r < cfg->size; r++) {
        c->index[r] = -1;
        if (r != cfg->rank && cfg->machine[r] >= 0 && cfg->machine[r] != cfg->machine[cfg->rank])
            add_peer(c, cfg, r);
    }
    add_peer(c, cfg, cfg->rank); /* the last */
    *out = &c->base;
    return VC_OK;
}
