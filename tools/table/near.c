/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune explain`: the measurements near a call. */
#include "tools/table/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double score(const json_t *c)
{
    double s = vc_measured_number(c, "score");
    if (isfinite(s))
        return s;
    s = vc_measured_number(json_object_get(c, "start"), "median");
    return isfinite(s) ? s : INFINITY;
}

static int by_score(const void *a, const void *b)
{
    double x = score(*(json_t *const *)a), y = score(*(json_t *const *)b);
    return x < y ? -1 : x > y;
}

static void print_interval(const json_t *series)
{
    char low[32], high[32], both[72];
    double l = vc_measured_number(series, "low"), h = vc_measured_number(series, "high");
    if (isfinite(l) && isfinite(h))
        snprintf(both, sizeof both, "%s..%s", table_time_text(l, low, sizeof low),
                 table_time_text(h, high, sizeof high));
    else
        snprintf(both, sizeof both, "-");
    printf("  %-19s", both);
}

static void print_candidate(const json_t *c, bool runs, bool chosen)
{
    const json_t *start = json_object_get(c, "start"), *b2b = json_object_get(c, "b2b");
    const char *text = json_string_value(json_object_get(c, "choice"));
    double ratio = vc_measured_number(json_object_get(c, "ratio"), "median");
    char time[32];
    printf("%s %-40s  %8s", runs ? ">" : " ", text ? text : "?",
           table_time_text(vc_measured_number(start, "median"), time, sizeof time));
    print_interval(start);
    printf("  %8s", table_time_text(vc_measured_number(start, "p99"), time, sizeof time));
    printf("  %8s", table_time_text(vc_measured_number(b2b, "median"), time, sizeof time));
    printf("  %8s", table_time_text(vc_measured_number(c, "predicted"), time, sizeof time));
    if (isfinite(ratio))
        printf("  %6.2f", ratio);
    else
        printf("  %6s", "-");
    printf("  %6lld%s%s\n", (long long)json_integer_value(json_object_get(c, "rounds")),
           json_is_true(json_object_get(c, "dropped")) ? "  dropped early" : "", chosen ? "  winner" : "");
}

static void print_place(const struct explain_request *r, const struct vc_topo_key *key, const json_t *point)
{
    struct vc_measured p;
    char place[96], size[32];
    vc_measured_from_json(point, &p);
    const struct vc_topo_key at = p.at;
    bool exact = vc_topo_order(key, &at, true) == 0 && p.bytes == r->call.bytes;
    printf("\nMeasured%s: %s, %s, between nodes %s%s%s%s%s\n", exact ? "" : " nearest to it",
           table_size_text(p.bytes, size, sizeof size),
           table_place_text(at.size, at.nnodes, at.max_ppn, place, sizeof place),
           at.have_verbs ? "verbs" : "the MPI", at.crowded ? ", crowded" : "",
           at.have_bulk ? "" : ", without bulk slots", at.device[0] ? ", device " : "", at.device);
    if (!r->call.commutative)
        printf("  (with a commutative operator; others are not measured)\n");
}

void explain_measured(const struct explain_request *r, const struct vc_topo_key *key,
                      const struct vc_choice *runs, const json_t *point)
{
    const json_t *list = json_object_get(point, "candidates");
    const char *chosen = json_string_value(json_object_get(point, "chosen"));
    const char *why = json_string_value(json_object_get(point, "why"));
    size_t n = json_array_size(list);
    const json_t **sorted = n ? malloc(n * sizeof *sorted) : NULL;
    if (!sorted) {
        printf("\nNothing was measured near this call%s.\n",
               r->file.rows ? "" : "; `vcoll tune run' measures and writes a table");
        return;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(list, i);
    qsort(sorted, n, sizeof *sorted, by_score);
    print_place(r, key, point);
    printf("  %-40s  %8s  %-19s  %8s  %8s  %8s  %6s  %6s\n", "choice", "median", "95 % interval", "p99",
           "in a row", "model", "faster", "rounds");
    const json_t *run = vc_measured_candidate(point, r->call.coll, runs);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_object_get(sorted[i], "choice"));
        print_candidate(sorted[i], sorted[i] == run, chosen && text && strcmp(chosen, text) == 0);
    }
    printf("  > is what runs here; faster: times as fast as native; model: what the cost model predicts\n");
    if (why && *why)
        printf("  winner: %s\n", why);
    free(sorted);
}
