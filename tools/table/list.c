/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of one or several tables as a list that can be cut, settled (table_settle.c), sorted and written. */
#include "coll/info.h"
#include "tools/table/tool.h"

#include "transport/base.h"
#include "tune/table/table.h"
#include <stdlib.h>
#include <string.h>

/* ---- sets of calls ---- */

bool table_rules_meet(const struct table_rule *a, const struct table_rule *b)
{
    return a->coll == b->coll && vc_range_meets(a->bytes, b->bytes) &&
           (!a->commutative || !b->commutative || a->commutative == b->commutative) &&
           vc_row_keys_meet(&a->keys, &b->keys);
}

/* Whatever matches b matches a, and then a is taken or b could not be taken either: what the language calls
 * a row that can never be taken. */
static bool hides(const struct table_rule *a, const struct table_rule *b)
{
    if (a->coll != b->coll || !vc_range_covers(a->bytes, b->bytes) ||
        !(a->commutative == VC_ANY || a->commutative == b->commutative) ||
        !vc_row_keys_cover(&a->keys, &b->keys))
        return false;
    if (a->final)
        return true;
    const struct vc_alg_choice *x = &a->row->choice, *y = &b->row->choice;
    return x->alg == y->alg && (x->channel == VC_CHANNEL_AUTO || x->channel == y->channel);
}

/* Whether no call can use what was left of it. */
static bool impossible(const struct table_rule *r)
{
    if (!r->row || !r->bytes_cut)
        return false;
    struct vc_row row = *r->row;
    row.bytes = r->bytes;
    return vc_row_impossible(&row) != NULL;
}

bool table_rules_alike(const struct table_rule *a, const struct table_rule *b)
{
    return a->coll == b->coll && a->commutative == b->commutative && vc_row_keys_same(&a->keys, &b->keys);
}

bool table_rules_same_choice(const struct table_rule *a, const struct table_rule *b)
{
    if (!a->row || !b->row)
        return a->json && b->json && json_equal(a->json, b->json);
    if (a->row->builtin || b->row->builtin)
        return a->row->builtin && b->row->builtin;
    return vc_choice_same(&a->row->choice, &b->row->choice);
}

/* ---- what rows do not take ---- */

static bool is_pow2(uint64_t n)
{
    return n && !(n & (n - 1));
}

/* Whether the restriction passes some call on that the row matches (and not all of them: those rows are
 * errors). */
static bool passes(enum vc_restriction bit, const struct vc_row *r)
{
    const struct vc_row_keys *k = &r->keys;
    bool reduction = vc_coll_reduces(r->coll);
    switch (bit) {
    case VC_NEEDS_COMMUTATIVE:
        return reduction && r->commutative == VC_ANY;
    case VC_NEEDS_POW2_SIZE:
        return k->ranks.min != k->ranks.max || !is_pow2(k->ranks.min);
    case VC_NEEDS_EVEN_SIZE:
        return k->ranks.min != k->ranks.max;
    case VC_NEEDS_ONE_NODE:
        return k->nodes.max > 1;
    case VC_NEEDS_UNIFORM_NODES:
        return k->nodes.max > 1 && !(k->ranks.min == k->ranks.max && k->nodes.min == k->nodes.max &&
                                     k->ppn.min == k->ppn.max && k->nodes.min * k->ppn.min == k->ranks.min);
    case VC_NEEDS_MIN_COUNT:
        return reduction && r->bytes.min < (k->ranks.max == UINT64_MAX ? UINT64_MAX : 8 * k->ranks.max);
    case VC_NEEDS_BLOCK_NODES:
    case VC_NEEDS_BLOCK_OR_COMM:
    case VC_PLACEMENT_FREE:
        break;
    }
    return false;
}

unsigned table_row_passes(const struct vc_row *r)
{
    unsigned rest = r->builtin ? 0 : r->choice.alg->restrictions & ~(unsigned)VC_PLACEMENT_FREE, bits = 0;
    for (; rest; rest &= rest - 1) {
        enum vc_restriction bit = (enum vc_restriction)(rest & -rest);
        bits |= passes(bit, r) ? (unsigned)bit : 0;
    }
    return bits;
}

/* ---- the list ---- */

int table_rules_push(struct table_rules *list, const struct table_rule *r)
{
    if (list->n == list->cap) {
        int cap = list->cap ? 2 * list->cap : 64;
        struct table_rule *more = realloc(list->rule, (size_t)cap * sizeof *more);
        if (!more)
            return vc_fail(VC_ERR_NOMEM, "out of memory for %d rules", cap);
        list->rule = more;
        list->cap = cap;
    }
    list->rule[list->n++] = *r;
    return VC_OK;
}

void table_rules_free(struct table_rules *list)
{
    free(list->rule);
    memset(list, 0, sizeof *list);
}

/* Whether its row always decides: what asks nothing of the communicator cannot refuse it. */
static bool decides(const struct vc_row *row)
{
    return row->builtin || row->choice.alg->kind == VC_ALG_NATIVE;
}

int table_rules_add(struct table_rules *list, const struct table_file *f, int file)
{
    const json_t *rules = json_object_get(f->json, "rules");
    int last = (int)json_array_size(rules) - 1, err = VC_OK;
    for (int i = 0; err == VC_OK && i < f->rows->nrows; i++) {
        const struct vc_row *row = &f->rows->row[i];
        if (row->index == last)
            continue;
        const struct table_rule r = {
            .coll = (int)row->coll,
            .keys = row->keys,
            .commutative = row->commutative,
            .bytes = row->bytes,
            .final = decides(row),
            .json = json_array_get(rules, (size_t)row->index),
            .row = row,
            .file = file,
            .order = i,
        };
        err = table_rules_push(list, &r);
    }
    return err;
}

int table_rules_add_devices(struct table_rules *list, const struct table_file *f, int file)
{
    const json_t *devices = json_object_get(f->json, "devices");
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < f->rows->ndevices; i++) {
        const struct vc_device_row *row = &f->rows->device[i];
        const struct table_rule r = {
            .coll = -1,
            .keys = row->keys,
            .bytes = {0, UINT64_MAX},
            .final = true,
            .json = json_array_get(devices, (size_t)row->index),
            .file = file,
            .order = i,
        };
        err = table_rules_push(list, &r);
    }
    return err;
}

/* ---- cutting ---- */

static bool overlap_in_part(const struct table_rule *a, const struct table_rule *b)
{
    return table_rules_alike(a, b) && vc_range_meets(a->bytes, b->bytes) &&
           !vc_range_covers(a->bytes, b->bytes) && !vc_range_covers(b->bytes, a->bytes);
}

/* The two halves of rule j, at the border that an earlier rule has inside it. */
static int split(struct table_rules *list, int j, struct vc_range by)
{
    struct table_rule half = list->rule[j];
    bool below = by.min <= half.bytes.min; /* the part in common is the lower one */
    uint64_t border = below ? by.max : by.min - 1;
    int err = table_rules_push(list, &half);
    if (err != VC_OK)
        return err;
    memmove(&list->rule[j + 1], &list->rule[j], (size_t)(list->n - 1 - j) * sizeof *list->rule);
    list->rule[j].bytes.max = border;
    list->rule[j + 1].bytes.min = border + 1;
    list->rule[j].bytes_cut = list->rule[j + 1].bytes_cut = true;
    return VC_OK;
}

int table_rules_split(struct table_rules *list)
{
    for (int j = 0; j < list->n; j++) {
        for (int i = 0; i < j; i++) {
            if (!overlap_in_part(&list->rule[i], &list->rule[j]))
                continue;
            int err = split(list, j, list->rule[i].bytes);
            if (err != VC_OK)
                return err;
        }
    }
    return VC_OK;
}

void table_rules_prune(struct table_rules *list,
                       void (*tell)(void *arg, const struct table_rule *dropped, const struct table_rule *by),
                       void *arg)
{
    int n = 0;
    for (int j = 0; j < list->n; j++) {
        const struct table_rule *by = NULL;
        for (int i = 0; i < n && !by; i++)
            if (hides(&list->rule[i], &list->rule[j]))
                by = &list->rule[i];
        if (!by && !impossible(&list->rule[j]))
            list->rule[n++] = list->rule[j];
        else if (by && tell)
            tell(arg, &list->rule[j], by);
    }
    list->n = n;
}

/* ---- writing ---- */

static json_t *size_json(uint64_t n)
{
    char text[32];
    if (n == UINT64_MAX)
        return json_null();
    if (n == 0 || n % 1024)
        return json_integer((json_int_t)n);
    snprintf(text, sizeof text, n % (1 << 20) ? "%lluk" : "%lluM",
             (unsigned long long)(n % (1 << 20) ? n >> 10 : n >> 20));
    return json_string(text);
}

/* The rule without its collective. */
static json_t *body(const struct table_rule *r, bool measured)
{
    json_t *o = json_deep_copy(r->json);
    if (!o)
        return NULL;
    json_object_del(o, "collective");
    if (!measured)
        json_object_del(o, "measured");
    if (r->ranks_cut)
        json_object_set_new(o, "ranks",
                            json_pack("[I, o]", (json_int_t)r->keys.ranks.min,
                                      r->keys.ranks.max == UINT64_MAX
                                          ? json_null()
                                          : json_integer((json_int_t)r->keys.ranks.max)));
    if (r->bytes_cut && r->bytes.min == 0 && r->bytes.max == UINT64_MAX)
        json_object_del(o, "bytes");
    else if (r->bytes_cut)
        json_object_set_new(o, "bytes",
                            json_pack("[o, o]", size_json(r->bytes.min), size_json(r->bytes.max)));
    return o;
}

/* Keys in the order in which people look for them. */
static json_t *rule_json(json_t *rest, json_t *colls)
{
    json_t *o = json_object();
    if (json_array_size(colls) == 1)
        json_object_set(o, "collective", json_array_get(colls, 0));
    else if (json_array_size(colls) > 1 && json_array_size(colls) < VC_COLL_ACCELERATED)
        json_object_set(o, "collective", colls);
    json_object_update(o, rest);
    json_decref(rest);
    json_decref(colls);
    return o;
}

json_t *table_rules_json(const struct table_rules *list, bool measured)
{
    json_t *all = json_array(), *open = NULL, *colls = NULL;
    bool good = all != NULL;
    for (int i = 0; good && i < list->n; i++) {
        json_t *o = body(&list->rule[i], measured);
        good = o != NULL;
        if (open && json_equal(o, open) && list->rule[i].coll > list->rule[i - 1].coll) {
            json_decref(o);
        } else {
            if (open)
                json_array_append_new(all, rule_json(open, colls));
            open = o;
            colls = json_array();
        }
        if (list->rule[i].coll >= 0)
            json_array_append_new(colls, json_string(vc_coll_name((enum vc_coll)list->rule[i].coll)));
    }
    if (open)
        json_array_append_new(all, rule_json(open, colls));
    return all;
}
