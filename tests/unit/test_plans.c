/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Proves every plan algorithm of a collective on paper: all sizes 1..64 with every root, sampled sizes up to
 * 300, several parameters, hierarchies, message lengths, operator classes, IN_PLACE or not. Usage: test_plans
 * <collective> [largest size]
 */
#include "coll/check/check.h"
#include "coll/info.h"
#include "transport/base.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_SIZES 64
static const int more_sizes[] = {65, 96, 100, 127, 128, 129, 192, 256, 257, 300};
#define MAX_SIZE 300

static long checked, skipped;
static struct vc_proven *known;
static int failures;

/* ---- hierarchies ---- */

enum placement { ONE_NODE, SINGLE_RANKS, BLOCKS, UNEVEN, ROUND_ROBIN, SCATTERED, PLACEMENTS };
static const char *const placement_names[] = {"one node",      "a rank a node", "blocks",
                                              "uneven blocks", "round robin",   "scattered"};

struct place {
    struct vc_hier h;
    int node_of[MAX_SIZE], local_of[MAX_SIZE], first[MAX_SIZE + 1], members[MAX_SIZE], host_of[MAX_SIZE];
};

static unsigned scramble(unsigned x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

/* Any number that tells nodes apart; they are renumbered by lowest rank. */
static int colour(enum placement kind, int size, int rank)
{
    int per = size % 4 == 0 ? 4 : size % 3 == 0 ? 3 : size % 2 == 0 ? 2 : size % 5 == 0 ? 5 : 1;
    int nodes = size / per;
    switch (kind) {
    case ONE_NODE:
        return 0;
    case SINGLE_RANKS:
        return rank;
    case BLOCKS:
        return rank / per;
    case UNEVEN: {
        /* 3, 1, 4, 2, 5 ranks and again */
        static const int end[] = {3, 4, 8, 10, 15};
        int i = 0;
        while (rank % 15 >= end[i])
            i++;
        return rank / 15 * 5 + i;
    }
    case ROUND_ROBIN:
        return rank % nodes;
    default:
        return (int)(scramble((unsigned)(rank * 1000 + size)) % (unsigned)(1 + size / 3));
    }
}

static void place_init(struct place *p, enum placement kind, int size)
{
    int seen[MAX_SIZE], n = 0, at = 0;
    memset(p, 0, sizeof *p);
    for (int r = 0; r < size; r++) {
        int c = colour(kind, size, r), i = 0;
        while (i < n && seen[i] != c)
            i++;
        if (i == n)
            seen[n++] = c;
        p->node_of[r] = i;
    }
    p->h.uniform = p->h.block = true;
    for (int i = 0; i < n; i++) {
        p->first[i] = at;
        for (int r = 0; r < size; r++)
            if (p->node_of[r] == i) {
                p->local_of[r] = at - p->first[i];
                p->members[at++] = r;
            }
        p->h.uniform = p->h.uniform && at - p->first[i] == p->first[1];
        if (i == 0)
            p->h.uniform = true, p->first[1] = at;
    }
    p->first[n] = at;
    for (int r = 0; r < size; r++)
        p->h.block = p->h.block && p->members[r] == r;
    p->h.nnodes = n;
    p->h.node_of = p->node_of;
    p->h.local_of = p->local_of;
    p->h.first = p->first;
    p->h.members = p->members;
    /* Hosts of two nodes, of nodes far from each other, of one node each, or one of all. */
    for (int i = 0; i < n; i++)
        p->host_of[i] = size % 4 == 0 ? i / 2 : size % 4 == 1 ? i % ((n + 1) / 2) : 0;
    p->h.host_of = size % 4 == 2 ? NULL : p->host_of;
}

/* ---- one check ---- */

static struct place places[PLACEMENTS];

static void check_one(const struct vc_alg *alg, struct vc_shape *s, int kind, bool alias)
{
    char text[1024];
    s->hier = &places[kind].h;
    if (vc_alg_refuses(alg, s)) {
        skipped++;
        return;
    }
    checked++;
    if (vc_check_plan_once(known, alg, s, alias, text, sizeof text) == 0)
        return;
    printf("%s %s: size %d root %d bytes %zu esize %zu %scommutative radix %d segment %zu leaders %d, "
           "%s%s:\n    %s\n",
           vc_coll_name(s->coll), alg->name, s->size, s->root, s->bytes, s->esize,
           s->commutative ? "" : "non-", s->radix, s->segment, s->leaders, placement_names[kind],
           alias ? ", in place" : "", text);
    if (++failures >= 20) {
        printf("too many failures\n");
        exit(1);
    }
}

static bool same_ref(struct vc_ref a, struct vc_ref b)
{
    return a.buf == b.buf && a.off == b.off && a.len == b.len;
}

/* Plans that claim not to look at the placement are the same for every placement. */
static void check_placement_free(const struct vc_alg *alg, struct vc_shape *s)
{
    struct vc_plan a, b;
    int rank = (int)(scramble((unsigned)s->size) % (unsigned)s->size);
    s->hier = &places[ONE_NODE].h;
    if (vc_alg_refuses(alg, s) || alg->build(s, rank, &a))
        return;
    for (int kind = 1; kind < PLACEMENTS; kind++) {
        s->hier = &places[kind].h;
        if (vc_alg_refuses(alg, s) || alg->build(s, rank, &b))
            continue;
        bool same = a.nsteps == b.nsteps && a.ndeps == b.ndeps && a.tmp_bytes == b.tmp_bytes;
        for (int i = 0; same && i < a.nsteps; i++) {
            const struct vc_step *x = &a.steps[i], *y = &b.steps[i];
            same = x->kind == y->kind && x->peer == y->peer && x->dst_left == y->dst_left &&
                   same_ref(x->src, y->src) && same_ref(x->dst, y->dst);
        }
        if (!same) {
            printf("%s %s: size %d: claims VC_PLACEMENT_FREE, but its plan changes with placement %s\n",
                   vc_coll_name(s->coll), alg->name, s->size, placement_names[kind]);
            failures++;
        }
        vc_plan_free(&b);
    }
    vc_plan_free(&a);
}

/* ---- what is run ---- */

enum blocks { RANDOM_BLOCKS, ONE_HAS_ALL, NO_BLOCKS, BLOCKS_KINDS };

/* A length: often none, or one rank's alone. */
static size_t length_of(enum blocks kind, int size, unsigned i)
{
    unsigned h = scramble(i * 7919 + (unsigned)size);
    if (kind == ONE_HAS_ALL)
        return i % (unsigned)size == (unsigned)size / 2 ? 17 : 0;
    return kind == NO_BLOCKS || h % 4 == 0 ? 0 : h / 4 % 20;
}

/* Blocks of unequal lengths. */
static struct vc_shape uneven(struct vc_shape s, enum blocks kind)
{
    static size_t offsets[BLOCKS_KINDS][MAX_SIZE + 1], pairs[BLOCKS_KINDS][MAX_SIZE * MAX_SIZE];
    if (!vc_coll_info[s.coll].sizes_known) {
        for (int i = 0; i < s.size * s.size; i++)
            pairs[kind][i] = 128 * length_of(kind, s.size, (unsigned)i); /* short and long ones */
        s.pairs = pairs[kind];
        return s;
    }
    size_t unit = s.esize;
    for (int r = 0; r < s.size; r++)
        offsets[kind][r + 1] = offsets[kind][r] + unit * length_of(kind, s.size, (unsigned)r);
    s.offsets = offsets[kind];
    s.bytes = vc_mean_block(offsets[kind][s.size], s.size, unit);
    return s;
}

/* Message lengths: the first is the one that meets every root; the others are the edges. */
static int lengths(enum vc_coll coll, int size, struct vc_shape out[6 + BLOCKS_KINDS])
{
    struct vc_shape s = {.coll = coll, .size = size, .esize = 1, .commutative = true};
    size_t n = (size_t)size;
    int k = 0;
    if (!vc_coll_sized(coll)) {
        out[k++] = s;
    } else if (vc_coll_reduces(coll)) {
        for (int i = 0; i < 5; i++) {
            s.esize = i == 4 ? 12 : 4;
            s.bytes = s.esize * (i == 0 ? 2 * n + 3 : i == 1 ? 0 : i == 2 ? 1 : i == 3 ? n / 2 + 1 : n + 5);
            if (vc_coll_blocks(coll, size) > 1) /* of each rank */
                s.bytes = s.esize * (i == 0 ? 3 : i == 3 ? 2 : i == 4 ? 5 : s.bytes / s.esize);
            out[k++] = s;
        }
    } else if (vc_coll_blocks(coll, size) == 1) {
        for (int i = 0; i < 4; i++) {
            s.bytes = i == 0 ? 2 * n + 3 : i == 1 ? 0 : i == 2 ? 1 : n - 1;
            out[k++] = s;
        }
    } else {
        for (int i = 0; i < 3; i++) {
            s.bytes = i == 0 ? 3 : i == 1 ? 0 : 16;
            out[k++] = s;
        }
    }
    s.esize = vc_coll_reduces(coll) ? 4 : 1;
    for (int i = 0; i < BLOCKS_KINDS && vc_coll_info[coll].uneven; i++)
        out[k++] = uneven(s, (enum blocks)i);
    return k;
}

/* Blocks of unequal lengths, some of them empty, all multiples of the shape's bytes. */
static size_t *unequal(const struct vc_shape *s)
{
    static size_t at[MAX_SIZE + 1];
    for (int r = 0; r < s->size; r++)
        at[r + 1] = at[r] + scramble((unsigned)(r + s->size)) % 4 * s->bytes;
    return at;
}

static void with_operators(const struct vc_alg *alg, struct vc_shape *s, int kind, bool thin)
{
    bool reduction = vc_coll_reduces(s->coll);
    bool has_alias = vc_coll_info[s->coll].in_place != VC_IN_PLACE_NEVER;
    /* Not commutative first: where the plan of commutative ones is the same, that proof is theirs, too. */
    for (int comm = reduction ? 0 : 1; comm <= 1; comm++)
        for (int alias = 0; alias <= (has_alias ? 1 : 0); alias++) {
            /* Thinned: over the roots every combination turns up. */
            if (thin && has_alias && (s->root + s->size + comm * 2 + alias) % (reduction ? 4 : 2))
                continue;
            s->commutative = comm == 1;
            check_one(alg, s, kind, alias == 1);
            if (s->coll != VC_GATHERV && s->coll != VC_SCATTERV)
                continue;
            s->offsets = unequal(s);
            check_one(alg, s, kind, alias == 1);
            s->offsets = NULL;
        }
    s->commutative = true;
}

static bool flat(const struct vc_alg *alg)
{
    return alg->restrictions & VC_PLACEMENT_FREE;
}

/* Roots that meet every placement: first, second, middle and last. */
static bool is_sample(int root, int size)
{
    return root <= 1 || root == size / 2 || root == size - 1;
}

/* Some roots, every placement. A flat algorithm does not look at the placement (checked elsewhere): one is
 * enough. */
static void with_placements(const struct vc_alg *alg, struct vc_shape *s)
{
    int size = s->size;
    for (int kind = 0; kind < PLACEMENTS; kind++)
        for (int root = 0; root < (vc_coll_rooted(s->coll) ? size : 1); root++) {
            if (!is_sample(root, size) || (flat(alg) && kind != size % PLACEMENTS))
                continue;
            s->root = root;
            with_operators(alg, s, kind, size > ALL_SIZES || (size > 16 && !flat(alg)));
        }
    s->root = 0;
}

/* Some placements of any other root. */
static void with_root(const struct vc_alg *alg, struct vc_shape *s, int root)
{
    s->root = root;
    with_operators(alg, s, (root + s->size) % PLACEMENTS, s->size > 16);
    if (!flat(alg))
        with_operators(alg, s, (root + s->size + 2) % PLACEMENTS, s->size > 16);
    s->root = 0;
}

/*
 * All combinations of parameters with every root in small communicators. In larger ones each size has the
 * defaults with every root, and some of the combinations, so that over the sizes all turn up: with every root
 * as well, or, in the largest, each root with one of them.
 */
static void with_params(const struct vc_alg *alg, const struct vc_shape *shape, bool all_roots, bool big)
{
    static const int radices[] = {0, 2, 3, 4, 7, 16}, leaders[] = {0, 1, 2, 3, 64};
    size_t unit = shape->esize, segments[] = {0, 40 * unit, 5 * unit, unit};
    int nr = alg->params & VC_PARAM_RADIX ? (big ? 3 : 6) : 1;
    int ns = alg->params & VC_PARAM_SEGMENT ? (big ? 2 : shape->size > 16 ? 3 : 4) : 1;
    int nl = alg->params & VC_PARAM_LEADERS ? (big ? 2 : 5) : 1;
    int variants = nr * ns * nl, every = (shape->size > 8 || !all_roots) && variants > 8 ? variants / 6 : 1;
    bool each_root = shape->size <= 16 || (every > 1 && shape->size <= 32);
    int chosen = 0, kth = 0; /* of the combinations that are not the defaults */
    for (int v = 1; v < variants; v++)
        chosen += (v + shape->size) % every == 0;
    for (int v = 0; v < variants; v++) {
        if (v > 0 && (v + shape->size) % every)
            continue;
        struct vc_shape s = *shape;
        s.radix = radices[v % nr];
        s.segment = segments[v / nr % ns];
        s.leaders = leaders[v / nr / ns];
        with_placements(alg, &s);
        for (int root = 0; all_roots && vc_coll_rooted(s.coll) && root < s.size; root++)
            if (!is_sample(root, s.size) && (v == 0 || each_root || (root + s.size) % chosen == kth))
                with_root(alg, &s, root);
        kth += v > 0;
    }
}

static void with_size(const struct vc_alg *alg, enum vc_coll coll, int size, bool big)
{
    struct vc_shape shapes[6 + BLOCKS_KINDS];
    int n = lengths(coll, size, shapes);
    for (int i = 0; i < (big ? 1 : n); i++) {
        /* The edge lengths need no more than some sizes each. */
        if (i > 0 && size > 20 && (size + i) % 5)
            continue;
        with_params(alg, &shapes[i], !big && i == 0, big);
    }
    if (alg->restrictions & VC_PLACEMENT_FREE)
        check_placement_free(alg, &shapes[0]);
}

int main(int argc, char **argv)
{
    int coll = argc > 1 ? vc_coll_by_name(argv[1]) : -1;
    int largest = argc > 2 ? atoi(argv[2]) : MAX_SIZE;
    if (coll < 0 || coll >= VC_COLL_COUNT) {
        fprintf(stderr, "usage: %s COLLECTIVE [largest size]\n", argv[0]);
        return 2;
    }
    enum vc_coll c = (enum vc_coll)coll;
    /* Each check frees what the next one needs: a tenth of the time goes into giving it back in between. */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    known = vc_proven_new();
    if (!known)
        return 2;
    static uint64_t took[64];
    static long count[64];
    for (int i = 0; i < ALL_SIZES + (int)(sizeof more_sizes / sizeof *more_sizes); i++) {
        int size = i < ALL_SIZES ? i + 1 : more_sizes[i - ALL_SIZES], a = 0;
        if (size > largest)
            break;
        for (int kind = 0; kind < PLACEMENTS; kind++)
            place_init(&places[kind], (enum placement)kind, size);
        for (const struct vc_alg *const *alg = vc_alg_list(c); *alg; alg++, a++) {
            uint64_t begin = vc_now_ns();
            long before = checked;
            if ((*alg)->kind == VC_ALG_PLAN)
                with_size(*alg, c, size, i >= ALL_SIZES);
            took[a] += vc_now_ns() - begin;
            count[a] += checked - before;
        }
    }
    int a = 0;
    for (const struct vc_alg *const *alg = vc_alg_list(c); *alg; alg++, a++) {
        if ((*alg)->kind != VC_ALG_PLAN)
            continue;
        printf("%-28s %7ld shapes checked in %5.2f s\n", (*alg)->name, count[a], (double)took[a] / 1e9);
        if (count[a] == 0) {
            printf("%s: no shape fits it\n", (*alg)->name);
            failures++;
        }
    }
    vc_proven_free(known);
    printf("%s: %ld checks, %ld shapes refused, %d failures\n", argv[1], checked, skipped, failures);
    return failures ? 1 : 0;
}
