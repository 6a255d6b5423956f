/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune merge`: tables of several runs become one. */
#include "tools/table/tool.h"

#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include "tune/table/table.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { KEY_FORCE = 256, FILES = 64 };

static const char who[] = "vcoll tune merge";

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "where the merged table goes; required", 0},
    {"force", KEY_FORCE, 0, 0, "replace FILE when it exists", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] =
    "Merges tables of several runs, of other numbers of ranks, of other machines, or repeated ones. Rows "
    "that "
    "ask "
    "for more come first, but rows of one table that may match the same call keep their order. Where two "
    "tables "
    "answer the same calls of the same communicators, the row measured with more rounds stays, else that of "
    "the later table; each such decision is printed."
    "\v"
    "Measurements are put together; the same point measured twice is that of the later table. What comes out "
    "is checked before FILE is replaced, in one step: nobody ever reads half a table.\n"
    "\n"
    "Examples:\n"
    "  vcoll tune merge one-node.json two-nodes.json -o cluster.json\n"
    "  vcoll tune merge old.json new.json -o old.json --force\n"
    "                                          new.json counts where both say the same\n"
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

/* ---- what is told ---- */

struct merge {
    const struct request *r;
    struct table_file file[FILES];
    json_t *out;
    int conflicts;
};

static const char *path_of(const struct merge *m, const struct table_rule *r)
{
    return m->file[r->file].path;
}

static char *choice_of(const struct table_rule *r, char *buf, size_t len)
{
    if (r->row)
        return table_choice_text(r->row, buf, len);
    snprintf(buf, len, "row %d", r->order);
    return buf;
}

static void print_call(const struct table_rule *r, struct vc_range bytes)
{
    char keys[TABLE_TEXT], sizes[TABLE_TEXT];
    table_keys_text(&r->keys, keys, sizeof keys);
    if (r->coll < 0)
        printf("devices, %s", keys);
    else
        printf("%s, %s, %s%s%s", vc_coll_name((enum vc_coll)r->coll), keys,
               table_bytes_text(bytes, sizes, sizeof sizes), r->commutative == VC_ANY ? "" : ", operator ",
               table_operator_text(r->commutative));
}

static void print_side(const struct merge *m, const struct table_rule *r, const struct table_evidence *e)
{
    char choice[VC_CHOICE_TEXT], time[32], at[32];
    printf("%s says %s", path_of(m, r), choice_of(r, choice, sizeof choice));
    if (e->rounds > 0)
        printf(" (%s at %s, %ld rounds)", table_time_text(e->median, time, sizeof time),
               table_bytes_text((struct vc_range){e->bytes, e->bytes}, at, sizeof at), e->rounds);
    else
        printf(" (not measured)");
}

static void tell_conflict(void *arg, const struct table_conflict *c)
{
    struct merge *m = arg;
    m->conflicts++;
    printf("conflict: ");
    print_call(c->kept, c->bytes);
    printf(": ");
    print_side(m, c->dropped, &c->dropped_by);
    printf(", ");
    print_side(m, c->kept, &c->kept_by);
    printf("; kept %s, %s\n", path_of(m, c->kept),
           c->by_rounds ? "measured with more rounds" : "the later table");
}

static void tell_dropped(void *arg, const struct table_rule *dropped, const struct table_rule *by)
{
    struct merge *m = arg;
    char choice[VC_CHOICE_TEXT];
    if (table_rules_same_choice(dropped, by)) /* nothing is lost */
        return;
    printf("dropped: ");
    print_call(dropped, dropped->bytes);
    printf(": %s of %s; a row of %s (", choice_of(dropped, choice, sizeof choice), path_of(m, dropped),
           path_of(m, by));
    print_call(by, by->bytes);
    printf(": %s) takes all that it matches\n", choice_of(by, choice, sizeof choice));
}

/* ---- parts of the table ---- */

/* The last row, which all tables have. */
static json_t *default_row(const struct merge *m)
{
    const char *before = NULL;
    json_t *last = NULL;
    for (int i = 0; i < m->r->nfiles; i++) {
        const json_t *rules = json_object_get(m->file[i].json, "rules");
        last = json_array_get(rules, json_array_size(rules) - 1);
        const char *name = json_string_value(json_object_get(last, "algorithm"));
        if (before && name && strcmp(before, name) != 0)
            printf("conflict: default row: before %s it was %s, there it is %s; kept %s, the later table\n",
                   m->file[i].path, before, name, name);
        before = name;
    }
    return json_copy(last);
}

static int merge_rules(struct merge *m)
{
    struct table_rules list = {NULL, 0, 0};
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < m->r->nfiles; i++)
        err = table_rules_add(&list, &m->file[i], i);
    if (err == VC_OK)
        err = table_rules_meet_in_the_middle(&list, m->file);
    if (err == VC_OK)
        err = table_rules_settle(&list, m->file, tell_conflict, m);
    if (err == VC_OK)
        err = table_rules_sort(&list);
    if (err == VC_OK)
        err = table_rules_split(&list);
    if (err == VC_OK) {
        table_rules_prune(&list, tell_dropped, m);
        json_t *rules = table_rules_json(&list, true);
        json_array_append_new(rules, default_row(m));
        json_object_set_new(m->out, "rules", rules);
    }
    table_rules_free(&list);
    return err;
}

static int merge_devices(struct merge *m)
{
    struct table_rules list = {NULL, 0, 0};
    int err = VC_OK;
    for (int i = 0; err == VC_OK && i < m->r->nfiles; i++)
        err = table_rules_add_devices(&list, &m->file[i], i);
    if (err == VC_OK)
        err = table_rules_settle(&list, m->file, tell_conflict, m);
    if (err == VC_OK)
        err = table_rules_sort(&list);
    if (err == VC_OK) {
        table_rules_prune(&list, tell_dropped, m);
        if (list.n > 0)
            json_object_set_new(m->out, "devices", table_rules_json(&list, true));
    }
    table_rules_free(&list);
    return err;
}

/* Appends what is not there, and replaces what is: entries are the same when these members are. */
static void merge_list(struct merge *m, const char *list, const char *const *identity)
{
    json_t *all = json_array(), *places = json_object();
    for (int f = 0; f < m->r->nfiles; f++) {
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(m->file[f].json, list), i, entry)
        {
            json_t *id = json_array();
            for (int k = 0; identity[k]; k++) {
                json_t *v = json_object_get(entry, identity[k]);
                json_array_append(id, v ? v : json_null());
            }
            char *key = json_dumps(id, JSON_COMPACT | JSON_SORT_KEYS);
            const json_t *place = key ? json_object_get(places, key) : NULL;
            if (place) {
                json_array_set(all, (size_t)json_integer_value(place), entry);
            } else {
                if (key)
                    json_object_set_new(places, key, json_integer((json_int_t)json_array_size(all)));
                json_array_append(all, entry);
            }
            free(key);
            json_decref(id);
        }
    }
    json_decref(places);
    if (json_array_size(all) > 0)
        json_object_set(m->out, list, all);
    json_decref(all);
}

/* A table that was merged itself stands for its sources: origins do not nest ever deeper. */
static void add_sources(json_t *sources, const struct table_file *f)
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
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    int used = snprintf(command, sizeof command, "%s", who);
    json_t *sources = json_array();
    for (int i = 0; i < m->r->nfiles; i++) {
        add_sources(sources, &m->file[i]);
        if (used >= 0 && (size_t)used < sizeof command)
            used += snprintf(command + used, sizeof command - (size_t)used, " %s", m->file[i].path);
    }
    json_object_set_new(m->out, "provenance",
                        json_pack("{s:s, s:s, s:s, s:o}", "vcoll", VC_VERSION, "date", date, "command",
                                  command, "sources", sources));
}

/* The model is that of the machine that was measured last; so is whatever else there may be. */
static void merge_rest(struct merge *m)
{
    int models = 0;
    for (int i = 0; i < m->r->nfiles; i++) {
        const char *key;
        json_t *v;
        models += json_object_get(m->file[i].json, "model") != NULL;
        json_object_foreach(m->file[i].json, key, v)
        {
            if (strcmp(key, "model") == 0 || !json_object_get(m->out, key))
                json_object_set(m->out, key, v);
        }
    }
    if (models > 1)
        printf("model: of several tables, the last one's is kept\n");
}

static int merge_tables(struct merge *m)
{
    static const char *const rest[] = {"moderation", NULL};
    const char *point[VC_KEYS_MAX + 2];
    static const char *const setting[] = {"device", "netdev", "setting", NULL};
    m->out = json_pack("{s:i, s:s}", "vcoll_table", VC_TABLE_VERSION, "checksum", "");
    if (!m->out)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the merged table");
    vc_key_names(false, rest, point);
    merge_provenance(m);
    int err = merge_rules(m);
    if (err == VC_OK)
        err = merge_devices(m);
    if (err != VC_OK)
        return err;
    merge_list(m, "measured", point);
    merge_list(m, "moderation", setting);
    merge_rest(m);
    return table_seal(m->out);
}

/* ---- the whole ---- */

static void summarize(const struct merge *m)
{
    size_t rules = json_array_size(json_object_get(m->out, "rules"));
    size_t points = json_array_size(json_object_get(m->out, "measured"));
    size_t devices = json_array_size(json_object_get(m->out, "devices"));
    printf("%s: %d tables, %zu rows, %zu device row%s, %zu measured point%s, %d conflict%s%s\n", m->r->output,
           m->r->nfiles, rules, devices, devices == 1 ? "" : "s", points, points == 1 ? "" : "s",
           m->conflicts, m->conflicts == 1 ? "" : "s", m->conflicts ? " (see above)" : "");
}

static int merge(struct merge *m)
{
    struct stat st;
    if (!m->r->force && lstat(m->r->output, &st) == 0) {
        fprintf(stderr, "%s: %s exists; --force replaces it\n", who, m->r->output);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < m->r->nfiles; i++) {
        if (table_open(m->r->file[i], &m->file[i]) != VC_OK) {
            fprintf(stderr, "%s\n", vc_error_text());
            return EXIT_FAILURE;
        }
    }
    if (merge_tables(m) != VC_OK) {
        fprintf(stderr, "%s: %s\n", who, vc_error_text());
        return EXIT_FAILURE;
    }
    if (!table_store(who, m->out, m->r->output, m->r->force))
        return EXIT_FAILURE;
    summarize(m);
    return table_flush(who, EXIT_SUCCESS);
}

int table_merge(int argc, char **argv)
{
    struct request r = {.nfiles = 0};
    struct merge *m = calloc(1, sizeof *m);
    if (!m) {
        fprintf(stderr, "%s: out of memory\n", who);
        return EXIT_FAILURE;
    }
    m->r = &r;
    int code = argp_parse(&argp, argc, argv, 0, NULL, &r) == 0 ? merge(m) : VC_EXIT_USAGE;
    for (int i = 0; i < r.nfiles; i++)
        table_close(&m->file[i]);
    json_decref(m->out);
    free(m);
    return code;
}
