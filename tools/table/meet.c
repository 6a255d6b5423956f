/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables measured on different numbers of ranks, each reaching beyond what was measured: where they overlap
 * they meet in the middle, as the rows of a single run do. */
#include "tools/table/tool.h"

#include "transport/base.h"
#include <math.h>
#include <stdlib.h>

/* How many ranks the rule was measured on; 0: unknown, or several numbers. */
static int measured_on(const struct table_rule *r, const struct table_file *f)
{
    int ranks = 0;
    size_t i;
    const json_t *point;
    json_array_foreach(json_object_get(f->json, "measured"), i, point)
    {
        struct vc_topo_key key;
        enum vc_coll coll;
        size_t bytes;
        if (!table_point_call(point, &coll, &bytes) || (int)coll != r->coll ||
            !table_point_key(point, &key) || !vc_row_keys_match(&r->keys, &key))
            continue;
        if (ranks > 0 && ranks != key.size)
            return 0;
        ranks = key.size;
    }
    return ranks;
}

/* The same communicators but for their size, some of them in both. */
static bool overlap(const struct table_rule *a, const struct table_rule *b)
{
    struct table_rule c = *b;
    c.keys.ranks = a->keys.ranks;
    return a->file != b->file && table_rules_alike(a, &c) && a->keys.ranks.min <= b->keys.ranks.max &&
           b->keys.ranks.min <= a->keys.ranks.max;
}

int table_rules_meet_in_the_middle(struct table_rules *list, const struct table_file *files)
{
    int *ranks = calloc((size_t)list->n + 1, sizeof *ranks);
    if (!ranks)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the rows of a table");
    for (int i = 0; i < list->n; i++)
        ranks[i] = list->rule[i].coll >= 0 ? measured_on(&list->rule[i], &files[list->rule[i].file]) : 0;
    for (int i = 0; i < list->n; i++)
        for (int j = 0; j < list->n; j++) {
            struct table_rule *low = &list->rule[i], *high = &list->rule[j];
            if (ranks[i] == 0 || ranks[j] <= ranks[i] || !overlap(low, high))
                continue;
            uint64_t middle = (uint64_t)sqrt((double)ranks[i] * ranks[j]);
            if (low->keys.ranks.max > middle)
                low->keys.ranks.max = middle;
            if (high->keys.ranks.min <= middle)
                high->keys.ranks.min = middle + 1;
            low->ranks_cut = high->ranks_cut = true;
        }
    free(ranks);
    return VC_OK;
}
