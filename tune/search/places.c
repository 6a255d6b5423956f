/* SPDX-License-Identifier: BSD-3-Clause */
/* Where is measured: communicators of other (nodes, ranks per node) inside the allocation, powers of two and
 * others, and the sizes to begin with, as many as the time allows. */
#include "coll/info.h"
#include "tune/search/internal.h"

#include <stdlib.h>
#include <string.h>

#define MOST_RANKS  6 /* communicators of one node, */
#define MOST_NODES  4 /* and numbers of nodes */
#define LEAST_SIZES 4
#define TOTAL_MAX   ((size_t)256 << 20) /* bytes of a buffer of all blocks */

/* Seconds that a point needs at least to prove anything: one host, more ranks than CPUs, several hosts. */
#define POINT_QUIET   0.25
#define POINT_CROWDED 0.5
#define POINT_FAR     2.0
#define COARSE_PART   0.6 /* of the budget is for the points to begin with */

/* nodes == 0: the world, which is across so many. */
static void add(struct vc_search_job *j, int nodes, int ppn, int ranks, int across)
{
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].ranks == ranks && (j->place[i].nodes == nodes || ranks == j->w->size))
            return;
    if (j->nplace == VC_SEARCH_PLACES || ranks < 2)
        return;
    struct vc_search_place *p = &j->place[j->nplace++];
    *p = (struct vc_search_place){.nodes = nodes, .ppn = ppn, .ranks = ranks};
    if (nodes == 0 && across > 1)
        snprintf(p->name, sizeof p->name, "%d nodes, %d ranks", across, ranks);
    else if (nodes > 1)
        snprintf(p->name, sizeof p->name, "%d nodes x %d", nodes, ppn);
    else
        snprintf(p->name, sizeof p->name, "%d ranks", ranks);
}

static void add_asked(struct vc_search_job *j, const struct vc_search_nodes *n, int ranks)
{
    if (ranks == j->w->size)
        add(j, 0, 0, ranks, n->count);
    if (ranks <= n->ranks[0] && ranks < j->w->size)
        add(j, 1, ranks, ranks, 1);
    for (int nodes = n->count; nodes > 1; nodes--) {
        int ppn = ranks / nodes;
        if (ranks % nodes == 0 && ppn <= n->least && ranks < j->w->size &&
            (n->split == 0 || ppn == n->split)) {
            add(j, nodes, ppn, ranks, nodes);
            break;
        }
    }
}

/* 2, 3, 4, 6, 8, 12, ... */
static int next_count(int k)
{
    bool pow2 = (k & (k - 1)) == 0;
    return k < 3 ? k + 1 : pow2 ? k + k / 2 : k / 3 * 4;
}

/* Of a longer list the ends matter most: the first ones, and then the largest. */
static int pick(int last, int most, int *list)
{
    int n = 0;
    for (int k = 2; k <= last; k = next_count(k))
        list[n++] = k;
    if (n > most) {
        memmove(list + most / 2, list + n - (most - most / 2), (size_t)(most - most / 2) * sizeof *list);
        n = most;
    }
    return n;
}

static void add_chosen(struct vc_search_job *j, const struct vc_search_nodes *n)
{
    int list[64], one = pick(n->ranks[0], MOST_RANKS, list);
    add(j, 0, 0, j->w->size, n->count);
    if (j->o->quick)
        return;
    int nodes[64], many = pick(n->count, MOST_NODES, nodes);
    for (int i = many - 1; i >= 0; i--) {
        int ppn[] = {n->least, n->least / 2, 1};
        for (int k = 0; k < 3; k++)
            if (ppn[k] > 0 && (n->split == 0 || ppn[k] == n->split))
                add(j, nodes[i], ppn[k], nodes[i] * ppn[k], nodes[i]);
    }
    for (int i = one - 1; i >= 0; i--)
        if (list[i] < j->w->size)
            add(j, 1, list[i], list[i], 1);
}

void vc_search_places(struct vc_search_job *j, const struct vc_search_nodes *n)
{
    const char *s = j->o->ranks;
    j->nplace = 0;
    if (!s) {
        add_chosen(j, n);
        return;
    }
    while (*s) {
        char *end;
        long ranks = strtol(s, &end, 10);
        add_asked(j, n, (int)ranks);
        s = *end == ',' ? end + 1 : end + strlen(end);
    }
}

static int all_sizes(const struct vc_search_job *j, size_t list[VC_MEASURE_SIZES])
{
    static const size_t quick[] = {8, 512, 8 << 10, 64 << 10, 1 << 20};
    static const size_t usual[] = {8,       32,       128,   200,       512,       2 << 10, 3000,
                                   8 << 10, 32 << 10, 50000, 128 << 10, 512 << 10, 600000,  1 << 20};
    const size_t *from = j->o->m.own_sizes ? j->o->m.sizes : j->o->quick ? quick : usual;
    int n = j->o->m.own_sizes ? j->o->m.nsizes
            : j->o->quick     ? (int)(sizeof quick / sizeof quick[0])
                              : (int)(sizeof usual / sizeof usual[0]);
    memcpy(list, from, (size_t)n * sizeof *list);
    return n;
}

int vc_search_sizes(const struct vc_search_job *j, enum vc_coll coll, size_t sizes[VC_MEASURE_SIZES])
{
    size_t all[VC_MEASURE_SIZES];
    int n = all_sizes(j, all), most = j->most_sizes;
    if (!vc_coll_sized(coll)) {
        sizes[0] = 0;
        return 1;
    }
    while (n > 1 && all[n - 1] * vc_coll_blocks(coll, j->w->size) > TOTAL_MAX)
        n--;
    if (most == 0 || most >= n) {
        memcpy(sizes, all, (size_t)n * sizeof *sizes);
        return n;
    }
    /* Evenly, with both ends. */
    for (int i = 0; i < most; i++)
        sizes[i] = all[most > 1 ? i * (n - 1) / (most - 1) : 0];
    return most;
}

int vc_search_count_points(const struct vc_search_job *j)
{
    size_t sizes[VC_MEASURE_SIZES];
    int n = 0;
    for (int i = 0; i < j->o->m.ncoll; i++)
        n += vc_search_sizes(j, j->o->m.coll[i], sizes);
    return n * j->nplace;
}

void vc_search_thin(struct vc_search_job *j)
{
    const struct vc_measure_world *w = j->w;
    double each = !w->one_host ? POINT_FAR : w->oversubscribed ? POINT_CROWDED : POINT_QUIET;
    int affordable = (int)(COARSE_PART * j->budget / each);
    bool sizes = !j->o->m.own_sizes, places = !j->o->ranks;
    j->most_sizes = 0;
    if (sizes)
        for (j->most_sizes = VC_MEASURE_SIZES;
             j->most_sizes > LEAST_SIZES && vc_search_count_points(j) > affordable;)
            j->most_sizes--;
    while (places && j->nplace > 1 && vc_search_count_points(j) > affordable)
        j->nplace--;
    while (sizes && j->most_sizes > 2 && vc_search_count_points(j) > affordable)
        j->most_sizes--;
}
