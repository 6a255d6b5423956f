/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/table/compare.h"

#include "coll/info.h"
#include "transport/base.h"
#include <stdlib.h>
#include <string.h>

enum { SETS_MAX = 600 };

struct compare {
    const struct vc_table *table[2];
    struct vc_params params;
    struct vc_row_keys *set; /* what rows ask for, each once */
    int nsets;
    struct vc_topo_key *at; /* communicators, neighbours side by side, each once */
    int n, cap;
    struct difference {
        struct table_difference d; /* but for `where` */
        int first, last;           /* communicators that differ in this way, without a gap */
    } * found;
    int nfound, room;
};

static int no_memory(void)
{
    return vc_fail(VC_ERR_NOMEM, "out of memory for the comparison of tables");
}

/* ---- communicators ---- */

static int add_set(struct compare *c, const struct vc_row_keys *k)
{
    for (int i = 0; i < c->nsets; i++)
        if (vc_row_keys_same(&c->set[i], k))
            return VC_OK;
    if (c->nsets == SETS_MAX)
        return vc_fail(VC_ERR_INVAL,
                       "the rows tell more than %d kinds of communicators apart; compare tables of fewer",
                       SETS_MAX);
    c->set[c->nsets++] = *k;
    return VC_OK;
}

static int add_sets(struct compare *c, const struct vc_table *t)
{
    int err = VC_OK;
    for (int i = 0; t && i < t->nrows && err == VC_OK; i++)
        err = add_set(c, &t->row[i].keys);
    for (int i = 0; t && i < t->ndevices && err == VC_OK; i++)
        err = add_set(c, &t->device[i].keys);
    return err;
}

/* Both values of each flag: rows that do not ask for one hold for those that the rows before them leave. */
static int add_flags(struct compare *c)
{
    const struct vc_key_info *i;
    struct vc_row_keys k;
    int err = VC_OK;
    for (int n = 0; (i = vc_key_next(&n));)
        for (unsigned bits = VC_NO; i->kind == VC_KEY_FLAG && bits <= VC_YES && err == VC_OK; bits++) {
            vc_row_keys_any(&k);
            *(unsigned *)vc_row_at(&k, i) = bits;
            err = add_set(c, &k);
        }
    return err;
}

static int add_place(struct compare *c, const struct vc_topo_key *at)
{
    if (c->n == c->cap) {
        int cap = c->cap ? 2 * c->cap : 256;
        struct vc_topo_key *more = realloc(c->at, (size_t)cap * sizeof *more);
        if (!more)
            return no_memory();
        c->at = more;
        c->cap = cap;
    }
    c->at[c->n++] = *at;
    return VC_OK;
}

/* Flags and words that the keys do not ask for are the usual ones. */
static void usual(const struct vc_row_keys *k, struct vc_topo_key *at)
{
    const struct vc_key_info *i;
    memset(at, 0, sizeof *at);
    for (int n = 0; (i = vc_key_next(&n));) {
        const void *asks = vc_row_of(k, i);
        if (i->kind == VC_KEY_TEXT)
            memcpy(vc_topo_at(at, i), asks, VC_TABLE_DEVICE);
        else if (i->kind == VC_KEY_FLAG)
            vc_topo_put(at, i, *(const unsigned *)asks ? *(const unsigned *)asks == VC_YES : i->usual);
        else if (i->kind == VC_KEY_WORDS)
            vc_topo_put(at, i, *(const unsigned *)asks ? __builtin_ctz(*(const unsigned *)asks) : 0);
    }
}

/* A communicator of so many ranks and nodes, if there is one. */
static int add_size(struct compare *c, const struct vc_row_keys *k, uint64_t size, uint64_t nodes)
{
    struct vc_topo_key at;
    uint64_t ppn = (size + nodes - 1) / nodes;
    if (ppn < k->ppn.min)
        ppn = k->ppn.min;
    if (size < 2 || size > TABLE_RANKS_MAX || !vc_range_has(k->ranks, size) || ppn > k->ppn.max ||
        nodes + ppn - 1 > size)
        return VC_OK;
    usual(k, &at);
    at.size = (int)size;
    at.nnodes = (int)nodes;
    at.max_ppn = (int)ppn;
    return vc_row_keys_match(k, &at) ? add_place(c, &at) : VC_OK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The smallest and largest ones on so many nodes: some algorithms need powers of two, others as many ranks on
 * each. */
static int add_sizes(struct compare *c, const struct vc_row_keys *k, uint64_t nodes)
{
    uint64_t least = larger(larger(2, k->ranks.min), nodes + k->ppn.min - 1), power = 2;
    while (power < least)
        power *= 2;
    const uint64_t sizes[] = {least,        least + 1,
                              power,        nodes * larger(k->ppn.min, (least + nodes - 1) / nodes),
                              k->ranks.max, k->ppn.max < TABLE_RANKS_MAX ? nodes * k->ppn.max : 0};
    int err = VC_OK;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0] && err == VC_OK; s++)
        err = add_size(c, k, sizes[s], nodes);
    return err;
}

/* On the fewest and the most nodes; where there is no most, also on nodes of one rank each. */
static int add_places(struct compare *c, const struct vc_row_keys *k)
{
    uint64_t spread = larger(larger(2, k->ranks.min), k->nodes.min);
    const uint64_t nodes[] = {k->nodes.min, k->nodes.max < UINT64_MAX ? k->nodes.max : spread, spread + 1};
    int err = VC_OK;
    for (int i = 0; i < 3 && err == VC_OK; i++)
        if (nodes[i] <= TABLE_RANKS_MAX && vc_range_has(k->nodes, nodes[i]))
            err = add_sizes(c, k, nodes[i]);
    return err;
}

/* Neighbours differ in ranks alone. */
static bool neighbours(const struct vc_topo_key *a, const struct vc_topo_key *b)
{
    return a->nnodes == b->nnodes && vc_topo_order(a, b, false) == 0;
}

static int by_kind(const void *x, const void *y)
{
    const struct vc_topo_key *a = x, *b = y;
    int order = vc_topo_order(a, b, false);
    if (order == 0)
        order = a->nnodes - b->nnodes;
    return order ? order : vc_topo_order(a, b, true);
}

static int find_places(struct compare *c, const struct vc_table_doc file[2])
{
    int err = VC_OK, n = 0;
    size_t i;
    const json_t *o;
    for (int t = 0; t < 2; t++)
        json_array_foreach(json_object_get(file[t].json, "measured"), i, o)
        {
            struct vc_measured p;
            if (err == VC_OK && vc_measured_from_json(o, &p))
                err = add_place(c, &p.at);
        }
    for (int t = 0; t < 3 && err == VC_OK; t++)
        err = add_sets(c, t < 2 ? file[t].rows : vc_table_builtin());
    if (err == VC_OK)
        err = add_flags(c);
    for (int a = 0; a < c->nsets; a++)
        for (int b = a; b < c->nsets && err == VC_OK; b++) {
            struct vc_row_keys k;
            if (vc_row_keys_both(&c->set[a], &c->set[b], &k))
                err = add_places(c, &k);
        }
    if (c->n > 0)
        qsort(c->at, (size_t)c->n, sizeof *c->at, by_kind);
    for (int k = 0; k < c->n; k++)
        if (n == 0 || by_kind(&c->at[n - 1], &c->at[k]) != 0)
            c->at[n++] = c->at[k];
    c->n = n;
    return err;
}

/* ---- what differs on one of them ---- */

static bool same_device(const struct vc_device_row *a, const struct vc_device_row *b)
{
    char x[2 * TABLE_TEXT], y[2 * TABLE_TEXT];
    return strcmp(table_device_text(a, x, sizeof x), table_device_text(b, y, sizeof y)) == 0;
}

static bool same_difference(const struct table_difference *a, const struct table_difference *b)
{
    if (a->is_device || b->is_device)
        return a->is_device && b->is_device && same_device(a->row[0], b->row[0]) &&
               same_device(a->row[1], b->row[1]);
    return a->coll == b->coll && a->commutative == b->commutative && a->bytes.min == b->bytes.min &&
           a->bytes.max == b->bytes.max && vc_choice_same(&a->choice[0], &b->choice[0]) &&
           vc_choice_same(&a->choice[1], &b->choice[1]);
}

/* Goes on with one that a neighbour has, or begins another. */
static int add_difference(struct compare *c, int place, const struct table_difference *d)
{
    for (int i = c->nfound - 1; i >= 0; i--) {
        struct difference *f = &c->found[i];
        if (f->last >= place - 1 && same_difference(&f->d, d) && neighbours(&c->at[f->last], &c->at[place])) {
            f->last = place;
            return VC_OK;
        }
    }
    if (c->nfound == c->room) {
        int room = c->room ? 2 * c->room : 64;
        struct difference *more = realloc(c->found, (size_t)room * sizeof *more);
        if (!more)
            return no_memory();
        c->found = more;
        c->room = room;
    }
    c->found[c->nfound++] = (struct difference){*d, place, place};
    return VC_OK;
}

/* The last difference, until its sizes end: *open has choices in it. */
static int put_segment(struct compare *c, int place, struct table_difference *open, bool *is_open,
                       const struct table_difference *next)
{
    bool differs = next && !vc_choice_same(&next->choice[0], &next->choice[1]);
    if (*is_open && differs && vc_choice_same(&open->choice[0], &next->choice[0]) &&
        vc_choice_same(&open->choice[1], &next->choice[1])) {
        open->bytes.max = next->bytes.max; /* only one of the tables has a border here */
        return VC_OK;
    }
    int err = *is_open ? add_difference(c, place, open) : VC_OK;
    *is_open = differs;
    if (differs)
        *open = *next;
    return err;
}

static int compare_calls(struct compare *c, int place, const struct vc_selection sel[2], enum vc_coll coll)
{
    const struct vc_select_range *a = sel[0].rule[coll], *b = sel[1].rule[coll];
    struct table_difference open[3]; /* by operators: any, others, commutative ones */
    bool is_open[3] = {false, false, false}, more = true;
    int err = VC_OK;
    for (uint64_t from = 0; more && err == VC_OK;) {
        size_t to = a->max_bytes < b->max_bytes ? a->max_bytes : b->max_bytes;
        more = to != SIZE_MAX && vc_coll_by_size(coll);
        const struct table_difference other = {.coll = coll,
                                               .commutative = VC_NO,
                                               .bytes = {from, more ? to : UINT64_MAX},
                                               .choice = {a->noncomm, b->noncomm}};
        struct table_difference d[3] = {other, other, other};
        d[VC_YES].choice[0] = d[VC_ANY].choice[0] = a->choice;
        d[VC_YES].choice[1] = d[VC_ANY].choice[1] = b->choice;
        d[VC_YES].commutative = VC_YES;
        d[VC_ANY].commutative = VC_ANY;
        bool together = !vc_coll_reduces(coll) ||
                        (vc_choice_same(&a->choice, &a->noncomm) && vc_choice_same(&b->choice, &b->noncomm));
        for (int i = 0; i < 3 && err == VC_OK; i++)
            err = put_segment(c, place, &open[i], &is_open[i], together == (i == VC_ANY) ? &d[i] : NULL);
        from = (uint64_t)to + 1;
        a += a->max_bytes == to;
        b += b->max_bytes == to;
    }
    for (int i = 0; i < 3 && err == VC_OK; i++)
        err = put_segment(c, place, &open[i], &is_open[i], NULL);
    return err;
}

static int compare_place(struct compare *c, int place)
{
    const struct table_place p = {.at = c->at[place]};
    struct table_key key;
    struct vc_selection sel[2];
    memset(sel, 0, sizeof sel);
    int err = table_key_make(&p, &c->params, &key);
    if (err == VC_ERR_INVAL) /* numbers of a measured point that cannot be */
        return VC_OK;
    for (int t = 0; t < 2 && err == VC_OK; t++)
        err = vc_select_init(&sel[t], &key.key, &c->params, c->table[t]);
    for (int i = 0; i < VC_COLL_COUNT && err == VC_OK; i++)
        err = compare_calls(c, place, sel, (enum vc_coll)i);
    struct table_difference d = {.is_device = true};
    for (int t = 0; t < 2; t++)
        d.row[t] = c->table[t] ? vc_table_device(c->table[t], &key.key) : NULL;
    if (err == VC_OK && !same_device(d.row[0], d.row[1]))
        err = add_difference(c, place, &d);
    vc_select_free(&sel[0]);
    vc_select_free(&sel[1]);
    table_key_free(&key);
    return err;
}

/* ---- telling ---- */

/* The communicators from the first to the last one; what is usual goes without saying. */
static void name_places(const struct compare *c, const struct difference *f, struct vc_row_keys *k)
{
    const struct vc_topo_key *at = &c->at[f->first];
    const struct vc_key_info *i;
    vc_row_keys_any(k);
    for (int n = 0; (i = vc_key_next(&n));) {
        if (i->kind == VC_KEY_TEXT)
            memcpy(vc_row_at(k, i), vc_topo_of(at, i), VC_TABLE_DEVICE);
        else if ((i->kind == VC_KEY_FLAG && vc_topo_value(at, i) != i->usual) ||
                 (i->kind == VC_KEY_WORDS && vc_topo_value(at, i) > 0))
            *(unsigned *)vc_row_at(k, i) = vc_key_bit(i, vc_topo_value(at, i));
    }
    k->nodes = (struct vc_range){(uint64_t)at->nnodes, (uint64_t)at->nnodes};
    k->ranks = (struct vc_range){(uint64_t)at->size, (uint64_t)c->at[f->last].size};
    if (at->nnodes == 1)
        return;
    k->ppn = (struct vc_range){(uint64_t)at->max_ppn, (uint64_t)at->max_ppn};
    for (int p = f->first; p <= f->last; p++) {
        uint64_t ppn = (uint64_t)c->at[p].max_ppn;
        k->ppn.min = ppn < k->ppn.min ? ppn : k->ppn.min;
        k->ppn.max = ppn > k->ppn.max ? ppn : k->ppn.max;
    }
}

/* Whether another one says as much: the same of more communicators, or of the usual ones. */
static bool is_told(const struct compare *c, int at)
{
    const struct table_difference *d = &c->found[at].d;
    for (int i = 0; i < c->nfound; i++) {
        const struct table_difference *o = &c->found[i].d;
        if (i != at && same_difference(o, d) && vc_row_keys_cover(&o->where, &d->where) &&
            (i < at || !vc_row_keys_cover(&d->where, &o->where)))
            return true;
    }
    return false;
}

/* Collectives, then sizes; devices at the end. */
static int by_call(const void *x, const void *y)
{
    const struct difference *f = x, *g = y;
    const struct table_difference *a = &f->d, *b = &g->d;
    if (a->is_device != b->is_device)
        return a->is_device - b->is_device;
    if (a->coll != b->coll)
        return (int)a->coll - (int)b->coll;
    if (a->commutative != b->commutative)
        return (int)a->commutative - (int)b->commutative;
    return a->bytes.min != b->bytes.min ? (a->bytes.min < b->bytes.min ? -1 : 1) : f->first - g->first;
}

int table_compare(const struct vc_table_doc file[2],
                  void (*tell)(void *arg, const struct table_difference *d), void *arg)
{
    struct compare c = {
        .table = {file[0].rows, file[1].rows},
        .params = {.channels = VC_CHAN_SHM | VC_CHAN_MPI | VC_CHAN_VERBS,
                   .colls = (1u << VC_COLL_COUNT) - 1,
                   .shm_bulk = 1,
                   .cma = true},
        .set = calloc(SETS_MAX, sizeof *c.set),
    };
    int err = c.set ? find_places(&c, file) : no_memory();
    for (int p = 0; p < c.n && err == VC_OK; p++)
        err = compare_place(&c, p);
    if (c.nfound > 0)
        qsort(c.found, (size_t)c.nfound, sizeof *c.found, by_call);
    for (int i = 0; i < c.nfound && err == VC_OK; i++)
        name_places(&c, &c.found[i], &c.found[i].d.where);
    for (int i = 0; i < c.nfound && err == VC_OK; i++)
        if (!is_told(&c, i))
            tell(arg, &c.found[i].d);
    free(c.found);
    free(c.set);
    free(c.at);
    return err;
}
