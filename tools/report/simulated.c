/* SPDX-License-Identifier: BSD-3-Clause */
/* What `vcoll sim cluster --tune` predicted for the shapes of its rules: provenance.simulated.points. */
#include "tools/report/report.h"

#include <string.h>

#define MOST_PLOTS 48

static int whole(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static bool same_plot(const json_t *a, const json_t *b)
{
    return strcmp(rep_string(a, "collective"), rep_string(b, "collective")) == 0 &&
           whole(a, "nodes") == whole(b, "nodes");
}

static bool comes_up_before(const json_t *points, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_plot(json_array_get(points, k), json_array_get(points, i)))
            return true;
    return false;
}

static struct plot_series *series_of(struct plot *p, const char *choice)
{
    for (int i = 0; i < p->nseries; i++)
        if (strcmp(p->series[i].name.s, choice) == 0)
            return &p->series[i];
    return p->nseries < PLOT_COLOURS ? plot_add(p, p->nseries, choice) : NULL;
}

/* The time of each choice at one size, the fastest first; a ring at what the rules take from now on. */
static void add_point(struct plot *p, const json_t *point)
{
    const json_t *ways = json_object_get(point, "ways"), *way;
    const char *chosen = rep_string(point, "chosen");
    double bytes = json_number_value(json_object_get(point, "bytes"));
    size_t i;
    json_array_foreach(ways, i, way)
    {
        const char *choice = rep_string(way, "choice");
        double seconds = rep_number(way, "us") * 1e-6;
        struct plot_series *s = isnan(seconds) ? NULL : series_of(p, choice);
        if (s)
            plot_put(s, (struct plot_mark){bytes, seconds, NAN, NAN, .ring = strcmp(choice, chosen) == 0,
                                           .tip = text_format("%.100s, %s: %s µs", choice,
                                                              text_bytes(bytes).s, text_us(seconds).s)});
    }
}

static void draw(struct report *r, const json_t *points, size_t first)
{
    const json_t *of = json_array_get(points, first), *point;
    struct plot p = {.title = text_format("%.40s, %d nodes of %d ranks: predicted",
                                          rep_string(of, "collective"), whole(of, "nodes"), whole(of, "ppn")),
                     .desc =
                         "Predicted time of one call for the fastest choices over message size; rings mark "
                         "what the rules take.",
                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                     .y = {.kind = PLOT_TIME, .label = "µs per call, predicted (below is better)"}};
    size_t i;
    json_array_foreach(points, i, point)
    {
        if (same_plot(of, point))
            add_point(&p, point);
    }
    plot_draw(r->f, ++r->plots, &p);
}

void rep_section_simulated(struct report *r)
{
    const json_t *points = json_object_get(json_object_get(r->d.provenance, "simulated"), "points");
    size_t n = json_array_size(points);
    int drawn = 0;
    if (n == 0)
        return;
    fputs(
        "<h2 id=\"simulated\">Clusters that were not measured</h2>\n<p>For these shapes the rules are "
        "simulated: <code>vcoll sim cluster</code> has played the plans of all ranks against each other with "
        "the cost model. Nothing here was measured, and native has no prediction.</p>\n",
        r->f);
    for (size_t i = 0; i < n && drawn < MOST_PLOTS; i++)
        if (!comes_up_before(points, i)) {
            draw(r, points, i);
            drawn++;
        }
}
