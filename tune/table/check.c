/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows that cannot work: those that no call can use, told when a table is read, and those that earlier ones
 * leave nothing. */
#include "coll/info.h"
#include "tune/table/parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- a row by itself ---- */

static bool has_power_of_two(struct vc_range r)
{
    for (uint64_t p = 1; p <= INT32_MAX; p *= 2)
        if (vc_range_has(r, p))
            return true;
    return false;
}

/* Whether some n nodes of p ranks each are in the ranges. Looks at so many n; beyond, yes. */
static bool has_uniform(const struct vc_row_keys *k)
{
    enum { MOST = 4096 };
    uint64_t first = k->nodes.min, last = k->nodes.max < k->ranks.max ? k->nodes.max : k->ranks.max;
    if (last - first >= MOST)
        return true;
    for (uint64_t n = first; n <= last; n++) {
        uint64_t lo = (k->ranks.min + n - 1) / n, hi = k->ranks.max / n;
        lo = lo > k->ppn.min ? lo : k->ppn.min;
        hi = hi < k->ppn.max ? hi : k->ppn.max;
        if (lo <= hi)
            return true;
    }
    return false;
}

/* Of the calls that the row matches, how many its algorithm takes, as far as the keys tell. */
enum taken { TAKES_NONE, TAKES_SOME, TAKES_ALL };

static enum taken none_or(bool none, bool all)
{
    return none ? TAKES_NONE : all ? TAKES_ALL : TAKES_SOME;
}

static enum taken takes(enum vc_restriction bit, const struct vc_row *r)
{
    const struct vc_row_keys *k = &r->keys;
    bool reduction = vc_coll_reduces(r->coll), one_size = k->ranks.min == k->ranks.max;
    switch (bit) {
    case VC_NEEDS_COMMUTATIVE:
        return none_or(reduction && r->commutative == VC_NO, !reduction || r->commutative == VC_YES);
    case VC_NEEDS_POW2_SIZE:
        return none_or(!has_power_of_two(k->ranks), one_size);
    case VC_NEEDS_EVEN_SIZE:
        return none_or(one_size && k->ranks.min % 2, one_size);
    case VC_NEEDS_ONE_NODE:
        return none_or(k->nodes.min > 1, k->nodes.max == 1);
    case VC_NEEDS_UNIFORM_NODES:
        return none_or(!has_uniform(k), k->nodes.max == 1 || (one_size && k->nodes.min == k->nodes.max &&
                                                              k->ppn.min == k->ppn.max));
    case VC_NEEDS_MIN_COUNT: /* of elements of up to eight bytes */
        return none_or(reduction && r->bytes.max < k->ranks.min,
                       !reduction || (k->ranks.max < UINT64_MAX / 8 && r->bytes.min >= 8 * k->ranks.max));
    case VC_NEEDS_BLOCK_NODES:
    case VC_NEEDS_BLOCK_OR_COMM:
    case VC_PLACEMENT_FREE:
        break;
    }
    return TAKES_ALL;
}

unsigned vc_row_passes_on(const struct vc_row *r)
{
    unsigned bits = 0;
    for (unsigned rest = r->builtin ? 0 : r->choice.alg->restrictions; rest; rest &= rest - 1)
        if (takes((enum vc_restriction)(rest & -rest), r) == TAKES_SOME)
            bits |= rest & -rest;
    return bits;
}

const char *vc_row_impossible(const struct vc_row *r)
{
    const char *why;
    const struct vc_alg *alg = r->choice.alg;
    if (vc_row_keys_empty(&r->keys, &why))
        return why;
    if (!vc_coll_sized(r->coll) && r->bytes.min > 0)
        return "a barrier has 0 bytes";
    if (vc_coll_sized(r->coll) && !vc_coll_by_size(r->coll) &&
        (r->bytes.min > 0 || r->bytes.max < UINT64_MAX))
        return "not every rank knows the sizes of its calls, so \"bytes\" cannot be a condition";
    if (r->commutative == VC_NO && !vc_coll_reduces(r->coll))
        return "only reductions have an operator";
    if (r->choice.channel == VC_CHANNEL_VERBS && vc_row_bits(&r->keys, "network") == VC_NO)
        return "\"channel\" is verbs where \"network\" is mpi";
    if (!alg)
        return NULL;
    /* Where ranks share no memory, each one is a node of its own. */
    if (alg->kind == VC_ALG_NODE && r->keys.ppn.max < 2)
        return "several ranks must share a node, and \"ppn\" is 1";
    for (unsigned rest = alg->restrictions; rest; rest &= rest - 1) {
        enum vc_restriction bit = (enum vc_restriction)(rest & -rest);
        if (takes(bit, r) == TAKES_NONE)
            return vc_restriction_text(bit);
    }
    return NULL;
}

/* ---- rows against each other: every pair of a collective, which VC_TABLE_ROWS_MAX bounds ---- */

static const char hidden[] = "this row can never be taken: all that it matches is taken by";
static const char way_out[] = " before it; drop one, or put the narrower one first";

static bool operators_cover(enum vc_tri a, enum vc_tri b)
{
    return a == VC_ANY || a == b;
}

bool vc_row_hides(const struct vc_row *a, const struct vc_row *b)
{
    if (a->coll != b->coll || !vc_range_covers(a->bytes, b->bytes) ||
        !operators_cover(a->commutative, b->commutative) || !vc_row_keys_cover(&a->keys, &b->keys))
        return false;
    if (a->builtin || a->choice.alg->kind == VC_ALG_NATIVE)
        return true;
    return a->choice.alg == b->choice.alg &&
           (a->choice.channel == VC_CHANNEL_AUTO || a->choice.channel == b->choice.channel);
}

bool vc_row_overlaps(const struct vc_row *a, const struct vc_row *b)
{
    return a->coll == b->coll && vc_range_meets(a->bytes, b->bytes) && !vc_range_covers(a->bytes, b->bytes) &&
           !vc_range_covers(b->bytes, a->bytes) && a->commutative == b->commutative &&
           vc_row_keys_same(&a->keys, &b->keys);
}

static int fail_row(struct vc_tab *t, const char *list, int at, const char *cause, int other,
                    const char *then)
{
    vc_tab_into(t, list);
    vc_tab_into_element(t, (size_t)at);
    return vc_tab_fail(t, "%s %s[%d]%s", cause, list, other, then);
}

/* An earlier row that hides this one, or -1; *overlap: one whose sizes overlap in part, or -1. */
static int find_earlier(const struct vc_row *const *rows, int at, int *overlap)
{
    *overlap = -1;
    for (int i = 0; i < at; i++) {
        if (!vc_range_meets(rows[i]->bytes, rows[at]->bytes))
            continue;
        if (vc_row_hides(rows[i], rows[at]))
            return rows[i]->index;
        if (*overlap < 0 && vc_row_overlaps(rows[i], rows[at]))
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

static void check_collective(const struct vc_table *table, enum vc_coll coll, const struct vc_row **mine,
                             struct finding *of)
{
    int n = 0;
    for (int i = 0; i < table->nrows; i++)
        if (table->row[i].coll == coll)
            mine[n++] = &table->row[i];
    for (int i = 0; i < n; i++) {
        struct finding *f = &of[mine[i]->index];
        int overlap, by = find_earlier(mine, i, &overlap);
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
    for (int c = 0; c < VC_COLL_COUNT; c++)
        check_collective(table, (enum vc_coll)c, mine, of);
    /* The last row is required, so it is none too many even where others leave it nothing. */
    for (int i = 0; err == VC_OK && i < n; i++) {
        if (of[i].overlap)
            err = fail_row(t, "rules", i, "\"bytes\" overlaps in part with that of", of[i].overlap - 1,
                           ", whose other keys are the same; let one end before the other begins");
        else if (i < n - 1 && of[i].alive == 0)
            err = fail_row(t, "rules", i, hidden, of[i].hidden - 1, way_out);
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
                return fail_row(t, "devices", i, hidden, j, way_out);
    return VC_OK;
}
