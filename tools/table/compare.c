/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/info.h"
#include "tools/table/diff.h"

#include "tools/table/axes.h"
#include "transport/base.h"
#include <stdlib.h>
#include <string.h>

/* A way in which the tables differ, wherever they do. */
struct way {
    struct table_difference d; /* without `where` */
    bool is_device;
    const struct vc_device_row *row[2];
};

struct hit {
    int way, cell;
};

enum mark { MARK_NO, MARK_HIT, MARK_DONE, MARK_EMPTY }; /* empty: no such communicator */

struct compare {
    const struct vc_table *table[2];
    const struct table_differ *to;
    struct vc_params params;
    struct table_grid grid;
    unsigned char *mark; /* [cells] */
    struct way *way;
    int nways, last; /* the way found last: cells next to each other differ in the same ways */
    struct hit *hit;
    size_t nhits, cap_hits;
};

/* ---- collecting ---- */

static bool same_device(const struct vc_device_row *a, const struct vc_device_row *b)
{
    static const struct vc_device_row nothing = {.index = 0};
    const struct vc_param_moderation *x, *y;
    a = a ? a : &nothing;
    b = b ? b : &nothing;
    x = &a->cq;
    y = &b->cq;
    if (x->given != y->given || a->coalesce.has != b->coalesce.has)
        return false;
    if (x->given && (x->latency.count != y->latency.count || x->latency.period != y->latency.period ||
                     x->bulk.count != y->bulk.count || x->bulk.period != y->bulk.period))
        return false;
    for (int i = 0; i < VC_COALESCE_FIELDS; i++)
        if (vc_coalesce_has(&a->coalesce, (enum vc_coalesce_field)i) &&
            a->coalesce.value[i] != b->coalesce.value[i])
            return false;
    return true;
}

static bool same_way(const struct way *a, const struct way *b)
{
    if (a->is_device || b->is_device)
        return a->is_device && b->is_device && same_device(a->row[0], b->row[0]) &&
               same_device(a->row[1], b->row[1]);
    return a->d.coll == b->d.coll && a->d.commutative == b->d.commutative &&
           a->d.bytes.min == b->d.bytes.min && a->d.bytes.max == b->d.bytes.max &&
           vc_choice_same(&a->d.choice[0], &b->d.choice[0]) &&
           vc_choice_same(&a->d.choice[1], &b->d.choice[1]);
}

static int find_way(struct compare *c, const struct way *w)
{
    for (int i = 1; i <= c->nways; i++) {
        int k = (c->last + i) % c->nways;
        if (same_way(&c->way[k], w))
            return c->last = k;
    }
    struct way *more = realloc(c->way, ((size_t)c->nways + 1) * sizeof *more);
    if (!more)
        return -1;
    c->way = more;
    more[c->nways] = *w;
    return c->last = c->nways++;
}

static int add(struct compare *c, int cell, const struct way *w)
{
    int way = find_way(c, w);
    if (way >= 0 && c->nhits == c->cap_hits) {
        size_t cap = c->cap_hits ? 2 * c->cap_hits : 256;
        struct hit *more = realloc(c->hit, cap * sizeof *more);
        if (!more)
            way = -1;
        else {
            c->hit = more;
            c->cap_hits = cap;
        }
    }
    if (way < 0)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the differences of two tables");
    c->hit[c->nhits++] = (struct hit){way, cell};
    return VC_OK;
}

/* The differences of one collective and operator class in one cell, sizes ascending. */
struct list {
    struct way *way;
    int n, cap;
};

static bool put(struct list *l, const struct way *w)
{
    struct way *before = l->n ? &l->way[l->n - 1] : NULL;
    /* Where only one of them has a border inside. */
    if (before && before->d.bytes.max + 1 == w->d.bytes.min &&
        vc_choice_same(&before->d.choice[0], &w->d.choice[0]) &&
        vc_choice_same(&before->d.choice[1], &w->d.choice[1])) {
        before->d.bytes.max = w->d.bytes.max;
        return true;
    }
    if (l->n == l->cap) {
        int cap = l->cap ? 2 * l->cap : 16;
        struct way *more = realloc(l->way, (size_t)cap * sizeof *more);
        if (!more)
            return false;
        l->way = more;
        l->cap = cap;
    }
    l->way[l->n++] = *w;
    return true;
}

static bool list_calls(const struct vc_selection sel[2], enum vc_coll coll, bool commutative,
                       struct list *out)
{
    const struct vc_choice *a = sel[0].rule[coll], *b = sel[1].rule[coll];
    out->n = 0;
    for (uint64_t from = 0;;) {
        size_t to = a->max_bytes < b->max_bytes ? a->max_bytes : b->max_bytes;
        struct way w = {.d = {.coll = coll,
                              .commutative = commutative ? VC_YES : VC_NO,
                              .bytes = {from, to == SIZE_MAX ? UINT64_MAX : to},
                              .choice = {commutative ? a->pick : a->pick_noncomm,
                                         commutative ? b->pick : b->pick_noncomm}}};
        if (!vc_coll_sized(coll)) /* has one size */
            w.d.bytes.max = UINT64_MAX;
        if (!vc_choice_same(&w.d.choice[0], &w.d.choice[1]) && !put(out, &w))
            return false;
        if (to == SIZE_MAX || !vc_coll_sized(coll))
            return true;
        from = (uint64_t)to + 1;
        a += a->max_bytes == to;
        b += b->max_bytes == to;
    }
}

/* What holds for both classes of operators is told once. */
static int add_classes(struct compare *c, int cell, struct list *yes, struct list *no)
{
    int err = VC_OK;
    for (int i = 0; i < yes->n; i++) {
        for (int k = 0; k < no->n; k++) {
            struct way other = no->way[k];
            other.d.commutative = VC_YES;
            if (!same_way(&yes->way[i], &other))
                continue;
            yes->way[i].d.commutative = VC_ANY;
            no->way[k] = no->way[--no->n];
            break;
        }
        if (err == VC_OK)
            err = add(c, cell, &yes->way[i]);
    }
    for (int k = 0; k < no->n && err == VC_OK; k++)
        err = add(c, cell, &no->way[k]);
    return err;
}

static int compare_selections(struct compare *c, int cell, const struct vc_selection sel[2])
{
    struct list yes = {.way = NULL}, no = {.way = NULL};
    int err = VC_OK;
    for (int i = 0; i < VC_COLL_ACCELERATED && err == VC_OK; i++) {
        enum vc_coll coll = (enum vc_coll)i;
        bool reduction = vc_coll_reduces(coll), good = list_calls(sel, coll, true, &yes);
        no.n = 0;
        if (good && reduction)
            good = list_calls(sel, coll, false, &no);
        for (int k = 0; k < yes.n && !reduction; k++)
            yes.way[k].d.commutative = VC_ANY;
        err = good ? add_classes(c, cell, &yes, &no) : vc_fail(VC_ERR_NOMEM, "out of memory for differences");
    }
    free(yes.way);
    free(no.way);
    return err;
}

static int compare_devices(struct compare *c, int cell, const struct vc_topo_key *key)
{
    struct way w = {.is_device = true};
    for (int i = 0; i < 2; i++)
        w.row[i] = c->table[i] ? vc_table_device(c->table[i], key) : NULL;
    return same_device(w.row[0], w.row[1]) ? VC_OK : add(c, cell, &w);
}

static int compare_cell(struct compare *c, int cell)
{
    struct table_place place;
    struct table_key key;
    struct vc_selection sel[2];
    if (!table_grid_place(&c->grid, cell, &place)) {
        c->mark[cell] = MARK_EMPTY;
        return VC_OK;
    }
    memset(sel, 0, sizeof sel);
    int err = table_key_make(&place, &c->params, &key);
    for (int i = 0; i < 2 && err == VC_OK; i++)
        err = vc_select_init(&sel[i], &key.key, &c->params, c->table[i]);
    if (err == VC_OK)
        err = compare_selections(c, cell, sel);
    if (err == VC_OK)
        err = compare_devices(c, cell, &key.key);
    vc_select_free(&sel[0]);
    vc_select_free(&sel[1]);
    table_key_free(&key);
    return err;
}

/* ---- putting neighbours together ---- */

/* Whether the part of the box at `value` on the axis has no cell that differs otherwise (*hits: how many that
 * differ this way). */
static bool slab(const struct compare *c, const struct table_box *box, int axis, int value, int *hits)
{
    int at[VC_KEYS_MAX];
    memcpy(at, box->lo, sizeof at);
    at[axis] = value;
    *hits = 0;
    for (;;) {
        unsigned char m = c->mark[table_grid_cell(&c->grid, at)];
        if (m == MARK_NO)
            return false;
        *hits += m != MARK_EMPTY;
        int a = 0;
        for (; a < c->grid.axes; a++) {
            if (a == axis)
                continue;
            if (at[a] < box->hi[a]) {
                at[a]++;
                break;
            }
            at[a] = box->lo[a];
        }
        if (a == c->grid.axes)
            return true;
    }
}

static void grow(const struct compare *c, struct table_box *box, int axis)
{
    int hits, lo = box->lo[axis], hi = box->hi[axis];
    while (hi + 1 < c->grid.n[axis] && slab(c, box, axis, hi + 1, &hits))
        hi++;
    while (lo > 0 && slab(c, box, axis, lo - 1, &hits))
        lo--;
    bool all = lo == 0 && hi == c->grid.n[axis] - 1;
    /* Devices are not in any order, and keys name one or none. */
    if (c->grid.axis[axis]->kind == VC_KEY_TEXT && !all)
        return;
    /* Communicators that cannot be are no reason to name more than there is. */
    while (!all && hi > box->hi[axis] && slab(c, box, axis, hi, &hits) && hits == 0)
        hi--;
    while (!all && lo < box->lo[axis] && slab(c, box, axis, lo, &hits) && hits == 0)
        lo++;
    box->lo[axis] = lo;
    box->hi[axis] = hi;
}

static bool inside(const struct compare *c, const struct table_box *box, int cell)
{
    int at[VC_KEYS_MAX];
    table_grid_coordinates(&c->grid, cell, at);
    for (int a = 0; a < c->grid.axes; a++)
        if (at[a] < box->lo[a] || at[a] > box->hi[a])
            return false;
    return true;
}

static void tell(const struct compare *c, const struct way *w, const struct table_box *box)
{
    struct table_difference d = w->d;
    table_grid_keys(&c->grid, box, &d.where, &d.no_device);
    if (w->is_device)
        c->to->device(c->to->arg, &d.where, d.no_device, w->row);
    else
        c->to->choice(c->to->arg, &d);
}

/* How many cells of the box are not yet told. */
static size_t news(const struct compare *c, const struct table_box *box, const struct hit *hit, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += c->mark[hit[i].cell] == MARK_HIT && inside(c, box, hit[i].cell);
    return count;
}

/* The box that says most, of some that begin everywhere among the cells not yet told. */
static struct table_box best_box(const struct compare *c, const struct hit *hit, size_t n, size_t left)
{
    enum { TRIED = 32 };
    struct table_box best;
    size_t most = 0, step = left > TRIED ? left / TRIED : 1, seen = 0;
    memset(&best, 0, sizeof best);
    for (size_t i = 0; i < n; i++) {
        struct table_box box;
        if (c->mark[hit[i].cell] != MARK_HIT || seen++ % step != 0)
            continue;
        table_grid_coordinates(&c->grid, hit[i].cell, box.lo);
        memcpy(box.hi, box.lo, sizeof box.hi);
        for (int a = 0; a < c->grid.axes; a++)
            grow(c, &box, a);
        size_t says = news(c, &box, hit, n);
        if (says > most) {
            most = says;
            best = box;
        }
    }
    return best;
}

static void tell_way(struct compare *c, const struct hit *hit, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c->mark[hit[i].cell] = MARK_HIT;
    for (size_t left = n; left > 0;) {
        struct table_box box = best_box(c, hit, n, left);
        left -= news(c, &box, hit, n);
        for (size_t i = 0; i < n; i++)
            if (inside(c, &box, hit[i].cell))
                c->mark[hit[i].cell] = MARK_DONE;
        tell(c, &c->way[hit[0].way], &box);
    }
    for (size_t i = 0; i < n; i++)
        c->mark[hit[i].cell] = MARK_NO;
}

/* Collectives, then sizes; devices at the end. */
static int by_call(const struct way *a, const struct way *b)
{
    if (a->is_device != b->is_device)
        return a->is_device - b->is_device;
    if (a->d.coll != b->d.coll)
        return (int)a->d.coll - (int)b->d.coll;
    if (a->d.commutative != b->d.commutative)
        return (int)a->d.commutative - (int)b->d.commutative;
    return a->d.bytes.min < b->d.bytes.min ? -1 : a->d.bytes.min > b->d.bytes.min;
}

static int by_way(const void *x, const void *y, void *arg)
{
    const struct compare *c = arg;
    const struct hit *a = x, *b = y;
    if (a->way == b->way)
        return a->cell < b->cell ? -1 : a->cell > b->cell;
    int order = by_call(&c->way[a->way], &c->way[b->way]);
    return order ? order : a->way - b->way;
}

static void tell_all(struct compare *c)
{
    if (c->nhits > 0)
        qsort_r(c->hit, c->nhits, sizeof *c->hit, by_way, c);
    for (size_t from = 0, to; from < c->nhits; from = to) {
        for (to = from; to < c->nhits && c->hit[to].way == c->hit[from].way; to++)
            ;
        tell_way(c, c->hit + from, to - from);
    }
}

/* Everything possible, nothing forced: a difference of tables is none of somebody's settings. */
static void neutral(struct vc_params *p)
{
    memset(p, 0, sizeof *p);
    p->channels = VC_CHAN_SHM | VC_CHAN_MPI | VC_CHAN_VERBS;
    p->colls = (1u << VC_COLL_ACCELERATED) - 1;
    p->shm_bulk = 1;
    p->cma = true;
}

int table_compare(const struct vc_table *a, const struct vc_table *b, const struct table_differ *to)
{
    struct compare c = {.table = {a, b}, .to = to};
    const struct vc_table *const all[] = {a, b, vc_table_builtin()};
    neutral(&c.params);
    int err = table_grid_make(all, 3, &c.grid);
    c.mark = err == VC_OK ? calloc((size_t)c.grid.cells, 1) : NULL;
    if (err == VC_OK && !c.mark)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for the comparison of tables");
    for (int cell = 0; err == VC_OK && cell < c.grid.cells; cell++)
        err = compare_cell(&c, cell);
    if (err == VC_OK)
        tell_all(&c);
    free(c.hit);
    free(c.way);
    free(c.mark);
    table_grid_free(&c.grid);
    return err;
}
