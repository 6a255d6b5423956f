/* SPDX-License-Identifier: BSD-3-Clause */
/* What rows ask of the communicator: read, compared, matched. */
#include "tune/table/parts.h"

#include <stdio.h>
#include <string.h>

static const struct vc_range all = {1, UINT64_MAX};

void vc_row_keys_any(struct vc_row_keys *k)
{
    const struct vc_key_info *i;
    memset(k, 0, sizeof *k);
    for (int n = 0; (i = vc_key_next(&n));)
        if (i->kind == VC_KEY_RANGE)
            *(struct vc_range *)vc_row_at(k, i) = all;
}

static int read_text(struct vc_tab *t, json_t *obj, const struct vc_key_info *i, char *out)
{
    json_t *v;
    int err = vc_tab_member(t, obj, i->name, JSON_STRING, false, &v);
    if (err != VC_OK || !v)
        return err;
    size_t len = json_string_length(v);
    vc_tab_into(t, i->name);
    if (len == 0 || len >= VC_TABLE_DEVICE)
        return vc_tab_fail(t, "\"%s\" has %zu characters, 1..%d are expected: %s", i->name, len,
                           VC_TABLE_DEVICE - 1, i->text_is);
    vc_tab_out(t);
    memcpy(out, json_string_value(v), len + 1);
    return VC_OK;
}

static int read_flag(struct vc_tab *t, json_t *obj, const struct vc_key_info *i, unsigned *out)
{
    enum vc_tri flag = VC_ANY;
    int word = -1,
        err = i->words ? vc_tab_word(t, obj, i->name, i->words, &word) : vc_tab_flag(t, obj, i->name, &flag);
    if (word >= 0)
        *out = vc_key_bit(i, word == 0);
    else if (flag != VC_ANY)
        *out = vc_key_bit(i, flag == VC_YES);
    return err;
}

static int read_key(struct vc_tab *t, json_t *obj, const struct vc_key_info *i, void *out)
{
    switch (i->kind) {
    case VC_KEY_RANGE:
        return vc_tab_range(t, obj, i->name, 1, false, out);
    case VC_KEY_FLAG:
        return read_flag(t, obj, i, out);
    case VC_KEY_WORDS:
        return vc_tab_words(t, obj, i->name, i->words, out);
    default:
        return read_text(t, obj, i, out);
    }
}

int vc_tab_row_keys(struct vc_tab *t, json_t *obj, struct vc_row_keys *k)
{
    const struct vc_key_info *i;
    int err = VC_OK;
    vc_row_keys_any(k);
    for (int n = 0; err == VC_OK && (i = vc_key_next(&n));)
        err = read_key(t, obj, i, vc_row_at(k, i));
    return err;
}

/* a * b, or what is more than any number of ranks. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return a > UINT32_MAX || b > UINT32_MAX ? UINT64_MAX : a * b;
}

bool vc_row_keys_empty(const struct vc_row_keys *k, const char **why)
{
    /* The fullest node takes ppn ranks, every other one at least one. */
    if (k->nodes.min + k->ppn.min - 1 > k->ranks.max)
        *why = "so many \"nodes\" and \"ppn\" need more ranks than \"ranks\" allows";
    else if (k->ranks.min > times(k->nodes.max, k->ppn.max))
        *why = "so few \"nodes\" and \"ppn\" hold fewer ranks than \"ranks\" asks for";
    else
        *why = NULL;
    return *why != NULL;
}

/* ---- sets of communicators ---- */

static unsigned bits_of(const struct vc_row_keys *k, const struct vc_key_info *i)
{
    return *(const unsigned *)vc_row_of(k, i);
}

static bool asks_nothing(const struct vc_row_keys *k, const struct vc_key_info *i)
{
    const void *asks = vc_row_of(k, i);
    if (i->kind == VC_KEY_RANGE)
        return vc_range_covers(*(const struct vc_range *)asks, all);
    return i->kind == VC_KEY_TEXT ? !*(const char *)asks : !bits_of(k, i);
}

static bool key_covers(const struct vc_row_keys *a, const struct vc_row_keys *b, const struct vc_key_info *i)
{
    const void *x = vc_row_of(a, i), *y = vc_row_of(b, i);
    if (i->kind == VC_KEY_RANGE)
        return vc_range_covers(*(const struct vc_range *)x, *(const struct vc_range *)y);
    if (asks_nothing(a, i))
        return true;
    return i->kind == VC_KEY_TEXT ? i->text_same(x, y)
                                  : !asks_nothing(b, i) && !(bits_of(b, i) & ~bits_of(a, i));
}

/* What both ask for, into out. False: nothing. */
static bool key_both(const struct vc_row_keys *a, const struct vc_row_keys *b, const struct vc_key_info *i,
                     struct vc_row_keys *out)
{
    const void *x = vc_row_of(a, i), *y = vc_row_of(b, i);
    if (i->kind == VC_KEY_RANGE) {
        const struct vc_range *r = x, *s = y;
        *(struct vc_range *)vc_row_at(out, i) =
            (struct vc_range){r->min > s->min ? r->min : s->min, r->max < s->max ? r->max : s->max};
        return vc_range_meets(*r, *s);
    }
    if (i->kind == VC_KEY_TEXT) {
        memcpy(vc_row_at(out, i), asks_nothing(a, i) ? y : x, VC_TABLE_DEVICE);
        return asks_nothing(a, i) || asks_nothing(b, i) || i->text_same(x, y);
    }
    unsigned bits = asks_nothing(a, i)   ? bits_of(b, i)
                    : asks_nothing(b, i) ? bits_of(a, i)
                                         : bits_of(a, i) & bits_of(b, i);
    *(unsigned *)vc_row_at(out, i) = bits;
    return bits || (asks_nothing(a, i) && asks_nothing(b, i));
}

static bool key_matches(const struct vc_row_keys *k, const struct vc_topo_key *key,
                        const struct vc_key_info *i)
{
    if (i->kind == VC_KEY_RANGE)
        return vc_range_has(*(const struct vc_range *)vc_row_of(k, i), (uint64_t)vc_topo_value(key, i));
    if (asks_nothing(k, i))
        return true;
    if (i->kind == VC_KEY_TEXT)
        return i->text_same(vc_row_of(k, i), vc_topo_of(key, i));
    return (bits_of(k, i) & vc_key_bit(i, vc_topo_value(key, i))) != 0;
}

bool vc_row_keys_placed(const struct vc_row_keys *k)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        if (i->placed && !asks_nothing(k, i))
            return true;
    return false;
}

bool vc_row_keys_same(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    return vc_row_keys_cover(a, b) && vc_row_keys_cover(b, a);
}

bool vc_row_keys_cover(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        if (!key_covers(a, b, i))
            return false;
    return true;
}

bool vc_row_keys_both(const struct vc_row_keys *a, const struct vc_row_keys *b, struct vc_row_keys *out)
{
    const struct vc_key_info *i;
    const char *why;
    vc_row_keys_any(out);
    for (int n = 0; (i = vc_key_next(&n));)
        if (!key_both(a, b, i, out))
            return false;
    return !vc_row_keys_empty(out, &why);
}

static const struct vc_key_info *first_mismatch(const struct vc_row_keys *k, const struct vc_topo_key *key)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        if (!key_matches(k, key, i))
            return i;
    return NULL;
}

bool vc_row_keys_match(const struct vc_row_keys *k, const struct vc_topo_key *key)
{
    return !first_mismatch(k, key);
}

static void say_range(char *buf, size_t len, const struct vc_key_info *i, int is, struct vc_range r)
{
    int used = snprintf(buf, len, "%s is %d, the row wants %llu", i->name, is, (unsigned long long)r.min);
    if (r.max == UINT64_MAX)
        snprintf(buf + used, len - (size_t)used, " or more");
    else if (r.min != r.max)
        snprintf(buf + used, len - (size_t)used, "..%llu", (unsigned long long)r.max);
}

const char *vc_row_keys_differ(const struct vc_row_keys *k, const struct vc_topo_key *key, char *buf,
                               size_t len)
{
    const struct vc_key_info *i = first_mismatch(k, key);
    if (!i)
        return NULL;
    if (i->kind == VC_KEY_RANGE)
        say_range(buf, len, i, vc_topo_value(key, i), *(const struct vc_range *)vc_row_of(k, i));
    else if (i->kind == VC_KEY_TEXT)
        snprintf(buf, len, "%s is \"%s\"", i->name, (const char *)vc_topo_of(key, i));
    else
        snprintf(buf, len, "%s is %s", i->name, vc_key_word(i, vc_topo_value(key, i)));
    return buf;
}

void vc_row_keys_exactly(struct vc_row_keys *k, const struct vc_topo_key *key)
{
    const struct vc_key_info *i;
    memset(k, 0, sizeof *k);
    for (int n = 0; (i = vc_key_next(&n));) {
        if (i->kind == VC_KEY_RANGE) {
            uint64_t value = (uint64_t)vc_topo_value(key, i);
            *(struct vc_range *)vc_row_at(k, i) = (struct vc_range){value, value};
        } else if (i->kind == VC_KEY_FLAG) {
            *(unsigned *)vc_row_at(k, i) = vc_key_bit(i, vc_topo_value(key, i));
        }
    }
}

/* ---- order, and as text ---- */

static int order_of(const struct vc_row_keys *a, const struct vc_row_keys *b, const struct vc_key_info *i)
{
    const void *x = vc_row_of(a, i), *y = vc_row_of(b, i);
    if (i->kind == VC_KEY_TEXT)
        return i->text_same(x, y) ? 0 : strcmp(x, y);
    if (i->kind != VC_KEY_RANGE)
        return (bits_of(a, i) > bits_of(b, i)) - (bits_of(a, i) < bits_of(b, i));
    const struct vc_range *r = x, *s = y;
    return r->min != s->min ? (r->min > s->min) - (r->min < s->min) : (r->max > s->max) - (r->max < s->max);
}

int vc_row_keys_order(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    const struct vc_key_info *i;
    int order = 0;
    for (int n = 0; order == 0 && (i = vc_key_next(&n));)
        order = order_of(a, b, i);
    return order;
}

static json_t *range_json(struct vc_range r)
{
    if (r.min == r.max)
        return json_integer((json_int_t)r.min);
    return json_pack("[I, o]", (json_int_t)r.min,
                     r.max == UINT64_MAX ? json_null() : json_integer((json_int_t)r.max));
}

/* One word by itself, several as a list. */
static json_t *words_json(const struct vc_key_info *i, unsigned bits)
{
    json_t *list = json_array();
    for (int w = 0; i->words[w]; w++)
        if (bits >> w & 1)
            json_array_append_new(list, json_string(i->words[w]));
    json_t *only = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;
    if (only)
        json_decref(list);
    return only ? only : list;
}

void vc_row_keys_to_json(const struct vc_row_keys *k, json_t *row)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));) {
        const void *asks = vc_row_of(k, i);
        json_t *v;
        if (asks_nothing(k, i))
            continue;
        if (i->kind == VC_KEY_RANGE)
            v = range_json(*(const struct vc_range *)asks);
        else if (i->kind == VC_KEY_TEXT)
            v = json_string(asks);
        else if (i->kind == VC_KEY_WORDS)
            v = words_json(i, bits_of(k, i));
        else
            v = i->words ? json_string(vc_key_word(i, bits_of(k, i) == VC_YES))
                         : json_boolean(bits_of(k, i) == VC_YES);
        json_object_set_new(row, i->name, v);
    }
}
