/* SPDX-License-Identifier: BSD-3-Clause */
/* --json: all that is known about the run, for scripts. Times are seconds; what is unknown is null. */
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <string.h>

static const char *const impl_name[VC_IMPLS] = {"native", "vcoll"};
static const char *const measure_name[VC_MEASURES] = {"start", "b2b"};

static void set_number(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, vc_measure_json_number(v));
}

static json_t *series(const struct bench_series *s)
{
    json_t *o = json_object();
    for (int i = 0; i < VC_IMPLS; i++) {
        json_t *x = json_object();
        set_number(x, "median", s->median[i]);
        set_number(x, "p99", s->p99[i]);
        set_number(x, "min", s->min[i]);
        json_object_set_new(x, "samples", json_integer(s->nsample[i]));
        json_object_set_new(o, impl_name[i], x);
    }
    set_number(o, "ratio", s->ratio);
    set_number(o, "ratio_low", s->low);
    set_number(o, "ratio_high", s->high);
    set_number(o, "late", s->late);
    json_object_set_new(o, "rounds", json_integer(s->rounds));
    json_object_set_new(o, "calls_per_block", json_integer(s->block));
    return o;
}

static json_t *over(const struct vc_measure_world *w, const struct bench_point *p)
{
    json_t *o = json_object();
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!w->opt->measure[m])
            continue;
        json_t *x = json_object();
        for (int i = 0; i < BENCH_PACES; i++) {
            json_t *y = json_object();
            set_number(y, "ratio", p->over[m][i].ratio);
            set_number(y, "ratio_low", p->over[m][i].low);
            set_number(y, "ratio_high", p->over[m][i].high);
            json_object_set_new(y, "rounds", json_integer(p->over[m][i].rounds));
            json_object_set_new(x, bench_pace_name[i], y);
        }
        json_object_set_new(o, measure_name[m], x);
    }
    return o;
}

static json_t *points(const struct vc_measure_world *w, const struct bench_report *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->npoint; i++) {
        const struct bench_point *p = &r->point[i];
        json_t *o = json_object();
        json_object_set_new(o, "collective", json_string(vc_coll_name(p->coll)));
        json_object_set_new(o, "bytes", json_integer((json_int_t)p->bytes));
        json_object_set_new(o, "algorithm", json_string(p->algorithm));
        set_number(o, "floor", p->floor);
        if (p->has_over)
            json_object_set_new(o, "over_verbs", over(w, p));
        json_object_set_new(o, "wrong_ranks", p->bad < 0 ? json_null() : json_integer(p->bad));
        for (int m = 0; m < VC_MEASURES; m++)
            if (w->opt->measure[m])
                json_object_set_new(o, measure_name[m], series(&p->s[m]));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *averages(const struct vc_measure_world *w, const struct bench_report *r)
{
    json_t *list = json_array();
    for (int m = 0; m < VC_MEASURES; m++) {
        for (int c = 0; w->opt->measure[m] && c <= w->opt->ncoll; c++) {
            int coll = c < w->opt->ncoll ? (int)w->opt->coll[c] : -1;
            for (int i = 0; i < BENCH_RANGES; i++) {
                double g, a;
                json_t *o;
                bench_average(r, coll, (enum vc_measure)m, &bench_ranges[i], &g, &a);
                if (isnan(g))
                    continue;
                o = json_object();
                json_object_set_new(o, "measure", json_string(measure_name[m]));
                json_object_set_new(o, "collective",
                                    json_string(coll < 0 ? "all" : vc_coll_name((enum vc_coll)coll)));
                json_object_set_new(o, "from", json_integer((json_int_t)bench_ranges[i].low));
                json_object_set_new(o, "to", json_integer((json_int_t)bench_ranges[i].high));
                set_number(o, "geometric", g);
                set_number(o, "arithmetic", a);
                json_array_append_new(list, o);
            }
        }
    }
    return list;
}

static json_t *wire(const struct bench_wire *v)
{
    if (!v->known)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "device", json_string(v->device));
    json_object_set_new(o, "peer", json_integer(v->peer));
    for (int i = 0; i < BENCH_PACES; i++) {
        json_t *x = json_object();
        set_number(x, "median", v->median[i]);
        set_number(x, "p99", v->p99[i]);
        set_number(x, "min", v->min[i]);
        json_object_set_new(x, "samples", json_integer(v->samples[i]));
        json_object_set_new(o, bench_pace_name[i], x);
    }
    return o;
}

static json_t *floors(const struct vc_measure_world *w, const struct bench_report *r)
{
    json_t *o = json_object(), *list = json_array();
    set_number(o, "line_round_trip", r->floor.line);
    for (int i = 0; i < w->opt->nsizes; i++) {
        if (!(r->floor.memcpy_rate[i] > 0))
            continue;
        json_t *x = json_object();
        json_object_set_new(x, "bytes", json_integer((json_int_t)w->opt->sizes[i]));
        set_number(x, "bytes_per_second", r->floor.memcpy_rate[i]);
        json_array_append_new(list, x);
    }
    json_object_set_new(o, "memcpy", list);
    json_object_set_new(o, "verbs_one_way", wire(&r->floor.wire));
    return o;
}

static json_t *cpu(const struct bench_report *r)
{
    json_t *o = json_object();
    set_number(o, "compute", r->cpu.compute);
    for (int i = 0; i < VC_IMPLS; i++) {
        json_t *x = json_object();
        set_number(x, "waiting_cpu", r->cpu.wait[i]);
        set_number(x, "percent_of_a_cpu", r->cpu.percent[i]);
        set_number(x, "hottest_rank_cpu", r->cpu.worst[i]);
        set_number(x, "took", r->cpu.took[i]);
        json_object_set_new(o, impl_name[i], x);
    }
    return o;
}

static json_t *ops(const struct bench_report *r)
{
    json_t *o = json_object();
    for (int i = 0; i < VC_IMPLS; i++) {
        json_t *x = json_object();
        set_number(x, "time", r->ops[i].time);
        set_number(x, "ranks_cpu", r->ops[i].ranks);
        set_number(x, "ranks_kernel_cpu", r->ops[i].ranks_sys);
        set_number(x, "hosts_cpu", r->ops[i].hosts);
        set_number(x, "hosts_irq_cpu", r->ops[i].hosts_irq);
        json_object_set_new(x, "rounds", json_integer(r->ops[i].rounds));
        json_object_set_new(x, "calls", json_integer(r->ops[i].calls));
        json_object_set_new(o, impl_name[i], x);
    }
    return o;
}

static json_t *setup(const struct bench_report *r)
{
    const struct bench_setup *s = &r->setup;
    json_t *o = json_object();
    json_object_set_new(o, "communicators", json_integer(s->comms));
    json_object_set_new(o, "taken_over", json_integer(s->active));
    json_object_set_new(o, "why_not", json_string(s->why_not));
    set_number(o, "comm_dup", s->dup);
    for (int i = 0; i < VC_IMPLS; i++) {
        json_t *x = json_object();
        set_number(x, "first", s->first[i]);
        set_number(x, "second", s->second[i]);
        json_object_set_new(o, impl_name[i], x);
    }
    set_number(o, "setup", s->setup);
    json_object_set_new(o, "nodes", json_integer(s->nodes));
    json_object_set_new(o, "shm_bytes", json_integer((json_int_t)s->shm_bytes));
    json_object_set_new(o, "heap_bytes", json_integer((json_int_t)s->heap_bytes));
    return o;
}

static json_t *doors(const struct bench_report *r)
{
    json_t *list = json_array();
    for (int i = 0; i < BENCH_DOORS; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "call", json_string(r->door[i].name));
        set_number(o, "native_ns", r->door[i].ns[VC_IMPL_NATIVE]);
        set_number(o, "vcoll_ns", r->door[i].ns[VC_IMPL_VCOLL]);
        set_number(o, "extra_ns", r->door[i].extra);
        set_number(o, "extra_low_ns", r->door[i].low);
        set_number(o, "extra_high_ns", r->door[i].high);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *everything(const struct vc_measure_world *w, const struct bench_report *r)
{
    char lib[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;
    json_t *o = json_object(), *words = json_array(), *set = json_array();
    MPI_Get_library_version(lib, &len);
    json_object_set_new(o, "format", json_integer(1));
    json_object_set_new(o, "vcoll", json_string(vcoll_version()));
    json_object_set_new(o, "mpi", json_string(lib));
    for (int i = 1; i < w->opt->argc; i++)
        if (strcmp(w->opt->argv[i], "--progress") != 0)
            json_array_append_new(words, json_string(w->opt->argv[i]));
    json_object_set_new(o, "arguments", words);
    for (int i = 0; i < w->opt->nset; i++)
        json_array_append_new(set, json_string(w->opt->set[i]));
    json_object_set_new(o, "settings", set);
    json_object_set_new(o, "ranks", json_integer(w->size));
    json_object_set_new(o, "ranks_here", json_integer(w->local_size));
    json_object_set_new(o, "cpus", json_integer(w->cpus));
    json_object_set_new(o, "overcommitted", json_boolean(w->oversubscribed));
    json_object_set_new(o, "one_host", json_boolean(w->one_host));
    json_object_set_new(o, "hosts", json_integer(w->nleader));
    if (!w->one_host)
        set_number(o, "clock_error", w->offset_error);
    json_object_set_new(o, "seed", json_integer((json_int_t)w->opt->seed));
    json_object_set_new(o, "reused_buffers", json_boolean(w->opt->reuse));
    set_number(o, "seconds", r->seconds);
    if (r->has_floor)
        json_object_set_new(o, "floor", floors(w, r));
    if (bench_opts_of(w)->points) {
        json_object_set_new(o, "points", points(w, r));
        json_object_set_new(o, "averages", averages(w, r));
    }
    if (r->has_cpu)
        json_object_set_new(o, "cpu", cpu(r));
    if (r->has_ops)
        json_object_set_new(o, "cpu_per_op", ops(r));
    if (r->has_setup)
        json_object_set_new(o, "setup", setup(r));
    if (r->has_door)
        json_object_set_new(o, "overhead", doors(r));
    return o;
}

int bench_json_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file)
{
    json_t *o = everything(w, r);
    int rc = vc_measure_json_save("vcoll bench", o, file);
    json_decref(o);
    return rc;
}
