/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-bench: one run. See docs/benchmarking.md. */
#include "coll/info.h"
#include "tools/bench/args.h"
#include "tools/bench/verbs.h"
#include "tools/bench/yields.h"
#include "include/vcoll/vcoll.h"
#include "tools/vcoll/launch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void say(const struct vc_measure_world *w, const char *text)
{
    if (w->rank == 0)
        fprintf(stderr, "vcoll bench: %s\n", text);
}

static int count_points(const struct bench_opts *o)
{
    int n = 0;
    for (int i = 0; o->points && i < o->m.ncoll; i++)
        n += vc_coll_sized(o->m.coll[i]) ? o->m.nsizes : 1;
    return n;
}

/* Measures everything that was asked for; 0, or -1 after a message. */
static int run_points(struct vc_measure_world *w, const struct bench_beside *beside, struct bench_report *r,
                      int total)
{
    const struct bench_opts *o = bench_opts_of(w);
    for (int c = 0; o->points && c < o->m.ncoll; c++) {
        if (w->rank == 0)
            bench_table_coll(w, r, o->m.coll[c]);
        for (int i = 0; i < (vc_coll_sized(o->m.coll[c]) ? o->m.nsizes : 1); i++) {
            struct bench_point *p = &r->point[r->npoint];
            char what[64], size[24];
            p->coll = o->m.coll[c];
            p->bytes = vc_coll_sized(p->coll) ? o->m.sizes[i] : 0;
            snprintf(what, sizeof what, "%s %s", vc_coll_name(p->coll),
                     p->bytes ? vc_measure_size_text(p->bytes, size) : "");
            if (w->rank == 0)
                vc_measure_progress(w, r->npoint, total, what);
            bench_verbs_again(w, beside->verbs);
            if (bench_point_run(w, beside, p) != 0) {
                say(w, "out of memory for the buffers; try smaller --sizes or fewer ranks");
                return -1;
            }
            p->floor = bench_floor_of(w, &r->floor, p->coll, i);
            r->npoint++;
            if (w->rank != 0)
                continue;
            vc_measure_progress(w, 1, 1, "");
            bench_table_point(w, r, p);
        }
    }
    return 0;
}

static void run_extras(struct vc_measure_world *w, struct bench_report *r)
{
    const struct bench_opts *o = bench_opts_of(w);
    const struct {
        bool asked;
        const char *what;
    } extra[] = {{o->cpu, "waiting ranks"},
                 {o->cpu_per_op, "CPU time of operations"},
                 {o->setup_cost, "fresh communicators"},
                 {o->overhead, "passed-through calls"},
                 {o->overlap != BENCH_NO_OVERLAP, "overlap"}};
    for (int i = 0; i < 5; i++) {
        if (!extra[i].asked)
            continue;
        if (w->rank == 0)
            vc_measure_progress(w, 0, 1, extra[i].what);
        if (i == 0)
            bench_cpu_run(w, &r->cpu);
        else if (i == 1)
            bench_ops_run(w, r->ops);
        else if (i == 2)
            bench_setup_run(w, &r->setup);
        else if (i == 3)
            bench_door_run(w, r->door);
        else
            r->noverlap = bench_overlap_run(w, r->overlap);
    }
    if (w->rank == 0)
        vc_measure_progress(w, 1, 1, "");
}

static int write_files(const struct vc_measure_world *w, const struct bench_report *r)
{
    int rc = 0;
    if (w->opt->json && bench_json_write(w, r, w->opt->json) != 0)
        rc = 1;
    if (bench_opts_of(w)->plot && bench_plot_write(w, r, bench_opts_of(w)->plot) != 0)
        rc = 1;
    return rc;
}

static int run(struct vc_measure_world *w)
{
    const struct bench_opts *o = bench_opts_of(w);
    struct bench_report *r = calloc(1, sizeof *r);
    int total = count_points(o), rc = 0;
    double begin = vc_measure_now();
    if (!r)
        return 1;
    r->table = o->m.json && strcmp(o->m.json, "-") == 0 ? stderr : stdout;
    r->point = calloc((size_t)total + 1, sizeof *r->point);
    r->overlap = calloc((size_t)VC_COLL_COUNT * VC_MEASURE_SIZES, sizeof *r->overlap);
    if (!r->point || !r->overlap) {
        free(r->point);
        free(r->overlap);
        free(r);
        return 1;
    }
    r->has_floor = o->points || o->floor;
    r->floor.line = r->floor.yields = NAN;
    struct bench_beside beside = {NULL, NULL};
    if (r->has_floor) {
        beside.verbs = bench_verbs_open(w);
        beside.yields = bench_yields_open(w);
        bench_floor_run(w, &beside, &r->floor);
    }
    if (w->rank == 0) {
        bench_table_head(w, r);
        if (total > 0 && !o->iterations)
            fprintf(r->table, "%d points, %g s each: about %.0f s\n", total, o->m.seconds,
                    total * o->m.seconds * 1.2);
    }
    rc = run_points(w, &beside, r, total) != 0;
    if (w->rank == 0)
        bench_verbs_sum(beside.verbs, &r->floor.wire);
    bench_verbs_close(w, beside.verbs);
    bench_yields_close(beside.yields);
    run_extras(w, r);
    r->seconds = vc_measure_now() - begin;
    if (w->rank == 0 && rc == 0) {
        bench_table_tail(w, r);
        rc = write_files(w, r);
    }
    for (int i = 0; i < r->npoint; i++)
        rc = rc || r->point[i].bad > 0;
    free(r->overlap);
    free(r->point);
    free(r);
    return rc;
}

int main(int argc, char **argv)
{
    static struct bench_opts opts;
    struct vc_measure_fns fn[VC_IMPLS];
    struct vc_measure_world w;
    int rc = 1;
    bench_parse(&opts, argc, argv);
    bench_setenv(&opts.m);
    if (!launch_is_rank())
        return bench_launch(&opts.m);
    MPI_Init(NULL, NULL);
    bool open = vc_measure_open(&w, fn, &opts.m);
    if (open && opts.m.root >= w.size) {
        say(&w, "--root: no such rank");
        rc = 2;
    } else if (open) {
        rc = run(&w);
        /* All ranks leave with rank 0's verdict: it alone knows whether the files were written. */
        rc = vc_measure_told(&w, rc);
    }
    vc_measure_close(&w);
    MPI_Finalize();
    return rc;
}
