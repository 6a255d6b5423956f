/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/node_rig.h"

#include "tests/unit/turned.h"
#include "tests/unit/conformance/harness.h"
#include "transport/shm/shm_chan.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int no_progress(void)
{
    return -1;
}

unsigned next_random(unsigned *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

/* What element i of rank r's vector of round t is; affine maps x -> a x + b as 2 x 16 bits: not commutative.
 */
static uint32_t element(int r, int t, size_t i)
{
    uint32_t h = (uint32_t)r * 2654435761u ^ (uint32_t)t * 40503u ^ (uint32_t)i * 97u;
    return (h << 1 | 1u);
}

static void compose(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    const uint32_t *x = a, *y = b;
    uint32_t *z = out;
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t p = x[i], q = y[i];
        uint16_t m = (uint16_t)((p & 0xffff) * (q & 0xffff)),
                 c = (uint16_t)((p >> 16) * (q & 0xffff) + (q >> 16));
        z[i] = (uint32_t)c << 16 | m;
    }
}

static void add(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    const uint32_t *x = a, *y = b;
    uint32_t *z = out;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        z[i] = x[i] + y[i];
}

/* An operator of a user, which may not write over its left operand. */
static void compose_to(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    if ((const char *)out < (const char *)a + 4 * count && (const char *)a < (const char *)out + 4 * count)
        abort();
    compose(a, b, out, count, ctx);
}

/* The result of an operator over elements first..first+count of the vectors of ranks 0..operands-1. */
static void reduce_all(const struct vc_redop *op, int operands, int t, size_t first, size_t count,
                       uint32_t *out)
{
    enum { BLOCK = 256 };
    uint32_t left[BLOCK], right[BLOCK];
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t m = vc_min_size(count - at, BLOCK);
        for (size_t i = 0; i < m; i++)
            out[at + i] = element(0, t, first + at + i);
        for (int r = 1; r < operands; r++) {
            memcpy(left, out + at, 4 * m);
            for (size_t i = 0; i < m; i++)
                right[i] = element(r, t, first + at + i);
            op->fn(left, right, out + at, m, op->ctx);
        }
    }
}

/* As vc_node_run(), by progress calls, as plans do it. */
static int run_by_progress(struct vc_node *nd, struct vc_node_call *c)
{
    int whom = VC_WAIT_ANY, rc = vc_node_start(nd, c);
    while (rc == 0 && (rc = vc_node_progress(nd, c, &whom)) == 0)
        sched_yield();
    return rc < 0 ? rc : VC_OK;
}

#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "rank %d round %d kind %d len %zu root %d: %s (last error: %s)\n", me, t,        \
                    (int)c.kind, c.len, c.root, #cond, vc_error_text());                                     \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

static size_t rank_bytes(int n, int r, size_t bulk, const struct vc_levels *levels)
{
    return vc_node_bytes(n, bulk) + vc_node_tree_bytes(levels, n, r, bulk) + VC_LINE_PAIR;
}

size_t node_bytes(int n, size_t bulk, const struct vc_levels *levels)
{
    size_t all = vc_node_common_bytes(n);
    for (int r = 0; r < n; r++)
        all += rank_bytes(n, r, bulk, levels);
    return all;
}

void place_ranks(char *base, int n, size_t bulk, const struct vc_levels *levels, char *mem[])
{
    char *at = base + vc_node_common_bytes(n);
    for (int r = n - 1; r >= 0; r--) {
        mem[r] = at;
        at += rank_bytes(n, r, bulk, levels);
    }
}

/* Bytes that rank i has for rank j in round t: often none, seldom as many as can be. */
static size_t pair_len(int t, int i, int j, size_t most)
{
    uint32_t h = element(i, t, (size_t)j + 1000) * 2654435761u >> 8;
    return h % 4 == 0 ? 0 : h % 4 == 1 ? h / 4 % 30 : h / 4 % (most + 1);
}

/* Some of a rank's blocks lie turned. */
struct turned_blocks {
    struct turned block[2][256];
    const void *side[2][256];
    struct vc_view view;
};

static void turn_blocks(struct turned_blocks *v, struct vc_node_call *c, int n, unsigned how)
{
    const struct vc_pairs *p = c->pairs;
    for (int r = 0; r < n; r++) {
        v->side[0][r] = v->side[1][r] = NULL;
        if (p->src_len[r] && next_random(&how) % 2) {
            turned_init(&v->block[0][r], p->src_len[r]);
            put_turned(&v->block[0][r], 0, p->src_len[r], p->src[r]);
            memset((char *)(uintptr_t)p->src[r], 0xdd, p->src_len[r]);
            v->side[0][r] = &v->block[0][r];
        }
        if (p->dst_len[r] && next_random(&how) % 2) {
            turned_init(&v->block[1][r], p->dst_len[r]);
            v->side[1][r] = &v->block[1][r];
        }
    }
    v->view = (struct vc_view){
        .get = get_turned, .put = put_turned, .src_blocks = v->side[0], .dst_blocks = v->side[1]};
    c->view = &v->view;
}

static void turn_back(struct turned_blocks *v, const struct vc_node_call *c, int n)
{
    for (int r = 0; r < n; r++) {
        if (v->side[0][r])
            free(v->block[0][r].mem);
        if (!v->side[1][r])
            continue;
        get_turned(v->side[1][r], 0, c->pairs->dst_len[r], c->pairs->dst[r]);
        free(v->block[1][r].mem);
    }
}

/* A round of blocks whose lengths only pairs know. */
static int run_pairs(const struct job *job, int me, struct vc_node *nd, struct vc_node_call *call, int t,
                     size_t most, unsigned char *send, unsigned char *recv)
{
    const char *src[256];
    char *dst[256];
    size_t src_len[256], dst_len[256], at = 0, to = 0;
    struct vc_pairs pairs = {src, dst, src_len, dst_len};
    struct vc_node_call c = *call;
    for (int r = 0; r < job->n; r++) {
        src_len[r] = pair_len(t, me, r, most);
        dst_len[r] = pair_len(t, r, me, most);
        src[r] = (char *)send + at;
        for (size_t i = 0; i < src_len[r]; i++)
            send[at++] = (unsigned char)(element(me, t, i) + (uint32_t)r * 7);
        /* From the last to the first, with gaps. */
        int b = job->n - 1 - r;
        dst[b] = (char *)recv + to;
        to += pair_len(t, b, me, most) + 1;
    }
    memset(recv, 0xee, to);
    c.len = 0;
    c.src = c.dst = NULL;
    c.pairs = &pairs;
    struct turned_blocks turned = {.side = {{NULL}}};
    bool turns = vc_node_takes_view(nd, &c) && (t + me) % 3 == 0;
    if (turns)
        turn_blocks(&turned, &c, job->n, (unsigned)(t * 256 + me));
    CHECK((t % 4 == me % 4 ? run_by_progress(nd, &c) : vc_node_run(nd, &c)) == VC_OK);
    if (turns)
        turn_back(&turned, &c, job->n);
    for (int r = 0; r < job->n; r++) {
        for (size_t i = 0; i < dst_len[r]; i++)
            CHECK((unsigned char)dst[r][i] == (unsigned char)(element(r, t, i) + (uint32_t)me * 7));
        CHECK((unsigned char)dst[r][dst_len[r]] == 0xee);
    }
    return 0;
}

/* Bytes behind a result that must stay as they were. */
#define BEHIND 256

struct buffers {
    uint32_t *send, *recv, *expect;
    size_t cap; /* bytes of each */
};

/* The call sees the data, the result or both through a view, and the buffers hold something else. */
static void see_turned(struct turned_view *v, struct vc_node_call *c, int n, int me, unsigned *own)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    bool bcast = c->kind == VC_PHASE_BCAST, root = me == c->root;
    const size_t *at = i->uneven ? c->at : NULL;
    if (bcast ? root : next_random(own) % 2)
        turned_data(v, bcast ? c->dst : (void *)(uintptr_t)c->src,
                    bcast ? c->len : vc_phase_side(i->src, c->len, at, n, me));
    if (bcast ? !root : next_random(own) % 2 || !v->view.src)
        turned_result(v, vc_phase_side(i->dst, c->len, at, n, me));
    c->view = &v->view;
}

/* Blocks whose lengths their owner and the root know, at places in any order and with holes. */
static int run_any(const struct job *job, int me, struct vc_node *nd, const struct buffers *b, int t,
                   struct vc_node_call c, unsigned *seed, bool by_progress)
{
    size_t n = (size_t)job->n, len[256] = {0}, at[256] = {0}, end = 0;
    uint32_t *send = b->send, *recv = b->recv;
    unsigned local = *seed * 31 + (unsigned)(me * job->rounds + t); /* differs between ranks */
    bool gathers = c.kind == VC_PHASE_GATHER_ANY, turned = next_random(seed) % 2;
    bool in_place = next_random(seed) % 2 && me == c.root;
    for (size_t i = 0; i < n; i++) {
        size_t r = turned ? n - 1 - i : i, most = next_random(seed) % 3 ? vc_min_size(c.len, 160) : c.len;
        len[r] = next_random(seed) % 4 ? next_random(seed) % (most + 1) / 4 : 0;
        at[r] = end;
        end += len[r];
        if (end + 2 < b->cap / 4 && c.len < job->max_len / 2)
            end++;
    }
    size_t touched = vc_min_size(4 * end + BEHIND, b->cap);
    memset(recv, 0xee, touched);
    memset(send, 0xee, touched);
    for (size_t r = 0; r < n && !gathers && me == c.root; r++)
        for (size_t i = 0; i < len[r]; i++)
            send[at[r] + i] = element((int)r, t, i);
    uint32_t *own = in_place ? (gathers ? recv : send) + at[me] : gathers ? send : recv;
    for (size_t i = 0; i < len[me] && gathers; i++)
        own[i] = element(me, t, i);
    c.len = 4 * len[me];
    c.src = gathers ? own : send;
    c.dst = gathers ? recv : own;
    for (size_t r = 0; r < n; r++) {
        at[r] *= 4;
        len[r] *= 4;
    }
    c.at = me == c.root ? at : NULL;
    c.lens = me == c.root ? len : NULL;
    struct turned_view view = {.view = {.src = NULL}};
    if (!in_place && vc_node_takes_view(nd, &c)) {
        bool has_src = gathers || me == c.root, has_dst = !gathers || me == c.root;
        size_t all = 4 * end;
        if (has_src && next_random(&local) % 2)
            turned_data(&view, send, gathers ? c.len : all);
        if (has_dst && next_random(&local) % 2)
            turned_result(&view, gathers ? all : c.len);
        c.view = &view.view;
    }
    CHECK((by_progress ? run_by_progress(nd, &c) : vc_node_run(nd, &c)) == VC_OK);
    turned_end(&view, send, recv);
    for (size_t i = 0; i < len[me] / 4 && !gathers; i++)
        CHECK(own[i] == element(me, t, i));
    if (!gathers && !in_place)
        CHECK(((unsigned char *)recv)[len[me]] == 0xee);
    for (size_t r = 0; r < n && gathers && me == c.root; r++) {
        for (size_t i = 0; i < len[r] / 4; i++)
            CHECK(recv[at[r] / 4 + i] == element((int)r, t, i));
        memset((char *)recv + at[r], 0xee, len[r]);
    }
    for (size_t i = 0; i < touched && gathers && (me == c.root || !in_place); i++)
        CHECK(((unsigned char *)recv)[i] == 0xee); /* holes */
    return 0;
}

static int run_rounds(const struct job *job, int me, struct vc_node *nd, const struct buffers *b)
{
    size_t n = (size_t)job->n, cap = b->cap;
    uint32_t *send = b->send, *recv = b->recv, *expect = b->expect;
    unsigned seed = job->seed, own = job->seed * 31 + (unsigned)me;
    int ctx;
    struct vc_redop ops[] = {{compose, NULL, 4, false}, {compose_to, &ctx, 4, false}, {add, NULL, 4, true}};
    for (int t = 0; t < job->rounds; t++) {
        struct vc_node_call c = {0};
        c.kind = (enum vc_node_phase)(next_random(&seed) % VC_PHASE_COUNT);
        if (job->kind)
            c.kind = (enum vc_node_phase)(job->kind - 1);
        if (c.kind >= VC_PHASE_STEPS && n > VC_ANY_RANKS)
            c.kind = VC_PHASE_ALLREDUCE;
        c.root = (int)(next_random(&seed) % n);
        c.parts = 1 + (int)(next_random(&seed) % n);
        unsigned size_class = next_random(&seed) % 8;
        size_t max = size_class < 4 ? 64 : size_class < 7 ? vc_min_size(9000, job->max_len) : job->max_len;
        c.len = next_random(&seed) % (max + 1) / 4 * 4;
        if (c.kind == VC_PHASE_BARRIER)
            c.len = 0;
        if (next_random(&seed) % 8 == 0) /* a broadcast that the node has no part in, between its own */
            vc_node_pass(nd, c.len);
        c.alg = job->cma && next_random(&seed) % 2 ? VC_NODE_CMA : VC_NODE_AUTO;
        if (c.kind >= VC_PHASE_STEPS) {
            if (job->dawdle && next_random(&own) % 16 == 0)
                usleep(next_random(&own) % 600);
            if (run_any(job, me, nd, b, t, c, &seed, next_random(&own) % 4 == 0))
                return 1;
            continue;
        }
        bool in_place = next_random(&seed) % 2;
        if (c.kind == VC_PHASE_ALLTOALLV) {
            if (run_pairs(job, me, nd, &c, t, c.len, (unsigned char *)send, (unsigned char *)recv) != 0)
                return 1;
            continue;
        }
        if (c.kind == VC_PHASE_REDUCE_BLOCKS || c.kind == VC_PHASE_REDUCE_BLOCKSV)
            in_place = false;
        if ((c.kind == VC_PHASE_ALLTOALL || c.kind == VC_PHASE_ALLGATHER || c.kind == VC_PHASE_GATHER ||
             c.kind == VC_PHASE_SCATTER) &&
            c.alg == VC_NODE_CMA)
            in_place = false;
        const struct vc_redop *op = c.op = &ops[next_random(&seed) % 3];
        /* Slices consist of whole elements; blocks are cut anywhere. */
        c.grain = vc_phase_info[c.kind].reduces || vc_phase_sliced(c.kind) ? 4 : 1;
        size_t cnt = c.len / 4;
        /* Blocks of any lengths up to that, some of them empty; the first one that is as long as can be
         * decides. */
        size_t at[257] = {0};
        if (vc_phase_info[c.kind].uneven) {
            size_t longest = 0;
            for (size_t r = 0; r < n; r++) {
                size_t len = next_random(&seed) % 4 == 0 ? 0 : next_random(&seed) % (cnt + 1);
                at[r + 1] = at[r] + len * 4;
                longest = len * 4 > longest ? len * 4 : longest;
            }
            c.len = longest;
            c.at = at;
            cnt = (at[me + 1] - at[me]) / 4;
            if (c.kind == VC_PHASE_SCATTERV)
                cnt = at[n] / 4;
        }
        size_t send_n = vc_phase_info[c.kind].src != VC_EXTENT_EACH ? cnt
                        : vc_phase_info[c.kind].uneven              ? at[n] / 4
                                                                    : cnt * n;
        bool blocks =
            vc_phase_info[c.kind].src == VC_EXTENT_EACH || vc_phase_info[c.kind].dst == VC_EXTENT_EACH;
        size_t touched = vc_phase_info[c.kind].uneven ? at[n] : blocks ? c.len * n : c.len;
        memset(recv, 0xee, vc_min_size(touched + BEHIND, cap));
        uint32_t *src = in_place ? recv : send;
        bool own_place = c.kind == VC_PHASE_ALLGATHERV || c.kind == VC_PHASE_GATHERV;
        if (in_place && own_place)
            src = recv + at[me] / 4;
        for (size_t i = 0; i < send_n; i++)
            src[i] = element(me, t, i);
        c.src = src;
        c.dst = recv;
        if (c.kind == VC_PHASE_BCAST && me == c.root)
            for (size_t i = 0; i < cnt; i++)
                recv[i] = element(me, t, i);
        if (c.kind == VC_PHASE_ALLGATHER_SLICES && me < c.parts)
            for (size_t i = vc_slice(c.len, 4, c.parts, me) / 4; i < vc_slice(c.len, 4, c.parts, me + 1) / 4;
                 i++)
                recv[i] = element(me, t, i);
        if (job->dawdle && next_random(&own) % 16 == 0)
            usleep(next_random(&own) % 600);
        bool by_progress = next_random(&own) % 4 == 0;
        struct turned_view view = {.view = {.src = NULL}};
        bool alias = in_place && c.kind != VC_PHASE_BCAST;
        if (!alias && vc_node_takes_view(nd, &c) && next_random(&own) % 2)
            see_turned(&view, &c, job->n, me, &own);
        CHECK((by_progress ? run_by_progress(nd, &c) : vc_node_run(nd, &c)) == VC_OK);
        turned_end(&view, c.kind == VC_PHASE_BCAST ? c.dst : NULL, c.dst);
        size_t lo = 0, hi = 0;
        size_t first = c.kind == VC_PHASE_REDUCE_BLOCKS    ? (size_t)me * cnt /* of the result's elements */
                       : c.kind == VC_PHASE_REDUCE_BLOCKSV ? at[me] / 4
                                                           : 0;
        if (vc_phase_info[c.kind].reduces && (c.kind != VC_PHASE_REDUCE || me == c.root))
            reduce_all(op, vc_operands_of(vc_phase_info[c.kind].operands, me, job->n), t, first, cnt, expect);
        switch (c.kind) {
        case VC_PHASE_BCAST:
            for (size_t i = 0; i < cnt; i++)
                CHECK(recv[i] == element(c.root, t, i));
            hi = cnt;
            break;
        case VC_PHASE_REDUCE:
            if (me == c.root) {
                CHECK(memcmp(recv, expect, c.len) == 0);
                hi = cnt;
            } else if (in_place) {
                hi = cnt;
            }
            break;
        case VC_PHASE_EXSCAN:
            if (me == 0) {
                for (size_t i = 0; in_place && i < cnt; i++)
                    CHECK(recv[i] == element(0, t, i));
                hi = in_place ? cnt : 0;
                break;
            }
            /* fallthrough */
        case VC_PHASE_SCAN:
        case VC_PHASE_REDUCE_BLOCKS:
        case VC_PHASE_REDUCE_BLOCKSV:
        case VC_PHASE_ALLREDUCE:
            CHECK(memcmp(recv, expect, 4 * cnt) == 0);
            hi = cnt;
            break;
        case VC_PHASE_REDUCE_SCATTER:
            if (me < c.parts) {
                lo = vc_slice(c.len, 4, c.parts, me);
                hi = vc_slice(c.len, 4, c.parts, me + 1);
                CHECK(memcmp((char *)recv + lo, (char *)expect + lo, hi - lo) == 0);
            }
            hi = cnt;
            break;
        case VC_PHASE_ALLGATHER_SLICES:
            for (int r = 0; r < c.parts; r++)
                for (size_t i = vc_slice(c.len, 4, c.parts, r) / 4;
                     i < vc_slice(c.len, 4, c.parts, r + 1) / 4; i++)
                    CHECK(recv[i] == element(r, t, i));
            hi = cnt;
            break;
        case VC_PHASE_GATHER:
            if (me != c.root) {
                hi = in_place ? cnt : 0;
                break;
            }
            /* fallthrough */
        case VC_PHASE_ALLGATHER:
            for (size_t r = 0; r < n; r++)
                for (size_t i = 0; i < cnt; i++)
                    CHECK(recv[r * cnt + i] == element((int)r, t, i));
            hi = cnt * n;
            break;
        case VC_PHASE_GATHERV:
            if (me != c.root) {
                hi = in_place ? at[me] / 4 + cnt : 0;
                break;
            }
            /* fallthrough */
        case VC_PHASE_ALLGATHERV:
            for (size_t r = 0; r < n; r++)
                for (size_t i = 0; i < (at[r + 1] - at[r]) / 4; i++)
                    CHECK(recv[at[r] / 4 + i] == element((int)r, t, i));
            hi = at[n] / 4;
            break;
        case VC_PHASE_SCATTERV:
            for (size_t i = 0; i < (at[me + 1] - at[me]) / 4; i++)
                CHECK(recv[i] == element(c.root, t, at[me] / 4 + i));
            hi = in_place ? cnt : (at[me + 1] - at[me]) / 4;
            break;
        case VC_PHASE_SCATTER:
            for (size_t i = 0; i < cnt; i++)
                CHECK(recv[i] == element(c.root, t, (size_t)me * cnt + i));
            hi = in_place ? cnt * n : cnt;
            break;
        case VC_PHASE_ALLTOALL:
            for (size_t r = 0; r < n; r++)
                for (size_t i = 0; i < cnt; i++)
                    CHECK(recv[r * cnt + i] == element((int)r, t, (size_t)me * cnt + i));
            hi = cnt * n;
            break;
        default:
            hi = in_place ? cnt : 0;
            break;
        }
        if (!in_place || hi * 4 >= send_n * 4)
            for (size_t i = hi * 4; i < cap && i < hi * 4 + BEHIND; i++)
                CHECK(((unsigned char *)recv)[i] == 0xee);
    }
    return 0;
}

/* ---- bulk slots that come later ---- */

enum { USED_BEFORE = 0xa5 };

struct lazy {
    const struct job *job;
    char *mem;
    int me, commits, refusals;
};

static int rank_parts(const struct lazy *z, bool later, struct vc_node_part part[VC_NODE_PARTS])
{
    return vc_node_parts(z->job->levels, z->job->n, z->me, z->job->bulk, later, part);
}

static int commit_bulk(void *arg)
{
    struct lazy *z = arg;
    z->commits++;
    if (z->me >= z->job->n - z->job->refusers)
        return VC_ERR_NOMEM;
    vc_node_prepare_parts(z->mem, z->job->levels, z->job->n, z->me, z->job->bulk, true);
    return VC_OK;
}

static void refused_bulk(void *arg, bool first)
{
    struct lazy *z = arg;
    z->refusals += first == (z->me == z->job->n - z->job->refusers) ? 1 : 100;
}

/* All memory was used before, and what a node needs at once is prepared. */
static void begin_lazy(const struct lazy *z)
{
    size_t tree = vc_node_tree_bytes(z->job->levels, z->job->n, z->me, z->job->bulk);
    memset(z->mem, USED_BEFORE, vc_node_bytes(z->job->n, z->job->bulk) + tree);
    vc_node_prepare_parts(z->mem, z->job->levels, z->job->n, z->me, z->job->bulk, false);
}

/* Memory that was refused was not touched, and all others' was asked for once. */
static bool ended_well(const struct lazy *z)
{
    struct vc_node_part part[VC_NODE_PARTS];
    int parts = rank_parts(z, true, part);
    if (z->commits > 1 || z->refusals != (z->job->refusers > 0 ? z->commits : 0))
        return false;
    for (int i = 0; i < parts && z->me >= z->job->n - z->job->refusers; i++)
        for (size_t b = 0; b < part[i].bytes; b++)
            if ((unsigned char)z->mem[part[i].at + b] != USED_BEFORE)
                return false;
    return true;
}

static int run_rank(const struct job *job, void *mem, int me)
{
    struct vc_park_area *area = mem;
    struct vc_peer_id *ids = NULL;
    struct vc_parking parking = {area, job->n, me, ids, NULL};
    struct vc_wait_cfg wait = {job->mode,   20000, job->crowded, 200000, 5000000,
                               no_progress, NULL,  NULL,         NULL,   false};
    char *base = (char *)mem + vc_park_bytes(job->n);
    _Atomic pid_t *pids = (void *)base;
    base += 4096;
    pid_t all[256];
    char *parts[256];
    place_ranks(base, job->n, job->bulk, job->levels, parts);
    /* Memory that was used before. */
    char *tree = parts[me] + vc_node_bytes(job->n, job->bulk);
    memset(tree, 0xa5, vc_node_tree_bytes(job->levels, job->n, me, job->bulk));
    vc_node_tree_prepare(tree, job->levels, job->n, me, job->bulk);
    struct lazy lazy = {.job = job, .mem = parts[me], .me = me};
    struct vc_node_opener opener = {commit_bulk, refused_bulk, &lazy};
    if (job->lazy)
        begin_lazy(&lazy);
    atomic_store(&pids[me], getpid());
    for (int i = 0; i < job->n; i++)
        while ((all[i] = atomic_load(&pids[i])) == 0)
            usleep(100);
    struct vc_node_cfg cfg = {.mem = parts,
                              .common = base,
                              .n = job->n,
                              .me = me,
                              .bulk = job->bulk,
                              .parking = &parking,
                              .wait = &wait,
                              .own_cpus = !job->crowded || job->own_cpus,
                              .levels = job->levels,
                              .reproducible = job->reproducible,
                              .cma_pids = job->cma ? all : NULL,
                              .cma_min = 30000,
                              .opener = job->lazy ? &opener : NULL};
    struct vc_node *nd;
    if (vc_node_create(&cfg, &nd) != VC_OK)
        return 2;
    struct buffers b = {.cap = job->max_len * (size_t)job->n + 1024};
    b.send = malloc(b.cap);
    b.recv = malloc(b.cap);
    b.expect = malloc(b.cap);
    int rc = b.send && b.recv && b.expect ? run_rounds(job, me, nd, &b) : 2;
    vc_node_destroy(nd);
    if (rc == 0 && job->lazy && !ended_well(&lazy))
        rc = 3;
    free(b.send);
    free(b.recv);
    free(b.expect);
    return rc;
}

bool run_ranks(const struct job *job)
{
    size_t len = vc_park_bytes(job->n) + 4096 + node_bytes(job->n, job->bulk, job->levels);
    void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return false;
    pid_t pid[256];
    for (int i = 0; i < job->n; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            alarm(60);
            exit(run_rank(job, mem, i));
        }
    }
    bool good = true;
    for (int i = 0; i < job->n; i++) {
        int status;
        if (waitpid(pid[i], &status, 0) != pid[i] || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            good = false;
            for (int j = 0; j < job->n; j++) /* the others would wait for it */
                if (j != i)
                    kill(pid[j], SIGTERM);
        }
    }
    munmap(mem, len);
    return good;
}

struct threads {
    const struct job *job;
    void *mem;
};

static int run_thread(int me, void *arg)
{
    const struct threads *t = arg;
    return run_rank(t->job, t->mem, me);
}

bool run_ranks_as_threads(const struct job *job)
{
    size_t len = vc_park_bytes(job->n) + 4096 + node_bytes(job->n, job->bulk, job->levels);
    struct threads t = {job, aligned_alloc(4096, vc_round_up(len, 4096))};
    if (!t.mem)
        return false;
    memset(t.mem, 0, len);
    bool good = hs_threads(job->n, run_thread, &t) == 0;
    free(t.mem);
    return good;
}
