/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost model against what was measured, and its parameters. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MARKS 1500 /* in the scatter; more make the file large and the plot no clearer */
#define NEAR       1.5  /* a prediction this near is told as such */

static bool is_of(const struct rep_point *p, const char *coll)
{
    return !coll || strcmp(p->where.coll, coll) == 0;
}

static bool predicted(const struct rep_cand *c)
{
    return isfinite(c->predicted) && isfinite(c->start.median);
}

static int count_predictions(const struct rep_data *d, const char *coll)
{
    int n = 0;
    for (int i = 0; i < d->npoint; i++)
        for (int j = 0; is_of(&d->point[i], coll) && j < d->point[i].ncand; j++)
            n += predicted(&d->point[i].cand[j]);
    return n;
}

/* ---- scatter ---- */

static void add_marks(struct plot_series *s, const struct rep_data *d, const char *coll, int every)
{
    int n = 0;
    for (int i = 0; i < d->npoint; i++)
        for (int j = 0; is_of(&d->point[i], coll) && j < d->point[i].ncand; j++) {
            const struct rep_cand *c = &d->point[i].cand[j];
            if (predicted(c) && n++ % every == 0)
                plot_put(s, (struct plot_mark){
                                c->start.median, c->predicted, NAN, NAN,
                                .tip = text_format("%.40s, %s, %.100s: measured %s µs, predicted %s µs",
                                                   d->point[i].where.coll, text_bytes(d->point[i].bytes).s,
                                                   c->choice, text_us(c->start.median).s,
                                                   text_us(c->predicted).s)});
        }
}

/* The collectives that have predictions, in order. */
static int colls_of(const struct rep_data *d, const char **coll, int room)
{
    int n = 0;
    for (int i = 0; i < d->npoint && n < room; i++)
        if ((n == 0 || strcmp(coll[n - 1], d->point[i].where.coll) != 0) &&
            count_predictions(d, d->point[i].where.coll) > 0)
            coll[n++] = d->point[i].where.coll;
    return n;
}

static void draw_scatter(struct report *r, const char **coll, int n)
{
    int all = count_predictions(&r->d, NULL), every = (all + MOST_MARKS - 1) / MOST_MARKS;
    struct plot p = {
        .title = text_format("Predicted against measured"),
        .desc = "Each mark is one candidate at one point: across what it took, upwards what the model had "
                "said. On the diagonal both are equal; above it the model was too pessimistic.",
        .x = {.kind = PLOT_TIME, .label = "measured, µs"},
        .y = {.kind = PLOT_TIME, .label = "predicted, µs"},
        .identity = true};
    for (int i = 0; i < n; i++)
        add_marks(plot_add(&p, i, coll[i]), &r->d, coll[i], every);
    plot_draw(r->f, ++r->plots, &p);
    if (every > 1)
        fprintf(r->f, "<p><small>One in %d of %d predictions is drawn.</small></p>\n", every, all);
}

/* ---- errors ---- */

struct errors {
    double *error; /* percent of what was measured */
    int n, near;
    double worst; /* the factor farthest from 1, above or below */
    double *loss; /* percent that the model's own first choice is behind the fastest, by point */
    int nloss;
};

static double farther(double a, double b)
{
    return fabs(log(b)) > fabs(log(a)) ? b : a;
}

static void add_errors(struct errors *e, const struct rep_point *p)
{
    const struct rep_cand *first = NULL;
    double fastest = NAN;
    int n = 0;
    for (int i = 0; i < p->ncand; i++) {
        const struct rep_cand *c = &p->cand[i];
        if (!predicted(c))
            continue;
        double factor = c->predicted / c->start.median;
        e->error[e->n++] = 100 * fabs(factor - 1);
        e->near += fabs(log(factor)) <= log(NEAR);
        e->worst = farther(e->worst, factor);
        if (!first || c->predicted < first->predicted)
            first = c;
        fastest = fmin(fastest, c->start.median);
        n++;
    }
    if (n > 1)
        e->loss[e->nloss++] = 100 * (first->start.median / fastest - 1);
}

static double greatest(const double *v, int n)
{
    double m = NAN;
    for (int i = 0; i < n; i++)
        m = fmax(m, v[i]);
    return m;
}

/* `coll` NULL: all. */
static void write_errors(struct report *r, const char *coll)
{
    struct errors e = {.worst = 1};
    e.error = calloc((size_t)count_predictions(&r->d, coll) + 1, sizeof *e.error);
    e.loss = calloc((unsigned)r->d.npoint, sizeof *e.loss);
    if (e.error && e.loss) {
        for (int i = 0; i < r->d.npoint; i++)
            if (is_of(&r->d.point[i], coll))
                add_errors(&e, &r->d.point[i]);
        rep_row(
            r->f, NULL, "cnnnnn", coll ? coll : "all", text_format("%d", e.n).s,
            text_format("%.0f %%", rep_median(e.error, e.n)).s,
            text_format("%s too %s", text_times(fmax(e.worst, 1 / e.worst)).s, e.worst > 1 ? "high" : "low")
                .s,
            text_format("%.0f %%", 100.0 * e.near / e.n).s,
            e.nloss > 0
                ? text_format("%.0f %% / %.0f %%", rep_median(e.loss, e.nloss), greatest(e.loss, e.nloss)).s
                : "–");
    }
    free(e.error);
    free(e.loss);
}

static void write_comparison(struct report *r)
{
    const char *coll[VC_COLL_COUNT];
    int n = colls_of(&r->d, coll, VC_COLL_COUNT);
    if (n == 0) {
        fputs("<p class=\"none\">No predictions are in this table.</p>\n", r->f);
        return;
    }
    fputs("<div class=\"plots\">\n", r->f);
    draw_scatter(r, coll, n);
    rep_table_begin(r->f,
                    "Error of the predictions; the last column tells how far behind the fastest the model's "
                    "own first choice among the candidates would be (median / worst)",
                    "collective|predictions|median error|worst|within 1.5×|if it chose alone");
    for (int i = 0; i < n; i++)
        write_errors(r, coll[i]);
    if (n > 1)
        write_errors(r, NULL);
    rep_table_end(r->f);
    fputs("</div>\n", r->f);
}

/* ---- parameters ---- */

static const char *const way[VC_WAY_COUNT] = {
    [VC_WAY_SHM] = "shared memory of one operating system",
    [VC_WAY_RESIDENT] = "between virtual machines of one host",
    [VC_WAY_WIRE] = "between hosts",
};

/* Bytes per second of long messages, from the curve's last piece. */
static double rate(const struct vc_model_link *l)
{
    int n = l->npoints;
    if (n < 2 || n > VC_MODEL_POINTS)
        return NAN;
    double bytes = l->point[n - 1].bytes - l->point[n - 2].bytes,
           gap = l->point[n - 1].gap - l->point[n - 2].gap;
    return bytes > 0 && gap > 0 ? bytes / gap : NAN;
}

static struct text gigabytes(double bytes_per_second)
{
    return bytes_per_second > 0 ? text_format("%.3g GB/s", bytes_per_second / 1e9) : text_format("–");
}

static void write_link(FILE *f, const char *name, const struct vc_model_link *l)
{
    fputs("<tr>", f);
    rep_cells(f, "cnn", name, text_us(l->latency).s, text_us(l->overhead).s);
    fputs("<td>", f);
    for (int i = 0; i < l->npoints && i < VC_MODEL_POINTS; i++)
        html_textf(f, "%s%s: %s", i ? "; " : "", text_bytes(l->point[i].bytes).s, text_us(l->point[i].gap).s);
    fputs("</td>", f);
    rep_cells(f, "n", gigabytes(rate(l)).s);
    fputs("</tr>\n", f);
}

static void write_links(FILE *f, const struct vc_model *m)
{
    int n = 0;
    rep_table_begin(f, "Ways that a message takes; µs",
                    "way|latency of 8 bytes|CPU time of sender and receiver, each|a message of so many bytes "
                    "keeps the way busy for|long messages");
    for (int w = 0; w < VC_WAY_COUNT; w++)
        if (m->link[w].known) {
            write_link(f, way[w], &m->link[w]);
            n++;
        }
    if (n == 0)
        fputs("<tr><td colspan=\"5\">none was measured</td></tr>", f);
    rep_table_end(f);
}

static void write_time(FILE *f, const char *what, double seconds)
{
    rep_row(f, NULL, "cn", what, text_format("%s µs", text_us(seconds).s).s);
}

static void write_parameters(FILE *f, const struct vc_model *m)
{
    fputs("<h3>Its parameters</h3>\n", f);
    write_links(f, m);
    rep_table_begin(f, "What waking, interrupts and sharing cost", "parameter|value");
    if (m->node.known) {
        write_time(f, "phase within a node: fixed cost", m->node.base);
        write_time(f, "phase within a node: for each further rank", m->node.flag);
        rep_row(f, NULL, "cn", "copying through shared memory, each rank while all copy",
                gigabytes(m->node.copy > 0 ? 1 / m->node.copy : 0).s);
        rep_row(f, NULL, "cn", "adding up vectors", gigabytes(m->node.reduce > 0 ? 1 / m->node.reduce : 0).s);
    }
    write_time(f, "waking a rank that sleeps in shared memory", m->wake);
    write_time(f, "waking a rank that sleeps on the network device", m->wake_device);
    write_time(f, "CPU time of an interrupt", m->interrupt);
    write_time(f, "delay that the device's moderation adds to a message", m->moderation);
    write_time(f, "giving the CPU to another rank", m->switch_cost);
    rep_row(f, NULL, "cn", "part of the time that the hypervisor takes away (steal; 0 none, 1 all)",
            text_format("%.3g", m->steal).s);
    for (int i = 0; i < m->noise.n; i++)
        rep_row(f, NULL, "cn",
                text_format("noise: interruptions of about %s µs, a second of a CPU",
                            text_us(m->noise.detour[i].seconds).s)
                    .s,
                text_format("%.3g", m->noise.detour[i].rate).s);
    rep_row(f, NULL, "cn", "CPUs for each rank (below 1: ranks take turns)",
            text_format("%.3g", m->cpus_per_rank).s);
    rep_table_end(f);
}

void rep_section_model(struct report *r)
{
    fputs("<h2 id=\"model\">The cost model</h2>\n<p>Before anything is measured a model (LogGP, with terms "
          "for what virtualization adds) predicts how long each candidate takes, from a few parameters "
          "measured on these machines. It decides nothing: it says what to measure first and what is "
          "hopeless. So its order matters more than its figures.</p>\n",
          r->f);
    write_comparison(r);
    if (r->d.table->has_model)
        write_parameters(r->f, &r->d.table->model);
    else
        fputs("<p class=\"none\">The table holds no parameters of the model.</p>\n", r->f);
}

const char *rep_role(const struct rep_setting *s)
{
    bool said = strcmp(s->name, "as found") == 0;
    if (s->found && s->chosen)
        return said ? ", and kept" : ", as found, and kept";
    if (s->found)
        return said ? "" : ", as found";
    return s->chosen ? ", tuned" : "";
}
