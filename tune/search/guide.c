/* SPDX-License-Identifier: BSD-3-Clause */
/* Performance guidelines: which comparisons, in which order, and how long. Of a group that has its left side
 * in common all right sides are measured against it together. */
#include "coll/info.h"
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MOST   0.3  /* seconds of one side of a comparison */
#define AGAIN_TIMES 2    /* what seems violated is so if this many measurements more say so */
#define AGAIN_SIDE  0.3  /* seconds of a side then */
#define FIRST       0.75 /* of the budget; the rest is for that */
#define SIZES_MIN   3    /* before there are fewer sizes than that, there are fewer communicators */
#define LEAST                                                                                                \
    50e-9 /* seconds: half of what a cache line takes; a left side that is slower by less is as fast */
#define LIMIT ((size_t)1 << 30)

static const struct {
    const char *name, *right;
} guides[VC_GUIDES] = {
    [VC_GUIDE_NATIVE] = {"vcoll <= native", "the MPI underneath"},
    [VC_GUIDE_ALLREDUCE] = {"allreduce <= reduce + bcast", "reduce + bcast"},
    [VC_GUIDE_BCAST] = {"bcast <= scatter + allgather", "scatter + allgather"},
    [VC_GUIDE_BARRIER] = {"barrier <= allreduce of 8 bytes", "an allreduce of 8 bytes"},
    [VC_GUIDE_ALLGATHER] = {"allgather <= gather + bcast", "gather + bcast"},
    [VC_GUIDE_REDUCE] = {"reduce <= allreduce", "an allreduce"},
    [VC_GUIDE_SIZE] = {"time(n) <= time(2n)", "twice the size"},
    [VC_GUIDE_RANKS] = {"time(p) <= time(more ranks)", "more ranks"},
};

const char *vc_guide_name(enum vc_guide guide)
{
    return guides[guide].name;
}

const char *vc_guide_right(enum vc_guide guide)
{
    return guides[guide].right;
}

/* The composition that bounds a collective from above; VC_GUIDES: none. */
static enum vc_guide composition_of(enum vc_coll coll)
{
    switch (coll) {
    case VC_BARRIER:
        return VC_GUIDE_BARRIER;
    case VC_BCAST:
        return VC_GUIDE_BCAST;
    case VC_REDUCE:
        return VC_GUIDE_REDUCE;
    case VC_ALLREDUCE:
        return VC_GUIDE_ALLREDUCE;
    case VC_ALLGATHER:
        return VC_GUIDE_ALLGATHER;
    default:
        return VC_GUIDES;
    }
}

/* ---- what is to be compared ---- */

/* Of a list that is being made. */
struct plan {
    struct vc_search_job *j;
    int nplace; /* of those that are open the first so many */
};

static struct vc_comparison *add(struct vc_search_job *j, enum vc_guide guide,
                                 const struct vc_search_place *on, enum vc_coll coll, size_t bytes)
{
    if (j->ncomparison == j->capcomparison) {
        int cap = 2 * j->capcomparison + 64;
        struct vc_comparison *more = realloc(j->comparison, (size_t)cap * sizeof *more);
        if (!more)
            return NULL;
        j->comparison = more;
        j->capcomparison = cap;
    }
    struct vc_comparison *c = &j->comparison[j->ncomparison++];
    *c = (struct vc_comparison){
        .guide = guide, .coll = coll, .bytes = bytes, .right_bytes = bytes, .on = on, .right_on = on};
    return c;
}

/* What an allgather or alltoall leaves on each rank. */
static bool fits(const struct vc_search_place *p, enum vc_coll coll, size_t bytes)
{
    return bytes * vc_coll_blocks(coll, p->ranks) <= LIMIT;
}

static bool add_call(struct vc_search_job *j, const struct vc_search_place *on, enum vc_coll coll,
                     size_t bytes, bool last)
{
    /* Parts of equal size: otherwise the composition would not be what users write. */
    if (coll == VC_BCAST)
        bytes = (bytes + (size_t)on->ranks - 1) / (size_t)on->ranks * (size_t)on->ranks;
    if (!fits(on, coll, bytes))
        return true;
    bool ok = j->o->native || add(j, VC_GUIDE_NATIVE, on, coll, bytes);
    if (composition_of(coll) != VC_GUIDES)
        ok = ok && add(j, composition_of(coll), on, coll, bytes);
    if (!vc_coll_sized(coll) || last || !fits(on, coll, 2 * bytes))
        return ok;
    struct vc_comparison *c = ok ? add(j, VC_GUIDE_SIZE, on, coll, bytes) : NULL;
    if (c)
        c->right_bytes = 2 * bytes;
    return c != NULL;
}

/* A world of unequal nodes is no larger or smaller than others in a way that says anything. */
static bool comparable(const struct vc_search_place *p)
{
    return p->open && p->c.at.nnodes * p->c.at.max_ppn == p->ranks;
}

/* The next larger communicator of the same kind: more nodes with as many ranks, or more ranks on as many
 * nodes. */
static const struct vc_search_place *larger(const struct plan *x, const struct vc_search_place *p,
                                            bool by_nodes)
{
    const struct vc_search_place *best = NULL;
    for (int i = 0; i < x->nplace && comparable(p); i++) {
        const struct vc_search_place *q = &x->j->place[i];
        const struct vc_topo_key *a = &p->c.at, *b = &q->c.at;
        bool more = by_nodes ? b->max_ppn == a->max_ppn && b->nnodes > a->nnodes
                             : b->nnodes == a->nnodes && b->max_ppn > a->max_ppn;
        if (comparable(q) && more && (!best || q->ranks < best->ranks))
            best = q;
    }
    return best;
}

static bool add_ranks(const struct plan *x, const struct vc_search_place *on, enum vc_coll coll, size_t bytes)
{
    bool ok = true;
    for (int by_nodes = 0; by_nodes < 2 && ok; by_nodes++) {
        const struct vc_search_place *q = larger(x, on, by_nodes);
        if (!q || !fits(q, coll, bytes))
            continue;
        struct vc_comparison *c = add(x->j, VC_GUIDE_RANKS, on, coll, bytes);
        ok = c != NULL;
        if (c)
            c->right_on = q;
    }
    return ok;
}

static bool list_all(const struct plan *x)
{
    struct vc_search_job *j = x->j;
    const struct vc_measure_opts *o = &j->o->m;
    bool ok = true;
    j->ncomparison = 0;
    for (int p = 0; p < x->nplace; p++) {
        const struct vc_search_place *on = &j->place[p];
        for (int c = 0; c < o->ncoll && on->open; c++) {
            size_t sizes[VC_MEASURE_SIZES];
            int n = vc_search_sizes(j, o->coll[c], sizes);
            for (int i = 0; i < n && ok; i++)
                ok = add_call(j, on, o->coll[c], sizes[i], i + 1 == n);
            for (int i = 0; i < n && ok; i++)
                ok = add_ranks(x, on, o->coll[c], sizes[i]);
        }
    }
    return ok;
}

/* How many from the i-th on have the left side in common. */
static int group_of(const struct vc_search_job *j, int i)
{
    const struct vc_comparison *first = &j->comparison[i];
    int n = 1;
    while (i + n < j->ncomparison && n + 1 < VC_SEARCH_SIDES) {
        const struct vc_comparison *c = &j->comparison[i + n];
        if (c->on != first->on || c->coll != first->coll || c->bytes != first->bytes ||
            c->right_on != first->right_on)
            break;
        n++;
    }
    return n;
}

/* How many sides the groups from the i-th comparison on have. */
static int count_sides(const struct vc_search_job *j, int i)
{
    int sides = 0;
    for (int n; i < j->ncomparison; i += n)
        sides += 1 + (n = group_of(j, i));
    return sides;
}

/* What can be measured soundly within the budget: fewer sizes first, then fewer communicators. False without
 * memory. */
static bool choose(struct vc_search_job *j)
{
    struct plan x = {.j = j, .nplace = j->nplace};
    if (!list_all(&x))
        return false;
    j->most_sizes = VC_MEASURE_SIZES;
    while (vc_search_least(j->w, count_sides(j, 0)) > FIRST * j->o->budget) {
        if (j->most_sizes > SIZES_MIN && !j->o->m.own_sizes)
            j->most_sizes--;
        else if (x.nplace > 1 && !j->o->ranks)
            x.nplace--;
        else
            break;
        if (!list_all(&x))
            return false;
    }
    return true;
}

/* ---- measuring ---- */

static void add_side(struct vc_search_job *j, struct vc_search_command *cmd, const struct vc_search_place *on,
                     enum vc_coll coll, size_t bytes, int fns)
{
    int i = cmd->nside++;
    cmd->side[i].place = (int)(on - j->place);
    cmd->side[i].coll = coll;
    cmd->side[i].bytes = bytes;
    cmd->side[i].fns = fns;
}

static void conclude(const struct vc_search_job *j, struct vc_comparison *c, struct vc_entrant *left,
                     struct vc_entrant *right)
{
    double more = 0;
    vc_entrant_describe(left, j->seed);
    vc_entrant_describe(right, j->seed);
    for (int m = 0; m < VC_MEASURES; m++) {
        vc_entrant_ratio(left, right, (enum vc_measure)m, j->seed, &c->ratio[m]);
        c->left[m] = left->time[m];
        c->right[m] = right->time[m];
        more = fmax(more, left->time[m].median - right->time[m].median);
    }
    /* Both measures count alike, on several hosts, too. */
    vc_entrant_compare(left, right, VC_OBJECTIVE_LATENCY, true, j->seed, &c->both);
    c->measured = true;
    c->violated = c->both.low > 1 + VC_GUIDE_MARGIN && more > LEAST;
}

static int measure_group(struct vc_search_job *j, int first, int n, double seconds)
{
    const struct vc_comparison *c = &j->comparison[first];
    struct vc_search_command cmd = {.kind = VC_SEARCH_ENTRANTS, .seconds = seconds * (n + 1)};
    struct vc_point p = {.ncand = 0};
    char why[256];
    add_side(j, &cmd, c->on, c->coll, c->bytes, VC_GUIDE_LEFT);
    for (int i = 0; i < n; i++)
        add_side(j, &cmd, c[i].right_on, c[i].coll, c[i].right_bytes,
                 c[i].guide == VC_GUIDE_NATIVE                                 ? VC_GUIDE_UNDERNEATH
                 : c[i].guide == VC_GUIDE_SIZE || c[i].guide == VC_GUIDE_RANKS ? VC_GUIDE_LEFT
                                                                               : VC_GUIDE_COMPOSED);
    vc_search_progress_call(j, c->coll, c->bytes, (int)(c->on - j->place));
    int rc = vc_search_do(j, &cmd, &p, why, sizeof why);
    for (int i = 0; i < n && rc == 0; i++)
        conclude(j, &j->comparison[first + i], &p.cand[0], &p.cand[1 + i]);
    vc_point_free(&p);
    return rc;
}

/* What comes between measurements takes time, too, so how long a side may take is found out anew each time.
 */
static int measure_all(struct vc_search_job *j)
{
    for (int i = 0, n; i < j->ncomparison; i += n) {
        n = group_of(j, i);
        double left = vc_search_left(j) - (1 - FIRST) * j->o->budget;
        if (vc_search_interrupted() || vc_search_left(j) < 0)
            return 0;
        if (measure_group(j, i, n,
                          fmin(fmax(left / count_sides(j, i), vc_search_least(j->w, 1)), SIDE_MOST)) != 0)
            return -1;
        for (int k = i; k < i + n; k++) {
            j->comparison[k].suspect = j->comparison[k].violated;
            j->comparison[k].violated = false;
        }
    }
    return 0;
}

/* Of many comparisons some seem violated by chance. Those are measured anew, and what the last measurement
 * says is what is told: it was not chosen for being bad. */
static int confirm(struct vc_search_job *j)
{
    for (int i = 0; i < j->ncomparison; i++) {
        struct vc_comparison *c = &j->comparison[i];
        bool again = c->suspect;
        for (int k = 0; k < AGAIN_TIMES && again; k++) {
            again = !vc_search_interrupted();
            if (again && measure_group(j, i, 1, AGAIN_SIDE) != 0)
                return -1;
            again = again && c->violated;
        }
        c->violated = again;
    }
    return 0;
}

static int say(const char *text)
{
    fprintf(stderr, "vcoll tune: %s\n", text);
    return -1;
}

int vc_guide_run(struct vc_search_job *j)
{
    if (!vc_guide_fns(j->w, j->o->native, VC_GUIDE_LEFT))
        return say("this libvcoll cannot name the functions of the MPI underneath");
    if (!choose(j))
        return say("out of memory");
    if (j->ncomparison == 0)
        return say("there is nothing to compare: a collective takes two ranks, on which vcoll is active");
    if (measure_all(j) != 0 || confirm(j) != 0)
        return say("out of memory for the buffers; try smaller --sizes or fewer ranks");
    for (int i = 0; i < j->ncomparison; i++) {
        struct vc_comparison *c = &j->comparison[i];
        const char *name =
            j->o->native ? "native" : vcoll_comm_algorithm(&c->on->c.w.comm, vc_coll_name(c->coll), c->bytes);
        snprintf(c->algorithm, sizeof c->algorithm, "%s", name && *name ? name : "?");
    }
    return 0;
}
