/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time of a call: native, the choice, and the fastest candidate of each way of waiting. */
#include "tools/report/report.h"

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

/* Whether a choice asks for that way of waiting; "": for none. */
static bool waits(const char *choice, const char *way)
{
    const char *at = strstr(choice, ":wait=");
    if (!at)
        return !*way;
    at += strlen(":wait=");
    size_t n = strcspn(at, ":");
    return n > 0 && n == strlen(way) && strncmp(at, way, n) == 0;
}

/* The candidate of a kind at a point; NULL where there is none, or its CPU time is not known. */
static const struct rep_cand *cand_of(const struct rep_point *p, int k)
{
    const struct rep_cand *best = NULL;
    for (int i = 0; i < p->ncand; i++) {
        const struct rep_cand *c = &p->cand[i];
        bool is = k == KIND_NATIVE   ? i == p->native
                  : k == KIND_CHOICE ? i == p->chosen
                                     : i != p->native && waits(c->choice, kinds[k].wait);
        if (is && isfinite(c->cpu) && (!best || rep_time(c)->median < rep_time(best)->median))
            best = c;
    }
    return best;
}

static void draw_group(struct report *r, const struct rep_group *g)
{
    struct plot p = {
        .title = text_format("CPU time: %s", rep_where_text(&g->where).s),
        .desc =
            "CPU time that all ranks together use for one call, over message size, of native, of the choice, "
            "and of the fastest candidate of each way of waiting. The figures are in the table below.",
        .x = {.kind = PLOT_BYTES, .label = "message size"},
        .y = {.kind = PLOT_TIME, .label = "µs of CPU per call, all ranks (below is better)"}};
    for (int k = 0; k < KINDS; k++) {
        struct plot_series *s = NULL;
        for (int i = 0; i < g->npoint; i++) {
            const struct rep_cand *c = cand_of(&g->point[i], k);
            double bytes = g->point[i].bytes;
            if (!c)
                continue;
            s = s ? s : plot_add(&p, kinds[k].look, kinds[k].name);
            plot_put(s, (struct plot_mark){bytes, c->cpu, NAN, NAN, .ring = k == KIND_CHOICE,
                                           .tip = text_format("%s, %s: %s µs of CPU in %s µs, %.100s",
                                                              kinds[k].word, text_bytes(bytes).s,
                                                              text_us(c->cpu).s,
                                                              text_us(rep_time(c)->median).s, c->choice)});
        }
    }
    fputs("<div class=\"plots\">\n", r->f);
    plot_draw(r->f, ++r->plots, &p);
    fputs("</div>\n", r->f);
}

static void write_table(struct report *r, const struct rep_group *g, const bool *there)
{
    struct text head = text_format("size");
    for (int k = 0; k < KINDS; k++)
        if (there[k])
            head = text_format("%s|%s", head.s, kinds[k].word);
    rep_table_begin(r->f, "CPU time per call of all ranks, and in parentheses how long the call took, µs",
                    head.s);
    for (int i = 0; i < g->npoint; i++) {
        fputs("<tr>", r->f);
        rep_cells(r->f, "n", text_bytes(g->point[i].bytes).s);
        for (int k = 0; k < KINDS; k++) {
            const struct rep_cand *c = cand_of(&g->point[i], k);
            if (c)
                rep_cells(r->f, "n",
                          text_format("%s (%s)", text_us(c->cpu).s, text_us(rep_time(c)->median).s).s);
            else if (there[k])
                rep_cells(r->f, "n", "–");
        }
        fputs("</tr>\n", r->f);
    }
    rep_table_end(r->f);
}

/* Which columns the group has. False where no CPU time was measured. */
static bool find_columns(const struct rep_group *g, bool *there)
{
    bool any = false;
    for (int k = 0; k < KINDS; k++) {
        there[k] = false;
        for (int i = 0; i < g->npoint; i++)
            there[k] |= cand_of(&g->point[i], k) != NULL;
        any |= there[k];
    }
    return any;
}

static void write_mean(struct report *r)
{
    double logs = 0;
    int n = 0;
    for (int i = 0; i < r->d.npoint; i++) {
        const struct rep_cand *a = cand_of(&r->d.point[i], KIND_NATIVE),
                              *b = cand_of(&r->d.point[i], KIND_CHOICE);
        if (a && b) {
            logs += log(b->cpu / a->cpu);
            n++;
        }
    }
    if (n > 0)
        fprintf(r->f,
                "<p>On average over %d points (geometric mean) what was chosen uses <strong>%.2f "
                "times</strong> the CPU time of native.</p>\n",
                n, exp(logs / n));
}

void rep_section_cpu(struct report *r)
{
    fputs("<h2 id=\"cpu\">CPU burnt</h2>\n<p>A rank that waits can poll, which reacts fastest and keeps a "
          "CPU busy doing nothing, or sleep until it is woken, which leaves the CPU to others and costs a "
          "wake-up. Where virtual machines share CPUs, what one burns another lacks.</p>\n",
          r->f);
    int shown = 0;
    for (int i = 0; i < r->d.ngroup; i++) {
        const struct rep_group *g = &r->d.group[i];
        bool there[KINDS];
        if (!find_columns(g, there))
            continue;
        if (shown++ == 0)
            write_mean(r);
        rep_heading(r->f, rep_where_text(&g->where).s);
        draw_group(r, g);
        write_table(r, g, there);
    }
    if (shown == 0)
        fputs("<p class=\"none\">CPU time was not measured.</p>\n", r->f);
}
