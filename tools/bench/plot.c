/* SPDX-License-Identifier: BSD-3-Clause */
/* --plot: ratio over size, one line per collective, drawn by gnuplot. */
#include "coll/info.h"
#include "tools/bench/bench.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool bench_plot_possible(void)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char file[4096];
        const char *end = strchrnul(path, ':');
        snprintf(file, sizeof file, "%.*s/gnuplot", (int)(end - path), path);
        if (access(file, X_OK) == 0)
            return true;
        path = *end ? end + 1 : end;
    }
    return false;
}

/* A gnuplot string: in single quotes a quote is doubled, nothing else is special. */
static void put_quoted(FILE *g, const char *s)
{
    fputc('\'', g);
    for (; *s; s++) {
        if (*s == '\'')
            fputc('\'', g);
        fputc(*s, g);
    }
    fputc('\'', g);
}

static int count_points(const struct bench_report *r, enum vc_coll coll)
{
    int n = 0;
    for (int i = 0; i < r->npoint; i++)
        n += r->point[i].coll == coll && vc_coll_sized(coll);
    return n;
}

static void put_data(FILE *g, const struct vc_measure_world *w, const struct bench_report *r)
{
    for (int m = 0; m < VC_MEASURES; m++)
        for (int c = 0; w->opt->measure[m] && c < w->opt->ncoll; c++) {
            fprintf(g, "$d%d_%d << EOD\n", m, c);
            for (int i = 0; i < r->npoint; i++) {
                const struct bench_point *p = &r->point[i];
                const struct vc_measure_series *s = &p->ratio[m];
                if (p->coll == w->opt->coll[c] && vc_coll_sized(p->coll) && isfinite(s->median))
                    fprintf(g, "%zu %g %g %g\n", p->bytes, s->median, isnan(s->low) ? s->median : s->low,
                            isnan(s->high) ? s->median : s->high);
            }
            fprintf(g, "EOD\n");
        }
}

int bench_plot_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file)
{
    static const char *const title[VC_MEASURES] = {"from a common start", "back to back"};
    int panels = w->opt->measure[VC_MEASURE_START] + w->opt->measure[VC_MEASURE_B2B];
    errno = 0;
    FILE *g = popen("gnuplot", "we");
    if (!g) {
        fprintf(stderr, "vcoll bench: cannot start gnuplot: %s\n", strerror(errno));
        return -1;
    }
    put_data(g, w, r);
    fprintf(g, "set terminal svg size %d,420 dynamic\nset output ", 620 * panels);
    put_quoted(g, file);
    fprintf(
        g,
        "\nset multiplot layout 1,%d title 'native / vcoll, %d ranks on %d CPUs (above 1: vcoll is faster)'\n"
        "set logscale x 2\nset logscale y\nset format x '%%.0b %%B'\nset xlabel 'bytes'\nset ylabel 'ratio'\n"
        "set grid\nset key outside bottom center horizontal\nset ytics add (0.5,0.7,1,1.5,2,3,5,7,10)\n",
        panels, w->size, w->cpus);
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!w->opt->measure[m])
            continue;
        fprintf(g, "set title '%s'\nplot 1 with lines lt 0 lw 2 notitle", title[m]);
        for (int c = 0; c < w->opt->ncoll; c++)
            if (count_points(r, w->opt->coll[c]) > 0)
                fprintf(g,
                        ", $d%d_%d using 1:2 with linespoints lt %d pt 7 ps 0.5 title '%s'"
                        ", $d%d_%d using 1:2:3:4 with yerrorbars lt %d ps 0 notitle",
                        m, c, c + 1, vc_coll_name(w->opt->coll[c]), m, c, c + 1);
        fputc('\n', g);
    }
    fprintf(g, "unset multiplot\n");
    bool ok = !ferror(g);
    int rc = pclose(g);
    if (rc != 0 || !ok || access(file, R_OK) != 0) {
        fprintf(stderr, "vcoll bench: gnuplot did not write %s\n", file);
        return -1;
    }
    return 0;
}
