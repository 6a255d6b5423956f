/* SPDX-License-Identifier: BSD-3-Clause */
/* What the moderation of a device does: settings against each other, as found against tuned. */
#include "tools/report/plot.h"

#include <stdlib.h>
#include <string.h>

/* The settings of one device. */
struct device {
    const struct rep_setting *all;
    int first, end; /* they stand together in the table */
    const struct rep_setting *found, *chosen;
};

static bool same_device(const struct rep_setting *a, const struct rep_setting *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->netdev, b->netdev) == 0;
}

static struct device device_from(const struct rep_data *d, int first)
{
    struct device v = {.all = d->setting, .first = first, .end = first};
    for (; v.end < d->nsetting && same_device(&d->setting[v.end], &d->setting[first]); v.end++) {
        const struct rep_setting *s = &d->setting[v.end];
        if (s->found && !v.found)
            v.found = s;
        if (s->chosen && !v.chosen)
            v.chosen = s;
    }
    return v;
}

static bool same_call(const struct rep_modpoint *a, const struct rep_modpoint *b)
{
    return a->bytes == b->bytes && rep_where_compare(&a->where, &b->where) == 0;
}

static const struct rep_modpoint *under(const struct rep_setting *s, const struct rep_modpoint *call)
{
    for (int i = 0; s && i < s->npoint; i++)
        if (same_call(&s->point[i], call))
            return &s->point[i];
    return NULL;
}

/* ---- plots ---- */

/* What a setting is besides its name; the tuner names the one it found "as found". */
static const char *role(const struct rep_setting *s)
{
    bool said = strcmp(s->name, "as found") == 0;
    if (s->found && s->chosen)
        return said ? ", and kept" : ", as found, and kept";
    if (s->found)
        return said ? "" : ", as found";
    return s->chosen ? ", tuned" : "";
}

static void fill_marks(const struct rep_setting *s, const struct rep_where *w, bool native,
                       struct plot_series *out)
{
    out->mark = calloc((size_t)s->npoint + 1, sizeof *out->mark);
    for (int i = 0; out->mark && i < s->npoint; i++) {
        const struct rep_modpoint *p = &s->point[i];
        const struct rep_series *t = native ? &p->native : &p->time;
        if (rep_where_compare(&p->where, w) != 0 || !isfinite(t->median))
            continue;
        char text[REP_SHORT], bytes[REP_SHORT];
        struct plot_mark *m = &out->mark[out->n++];
        *m = (struct plot_mark){
            .x = p->bytes, .y = t->median, .low = t->low, .high = t->high, .ring = s->chosen && !native};
        snprintf(m->tip, PLOT_TIP, "%.60s%s, %.16s: %.40s µs, %.80s", s->name, role(s),
                 rep_bytes(p->bytes, bytes), rep_us_range(t, text), native ? "native" : p->choice);
    }
}

static int by_bytes(const void *a, const void *b)
{
    double x = ((const struct plot_mark *)a)->x, y = ((const struct plot_mark *)b)->x;
    return (x > y) - (x < y);
}

static int look_of(const struct rep_setting *s, int *others)
{
    if (s->chosen)
        return 0;
    if (s->found)
        return 1;
    return *others < PLOT_COLOURS ? (*others)++ : PLOT_FAINT;
}

static void put_plot(struct report *r, const struct device *v, const struct rep_where *w)
{
    int room = v->end - v->first + 1, n = 0, others = 2;
    struct plot_series *s = calloc((size_t)room, sizeof *s);
    char(*name)[REP_LONG] = calloc((size_t)room, sizeof *name);
    for (int i = v->first; s && name && i < v->end; i++) {
        const struct rep_setting *t = &v->all[i];
        snprintf(name[n], REP_LONG, "%.120s%s", t->name, role(t));
        s[n] = (struct plot_series){.look = look_of(t, &others), .name = name[n]};
        fill_marks(t, w, false, &s[n++]);
    }
    if (s && v->found) {
        s[n] = (struct plot_series){.look = PLOT_NATIVE, .name = "native, as found"};
        fill_marks(v->found, w, true, &s[n++]);
    }
    char title[2 * REP_LONG], where[REP_LONG];
    snprintf(title, sizeof title, "Time by moderation setting: %s", rep_where_text(w, true, where));
    struct plot p = {.title = title,
                     .desc =
                         "Median time of one call over message size for each moderation setting, with 95% "
                         "intervals. The figures are in the table of this section.",
                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                     .y = {.kind = PLOT_TIME, .label = "µs per call (below is better)"},
                     .series = s,
                     .nseries = n};
    for (int i = 0; i < n; i++)
        qsort(s[i].mark, (size_t)s[i].n, sizeof *s[i].mark, by_bytes);
    if (s && name)
        plot_by_size(r, &p);
    for (int i = 0; i < n; i++)
        free(s[i].mark);
    free(s);
    free(name);
}

static bool seen(const struct device *v, int setting, int point)
{
    const struct rep_where *w = &v->all[setting].point[point].where;
    for (int i = v->first; i <= setting; i++)
        for (int j = 0; j < (i == setting ? point : v->all[i].npoint); j++)
            if (rep_where_compare(&v->all[i].point[j].where, w) == 0)
                return true;
    return false;
}

static void put_plots(struct report *r, const struct device *v)
{
    fputs("<div class=\"plots\">\n", r->f);
    for (int i = v->first; i < v->end; i++)
        for (int j = 0; j < v->all[i].npoint; j++)
            if (!seen(v, i, j))
                put_plot(r, v, &v->all[i].point[j].where);
    fputs("</div>\n", r->f);
}

/* ---- as found against tuned ---- */

static double percent_less(double before, double after)
{
    return 100 * (1 - after / before);
}

static void put_percent(FILE *f, double v, double low, double high)
{
    if (!isfinite(v))
        rep_num(f, "–");
    else if (isfinite(low) && isfinite(high))
        rep_num(f, "%.1f %% (%.1f…%.1f)", v, low, high);
    else
        rep_num(f, "%.1f %%", v);
}

static void put_line(struct report *r, const struct rep_modpoint *found, const struct rep_modpoint *tuned)
{
    char text[REP_SHORT], where[REP_LONG];
    const struct rep_series *a = &found->time, *b = &tuned->time;
    fputs("<tr>", r->f);
    rep_cell(r->f, "%s, %s", rep_where_text(&found->where, true, where), rep_bytes(found->bytes, text));
    rep_num(r->f, "%s", rep_us_range(&found->native, text));
    rep_num(r->f, "%s", rep_us_range(a, text));
    rep_num(r->f, "%s", rep_us_range(&tuned->native, text));
    rep_num(r->f, "%s", rep_us_range(b, text));
    put_percent(r->f, percent_less(a->median, b->median), percent_less(a->low, b->high),
                percent_less(a->high, b->low));
    put_percent(r->f, percent_less(found->native.median, b->median), NAN, NAN);
    if (r->ref.root) {
        double bare = rep_reference_time(r, &found->where, found->bytes);
        rep_num(r->f, "%s", rep_us(bare, text));
        double gap = a->median - bare;
        put_percent(r->f, gap > 0 ? 100 * (a->median - b->median) / gap : NAN, NAN, NAN);
    }
    fputs("</tr>\n", r->f);
}

static void put_sides(struct report *r, const struct device *v)
{
    rep_table_begin(
        r->f,
        "As found against tuned: µs per call, with 95 % intervals where they were measured; a negative "
        "percentage is time lost",
        r->ref.root ? "call|native, as found|choice, as found|native, tuned|choice, tuned|gap closed by the "
                      "setting|native as found → choice tuned|without virtualization|of the gap to it"
                    : "call|native, as found|choice, as found|native, tuned|choice, tuned|gap closed by the "
                      "setting|native as found → choice tuned");
    bool intervals = true;
    for (int i = 0; i < v->found->npoint; i++) {
        const struct rep_modpoint *tuned = under(v->chosen, &v->found->point[i]);
        if (!tuned)
            continue;
        put_line(r, &v->found->point[i], tuned);
        intervals &= isfinite(tuned->time.low) && isfinite(v->found->point[i].time.low);
    }
    rep_table_end(r->f);
    if (!intervals)
        fputs("<p>Where no interval stands there were too few rounds for one: small differences there may be "
              "chance.</p>\n",
              r->f);
}

static void put_mean(struct report *r, const struct device *v)
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

static void put_device(struct report *r, const struct device *v)
{
    const struct rep_setting *any = &v->all[v->first];
    fputs("<h3>", r->f);
    rep_textf(r->f, "%s%s%s", any->device[0] ? any->device : "device", any->netdev[0] ? " on " : "",
              any->netdev);
    fputs("</h3>\n", r->f);
    if (!v->found)
        fputs(
            "<p class=\"none\">What the device did as found was not measured, so there is nothing to compare "
            "with.</p>\n",
            r->f);
    else if (!v->chosen)
        fputs("<p class=\"none\">The tuner chose no setting for this device.</p>\n", r->f);
    else if (v->found == v->chosen)
        fputs("<p>The setting as found was kept: none of the others was clearly faster.</p>\n", r->f);
    else
        put_mean(r, v);
    put_plots(r, v);
    if (v->found && v->chosen && v->found != v->chosen)
        put_sides(r, v);
}

void rep_section_moderation(struct report *r)
{
    fputs("<h2 id=\"moderation\">What interrupt moderation does</h2>\n<p>A network device can hold back its "
          "interrupts to send fewer of them (<em>moderation</em>, or coalescing: <code>rx-usecs 250</code> "
          "allows it "
          "to wait 250 µs). That saves CPU time under heavy traffic and makes each small message late. "
          "Below, the "
          "same calls were measured under several settings; <em>as found</em> is how the administrator or "
          "the driver "
          "had left the device, and <em>tuned</em> is what this table suggests.</p>\n",
          r->f);
    if (r->d.nsetting == 0)
        fputs("<p class=\"none\">No settings were tried: there was no device whose moderation may be "
              "changed, or "
              "<code>vcoll tune run</code> was not given <code>--devices</code>.</p>\n",
              r->f);
    for (int i = 0; i < r->d.nsetting;) {
        struct device v = device_from(&r->d, i);
        put_device(r, &v);
        i = v.end;
    }
    rep_section_reference(r);
}
