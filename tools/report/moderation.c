/* SPDX-License-Identifier: BSD-3-Clause */
/* What the moderation of a device does: settings against each other, as found against tuned. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

/* The settings of one device. */
struct device {
    const struct rep_setting *first, *end; /* they stand together in the table */
    const struct rep_setting *found, *chosen;
};

static struct device device_from(const struct rep_setting *first, const struct rep_setting *end)
{
    struct device v = {first, first, NULL, NULL};
    for (; v.end < end && strcmp(v.end->device, first->device) == 0 &&
           strcmp(v.end->netdev, first->netdev) == 0;
         v.end++) {
        if (v.end->found && !v.found)
            v.found = v.end;
        if (v.end->chosen && !v.chosen)
            v.chosen = v.end;
    }
    return v;
}

/* The same call under another setting. */
static const struct rep_modpoint *under(const struct rep_setting *s, const struct rep_modpoint *call)
{
    for (int i = 0; i < s->npoint; i++)
        if (s->point[i].bytes == call->bytes && rep_where_compare(&s->point[i].where, &call->where) == 0)
            return &s->point[i];
    return NULL;
}

/* ---- plots ---- */

static int compare_bytes(const void *a, const void *b)
{
    double x = ((const struct plot_mark *)a)->x, y = ((const struct plot_mark *)b)->x;
    return (x > y) - (x < y);
}

static void add_marks(struct plot_series *out, const struct rep_setting *s, const struct rep_where *w,
                      bool native)
{
    for (int i = 0; i < s->npoint; i++) {
        const struct rep_modpoint *p = &s->point[i];
        const struct rep_series *t = native ? &p->native : &p->time;
        if (rep_where_compare(&p->where, w) == 0 && isfinite(t->median))
            plot_put(out,
                     (struct plot_mark){p->bytes, t->median, t->low, t->high, .ring = s->chosen && !native,
                                        .tip = text_format("%.60s%s, %s: %s µs, %.80s", s->name, rep_role(s),
                                                           text_bytes(p->bytes).s, rep_us_range(t).s,
                                                           native ? "native" : p->choice)});
    }
    if (out->n > 1)
        qsort(out->mark, (size_t)out->n, sizeof *out->mark, compare_bytes);
}

static void draw_settings(struct report *r, const struct device *v, const struct rep_where *w)
{
    int others = 2;
    struct plot p = {.title = text_format("Time by moderation setting: %s", rep_where_text(w).s),
                     .desc = "Median time of one call over message size for each moderation setting, with "
                             "95% intervals. The figures are in the table of this section.",
                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                     .y = {.kind = PLOT_TIME, .label = "µs per call (below is better)"}};
    for (const struct rep_setting *s = v->first; s < v->end; s++) {
        int look = s->chosen ? 0 : s->found ? 1 : others < PLOT_COLOURS ? others++ : PLOT_FAINT;
        add_marks(plot_add(&p, look, text_format("%.120s%s", s->name, rep_role(s)).s), s, w, false);
    }
    if (v->found)
        add_marks(plot_add(&p, PLOT_NATIVE, "native, as found"), v->found, w, true);
    plot_draw(r->f, ++r->plots, &p);
}

static bool drawn_before(const struct device *v, const struct rep_setting *s, int point)
{
    for (const struct rep_setting *t = v->first; t <= s; t++)
        for (int j = 0; j < (t == s ? point : t->npoint); j++)
            if (rep_where_compare(&t->point[j].where, &s->point[point].where) == 0)
                return true;
    return false;
}

/* ---- as found against tuned ---- */

static double percent_less(double before, double after)
{
    return 100 * (1 - after / before);
}

static struct text percent(double v, double low, double high)
{
    if (!isfinite(v))
        return text_format("–");
    return isfinite(low) && isfinite(high) ? text_format("%.1f %% (%.1f…%.1f)", v, low, high)
                                           : text_format("%.1f %%", v);
}

static void write_sides(struct report *r, const struct rep_modpoint *found, const struct rep_modpoint *tuned)
{
    const struct rep_series *a = &found->time, *b = &tuned->time;
    fputs("<tr>", r->f);
    rep_cells(r->f, "cnnnnnn", rep_call_text(&found->where, found->bytes).s, rep_us_range(&found->native).s,
              rep_us_range(a).s, rep_us_range(&tuned->native).s, rep_us_range(b).s,
              percent(percent_less(a->median, b->median), percent_less(a->low, b->high),
                      percent_less(a->high, b->low))
                  .s,
              percent(percent_less(found->native.median, b->median), NAN, NAN).s);
    if (r->ref.root) {
        const struct rep_point *p = rep_reference_of(r, &found->where, found->bytes);
        double bare = p ? rep_time(&p->cand[p->chosen])->median : NAN, gap = a->median - bare;
        rep_cells(r->f, "nn", text_us(bare).s,
                  percent(gap > 0 ? 100 * (a->median - b->median) / gap : NAN, NAN, NAN).s);
    }
    fputs("</tr>\n", r->f);
}

static void write_found_and_tuned(struct report *r, const struct device *v)
{
    rep_table_begin(r->f,
                    "As found against tuned: µs per call, with 95 % intervals where they were measured; a "
                    "negative percentage is time lost",
                    text_format("call|native, as found|choice, as found|native, tuned|choice, tuned|gap "
                                "closed by the setting|native as found → choice tuned%s",
                                r->ref.root ? "|without virtualization|of the gap to it" : "")
                        .s);
    bool intervals = true;
    for (int i = 0; i < v->found->npoint; i++) {
        const struct rep_modpoint *tuned = under(v->chosen, &v->found->point[i]);
        if (!tuned)
            continue;
        write_sides(r, &v->found->point[i], tuned);
        intervals &= isfinite(tuned->time.low) && isfinite(v->found->point[i].time.low);
    }
    rep_table_end(r->f);
    if (!intervals)
        fputs("<p>Where no interval stands there were too few rounds for one: small differences there may be "
              "chance.</p>\n",
              r->f);
}

static void write_mean(struct report *r, const struct device *v)
{
    double choice = 0, whole = 0;
    int n = 0, nwhole = 0;
    for (int i = 0; i < v->found->npoint; i++) {
        const struct rep_modpoint *a = &v->found->point[i], *b = under(v->chosen, a);
        if (!b)
            continue;
        choice += log(b->time.median / a->time.median);
        n++;
        if (isfinite(a->native.median)) {
            whole += log(b->time.median / a->native.median);
            nwhole++;
        }
    }
    if (n == 0)
        return;
    double less = 100 * (1 - exp(choice / n)), all = nwhole ? 100 * (1 - exp(whole / nwhole)) : NAN;
    fprintf(r->f,
            "<p><strong>Over %d points, calls take %.1f %% %s time with the tuned setting than as "
            "found</strong> (geometric mean)",
            n, fabs(less), less < 0 ? "more" : "less");
    if (isfinite(all))
        fprintf(r->f, ", and %.1f %% %s than native as found", fabs(all), all < 0 ? "more" : "less");
    fputs(". The study that this follows (Musleh and others, IEEE CLOUD 2014) reports 15 to 30 % for tuning "
          "of this kind with SR-IOV InfiniBand.</p>\n",
          r->f);
}

static void write_device(struct report *r, const struct device *v)
{
    const char *device = v->first->device, *netdev = v->first->netdev;
    fputs("<h3>", r->f);
    html_textf(r->f, "%s%s%s", device[0] ? device : "device", netdev[0] ? " on " : "", netdev);
    fputs("</h3>\n", r->f);
    if (!v->found)
        fputs("<p class=\"none\">What the device did as found was not measured, so there is nothing to "
              "compare with.</p>\n",
              r->f);
    else if (!v->chosen)
        fputs("<p class=\"none\">The tuner chose no setting for this device.</p>\n", r->f);
    else if (v->found == v->chosen)
        fputs("<p>The setting as found was kept: none of the others was clearly faster.</p>\n", r->f);
    else
        write_mean(r, v);
    fputs("<div class=\"plots\">\n", r->f);
    for (const struct rep_setting *s = v->first; s < v->end; s++)
        for (int j = 0; j < s->npoint; j++)
            if (!drawn_before(v, s, j))
                draw_settings(r, v, &s->point[j].where);
    fputs("</div>\n", r->f);
    if (v->found && v->chosen && v->found != v->chosen)
        write_found_and_tuned(r, v);
    if (r->ref.root && v->found)
        rep_gap_by_setting(r, v->first, v->end);
}

void rep_section_moderation(struct report *r)
{
    fputs("<h2 id=\"moderation\">What interrupt moderation does</h2>\n<p>A network device can hold back its "
          "interrupts to send fewer of them (<em>moderation</em>, or coalescing: <code>rx-usecs 250</code> "
          "allows it to wait 250 µs). That saves CPU time under heavy traffic and makes each small message "
          "late. Below, the same calls were measured under several settings; <em>as found</em> is how the "
          "administrator or the driver had left the device, and <em>tuned</em> is what this table "
          "suggests.</p>\n",
          r->f);
    if (r->d.nsetting == 0)
        fputs("<p class=\"none\">No settings were tried: there was no device whose moderation may be "
              "changed, or <code>vcoll tune run</code> was not given <code>--devices</code>.</p>\n",
              r->f);
    const struct rep_setting *end = r->d.setting + r->d.nsetting;
    for (const struct rep_setting *s = r->d.setting; s < end;) {
        struct device v = device_from(s, end);
        write_device(r, &v);
        s = v.end;
    }
    rep_gap_as_found(r);
    if (r->ref.root)
        rep_gaps(r);
}
