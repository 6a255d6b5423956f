/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost of node phases: the rates behind what coll/node does (node_work.c), and how they are fitted. */
#include "tune/model/impl.h"

#include <math.h>
#include <string.h>

double vc_model_node_seconds(const struct vc_model_node *n, const struct vc_model_phase *p)
{
    struct vc_model_work w = vc_model_node_work(p);
    if (w.cma_calls > 0 && !(n->cma_copy > 0))
        return NAN;
    for (int k = 0; p->tiers > 0 && k <= VC_LEVEL_KINDS; k++)
        if (n->line[k] > 0)
            return vc_mtiers_seconds(n, p);
    return n->base + n->flag * w.flags + n->copy * w.copied + n->reduce * w.reduced +
           n->cma_base * w.cma_calls + n->cma_copy * w.cma_copied;
}

/* ---- fitting ---- */

#define UNKNOWNS 4
/* Sweeps over the unknowns: enough for columns that are nearly the same. */
#define SWEEPS 1000000

/* Normal equations of |A x - 1|: rows are divided by what was measured, so that errors are relative. */
struct normal {
    double a[UNKNOWNS][UNKNOWNS], b[UNKNOWNS];
    int rows;
};

static void add_row(struct normal *e, const double row[UNKNOWNS], double seconds)
{
    for (int i = 0; i < UNKNOWNS; i++) {
        for (int j = 0; j < UNKNOWNS; j++)
            e->a[i][j] += row[i] * row[j] / (seconds * seconds);
        e->b[i] += row[i] / seconds;
    }
    e->rows++;
}

/*
 * The least squares with no unknown below 0, by coordinate descent: each unknown in turn takes the best value
 * that is not negative, given the others. The problem is convex, so this ends at the best of all.
 */
static bool solve_normal(const struct normal *e, double x[UNKNOWNS])
{
    memset(x, 0, UNKNOWNS * sizeof *x);
    double moved = 1;
    for (int sweep = 0; sweep < SWEEPS && moved > 1e-12; sweep++) {
        moved = 0;
        for (int i = 0; i < UNKNOWNS; i++) {
            if (!(e->a[i][i] > 0))
                continue;
            double rest = e->b[i], before = x[i];
            for (int j = 0; j < UNKNOWNS; j++)
                rest -= j == i ? 0 : e->a[i][j] * x[j];
            x[i] = fmax(rest / e->a[i][i], 0);
            moved = fmax(moved, fabs(x[i] - before) * sqrt(e->a[i][i])); /* in units of the relative error */
        }
    }
    return e->rows > 0;
}

/* Whether all samples are of nodes of one size. They cannot tell the base from what grows with the size. */
static bool one_size(const struct vc_model_sample *s, int n)
{
    for (int i = 1; i < n; i++)
        if (s[i].phase.ranks != s[0].phase.ranks)
            return false;
    return s[0].phase.ranks > 1;
}

bool vc_model_node_fit(const struct vc_model_sample *s, int n, struct vc_model_node *node)
{
    struct normal slots = {0}, cma = {0};
    double x[UNKNOWNS];
    *node = (struct vc_model_node){0};
    for (int i = 0; i < n; i++) {
        struct vc_model_work w = vc_model_node_work(&s[i].phase);
        double row[UNKNOWNS] = {1, w.flags, w.copied, w.reduced};
        if (!s[i].phase.cma && s[i].seconds > 0 && isfinite(s[i].seconds))
            add_row(&slots, row, s[i].seconds);
    }
    if (!solve_normal(&slots, x))
        return false;
    if (one_size(s, n)) { /* half each */
        double both = x[0] + x[1] * (s[0].phase.ranks - 1);
        x[0] = both / 2;
        x[1] = both / 2 / (s[0].phase.ranks - 1);
    }
    *node = (struct vc_model_node){.known = true, .base = x[0], .flag = x[1], .copy = x[2], .reduce = x[3]};
    /* What a single copy takes beyond the parts that are fitted by now. */
    for (int i = 0; i < n; i++) {
        struct vc_model_work w = vc_model_node_work(&s[i].phase);
        double rest = s[i].seconds - node->base - node->flag * w.flags - node->copy * w.copied -
                      node->reduce * w.reduced;
        double row[UNKNOWNS] = {w.cma_calls, w.cma_copied, 0, 0};
        if (s[i].phase.cma && rest > 0 && isfinite(rest))
            add_row(&cma, row, rest);
    }
    if (solve_normal(&cma, x)) {
        node->cma_base = x[0];
        node->cma_copy = x[1];
    }
    return true;
}
