/* SPDX-License-Identifier: BSD-3-Clause */
/* What tune/schema/ and docs/tables.md say of keys and collectives is what vc_key_info[] and vc_coll_info[]
 * say: test_key_info SOURCE_DIR. A mismatch prints what must stand there. */
#include "coll/info.h"
#include "coll/registry.h"
#include "tune/table/table.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *source;
static char *docs;
static json_t *schema;

static int set_up(void **state)
{
    char path[4096];
    size_t len;
    (void)state;
    snprintf(path, sizeof path, "%s/docs/tables.md", source);
    if (vc_table_read(path, &docs, &len) != VC_OK)
        return -1;
    snprintf(path, sizeof path, "%s/tune/schema/vcoll-table-1.schema.json", source);
    schema = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    return schema ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(docs);
    json_decref(schema);
    return 0;
}

static void must_hold(const char *file, const char *text)
{
    if (!strstr(docs, text))
        fail_msg("%s lacks this:\n%s", file, text);
}

static json_t *names(const char *const *words)
{
    json_t *list = json_array();
    while (*words)
        json_array_append_new(list, json_string(*words++));
    return list;
}

static json_t *collectives(bool reducing)
{
    json_t *list = json_array();
    for (int c = 0; c < VC_COLL_ACCELERATED; c++)
        if (!reducing || vc_coll_reduces((enum vc_coll)c))
            json_array_append_new(list, json_string(vc_coll_info[c].name));
    return list;
}

static const char *coll_word[VC_COLL_ACCELERATED + 1];

/* ---- docs/tables.md ---- */

static void put_words(FILE *f, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        fprintf(f, "%s`%s`", i ? ", " : "", words[i]);
}

static void put_values(FILE *f, const struct vc_key_info *i)
{
    static const char *const flag[] = {"true", "false", NULL};
    const char *const *words = strcmp(i->name, "collective") == 0 ? coll_word : i->words;
    if (i->takes)
        fputs(i->takes, f);
    else if (i->kind == VC_KEY_RANGE)
        fputs("range", f);
    else if (i->kind == VC_KEY_FLAG)
        put_words(f, words ? words : flag);
    else {
        fputs("a name or a list: ", f);
        put_words(f, words);
    }
}

static void docs_have_the_reference(void **state)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    (void)state;
    assert_non_null(f);
    fputs("\n\n| key | value | holds when |\n|---|---|---|\n", f);
    for (int n = 0; n < vc_key_count; n++) {
        fprintf(f, "| `%s` | ", vc_key_info[n].name);
        put_values(f, &vc_key_info[n]);
        fprintf(f, " | %s |\n", vc_key_info[n].holds);
        fflush(f);
        const char *line = text + len - 2; /* messages are cut off: the line alone first */
        while (line > text && line[-1] != '\n')
            line--;
        must_hold("docs/tables.md", line);
    }
    fputs("\n", f);
    assert_int_equal(fclose(f), 0);
    must_hold("docs/tables.md", text);
    free(text);
}

/* The names of keys of which `of` is true, the last two with `and` between. */
static void must_list(const char *before, bool device, const char *last, const char *behind)
{
    const struct vc_key_info *i, *all[VC_KEYS_MAX];
    char text[512];
    int count = 0;
    for (int n = 0; (i = vc_key_next(&n));)
        if (device ? i->device : i->placed)
            all[count++] = i;
    snprintf(text, sizeof text, "%s", before);
    for (int k = 0; k < count; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s`%s`",
                 k == 0           ? ""
                 : k == count - 1 ? last
                                  : ", ",
                 all[k]->name);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", behind);
    must_hold("docs/tables.md", text);
}

static void docs_name_keys_of_places_and_devices(void **state)
{
    (void)state;
    must_list("(", false, ", ", "), and algorithms whose result depends on it.");
    must_list("they are ", true, " and ", ".\n");
}

/* ---- the schema ---- */

static json_t *part(const char *def, const char *member)
{
    json_t *o = json_object_get(json_object_get(json_object_get(schema, "$defs"), def), member);
    assert_non_null(o);
    return o;
}

static void must_equal(const char *what, const char *name, const json_t *is, json_t *must)
{
    if (is && must && json_equal(is, must)) {
        json_decref(must);
        return;
    }
    fail_msg("the schema's %s must have \"%s\": %s", what, name, json_dumps(must, JSON_ENCODE_ANY));
}

static json_t *reference(const char *to)
{
    char text[80];
    snprintf(text, sizeof text, "#/$defs/%s", to);
    return json_pack("{s:s}", "$ref", text);
}

/* What a row (or a measured point) may say of the key, without the description. */
static json_t *type_of(const struct vc_key_info *i, bool point)
{
    char several[64];
    snprintf(several, sizeof several, "%ss", i->name);
    if (i->kind == VC_KEY_RANGE)
        return reference(point ? "count" : "range");
    if (i->kind == VC_KEY_FLAG)
        return i->words ? json_pack("{s:o}", "enum", names(i->words)) : json_pack("{s:s}", "type", "boolean");
    if (point)
        return json_pack("{s:s}", "type", "string");
    return i->kind == VC_KEY_WORDS ? reference(several)
                                   : json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1,
                                               "maxLength", VC_TABLE_DEVICE - 1);
}

static void rows_of_the_schema(void **state)
{
    const struct vc_key_info *i;
    (void)state;
    for (int n = 0; (i = vc_key_next(&n));) {
        const json_t *rule = json_object_get(part("rule", "properties"), i->name);
        const json_t *device = json_object_get(part("device", "properties"), i->name);
        json_t *must = type_of(i, false);
        json_object_set_new(must, "description", json_string(i->describes));
        if (i->device)
            must_equal("device row", i->name, device, json_deep_copy(must));
        else
            assert_null(device);
        must_equal("rule", i->name, rule, must);
        must_equal("point", i->name, json_object_get(part("point", "properties"), i->name), type_of(i, true));
        if (i->kind == VC_KEY_WORDS)
            must_equal("list", i->name, part(i->name, "enum"), names(i->words));
    }
    for (int n = 0; n < vc_key_count; n++)
        must_equal(
            "description of", vc_key_info[n].name,
            json_object_get(json_object_get(part("rule", "properties"), vc_key_info[n].name), "description"),
            json_string(vc_key_info[n].describes));
}

static void schema_has_no_other_keys(void **state)
{
    static const char *const values[] = {"algorithm", "radix",   "segment",  "leaders", "channel",
                                         "wait",      "spin_us", "measured", NULL};
    const char *known[VC_KEYS_MAX + sizeof values / sizeof values[0]], *name;
    json_t *v;
    (void)state;
    vc_key_names(false, values, known);
    json_object_foreach(part("rule", "properties"), name, v)
    {
        int i = 0;
        while (known[i] && strcmp(known[i], name) != 0)
            i++;
        if (!known[i])
            fail_msg("the schema's rule has \"%s\", which no row may have", name);
    }
}

/* The collectives' condition: where "operator" may stand. */
static const json_t *with_operator(void)
{
    size_t n;
    json_t *c;
    json_array_foreach(part("rule", "allOf"), n, c)
    {
        json_t *any = json_object_get(
            json_object_get(json_object_get(json_object_get(c, "then"), "properties"), "collective"),
            "anyOf");
        if (any)
            return any;
    }
    fail_msg("the schema has no condition for \"operator\"");
    return NULL;
}

static void collectives_of_the_schema(void **state)
{
    const json_t *condition = with_operator();
    (void)state;
    must_equal("list", "collective", part("collective", "enum"), collectives(false));
    must_equal("condition of operator", "enum", json_object_get(json_array_get(condition, 0), "enum"),
               collectives(true));
    must_equal("condition of operator", "contains",
               json_object_get(json_object_get(json_array_get(condition, 1), "contains"), "enum"),
               collectives(true));
}

static bool has(const json_t *list, const char *name)
{
    size_t n;
    const json_t *v;
    json_array_foreach(list, n, v) if (strcmp(json_string_value(v), name) == 0) return true;
    return false;
}

static void algorithms_of_the_schema(void **state)
{
    const json_t *list = json_object_get(json_object_get(part("rule", "properties"), "algorithm"), "enum");
    size_t n;
    const json_t *v;
    (void)state;
    for (int c = 0; c < VC_COLL_ACCELERATED; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            if (!has(list, (*a)->name))
                fail_msg("the schema lacks the algorithm \"%s\" of %s", (*a)->name, vc_coll_info[c].name);
    json_array_foreach(list, n, v)
    {
        bool known = strcmp(json_string_value(v), "builtin") == 0;
        for (int c = 0; c < VC_COLL_ACCELERATED; c++)
            known |= vc_alg_find((enum vc_coll)c, json_string_value(v)) != NULL;
        if (!known)
            fail_msg("the schema has \"%s\", which is no algorithm", json_string_value(v));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docs_have_the_reference),   cmocka_unit_test(docs_name_keys_of_places_and_devices),
        cmocka_unit_test(rows_of_the_schema),        cmocka_unit_test(schema_has_no_other_keys),
        cmocka_unit_test(collectives_of_the_schema), cmocka_unit_test(algorithms_of_the_schema),
    };
    if (argc != 2)
        return EXIT_FAILURE;
    source = argv[1];
    vc_coll_words(coll_word);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
