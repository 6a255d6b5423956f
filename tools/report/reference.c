/* SPDX-License-Identifier: BSD-3-Clause */
/* --reference: the same calls on a machine without virtualization, and how much of the gap to it is closed.
 */
#include "tools/report/plot.h"

#include <string.h>

/* Moderation does not say on how many ranks it was measured unless it has to: what is not said fits. */
static bool fits(int a, int b)
{
    return a < 0 || b < 0 || a == b;
}

static int ranks(const struct rep_where *w)
{
    return rep_where_key(w, "ranks")->number;
}

static const struct rep_point *reference_of(const struct report *r, const struct rep_where *w, double bytes)
{
    const struct rep_point *best = NULL;
    for (int i = 0; i < r->ref.npoint; i++) {
        const struct rep_point *p = &r->ref.point[i];
        if (strcmp(p->where.coll, w->coll) == 0 && strcmp(p->where.op, w->op) == 0 && p->bytes == bytes &&
            fits(ranks(&p->where), ranks(w)) && (!best || ranks(&p->where) > ranks(&best->where)))
            best = p;
    }
    return best;
}

double rep_reference_time(const struct report *r, const struct rep_where *w, double bytes)
{
    const struct rep_point *p = reference_of(r, w, bytes);
    return p ? rep_time(&p->cand[p->chosen])->median : NAN;
}

/* The gap of the virtual machine: its native against native without virtualization. */
static double put_point(FILE *f, const struct rep_point *here, const struct rep_point *bare)
{
    char text[REP_SHORT], where[REP_LONG];
    const struct rep_series *native = rep_time(&here->cand[here->native]),
                            *mine = rep_time(&here->cand[here->chosen]),
                            *ref = rep_time(&bare->cand[bare->native]);
    double gap = native->median - ref->median, closed = NAN;
    if (gap > 0)
        closed = 100 * (native->median - mine->median) / gap;
    fputs("<tr>", f);
    rep_cell(f, "%s, %s", rep_where_text(&here->where, true, where), rep_bytes(here->bytes, text));
    rep_num(f, "%s", rep_us_range(ref, text));
    rep_num(f, "%s", rep_us_range(native, text));
    rep_num(f, "%s", rep_us_range(mine, text));
    if (isfinite(closed))
        rep_num(f, "%.0f %%", closed);
    else
        rep_num(f, "no gap");
    fputs("</tr>\n", f);
    return closed;
}

void rep_section_reference(struct report *r)
{
    if (!r->ref.root)
        return;
    double closed[4096];
    int n = 0, shown = 0;
    fputs("<h3 id=\"gap\">The gap to the machine without virtualization</h3>\n<p>What virtualization costs "
          "is the "
          "gap between native there and native here. What is closed of it is native here minus the choice "
          "here, in "
          "percent of the gap; above 100 % the tuned virtual machine is faster than native without "
          "virtualization.</p>\n",
          r->f);
    rep_table_begin(r->f, "µs per call (95 % interval)",
                    "call|native without virtualization|native here|choice here|gap closed");
    for (int i = 0; i < r->d.npoint; i++) {
        const struct rep_point *here = &r->d.point[i], *bare = reference_of(r, &here->where, here->bytes);
        if (!bare || bare->native < 0 || here->native < 0)
            continue;
        double c = put_point(r->f, here, bare);
        shown++;
        if (isfinite(c) && n < 4096)
            closed[n++] = c;
    }
    rep_table_end(r->f);
    if (n > 0)
        fprintf(r->f, "<p>The median over the %d points with a gap is <strong>%.0f %%</strong>.</p>\n", n,
                rep_median(closed, n));
    else if (shown == 0)
        fputs("<p class=\"none\">The two tables have no call in common: measure both with the same "
              "collectives, "
              "sizes and numbers of ranks.</p>\n",
              r->f);
}
