/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/table/axes.h"

#include "transport/base.h"
#include "tune/table/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 400000, NODES_TRIED = 4096 };

/* ---- axes of numbers ---- */

struct borders {
    uint64_t *start; /* where another range begins; the first is the smallest legal number */
    int n, cap;
    bool failed;
};

static void add_start(struct borders *b, uint64_t start)
{
    if (b->n == b->cap) {
        int cap = b->cap ? 2 * b->cap : 32;
        uint64_t *more = realloc(b->start, (size_t)cap * sizeof *more);
        if (!more) {
            b->failed = true;
            return;
        }
        b->start = more;
        b->cap = cap;
    }
    b->start[b->n++] = start;
}

static void add_range(struct borders *b, struct vc_range r)
{
    if (r.min > b->start[0])
        add_start(b, r.min);
    if (r.max != UINT64_MAX)
        add_start(b, r.max + 1);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Some algorithms want powers of two: the first one in each range stands alone. */
static void part_powers(struct borders *b)
{
    int n = b->n;
    for (int i = 0; i < n && !b->failed; i++) {
        uint64_t p = 1, end = i + 1 < n ? b->start[i + 1] : UINT64_MAX;
        while (p < b->start[i])
            p *= 2;
        if (p < end)
            add_start(b, p);
        if (p + 1 < end)
            add_start(b, p + 1);
    }
}

static void sort_starts(struct borders *b)
{
    int n = 0;
    qsort(b->start, (size_t)b->n, sizeof *b->start, by_value);
    for (int i = 0; i < b->n; i++)
        if (n == 0 || b->start[i] != b->start[n - 1])
            b->start[n++] = b->start[i];
    b->n = n;
}

/* The keys of the n-th row of the tables, rules and devices; NULL behind the last. */
static const struct vc_row_keys *keys_of(const struct vc_table *const *tables, int n, int row)
{
    for (int t = 0; t < n; t++) {
        int rules = tables[t] ? tables[t]->nrows : 0, all = tables[t] ? rules + tables[t]->ndevices : 0;
        if (row < all)
            return row < rules ? &tables[t]->row[row].keys : &tables[t]->device[row - rules].keys;
        row -= all;
    }
    return NULL;
}

static int number_axis(const struct vc_table *const *tables, int n, int axis, struct table_grid *g)
{
    const struct vc_key_info *i = g->axis[axis];
    const struct vc_row_keys *k;
    struct borders b = {.start = NULL};
    add_start(&b, (uint64_t)i->least);
    for (int row = 0; !b.failed && (k = keys_of(tables, n, row)); row++)
        add_range(&b, *(const struct vc_range *)vc_row_of(k, i));
    if (!b.failed)
        sort_starts(&b);
    if (!b.failed && i == vc_key_find("ranks")) {
        part_powers(&b);
        sort_starts(&b);
    }
    g->at[axis] = b.failed ? NULL : calloc((size_t)b.n + 1, sizeof *g->at[axis]);
    for (int s = 0; g->at[axis] && s < b.n; s++)
        g->at[axis][s] = (struct vc_range){b.start[s], s + 1 < b.n ? b.start[s + 1] - 1 : UINT64_MAX};
    g->n[axis] = b.n;
    free(b.start);
    return g->at[axis] ? VC_OK : VC_ERR_NOMEM;
}

/* ---- axes of words ---- */

static int add_text(struct table_grid *g, int axis, const char *name)
{
    int n = g->n[axis];
    for (int i = 0; i < n; i++)
        if (g->axis[axis]->text_same(g->text[axis][i], name))
            return VC_OK;
    void *more = realloc(g->text[axis], ((size_t)n + 1) * sizeof *g->text[axis]);
    if (!more)
        return VC_ERR_NOMEM;
    g->text[axis] = more;
    snprintf(g->text[axis][g->n[axis]++], sizeof *g->text[axis], "%s", name);
    return VC_OK;
}

static int text_axis(const struct vc_table *const *tables, int n, int axis, struct table_grid *g)
{
    const struct vc_row_keys *k;
    int err = add_text(g, axis, "");
    for (int row = 0; err == VC_OK && (k = keys_of(tables, n, row)); row++)
        err = add_text(g, axis, vc_row_of(k, g->axis[axis]));
    return err;
}

/* Words that no row asks for make no difference. */
static int word_values(const struct vc_table *const *tables, int n, const struct vc_key_info *i)
{
    const struct vc_row_keys *k;
    for (int row = 0; (k = keys_of(tables, n, row)); row++)
        if (*(const unsigned *)vc_row_of(k, i))
            return vc_key_words(i);
    return 1;
}

static int make_axis(const struct vc_table *const *tables, int n, int axis, struct table_grid *g)
{
    const struct vc_key_info *i = g->axis[axis];
    if (i->kind == VC_KEY_RANGE)
        return number_axis(tables, n, axis, g);
    if (i->kind == VC_KEY_TEXT)
        return text_axis(tables, n, axis, g);
    g->n[axis] = i->kind == VC_KEY_FLAG ? 2 : word_values(tables, n, i);
    return VC_OK;
}

/* What people name first comes last: numbers; before them flags; before those the machine. */
static void order_axes(struct table_grid *g)
{
    static const enum vc_key_kind order[] = {VC_KEY_TEXT, VC_KEY_WORDS, VC_KEY_FLAG, VC_KEY_RANGE};
    for (size_t o = 0; o < sizeof order / sizeof order[0]; o++)
        for (int i = vc_key_count - 1; i >= 0; i--)
            if (vc_key_info[i].kind == order[o])
                g->axis[g->axes++] = &vc_key_info[i];
}

int table_grid_make(const struct vc_table *const *tables, int n, struct table_grid *g)
{
    int err = VC_OK;
    memset(g, 0, sizeof *g);
    order_axes(g);
    for (int a = 0; a < g->axes && err == VC_OK; a++)
        err = make_axis(tables, n, a, g);
    if (err != VC_OK)
        return vc_fail(err, "out of memory for the comparison of tables");
    double cells = 1;
    for (int a = 0; a < g->axes; a++)
        cells *= g->n[a];
    if (cells > CELLS_MAX)
        return vc_fail(
            VC_ERR_INVAL,
            "the rows tell %.0f kinds of communicators apart, more than the %d that can be compared; "
            "compare tables of fewer numbers of ranks and nodes",
            cells, CELLS_MAX);
    g->cells = (int)cells;
    return VC_OK;
}

void table_grid_free(struct table_grid *g)
{
    for (int a = 0; a < g->axes; a++) {
        free(g->at[a]);
        free(g->text[a]);
    }
    memset(g, 0, sizeof *g);
}

/* ---- cells ---- */

void table_grid_coordinates(const struct table_grid *g, int cell, int at[VC_KEYS_MAX])
{
    for (int a = 0; a < g->axes; a++) {
        at[a] = cell % g->n[a];
        cell /= g->n[a];
    }
}

int table_grid_cell(const struct table_grid *g, const int at[VC_KEYS_MAX])
{
    int cell = 0;
    for (int a = g->axes - 1; a >= 0; a--)
        cell = cell * g->n[a] + at[a];
    return cell;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Ranks on so many nodes: the fewest per node that will do, and nodes of equal size where that fits. */
static bool place_on(struct vc_range ranks, struct vc_range ppn, uint64_t nodes, struct table_place *p)
{
    if (nodes > ranks.max)
        return false;
    uint64_t lo = most(ppn.min, (ranks.min + nodes - 1) / nodes);
    uint64_t hi = least(ppn.max, ranks.max - nodes + 1);
    if (lo > hi || lo > TABLE_RANKS_MAX / nodes)
        return false;
    uint64_t full = nodes * lo, few = most(ranks.min, nodes - 1 + lo);
    p->at.nnodes = (int)nodes;
    p->at.max_ppn = (int)lo;
    p->at.size = (int)(full <= ranks.max ? full : few);
    return few <= full && p->at.size >= 2;
}

/* Where the cell is on the axis of numbers. */
static struct vc_range numbers(const struct table_grid *g, const int *at, const char *key)
{
    int a = 0;
    while (g->axis[a] != vc_key_find(key))
        a++;
    return g->at[a][at[a]];
}

bool table_grid_place(const struct table_grid *g, int cell, struct table_place *p)
{
    int at[VC_KEYS_MAX];
    table_grid_coordinates(g, cell, at);
    struct vc_range ranks = numbers(g, at, "ranks"), nodes = numbers(g, at, "nodes"),
                    ppn = numbers(g, at, "ppn");
    memset(p, 0, sizeof *p);
    for (int a = 0; a < g->axes; a++) {
        if (g->axis[a]->kind == VC_KEY_TEXT)
            memcpy(vc_topo_at(&p->at, g->axis[a]), g->text[a][at[a]], sizeof *g->text[a]);
        else if (g->axis[a]->kind != VC_KEY_RANGE)
            vc_topo_put(&p->at, g->axis[a], at[a]);
    }
    uint64_t last = least(nodes.max, nodes.min + NODES_TRIED);
    for (uint64_t n = nodes.min; n <= last; n++)
        if (place_on(ranks, ppn, n, p))
            return p->at.max_ppn > 1 || !p->at.have_bulk; /* who shares no memory has no slots in it */
    return false;
}

void table_grid_keys(const struct table_grid *g, const struct table_box *box, struct vc_row_keys *k,
                     bool *no_device)
{
    *no_device = false;
    vc_row_keys_any(k);
    for (int a = 0; a < g->axes; a++) {
        const struct vc_key_info *i = g->axis[a];
        void *asks = vc_row_at(k, i);
        int lo = box->lo[a], hi = box->hi[a];
        if (lo == 0 && hi == g->n[a] - 1)
            continue;
        if (i->kind == VC_KEY_RANGE) {
            *(struct vc_range *)asks = (struct vc_range){g->at[a][lo].min, g->at[a][hi].max};
        } else if (i->kind == VC_KEY_TEXT) {
            *no_device = lo == 0;
            memcpy(asks, g->text[a][lo], sizeof *g->text[a]);
        } else {
            for (int v = lo; v <= hi; v++)
                *(unsigned *)asks |= vc_key_bit(i, v);
        }
    }
}
