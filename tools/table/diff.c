/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune diff`: where two tables choose differently; what they say in other words is the same. */
#include "tools/table/compare.h"

#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_JSON = 256, SAME = 0, DIFFERENT = 1, TROUBLE = 2 };

static const char who[] = "vcoll tune diff";

static const struct argp_option options[] = {
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] = "Shows where two tables choose differently: for each collective the communicators "
                          "and sizes, what A and B run "
                          "there, and what they measured. Looked at are the communicators on which either "
                          "table was measured, and the "
                          "smallest and largest of those that rows of both hold for, at all sizes, with "
                          "algorithms that cannot run there "
                          "passed over and the built-in rules behind. A and B are files, none (the built-in "
                          "rules) or auto (the table in "
                          "use here)."
                          "\v"
                          "Examples:\n"
                          "  vcoll tune diff old.json new.json\n"
                          "  vcoll tune diff none table.json     what does the table change?\n"
                          "\n"
                          "Settings of this shell do not count.\n"
                          "Exit status, as diff's: 0 the same choices, 1 different ones, 2 trouble.";

struct request {
    const char *table[2];
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
        if (state->arg_num >= 2)
            argp_error(state, "\"%s\" is one word too many: two tables are compared", arg);
        r->table[state->arg_num] = arg;
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_error(state, "two tables are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, "A B", doc, NULL, NULL, NULL};

/* ---- what is printed ---- */

struct printer {
    const struct vc_table_doc *file;
    json_t *list; /* NULL: text */
    int n;
};

/* Both at the same size where that is possible: a table mostly has measured the other one's choice, too. */
static void find_times(const struct printer *p, const struct table_difference *d, struct vc_evidence out[2])
{
    for (int i = 0; i < 2; i++)
        out[i] = vc_measured_evidence(p->file[i].json, d->coll, &d->where, d->bytes, &d->choice[i]);
    for (int i = 0; i < 2; i++) {
        if (out[i].rounds || !out[1 - i].rounds)
            continue;
        struct vc_range at = {out[1 - i].bytes, out[1 - i].bytes};
        out[i] = vc_measured_evidence(p->file[1 - i].json, d->coll, &d->where, at, &d->choice[i]);
    }
}

static void print_text(const struct table_difference *d, const struct vc_evidence e[2], const char *place,
                       char choice[2][VC_CHOICE_TEXT])
{
    char bytes[64], time[2][32], at[2][32];
    const char *operator= table_operator_text(d->commutative);
    printf("%s, %s, %s%s%s: %s -> %s", vc_coll_name(d->coll), place,
           table_bytes_text(d->bytes, bytes, sizeof bytes), operator[0] ? ", operator " : "", operator,
           choice[0], choice[1]);
    for (int i = 0; i < 2; i++) {
        table_time_text(e[i].median, time[i], sizeof time[i]);
        table_size_text(e[i].bytes, at[i], sizeof at[i]);
    }
    if (e[0].rounds && e[1].rounds && e[0].bytes == e[1].bytes)
        printf(", measured %s -> %s at %s", time[0], time[1], at[0]);
    else if (e[0].rounds && e[1].rounds)
        printf(", measured %s at %s -> %s at %s", time[0], at[0], time[1], at[1]);
    else if (e[0].rounds || e[1].rounds)
        printf(", measured %s -> %s", time[0], time[1]);
    printf("\n");
}

static void print_choice(const struct printer *p, const struct table_difference *d, const char *place)
{
    struct vc_evidence e[2];
    char choice[2][VC_CHOICE_TEXT];
    find_times(p, d, e);
    for (int i = 0; i < 2; i++)
        vc_choice_format(&d->choice[i], choice[i], sizeof choice[i]);
    if (!p->list) {
        print_text(d, e, place, choice);
        return;
    }
    json_array_append_new(
        p->list, json_pack("{s:s, s:s, s:[I,o], s:s, s:[s,s], s:[o,o]}", "collective", vc_coll_name(d->coll),
                           "where", place, "bytes", (json_int_t)d->bytes.min, table_bound_json(d->bytes.max),
                           "operator", table_operator_text(d->commutative), "choice", choice[0], choice[1],
                           "median", table_seconds_json(e[0].median), table_seconds_json(e[1].median)));
}

static void print_difference(void *arg, const struct table_difference *d)
{
    struct printer *p = arg;
    char place[TABLE_TEXT], what[2][2 * TABLE_TEXT];
    p->n++;
    table_keys_text(&d->where, place, sizeof place);
    if (!d->is_device) {
        print_choice(p, d, place);
        return;
    }
    for (int i = 0; i < 2; i++)
        table_device_text(d->row[i], what[i], sizeof what[i]);
    if (p->list)
        json_array_append_new(p->list,
                              json_pack("{s:s, s:[s,s]}", "where", place, "device", what[0], what[1]));
    else
        printf("devices, %s: %s -> %s\n", place, what[0], what[1]);
}

static int compare(const struct request *r, const struct vc_table_doc file[2])
{
    struct printer p = {.file = file, .list = r->json ? json_array() : NULL};
    if (table_compare(file, print_difference, &p) != VC_OK) {
        fprintf(stderr, "%s: %s\n", who, vc_error_text());
        json_decref(p.list);
        return TROUBLE;
    }
    int code = p.n ? DIFFERENT : SAME;
    if (r->json)
        return table_print_json(who, p.list) == EXIT_SUCCESS ? code : TROUBLE;
    return table_flush(who, EXIT_SUCCESS) == EXIT_SUCCESS ? code : TROUBLE;
}

int table_diff(int argc, char **argv)
{
    struct request r = {.json = false};
    struct vc_table_doc file[2];
    char path[2][PATH_MAX];
    struct vc_params params;
    memset(file, 0, sizeof file);
    if (argp_parse(&argp, argc, argv, 0, NULL, &r) != 0)
        return TROUBLE;
    table_settings(who, &params);
    int code = SAME;
    for (int i = 0; i < 2 && code == SAME; i++) {
        if (table_open_used(r.table[i], &params, path[i], &file[i]) != VC_OK) {
            fprintf(stderr, "%s\n", vc_error_text());
            code = TROUBLE;
        }
    }
    if (code == SAME)
        code = compare(&r, file);
    vc_table_doc_close(&file[0]);
    vc_table_doc_close(&file[1]);
    return code;
}
