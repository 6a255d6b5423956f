/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows against each other. Every pair of a collective is looked at, which VC_TABLE_ROWS_MAX bounds. */
#include "tune/table/internal.h"

#include <stdlib.h>
#include <string.h>

static const char hidden[] = "this row can never be taken: all that it matches is taken by";
static const char way_out[] = " before it; drop one, or put the narrower one first";

static bool operators_cover(enum vc_tri a, enum vc_tri b)
{
    return a == VC_ANY || a == b;
}

/* Whatever matches b matches a, and when it comes to a, a is taken or b could not be taken either. */
static bool hides(const struct vc_row *a, const struct vc_row *b)
{
    if (!vc_range_covers(a->bytes, b->bytes) || !operators_cover(a->commutative, b->commutative) ||
        !vc_row_keys_cover(&a->keys, &b->keys))
        return false;
    if (a->builtin || a->choice.alg->kind == VC_ALG_NATIVE)
        return true;
    return a->choice.alg == b->choice.alg &&
           (a->choice.channel == VC_CHANNEL_AUTO || a->choice.channel == b->choice.channel);
}

static bool overlaps(const struct vc_row *a, const struct vc_row *b)
{
    return vc_range_meets(a->bytes, b->bytes) && !vc_range_covers(a->bytes, b->bytes) &&
           !vc_range_covers(b->bytes, a->bytes) && a->commutative == b->commutative &&
           vc_row_keys_same(&a->keys, &b->keys);
}

static int told(struct vc_tab *t, const char *list, int at, const char *cause, int other, const char *then)
{
    vc_tab_into(t, list);
    vc_tab_into_element(t, (size_t)at);
    return vc_tab_fail(t, "%s %s[%d]%s", cause, list, other, then);
}

/* An earlier row that hides this one, or -1; *overlap: one whose sizes overlap in part, or -1. */
static int look_back(const struct vc_row *const *rows, int at, int *overlap)
{
    *overlap = -1;
    for (int i = 0; i < at; i++) {
        if (!vc_range_meets(rows[i]->bytes, rows[at]->bytes))
            continue;
        if (hides(rows[i], rows[at]))
            return rows[i]->index;
        if (*overlap < 0 && overlaps(rows[i], rows[at]))
            *overlap = rows[i]->index;
    }
    return -1;
}

/* What was found of a row of "rules": it is hidden when it is so for all its collectives. */
struct finding {
    int alive;  /* rows of it that are not hidden */
    int hidden; /* by this row, counted from 1; 0: by none */
    int overlap;
};

static void look(const struct vc_table *table, enum vc_coll coll, const struct vc_row **mine,
                 struct finding *of)
{
    int n = 0;
    for (int i = 0; i < table->nrows; i++)
        if (table->row[i].coll == coll)
            mine[n++] = &table->row[i];
    for (int i = 0; i < n; i++) {
        struct finding *f = &of[mine[i]->index];
        int overlap, by = look_back(mine, i, &overlap);
        f->alive += by < 0;
        if (by >= 0 && !f->hidden)
            f->hidden = by + 1;
        if (overlap >= 0 && !f->overlap)
            f->overlap = overlap + 1;
    }
}

int vc_tab_check_rules(struct vc_tab *t, const struct vc_table *table)
{
    int n = table->row[table->nrows - 1].index + 1, err = VC_OK;
    const struct vc_row **mine = malloc((size_t)table->nrows * sizeof *mine);
    struct finding *of = calloc((size_t)n, sizeof *of);
    if (!mine || !of) {
        free(mine);
        free(of);
        return vc_fail(VC_ERR_NOMEM, "out of memory for checking a table");
    }
    for (int c = 0; c < VC_COLL_ACCELERATED; c++)
        look(table, (enum vc_coll)c, mine, of);
    /* The last row is required, so it is none too many even where others leave it nothing. */
    for (int i = 0; err == VC_OK && i < n; i++) {
        if (of[i].overlap)
            err = told(t, "rules", i, "\"bytes\" overlaps in part with that of", of[i].overlap - 1,
                       ", whose other keys are the same; let one end before the other begins");
        else if (i < n - 1 && of[i].alive == 0)
            err = told(t, "rules", i, hidden, of[i].hidden - 1, way_out);
    }
    free(mine);
    free(of);
    return err;
}

int vc_tab_check_devices(struct vc_tab *t, const struct vc_table *table)
{
    for (int i = 0; i < table->ndevices; i++)
        for (int j = 0; j < i; j++)
            if (vc_row_keys_cover(&table->device[j].keys, &table->device[i].keys))
                return told(t, "devices", i, hidden, j, way_out);
    return VC_OK;
}
