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

/* Seconds that an entrant needs at least to prove anything: one host, more ranks than CPUs, several hosts. */
#define QUIET       0.03
#define CROWDED     0.08
#define FAR         0.3
#define RACING      8   /* candidates of a point that are raced to some end, usually */
#define COARSE_PART 0.6 /* of the budget is for the points to begin with */

int vc_search_add_place(struct vc_search_job *j, int nodes, int ppn, int ranks, int across)
{
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].ranks == ranks &&
            ((j->place[i].nodes == nodes && j->place[i].ppn == ppn) || ranks == j->w->size))
            return i;
    if (j->nplace == VC_SEARCH_PLACES || ranks < 2)
        return -1;
    struct vc_search_place *p = &j->place[j->nplace];
    *p = (struct vc_search_place){.nodes = nodes, .ppn = ppn, .ranks = ranks};
    if (nodes == 0 && across > 1)
        snprintf(p->name, sizeof p->name, "%d nodes, %d ranks", across, ranks);
    else if (nodes > 1)
        snprintf(p->name, sizeof p->name, "%d nodes x %d", nodes, ppn);
    else
        snprintf(p->name, sizeof p->name, "%d ranks", ranks);
    return j->nplace++;
}

static void add_asked(struct vc_search_job *j, const struct vc_search_nodes *n, int ranks)
{
    if (ranks == j->w->size)
        vc_search_add_place(j, 0, 0, ranks, n->count);
    if (ranks <= n->ranks[0] && ranks < j->w->size)
        vc_search_add_place(j, 1, ranks, ranks, 1);
    for (int nodes = n->count; nodes > 1; nodes--) {
        int ppn = ranks / nodes;
        if (ranks % nodes == 0 && ppn <= n->least && ranks < j->w->size &&
            (n->split == 0 || ppn == n->split)) {
            vc_search_add_place(j, nodes, ppn, ranks, nodes);
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
static int counts(int last, int most, int *list)
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
    int list[64], one = counts(n->ranks[0], MOST_RANKS, list);
    vc_search_add_place(j, 0, 0, j->w->size, n->count);
    if (j->o->quick)
        return;
    int nodes[64], many = counts(n->count, MOST_NODES, nodes);
    for (int i = many - 1; i >= 0; i--) {
        int ppn[] = {n->least, n->least / 2, 1};
        for (int k = 0; k < 3; k++)
            if (ppn[k] > 0 && (n->split == 0 || ppn[k] == n->split))
                vc_search_add_place(j, nodes[i], ppn[k], nodes[i] * ppn[k], nodes[i]);
    }
    for (int i = one - 1; i >= 0; i--)
        if (list[i] < j->w->size)
            vc_search_add_place(j, 1, list[i], list[i], 1);
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
    if (!vc_coll_by_size(coll)) { /* one choice holds for all sizes */
        sizes[0] = all[n / 2];
        return 1;
    }
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

double vc_search_least(const struct vc_measure_world *w, int entrants)
{
    return entrants * (!w->one_host ? FAR : w->oversubscribed ? CROWDED : QUIET);
}

bool vc_search_open_places(struct vc_search_job *j, const struct vc_search_nodes *n)
{
    bool any = false;
    int node = n->node[j->w->rank], local = n->local[j->w->rank];
    for (int i = 0; i < j->nplace; i++) {
        struct vc_search_place *p = &j->place[i];
        bool fits = p->nodes == 0 ? p->ranks == j->w->size : p->nodes <= n->count;
        for (int k = 0; fits && k < p->nodes; k++)
            fits = n->ranks[k] >= p->ppn;
        bool member = p->nodes == 0 || (node < p->nodes && local < p->ppn);
        p->open = fits && vc_search_comm_open(j->w, member, node, &p->c);
        any = any || p->open;
    }
    return any;
}

void vc_search_topo_key(const struct vc_search_place *p, struct vc_topo_key *key)
{
    *key = p->c.at;
    key->have_chan = true;
    key->hier = &p->c.hier;
}

const char *vc_search_network(const struct vc_topo_key *at)
{
    const struct vc_key_info *i = vc_key_find("network");
    return vc_key_word(i, vc_topo_value(at, i));
}

const char *vc_search_platform(const struct vc_topo_key *at)
{
    const struct vc_key_info *i = vc_key_find("platform");
    return vc_key_word(i, vc_topo_value(at, i));
}

void vc_search_thin(struct vc_search_job *j)
{
    int affordable = (int)(COARSE_PART * j->o->budget / vc_search_least(j->w, RACING));
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
