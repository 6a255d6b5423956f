/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune explain`: what runs for one call, by which row, and what was measured near it. */
#include "coll/info.h"
#include "tools/table/explain.h"

#include "transport/base.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char who[] = "vcoll tune explain";

/* A row that was looked at. */
struct looked {
    const char *origin;
    struct vc_row row;
    char why_not[256]; /* "": taken */
};

struct answer {
    const struct explain_request *r;
    const struct vc_topo_key *key;
    struct looked *looked;
    int n;
    bool failed; /* memory */
    /* What runs in the end, and why that is not what the rows say. */
    struct vc_choice runs;
    char instead[256];
};

static void note_row(void *arg, const struct vc_table *of, const struct vc_row *row, const char *why_not)
{
    struct answer *a = arg;
    struct looked *more = realloc(a->looked, ((size_t)a->n + 1) * sizeof *more);
    if (!more) {
        a->failed = true;
        return;
    }
    a->looked = more;
    struct looked *l = &more[a->n++];
    const struct vc_table *file = a->r->file.rows;
    const char *slash = file && of == file ? strrchr(file->origin, '/') : NULL;
    *l = (struct looked){.row = *row};
    l->origin = of == file                 ? (slash ? slash + 1 : file->origin)
                : of == vc_table_builtin() ? "built-in"
                                           : of->origin;
    snprintf(l->why_not, sizeof l->why_not, "%s", why_not ? why_not : "");
}

static const struct looked *taken(const struct answer *a)
{
    const struct looked *last = a->n ? &a->looked[a->n - 1] : NULL;
    return last && !last->why_not[0] ? last : NULL;
}

static void decide_choice(struct answer *a)
{
    const struct explain_request *r = a->r;
    const struct looked *t = taken(a);
    const struct vc_choice native = {.alg = vc_alg_find(r->call.coll, "native")};
    struct vc_selection sel;
    memset(&sel, 0, sizeof sel);
    a->runs = t && t->row.choice.alg ? t->row.choice : native;
    if (r->params.disable || !(r->params.colls & (1u << r->call.coll))) {
        snprintf(a->instead, sizeof a->instead, "%s: the call is passed through",
                 r->params.disable ? "VCOLL_DISABLE is set" : "VCOLL_COLLS leaves this collective out");
        a->runs = native;
        return;
    }
    const char *refuses = vc_select_refuses(a->key, &r->call, &a->runs);
    if (!refuses)
        return;
    /* Rows are chosen by what holds for all calls of the size; this one has too few elements. */
    if (vc_select_init(&sel, a->key, &r->params, r->file.rows) != VC_OK) {
        a->failed = true;
        return;
    }
    snprintf(a->instead, sizeof a->instead, "%s refuses this call: %s", a->runs.alg->name, refuses);
    a->runs = sel.spare[r->call.coll].alg ? sel.spare[r->call.coll] : native;
    vc_select_free(&sel);
}

/* ---- words ---- */

static bool reduction(const struct explain_request *r)
{
    return vc_coll_reduces(r->call.coll);
}

void explain_question(const struct explain_request *r, const struct vc_topo_key *k)
{
    char place[96], bytes[32];
    printf("%s", vc_coll_name(r->call.coll));
    if (r->sized) {
        table_size_text(r->call.bytes, bytes, sizeof bytes);
        printf(" of %s%s", bytes, strpbrk(bytes, "kMG") ? "" : r->call.bytes == 1 ? " byte" : " bytes");
    }
    printf(", %s%s\n", table_place_text(k->size, k->nnodes, k->max_ppn, place, sizeof place),
           !reduction(r)         ? ""
           : r->call.commutative ? ", commutative operator"
                                 : ", operator that does not commute");
    const struct vc_key_info *i;
    const char *before = "  ";
    for (int n = 0; (i = vc_key_next(&n));) {
        const char *text = i->kind == VC_KEY_TEXT ? vc_topo_of(k, i) : "";
        if (i->kind == VC_KEY_RANGE)
            continue;
        if (i->kind == VC_KEY_TEXT)
            printf("%s%s%s", before, i->said[!*text], text);
        else if (i->kind == VC_KEY_WORDS)
            printf("%s%s%s", before, i->said[0], vc_key_word(i, vc_topo_value(k, i)));
        else
            printf("%s%s", before, i->said[vc_topo_value(k, i)]);
        before = ", ";
    }
    printf("%s\n", k->reproducible ? ", reproducible" : "");
    if (r->file.rows)
        printf("  table %s (fnv1a64:%016" PRIx64 "), then the built-in rules\n", r->file.path,
               r->file.rows->checksum);
    else
        printf("  no table: the built-in rules\n");
}

static void print_rows(const struct answer *a)
{
    int width[3] = {0, 0, 0};
    printf("\nRows, in order:\n");
    /* The first pass finds out how wide columns are. */
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < a->n; i++) {
            const struct looked *l = &a->looked[i];
            char keys[TABLE_TEXT], sizes[64], cell[3][2 * TABLE_TEXT];
            if (l->row.index >= 0)
                snprintf(cell[0], sizeof cell[0], "%s [%d]", l->origin, l->row.index);
            else
                snprintf(cell[0], sizeof cell[0], "%s", l->origin);
            snprintf(cell[1], sizeof cell[1], "%s, %s%s%s", table_keys_text(&l->row.keys, keys, sizeof keys),
                     table_bytes_text(l->row.bytes, sizes, sizeof sizes),
                     l->row.commutative == VC_ANY ? "" : ", operator ",
                     table_operator_text(l->row.commutative));
            table_choice_text(&l->row, cell[2], sizeof cell[2]);
            for (int c = 0; pass == 0 && c < 3; c++)
                if ((int)strlen(cell[c]) > width[c])
                    width[c] = (int)strlen(cell[c]);
            if (pass == 1)
                printf("%s %-*s  %-*s  %-*s  %s%s\n", l->why_not[0] ? " " : ">", width[0], cell[0], width[1],
                       cell[1], width[2], cell[2], l->why_not[0] ? "no: " : "taken", l->why_not);
        }
    }
}

static void print_result(const struct answer *a)
{
    const struct vc_choice *c = &a->runs;
    char text[VC_CHOICE_TEXT];
    if (a->instead[0])
        printf("\n%s.\n", a->instead);
    printf("\nRuns: %s\n", vc_choice_format(c, text, sizeof text));
    if (c->alg->kind == VC_ALG_NATIVE) {
        printf("  the underlying MPI's own algorithm, which waits in its own way\n");
        return;
    }
    printf("  %s\n", c->alg->help);
    if (c->policy == 0) {
        printf("  waits as VCOLL_WAIT and VCOLL_SPIN_US say: %s, %llu us\n", vc_wait_words[a->r->params.wait],
               (unsigned long long)a->r->params.spin_us);
    } else {
        printf("  waits: %s", vc_wait_words[vc_policy_mode(c->policy)]);
        if (vc_policy_spin(c->policy) != VC_POLICY_SPIN_DEFAULT &&
            vc_policy_mode(c->policy) == VC_WAIT_HYBRID)
            printf(", spinning for %u us before it sleeps", vc_policy_spin(c->policy));
        printf("\n");
    }
    bool verbs = c->channel == VC_CHANNEL_VERBS || (c->channel == VC_CHANNEL_AUTO && a->key->have_verbs);
    printf("  data goes through %s%s\n", a->key->have_node ? "the node's memory" : "",
           a->key->nnodes == 1 && a->key->have_node ? ""
           : verbs                                  ? (a->key->have_node ? " and over verbs" : "verbs")
           : a->key->have_node                      ? " and the underlying MPI's messages"
                                                    : "the underlying MPI's messages");
}

/* ---- JSON ---- */

static json_t *rows_json(const struct answer *a)
{
    json_t *all = json_array();
    for (int i = 0; i < a->n; i++) {
        const struct looked *l = &a->looked[i];
        char keys[TABLE_TEXT], choice[VC_CHOICE_TEXT];
        json_array_append_new(
            all, json_pack("{s:s, s:o, s:s, s:[o,o], s:s, s:s, s:o}", "table", l->origin, "rule",
                           l->row.index < 0 ? json_null() : json_integer(l->row.index), "where",
                           table_keys_text(&l->row.keys, keys, sizeof keys), "bytes",
                           table_bound_json(l->row.bytes.min), table_bound_json(l->row.bytes.max), "operator",
                           table_operator_text(l->row.commutative), "choice",
                           table_choice_text(&l->row, choice, sizeof choice), "why_not",
                           l->why_not[0] ? json_string(l->why_not) : json_null()));
    }
    return all;
}

json_t *explain_question_json(const struct explain_request *r, const struct vc_topo_key *k)
{
    char sum[48];
    snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, r->file.rows ? r->file.rows->checksum : 0);
    json_t *table =
        r->file.rows ? json_pack("{s:s, s:s}", "file", r->file.path, "checksum", sum) : json_null();
    json_t *j = json_pack("{s:s, s:o, s:s}", "collective", vc_coll_name(r->call.coll), "bytes",
                          r->sized ? json_integer((json_int_t)r->call.bytes) : json_null(), "operator",
                          r->call.commutative ? "commutative" : "other");
    vc_topo_to_json(k, j);
    json_object_set_new(j, "table", table);
    return j;
}

static int print_json(const struct answer *a, const json_t *point)
{
    char text[VC_CHOICE_TEXT];
    json_t *j = explain_question_json(a->r, a->key);
    json_object_set_new(j, "rows", rows_json(a));
    json_object_set_new(j, "runs", json_string(vc_choice_format(&a->runs, text, sizeof text)));
    json_object_set_new(j, "because", a->instead[0] ? json_string(a->instead) : json_null());
    json_object_set_new(j, "measured", point ? json_deep_copy(point) : json_null());
    return table_print_json(who, j);
}

int explain_call(const struct explain_request *r, const struct vc_topo_key *key)
{
    struct answer a = {.r = r, .key = key};
    vc_select_explain(key, &r->params, r->file.rows, &r->call, note_row, &a);
    decide_choice(&a);
    const json_t *point = vc_measured_nearest(r->file.json, key, r->call.coll, r->call.bytes);
    int code = EXIT_SUCCESS;
    if (a.failed) {
        fprintf(stderr, "%s: out of memory\n", who);
        code = EXIT_FAILURE;
    } else if (r->json) {
        code = print_json(&a, point);
    } else {
        explain_question(r, key);
        print_rows(&a);
        print_result(&a);
        explain_measured(r, key, &a.runs, point);
        code = table_flush(who, EXIT_SUCCESS);
    }
    free(a.looked);
    return code;
}
