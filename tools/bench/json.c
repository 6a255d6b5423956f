/* SPDX-License-Identifier: BSD-3-Clause */
/* --json: all that is known about the run, for scripts. Times are seconds; what is unknown is null. */
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <string.h>

static json_t *num(double v)
{
    return vc_measure_json_number(v);
}

static json_t *stat(const struct bench_stat *s)
{
    return json_pack("{s:o, s:o, s:o, s:i}", "median", num(s->median), "p99", num(s->p99), "min", num(s->min),
                     "samples", s->n);
}

static json_t *ratio(const struct vc_measure_series *s)
{
    return json_pack("{s:o, s:o, s:o, s:i}", "ratio", num(s->median), "ratio_low", num(s->low), "ratio_high",
                     num(s->high), "rounds", s->n);
}

static json_t *measure(const struct bench_point *p, int m)
{
    json_t *o = ratio(&p->ratio[m]);
    for (int i = 0; i < VC_IMPLS; i++)
        json_object_set_new(o, bench_impl_name[i], stat(&p->time[m][i]));
    json_object_set_new(o, "late", num(m == VC_MEASURE_START ? p->late : 0));
    json_object_set_new(o, "calls_per_block", json_integer(p->block[m]));
    return o;
}

static json_t *point(const struct vc_measure_world *w, const struct bench_point *p)
{
    json_t *over = json_object();
    json_t *o = json_pack("{s:s, s:I, s:s, s:o, s:o}", "collective", vc_coll_name(p->coll), "bytes",
                          (json_int_t)p->bytes, "algorithm", p->algorithm, "floor", num(p->floor),
                          "wrong_ranks", p->bad < 0 ? json_null() : json_integer(p->bad));
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!w->opt->measure[m])
            continue;
        json_t *x = json_object();
        for (int i = 0; i < BENCH_PACES; i++)
            json_object_set_new(x, bench_pace_name[i], ratio(&p->over[m][i]));
        json_object_set_new(over, bench_measure_name[m], x);
        json_object_set_new(o, bench_measure_name[m], measure(p, m));
    }
    if (p->has_over)
        json_object_set(o, "over_verbs", over);
    json_decref(over);
    if (p->over_yields.n > 0)
        json_object_set_new(o, "over_yields",
                            json_pack("{s:o}", bench_measure_name[VC_MEASURE_B2B], ratio(&p->over_yields)));
    return o;
}

static json_t *averages(const struct vc_measure_world *w, const struct bench_report *r)
{
    json_t *list = json_array();
    for (int m = 0; m < VC_MEASURES; m++)
        for (int c = 0; w->opt->measure[m] && c <= w->opt->ncoll; c++)
            for (int i = 0; i < BENCH_RANGES; i++) {
                int coll = c < w->opt->ncoll ? (int)w->opt->coll[c] : -1;
                double g, a;
                bench_average(r, coll, (enum vc_measure)m, &bench_ranges[i], &g, &a);
                if (g > 0)
                    json_array_append_new(
                        list, json_pack("{s:s, s:s, s:I, s:I, s:f, s:f}", "measure", bench_measure_name[m],
                                        "collective", coll < 0 ? "all" : vc_coll_name((enum vc_coll)coll),
                                        "from", (json_int_t)bench_ranges[i].low, "to",
                                        (json_int_t)bench_ranges[i].high, "geometric", g, "arithmetic", a));
            }
    return list;
}

static json_t *floors(const struct vc_measure_world *w, const struct bench_floor *f)
{
    const struct bench_wire *v = &f->wire;
    json_t *list = json_array(), *wire = json_null();
    for (int i = 0; i < w->opt->nsizes; i++)
        if (f->memcpy_rate[i] > 0)
            json_array_append_new(list, json_pack("{s:I, s:f}", "bytes", (json_int_t)w->opt->sizes[i],
                                                  "bytes_per_second", f->memcpy_rate[i]));
    if (v->known)
        wire = json_pack("{s:s, s:i}", "device", v->device, "peer", v->peer);
    for (int i = 0; i < BENCH_PACES && v->known; i++)
        json_object_set_new(wire, bench_pace_name[i], stat(&v->time[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "line_round_trip", num(f->line), "yields_barrier",
                     num(f->yields), "memcpy", list, "verbs_one_way", wire);
}

static json_t *cpu(const struct bench_cpu *c)
{
    json_t *o = json_pack("{s:o}", "compute", num(c->compute));
    for (int i = 0; i < VC_IMPLS; i++)
        json_object_set_new(o, bench_impl_name[i],
                            json_pack("{s:o, s:o, s:o, s:o}", "waiting_cpu", num(c->wait[i]),
                                      "percent_of_a_cpu", num(c->percent[i]), "hottest_rank_cpu",
                                      num(c->worst[i]), "took", num(c->took[i])));
    return o;
}

static json_t *ops(const struct bench_ops *x)
{
    static const char *const name[BENCH_OPS] = {"time", "ranks_cpu", "ranks_kernel_cpu", "hosts_cpu",
                                                "hosts_irq_cpu"};
    json_t *o = json_object();
    for (int i = 0; i < VC_IMPLS; i++) {
        json_t *y = json_pack("{s:i, s:I}", "rounds", x[i].rounds, "calls", (json_int_t)x[i].calls);
        for (int k = 0; k < BENCH_OPS; k++)
            json_object_set_new(y, name[k], num(x[i].v[k]));
        json_object_set_new(o, bench_impl_name[i], y);
    }
    return o;
}

static json_t *setup(const struct bench_setup *s)
{
    json_t *o =
        json_pack("{s:i, s:i, s:s, s:o, s:o, s:i, s:I, s:I}", "communicators", s->comms, "taken_over",
                  s->active, "why_not", s->why_not, "comm_dup", num(s->dup), "setup", num(s->setup), "nodes",
                  s->nodes, "shm_bytes", (json_int_t)s->shm_bytes, "heap_bytes", (json_int_t)s->heap_bytes);
    for (int i = 0; i < VC_IMPLS; i++)
        json_object_set_new(o, bench_impl_name[i],
                            json_pack("{s:o, s:o}", "first", num(s->first[i]), "second", num(s->second[i])));
    return o;
}

static json_t *doors(const struct bench_door *d)
{
    json_t *list = json_array();
    for (int i = 0; i < BENCH_DOORS; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "call", d[i].name, "native_ns",
                            num(d[i].ns[VC_IMPL_NATIVE]), "vcoll_ns", num(d[i].ns[VC_IMPL_VCOLL]), "extra_ns",
                            num(d[i].extra), "extra_low_ns", num(d[i].low), "extra_high_ns", num(d[i].high)));
    return list;
}

static json_t *overlaps(const struct bench_report *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->noverlap; i++) {
        const struct bench_overlap *x = &r->overlap[i];
        json_t *o =
            json_pack("{s:s, s:I}", "collective", vc_coll_name(x->coll), "bytes", (json_int_t)x->bytes);
        for (int k = 0; k < VC_IMPLS; k++)
            json_object_set_new(o, bench_impl_name[k],
                                json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "alone", num(x->alone[k]),
                                          "computing", num(x->computing[k]), "both", num(x->both[k]),
                                          "overlap_osu", num(x->osu[k]), "overlap_imb", num(x->imb[k]), "cpu",
                                          num(x->cpu[k])));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *everything(const struct vc_measure_world *w, const struct bench_report *r)
{
    const struct bench_opts *b = bench_opts_of(w);
    char lib[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;
    json_t *words = json_array(), *set = json_array(), *points = json_array();
    MPI_Get_library_version(lib, &len);
    for (int i = 1; i < w->opt->argc; i++)
        if (strcmp(w->opt->argv[i], "--progress") != 0)
            json_array_append_new(words, json_string(w->opt->argv[i]));
    for (int i = 0; i < w->opt->nset; i++)
        json_array_append_new(set, json_string(w->opt->set[i]));
    for (int i = 0; i < r->npoint; i++)
        json_array_append_new(points, point(w, &r->point[i]));
    json_t *o =
        json_pack("{s:i, s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:b, s:b, s:i, s:I, s:b, s:b, s:f}", "format", 1,
                  "vcoll", vcoll_version(), "mpi", lib, "arguments", words, "settings", set, "ranks", w->size,
                  "ranks_here", w->local_size, "cpus", w->cpus, "overcommitted", w->oversubscribed,
                  "one_host", w->one_host, "hosts", w->nleader, "seed", (json_int_t)w->opt->seed,
                  "reused_buffers", w->opt->reuse, "uneven_blocks", w->opt->uneven, "seconds", r->seconds);
    if (!w->one_host)
        json_object_set_new(o, "clock_error", num(w->offset_error));
    if (r->has_floor)
        json_object_set_new(o, "floor", floors(w, &r->floor));
    if (b->points) {
        json_object_set(o, "points", points);
        json_object_set_new(o, "averages", averages(w, r));
    }
    json_decref(points);
    if (b->cpu)
        json_object_set_new(o, "cpu", cpu(&r->cpu));
    if (b->cpu_per_op)
        json_object_set_new(o, "cpu_per_op", ops(r->ops));
    if (b->setup_cost)
        json_object_set_new(o, "setup", setup(&r->setup));
    if (b->overhead)
        json_object_set_new(o, "overhead", doors(r->door));
    if (b->overlap)
        json_object_set_new(o, "overlap", overlaps(r));
    return o;
}

int bench_json_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file)
{
    json_t *o = everything(w, r);
    int rc = vc_measure_json_save("vcoll bench", o, file);
    json_decref(o);
    return rc;
}
