/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of values in a table, one member of an object each. */
#include "tune/params/params.h"
#include "tune/table/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *vc_tab_type(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_NULL:
        return "null";
    default:
        return json_is_true(v) ? "true" : "false";
    }
}

static const char *wanted(json_type type)
{
    return type == JSON_OBJECT ? "an object {...}" : type == JSON_ARRAY ? "a list [...]" : "text";
}

int vc_tab_member(struct vc_tab *t, json_t *obj, const char *key, json_type type, bool required, json_t **out)
{
    json_t *v = json_object_get(obj, key);
    *out = v;
    if (!v)
        return required ? vc_tab_fail(t, "\"%s\" is missing: %s is expected", key, wanted(type)) : VC_OK;
    if (json_typeof(v) == type)
        return VC_OK;
    vc_tab_into(t, key);
    return vc_tab_fail(t, "\"%s\" is %s, %s is expected", key, vc_tab_type(v), wanted(type));
}

/* The words as "a, b, c" and the nearest one; NULL when a word would have to change beyond recognition. */
static const char *nearest(const char *word, const char *const *words, char *list, size_t len)
{
    const char *best = words[0];
    list[0] = '\0';
    for (int i = 0; words[i]; i++) {
        vc_append(list, len, "%s%s", i ? ", " : "", words[i]);
        if (vc_word_distance(word, words[i]) < vc_word_distance(word, best))
            best = words[i];
    }
    return 2 * vc_word_distance(word, best) > (int)strlen(word) + 1 ? NULL : best;
}

int vc_tab_keys(struct vc_tab *t, json_t *obj, const char *what, const char *const *keys)
{
    const char *key;
    json_t *v;
    if (!json_is_object(obj))
        return vc_tab_fail(t, "%s is %s, an object {...} is expected", what, vc_tab_type(obj));
    json_object_foreach(obj, key, v)
    {
        char list[320];
        int i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (keys[i])
            continue;
        const char *near = nearest(key, keys, list, sizeof list);
        return vc_tab_fail_key(t, key, "%s has no \"%.60s\"%s%s%s Valid: %s", what, key,
                               near ? ", did you mean \"" : ".", near ? near : "", near ? "\"?" : "", list);
    }
    return VC_OK;
}

/* Of the value that is looked at. */
static int word_index(const struct vc_tab *t, const json_t *v, const char *key, const char *const *words,
                      int *out)
{
    char list[320];
    if (!json_is_string(v)) {
        nearest("", words, list, sizeof list);
        return vc_tab_fail(t, "\"%s\" is %s, one of these is expected: %s", key, vc_tab_type(v), list);
    }
    const char *word = json_string_value(v);
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return VC_OK;
        }
    }
    const char *near = nearest(word, words, list, sizeof list);
    return vc_tab_fail(t, "\"%s\" is \"%.60s\"%s%s%s Valid: %s", key, word, near ? ", did you mean \"" : ".",
                       near ? near : "", near ? "\"?" : "", list);
}

int vc_tab_word(struct vc_tab *t, json_t *obj, const char *key, const char *const *words, int *out)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    int err = word_index(t, v, key, words, out);
    vc_tab_out(t);
    return err;
}

int vc_tab_words(struct vc_tab *t, json_t *obj, const char *key, const char *const *words, unsigned *out)
{
    json_t *v = json_object_get(obj, key), *item;
    size_t i;
    unsigned set = 0;
    int word = 0, err = VC_OK;
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    if (json_is_array(v) && json_array_size(v) == 0)
        return vc_tab_fail(t, "\"%s\" is an empty list: leave it out, then it stands for all", key);
    if (!json_is_array(v)) {
        err = word_index(t, v, key, words, &word);
        set = 1u << word;
    }
    json_array_foreach(v, i, item)
    {
        vc_tab_into_element(t, i);
        err = word_index(t, item, key, words, &word);
        if (err == VC_OK && (set & 1u << word))
            err = vc_tab_fail(t, "\"%s\" names %s twice", key, words[word]);
        if (err != VC_OK)
            return err;
        set |= 1u << word;
        vc_tab_out(t);
    }
    vc_tab_out(t);
    if (err == VC_OK)
        *out = set;
    return err;
}

int vc_tab_flag(struct vc_tab *t, json_t *obj, const char *key, enum vc_tri *out)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    if (!json_is_boolean(v))
        return vc_tab_fail(t, "\"%s\" is %s, true or false is expected", key, vc_tab_type(v));
    *out = json_is_true(v) ? VC_YES : VC_NO;
    vc_tab_out(t);
    return VC_OK;
}

int vc_tab_int(struct vc_tab *t, json_t *obj, const char *key, json_int_t lo, json_int_t hi, json_int_t *out)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    if (!json_is_integer(v))
        return vc_tab_fail(t, "\"%s\" is %s, a whole number of %lld..%lld is expected", key, vc_tab_type(v),
                           (long long)lo, (long long)hi);
    if (json_integer_value(v) < lo || json_integer_value(v) > hi)
        return vc_tab_fail(t, "\"%s\" is %lld, a whole number of %lld..%lld is expected", key,
                           (long long)json_integer_value(v), (long long)lo, (long long)hi);
    *out = json_integer_value(v);
    vc_tab_out(t);
    return VC_OK;
}

int vc_tab_real(struct vc_tab *t, json_t *obj, const char *key, double lo, double hi, double *out)
{
    json_t *v = json_object_get(obj, key);
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    if (!json_is_number(v))
        return vc_tab_fail(t, "\"%s\" is %s, a number of %g..%g is expected", key, vc_tab_type(v), lo, hi);
    double x = json_number_value(v);
    if (!(x >= lo && x <= hi))
        return vc_tab_fail(t, "\"%s\" is %g, a number of %g..%g is expected", key, x, lo, hi);
    *out = x;
    vc_tab_out(t);
    return VC_OK;
}

/* One end of a range, or a size, of the value that is looked at. */
static int bound(const struct vc_tab *t, const json_t *v, const char *key, uint64_t lo, bool size,
                 uint64_t *out)
{
    const uint64_t most = size ? UINT64_MAX : INT32_MAX;
    size_t bytes = 0;
    if (size && json_is_string(v)) {
        if (!vc_parse_bytes(json_string_value(v), &bytes))
            return vc_tab_fail(t, "\"%s\" has \"%.60s\", a size as 8192, \"64k\" or \"1m\" is expected", key,
                               json_string_value(v));
        *out = bytes;
        return VC_OK;
    }
    if (!json_is_integer(v))
        return vc_tab_fail(t, "\"%s\" has %s, %s is expected", key, vc_tab_type(v),
                           size ? "a size as 8192, \"64k\" or \"1m\"" : "a whole number");
    json_int_t n = json_integer_value(v);
    if (n < 0)
        return vc_tab_fail(t, "\"%s\" has %lld: negative; %llu is the smallest", key, (long long)n,
                           (unsigned long long)lo);
    if ((uint64_t)n < lo || (uint64_t)n > most)
        return vc_tab_fail(t, "\"%s\" has %lld, a number of %llu..%llu is expected", key, (long long)n,
                           (unsigned long long)lo, (unsigned long long)most);
    *out = (uint64_t)n;
    return VC_OK;
}

int vc_tab_size(struct vc_tab *t, json_t *obj, const char *key, size_t *out)
{
    uint64_t n = 0;
    json_t *v = json_object_get(obj, key);
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    int err = bound(t, v, key, 1, true, &n);
    if (err == VC_OK && n == 0)
        err = vc_tab_fail(t, "\"%s\" is 0, a size above zero is expected", key);
    if (err == VC_OK)
        *out = (size_t)n;
    vc_tab_out(t);
    return err;
}

int vc_tab_range(struct vc_tab *t, json_t *obj, const char *key, uint64_t lo, bool sizes,
                 struct vc_range *out)
{
    json_t *v = json_object_get(obj, key), *end;
    uint64_t n[2] = {lo, UINT64_MAX};
    size_t i;
    int err = VC_OK;
    if (!v)
        return VC_OK;
    vc_tab_into(t, key);
    if (json_is_null(v) || (json_is_array(v) && json_array_size(v) != 2))
        return vc_tab_fail(t, "\"%s\" is %s: a number or [min, max] is expected, null is an open end", key,
                           json_is_null(v) ? "null" : "a list of other than two");
    if (!json_is_array(v)) {
        err = bound(t, v, key, lo, sizes, &n[0]);
        n[1] = n[0];
    }
    json_array_foreach(v, i, end)
    {
        vc_tab_into_element(t, i);
        if (!json_is_null(end))
            err = bound(t, end, key, lo, sizes, &n[i]);
        if (err != VC_OK)
            return err;
        vc_tab_out(t);
    }
    if (err == VC_OK && n[0] > n[1])
        err = vc_tab_fail(t, "\"%s\" is empty: its minimum is above its maximum; swap them", key);
    vc_tab_out(t);
    if (err == VC_OK)
        *out = (struct vc_range){n[0], n[1]};
    return err;
}
