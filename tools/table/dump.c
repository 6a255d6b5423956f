/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune dump`: the table in effect, built-in rules included. */
#include "tools/table/tool.h"

#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_JSON = 256, KEY_RULES };

static const char who[] = "vcoll tune dump";

static const struct argp_option options[] = {
    {"json", KEY_JSON, 0, 0, "in the language of tables, complete: it can be used as one", 0},
    {"rules-only", KEY_RULES, 0, 0, "without measurements, model and provenance", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] =
    "Shows the table in effect: the rows of TABLE, then those of the built-in rules, which it hands to what "
    "it "
    "does not decide. TABLE is a file, none (the built-in rules alone) or auto; without it, the table that "
    "programs would use here."
    "\v"
    "Examples:\n"
    "  vcoll tune dump                      what is in effect here?\n"
    "  vcoll tune dump none                 the built-in rules\n"
    "  vcoll tune dump --json --rules-only t.json > small.json\n"
    "                                       a table to edit by hand\n"
    "\n"
    "Exit status: 0; 1 a broken table; 2 wrong words.";

struct request {
    const char *table;
    bool json, rules_only;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *r = state->input;
    switch (key) {
    case KEY_JSON:
        r->json = true;
        return 0;
    case KEY_RULES:
        r->rules_only = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "\"%s\" is one word too many: one TABLE is expected", arg);
        r->table = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, "[TABLE]", doc, NULL, NULL, NULL};

struct dump {
    const struct request *r;
    struct vc_table_doc file, builtin;
};

/* Whether the built-in rules follow: not behind a table whose default row is native. */
static bool hands_on(const struct vc_table_doc *f)
{
    const char *name = f->json ? json_string_value(json_object_get(table_default_row(f), "algorithm")) : NULL;
    return !name || strcmp(name, "builtin") == 0;
}

/* ---- for people ---- */

static int default_index(const struct vc_table *t)
{
    return t->row[t->nrows - 1].index;
}

static void print_row(const struct vc_row *r)
{
    char keys[TABLE_TEXT], bytes[64], choice[VC_CHOICE_TEXT], index[16];
    snprintf(index, sizeof index, "[%d]", r->index);
    printf("  %-5s  %-9s  %-18s  %-11s  %-44s  %s\n", index, vc_coll_name(r->coll),
           table_bytes_text(r->bytes, bytes, sizeof bytes), table_operator_text(r->commutative),
           table_keys_text(&r->keys, keys, sizeof keys), table_choice_text(r, choice, sizeof choice));
}

/* By collective, because calls of one never meet rows of another. */
static void print_rules(const struct vc_table_doc *f)
{
    const struct vc_table *t = f->rows;
    printf("  %-5s  %-9s  %-18s  %-11s  %-44s  %s\n", "rule", "call", "bytes", "operator", "where", "runs");
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (int i = 0; i < t->nrows; i++)
            if (t->row[i].coll == (enum vc_coll)c && t->row[i].index != default_index(t))
                print_row(&t->row[i]);
    printf("  [%d]  all else: %s\n", default_index(t),
           json_string_value(json_object_get(table_default_row(f), "algorithm")));
}

static void print_devices(const struct vc_table *t)
{
    char keys[TABLE_TEXT], what[2 * TABLE_TEXT];
    if (t->ndevices > 0)
        printf("\nDevices:\n");
    for (int i = 0; i < t->ndevices; i++)
        printf("  [%d]  %-44s  %s\n", t->device[i].index,
               table_keys_text(&t->device[i].keys, keys, sizeof keys),
               table_device_text(&t->device[i], what, sizeof what));
}

static void print_origin(const json_t *table)
{
    static const char *const shown[] = {"vcoll", "mpi", "date", "command", "objective"};
    const json_t *origin = json_object_get(table, "provenance");
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        const char *v = json_string_value(json_object_get(origin, shown[i]));
        if (v)
            printf("  %-9s  %.200s\n", shown[i], v);
    }
    size_t sources = json_array_size(json_object_get(origin, "sources"));
    size_t points = json_array_size(json_object_get(table, "measured"));
    if (sources)
        printf("  %-9s  %zu tables\n", "merged of", sources);
    if (points)
        printf("  %-9s  %zu points\n", "measured", points);
    if (json_object_get(table, "model"))
        printf("  %-9s  measured\n", "model");
    const json_t *levels = json_object_get(table, "levels");
    size_t cores = json_array_size(json_object_get(levels, "core")),
           caches = json_array_size(json_object_get(levels, "cache")),
           nodes = json_array_size(json_object_get(levels, "numa"));
    if (levels)
        printf("  %-9s  of %s, CPUs %s: ", "levels", json_string_value(json_object_get(levels, "processor")),
               json_string_value(json_object_get(levels, "over")));
    if (levels && cores + caches + nodes == 0)
        printf("flat\n");
    else if (levels)
        printf("%zu cores, %zu caches, %zu NUMA nodes\n", cores, caches, nodes);
}

static int print_text(const struct dump *d)
{
    const struct vc_table_doc *f = &d->file;
    if (f->rows) {
        printf("Table %s (fnv1a64:%016" PRIx64 "), first match wins:\n", f->path, f->rows->checksum);
        if (!d->r->rules_only)
            print_origin(f->json);
        print_rules(f);
        if (!d->r->rules_only)
            print_devices(f->rows);
        printf("\n");
    }
    if (hands_on(f)) {
        printf("Built-in rules (fnv1a64:%016" PRIx64 "):\n", d->builtin.rows->checksum);
        print_rules(&d->builtin);
    }
    return table_flush(who, EXIT_SUCCESS);
}

/* ---- as a table ---- */

static int all_rules(const struct dump *d, struct table_rules *list)
{
    int err = d->file.rows ? table_rules_add(list, &d->file, NULL) : VC_OK;
    if (err == VC_OK && hands_on(&d->file))
        err = table_rules_add(list, &d->builtin, NULL);
    if (err == VC_OK)
        err = table_rules_split(list);
    if (err == VC_OK)
        table_rules_prune(list, NULL, NULL);
    return err;
}

static json_t *whole(const struct dump *d)
{
    struct table_rules list = {NULL, 0, 0};
    json_t *out = json_pack("{s:i, s:s}", "vcoll_table", VC_TABLE_VERSION, "checksum", "");
    int err = all_rules(d, &list);
    json_t *rules = err == VC_OK ? table_rules_json(&list, !d->r->rules_only) : NULL;
    table_rules_free(&list);
    if (!out || !rules) {
        json_decref(out);
        json_decref(rules);
        return NULL;
    }
    const char *key;
    json_t *v;
    json_array_append_new(rules, json_copy(table_default_row(hands_on(&d->file) ? &d->builtin : &d->file)));
    json_object_foreach(d->file.json, key, v)
    {
        bool kept = strcmp(key, "devices") == 0 || !d->r->rules_only;
        if (kept && strcmp(key, "rules") != 0 && !json_object_get(out, key))
            json_object_set(out, key, v);
        if (strcmp(key, "rules") == 0)
            json_object_set(out, key, rules);
    }
    json_object_set_new(out, "rules", rules);
    return out;
}

static int print_table(const struct dump *d)
{
    json_t *out = whole(d);
    char *text = vc_table_text(out);
    if (text)
        fputs(text, stdout); /* table_flush() tells of errors */
    else
        fprintf(stderr, "%s: out of memory\n", who);
    json_decref(out);
    int code = table_flush(who, text ? EXIT_SUCCESS : EXIT_FAILURE);
    free(text);
    return code;
}

int table_dump(int argc, char **argv)
{
    struct request r = {.table = NULL};
    struct dump d = {.r = &r};
    struct vc_params params;
    char path[PATH_MAX];
    if (argp_parse(&argp, argc, argv, 0, NULL, &r) != 0)
        return VC_EXIT_USAGE;
    int code = EXIT_FAILURE;
    table_settings(who, &params);
    const char *builtin = vc_table_builtin_text();
    if (vc_table_doc_parse(builtin, strlen(builtin), "built-in", &d.builtin) != VC_OK ||
        table_open_used(r.table, &params, path, &d.file) != VC_OK)
        fprintf(stderr, "%s\n", vc_error_text());
    else
        code = r.json ? print_table(&d) : print_text(&d);
    vc_table_doc_close(&d.file);
    vc_table_doc_close(&d.builtin);
    return code;
}
