/* SPDX-License-Identifier: BSD-3-Clause */
/* What `vcoll tune check` found, for people and as JSON. */
#include "coll/info.h"
#include "tune/search/check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const measure_words[VC_MEASURES] = {"from a common start", "back to back"};
static const char *const measure_name[VC_MEASURES] = {"start", "b2b"};

const char *check_place_name(const struct vc_search_place *p, char buf[48])
{
    snprintf(buf, 48, "%s", p->name);
    if (!p->name[0])
        snprintf(buf, 48, "%d ranks", p->ranks);
    return buf;
}

/* ---- text ---- */

void check_print_head(FILE *f, const struct vc_measure_world *w, const struct vc_check_report *r)
{
    char name[48];
    fprintf(f, "%s%s%s: %d ranks, %d on this host with %d CPUs%s%s\n", r->native ? "" : "vcoll ",
            r->native ? "" : vcoll_version(), r->native ? vc_measure_mpi_name() : "", w->size, w->local_size,
            w->cpus, w->oversubscribed ? " (overcommitted)" : "", w->one_host ? "" : ", several hosts");
    if (!r->native)
        fprintf(f, "on %s, table: %s\n", vc_measure_mpi_name(), vcoll_table(NULL));
    for (int i = 0, n = 0; i < r->nplace; i++)
        if (r->place[i].open)
            fprintf(f, "%s%s", n++ ? ", " : "measured on ", check_place_name(&r->place[i], name));
    fputc('\n', f);
}

/* "allreduce of 8 bytes on 4 ranks (ring)" */
static void print_left(FILE *f, const struct vc_check_one *c)
{
    char size[24], name[48];
    fprintf(f, "%s", vc_coll_name(c->coll));
    if (vc_coll_sized(c->coll))
        fprintf(f, " of %s bytes", vc_measure_size_text(c->bytes, size));
    fprintf(f, " on %s (%s)", check_place_name(c->on, name), c->algorithm);
}

static void print_right(FILE *f, const struct vc_check_one *c)
{
    char size[24], name[48];
    if (c->rule == VC_CHECK_SIZE)
        fprintf(f, "%s bytes take less", vc_measure_size_text(c->right_bytes, size));
    else if (c->rule == VC_CHECK_RANKS)
        fprintf(f, "it takes less on %s", check_place_name(c->right_on, name));
    else
        fprintf(f, "%s takes less", vc_check_rule_right(c->rule));
}

void check_print_violation(FILE *f, const struct vc_measure_world *w, const struct vc_check_one *c)
{
    fprintf(f, "VIOLATED %s\n  ", vc_check_rule_name(c->rule));
    print_left(f, c);
    fprintf(f, ": ");
    print_right(f, c);
    fputc('\n', f);
    for (int m = 0; m < VC_MEASURES; m++)
        if (w->opt->measure[m])
            fprintf(f, "    %-20s %10.2f us against %10.2f us, ratio %.2f [%.2f, %.2f]\n", measure_words[m],
                    c->left[m].median * 1e6, c->right[m].median * 1e6, c->ratio[m].median, c->ratio[m].low,
                    c->ratio[m].high);
    fprintf(f, "    %-20s %41s ratio %.2f [%.2f, %.2f]\n", "together", "", c->both.median, c->both.low,
            c->both.high);
}

struct tally {
    int checked, violated, withdrawn;
};

static struct tally count(const struct vc_check_report *r, enum vc_check_rule rule)
{
    struct tally t = {0};
    for (int i = 0; i < r->n; i++) {
        const struct vc_check_one *c = &r->one[i];
        if (c->rule != rule)
            continue;
        t.checked += c->measured;
        t.violated += c->violated;
        t.withdrawn += c->suspect && !c->violated;
    }
    return t;
}

static int not_reached(const struct vc_check_report *r)
{
    int n = 0;
    for (int i = 0; i < r->n; i++)
        n += !r->one[i].measured;
    return n;
}

void check_print_summary(FILE *f, const struct vc_check_report *r)
{
    int violated = 0, left = not_reached(r);
    fprintf(f, "\n%-34s %8s %9s %10s\n", "guideline", "checked", "violated", "withdrawn");
    for (int i = 0; i < VC_CHECK_RULES; i++) {
        struct tally t = count(r, (enum vc_check_rule)i);
        if (t.checked == 0)
            continue;
        fprintf(f, "%-34s %8d %9d %10d\n", vc_check_rule_name((enum vc_check_rule)i), t.checked, t.violated,
                t.withdrawn);
        violated += t.violated;
    }
    fprintf(
        f,
        "Violated: measured three times, and each time the left side's time over the right side's (the\n"
        "geometric mean of both measures) is above %.2f with its whole 95%% interval; the last figures are\n"
        "shown. Withdrawn: the first time only.\n",
        1 + VC_CHECK_MARGIN);
    if (left > 0)
        fprintf(f, "%d comparisons were not reached%s\n", left,
                r->signal ? ": interrupted" : " in time; a longer --budget, or fewer --sizes, reaches them");
    fprintf(f, "%s, took %.1f s\n", violated ? "guidelines are violated" : "no guideline is violated",
            r->seconds);
    fflush(f);
}

/* ---- JSON ---- */

static void set_number(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static json_t *place(const struct vc_search_place *p)
{
    return json_pack("{s:i, s:i, s:i}", "ranks", p->ranks, "nodes", p->c.key.nodes, "ppn", p->c.key.ppn);
}

static json_t *one_measure(const struct vc_check_one *c, enum vc_measure m)
{
    json_t *o = json_object();
    set_number(o, "left", c->left[m].median);
    set_number(o, "right", c->right[m].median);
    set_number(o, "ratio", c->ratio[m].median);
    set_number(o, "ratio_low", c->ratio[m].low);
    set_number(o, "ratio_high", c->ratio[m].high);
    json_object_set_new(o, "rounds", json_integer(c->ratio[m].n));
    return o;
}

static json_t *one(const struct vc_measure_world *w, const struct vc_check_one *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "guideline", json_string(vc_check_rule_name(c->rule)));
    json_object_set_new(o, "collective", json_string(vc_coll_name(c->coll)));
    json_object_set_new(o, "bytes", json_integer((json_int_t)c->bytes));
    json_object_set_new(o, "algorithm", json_string(c->algorithm));
    json_object_set_new(o, "on", place(c->on));
    if (c->rule == VC_CHECK_SIZE)
        json_object_set_new(o, "right_bytes", json_integer((json_int_t)c->right_bytes));
    if (c->rule == VC_CHECK_RANKS)
        json_object_set_new(o, "right_on", place(c->right_on));
    json_object_set_new(o, "violated", json_boolean(c->violated));
    json_object_set_new(o, "withdrawn", json_boolean(c->suspect && !c->violated));
    set_number(o, "ratio", c->both.median);
    set_number(o, "ratio_low", c->both.low);
    set_number(o, "ratio_high", c->both.high);
    json_object_set_new(o, "rounds", json_integer(c->both.n));
    for (int m = 0; m < VC_MEASURES; m++)
        if (w->opt->measure[m])
            json_object_set_new(o, measure_name[m], one_measure(c, (enum vc_measure)m));
    return o;
}

static json_t *everything(const struct vc_measure_world *w, const struct vc_check_report *r)
{
    json_t *o = json_object(), *list = json_array(), *rules = json_array();
    int violated = 0;
    for (int i = 0; i < VC_CHECK_RULES; i++) {
        struct tally t = count(r, (enum vc_check_rule)i);
        violated += t.violated;
        if (t.checked > 0)
            json_array_append_new(rules,
                                  json_pack("{s:s, s:i, s:i, s:i}", "guideline",
                                            vc_check_rule_name((enum vc_check_rule)i), "checked", t.checked,
                                            "violated", t.violated, "withdrawn", t.withdrawn));
    }
    for (int i = 0; i < r->n; i++)
        if (r->one[i].measured)
            json_array_append_new(list, one(w, &r->one[i]));
    json_object_set_new(o, "format", json_integer(1));
    json_object_set_new(o, "vcoll", json_string(vcoll_version()));
    json_object_set_new(o, "mpi", json_string(vc_measure_mpi_name()));
    json_object_set_new(o, "table", r->native ? json_null() : json_string(vcoll_table(NULL)));
    json_object_set_new(o, "native", json_boolean(r->native));
    json_object_set_new(o, "ranks", json_integer(w->size));
    json_object_set_new(o, "cpus", json_integer(w->cpus));
    json_object_set_new(o, "overcommitted", json_boolean(w->oversubscribed));
    json_object_set_new(o, "hosts", json_integer(w->nleader));
    json_object_set_new(o, "seed", json_integer((json_int_t)w->opt->seed));
    json_object_set_new(o, "margin", json_real(VC_CHECK_MARGIN));
    set_number(o, "seconds", r->seconds);
    json_object_set_new(o, "violated", json_integer(violated));
    json_object_set_new(o, "not_reached", json_integer(not_reached(r)));
    json_object_set_new(o, "guidelines", rules);
    json_object_set_new(o, "comparisons", list);
    return o;
}

int check_write_json(const struct vc_measure_world *w, const struct vc_check_report *r, const char *file)
{
    json_t *o = everything(w, r);
    int rc = vc_measure_json_save("vcoll tune", o, file);
    json_decref(o);
    return rc;
}
