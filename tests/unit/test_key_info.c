/* SPDX-License-Identifier: BSD-3-Clause */
/* What tune/schema/ and docs/tables.md say of keys and collectives is what vc_key_info[] and vc_coll_info[]
 * say: test_key_info SOURCE_DIR. A mismatch prints what must stand there. With --write behind it, the program
 * writes what the two files say of keys instead. */
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
    for (int c = 0; c < VC_COLL_COUNT; c++)
        if (!reducing || vc_coll_reduces((enum vc_coll)c))
            json_array_append_new(list, json_string(vc_coll_info[c].name));
    return list;
}

static const char *coll_word[VC_COLL_COUNT + 1];

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

#define DOCS_HEAD "| key | value | holds when | place | devices |\n|---|---|---|---|---|\n"

/* The reference, up to the blank line behind it. place: with VCOLL_REPRODUCIBLE, reductions skip rows that
 * have the key; devices: rows of devices may have it. */
static char *docs_reference(void)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    fputs(DOCS_HEAD, f);
    for (int n = 0; n < vc_key_count; n++) {
        const struct vc_key_info *i = &vc_key_info[n];
        fprintf(f, "| `%s` | ", i->name);
        put_values(f, i);
        fprintf(f, " | %s | %s | %s |\n", i->holds, i->placed ? "yes" : "", i->device ? "yes" : "");
    }
    fputs("\n", f);
    return fclose(f) == 0 ? text : NULL;
}

static void docs_have_the_reference(void **state)
{
    char *text = docs_reference(), *line = text;
    (void)state;
    assert_non_null(text);
    /* Messages are cut off: the lines alone first. */
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!strstr(docs, line))
            fail_msg("docs/tables.md lacks this: %s", line);
        *end = '\n';
    }
    assert_non_null(strstr(docs, text));
    free(text);
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
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            if (!has(list, (*a)->name))
                fail_msg("the schema lacks the algorithm \"%s\" of %s", (*a)->name, vc_coll_info[c].name);
    json_array_foreach(list, n, v)
    {
        bool known = strcmp(json_string_value(v), "builtin") == 0;
        for (int c = 0; c < VC_COLL_COUNT; c++)
            known |= vc_alg_find((enum vc_coll)c, json_string_value(v)) != NULL;
        if (!known)
            fail_msg("the schema has \"%s\", which is no algorithm", json_string_value(v));
    }
}

/* ---- --write ---- */

static bool write_docs(const char *path)
{
    char *must = docs_reference(), *from = strstr(docs, "| key | value | holds when |"),
         *to = from ? strstr(from, "\n\n") : NULL;
    FILE *f = must && to ? fopen(path, "w") : NULL;
    bool good = f && fprintf(f, "%.*s%s%s", (int)(from - docs), docs, must, to + 2) > 0;
    free(must);
    return f && fclose(f) == 0 && good;
}

/* What fits into a line stands in one. */
static void put_json(FILE *f, const json_t *v, int indent)
{
    char *line = json_dumps(v, JSON_ENCODE_ANY);
    bool list = json_is_array(v);
    size_t left = list ? json_array_size(v) : json_object_size(v), i;
    const char *name;
    json_t *o;
    if (!line || (int)strlen(line) + indent <= 120 || !(list || json_is_object(v))) {
        fputs(line ? line : "", f);
        free(line);
        return;
    }
    free(line);
    fputs(list ? "[\n" : "{\n", f);
    json_array_foreach(v, i, o)
    {
        fprintf(f, "%*s", indent + 2, "");
        put_json(f, o, indent + 2);
        fputs(--left ? ",\n" : "\n", f);
    }
    json_object_foreach((json_t *)v, name, o)
    {
        fprintf(f, "%*s\"%s\": ", indent + 2, "", name);
        put_json(f, o, indent + 2);
        fputs(--left ? ",\n" : "\n", f);
    }
    fprintf(f, "%*s%s", indent, "", list ? "]" : "}");
}

static bool write_schema(const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    put_json(f, schema, 0);
    fputs("\n", f);
    return fclose(f) == 0;
}

/* The keys in their order, then what else is there. */
static void renew(const char *def, bool device, bool point)
{
    const struct vc_key_info *i;
    json_t *old = part(def, "properties"), *properties = json_object();
    if (point || !device)
        json_object_set(properties, "collective", json_object_get(old, "collective"));
    for (int n = 0; (i = vc_key_next(&n));) {
        json_t *must = json_object();
        if (device && !i->device)
            continue;
        if (!point)
            json_object_set_new(must, "description", json_string(i->describes));
        json_t *type = type_of(i, point);
        json_object_update(must, type);
        json_decref(type);
        json_object_set_new(properties, i->name, must);
        if (i->kind == VC_KEY_WORDS) {
            json_t *list = json_object_get(json_object_get(schema, "$defs"), i->name);
            json_object_set_new(list, "enum", names(i->words));
        }
    }
    json_object_update_missing(properties, old);
    json_object_set_new(json_object_get(json_object_get(schema, "$defs"), def), "properties", properties);
}

static int write_both(void)
{
    char path[4096];
    renew("rule", false, false);
    renew("device", true, false);
    renew("point", false, true);
    snprintf(path, sizeof path, "%s/tune/schema/vcoll-table-1.schema.json", source);
    bool good = write_schema(path);
    snprintf(path, sizeof path, "%s/docs/tables.md", source);
    return write_docs(path) && good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docs_have_the_reference),  cmocka_unit_test(rows_of_the_schema),
        cmocka_unit_test(schema_has_no_other_keys), cmocka_unit_test(collectives_of_the_schema),
        cmocka_unit_test(algorithms_of_the_schema),
    };
    if (argc < 2)
        return EXIT_FAILURE;
    source = argv[1];
    vc_coll_words(coll_word);
    if (argc > 2 && strcmp(argv[2], "--write") == 0)
        return set_up(NULL) == 0 ? write_both() : EXIT_FAILURE;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
