/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/stats.h"

#include "include/vcoll/vcoll.h"
#include "pmpi/table.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const pass_key[VC_PASS_COUNT] = {
    [VC_TAKEN] = "failed",
    [VC_PASS_NEVER] = "not_accelerated",
    [VC_PASS_COLLS] = "not_in_VCOLL_COLLS",
    [VC_PASS_COMM] = "communicator",
    [VC_PASS_WAITING] = "not_set_up",
    [VC_PASS_ARGS] = "arguments",
    [VC_PASS_EMPTY] = "empty",
    [VC_PASS_LARGE] = "too_large",
    [VC_PASS_SELECTED] = "selected",
};
static const char *const pass_text[VC_PASS_COUNT] = {
    [VC_TAKEN] = "failed",
    [VC_PASS_NEVER] = "not accelerated",
    [VC_PASS_COLLS] = "not in VCOLL_COLLS",
    [VC_PASS_COMM] = "communicator not served",
    [VC_PASS_WAITING] = "communicator not set up yet",
    [VC_PASS_ARGS] = "arguments",
    [VC_PASS_EMPTY] = "nothing to move",
    [VC_PASS_LARGE] = "too large",
    [VC_PASS_SELECTED] = "native selected",
};

static const char *via_text(uint64_t via, bool native)
{
    static const char *const text[] = {"local", "shm",       "mpi",       "shm+mpi",
                                       "verbs", "shm+verbs", "verbs+mpi", "shm+verbs+mpi"};
    return native ? "native" : text[via & 7];
}

/* The totals of a collective. */
struct total {
    struct vc_stats_cell all, taken;
};

static struct total total_of(const struct vc_stats_sums *s, int coll)
{
    struct total t = {{0}, {0}};
    for (int c = 0; c < VC_STATS_CLASSES; c++)
        for (int a = 0; a < VC_STATS_ALGS; a++) {
            const struct vc_stats_cell *cell = &s->cell[coll][c][a];
            t.all.calls += cell->calls;
            t.all.bytes += cell->bytes;
            t.all.ns += cell->ns;
            if (a > 0) {
                t.taken.calls += cell->calls;
                t.taken.bytes += cell->bytes;
                t.taken.ns += cell->ns;
            }
        }
    return t;
}

/* ---- text ---- */

static void size_text(char *buf, size_t len, int class)
{
    uint64_t n = vc_stats_class_min(class);
    if (n < 1024)
        snprintf(buf, len, "%llu", (unsigned long long)n);
    else if (n < 1 << 20)
        snprintf(buf, len, "%lluk", (unsigned long long)n >> 10);
    else
        snprintf(buf, len, "%lluM", (unsigned long long)n >> 20);
}

static void print_coll(FILE *f, const struct vc_stats_sums *s, const struct vc_stats_ways *w, int coll)
{
    struct total t = total_of(s, coll);
    if (t.all.calls == 0)
        return;
    const char *name = vc_coll_name((enum vc_coll)coll);
    for (int c = 0; c < VC_STATS_CLASSES; c++)
        for (int a = 0; a < VC_STATS_ALGS; a++) {
            const struct vc_stats_cell *cell = &s->cell[coll][c][a];
            if (cell->calls == 0)
                continue;
            char size[24];
            size_text(size, sizeof size, c);
            fprintf(f, "%-21s %8s  %-22s %-8s %12llu %14.3f %12.2f %11.3f\n", name, size,
                    vc_stats_alg_name((enum vc_coll)coll, a), via_text(w->via[coll][c][a], a == 0),
                    (unsigned long long)cell->calls, (double)cell->bytes * 1e-6,
                    (double)cell->ns * 1e-3 / (double)cell->calls, (double)cell->ns * 1e-9);
        }
}

static const char *table_name(char checksum[32])
{
    uint64_t sum;
    const char *name = vc_table_in_use(&sum);
    snprintf(checksum, 32, "fnv1a64:%016llx", (unsigned long long)sum);
    return name;
}

static void print_text(FILE *f, const struct vc_stats_sums *s, const struct vc_stats_ways *w, int ranks)
{
    fprintf(f, "vcoll %s: statistics of %d rank%s (calls, bytes and times are sums over them)\n",
            vcoll_version(), ranks, ranks == 1 ? "" : "s");
    fprintf(f, "%-21s %8s  %-22s %-8s %12s %14s %12s %11s\n", "collective", "bytes>=", "algorithm", "channel",
            "calls", "megabytes", "mean us", "total s");
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        print_coll(f, s, w, coll);
    for (int coll = 0; coll < VC_COLL_COUNT; coll++) {
        struct total t = total_of(s, coll);
        if (t.all.calls == 0)
            continue;
        fprintf(f, "%s: %llu of %llu calls taken over", vc_coll_name((enum vc_coll)coll),
                (unsigned long long)t.taken.calls, (unsigned long long)t.all.calls);
        for (int why = 0; why < VC_PASS_COUNT; why++)
            if (s->passed[coll][why])
                fprintf(f, "; %s: %llu", pass_text[why], (unsigned long long)s->passed[coll][why]);
        fputc('\n', f);
    }
    fprintf(f, "waiting: %llu sleeps, %llu wake-ups, %llu yields, %llu calls of the MPI's progress\n",
            (unsigned long long)s->sleeps, (unsigned long long)s->wakes, (unsigned long long)s->yields,
            (unsigned long long)s->progress_calls);
    fprintf(f, "set-ups: %llu (%llu in use), %.3f ms on average\n", (unsigned long long)s->setups,
            (unsigned long long)s->setups_used,
            s->setups ? (double)s->setup_ns * 1e-6 / (double)s->setups : 0.0);
    char checksum[32];
    const char *table = table_name(checksum);
    fprintf(f, "table: %s (%s)\n", table, checksum);
}

/* ---- JSON ---- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *seconds(uint64_t ns)
{
    return json_real((double)ns * 1e-9);
}

static json_t *coll_json(const struct vc_stats_sums *s, const struct vc_stats_ways *w, int coll)
{
    struct total t = total_of(s, coll);
    json_t *sizes = json_array(), *passed = json_object();
    for (int c = 0; c < VC_STATS_CLASSES; c++)
        for (int a = 0; a < VC_STATS_ALGS; a++) {
            const struct vc_stats_cell *cell = &s->cell[coll][c][a];
            if (cell->calls > 0)
                json_array_append_new(sizes, json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "bytes_from",
                                                       number(vc_stats_class_min(c)), "algorithm",
                                                       vc_stats_alg_name((enum vc_coll)coll, a), "channel",
                                                       via_text(w->via[coll][c][a], a == 0), "calls",
                                                       number(cell->calls), "bytes", number(cell->bytes),
                                                       "seconds", seconds(cell->ns)));
        }
    for (int why = 0; why < VC_PASS_COUNT; why++)
        if (s->passed[coll][why])
            json_object_set_new(passed, pass_key[why], number(s->passed[coll][why]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "calls", number(t.all.calls), "taken_over",
                     number(t.taken.calls), "bytes", number(t.all.bytes), "seconds", seconds(t.all.ns),
                     "seconds_taken_over", seconds(t.taken.ns), "passed_through", passed, "sizes", sizes);
}

static bool print_json(FILE *f, const struct vc_stats_sums *s, const struct vc_stats_ways *w, int ranks)
{
    json_t *colls = json_object();
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        if (total_of(s, coll).all.calls > 0)
            json_object_set_new(colls, vc_coll_name((enum vc_coll)coll), coll_json(s, w, coll));
    json_t *wait = json_pack("{s:o, s:o, s:o, s:o}", "sleeps", number(s->sleeps), "wakes", number(s->wakes),
                             "yields", number(s->yields), "progress_calls", number(s->progress_calls));
    json_t *setup = json_pack("{s:o, s:o, s:o}", "communicators", number(s->setups), "in_use",
                              number(s->setups_used), "seconds", seconds(s->setup_ns));
    char checksum[32];
    const char *name = table_name(checksum);
    json_t *table = json_pack("{s:s, s:s}", "name", name, "checksum", checksum);
    json_t *all = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "vcoll", vcoll_version(), "ranks", ranks,
                            "collectives", colls, "waiting", wait, "setup", setup, "table",
                            table ? table : json_null()); /* a file's name may not be UTF-8 */
    bool ok = all && json_dumpf(all, f, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0;
    fputc('\n', f);
    json_decref(all);
    return ok;
}

void vc_stats_print(const struct vc_stats_sums *s, const struct vc_stats_ways *w, int ranks)
{
    bool file = vc_params.stats_file[0] != '\0';
    FILE *f = file ? fopen(vc_params.stats_file, "w") : stderr;
    if (!f) {
        vc_log(VC_LOG_ERROR, "cannot write VCOLL_STATS_FILE \"%s\": %s", vc_params.stats_file,
               strerror(errno));
        return;
    }
    if (vc_params.stats == VC_STATS_JSON)
        print_json(f, s, w, ranks);
    else
        print_text(f, s, w, ranks);
    bool bad = ferror(f) != 0;
    if (file)
        bad |= fclose(f) != 0;
    else
        fflush(f);
    if (bad)
        vc_log(VC_LOG_ERROR, "writing the statistics failed: %s", strerror(errno));
}
