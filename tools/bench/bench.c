/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-bench: one run. See docs/benchmarking.md. */
#include "coll/info.h"
#include "tools/bench/verbs.h"
#include "include/vcoll/vcoll.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void say(const struct bench_world *w, const char *text)
{
    if (w->rank == 0)
        fprintf(stderr, "vcoll bench: %s\n", text);
}

static int count_points(const struct bench_opts *o)
{
    int n = 0;
    for (int i = 0; o->points && i < o->ncoll; i++)
        n += vc_coll_sized(o->coll[i]) ? o->nsizes : 1;
    return n;
}

/* Measures everything that was asked for; 0, or -1 after a message. */
static int run_points(struct bench_world *w, struct bench_verbs *v, struct bench_report *r, int total)
{
    const struct bench_opts *o = w->opt;
    for (int c = 0; o->points && c < o->ncoll; c++) {
        if (w->rank == 0)
            bench_table_coll(w, r, o->coll[c]);
        for (int i = 0; i < (vc_coll_sized(o->coll[c]) ? o->nsizes : 1); i++) {
            struct bench_point *p = &r->point[r->npoint];
            char what[64], size[24];
            p->coll = o->coll[c];
            p->bytes = vc_coll_sized(p->coll) ? o->sizes[i] : 0;
            snprintf(what, sizeof what, "%s %s", vc_coll_name(p->coll),
                     p->bytes ? bench_size_text(p->bytes, size) : "");
            if (w->rank == 0)
                bench_progress(w, r->npoint, total, what);
            bench_verbs_again(w, v);
            if (bench_point_run(w, v, p) != 0) {
                say(w, "out of memory for the buffers; try smaller --sizes or fewer ranks");
                return -1;
            }
            p->floor = bench_floor_of(w, &r->floor, p->coll, i);
            r->npoint++;
            if (w->rank != 0)
                continue;
            bench_progress(w, 1, 1, "");
            bench_table_point(w, r, p);
        }
    }
    return 0;
}

static void run_extras(struct bench_world *w, struct bench_report *r)
{
    if (w->opt->cpu) {
        if (w->rank == 0)
            bench_progress(w, 0, 1, "waiting ranks");
        bench_cpu_run(w, &r->cpu);
        r->has_cpu = true;
    }
    if (w->opt->cpu_per_op) {
        if (w->rank == 0)
            bench_progress(w, 0, 1, "CPU time of operations");
        bench_ops_run(w, r->ops);
        r->has_ops = true;
    }
    if (w->opt->setup_cost) {
        if (w->rank == 0)
            bench_progress(w, 0, 1, "fresh communicators");
        bench_setup_run(w, &r->setup);
        r->has_setup = true;
    }
    if (w->opt->overhead) {
        if (w->rank == 0)
            bench_progress(w, 0, 1, "passed-through calls");
        bench_door_run(w, r->door);
        r->has_door = true;
    }
    if (w->rank == 0)
        bench_progress(w, 1, 1, "");
}

static int write_files(const struct bench_world *w, const struct bench_report *r)
{
    int rc = 0;
    if (w->opt->json && bench_json_write(w, r, w->opt->json) != 0)
        rc = 1;
    if (w->opt->plot && bench_plot_write(w, r, w->opt->plot) != 0)
        rc = 1;
    return rc;
}

static int run(struct bench_world *w)
{
    const struct bench_opts *o = w->opt;
    struct bench_report *r = calloc(1, sizeof *r);
    int total = count_points(o), rc = 0;
    double begin = bench_now();
    if (!r)
        return 1;
    r->table = o->json && strcmp(o->json, "-") == 0 ? stderr : stdout;
    r->point = calloc((size_t)total + 1, sizeof *r->point);
    if (!r->point) {
        free(r);
        return 1;
    }
    r->has_floor = o->points || o->floor;
    r->floor.line = NAN;
    struct bench_verbs *v = r->has_floor ? bench_verbs_open(w) : NULL;
    if (r->has_floor)
        bench_floor_run(w, v, &r->floor);
    if (w->rank == 0) {
        bench_table_head(w, r);
        if (total > 0 && !o->iterations)
            fprintf(r->table, "%d points, %g s each: about %.0f s\n", total, o->seconds,
                    total * o->seconds * 1.2);
    }
    rc = run_points(w, v, r, total) != 0;
    if (w->rank == 0)
        bench_verbs_sum(v, &r->floor.wire);
    bench_verbs_close(w, v);
    run_extras(w, r);
    r->seconds = bench_now() - begin;
    if (w->rank == 0 && rc == 0) {
        bench_table_tail(w, r);
        rc = write_files(w, r);
    }
    for (int i = 0; i < r->npoint; i++) {
        rc = rc || r->point[i].bad > 0;
        bench_point_free(&r->point[i]);
    }
    free(r->point);
    free(r);
    return rc;
}

int main(int argc, char **argv)
{
    static struct bench_opts opts;
    struct bench_fns fn[BENCH_IMPLS];
    struct bench_world w = {.comm = MPI_COMM_WORLD, .fn = fn, .control = &fn[BENCH_NATIVE], .opt = &opts};
    int rc = 1;
    bench_parse(&opts, argc, argv);
    bench_setenv(&opts);
    if (!bench_under_launcher())
        return bench_launch(&opts);
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(w.comm, &w.rank);
    MPI_Comm_size(w.comm, &w.size);
    MPI_Comm_dup(w.comm, &w.ctl);
    w.rng = opts.seed;
    w.rng_local = opts.seed + 0x51ed27u * (uint64_t)(w.rank + 1);
    if (!bench_fns_load(fn)) {
        say(&w, "this libvcoll cannot name the functions of the MPI underneath");
    } else if (opts.root >= w.size) {
        say(&w, "--root: no such rank");
        rc = 2;
    } else {
        if (bench_look_around(&w))
            rc = run(&w);
        /* All ranks leave with rank 0's verdict: it alone knows whether the files were written. */
        w.control->bcast(&rc, 1, MPI_INT, 0, w.ctl);
        MPI_Comm_free(&w.host);
        free(w.leader);
    }
    MPI_Comm_free(&w.ctl);
    MPI_Finalize();
    return rc;
}
