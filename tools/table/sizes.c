/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune explain`: what runs for all sizes. */
#include "tools/table/explain.h"

#include "transport/base.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char who[] = "vcoll tune explain";

struct source {
    const struct explain_request *r;
    char text[96];
};

static void find_source(void *arg, const struct vc_table *of, const struct vc_row *row, const char *why_not)
{
    struct source *s = arg;
    if (why_not)
        return;
    const char *slash = strrchr(of->origin, '/');
    if (row->index >= 0)
        snprintf(s->text, sizeof s->text, "%.64s [%d]", slash ? slash + 1 : of->origin, row->index);
    else
        snprintf(s->text, sizeof s->text, "%.64s", of->origin);
}

struct range_row {
    struct vc_range bytes;
    struct vc_choice choice;
    struct source source;
    struct vc_evidence its, native; /* at the same size where both are known */
};

static void fill_row(struct range_row *row, const struct explain_request *r, const struct vc_topo_key *key,
                     struct vc_range bytes, const struct vc_choice *choice)
{
    struct vc_row_keys keys;
    const struct vc_choice native = {.alg = vc_alg_find(r->call.coll, "native")};
    struct vc_select_call call = r->call;
    /* What holds for the size, whatever the number of elements. */
    call.bytes = (size_t)bytes.min;
    call.esize = 1;
    vc_row_keys_exactly(&keys, key);
    *row = (struct range_row){.bytes = bytes, .choice = *choice, .source = {.r = r}};
    snprintf(row->source.text, sizeof row->source.text, "default");
    vc_select_explain(key, &r->params, r->file.rows, &call, find_source, &row->source);
    struct source last = row->source; /* neighbouring sizes may run the same by other reasons */
    call.bytes = (size_t)bytes.max;
    vc_select_explain(key, &r->params, r->file.rows, &call, find_source, &last);
    if (strcmp(last.text, row->source.text) != 0)
        vc_append(row->source.text, sizeof row->source.text, ", %s", last.text);
    row->its = vc_measured_evidence(r->file.json, r->call.coll, &keys, bytes, choice);
    if (row->its.rounds)
        row->native = vc_measured_evidence(r->file.json, r->call.coll, &keys,
                                           (struct vc_range){row->its.bytes, row->its.bytes}, &native);
}

static void print_range(const struct range_row *row)
{
    char bytes[64], choice[VC_CHOICE_TEXT], time[2][32], at[32];
    printf("  %-18s  %-44s  %-24s", table_bytes_text(row->bytes, bytes, sizeof bytes),
           vc_choice_format(&row->choice, choice, sizeof choice), row->source.text);
    if (row->its.rounds)
        printf("  %s at %s, native %s", table_time_text(row->its.median, time[0], sizeof time[0]),
               table_size_text(row->its.bytes, at, sizeof at),
               table_time_text(row->native.rounds ? row->native.median : NAN, time[1], sizeof time[1]));
    printf("\n");
}

static json_t *range_json(const struct range_row *row)
{
    char choice[VC_CHOICE_TEXT];
    return json_pack("{s:[I,o], s:s, s:s, s:o, s:o}", "bytes", (json_int_t)row->bytes.min,
                     table_bound_json(row->bytes.max), "choice",
                     vc_choice_format(&row->choice, choice, sizeof choice), "by", row->source.text, "median",
                     table_seconds_json(row->its.rounds ? row->its.median : NAN), "native",
                     table_seconds_json(row->native.rounds ? row->native.median : NAN));
}

int explain_sizes(const struct explain_request *r, const struct vc_topo_key *key)
{
    struct vc_selection sel;
    memset(&sel, 0, sizeof sel);
    if (vc_select_init(&sel, key, &r->params, r->file.rows) != VC_OK) {
        fprintf(stderr, "%s: %s\n", who, vc_error_text());
        return EXIT_FAILURE;
    }
    json_t *ranges = r->json ? json_array() : NULL;
    if (!r->json) {
        explain_question(r, key);
        if (r->params.disable || !(r->params.colls & (1u << r->call.coll)))
            printf("\n%s: all calls are passed through. Otherwise:\n",
                   r->params.disable ? "VCOLL_DISABLE is set" : "VCOLL_COLLS leaves this collective out");
        printf("\n  %-18s  %-44s  %-24s  %s\n", "bytes", "runs", "by", "measured");
    }
    uint64_t from = 0;
    for (const struct vc_select_range *c = sel.rule[r->call.coll];; c++) {
        struct range_row row;
        uint64_t to = c->max_bytes == SIZE_MAX ? UINT64_MAX : c->max_bytes;
        fill_row(&row, r, key, (struct vc_range){from, to}, r->call.commutative ? &c->choice : &c->noncomm);
        if (r->json)
            json_array_append_new(ranges, range_json(&row));
        else
            print_range(&row);
        if (c->max_bytes == SIZE_MAX)
            break;
        from = to + 1;
    }
    vc_select_free(&sel);
    if (r->json) {
        json_t *j = explain_question_json(r, key);
        json_object_set_new(j, "ranges", ranges);
        return table_print_json(who, j);
    }
    printf("\n--bytes N shows why, and what the alternatives measured.\n");
    return table_flush(who, EXIT_SUCCESS);
}
