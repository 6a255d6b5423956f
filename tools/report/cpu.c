/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time of a call: native, the choice, and the fastest candidate of each way of waiting. */
#include "tools/report/plot.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_NATIVE, KIND_CHOICE, KIND_SET, KIND_POLL, KIND_EVENT, KIND_HYBRID, KIND_AUTO, KINDS };

static const struct {
    const char *wait, *name, *word;
    int look;
} kinds[KINDS] = {
    [KIND_NATIVE] = {NULL, "native", "native", PLOT_NATIVE},
    [KIND_CHOICE] = {NULL, "what was chosen (ringed)", "choice", 0},
    [KIND_SET] = {"", "fastest that waits as the settings say", "as set", 4},
    [KIND_POLL] = {"poll", "fastest that polls (never sleeps)", "poll", 1},
    [KIND_EVENT] = {"event", "fastest that sleeps at once (event)", "event", 2},
    [KIND_HYBRID] = {"hybrid", "fastest that spins, then sleeps (hybrid)", "hybrid", 3},
    [KIND_AUTO] = {"auto", "fastest with wait=auto", "auto", 5},
};

static bool waits(const char *choice, const char *how)
{
    const char *at = strstr(choice, ":wait=");
    if (!at)
        return !*how;
    at += strlen(":wait=");
    size_t n = strcspn(at, ":");
    return n > 0 && n == strlen(how) && strncmp(at, how, n) == 0;
}

static const struct rep_cand *pick(const struct rep_point *p, enum kind k)
{
    if (k == KIND_NATIVE)
        return p->native >= 0 ? &p->cand[p->native] : NULL;
    if (k == KIND_CHOICE)
        return &p->cand[p->chosen];
    const struct rep_cand *best = NULL;
    for (int i = 0; i < p->ncand; i++) {
        const struct rep_cand *c = &p->cand[i];
        if (i == p->native || !isfinite(c->cpu) || !waits(c->choice, kinds[k].wait))
            continue;
        if (!best || rep_time(c)->median < rep_time(best)->median)
            best = c;
    }
    return best;
}

static bool known(const struct rep_cand *c)
{
    return c && isfinite(c->cpu);
}

static bool fill(const struct rep_group *g, enum kind k, struct plot_series *s)
{
    *s = (struct plot_series){
        .look = kinds[k].look, .name = kinds[k].name, .mark = calloc((size_t)g->npoint, sizeof *s->mark)};
    for (int i = 0; s->mark && i < g->npoint; i++) {
        const struct rep_cand *c = pick(&g->point[i], k);
        if (!known(c))
            continue;
        char cpu[REP_SHORT], time[REP_SHORT], bytes[REP_SHORT];
        struct plot_mark *m = &s->mark[s->n++];
        *m = (struct plot_mark){
            .x = g->point[i].bytes, .y = c->cpu, .low = NAN, .high = NAN, .ring = k == KIND_CHOICE};
        snprintf(m->tip, PLOT_TIP, "%.40s, %.16s: %.16s µs of CPU in %.16s µs, %.100s", kinds[k].word,
                 rep_bytes(m->x, bytes), rep_us(c->cpu, cpu), rep_us(rep_time(c)->median, time), c->choice);
    }
    return s->n > 0;
}

static void put_plot(struct report *r, const struct rep_group *g, const bool *there)
{
    struct plot_series s[KINDS];
    int n = 0;
    for (int k = 0; k < KINDS; k++)
        if (there[k] && !fill(g, (enum kind)k, &s[n]))
            free(s[n].mark);
        else if (there[k])
            n++;
    char title[2 * REP_LONG], where[REP_LONG];
    snprintf(title, sizeof title, "CPU time: %s", rep_where_text(&g->where, true, where));
    struct plot p = {
        .title = title,
        .desc = "CPU time that all ranks together use for one call, over message size, of native, of the "
                "choice, and of the fastest candidate of each way of waiting. The figures are in the "
                "table below.",
        .x = {.kind = PLOT_BYTES, .label = "message size"},
        .y = {.kind = PLOT_TIME, .label = "µs of CPU per call, all ranks (below is better)"},
        .series = s,
        .nseries = n};
    plot_by_size(r, &p);
    for (int i = 0; i < n; i++)
        free(s[i].mark);
}

static void put_table(struct report *r, const struct rep_group *g, const bool *there)
{
    char head[REP_LONG] = "size", text[REP_SHORT], time[REP_SHORT];
    for (int k = 0; k < KINDS; k++)
        if (there[k])
            snprintf(head + strlen(head), sizeof head - strlen(head), "|%s", kinds[k].word);
    rep_table_begin(r->f, "CPU time per call of all ranks, and in parentheses how long the call took, µs",
                    head);
    for (int i = 0; i < g->npoint; i++) {
        fputs("<tr>", r->f);
        rep_num(r->f, "%s", rep_bytes(g->point[i].bytes, text));
        for (int k = 0; k < KINDS; k++) {
            const struct rep_cand *c = there[k] ? pick(&g->point[i], (enum kind)k) : NULL;
            if (known(c))
                rep_num(r->f, "%s (%s)", rep_us(c->cpu, text), rep_us(rep_time(c)->median, time));
            else if (there[k])
                rep_num(r->f, "–");
        }
        fputs("</tr>\n", r->f);
    }
    rep_table_end(r->f);
}

/* Which columns the group has. Nothing at all where no CPU time was measured. */
static bool look_at(const struct rep_group *g, bool *there)
{
    bool any = false;
    for (int k = 0; k < KINDS; k++) {
        there[k] = false;
        for (int i = 0; i < g->npoint; i++)
            there[k] |= known(pick(&g->point[i], (enum kind)k));
        any |= there[k];
    }
    return any;
}

static void put_mean(struct report *r)
{
    double logs = 0;
    int n = 0;
    for (int i = 0; i < r->d.npoint; i++) {
        const struct rep_cand *a = pick(&r->d.point[i], KIND_NATIVE), *b = pick(&r->d.point[i], KIND_CHOICE);
        if (known(a) && known(b)) {
            logs += log(b->cpu / a->cpu);
            n++;
        }
    }
    if (n > 0)
        fprintf(r->f,
                "<p>On average over %d points (geometric mean) what was chosen uses <strong>%.2f "
                "times</strong> the "
                "CPU time of native.</p>\n",
                n, exp(logs / n));
}

void rep_section_cpu(struct report *r)
{
    fputs("<h2 id=\"cpu\">CPU burnt</h2>\n<p>A rank that waits can poll, which reacts fastest and keeps a "
          "CPU busy "
          "doing nothing, or sleep until it is woken, which leaves the CPU to others and costs a wake-up. "
          "Where "
          "virtual machines share CPUs, what one burns another lacks.</p>\n",
          r->f);
    int shown = 0;
    for (int i = 0; i < r->d.ngroup; i++) {
        bool there[KINDS];
        if (!look_at(&r->d.group[i], there))
            continue;
        if (shown++ == 0)
            put_mean(r);
        char where[REP_LONG];
        fputs("<h3>", r->f);
        rep_text(r->f, rep_where_text(&r->d.group[i].where, true, where));
        fputs("</h3>\n<div class=\"plots\">\n", r->f);
        put_plot(r, &r->d.group[i], there);
        fputs("</div>\n", r->f);
        put_table(r, &r->d.group[i], there);
    }
    if (shown == 0)
        fputs("<p class=\"none\">CPU time was not measured.</p>\n", r->f);
}
