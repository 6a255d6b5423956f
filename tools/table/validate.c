/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune validate`: is this a table, what does it cover, and what in it is worth a second look? */
#include "tools/table/tool.h"

#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include "transport/topology/platform.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_JSON = 256, KEY_MEASURE, FEW_ROUNDS = 6 };

static const char who[] = "vcoll tune validate";

static const struct argp_option options[] = {
    {"measure", KEY_MEASURE, 0, 0,
     "measure what the rows promise on this allocation, and report those that no longer hold; all other "
     "words "
     "are then those of `vcoll tune validate --measure --help'",
     0},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] =
    "Checks tables: syntax, names, ranges, whether algorithms can run where their rows say, rows that can "
    "never "
    "be taken, the checksum. Errors name line and column and the nearest valid choice. Warnings are about "
    "what is valid but may not be meant."
    "\v"
    "Examples:\n"
    "  vcoll tune validate table.json\n"
    "  vcoll tune validate --json table.json | jq .[0].warnings\n"
    "  vcoll tune validate --measure table.json -n 4\n"
    "                             does it still hold on this machine?\n"
    "\n"
    "Exit status: 0 all are valid, 1 one is not, 2 wrong words.";

struct request {
    char **file;
    int nfiles;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *r = state->input;
    switch (key) {
    case KEY_JSON:
        r->json = true;
        return 0;
    case ARGP_KEY_ARG:
        r->file[r->nfiles++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (r->nfiles == 0)
            argp_error(state, "no table is named");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, "TABLE...", doc, NULL, NULL, NULL};

/* ---- warnings ---- */

struct check {
    const struct vc_table_doc *f;
    const struct vc_params *params;
    json_t *warnings; /* texts */
};

static void warn(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct check *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(c->warnings, json_string(text));
}

static void warn_passed_over(struct check *c, const struct vc_row *r)
{
    for (unsigned rest = vc_row_passes_on(r); rest; rest &= rest - 1) {
        enum vc_restriction bit = (enum vc_restriction)(rest & -rest);
        warn(c, "rules[%d]: %s %s does not take all calls that match (%s); %s the others", r->index,
             vc_coll_name(r->coll), r->choice.alg->name, vc_restriction_text(bit),
             bit == VC_NEEDS_MIN_COUNT ? "a simpler algorithm runs" : "later rows get");
    }
}

static void warn_switched_off(struct check *c)
{
    for (int i = 0; i < VC_COLL_COUNT; i++) {
        int rows = 0;
        for (int k = 0; k < c->f->rows->nrows; k++)
            rows += c->f->rows->row[k].coll == (enum vc_coll)i;
        if (rows > 1 && !(c->params->colls & (1u << i)))
            warn(c, "%s is switched off here by VCOLL_COLLS, so its rows are not looked at",
                 vc_coll_name((enum vc_coll)i));
        if (rows > 1 && c->params->alg[i].alg)
            warn(c, "%s is forced to %s here by VCOLL_ALG, so its rows are not looked at where that can run",
                 vc_coll_name((enum vc_coll)i), c->params->alg[i].alg->name);
    }
}

static void warn_rounds(struct check *c)
{
    const json_t *points = json_object_get(c->f->json, "measured");
    size_t i, few = 0, no_points = json_array_size(points);
    const json_t *p;
    json_array_foreach(points, i, p)
    {
        struct vc_measured point;
        struct vc_choice choice;
        if (!vc_measured_from_json(p, &point) ||
            vc_choice_parse(point.coll, point.choice, &choice) != VC_OK) {
            warn(c, "measured[%zu]: not a point as `vcoll tune run' writes them; it is not looked at", i);
            continue;
        }
        few += point.rounds < FEW_ROUNDS;
    }
    if (few)
        warn(c,
             "%zu of %zu measured points were decided with fewer than %d rounds; a longer --budget makes "
             "them sure",
             few, no_points, FEW_ROUNDS);
}

static void find_warnings(struct check *c)
{
    const json_t *origin = json_object_get(c->f->json, "provenance");
    const char *version = json_string_value(json_object_get(origin, "vcoll"));
    if (!json_object_get(c->f->json, "checksum"))
        warn(c, "no \"checksum\": changes by accident are not noticed");
    if (version && strcmp(version, VC_VERSION) != 0)
        warn(c, "measured with vcoll %s, this is %s; measure again when choices look strange", version,
             VC_VERSION);
    for (int i = 0; i < c->f->rows->nrows; i++)
        warn_passed_over(c, &c->f->rows->row[i]);
    warn_switched_off(c);
    warn_rounds(c);
}

/* ---- what it covers ---- */

/* Per set of keys, in the order of the rows: how many rows each collective has. */
static json_t *coverage(const struct vc_table *t)
{
    json_t *all = json_array();
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        char keys[TABLE_TEXT];
        size_t k;
        json_t *entry = NULL, *e;
        if (r->index == t->row[t->nrows - 1].index)
            break;
        table_keys_text(&r->keys, keys, sizeof keys);
        json_array_foreach(all, k, e) if (strcmp(json_string_value(json_object_get(e, "where")), keys) == 0)
            entry = json_object_get(e, "rows");
        if (!entry) {
            entry = json_object();
            json_array_append_new(all, json_pack("{s:s, s:o}", "where", keys, "rows", entry));
        }
        const char *coll = vc_coll_name(r->coll);
        json_int_t n = json_integer_value(json_object_get(entry, coll));
        json_object_set_new(entry, coll, json_integer(n + 1));
    }
    return all;
}

static json_t *table_facts(const struct vc_table_doc *f, const struct vc_params *params)
{
    char sum[48];
    struct check c = {.f = f, .params = params, .warnings = json_array()};
    find_warnings(&c);
    snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, f->rows->checksum);
    return json_pack("{s:s, s:b, s:i, s:i, s:i, s:s, s:b, s:s, s:b, s:o, s:o}", "file", f->path, "valid", 1,
                     "rows", (int)json_array_size(json_object_get(f->json, "rules")), "devices",
                     f->rows->ndevices, "points", (int)json_array_size(json_object_get(f->json, "measured")),
                     "checksum", sum, "has_checksum", json_object_get(f->json, "checksum") != NULL, "default",
                     json_string_value(json_object_get(table_default_row(f), "algorithm")), "model",
                     (int)f->rows->has_model, "covers", coverage(f->rows), "warnings", c.warnings);
}

static void print_text(const json_t *d)
{
    size_t i;
    const json_t *v;
    json_t *rows;
    long long nrows = json_integer_value(json_object_get(d, "rows"));
    long long devices = json_integer_value(json_object_get(d, "devices"));
    printf("%s: OK: %lld row%s, %lld device row%s, %s%s\n", json_string_value(json_object_get(d, "file")),
           nrows, nrows == 1 ? "" : "s", devices, devices == 1 ? "" : "s",
           json_string_value(json_object_get(d, "checksum")),
           json_is_true(json_object_get(d, "has_checksum")) ? " (checked)" : "");
    json_array_foreach(json_object_get(d, "covers"), i, v)
    {
        const char *coll;
        json_t *n;
        const char *between = "";
        printf("  %s: ", json_string_value(json_object_get(v, "where")));
        rows = json_object_get(v, "rows");
        json_object_foreach(rows, coll, n)
        {
            printf("%s%s %lld", between, coll, (long long)json_integer_value(n));
            between = ", ";
        }
        printf("\n");
    }
    printf("  all else: %s\n", json_string_value(json_object_get(d, "default")));
    printf("  %lld measured points, %s\n", (long long)json_integer_value(json_object_get(d, "points")),
           json_is_true(json_object_get(d, "model")) ? "a cost model" : "no cost model");
    json_array_foreach(json_object_get(d, "warnings"), i, v) printf("  warning: %s\n", json_string_value(v));
}

static int validate(const struct request *r)
{
    struct vc_params params;
    json_t *all = json_array();
    int code = EXIT_SUCCESS;
    table_settings(who, &params);
    for (int i = 0; i < r->nfiles; i++) {
        struct vc_table_doc f;
        json_t *d;
        if (vc_table_doc_open(r->file[i], &f) == VC_OK) {
            d = table_facts(&f, &params);
            if (!r->json)
                print_text(d);
        } else {
            code = EXIT_FAILURE;
            d = json_pack("{s:s, s:b, s:s}", "file", r->file[i], "valid", 0, "error", vc_error_text());
            fprintf(stderr, "%s\n", vc_error_text());
        }
        json_array_append_new(all, d);
        vc_table_doc_close(&f);
    }
    if (r->json && table_print_json(who, json_incref(all)) != EXIT_SUCCESS)
        code = EXIT_FAILURE;
    json_decref(all);
    return table_flush(who, code);
}

/* --measure needs ranks, so it is vcoll-tune's, with all other words. */
static bool wants_measuring(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--measure") != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(argc - i) * sizeof *argv); /* with the NULL */
        return true;
    }
    return false;
}

int table_validate(int argc, char **argv)
{
    if (wants_measuring(argc, argv))
        return vc_tool_start_tune("remeasure", argv);
    struct request r = {.file = malloc((size_t)argc * sizeof *r.file)};
    if (!r.file) {
        fprintf(stderr, "%s: out of memory\n", who);
        return EXIT_FAILURE;
    }
    int code = argp_parse(&argp, argc, argv, 0, NULL, &r) == 0 ? validate(&r) : VC_EXIT_USAGE;
    free(r.file);
    return code;
}
