/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of several files in one list. For one call of one communicator each file has its own order of rules,
 * which means something (what stands behind is for calls that those before refuse) and is kept. Between files
 * the more specific rule comes first; where keys are equal there is nothing more specific, and measurements
 * decide.
 */
#include "tools/table/tool.h"

#include "transport/base.h"
#include "tune/table/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- equal keys ---- */

struct group {
    const struct table_rules *list;
    int *member, n; /* rules of equal keys */
    uint64_t *start;
    int nstarts; /* sizes from one start to the next are answered alike */
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static const struct table_rule *member(const struct group *g, int i)
{
    return &g->list->rule[g->member[i]];
}

static void find_starts(struct group *g)
{
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        struct vc_range b = member(g, i)->bytes;
        g->start[n++] = b.min;
        if (b.max != UINT64_MAX)
            g->start[n++] = b.max + 1;
    }
    qsort(g->start, (size_t)n, sizeof *g->start, by_value);
    g->nstarts = 0;
    for (int i = 0; i < n; i++)
        if (i == 0 || g->start[i] != g->start[g->nstarts - 1])
            g->start[g->nstarts++] = g->start[i];
}

static struct vc_range segment(const struct group *g, int s)
{
    return (struct vc_range){g->start[s], s + 1 < g->nstarts ? g->start[s + 1] - 1 : UINT64_MAX};
}

/* The points of the file; or, where it has none, what the rule itself says. */
static struct table_evidence evidence(const struct table_rule *r, const struct table_file *files,
                                      struct vc_range bytes)
{
    struct table_evidence e = {.median = NAN};
    if (!r->row)
        return e;
    if (!r->row->builtin)
        e = table_evidence(files[r->file].json, (enum vc_coll)r->coll, &r->keys, bytes, &r->row->choice);
    if (e.rounds == 0) {
        const json_t *own = json_object_get(r->json, "measured");
        e.rounds = (long)json_integer_value(json_object_get(own, "rounds"));
        e.bytes = (size_t)bytes.min;
        e.median = table_number(own, "median");
    }
    return e;
}

struct settle {
    const struct table_file *files;
    int nfiles;
    struct table_rules *out;
    struct table_conflict *told;
    int ntold;
};

/* Neighbouring segments with the same decision are one decision. */
static int note(struct settle *s, const struct table_conflict *c)
{
    for (int i = s->ntold - 1; i >= 0; i--) {
        struct table_conflict *t = &s->told[i];
        if (t->kept->json == c->kept->json && t->dropped->json == c->dropped->json &&
            t->kept->coll == c->kept->coll && t->by_rounds == c->by_rounds &&
            t->bytes.max + 1 == c->bytes.min) {
            t->bytes.max = c->bytes.max;
            return VC_OK;
        }
    }
    struct table_conflict *more = realloc(s->told, ((size_t)s->ntold + 1) * sizeof *more);
    if (!more)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the conflicts of %d rules", s->ntold);
    s->told = more;
    more[s->ntold++] = *c;
    return VC_OK;
}

/* Which file's rules the segment gets: the winner's first one, or NULL where no rule is. */
static int winner(struct settle *s, const struct group *g, struct vc_range bytes,
                  const struct table_rule **out)
{
    const struct table_rule *best = NULL;
    struct table_evidence of_best = {.rounds = 0};
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < g->n; i++) {
        const struct table_rule *r = member(g, i);
        if (!vc_range_meets(r->bytes, bytes) || (best && best->file == r->file))
            continue;
        struct table_evidence e = evidence(r, s->files, bytes);
        if (best) {
            bool rounds = e.rounds != of_best.rounds;
            bool take = rounds ? e.rounds > of_best.rounds : r->file > best->file;
            struct table_conflict c = {
                .kept = take ? r : best,
                .dropped = take ? best : r,
                .bytes = bytes,
                .kept_by = take ? e : of_best,
                .dropped_by = take ? of_best : e,
                .by_rounds = rounds,
            };
            if (!table_rules_same_choice(best, r))
                err = note(s, &c);
            if (!take)
                continue;
        }
        best = r;
        of_best = e;
    }
    *out = best;
    return err;
}

/* A file's rules, cut to the segment; pieces of a rule that touch are one. *all: together they take every
 * call. */
static int keep(struct settle *s, const struct group *g, int from, struct vc_range bytes, int file, int level,
                bool *all)
{
    for (int i = 0; i < g->n; i++) {
        const struct table_rule *r = member(g, i);
        if (r->file != file || !vc_range_meets(r->bytes, bytes))
            continue;
        *all |= !r->row || !table_row_passes(r->row);
        struct table_rule *joined = NULL;
        for (int k = from; k < s->out->n; k++)
            if (s->out->rule[k].file == r->file && s->out->rule[k].order == r->order &&
                s->out->rule[k].level == level && s->out->rule[k].bytes.max + 1 == bytes.min)
                joined = &s->out->rule[k];
        struct table_rule piece = *r;
        piece.bytes = bytes;
        piece.level = level;
        if (joined)
            joined->bytes.max = bytes.max;
        int err = joined ? VC_OK : table_rules_push(s->out, &piece);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

static bool has_rules(const struct group *g, struct vc_range bytes, int file)
{
    for (int i = 0; i < g->n; i++)
        if (member(g, i)->file == file && vc_range_meets(member(g, i)->bytes, bytes))
            return true;
    return false;
}

/* The winner's rules; behind them, for the calls that those refuse, the others', the latest first. */
static int keep_segment(struct settle *s, const struct group *g, int from, struct vc_range bytes, int first)
{
    bool all = false;
    int level = 0, err = keep(s, g, from, bytes, first, level++, &all);
    for (int file = s->nfiles - 1; file >= 0 && !all && err == VC_OK; file--)
        if (file != first && has_rules(g, bytes, file))
            err = keep(s, g, from, bytes, file, level++, &all);
    return err;
}

static int settle_group(struct settle *s, struct group *g)
{
    int from = s->out->n, err = VC_OK;
    find_starts(g);
    for (int k = 0; err == VC_OK && k < g->nstarts; k++) {
        const struct table_rule *best = NULL;
        err = winner(s, g, segment(g, k), &best);
        if (err == VC_OK && best)
            err = keep_segment(s, g, from, segment(g, k), best->file);
    }
    for (int i = from; i < s->out->n; i++)
        for (int k = 0; k < g->n; k++)
            if (member(g, k)->json == s->out->rule[i].json)
                s->out->rule[i].bytes_cut |= member(g, k)->bytes.min != s->out->rule[i].bytes.min ||
                                             member(g, k)->bytes.max != s->out->rule[i].bytes.max;
    return err;
}

static int settle_all(struct settle *s, const struct table_rules *list, bool *done, struct group *g)
{
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < list->n; i++) {
        if (done[i])
            continue;
        g->n = 0;
        for (int k = i; k < list->n; k++) {
            if (done[k] || !table_rules_alike(&list->rule[i], &list->rule[k]))
                continue;
            done[k] = true;
            g->member[g->n++] = k;
        }
        err = settle_group(s, g);
    }
    return err;
}

int table_rules_settle(struct table_rules *list, const struct table_file *files,
                       void (*tell)(void *arg, const struct table_conflict *c), void *arg)
{
    size_t n = (size_t)list->n + 1;
    struct table_rules out = {NULL, 0, 0};
    struct settle s = {.files = files, .out = &out};
    for (int i = 0; i < list->n; i++)
        s.nfiles = list->rule[i].file >= s.nfiles ? list->rule[i].file + 1 : s.nfiles;
    struct group g = {
        .list = list, .member = malloc(n * sizeof *g.member), .start = malloc(2 * n * sizeof *g.start)};
    bool *done = calloc(n, sizeof *done);
    int err = g.member && g.start && done ? settle_all(&s, list, done, &g)
                                          : vc_fail(VC_ERR_NOMEM, "out of memory for %d rules", list->n);
    for (int i = 0; err == VC_OK && tell && i < s.ntold; i++)
        tell(arg, &s.told[i]);
    if (err == VC_OK) {
        table_rules_free(list);
        *list = out;
    } else {
        table_rules_free(&out);
    }
    free(s.told);
    free(g.member);
    free(g.start);
    free(done);
    return err;
}

/* ---- more specific first ---- */

/* Doublings in a range: a range inside another one has fewer. */
static double width(struct vc_range r, double cap)
{
    double hi = (double)r.max < cap ? (double)r.max : cap, lo = r.min < 1 ? 1 : (double)r.min;
    return hi > lo ? log2((hi + 1) / lo) : log2((lo + 1) / lo);
}

static double breadth(const struct table_rule *r)
{
    const struct vc_key_info *i;
    double sum = r->commutative == VC_ANY;
    for (int n = 0; (i = vc_key_next(&n));) {
        const void *asks = vc_row_of(&r->keys, i);
        if (i->kind == VC_KEY_RANGE)
            sum += width(*(const struct vc_range *)asks, TABLE_RANKS_MAX);
        else if (i->kind == VC_KEY_TEXT)
            sum += *(const char *)asks ? 0 : 3;
        else if (i->kind == VC_KEY_FLAG)
            sum += !*(const unsigned *)asks;
        else
            sum +=
                log2(*(const unsigned *)asks ? __builtin_popcount(*(const unsigned *)asks) : vc_key_words(i));
    }
    return sum;
}

struct place {
    double keys, bytes;
    int waits_for; /* rules of its file that must come before and have not */
    bool placed;
};

static bool goes_first(const struct table_rules *list, const struct place *p, int a, int b)
{
    const struct table_rule *x = &list->rule[a], *y = &list->rule[b];
    if (x->coll != y->coll)
        return x->coll < y->coll;
    if (p[a].keys != p[b].keys)
        return p[a].keys < p[b].keys;
    /* Side by side, small to large, where nothing says otherwise. */
    if (table_rules_alike(x, y) && !vc_range_meets(x->bytes, y->bytes))
        return x->bytes.min < y->bytes.min;
    if (p[a].bytes != p[b].bytes)
        return p[a].bytes < p[b].bytes;
    if (x->level != y->level)
        return x->level < y->level;
    return x->file != y->file ? x->file < y->file : x->order < y->order;
}

static bool must_precede(const struct table_rule *a, const struct table_rule *b)
{
    if (a->file == b->file)
        return a->order < b->order && table_rules_meet(a, b);
    return a->level < b->level && table_rules_alike(a, b) && vc_range_meets(a->bytes, b->bytes);
}

static void sort_into(const struct table_rules *list, struct place *p, struct table_rule *out)
{
    int n = list->n;
    for (int i = 0; i < n; i++) {
        p[i] = (struct place){.keys = breadth(&list->rule[i]), .bytes = width(list->rule[i].bytes, 0x1p63)};
        for (int k = 0; k < n; k++)
            p[i].waits_for += must_precede(&list->rule[k], &list->rule[i]);
    }
    for (int done = 0; done < n; done++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!p[i].placed && p[i].waits_for == 0 && (best < 0 || goes_first(list, p, i, best)))
                best = i;
        out[done] = list->rule[best];
        p[best].placed = true;
        for (int i = 0; i < n; i++)
            p[i].waits_for -= must_precede(&list->rule[best], &list->rule[i]);
    }
}

int table_rules_sort(struct table_rules *list)
{
    size_t n = (size_t)list->n + 1;
    struct place *p = malloc(n * sizeof *p);
    struct table_rule *out = malloc(n * sizeof *out);
    int err = p && out ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for %d rules", list->n);
    if (err == VC_OK) {
        sort_into(list, p, out);
        free(list->rule);
        list->rule = out;
        list->cap = (int)n;
        out = NULL;
    }
    free(out);
    free(p);
    return err;
}
