/* SPDX-License-Identifier: BSD-3-Clause */
/* What `vcoll tune check` found, for people and as JSON. */
#include "tools/tune/tune.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const measure_words[VC_MEASURES] = {"from a common start", "back to back"};
static const char *const measure_name[VC_MEASURES] = {"start", "b2b"};

/* ---- text ---- */

static void print_head(FILE *f, const struct vc_search_job *j)
{
    const struct vc_measure_world *w = j->w;
    bool native = j->o->native;
    fprintf(f, "%s%s%s: %d ranks, %d on this host with %d CPUs%s%s\n", native ? "" : "vcoll ",
            native ? "" : vcoll_version(), native ? vc_measure_mpi_name() : "", w->size, w->local_size,
            w->cpus, w->oversubscribed ? " (overcommitted)" : "", w->one_host ? "" : ", several hosts");
    if (!native)
        fprintf(f, "on %s, table: %s\n", vc_measure_mpi_name(), vcoll_table(NULL));
    for (int i = 0, n = 0; i < j->nplace; i++)
        if (j->place[i].open)
            fprintf(f, "%s%s", n++ ? ", " : "measured on ", j->place[i].name);
    fputc('\n', f);
}

static void print_violation(FILE *f, const struct vc_search_job *j, const struct vc_comparison *c)
{
    char size[24];
    fprintf(f, "VIOLATED %s\n  ", vc_guide_name(c->guide));
    tune_print_call(f, c->coll, c->bytes, c->on);
    fprintf(f, " (%s): ", c->algorithm);
    if (c->guide == VC_GUIDE_SIZE)
        fprintf(f, "%s bytes take less\n", vc_measure_size_text(c->right_bytes, size));
    else if (c->guide == VC_GUIDE_RANKS)
        fprintf(f, "it takes less on %s\n", c->right_on->name);
    else
        fprintf(f, "%s takes less\n", vc_guide_right(c->guide));
    for (int m = 0; m < VC_MEASURES; m++)
        if (j->o->m.measure[m])
            fprintf(f, "    %-20s %10.2f us against %10.2f us, ratio %.2f [%.2f, %.2f]\n", measure_words[m],
                    c->left[m].median * 1e6, c->right[m].median * 1e6, c->ratio[m].median, c->ratio[m].low,
                    c->ratio[m].high);
    fprintf(f, "    %-20s %41s ratio %.2f [%.2f, %.2f]\n", "together", "", c->both.median, c->both.low,
            c->both.high);
}

struct tally {
    int checked, violated, withdrawn;
};

static struct tally count(const struct vc_search_job *j, enum vc_guide guide)
{
    struct tally t = {0};
    for (int i = 0; i < j->ncomparison; i++) {
        const struct vc_comparison *c = &j->comparison[i];
        if (c->guide != guide)
            continue;
        t.checked += c->measured;
        t.violated += c->violated;
        t.withdrawn += c->suspect && !c->violated;
    }
    return t;
}

static int not_reached(const struct vc_search_job *j)
{
    int n = 0;
    for (int i = 0; i < j->ncomparison; i++)
        n += !j->comparison[i].measured;
    return n;
}

static void print_summary(FILE *f, const struct vc_search_job *j)
{
    int violated = 0, left = not_reached(j);
    fprintf(f, "\n%-34s %8s %9s %10s\n", "guideline", "checked", "violated", "withdrawn");
    for (int i = 0; i < VC_GUIDES; i++) {
        struct tally t = count(j, (enum vc_guide)i);
        if (t.checked == 0)
            continue;
        fprintf(f, "%-34s %8d %9d %10d\n", vc_guide_name((enum vc_guide)i), t.checked, t.violated,
                t.withdrawn);
        violated += t.violated;
    }
    fprintf(
        f,
        "Violated: measured three times, and each time the left side's time over the right side's (the\n"
        "geometric mean of both measures) is above %.2f with its whole 95%% interval; the last figures are\n"
        "shown. Withdrawn: the first time only.\n",
        1 + VC_GUIDE_MARGIN);
    if (left > 0)
        fprintf(f, "%d comparisons were not reached%s\n", left,
                vc_search_signal() ? ": interrupted"
                                   : " in time; a longer --budget, or fewer --sizes, reaches them");
    fprintf(f, "%s, took %.1f s\n", violated ? "guidelines are violated" : "no guideline is violated",
            j->took);
    fflush(f);
}

/* ---- JSON ---- */

static json_t *place(const struct vc_search_place *p)
{
    return json_pack("{s:i, s:i, s:i}", "ranks", p->ranks, "nodes", p->c.at.nnodes, "ppn", p->c.at.max_ppn);
}

static void put_ratio(json_t *o, const struct vc_measure_series *s)
{
    json_object_set_new(o, "ratio", vc_measure_json_number(s->median));
    json_object_set_new(o, "ratio_low", vc_measure_json_number(s->low));
    json_object_set_new(o, "ratio_high", vc_measure_json_number(s->high));
    json_object_set_new(o, "rounds", json_integer(s->n));
}

static json_t *one(const struct vc_search_job *j, const struct vc_comparison *c)
{
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:s, s:o, s:b, s:b}", "guideline", vc_guide_name(c->guide), "collective",
                  vc_coll_name(c->coll), "bytes", (json_int_t)c->bytes, "algorithm", c->algorithm, "on",
                  place(c->on), "violated", c->violated, "withdrawn", c->suspect && !c->violated);
    if (c->guide == VC_GUIDE_SIZE)
        json_object_set_new(o, "right_bytes", json_integer((json_int_t)c->right_bytes));
    if (c->guide == VC_GUIDE_RANKS)
        json_object_set_new(o, "right_on", place(c->right_on));
    put_ratio(o, &c->both);
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!j->o->m.measure[m])
            continue;
        json_t *x = json_pack("{s:o, s:o}", "left", vc_measure_json_number(c->left[m].median), "right",
                              vc_measure_json_number(c->right[m].median));
        put_ratio(x, &c->ratio[m]);
        json_object_set_new(o, measure_name[m], x);
    }
    return o;
}

static int write_json(const struct vc_search_job *j)
{
    const struct vc_measure_world *w = j->w;
    json_t *o = tune_json_head(j), *list = json_array(), *guides = json_array();
    int violated = 0;
    for (int i = 0; i < VC_GUIDES; i++) {
        struct tally t = count(j, (enum vc_guide)i);
        violated += t.violated;
        if (t.checked > 0)
            json_array_append_new(guides, json_pack("{s:s, s:i, s:i, s:i}", "guideline",
                                                    vc_guide_name((enum vc_guide)i), "checked", t.checked,
                                                    "violated", t.violated, "withdrawn", t.withdrawn));
    }
    for (int i = 0; i < j->ncomparison; i++)
        if (j->comparison[i].measured)
            json_array_append_new(list, one(j, &j->comparison[i]));
    json_object_update_new(
        o, json_pack("{s:s, s:s?, s:b, s:i, s:b, s:i, s:f, s:f, s:i, s:i, s:o, s:o}", "mpi",
                     vc_measure_mpi_name(), "table", j->o->native ? NULL : vcoll_table(NULL), "native",
                     j->o->native, "cpus", w->cpus, "overcommitted", w->oversubscribed, "hosts", w->nleader,
                     "margin", VC_GUIDE_MARGIN, "seconds", j->took, "violated", violated, "not_reached",
                     not_reached(j), "guidelines", guides, "comparisons", list));
    int rc = vc_measure_json_save("vcoll tune", o, j->o->m.json);
    json_decref(o);
    return rc;
}

int tune_tell_check(struct vc_search_job *j)
{
    FILE *f = tune_output(j);
    int bad = 0;
    print_head(f, j);
    for (int i = 0; i < j->ncomparison; i++) {
        if (!j->comparison[i].violated)
            continue;
        print_violation(f, j, &j->comparison[i]);
        bad++;
    }
    print_summary(f, j);
    if (j->o->m.json && write_json(j) != 0)
        return 1;
    return vc_search_signal() ? 128 + vc_search_signal() : bad > 0;
}
