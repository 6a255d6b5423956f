/* SPDX-License-Identifier: BSD-3-Clause */
/* --plot: ratio over size as a picture, one line for each collective, one panel for each measure. */
#include "tools/print/plot.h"
#include "coll/info.h"
#include "tools/bench/bench.h"

#include <errno.h>
#include <string.h>

static void add_ratios(struct plot *p, const struct bench_report *r, enum vc_coll coll, int look,
                       enum vc_measure m)
{
    struct plot_series *s = plot_add(p, look, vc_coll_name(coll));
    for (int i = 0; i < r->npoint; i++) {
        const struct vc_measure_series *v = &r->point[i].ratio[m];
        if (r->point[i].coll == coll && isfinite(v->median))
            plot_put(s,
                     (struct plot_mark){(double)r->point[i].bytes, v->median, v->low, v->high,
                                        .tip = text_format("%s, %s: %s", vc_coll_name(coll),
                                                           text_bytes((double)r->point[i].bytes).s,
                                                           text_times_range(v->median, v->low, v->high).s)});
    }
}

int bench_plot_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file)
{
    static const char *const title[VC_MEASURES] = {"from a common start", "back to back"};
    struct plot panel[VC_MEASURES];
    int n = 0;
    FILE *f = fopen(file, "we");
    for (int m = 0; f && m < VC_MEASURES; m++) {
        if (!w->opt->measure[m])
            continue;
        panel[n] = (struct plot){.title = text_format("%s", title[m]),
                                 .x = {.kind = PLOT_BYTES, .label = "message size"},
                                 .y = {.kind = PLOT_RATIO, .label = "native / vcoll"},
                                 .line = 1};
        for (int c = 0; c < w->opt->ncoll; c++)
            if (vc_coll_sized(w->opt->coll[c]))
                add_ratios(&panel[n], r, w->opt->coll[c], c, (enum vc_measure)m);
        n++;
    }
    struct text head =
        text_format("native / vcoll, %d ranks on %d CPUs (above 1: vcoll is faster)", w->size, w->cpus);
    if (f)
        plot_picture(f, head.s, panel, n);
    bool ok = f && fflush(f) == 0 && !ferror(f);
    if (!ok)
        fprintf(stderr, "vcoll bench: cannot write %s: %s\n", file, strerror(errno));
    if (f)
        fclose(f);
    return ok ? 0 : -1;
}
