/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/table/parts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tune/builtin.json, made a text when the library is built. */
extern const char vc_table_builtin_json[];

static const char *const table_keys[] = {"vcoll_table", "rules",  "devices",  "checksum",
                                         "provenance",  "model",  "measured", "moderation",
                                         "$schema",     "levels", NULL};

/* The text has no NUL at its end. */
static bool is_blank(const struct vc_tab *t)
{
    size_t i = 0;
    while (i < t->len && strchr(" \t\r\n", t->text[i]) && t->text[i])
        i++;
    return i == t->len;
}

/* jansson's words for what it cannot read, with the way out. */
static int syntax_error(const struct vc_tab *t, const json_error_t *e)
{
    char text[JSON_ERROR_TEXT_LENGTH + 160];
    const char *way_out = "";
    enum json_error_code code = json_error_code(e);
    if (is_blank(t))
        return vc_tab_fail_at(t, 1, 1,
                              "the table is empty: {\"vcoll_table\": 1, \"rules\": [...]} is expected");
    if (code == json_error_premature_end_of_input)
        way_out = "; the text ends too early: is the file cut off?";
    else if (code == json_error_duplicate_key)
        way_out = "; a key can be given once only";
    else if (code == json_error_stack_overflow)
        way_out = "; tables nest 8 deep at most";
    else if (code == json_error_numeric_overflow && strstr(e->text, "integer"))
        way_out = "; the largest whole number is 9223372036854775807, more bytes are null";
    snprintf(text, sizeof text, "%s%s", e->text, way_out);
    return vc_tab_fail_at(t, e->line > 0 ? e->line : 1, e->column > 0 ? e->column : 1, text);
}

static int check_version(struct vc_tab *t, json_t *root)
{
    const json_t *v = json_object_get(root, "vcoll_table");
    if (!v)
        return vc_tab_fail(t,
                           "\"vcoll_table\" is missing: this is no tuning table, or add \"vcoll_table\": %d",
                           VC_TABLE_VERSION);
    if (json_is_integer(v) && json_integer_value(v) == VC_TABLE_VERSION)
        return VC_OK;
    vc_tab_into(t, "vcoll_table");
    if (!json_is_integer(v))
        return vc_tab_fail(t, "\"vcoll_table\" is %s, the version %d is expected", vc_tab_type(v),
                           VC_TABLE_VERSION);
    return vc_tab_fail(t, "version %lld of the table's language; this library reads version %d",
                       (long long)json_integer_value(v), VC_TABLE_VERSION);
}

static int check_sum(struct vc_tab *t, json_t *root, struct vc_table *out)
{
    json_t *given;
    char real[32], *canonical = vc_tab_canonical(root);
    if (!canonical)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the checksum of a table");
    out->checksum = vc_table_checksum(canonical);
    free(canonical);
    snprintf(real, sizeof real, "fnv1a64:%016" PRIx64, out->checksum);
    int err = vc_tab_member(t, root, "checksum", JSON_STRING, false, &given);
    if (err != VC_OK || !given || strcmp(json_string_value(given), real) == 0)
        return err;
    vc_tab_into(t, "checksum");
    return vc_tab_fail(t,
                       "\"checksum\" is \"%.40s\", but the contents give \"%s\": they were changed or "
                       "damaged; if that is meant, remove \"checksum\"",
                       json_string_value(given), real);
}

/* Members that nothing is read from, but that must be what they are said to be. */
static int check_rest(struct vc_tab *t, json_t *root)
{
    json_t *v;
    int err = vc_tab_member(t, root, "provenance", JSON_OBJECT, false, &v);
    if (err == VC_OK)
        err = vc_tab_member(t, root, "measured", JSON_ARRAY, false, &v);
    if (err == VC_OK)
        err = vc_tab_member(t, root, "moderation", JSON_ARRAY, false, &v);
    if (err == VC_OK)
        err = vc_tab_member(t, root, "$schema", JSON_STRING, false, &v);
    return err;
}

static int parse_root(struct vc_tab *t, json_t *root, struct vc_table *out)
{
    json_t *rules, *devices, *model, *levels;
    int err;
    if (!json_is_object(root))
        return vc_tab_fail(t, "the table is %s: {\"vcoll_table\": 1, \"rules\": [...]} is expected",
                           vc_tab_type(root));
    if ((err = check_version(t, root)) != VC_OK ||
        (err = vc_tab_keys(t, root, "a table", table_keys)) != VC_OK ||
        (err = vc_tab_member(t, root, "rules", JSON_ARRAY, true, &rules)) != VC_OK ||
        (err = vc_tab_member(t, root, "devices", JSON_ARRAY, false, &devices)) != VC_OK ||
        (err = vc_tab_member(t, root, "model", JSON_OBJECT, false, &model)) != VC_OK ||
        (err = vc_tab_member(t, root, "levels", JSON_OBJECT, false, &levels)) != VC_OK ||
        (err = check_rest(t, root)) != VC_OK || (err = vc_tab_rules(t, rules, out)) != VC_OK)
        return err;
    if ((devices && (err = vc_tab_devices(t, devices, out)) != VC_OK) ||
        (model && (err = vc_tab_model(t, model, out)) != VC_OK) ||
        (levels && (err = vc_tab_levels(t, levels, out)) != VC_OK))
        return err;
    return check_sum(t, root, out);
}

int vc_table_parse(const char *text, size_t len, const char *origin, struct vc_table **out)
{
    struct vc_tab t = {.text = text, .len = len, .origin = origin};
    json_error_t e;
    if (len > VC_TABLE_MAX) {
        return vc_tab_fail_at(&t, 1, 1, "longer than the 64 MiB that a table may have; is this one?");
    }
    int err = vc_tab_no_nul(&t);
    if (err != VC_OK)
        return err;
    struct vc_table *table = calloc(1, sizeof *table);
    if (!table)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table");
    snprintf(table->origin, sizeof table->origin, "%s", origin);
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (root)
        err = parse_root(&t, root, table);
    else if (json_error_code(&e) == json_error_out_of_memory)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for a table");
    else
        err = syntax_error(&t, &e);
    json_decref(root);
    if (err == VC_OK)
        *out = table;
    else
        vc_table_free(table);
    return err;
}

void vc_table_free(struct vc_table *t)
{
    if (!t)
        return;
    free(t->row);
    free(t->device);
    free(t->levels);
    free(t);
}

/* ---- the built-in one ---- */

static const struct vc_table_rows *made; /* when the library was built */

void vc_table_builtin_rows(const struct vc_table_rows *rows)
{
    made = rows;
}

static int take_rows(const struct vc_table_rows *rows, struct vc_table **out)
{
    struct vc_table *t = calloc(1, sizeof *t);
    struct vc_row *row = malloc((size_t)rows->nrows * sizeof *row);
    if (!t || !row) {
        free(t);
        free(row);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table");
    }
    *t =
        (struct vc_table){.row = row, .nrows = rows->nrows, .checksum = rows->checksum, .origin = "built-in"};
    memcpy(row, rows->row, (size_t)rows->nrows * sizeof *row);
    for (int i = 0; i < rows->nrows; i++)
        row[i].choice.alg = vc_alg_find(row[i].coll, rows->alg[i]);
    *out = t;
    return VC_OK;
}

const struct vc_table *vc_table_builtin(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct vc_table none = {.origin = "built-in"}, *builtin;
    pthread_mutex_lock(&lock);
    if (!builtin && (made ? take_rows(made, &builtin)
                          : vc_table_parse(vc_table_builtin_json, strlen(vc_table_builtin_json), "built-in",
                                           &builtin)) != VC_OK)
        builtin = NULL;
    const struct vc_table *t = builtin ? builtin : &none;
    pthread_mutex_unlock(&lock);
    return t;
}

const char *vc_table_builtin_text(void)
{
    return vc_table_builtin_json;
}
