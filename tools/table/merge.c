/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune merge`: tables of several runs become one. What was measured is put together, and rules are
 * made of it as by the tuner; rows that do not come from measurements stand behind.
 */
#include "tools/table/merge.h"

#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include <limits.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_FORCE = 256, FILES = 64 };

static const char who[] = "vcoll tune merge";

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "where the merged table goes; required", 0},
    {"force", KEY_FORCE, 0, 0, "replace FILE when it exists", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] =
    "Merges tables of several runs: of other numbers of ranks, of other machines, or repeated ones. All "
    "measured "
    "points are put together, and rules are made of them anew, so each point gets what was chosen for it, in "
    "whatever order the tables are named. Of a call that several tables measured, the point stays whose "
    "choice was "
    "measured with more rounds, else that of the newer table; where they chose differently, a line says so."
    "\v"
    "Rows that were written by hand, or whose measurements are not in the table, stand behind those of "
    "measurements, "
    "the later table's first; so do rows of devices. What can no longer be reached is dropped, and a line "
    "says so. "
    "What comes out is checked before FILE is replaced, in one step: nobody ever reads half a table.\n"
    "\n"
    "Examples:\n"
    "  vcoll tune merge one-node.json two-nodes.json -o cluster.json\n"
    "  vcoll tune merge old.json new.json -o old.json --force\n"
    "\n"
    "Exit status: 0 merged, 1 a table is broken or cannot be written, 2 wrong words.";

struct request {
    const char *file[FILES];
    int nfiles;
    const char *output;
    bool force;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *r = state->input;
    switch (key) {
    case 'o':
        r->output = arg;
        return 0;
    case KEY_FORCE:
        r->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (r->nfiles == FILES)
            argp_error(state, "more than %d tables; merge in steps", FILES);
        r->file[r->nfiles++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (r->nfiles < 2)
            argp_error(state, "two or more tables are needed");
        if (!r->output || !*r->output)
            argp_error(state, "-o FILE is needed: where the merged table goes");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, "TABLE TABLE... -o FILE", doc, NULL, NULL, NULL};

struct merge {
    const struct request *r;
    struct vc_table_doc file[FILES];
    struct merge_points points;
    json_t *out;
    int conflicts; /* between what does not come from points */
};

/* ---- rules ---- */

/* Where rows are from that are made anew. */
static const char from_points[] = "measured points";

/* Whether the row says what a point of its table says. It is made anew of the points then. */
static bool is_measured(const struct vc_table_doc *d, const struct vc_row *row)
{
    const json_t *json = json_array_get(json_object_get(d->json, "rules"), (size_t)row->index), *o;
    size_t i;
    if (!json_is_array(json_object_get(json_object_get(json, "measured"), "points")))
        return false;
    json_array_foreach(json_object_get(d->json, "measured"), i, o)
    {
        struct vc_measured p;
        struct vc_choice chosen;
        if (vc_measured_from_json(o, &p) && vc_measured_usual(d->json, o) && p.coll == row->coll &&
            vc_range_has(row->bytes, p.bytes) && vc_row_keys_match(&row->keys, &p.at) &&
            vc_choice_parse(p.coll, p.choice, &chosen) == VC_OK && vc_choice_same(&chosen, &row->choice))
            return true;
    }
    return false;
}

static int add_by_hand(struct table_rules *list, const struct vc_table_doc *d)
{
    bool *skip = calloc((size_t)d->rows->nrows, sizeof *skip);
    if (!skip)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the rows of %s", d->path);
    for (int i = 0; i < d->rows->nrows; i++)
        skip[i] = is_measured(d, &d->rows->row[i]);
    int err = table_rules_add(list, d, skip);
    free(skip);
    return err;
}

static void print_call(const struct vc_row *r, struct vc_range bytes)
{
    char keys[TABLE_TEXT], sizes[TABLE_TEXT];
    printf("%s, %s, %s%s%s", vc_coll_name(r->coll), table_keys_text(&r->keys, keys, sizeof keys),
           table_bytes_text(bytes, sizes, sizeof sizes), r->commutative == VC_ANY ? "" : ", operator ",
           table_operator_text(r->commutative));
}

/* Rows of equal keys that are of two tables and choose differently: the earlier one in the list comes first.
 */
static void tell_rows(struct merge *m, const struct table_rules *list)
{
    for (int j = 0; j < list->n; j++)
        for (int i = 0; i < j; i++) {
            const struct table_rule *a = &list->rule[i], *b = &list->rule[j];
            const struct vc_range x = a->row.bytes, y = b->row.bytes;
            char choice[2][VC_CHOICE_TEXT];
            if (a->origin == b->origin || a->row.coll != b->row.coll || !vc_range_meets(x, y) ||
                a->row.commutative != b->row.commutative || !vc_row_keys_same(&a->row.keys, &b->row.keys) ||
                table_same_choice(&a->row, &b->row))
                continue;
            m->conflicts++;
            printf("conflict: ");
            print_call(&a->row,
                       (struct vc_range){x.min > y.min ? x.min : y.min, x.max < y.max ? x.max : y.max});
            printf(": %s says %s, %s says %s; kept %s%s\n", b->origin,
                   table_choice_text(&b->row, choice[0], sizeof choice[0]), a->origin,
                   table_choice_text(&a->row, choice[1], sizeof choice[1]), a->origin,
                   a->origin == from_points ? "" : ", the later table");
        }
}

static void tell_dropped(void *arg, const struct table_rule *dropped, const struct table_rule *by)
{
    char choice[2][VC_CHOICE_TEXT];
    (void)arg;
    if (table_same_choice(&dropped->row, &by->row) || vc_row_keys_same(&dropped->row.keys, &by->row.keys))
        return; /* nothing is lost, or it was told */
    printf("dropped: ");
    print_call(&dropped->row, dropped->row.bytes);
    printf(": %s of %s; a row of %s (", table_choice_text(&dropped->row, choice[0], sizeof choice[0]),
           dropped->origin, by->origin);
    print_call(&by->row, by->row.bytes);
    printf(": %s) takes all that it matches\n", table_choice_text(&by->row, choice[1], sizeof choice[1]));
}

/* The later table's, as all that is not measured. */
static json_t *default_row(struct merge *m)
{
    json_t *last = NULL;
    const char *before = NULL;
    for (int i = 0; i < m->r->nfiles; i++) {
        last = table_default_row(&m->file[i]);
        const char *name = merge_text(last, "algorithm");
        if (before && strcmp(before, name) != 0) {
            m->conflicts++;
            printf("conflict: default row: before %s it was %s, there it is %s; kept %s, the later table\n",
                   m->file[i].path, before, name, name);
        }
        before = name;
    }
    return json_copy(last);
}

/* Rules of the points, as a table of their own. */
static int measured_rules(const struct merge_points *p, struct vc_table_doc *out)
{
    json_t *rules = vc_rules_of_points(p->chosen, p->n);
    json_t *table = rules ? json_pack("{s:i, s:o}", "vcoll_table", VC_TABLE_VERSION, "rules", rules) : NULL;
    char *text = table ? vc_table_text(table) : NULL;
    int err = text ? vc_table_doc_parse(text, strlen(text), from_points, out)
                   : vc_fail(VC_ERR_NOMEM, "out of memory for the rules of %d points", p->n);
    json_decref(table);
    free(text);
    return err;
}

static int merge_rules(struct merge *m)
{
    struct table_rules list = {NULL, 0, 0};
    struct vc_table_doc made = {.path = NULL};
    int err = measured_rules(&m->points, &made);
    if (err == VC_OK)
        err = table_rules_add(&list, &made, NULL);
    for (int i = m->r->nfiles - 1; err == VC_OK && i >= 0; i--)
        err = add_by_hand(&list, &m->file[i]);
    if (err == VC_OK) {
        tell_rows(m, &list);
        err = table_rules_split(&list);
    }
    if (err == VC_OK) {
        table_rules_prune(&list, tell_dropped, m);
        json_t *rules = table_rules_json(&list, true);
        if (!rules || json_array_append_new(rules, default_row(m)) != 0 ||
            json_object_set_new(m->out, "rules", rules) != 0)
            err = vc_fail(VC_ERR_NOMEM, "out of memory for the merged rules");
    }
    table_rules_free(&list);
    vc_table_doc_close(&made);
    return err;
}

/* ---- the rest of the table ---- */

static void tell_device(struct merge *m, const char *path, const struct vc_device_row *dropped,
                        const struct vc_device_row *kept)
{
    char keys[TABLE_TEXT], what[2][2 * TABLE_TEXT];
    table_device_text(dropped, what[0], sizeof what[0]);
    table_device_text(kept, what[1], sizeof what[1]);
    if (strcmp(what[0], what[1]) == 0)
        return;
    m->conflicts++;
    printf("conflict: devices, %s: %s says %s; kept %s, of a later table\n",
           table_keys_text(&dropped->keys, keys, sizeof keys), path, what[0], what[1]);
}

/* Rows of devices, the later table's first. */
static int merge_devices(struct merge *m)
{
    size_t most = 1;
    int n = 0;
    for (int f = 0; f < m->r->nfiles; f++)
        most += (size_t)m->file[f].rows->ndevices;
    const struct vc_device_row **kept = malloc(most * sizeof *kept);
    if (!kept)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %zu rows of devices", most);
    json_t *all = json_array();
    for (int f = m->r->nfiles - 1; f >= 0; f--) {
        const struct vc_table_doc *d = &m->file[f];
        for (int i = 0, by; i < d->rows->ndevices; i++) {
            const struct vc_device_row *row = &d->rows->device[i];
            for (by = 0; by < n && !vc_row_keys_cover(&kept[by]->keys, &row->keys);)
                by++;
            if (by < n) {
                tell_device(m, d->path, row, kept[by]);
                continue;
            }
            kept[n++] = row;
            json_array_append(all, json_array_get(json_object_get(d->json, "devices"), (size_t)i));
        }
    }
    if (n > 0)
        json_object_set(m->out, "devices", all);
    json_decref(all);
    free(kept);
    return VC_OK;
}

/* What settings of devices gave; of the same setting the later table's. */
static void merge_moderation(struct merge *m)
{
    static const char *const identity[] = {"device", "netdev", "setting"};
    json_t *all = json_array(), *entry;
    size_t i, place;
    for (int f = 0; f < m->r->nfiles; f++) {
        json_array_foreach(json_object_get(m->file[f].json, "moderation"), i, entry)
        {
            for (place = 0; place < json_array_size(all); place++) {
                const json_t *other = json_array_get(all, place);
                int same = 0;
                for (int k = 0; k < 3; k++)
                    same += strcmp(merge_text(entry, identity[k]), merge_text(other, identity[k])) == 0;
                if (same == 3)
                    break;
            }
            if (place < json_array_size(all))
                json_array_set(all, place, entry);
            else
                json_array_append(all, entry);
        }
    }
    if (json_array_size(all) > 0)
        json_object_set(m->out, "moderation", all);
    json_decref(all);
}

/* A table that was merged itself stands for its sources: origins do not nest ever deeper. */
static void add_sources(json_t *sources, const struct vc_table_doc *f)
{
    char sum[48];
    json_t *origin = json_object_get(f->json, "provenance"), *theirs = json_object_get(origin, "sources");
    if (json_array_size(theirs) > 0) {
        json_array_extend(sources, theirs);
        return;
    }
    snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, f->rows->checksum);
    json_t *s = json_pack("{s:s, s:s}", "file", f->path, "checksum", sum);
    if (origin)
        json_object_set(s, "provenance", origin);
    json_array_append_new(sources, s);
}

static void merge_provenance(struct merge *m)
{
    char date[32], command[1024];
    int used = snprintf(command, sizeof command, "%s", who);
    json_t *sources = json_array();
    for (int i = 0; i < m->r->nfiles; i++) {
        add_sources(sources, &m->file[i]);
        if (used >= 0 && (size_t)used < sizeof command)
            used += snprintf(command + used, sizeof command - (size_t)used, " %s", m->file[i].path);
    }
    json_object_set_new(m->out, "provenance",
                        json_pack("{s:s, s:s, s:s, s:o}", "vcoll", VC_VERSION, "date", vc_table_date(date),
                                  "command", command, "sources", sources));
}

/* Model and levels are the last table's; other members are the first table's that has them. */
static void merge_rest(struct merge *m)
{
    int models = 0, levels = 0;
    for (int i = 0; i < m->r->nfiles; i++) {
        const char *key;
        json_t *v;
        models += json_object_get(m->file[i].json, "model") != NULL;
        levels += json_object_get(m->file[i].json, "levels") != NULL;
        json_object_foreach(m->file[i].json, key, v)
        {
            if (strcmp(key, "model") == 0 || strcmp(key, "levels") == 0 || !json_object_get(m->out, key))
                json_object_set(m->out, key, v);
        }
    }
    if (models > 1)
        printf("model: of several tables, the last one's is kept\n");
    if (levels > 1)
        printf("levels: of several tables, the last one's are kept\n");
}

static int merge_tables(struct merge *m)
{
    m->out = json_pack("{s:i, s:s}", "vcoll_table", VC_TABLE_VERSION, "checksum", "");
    if (!m->out)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the merged table");
    merge_provenance(m);
    int err = merge_rules(m);
    if (err == VC_OK)
        err = merge_devices(m);
    if (json_array_size(m->points.measured) > 0)
        json_object_set(m->out, "measured", m->points.measured);
    merge_moderation(m);
    merge_rest(m);
    return err;
}

/* ---- the whole ---- */

/* The text must be a valid table, and each point must get what was chosen for it. */
static int check_text(const char *text, const struct merge_points *points)
{
    struct vc_table *t = NULL;
    int err = vc_table_parse(text, strlen(text), "the merged table", &t);
    for (int i = 0; i < points->n && err == VC_OK; i++) {
        const struct vc_measured *p = &points->chosen[i];
        char got[VC_CHOICE_TEXT];
        if (!vc_rules_obey(t, p))
            err = vc_fail(
                VC_ERR_INVAL,
                "%s of %zu bytes on %d ranks of %d nodes would get %s, not %s: a mistake of this tool",
                vc_coll_name(p->coll), p->bytes, p->at.size, p->at.nnodes,
                vc_rules_choice(t, p, got, sizeof got), p->choice);
    }
    vc_table_free(t);
    return err;
}

static void summarize(const struct merge *m)
{
    int conflicts = m->conflicts + m->points.conflicts;
    size_t rules = json_array_size(json_object_get(m->out, "rules"));
    size_t points = json_array_size(json_object_get(m->out, "measured"));
    size_t devices = json_array_size(json_object_get(m->out, "devices"));
    printf("%s: %d tables, %zu rows, %zu device row%s, %zu measured point%s, %d conflict%s%s\n", m->r->output,
           m->r->nfiles, rules, devices, devices == 1 ? "" : "s", points, points == 1 ? "" : "s", conflicts,
           conflicts == 1 ? "" : "s", conflicts ? " (see above)" : "");
}

static int merge(struct merge *m)
{
    struct stat st;
    int err = VC_OK;
    if (!m->r->force && lstat(m->r->output, &st) == 0)
        return vc_fail(VC_ERR_INVAL, "%s: %s exists; --force replaces it", who, m->r->output);
    for (int i = 0; err == VC_OK && i < m->r->nfiles; i++)
        err = vc_table_doc_open(m->r->file[i], &m->file[i]);
    if (err == VC_OK)
        err = merge_points(m->file, m->r->nfiles, &m->points);
    if (err == VC_OK)
        err = merge_tables(m);
    char *text = err == VC_OK ? vc_table_text(m->out) : NULL;
    if (err == VC_OK)
        err = text ? check_text(text, &m->points)
                   : vc_fail(VC_ERR_NOMEM, "out of memory for the text of a table");
    if (err == VC_OK)
        err = vc_table_save(text, m->r->output, m->r->force);
    free(text);
    return err;
}

int table_merge(int argc, char **argv)
{
    struct request r = {.nfiles = 0};
    struct merge m = {.r = &r};
    if (argp_parse(&argp, argc, argv, 0, NULL, &r) != 0)
        return VC_EXIT_USAGE;
    int err = merge(&m), code = EXIT_FAILURE;
    if (err == VC_OK) {
        summarize(&m);
        code = table_flush(who, EXIT_SUCCESS);
    } else {
        fprintf(stderr, "%s\n", vc_error_text());
    }
    for (int i = 0; i < r.nfiles; i++)
        vc_table_doc_close(&m.file[i]);
    merge_points_free(&m.points);
    json_decref(m.out);
    return code;
}
