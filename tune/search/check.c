/* SPDX-License-Identifier: BSD-3-Clause */
/* Performance guidelines: which comparisons, in which order, and how long. */
#include "tune/search/check.h"

#include "coll/info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MOST 0.3 /* seconds of one side of a comparison */
/* The same at least, to prove anything: one host, more ranks than CPUs, several hosts. A budget below that
 * ends the run early. */
#define LEAST_QUIET   0.02
#define LEAST_CROWDED 0.08
#define LEAST_FAR     0.3
#define AGAIN_TIMES   2    /* what seems violated is so if this many measurements more say so */
#define FIRST         0.75 /* of the budget; the rest is for looking again at what seems violated */
#define SIZES_MIN     3    /* before there are fewer sizes than that, there are fewer communicators */
#define AGAIN_SIDE    0.3  /* seconds of a side when looking again */
#define LIMIT         ((size_t)1 << 30)

struct check {
    struct vc_measure_world *w;
    const struct vc_search_opts *o;
    struct vc_search_job job; /* its places */
    struct vc_check_calls calls;
    struct vc_check_report r;
    int room;
    int nodes[VC_SEARCH_PLACES], ppn[VC_SEARCH_PLACES]; /* of the places, the world's too */
    double begin;
};

/* ---- what is to be compared: the same list on all ranks ---- */

static struct vc_check_one *add(struct check *x, enum vc_check_rule rule, struct vc_search_place *on,
                                enum vc_coll coll, size_t bytes)
{
    struct vc_check_report *r = &x->r;
    if (r->n == x->room) {
        int room = 2 * x->room + 64;
        struct vc_check_one *more = realloc(r->one, (size_t)room * sizeof *more);
        if (!more)
            return NULL;
        r->one = more;
        x->room = room;
    }
    struct vc_check_one *c = &r->one[r->n++];
    *c = (struct vc_check_one){
        .rule = rule, .coll = coll, .bytes = bytes, .right_bytes = bytes, .on = on, .right_on = on};
    return c;
}

/* What an allgather or alltoall leaves on each rank. */
static bool fits(const struct vc_search_place *p, enum vc_coll coll, size_t bytes)
{
    return bytes * vc_coll_blocks(coll, p->ranks) <= LIMIT;
}

static bool add_call(struct check *x, struct vc_search_place *on, enum vc_coll coll, size_t bytes, bool last)
{
    /* Parts of equal size: otherwise the composition would not be what users write. */
    if (coll == VC_BCAST)
        bytes = (bytes + (size_t)on->ranks - 1) / (size_t)on->ranks * (size_t)on->ranks;
    if (!fits(on, coll, bytes))
        return true;
    bool ok = x->r.native || add(x, VC_CHECK_NATIVE, on, coll, bytes);
    if (vc_check_rule_of(coll) != VC_CHECK_RULES)
        ok = ok && add(x, vc_check_rule_of(coll), on, coll, bytes);
    if (!vc_coll_sized(coll) || last || !fits(on, coll, 2 * bytes))
        return ok;
    struct vc_check_one *c = ok ? add(x, VC_CHECK_SIZE, on, coll, bytes) : NULL;
    if (c)
        c->right_bytes = 2 * bytes;
    return c != NULL;
}

/* The next larger communicator of the same kind: more nodes with as many ranks, or more ranks on as many
 * nodes. */
static struct vc_search_place *larger(struct check *x, const struct vc_search_place *p, bool by_nodes)
{
    struct vc_search_place *best = NULL;
    long at = p - x->job.place;
    for (int i = 0; i < x->job.nplace; i++) {
        struct vc_search_place *q = &x->job.place[i];
        bool more = by_nodes ? x->ppn[i] == x->ppn[at] && x->nodes[i] > x->nodes[at]
                             : x->nodes[i] == x->nodes[at] && x->ppn[i] > x->ppn[at];
        if (q->open && more && (!best || q->ranks < best->ranks))
            best = q;
    }
    return best;
}

static bool add_ranks(struct check *x, struct vc_search_place *on, enum vc_coll coll, size_t bytes)
{
    bool ok = true;
    for (int by_nodes = 0; by_nodes < 2 && ok; by_nodes++) {
        struct vc_search_place *q = larger(x, on, by_nodes);
        if (!q || !fits(q, coll, bytes))
            continue;
        struct vc_check_one *c = add(x, VC_CHECK_RANKS, on, coll, bytes);
        ok = c != NULL;
        if (c)
            c->right_on = q;
    }
    return ok;
}

static bool list_all(struct check *x)
{
    const struct vc_measure_opts *o = &x->o->m;
    bool ok = true;
    x->r.n = 0;
    for (int p = 0; p < x->job.nplace; p++) {
        struct vc_search_place *on = &x->job.place[p];
        for (int c = 0; c < o->ncoll && on->open; c++) {
            size_t sizes[VC_MEASURE_SIZES];
            int n = vc_search_sizes(&x->job, o->coll[c], sizes);
            for (int i = 0; i < n && ok; i++)
                ok = add_call(x, on, o->coll[c], sizes[i], i + 1 == n);
            for (int i = 0; i < n && ok; i++)
                ok = add_ranks(x, on, o->coll[c], sizes[i]);
        }
    }
    return vc_measure_all_agree(x->w, ok);
}

/* ---- measuring ---- */

static struct vc_search_side left_side(struct check *x, const struct vc_check_one *c)
{
    return (struct vc_search_side){.on = &c->on->c, .coll = c->coll, .bytes = c->bytes, .fns = x->calls.left};
}

static struct vc_search_side right_side(struct check *x, const struct vc_check_one *c)
{
    const struct vc_measure_fns *fns = c->rule == VC_CHECK_NATIVE ? x->calls.native
                                       : c->rule == VC_CHECK_SIZE || c->rule == VC_CHECK_RANKS
                                           ? x->calls.left
                                           : &x->calls.composed;
    return (struct vc_search_side){
        .on = &c->right_on->c, .coll = c->coll, .bytes = c->right_bytes, .fns = fns};
}

/* How many from the i-th on have the left side in common, and are measured together. */
static int group_of(const struct check *x, int i)
{
    const struct vc_check_one *first = &x->r.one[i];
    int n = 1;
    while (i + n < x->r.n && n + 1 < VC_SEARCH_SIDES) {
        const struct vc_check_one *c = &x->r.one[i + n];
        if (c->on != first->on || c->coll != first->coll || c->bytes != first->bytes ||
            c->right_on != first->right_on)
            break;
        n++;
    }
    return n;
}

static void take(struct vc_check_one *c, const struct vc_search_side *left,
                 const struct vc_search_side *right)
{
    memcpy(c->left, left->time, sizeof c->left);
    memcpy(c->right, right->time, sizeof c->right);
    memcpy(c->ratio, right->over, sizeof c->ratio);
    c->both = right->over_both;
    c->measured = true;
}

static int measure_group(struct check *x, int first, int n, double seconds)
{
    struct vc_search_side side[VC_SEARCH_SIDES];
    side[0] = left_side(x, &x->r.one[first]);
    for (int i = 0; i < n; i++)
        side[1 + i] = right_side(x, &x->r.one[first + i]);
    if (vc_search_sides_run(x->w, side, n + 1, seconds * (n + 1)) != 0)
        return -1;
    for (int i = 0; i < n && x->w->rank == 0; i++)
        take(&x->r.one[first + i], &side[0], &side[1 + i]);
    return 0;
}

static void say_progress(struct check *x, int done, int total, const struct vc_check_one *c)
{
    char what[64], size[24];
    if (x->w->rank != 0)
        return;
    snprintf(what, sizeof what, "%s %s, %d ranks", vc_coll_name(c->coll),
             c->bytes ? vc_measure_size_text(c->bytes, size) : "", c->on->ranks);
    vc_measure_progress(x->w, done, total, what);
}

static double least_of(const struct check *x)
{
    return !x->w->one_host ? LEAST_FAR : x->w->oversubscribed ? LEAST_CROWDED : LEAST_QUIET;
}

/* Collective: rank 0's word how long the next side may take, given how many there are still to come;
 * negative: time is over, or somebody wants it to be. What comes between measurements takes time, too, so
 * this is found out anew each time. */
static double next_share(struct check *x, int sides)
{
    double spent = vc_measure_now() - x->begin;
    double share = fmin(fmax((FIRST * x->o->budget - spent) / sides, least_of(x)), SIDE_MOST);
    if (vc_search_interrupted() || spent > x->o->budget)
        share = -1;
    x->w->control->bcast(&share, 1, MPI_DOUBLE, 0, x->w->ctl);
    return share;
}

/* How many sides the groups from the i-th comparison on have. */
static int count_sides(const struct check *x, int i)
{
    int sides = 0;
    for (int n; i < x->r.n; i += n)
        sides += 1 + (n = group_of(x, i));
    return sides;
}

static int measure_all(struct check *x)
{
    for (int i = 0, n; i < x->r.n; i += n) {
        n = group_of(x, i);
        double share = next_share(x, count_sides(x, i));
        if (share < 0)
            return 0;
        say_progress(x, i, x->r.n, &x->r.one[i]);
        if (measure_group(x, i, n, share) != 0)
            return -1;
        for (int k = i; k < i + n && x->w->rank == 0; k++)
            x->r.one[k].suspect = vc_check_says(x->w, &x->r.one[k]);
    }
    return 0;
}

/* Of many comparisons some seem violated by chance. Those are measured anew, and what the last measurement
 * says is what is told: it was not chosen for being bad. */
static int confirm(struct check *x)
{
    for (int i = 0; i < x->r.n; i++) {
        struct vc_check_one *c = &x->r.one[i];
        int again = c->suspect;
        for (int k = 0; k < AGAIN_TIMES; k++) {
            again = again && !vc_search_interrupted();
            x->w->control->bcast(&again, 1, MPI_INT, 0, x->w->ctl);
            if (!again)
                break;
            say_progress(x, i, x->r.n, c);
            if (measure_group(x, i, 1, AGAIN_SIDE) != 0)
                return -1;
            again = x->w->rank == 0 && vc_check_says(x->w, c);
        }
        c->violated = again;
    }
    return 0;
}

static void name_algorithms(struct check *x)
{
    for (int i = 0; i < x->r.n; i++) {
        struct vc_check_one *c = &x->r.one[i];
        const char *name =
            x->r.native ? "native" : vcoll_comm_algorithm(&c->on->c.w.comm, vc_coll_name(c->coll), c->bytes);
        snprintf(c->algorithm, sizeof c->algorithm, "%s", name && *name ? name : "?");
    }
}

/* ---- the run ---- */

static int finish(struct check *x)
{
    struct vc_check_report *r = &x->r;
    const char *json = x->o->json;
    FILE *f = json && strcmp(json, "-") == 0 ? stderr : stdout;
    int bad = 0;
    vc_measure_progress(x->w, 1, 1, "");
    name_algorithms(x);
    r->place = x->job.place;
    r->nplace = x->job.nplace;
    r->seconds = vc_measure_now() - x->begin;
    r->signal = vc_search_signal();
    check_print_head(f, x->w, r);
    for (int i = 0; i < r->n; i++) {
        if (!r->one[i].violated)
            continue;
        check_print_violation(f, x->w, &r->one[i]);
        bad++;
    }
    check_print_summary(f, r);
    if (json && check_write_json(x->w, r, json) != 0)
        return 1;
    return r->signal ? 128 + r->signal : bad > 0;
}

static int say(const struct vc_measure_world *w, int rc, const char *text)
{
    if (w->rank == 0)
        fprintf(stderr, "vcoll tune: %s\n", text);
    return rc;
}

static void close_place(struct vc_search_place *p)
{
    if (p->open)
        vc_search_comm_close(&p->c);
    p->open = false;
}

/* What can be measured soundly within the budget: fewer sizes first, then fewer communicators. The same on
 * all ranks. False without memory. */
static bool choose(struct check *x)
{
    if (!list_all(x))
        return false;
    x->job.most_sizes = VC_MEASURE_SIZES;
    while (count_sides(x, 0) * least_of(x) > FIRST * x->o->budget) {
        if (x->job.most_sizes > SIZES_MIN && !x->o->m.own_sizes)
            x->job.most_sizes--;
        else if (x->job.nplace > 1 && !x->o->ranks)
            close_place(&x->job.place[--x->job.nplace]);
        else
            break;
        if (!list_all(x))
            return false;
    }
    return true;
}

static int measure(struct check *x)
{
    if (!choose(x))
        return say(x->w, 1, "out of memory");
    if (x->r.n == 0)
        return say(x->w, 1,
                   "there is nothing to compare: a collective takes two ranks, on which vcoll is active");
    if (measure_all(x) != 0 || confirm(x) != 0)
        return say(x->w, 1, "out of memory for the buffers; try smaller --sizes or fewer ranks");
    return x->w->rank == 0 ? finish(x) : 0;
}

static bool open_places(struct check *x)
{
    struct vc_search_nodes nodes;
    if (!vc_search_nodes(x->w, &nodes))
        return false;
    x->job.w = x->w;
    x->job.o = x->o;
    vc_search_places(&x->job, &nodes);
    for (int i = 0; i < x->job.nplace; i++) {
        struct vc_search_place *p = &x->job.place[i];
        bool all = p->nodes == 0;
        /* A world of unequal nodes is no larger or smaller than others in a way that says anything. */
        x->nodes[i] = !all ? p->nodes : nodes.least == nodes.most ? nodes.count : -1;
        x->ppn[i] = !all ? p->ppn : nodes.least == nodes.most ? nodes.most : -1;
        p->open = vc_search_comm_open(x->w, p->nodes, p->ppn, &p->c);
    }
    vc_search_nodes_free(&nodes);
    return true;
}

int vc_search_check(struct vc_measure_world *w, const struct vc_search_opts *o)
{
    struct check *x = calloc(1, sizeof *x);
    int rc = 1;
    if (!vc_measure_all_agree(w, x != NULL)) {
        free(x);
        return say(w, 1, "out of memory");
    }
    x->w = w;
    x->o = o;
    x->begin = vc_measure_now();
    x->r.native = o->native;
    if (!vc_check_calls_init(&x->calls, w, o->native))
        say(w, 1, "this libvcoll cannot name the functions of the MPI underneath");
    else if (!open_places(x))
        say(w, 1, "out of memory");
    else
        rc = measure(x);
    for (int i = 0; i < x->job.nplace; i++)
        close_place(&x->job.place[i]);
    free(x->r.one);
    free(x);
    return rc;
}
