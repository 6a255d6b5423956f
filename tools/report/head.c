/* SPDX-License-Identifier: BSD-3-Clause */
/* The first screen: what this is, the main figures, where they are from, how to read the rest. */
#include "tools/report/plot.h"

#include <stdlib.h>
#include <string.h>

static const char *const about = "<p>Programs on a cluster that compute together with MPI spend much of "
                                 "their time in <em>collectives</em>: calls "
                                 "such as broadcast or all-reduce in which all processes (<em>ranks</em>) "
                                 "take part, and which virtual machines "
                                 "often make slow. <strong>vcoll</strong> is a library that replaces the "
                                 "collectives of the installed MPI by its "
                                 "own where its own are faster, under unmodified programs. Which algorithm "
                                 "that is, and how waiting ranks wait, "
                                 "was measured on the machines named below; this page shows what was "
                                 "measured and what was chosen, the installed "
                                 "MPI's own collective (<em>native</em>) always being a candidate.</p>\n";

/* ---- the main figures ---- */

static void fact(FILE *f, const char *term, const char *big, const char *small)
{
    fputs("<div><dt>", f);
    rep_text(f, term);
    fputs("</dt><dd class=\"big\">", f);
    rep_text(f, big);
    fputs("</dd><dd><small>", f);
    rep_text(f, small);
    fputs("</small></dd></div>\n", f);
}

static void fact_overall(struct report *r, const struct rep_mean *m)
{
    char big[REP_SHORT], small[REP_LONG];
    rep_times(m->mean, big);
    if (isfinite(m->low))
        snprintf(small, sizeof small, "95%% interval %.2f–%.2f; geometric mean over %d points", m->low,
                 m->high, m->n);
    else
        snprintf(small, sizeof small, "geometric mean over %d points, no interval", m->n);
    fact(r->f, "as fast as native, on average", big, small);
    snprintf(big, sizeof big, "%.0f %%", m->points ? 100.0 * m->kept / m->points : 0);
    snprintf(small, sizeof small, "%d of %d points", m->kept, m->points);
    fact(r->f, "of points where native was kept", big, small);
}

static void fact_point(struct report *r, const char *term, const struct rep_point *p)
{
    if (!p)
        return;
    char big[REP_SHORT], bytes[REP_SHORT], where[REP_LONG], small[2 * REP_LONG];
    struct rep_series s = rep_ratio(p);
    snprintf(small, sizeof small, "%s, %s", rep_where_text(&p->where, true, where),
             rep_bytes(p->bytes, bytes));
    if (isfinite(s.low) && p->chosen != p->native)
        snprintf(small + strlen(small), 64, "; interval %.2f–%.2f", s.low, s.high);
    fact(r->f, term, rep_times(s.median, big), small);
}

static void fact_effort(struct report *r)
{
    const json_t *v = r->d.provenance;
    double took = rep_number(v, "took_seconds"), budget = rep_number(v, "budget_seconds");
    double n = rep_number(v, "points_measured"), all = rep_number(v, "points_exhaustive");
    char big[REP_SHORT], text[REP_SHORT], small[REP_LONG];
    if (isfinite(took)) {
        snprintf(small, sizeof small, "of a budget of %s", rep_duration(budget, text));
        fact(r->f, "measuring took", rep_duration(took, big), isfinite(budget) ? small : "no budget was set");
    }
    if (isfinite(n) && isfinite(all)) {
        double whole = rep_number(v, "exhaustive_seconds");
        snprintf(big, sizeof big, "%.0f of %.0f", n, all);
        snprintf(small, sizeof small, "%.0f %% of what measuring everything would be%s%s", 100 * n / all,
                 isfinite(whole) ? ", which would take " : "",
                 isfinite(whole) ? rep_duration(whole, text) : "");
        fact(r->f, "candidates of all points were measured", big, small);
    }
}

static void put_facts(struct report *r)
{
    struct rep_mean all = rep_mean_of(&r->d, NULL);
    if (all.points == 0) {
        fputs("<p class=\"none\">The table holds no measurements (no array \"measured\"): it may have been "
              "written "
              "by hand, or stripped. Only its rules can be shown.</p>\n",
              r->f);
        return;
    }
    fputs("<dl class=\"facts\">\n", r->f);
    fact_overall(r, &all);
    fact_point(r, "the slowest point against native", all.worst);
    fact_point(r, "the fastest point against native", all.best);
    fact_effort(r);
    fputs("</dl>\n", r->f);
}

/* ---- each collective ---- */

static const char *next_coll(const struct rep_data *d, int *i)
{
    const char *name = d->point[*i].where.coll;
    while (*i < d->npoint && strcmp(d->point[*i].where.coll, name) == 0)
        (*i)++;
    return name;
}

static void coll_row(struct plot_row *row, const char *name, const struct rep_mean *m)
{
    char text[REP_SHORT];
    rep_times_range(m->mean, m->low, m->high, text);
    *row = (struct plot_row){.look = 0,
                             .low2 = m->worst ? rep_ratio(m->worst).median : NAN,
                             .high2 = m->best ? rep_ratio(m->best).median : NAN,
                             .mark = {.y = m->mean, .low = m->low, .high = m->high}};
    snprintf(row->label, sizeof row->label, "%.60s: %.60s", name, text);
    snprintf(row->mark.tip, sizeof row->mark.tip, "%.60s: %.60s over %d points", name, text, m->n);
}

static void coll_line(FILE *f, const char *name, const struct rep_mean *m)
{
    char text[REP_SHORT], worst[REP_SHORT], best[REP_SHORT];
    fputs("<tr>", f);
    rep_cell(f, "%s", name);
    rep_num(f, "%s", rep_times_range(m->mean, m->low, m->high, text));
    rep_num(f, "%d", m->points);
    rep_num(f, "%d (%.0f %%)", m->kept, 100.0 * m->kept / m->points);
    rep_num(f, "%s", rep_times(m->worst ? rep_ratio(m->worst).median : NAN, worst));
    rep_num(f, "%s", rep_times(m->best ? rep_ratio(m->best).median : NAN, best));
    fputs("</tr>\n", f);
}

static void put_colls(struct report *r)
{
    struct plot_row row[VC_COLL_COUNT + 1];
    int n = 0;
    for (int i = 0; i < r->d.npoint && n <= VC_COLL_COUNT;) {
        const char *name = next_coll(&r->d, &i);
        struct rep_mean m = rep_mean_of(&r->d, name);
        coll_row(&row[n], name, &m);
        n += m.n > 0;
    }
    struct plot p = {
        .title = "Speed-up over native for each collective",
        .desc = "Geometric mean of native's time over that of the choice, with its 95% interval; the "
                "pale bar goes from the slowest point to the fastest. The same figures are in the table "
                "beside it.",
        .x = {.kind = PLOT_RATIO, .label = "times as fast as native (line: equally fast)"},
        .line = 1};
    fputs("<div class=\"plots\">\n", r->f);
    if (n > 0)
        plot_rows(r, &p, row, n);
    rep_table_begin(r->f, "Speed-up of what was chosen over native (geometric mean, 95% interval)",
                    "collective|speed-up|points|native kept|slowest|fastest");
    for (int i = 0; i < r->d.npoint;) {
        const char *name = next_coll(&r->d, &i);
        struct rep_mean m = rep_mean_of(&r->d, name);
        coll_line(r->f, name, &m);
    }
    struct rep_mean all = rep_mean_of(&r->d, NULL);
    coll_line(r->f, "all", &all);
    rep_table_end(r->f);
    fputs("</div>\n", r->f);
}

/* ---- provenance ---- */

static const char *word_for(const char *key)
{
    static const char *const words[][2] = {
        {"date", "measured on"},
        {"hosts", "machines"},
        {"cpus", "CPUs"},
        {"vcoll", "version of vcoll"},
        {"mpi", "MPI underneath (native)"},
        {"command", "command"},
        {"objective", "what was optimized"},
        {"seed", "seed of the shuffling"},
        {"budget_seconds", "budget, seconds"},
        {"took_seconds", "took, seconds"},
        {"points_measured", "candidates measured, over all points"},
        {"points_exhaustive", "candidates of an exhaustive search"},
        {"points_skipped", "points that were not reached"},
        {"points_taken_over", "candidates taken over from samples of an earlier run"},
        {"exhaustive_seconds", "an exhaustive search would take about, seconds"},
        {"partial", "did not reach all points"},
        {"ranks", "ranks"},
        {"samples", "raw samples"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(key, words[i][0]) == 0)
            return words[i][1];
    return key;
}

static void put_value(FILE *f, const json_t *v, const char *between)
{
    if (json_is_boolean(v)) {
        fputs(json_is_true(v) ? "yes" : "no", f);
        return;
    }
    if (json_is_string(v)) {
        rep_text(f, json_string_value(v));
        return;
    }
    bool words = json_is_array(v);
    for (size_t i = 0; words && i < json_array_size(v); i++)
        words = json_is_string(json_array_get(v, i));
    if (words) {
        for (size_t i = 0; i < json_array_size(v); i++)
            rep_textf(f, "%s%s", i ? between : "", json_string_value(json_array_get(v, i)));
        return;
    }
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    rep_text(f, text ? text : "");
    free(text);
}

static void put_provenance(struct report *r)
{
    const char *key;
    json_t *v;
    fputs("<h3 id=\"provenance\">Where the figures are from</h3>\n", r->f);
    if (json_object_size(r->d.provenance) == 0) {
        fputs("<p class=\"none\">The table does not say.</p>\n", r->f);
        return;
    }
    rep_table_begin(r->f, "As written into the table by the run that made it", "what|value");
    json_object_foreach((json_t *)r->d.provenance, key, v)
    {
        fputs("<tr>", r->f);
        rep_cell(r->f, "%s", word_for(key));
        fputs("<td>", r->f);
        put_value(r->f, v, strcmp(key, "command") == 0 ? " " : ", ");
        fputs("</td></tr>\n", r->f);
    }
    rep_table_end(r->f);
}

static void put_subtitle(struct report *r)
{
    const char *date = rep_string(r->d.provenance, "date");
    const json_t *hosts = json_object_get(r->d.provenance, "hosts");
    fputs("<p><small>Table <code>", r->f);
    rep_text(r->f, r->d.origin);
    fputs("</code>", r->f);
    if (date[0]) {
        fputs(", measured ", r->f);
        rep_text(r->f, date);
    }
    if (json_array_size(hosts) > 0) {
        fputs(" on ", r->f);
        put_value(r->f, hosts, ", ");
    }
    if (r->ref.root) {
        fputs("; reference without virtualization: <code>", r->f);
        rep_text(r->f, r->ref.origin);
        fputs("</code>", r->f);
    }
    fputs("</small></p>\n", r->f);
}

void rep_section_head(struct report *r)
{
    fputs("<h1>", r->f);
    rep_text(r->f, r->title ? r->title : "vcoll: tuning report");
    fputs("</h1>\n", r->f);
    put_subtitle(r);
    fputs("<nav aria-label=\"Sections\"><ul><li><a href=\"#how\">How to read the plots</a></li><li><a "
          "href=\"#collectives\">Collectives</a></li><li><a href=\"#cpu\">CPU burnt</a></li><li><a "
          "href=\"#moderation\">Moderation</a></li><li><a href=\"#model\">Cost model</a></li><li><a "
          "href=\"#rules\">Rules</a></li></ul></nav>\n",
          r->f);
    fputs(about, r->f);
    put_facts(r);
    if (r->d.npoint > 0)
        put_colls(r);
    rep_warnings(r);
    put_provenance(r);
}

void rep_section_how(struct report *r)
{
    fputs(
        "<h2 id=\"how\">How to read the plots</h2>\n<ul>\n"
        "<li>A <strong>point</strong> is one collective at one message size on one set of ranks. Its "
        "<strong>candidates</strong> are native and vcoll's algorithms with their parameters, written "
        "<code>algorithm:parameter=value</code>, e.g. <code>two_level:leaders=2:wait=hybrid</code>.</li>\n"
        "<li>Times are microseconds (µs) for one call until the slowest rank is through: the median over "
        "rounds in "
        "which all candidates took turns. Below is better. Both axes are logarithmic: a fixed distance is a "
        "fixed "
        "factor.</li>\n"
        "<li>The vertical bars are 95 % intervals of the median. Where the bars of two candidates overlap, "
        "the "
        "measurement does not tell which one is faster.</li>\n"
        "<li>The <strong>thick line is native</strong>. The candidates that matter have colours and shapes "
        "of "
        "their own; thin grey lines are the others, many of them dropped early because they had clearly "
        "lost. A "
        "<strong>ring</strong> marks what was chosen at a size.</li>\n"
        "<li>Speed-up is native's time divided by that of the choice, compared round by round: 2× is half "
        "the time, "
        "1× is where native itself was kept. A choice is never one that is clearly slower than native.</li>\n"
        "<li>Pointing at a mark shows its figures; the tables hold them too.</li>\n</ul>\n",
        r->f);
}
