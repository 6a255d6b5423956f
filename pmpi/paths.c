/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/paths.h"
#include "pmpi/gather.h"

#include "pmpi/fabric.h"
#include "pmpi/world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_PAIRS = 8 };

/* A port as the ranks of one node use it. */
struct end {
    int rep; /* the first rank that uses it */
    int node, fabric;
    int island; /* while islands grow: another end of it, or itself */
    bool doubtful;
};

/* Two ends that exchange a message. */
struct pair {
    int a, b;
};

/* Everything but `failed` is the same on all ranks. */
struct search {
    MPI_Comm comm;
    int size, rank;
    const int *world;
    const struct vc_hier *h;
    int n;
    struct end *end;
    int *end_of; /* [size] -1: the rank has no device */
    int *order;  /* [n] ends of a fabric one after the other */
    int npairs, room;
    struct pair *pair;
    int *with; /* [nwith] world ranks that this rank exchanges messages with */
    int nwith;
    uint64_t *failed; /* bits of pairs */
};

/* ---- who exchanges messages ---- */

static bool find_ends(struct search *s)
{
    s->end = malloc((size_t)s->size * sizeof *s->end);
    s->end_of = malloc((size_t)s->size * sizeof *s->end_of);
    s->order = malloc((size_t)s->size * sizeof *s->order);
    if (!s->end || !s->end_of || !s->order)
        return false;
    for (int node = 0; node < s->h->nnodes; node++) {
        int first = s->n;
        for (int i = s->h->first[node]; i < s->h->first[node + 1]; i++) {
            int r = s->h->members[i], port = vc_fabric_port(s->world[r]), e = first;
            while (port >= 0 && e < s->n && vc_fabric_port(s->world[s->end[e].rep]) != port)
                e++;
            s->end_of[r] = port >= 0 ? e : -1;
            if (port >= 0 && e == s->n)
                s->end[s->n++] =
                    (struct end){.rep = r, .node = node, .fabric = vc_fabric_of(s->world[r]), .island = e};
        }
    }
    return true;
}

static int by_fabric(const void *a, const void *b, void *ends)
{
    int x = *(const int *)a, y = *(const int *)b;
    const struct end *e = ends;
    return e[x].fabric != e[y].fabric ? e[x].fabric - e[y].fabric : x - y;
}

static bool add_pair(struct search *s, int a, int b)
{
    if (s->end[a].node == s->end[b].node)
        return true;
    if (s->npairs == s->room) {
        int room = s->room ? 2 * s->room : 32;
        struct pair *more = realloc(s->pair, (size_t)room * sizeof *more);
        if (!more)
            return false;
        s->pair = more;
        s->room = room;
    }
    s->pair[s->npairs++] = (struct pair){a, b};
    return true;
}

static bool add_distance(struct search *s, const int *list, int m, int d)
{
    bool ok = true;
    for (int i = 0; i < m && ok; i++)
        ok = add_pair(s, list[i], list[(i + d) % m]);
    return ok;
}

/* Pairs among the m ends of a fabric. */
static bool add_pairs(struct search *s, const int *list, int m)
{
    bool ok = true;
    if (m <= ALL_PAIRS) {
        for (int i = 0; i < m; i++)
            for (int j = i + 1; j < m && ok; j++)
                ok = add_pair(s, list[i], list[j]);
        return ok;
    }
    for (int d = 1; d <= m / 2 && ok; d *= 2)
        ok = add_distance(s, list, m, d);
    /* Another one for other members. */
    uint64_t hash = vc_hash(VC_HASH_START, s->world, (size_t)s->size * sizeof *s->world);
    return ok && add_distance(s, list, m, 3 + (int)(hash % (uint64_t)(m - 5)));
}

static bool find_pairs(struct search *s)
{
    for (int e = 0; e < s->n; e++)
        s->order[e] = e;
    qsort_r(s->order, (size_t)s->n, sizeof *s->order, by_fabric, s->end);
    for (int lo = 0, hi; lo < s->n; lo = hi) {
        for (hi = lo + 1; hi < s->n && s->end[s->order[hi]].fabric == s->end[s->order[lo]].fabric;)
            hi++;
        if (!add_pairs(s, s->order + lo, hi - lo))
            return false;
    }
    s->failed = calloc((size_t)s->npairs / 64 + 1, sizeof *s->failed);
    s->with = malloc(((size_t)s->npairs + 1) * sizeof *s->with);
    return s->failed && s->with;
}

/* The other end's rank, if this rank stands for one end of the pair; otherwise -1. */
static int partner(const struct search *s, int i)
{
    int a = s->end[s->pair[i].a].rep, b = s->end[s->pair[i].b].rep;
    return a == s->rank ? b : b == s->rank ? a : -1;
}

static void find_partners(struct search *s)
{
    for (int i = 0; i < s->npairs; i++)
        if (partner(s, i) >= 0)
            s->with[s->nwith++] = s->world[partner(s, i)];
}

/* ---- what came of it ---- */

/* Collective, after this rank's messages with result `err`. Marks the pairs that failed for either end. 1:
 * there are some, and why[] says what the first rank with one has met; 0: none; or VC_ERR_MPI. */
static int gather_failures(struct search *s, int err, char *why, size_t len)
{
    int mine = err == VC_OK ? s->size : s->rank, first = s->size, words = s->npairs / 64 + 1;
    if (err != VC_OK)
        snprintf(why, len, "%s", vc_error_text());
    vc_told_collective(sizeof mine);
    if (vc_next.Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, s->comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed while a channel was made");
    if (first == s->size)
        return 0;
    for (int i = 0; i < s->npairs; i++)
        if (partner(s, i) >= 0 && !vc_verbs_proven(vc_fabric, s->world[partner(s, i)]))
            s->failed[i / 64] |= (uint64_t)1 << i % 64;
    vc_told_collective(len);
    vc_told_collective((size_t)words * sizeof *s->failed);
    if (vc_next.Bcast(why, (int)len, MPI_CHAR, first, s->comm) != MPI_SUCCESS ||
        vc_next.Allreduce(MPI_IN_PLACE, s->failed, words, MPI_UINT64_T, MPI_BOR, s->comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "the MPI failed while a channel was made");
    why[len - 1] = '\0';
    return 1;
}

static bool has_failed(const struct search *s, int i)
{
    return s->failed[i / 64] >> i % 64 & 1;
}

static int island(struct search *s, int e)
{
    while (s->end[e].island != e)
        e = s->end[e].island = s->end[s->end[e].island].island;
    return e;
}

static void grow_islands(struct search *s)
{
    for (int i = 0; i < s->npairs; i++) {
        int a = island(s, s->pair[i].a), b = island(s, s->pair[i].b);
        if (!has_failed(s, i))
            s->end[a > b ? a : b].island = a > b ? b : a; /* the first end stands for it */
    }
    for (int i = 0; i < s->npairs; i++) {
        int a = island(s, s->pair[i].a);
        if (has_failed(s, i) && island(s, s->pair[i].b) == a)
            s->end[a].doubtful = true;
    }
}

static int fabric_ends(const struct search *s, int fabric)
{
    int n = 0;
    for (int e = 0; e < s->n; e++)
        n += s->end[e].fabric == fabric;
    return n;
}

/* Whether verbs carry messages between ends a and b of different nodes. */
static bool reaches(struct search *s, int a, int b)
{
    if (a < 0 || b < 0 || island(s, a) != island(s, b))
        return false;
    if (!s->end[island(s, a)].doubtful)
        return true;
    if (fabric_ends(s, s->end[a].fabric) > ALL_PAIRS)
        return false;
    for (int i = 0; i < s->npairs; i++)
        if (has_failed(s, i) &&
            ((s->pair[i].a == a && s->pair[i].b == b) || (s->pair[i].a == b && s->pair[i].b == a)))
            return false;
    return true;
}

/* Fills out->to. Returns whether any two ranks of different nodes reach each other. */
static bool conclude(struct search *s, struct vc_reach *out)
{
    bool some = false;
    int me = s->rank;
    grow_islands(s);
    out->all = true;
    for (int r = 0; r < s->size; r++)
        out->all &= s->end_of[r] >= 0;
    for (int e = 0; e < s->n; e++)
        out->all &= island(s, e) == 0 && !s->end[island(s, e)].doubtful;
    for (int i = 0; i < s->npairs && !some; i++)
        some = reaches(s, s->pair[i].a, s->pair[i].b);
    for (int r = 0; r < s->size; r++) {
        int a = s->end_of[me], b = s->end_of[r];
        bool near = s->h->node_of[r] == s->h->node_of[me]; /* the adapter itself leads there */
        out->to[r] = near ? a >= 0 && b >= 0 && island(s, a) == island(s, b) : reaches(s, a, b);
    }
    return some;
}

/* A warning for the first communicator that this happens to, by its first rank. */
static void warn_lost(int rank, bool some, bool mpi, const char *why)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    bool first = !atomic_flag_test_and_set(&told);
    enum vc_log_level level = first && rank == 0 ? VC_LOG_WARN : VC_LOG_INFO;
    if (some && mpi)
        vc_log(
            level,
            "verbs carry only a part of a communicator's messages between nodes, and the MPI the others: %s",
            why);
    else
        vc_log(level, "verbs cannot be used by a communicator, whose messages between nodes %s: %s",
               mpi ? "go through the MPI" : "are left to the MPI's collectives", why);
}

/* ---- the whole ---- */

struct vc_path_counts vc_path_counts;

/* This rank's messages to those that are not proven yet. */
static int prove(struct search *s)
{
    uint64_t before = 0, after = 0, tried = 0;
    for (int i = 0; i < s->nwith; i++) {
        tried += s->with[i] > vc_world.rank;
        before += s->with[i] > vc_world.rank && vc_verbs_proven(vc_fabric, s->with[i]);
    }
    int err = s->nwith > 0 ? vc_verbs_prove(vc_fabric, s->with, s->nwith) : VC_OK;
    for (int i = 0; i < s->nwith; i++)
        after += s->with[i] > vc_world.rank && vc_verbs_proven(vc_fabric, s->with[i]);
    atomic_fetch_add_explicit(&vc_path_counts.proven, after - before, memory_order_relaxed);
    atomic_fetch_add_explicit(&vc_path_counts.failed, tried - after, memory_order_relaxed);
    return err;
}

/* Collective. `ok`: this rank has memory for it. */
static int try_paths(struct search *s, bool ok, bool mpi, struct vc_reach *out)
{
    static _Atomic uint32_t made;
    uint64_t mine[3] = {0, 0, !ok}, all[3] = {0, 0, 0};
    char why[400] = "";
    int lost = 0;
    /* The first rank of the communicator numbers the channel. Unique: it gives its own number and counts. */
    if (s->rank == 0)
        mine[0] = (uint64_t)(uint32_t)vc_world.rank << 32 |
                  atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    for (int i = 0; ok && i < s->nwith; i++)
        mine[1] |= !vc_verbs_proven(vc_fabric, s->with[i]);
    vc_told_collective(sizeof mine);
    if (vc_next.Allreduce(mine, all, 3, MPI_UINT64_T, MPI_MAX, s->comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed while a channel was made");
    if (all[2])
        return vc_fail(VC_ERR_UNSUPPORTED, "a rank is out of memory for the paths of %d ranks", s->size);
    out->id = all[0];
    if (all[1]) {
        int err = prove(s);
        lost = gather_failures(s, err, why, sizeof why);
        if (lost < 0)
            return lost;
    }
    bool some = conclude(s, out);
    if (lost)
        warn_lost(s->rank, some, mpi, why);
    if (some && (out->all || mpi))
        return VC_OK;
    return vc_fail(VC_ERR_UNSUPPORTED, "%s",
                   lost ? why : "not all of its nodes have RDMA devices that reach each other");
}

int vc_paths_find(MPI_Comm comm, int size, int rank, const int *world, const struct vc_hier *h, bool mpi,
                  struct vc_reach *out)
{
    struct search s = {.comm = comm, .size = size, .rank = rank, .world = world, .h = h};
    memset(out, 0, sizeof *out);
    out->to = calloc((size_t)size, sizeof *out->to);
    bool ok = out->to && find_ends(&s) && find_pairs(&s);
    if (ok)
        find_partners(&s);
    int err = try_paths(&s, ok, mpi, out);
    free(s.end);
    free(s.end_of);
    free(s.order);
    free(s.pair);
    free(s.with);
    free(s.failed);
    if (err != VC_OK) {
        free(out->to);
        out->to = NULL;
    }
    return err;
}

int vc_paths_channel(const struct vc_reach *reach, int size, int rank, const int *world, struct vc_chan **out)
{
    struct vc_verbs_chan_cfg cfg = {
        .verbs = vc_fabric, .id = reach->id, .size = size, .rank = rank, .procs = world};
    *out = NULL;
    return vc_fabric ? vc_verbs_chan_create(&cfg, out) : VC_OK;
}
