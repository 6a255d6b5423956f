/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/table_axes.h"

#include "transport/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 400000, PLATFORMS = VC_PLATFORM_SRIOV_VF + 1, NODES_TRIED = 4096 };

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

static struct vc_range key_range(const struct vc_row_keys *k, enum table_axis axis)
{
    return axis == AXIS_RANKS ? k->ranks : axis == AXIS_NODES ? k->nodes : k->ppn;
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

static int number_axis(const struct vc_table *const *tables, int n, enum table_axis axis,
                       struct table_grid *g)
{
    struct borders b = {.start = NULL};
    add_start(&b, axis == AXIS_RANKS ? 2 : 1);
    for (int t = 0; t < n && !b.failed; t++) {
        for (int i = 0; tables[t] && i < tables[t]->nrows && !b.failed; i++)
            add_range(&b, key_range(&tables[t]->row[i].keys, axis));
        for (int i = 0; tables[t] && i < tables[t]->ndevices && !b.failed; i++)
            add_range(&b, key_range(&tables[t]->device[i].keys, axis));
    }
    if (!b.failed)
        sort_starts(&b);
    if (!b.failed && axis == AXIS_RANKS) {
        part_powers(&b);
        sort_starts(&b);
    }
    g->at[axis] = b.failed ? NULL : calloc((size_t)b.n + 1, sizeof *g->at[axis]);
    for (int i = 0; g->at[axis] && i < b.n; i++)
        g->at[axis][i] = (struct vc_range){b.start[i], i + 1 < b.n ? b.start[i + 1] - 1 : UINT64_MAX};
    g->n[axis] = b.n;
    free(b.start);
    return g->at[axis] ? VC_OK : VC_ERR_NOMEM;
}

/* ---- axes of words ---- */

static int word_axis(int values, enum table_axis axis, struct table_grid *g)
{
    g->n[axis] = values;
    g->at[axis] = malloc((size_t)values * sizeof *g->at[axis]);
    for (int i = 0; g->at[axis] && i < values; i++)
        g->at[axis][i] = (struct vc_range){(uint64_t)i, (uint64_t)i};
    return g->at[axis] ? VC_OK : VC_ERR_NOMEM;
}

static int add_device(struct table_grid *g, const char *name, int *n)
{
    for (int i = 0; i < *n; i++)
        if (vc_device_same(g->device[i], name))
            return VC_OK;
    void *more = realloc(g->device, ((size_t)*n + 1) * sizeof *g->device);
    if (!more)
        return VC_ERR_NOMEM;
    g->device = more;
    snprintf(g->device[(*n)++], sizeof *g->device, "%s", name);
    return VC_OK;
}

static int names(const struct vc_table *const *tables, int n, struct table_grid *g)
{
    int ndevices = 0, err = add_device(g, "", &ndevices);
    unsigned platforms = 0;
    for (int t = 0; t < n; t++) {
        int rows = tables[t] ? tables[t]->nrows : 0, all = tables[t] ? rows + tables[t]->ndevices : 0;
        for (int i = 0; i < all && err == VC_OK; i++) {
            const struct vc_row_keys *k =
                i < rows ? &tables[t]->row[i].keys : &tables[t]->device[i - rows].keys;
            platforms |= k->platforms;
            err = add_device(g, k->device, &ndevices);
        }
    }
    if (err == VC_OK)
        err = word_axis(ndevices, AXIS_DEVICE, g);
    if (err == VC_OK)
        err = word_axis(platforms ? PLATFORMS : 1, AXIS_PLATFORM, g);
    return err;
}

int table_grid_make(const struct vc_table *const *tables, int n, struct table_grid *g)
{
    static const enum table_axis numbers[] = {AXIS_RANKS, AXIS_NODES, AXIS_PPN};
    static const enum table_axis flags[] = {AXIS_NETWORK, AXIS_CROWDED, AXIS_BULK};
    memset(g, 0, sizeof *g);
    int err = names(tables, n, g);
    for (int i = 0; i < 3 && err == VC_OK; i++)
        err = number_axis(tables, n, numbers[i], g);
    for (int i = 0; i < 3 && err == VC_OK; i++)
        err = word_axis(2, flags[i], g);
    if (err != VC_OK)
        return vc_fail(err, "out of memory for the comparison of tables");
    double cells = 1;
    for (int a = 0; a < AXES; a++)
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
    for (int a = 0; a < AXES; a++)
        free(g->at[a]);
    free(g->device);
    memset(g, 0, sizeof *g);
}

/* ---- cells ---- */

void table_grid_coordinates(const struct table_grid *g, int cell, int at[AXES])
{
    for (int a = 0; a < AXES; a++) {
        at[a] = cell % g->n[a];
        cell /= g->n[a];
    }
}

int table_grid_cell(const struct table_grid *g, const int at[AXES])
{
    int cell = 0;
    for (int a = AXES - 1; a >= 0; a--)
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
    p->nodes = (int)nodes;
    p->ppn = (int)lo;
    p->ranks = (int)(full <= ranks.max ? full : few);
    return few <= full && p->ranks >= 2;
}

bool table_grid_place(const struct table_grid *g, int cell, struct table_place *p)
{
    int at[AXES];
    table_grid_coordinates(g, cell, at);
    struct vc_range ranks = g->at[AXIS_RANKS][at[AXIS_RANKS]], nodes = g->at[AXIS_NODES][at[AXIS_NODES]],
                    ppn = g->at[AXIS_PPN][at[AXIS_PPN]];
    table_place_init(p);
    p->verbs = at[AXIS_NETWORK] ? VC_YES : VC_NO;
    p->crowded = at[AXIS_CROWDED] ? VC_YES : VC_NO;
    p->bulk_slots = at[AXIS_BULK] ? VC_YES : VC_NO;
    p->platform = at[AXIS_PLATFORM];
    p->device_given = true;
    memcpy(p->device, g->device[at[AXIS_DEVICE]], sizeof p->device);
    uint64_t last = least(nodes.max, nodes.min + NODES_TRIED);
    for (uint64_t n = nodes.min; n <= last; n++)
        if (place_on(ranks, ppn, n, p))
            return p->ppn > 1 || p->bulk_slots == VC_NO; /* who shares no memory has no slots in it */
    return false;
}

static struct vc_range joined(const struct table_grid *g, const struct table_box *box, enum table_axis axis)
{
    if (box->lo[axis] == 0 && box->hi[axis] == g->n[axis] - 1)
        return (struct vc_range){0, UINT64_MAX};
    return (struct vc_range){g->at[axis][box->lo[axis]].min, g->at[axis][box->hi[axis]].max};
}

static enum vc_tri flag(const struct table_box *box, enum table_axis axis)
{
    return box->lo[axis] != box->hi[axis] ? VC_ANY : box->lo[axis] ? VC_YES : VC_NO;
}

void table_grid_keys(const struct table_grid *g, const struct table_box *box, struct vc_row_keys *k,
                     bool *no_device)
{
    memset(k, 0, sizeof *k);
    k->ranks = joined(g, box, AXIS_RANKS);
    k->nodes = joined(g, box, AXIS_NODES);
    k->ppn = joined(g, box, AXIS_PPN);
    k->crowded = flag(box, AXIS_CROWDED);
    k->bulk_slots = flag(box, AXIS_BULK);
    enum vc_tri verbs = flag(box, AXIS_NETWORK);
    k->network = verbs == VC_ANY ? VC_CHANNEL_AUTO : verbs == VC_YES ? VC_CHANNEL_VERBS : VC_CHANNEL_MPI;
    if (box->hi[AXIS_PLATFORM] - box->lo[AXIS_PLATFORM] + 1 < g->n[AXIS_PLATFORM])
        for (int i = box->lo[AXIS_PLATFORM]; i <= box->hi[AXIS_PLATFORM]; i++)
            k->platforms |= 1u << i;
    bool one = g->n[AXIS_DEVICE] > 1 && box->lo[AXIS_DEVICE] == box->hi[AXIS_DEVICE];
    *no_device = one && box->lo[AXIS_DEVICE] == 0;
    if (one)
        memcpy(k->device, g->device[box->lo[AXIS_DEVICE]], sizeof k->device);
}
