/* SPDX-License-Identifier: BSD-3-Clause */
/* The first screen: what this is, the main figures, where they are from, how to read the rest. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

static const char about[] =
    "<p>Programs on a cluster that compute together with MPI spend much of their time in "
    "<em>collectives</em>: calls such as broadcast or all-reduce in which all processes (<em>ranks</em>) "
    "take part, and which virtual machines often make slow. <strong>vcoll</strong> is a library that "
    "replaces the collectives of the installed MPI by its own where its own are faster, under unmodified "
    "programs. Which algorithm that is, and how waiting ranks wait, was measured on the machines named "
    "below; this page shows what was measured and what was chosen, the installed MPI's own collective "
    "(<em>native</em>) always being a candidate.</p>\n";

static const char how[] =
    "<h2 id=\"how\">How to read the plots</h2>\n"
    "<ul>\n"
    "<li>A <strong>point</strong> is one collective at one message size on one set of ranks. Its "
    "<strong>candidates</strong> are native and vcoll's algorithms with their parameters, written "
    "<code>algorithm:parameter=value</code>, e.g. <code>two_level:leaders=2:wait=hybrid</code>.</li>\n"
    "<li>Times are microseconds (µs) for one call until the slowest rank is through: the median over rounds "
    "in which all candidates took turns. Below is better. Both axes are logarithmic: a fixed distance is a "
    "fixed factor.</li>\n"
    "<li>The vertical bars are 95 % intervals of the median. Where the bars of two candidates overlap, the "
    "measurement does not tell which one is faster.</li>\n"
    "<li>The <strong>thick line is native</strong>. The candidates that matter have colours and shapes of "
    "their own; thin grey lines are the others, many of them dropped early because they had clearly lost. A "
    "<strong>ring</strong> marks what was chosen at a size.</li>\n"
    "<li>Speed-up is native's time divided by that of the choice, compared round by round: 2× is half the "
    "time, 1× is where native itself was kept. A choice is never one that is clearly slower than "
    "native.</li>\n"
    "<li>Pointing at a mark shows its figures; the tables hold them too.</li>\n"
    "</ul>\n";

/* ---- the main figures ---- */

static void write_fact(FILE *f, const char *term, struct text big, struct text small)
{
    fputs("<div><dt>", f);
    html_text(f, term);
    fputs("</dt><dd class=\"big\">", f);
    html_text(f, big.s);
    fputs("</dd><dd><small>", f);
    html_text(f, small.s);
    fputs("</small></dd></div>\n", f);
}

static void write_overall(FILE *f, const struct rep_mean *m)
{
    write_fact(f, "as fast as native, on average", text_times(m->mean),
               isfinite(m->low) ? text_format("95%% interval %.2f–%.2f; geometric mean over %d points",
                                              m->low, m->high, m->n)
                                : text_format("geometric mean over %d points, no interval", m->n));
    write_fact(f, "of points where native was kept",
               text_format("%.0f %%", m->points ? 100.0 * m->kept / m->points : 0),
               text_format("%d of %d points", m->kept, m->points));
}

static void write_extreme(FILE *f, const char *term, const struct rep_point *p)
{
    if (!p)
        return;
    struct rep_series s = rep_ratio(p);
    struct text small = rep_call_text(&p->where, p->bytes);
    if (isfinite(s.low) && p->chosen != p->native)
        small = text_format("%s; interval %.2f–%.2f", small.s, s.low, s.high);
    write_fact(f, term, text_times(s.median), small);
}

static void write_effort(FILE *f, const json_t *provenance)
{
    double took = rep_number(provenance, "took_seconds"), budget = rep_number(provenance, "budget_seconds");
    double n = rep_number(provenance, "points_measured"), all = rep_number(provenance, "points_exhaustive");
    double whole = rep_number(provenance, "exhaustive_seconds");
    if (isfinite(took))
        write_fact(f, "measuring took", text_duration(took),
                   isfinite(budget) ? text_format("of a budget of %s", text_duration(budget).s)
                                    : text_format("no budget was set"));
    if (isfinite(n) && isfinite(all))
        write_fact(f, "candidates of all points were measured", text_format("%.0f of %.0f", n, all),
                   text_format("%.0f %% of what measuring everything would be%s%s", 100 * n / all,
                               isfinite(whole) ? ", which would take " : "",
                               isfinite(whole) ? text_duration(whole).s : ""));
}

static void write_facts(struct report *r)
{
    struct rep_mean all = rep_mean_of(&r->d, NULL);
    if (all.points == 0) {
        fputs("<p class=\"none\">The table holds no measurements (no array \"measured\"): it may have been "
              "written by hand, or stripped. Only its rules can be shown.</p>\n",
              r->f);
        return;
    }
    fputs("<dl class=\"facts\">\n", r->f);
    write_overall(r->f, &all);
    write_extreme(r->f, "the slowest point against native", all.worst);
    write_extreme(r->f, "the fastest point against native", all.best);
    write_effort(r->f, r->d.provenance);
    fputs("</dl>\n", r->f);
}

/* ---- each collective ---- */

static double ratio_at(const struct rep_point *p)
{
    return p ? rep_ratio(p).median : NAN;
}

static void write_coll(FILE *f, const char *name, const struct rep_mean *m)
{
    rep_row(f, NULL, "cnnnnn", name, text_times_range(m->mean, m->low, m->high).s,
            text_format("%d", m->points).s,
            text_format("%d (%.0f %%)", m->kept, 100.0 * m->kept / m->points).s,
            text_times(ratio_at(m->worst)).s, text_times(ratio_at(m->best)).s);
}

static void write_colls(struct report *r)
{
    struct plot_row row[VC_COLL_COUNT + 1];
    const char *name[VC_COLL_COUNT + 1];
    struct rep_mean mean[VC_COLL_COUNT + 1];
    int n = 0, ncoll = 0;
    for (int i = 0; i < r->d.npoint && ncoll <= VC_COLL_COUNT; i++) {
        if (i > 0 && strcmp(r->d.point[i].where.coll, r->d.point[i - 1].where.coll) == 0)
            continue;
        struct rep_mean m = rep_mean_of(&r->d, r->d.point[i].where.coll);
        struct text range = text_times_range(m.mean, m.low, m.high);
        name[ncoll] = r->d.point[i].where.coll;
        if (m.n > 0)
            row[n++] = (struct plot_row){
                .label = text_format("%.60s: %s", name[ncoll], range.s),
                .low2 = ratio_at(m.worst),
                .high2 = ratio_at(m.best),
                .mark = {.y = m.mean,
                         .low = m.low,
                         .high = m.high,
                         .tip = text_format("%.60s: %s over %d points", name[ncoll], range.s, m.n)}};
        mean[ncoll++] = m;
    }
    struct plot p = {
        .title = text_format("Speed-up over native for each collective"),
        .desc =
            "Geometric mean of native's time over that of the choice, with its 95% interval; the pale bar "
            "goes from the slowest point to the fastest. The same figures are in the table beside it.",
        .x = {.kind = PLOT_RATIO, .label = "times as fast as native (line: equally fast)"},
        .line = 1};
    fputs("<div class=\"plots\">\n", r->f);
    if (n > 0)
        plot_rows(r->f, ++r->plots, &p, row, n);
    rep_table_begin(r->f, "Speed-up of what was chosen over native (geometric mean, 95% interval)",
                    "collective|speed-up|points|native kept|slowest|fastest");
    for (int i = 0; i < ncoll; i++)
        write_coll(r->f, name[i], &mean[i]);
    struct rep_mean all = rep_mean_of(&r->d, NULL);
    write_coll(r->f, "all", &all);
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
        {"simulated", "rules simulated by"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(key, words[i][0]) == 0)
            return words[i][1];
    return key;
}

static void write_value(FILE *f, const json_t *v, const char *between)
{
    bool words = json_is_array(v);
    for (size_t i = 0; words && i < json_array_size(v); i++)
        words = json_is_string(json_array_get(v, i));
    if (json_is_boolean(v))
        fputs(json_is_true(v) ? "yes" : "no", f);
    else if (json_is_string(v))
        html_text(f, json_string_value(v));
    else if (words) {
        for (size_t i = 0; i < json_array_size(v); i++)
            html_textf(f, "%s%s", i ? between : "", json_string_value(json_array_get(v, i)));
    } else {
        char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        html_text(f, text ? text : "");
        free(text);
    }
}

static void write_provenance(struct report *r)
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
        if (strcmp(key, "simulated") == 0) /* its points are pictures */
            v = json_object_get(v, "command");
        fputs("<tr>", r->f);
        rep_cells(r->f, "c", word_for(key));
        fputs("<td>", r->f);
        write_value(r->f, v, strcmp(key, "command") == 0 ? " " : ", ");
        fputs("</td></tr>\n", r->f);
    }
    rep_table_end(r->f);
}

static void write_subtitle(struct report *r)
{
    const char *date = rep_string(r->d.provenance, "date");
    const json_t *hosts = json_object_get(r->d.provenance, "hosts");
    fputs("<p><small>Table <code>", r->f);
    html_textf(r->f, "%s", r->d.origin);
    fputs("</code>", r->f);
    html_textf(r->f, "%s%s", date[0] ? ", measured " : "", date);
    if (json_array_size(hosts) > 0) {
        fputs(" on ", r->f);
        write_value(r->f, hosts, ", ");
    }
    if (r->ref.root) {
        fputs("; reference without virtualization: <code>", r->f);
        html_text(r->f, r->ref.origin);
        fputs("</code>", r->f);
    }
    fputs("</small></p>\n", r->f);
}

void rep_section_head(struct report *r)
{
    write_subtitle(r);
    fputs("<nav aria-label=\"Sections\"><ul><li><a href=\"#how\">How to read the plots</a></li><li><a "
          "href=\"#collectives\">Collectives</a></li><li><a href=\"#cpu\">CPU burnt</a></li><li><a "
          "href=\"#moderation\">Moderation</a></li><li><a href=\"#model\">Cost model</a></li><li><a "
          "href=\"#rules\">Rules</a></li></ul></nav>\n",
          r->f);
    fputs(about, r->f);
    write_facts(r);
    if (r->d.npoint > 0)
        write_colls(r);
    rep_warnings(r);
    write_provenance(r);
    fputs(how, r->f);
}
