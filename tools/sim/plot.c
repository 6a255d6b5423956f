/* SPDX-License-Identifier: BSD-3-Clause */
/* --plot: predicted time over size, a panel for each collective. */
#include "tools/print/plot.h"
#include "coll/info.h"
#include "tools/sim/sim.h"

static void add_way(struct plot *panel, const struct sim_report *r, enum vc_coll coll, enum sim_way way)
{
    struct plot_series *s = plot_add(panel, (int)way, sim_way_name(way));
    for (int i = 0; i < r->npoints; i++) {
        const struct sim_point *p = &r->point[i];
        const struct sim_cost *c = &p->way[way];
        if (p->coll == coll && c->there && isfinite(c->seconds))
            plot_put(s, (struct plot_mark){
                            (double)p->bytes, c->seconds, NAN, NAN, .ring = p->takes == (int)way,
                            .tip = text_format("%s, %s: %s us", sim_way_name(way),
                                               text_bytes((double)p->bytes).s, text_us(c->seconds).s)});
    }
}

bool sim_plot(const struct sim_report *r, const char *file)
{
    struct plot panel[VC_COLL_COUNT];
    int n = 0;
    FILE *f = fopen(file, "we");
    for (int c = 0; f && c < r->o->ncoll; c++) {
        enum vc_coll coll = r->o->coll[c];
        if (!vc_coll_sized(coll))
            continue;
        panel[n] = (struct plot){.title = text_format("%s", vc_coll_name(coll)),
                                 .x = {.kind = PLOT_BYTES, .label = "message size"},
                                 .y = {.kind = PLOT_TIME, .label = "predicted, us"}};
        for (int way = 0; way < SIM_WAYS; way++)
            add_way(&panel[n], r, coll, (enum sim_way)way);
        n++;
    }
    if (f)
        plot_picture(f, text_format("predicted: %d ranks, %s", r->node.ranks, r->node.words).s, panel, n);
    bool ok = f && fflush(f) == 0 && !ferror(f);
    if (f && fclose(f) != 0)
        ok = false;
    return ok;
}
