/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VC_PHASE_ALLTOALLV: each rank has a block for each other one, and only the two of a pair know its length.
 *
 * Every rank publishes a header: for each other rank a word with the length of its block, and behind the
 * words the blocks themselves where all of them have room there. Otherwise they follow in chunks through the
 * small or the bulk ring, in which each reader has a place of its own. Long blocks may go by single copy:
 * then the header has their address, the reader copies, and confirms. The writer says which way each block
 * goes, so nobody else needs to know lengths, and the ring of the header depends on the number of ranks
 * alone. All ranks see all headers, so that they count the slots of this operation alike when it ends.
 */
#include "coll/node/copy.h"
#include "coll/node/impl.h"
#include "transport/shm/single.h"

/* Up to so many ranks the header goes through a tiny slot: words and addresses have room in it. */
#define TINY_RANKS 8
/* How often a rank looks for a header that is late before it waits as the policy says: as small.c. */
#define POLLS         400
#define POLLS_CROWDED 8
/* Own blocks of so many bytes may be copied late. */
#define OWN_LATER 4096
/* Slots that the header takes: for itself, and for "I have read what I copy myself". */
#define HEADER_SLOTS 2

/* The word for a reader: length, where in the header the block or its address is (0: in chunks), by single
 * copy. */
#define LEN_BITS      48
#define AT_BITS       15
#define BY_COPY       (UINT64_C(1) << 63)
#define WORD(len, at) ((uint64_t)(len) | (uint64_t)(at) << LEN_BITS)

/* The word for the writer itself: how many chunks it writes, and through which ring. */
#define THROUGH_BULK (UINT64_C(1) << 63)

static size_t len_of(uint64_t word)
{
    return word & ((UINT64_C(1) << LEN_BITS) - 1);
}

static size_t at_of(uint64_t word)
{
    return word >> LEN_BITS & ((UINT64_C(1) << AT_BITS) - 1);
}

static struct vc_node_ring *header_ring(struct vc_node *nd)
{
    return nd->n <= TINY_RANKS ? &nd->tiny : &nd->small;
}

/* Bytes of a chunk that each reader has. */
static size_t piece_of(const struct vc_node *nd, const struct vc_node_ring *ring)
{
    return ring->cap / (size_t)(nd->n - 1) & ~(size_t)7;
}

/* Which of the places in a chunk of `writer` is that of `reader`. */
static size_t place_of(int writer, int reader)
{
    return (size_t)(reader < writer ? reader : reader - 1);
}

/* What this rank knows of an operation; one at a time is under way. */
struct vc_node_pairs {
    struct vc_node_ring *data; /* of this rank's chunks */
    uint64_t begin[2];         /* first slot of the chunks in the small ring, in the bulk ring */
    uint64_t most[2];          /* chunks that some rank writes there */
    uint64_t chunks, written;
    size_t piece;
    int copies;     /* blocks that others copy from here */
    int confirmed;  /* ranks below this one have confirmed what they copy, or copy nothing */
    int copied;     /* blocks that this rank copies itself */
    int headers;    /* headers seen, of the others */
    int left;       /* ranks whose blocks are still to be read */
    bool polled;    /* in vain: the rest is for the wait policy */
    bool own;       /* the own block is still to be copied */
    struct source { /* by rank */
        uint64_t word, chunks, read;
        bool seen, bulk;
    } from[];
};

size_t vc_node_pairs_bytes(int n)
{
    return sizeof(struct vc_node_pairs) + (size_t)n * sizeof(struct source);
}

/* The side of the view that has this rank's block for rank r, or gets the one from there; NULL: it lies where
 * the call's pairs say. */
static const void *data_side(const struct vc_node_call *c, int r)
{
    return c->view && c->view->src_blocks ? c->view->src_blocks[r] : NULL;
}

static const void *result_side(const struct vc_node_call *c, int r)
{
    return c->view && c->view->dst_blocks ? c->view->dst_blocks[r] : NULL;
}

static bool goes_by_copy(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    size_t len = c->pairs->src_len[r];
    /* What has to be packed is packed into slots. Where chunks share the small ring with the header,
     * confirmations could be overwritten. */
    return !data_side(c, r) && c->alg == VC_NODE_CMA && nd->cma_pids && len >= nd->pairs_copy &&
           (nd->n <= TINY_RANKS || nd->bulk.cap);
}

int vc_node_pairs_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_pairs *p = nd->pairs;
    struct vc_node_ring *ring = header_ring(nd);
    if (nd->n > VC_NODE_PAIRS_RANKS || !p)
        return vc_fail(VC_ERR_UNSUPPORTED, "blocks of %d ranks, and there is room for %d", nd->n,
                       VC_NODE_PAIRS_RANKS);
    memset(p, 0, vc_node_pairs_bytes(nd->n));
    c->st.ring = ring;
    c->st.base = ring->pos;
    c->st.stages = 1;
    c->st.rd = 0;
    c->st.idle = 0;
    ring->pos += HEADER_SLOTS;
    p->begin[0] = nd->small.pos;
    p->begin[1] = nd->bulk.pos;
    p->left = nd->n - 1;
    return VC_OK;
}

/* ---- writing ---- */

/* Which way the blocks of this rank go, and the words that say so. */
static void choose_ways(struct vc_node *nd, const struct vc_node_call *c, uint64_t *words)
{
    struct vc_node_pairs *p = nd->pairs;
    const struct vc_pairs *v = c->pairs;
    size_t longest = 0, words_end = (size_t)nd->n * sizeof *words, room = c->st.ring->cap - words_end,
           need = 0;
    for (int r = 0; r < nd->n; r++) {
        if (r == nd->me)
            continue;
        bool copy = goes_by_copy(nd, c, r);
        size_t len = copy ? sizeof(uint64_t) : v->src_len[r];
        p->copies += copy;
        if (!copy && len > longest)
            longest = len;
        need = len > room - need ? room + 1 : need + len;
        if (need > room)
            need = room + 1;
    }
    bool all_here = need <= room;
    size_t at = words_end;
    for (int r = 0; r < nd->n; r++) {
        bool copy = r != nd->me && goes_by_copy(nd, c, r);
        bool here = copy || (all_here && v->src_len[r] > 0);
        words[r] = r == nd->me ? 0 : WORD(v->src_len[r], here ? at : 0) | (copy ? BY_COPY : 0);
        if (r != nd->me && here)
            at += copy ? sizeof(uint64_t) : v->src_len[r];
    }
    if (all_here)
        return;
    /* The small ring takes what has room in one chunk, unless it is the header's; else the bulk ring, if
     * there is one. */
    bool bulk = nd->bulk.cap && (nd->n > TINY_RANKS || longest > piece_of(nd, &nd->small));
    p->data = bulk ? &nd->bulk : &nd->small;
    p->piece = piece_of(nd, p->data);
    p->chunks = (longest + p->piece - 1) / p->piece;
    words[nd->me] = p->chunks | (bulk ? THROUGH_BULK : 0);
}

/* Bytes [at, at + len) of the block for rank r. */
static void give(const struct vc_node_call *c, char *slot, int r, size_t at, size_t len)
{
    const void *side = data_side(c, r);
    if (side)
        c->view->get(side, at, len, slot);
    else
        vc_copy(slot, c->pairs->src[r] + at, len, VC_COPY_GIVE);
}

/* The same of the block from rank r. */
static void take(const struct vc_node_call *c, int r, size_t at, const char *from, size_t len)
{
    const void *side = result_side(c, r);
    if (side)
        c->view->put(side, at, len, from);
    else
        vc_copy(c->pairs->dst[r] + at, from, len, VC_COPY_TAKE);
}

static void copy_own(const struct vc_node_call *c, int me)
{
    const struct vc_pairs *v = c->pairs;
    const void *src = data_side(c, me), *dst = result_side(c, me);
    size_t len = v->src_len[me];
    if (src && dst)
        vc_node_copy_sides(c->view, dst, 0, src, 0, len);
    else if (src)
        c->view->get(src, 0, len, v->dst[me]);
    else if (dst)
        c->view->put(dst, 0, len, v->src[me]);
    else
        vc_copy_own(v->dst[me], v->src[me], len, 0);
}

/* Appends the blocks, and addresses, that have room in the header. */
static void fill_header(const struct vc_node *nd, const struct vc_node_call *c, const uint64_t *words,
                        char *slot)
{
    const struct vc_pairs *v = c->pairs;
    memcpy(slot, words, (size_t)nd->n * sizeof *words);
    for (int r = 0; r < nd->n; r++) {
        size_t at = at_of(words[r]);
        if (r == nd->me || at == 0)
            continue;
        if (words[r] & BY_COPY) {
            uint64_t address = (uint64_t)(uintptr_t)v->src[r];
            memcpy(slot + at, &address, sizeof address);
        } else {
            give(c, slot + at, r, 0, v->src_len[r]);
        }
    }
}

/* If it was not copied before. */
static void copy_own_block(struct vc_node *nd, const struct vc_node_call *c)
{
    if (nd->pairs->own)
        copy_own(c, nd->me);
    nd->pairs->own = false;
}

static void publish_header(struct vc_node *nd, struct vc_node_call *c)
{
    uint64_t words[VC_NODE_PAIRS_RANKS];
    const struct vc_pairs *v = c->pairs;
    size_t own = v->src_len[nd->me];
    choose_ways(nd, c, words);
    fill_header(nd, c, words, vc_payload(c->st.ring, nd->me, c->st.base));
    vc_publish(nd, c->st.ring, c->st.base);
    nd->pairs->own = own && v->src[nd->me] != v->dst[nd->me];
    /* After publishing, so that the others can begin. Where they copy from here, the own block fills the time
     * until they have. */
    if (!nd->pairs->copies || own < OWN_LATER)
        copy_own_block(nd, c);
}

static bool in_bulk(const struct vc_node *nd, const struct vc_node_ring *ring)
{
    return ring == &nd->bulk;
}

/* The next chunk, if its slot is free. */
static bool write_chunk(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_pairs *p = nd->pairs;
    const struct vc_pairs *v = c->pairs;
    if (p->written == p->chunks)
        return false;
    uint64_t g = p->begin[in_bulk(nd, p->data)] + p->written;
    if (!vc_may_write(nd, p->data, g, whom))
        return false;
    char *slot = vc_payload(p->data, nd->me, g);
    size_t off = (size_t)p->written * p->piece;
    for (int r = 0; r < nd->n; r++) {
        size_t len = v->src_len[r];
        if (r == nd->me || len <= off || goes_by_copy(nd, c, r))
            continue;
        give(c, slot + place_of(nd->me, r) * p->piece, r, off, vc_min_size(len - off, p->piece));
    }
    vc_publish(nd, p->data, g);
    p->written++;
    return true;
}

/* ---- reading ---- */

static int copy_alone(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t from,
                      size_t len)
{
    const void *side = result_side(c, r);
    if (side)
        return vc_node_fetch(nd, c->view, side, 0, r, from, len);
    return vc_single_read(nd->cma_pids[r], vc_map_of(nd, r), c->pairs->dst[r], from, len, VC_COPY_TAKE);
}

static int header_arrived(struct vc_node *nd, struct vc_node_call *c, int r)
{
    struct vc_node_pairs *p = nd->pairs;
    struct source *s = &p->from[r];
    const struct vc_pairs *v = c->pairs;
    const char *slot = vc_payload(c->st.ring, r, c->st.base);
    uint64_t own;
    memcpy(&own, slot + (size_t)r * sizeof own, sizeof own);
    memcpy(&s->word, slot + (size_t)nd->me * sizeof own, sizeof own);
    size_t len = len_of(s->word);
    if (len != v->dst_len[r])
        return vc_pair_differs(nd, r, len, v->dst_len[r]);
    s->seen = true;
    p->headers++;
    s->bulk = (own & THROUGH_BULK) != 0;
    uint64_t all = own & ~THROUGH_BULK, *most = &p->most[s->bulk];
    *most = all > *most ? all : *most;
    size_t at = at_of(s->word);
    if (s->word & BY_COPY) {
        uint64_t address;
        memcpy(&address, slot + at, sizeof address);
        int err = copy_alone(nd, c, r, address, len);
        if (err != VC_OK)
            return err;
        p->copied++;
    } else if (at != 0) {
        take(c, r, 0, slot + at, len);
    } else {
        size_t piece = piece_of(nd, s->bulk ? &nd->bulk : &nd->small);
        s->chunks = (len + piece - 1) / piece;
    }
    return VC_OK;
}

/* Whether the header of rank r is there, or comes soon. */
static bool header_comes(struct vc_node *nd, const struct vc_node_call *c, int r)
{
    struct vc_node_pairs *p = nd->pairs;
    int polls = p->polled || p->own ? 1 : vc_wait_crowded(nd->wait) ? POLLS_CROWDED : POLLS;
    while (polls-- > 0)
        if (vc_ready(c->st.ring, r, c->st.base))
            return true;
    p->polled = !p->own;
    return false;
}

/* Moves rank r's block on. 1: something was read. 0: *whom is waited for, or it is all there. */
static int read_from(struct vc_node *nd, struct vc_node_call *c, int r, int *whom)
{
    struct vc_node_pairs *p = nd->pairs;
    struct source *s = &p->from[r];
    int moved = 0;
    if (!s->seen) {
        if (!header_comes(nd, c, r)) {
            *whom = vc_slowest(nd, c->st.ring, r, c->st.base);
            return 0;
        }
        int err = header_arrived(nd, c, r);
        if (err != VC_OK)
            return err;
        moved = 1;
        p->left -= s->chunks == 0;
    }
    const struct vc_node_ring *ring = s->bulk ? &nd->bulk : &nd->small;
    size_t piece = piece_of(nd, ring), len = len_of(s->word);
    for (; s->read < s->chunks; s->read++, moved = 1) {
        uint64_t g = p->begin[s->bulk] + s->read;
        if (!vc_ready(ring, r, g)) {
            *whom = r;
            return moved;
        }
        size_t off = (size_t)s->read * piece;
        take(c, r, off, vc_payload(ring, r, g) + place_of(r, nd->me) * piece, vc_min_size(len - off, piece));
        p->left -= s->read + 1 == s->chunks;
    }
    return moved;
}

/* Tells which chunks of a ring this rank will not read any more, so that their slots are free. */
static void free_chunks(struct vc_node *nd, bool bulk)
{
    const struct vc_node_pairs *p = nd->pairs;
    uint64_t least = p->most[bulk];
    if (least == 0)
        return;
    for (int r = 0; r < nd->n; r++) {
        const struct source *s = &p->from[r];
        if (r != nd->me && s->bulk == bulk && s->read < s->chunks && s->read < least)
            least = s->read;
    }
    if (least > 0)
        vc_set_done(nd, bulk ? &nd->bulk : &nd->small, p->begin[bulk] + least);
}

/* Whether those that copy from here have confirmed that they did. */
static bool all_confirmed(struct vc_node *nd, const struct vc_node_call *c, int *whom)
{
    struct vc_node_pairs *p = nd->pairs;
    for (; p->copies && p->confirmed < nd->n; p->confirmed++) {
        int r = p->confirmed;
        if (r == nd->me || !goes_by_copy(nd, c, r))
            continue;
        if (!vc_ready(c->st.ring, r, c->st.base + 1)) {
            *whom = vc_slowest(nd, c->st.ring, r, c->st.base + 1);
            return false;
        }
    }
    return true;
}

/* All is written and read: the slots are counted. */
static void leave(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_pairs *p = nd->pairs;
    struct vc_node_ring *const data[2] = {&nd->small, &nd->bulk};
    vc_learned(c->st.ring, c->st.base);
    for (int i = 0; i < 2; i++) {
        uint64_t own = p->data == data[i] ? p->chunks : 0, chunks = own > p->most[i] ? own : p->most[i];
        if (chunks == 0)
            continue;
        /* That a rank has published its header tells that it has left all operations before this one, and
         * not that it has read the others' headers, which may be in the same ring. */
        vc_learned(data[i], data[i] == c->st.ring ? c->st.base : p->begin[i]);
        data[i]->pos = p->begin[i] + chunks;
        vc_set_done(nd, data[i], data[i]->pos);
    }
    if (c->st.ring->pos == c->st.base + HEADER_SLOTS) /* no chunks behind it in the same ring */
        vc_set_done(nd, c->st.ring, c->st.base + HEADER_SLOTS);
    c->st.phase = -1;
}

enum { POST, MOVE, CONFIRM };

int vc_node_pairs_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_pairs *p = nd->pairs;
    if (c->st.phase == POST) {
        if (!vc_may_write(nd, c->st.ring, c->st.base + 1, whom))
            return 0;
        publish_header(nd, c);
        c->st.phase = MOVE;
    }
    while (c->st.phase == MOVE) {
        bool moved = write_chunk(nd, c, whom);
        for (int i = 1; i < nd->n && p->left > 0; i++) {
            int r = nd->me + i < nd->n ? nd->me + i : nd->me + i - nd->n;
            const struct source *s = &p->from[r];
            if (s->seen && s->read == s->chunks)
                continue;
            int rc = read_from(nd, c, r, whom);
            if (rc < 0)
                return rc;
            moved |= rc > 0;
        }
        if (moved && p->headers == nd->n - 1) { /* they say what is to be read */
            free_chunks(nd, false);
            free_chunks(nd, true);
        }
        if (p->left == 0 && p->written == p->chunks) {
            if (p->copied)
                vc_publish(nd, c->st.ring, c->st.base + 1);
            copy_own_block(nd, c);
            c->st.phase = CONFIRM;
        } else if (!moved) {
            if (!p->own)
                return 0;
            copy_own_block(nd, c);
        }
    }
    if (!all_confirmed(nd, c, whom))
        return 0;
    leave(nd, c);
    return 1;
}
