/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-tune: run, check or remeasure. See docs/tuning.md. */
#include "tools/tune/job.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *shown;
    enum tune_mode mode;
    int (*run)(struct bench_world *w, const struct tune_opts *o);
} modes[] = {
    {"run", "vcoll tune run", TUNE_RUN, tune_run},
    {"check", "vcoll tune check", TUNE_CHECK, tune_check},
    {"remeasure", "vcoll tune validate --measure", TUNE_REMEASURE, tune_remeasure},
};
enum { NMODES = sizeof modes / sizeof modes[0] };

static int measure(const struct tune_opts *o, int mode)
{
    struct bench_fns fn[BENCH_IMPLS];
    struct bench_world w = {.comm = MPI_COMM_WORLD, .fn = fn, .control = &fn[BENCH_NATIVE], .opt = &o->bench};
    int rc = 1;
    /* A process forked later would have a copy of all that MPI holds. */
    if (o->devices)
        tune_guard_start();
    MPI_Init(NULL, NULL);
    tune_signals_catch();
    MPI_Comm_rank(w.comm, &w.rank);
    MPI_Comm_size(w.comm, &w.size);
    MPI_Comm_dup(w.comm, &w.ctl);
    w.rng = o->bench.seed;
    w.rng_local = o->bench.seed + 0x51ed27u * (uint64_t)(w.rank + 1);
    if (!bench_fns_load(fn)) {
        if (w.rank == 0)
            fprintf(stderr, "vcoll tune: this libvcoll cannot name the functions of the MPI underneath\n");
    } else {
        if (bench_look_around(&w)) {
            if (!w.one_host)
                w.control = &fn[BENCH_VCOLL];
            tune_device_recover(&w);
            rc = modes[mode].run(&w, o);
        }
        w.control->bcast(&rc, 1, MPI_INT, 0, w.ctl);
        MPI_Comm_free(&w.host);
        free(w.leader);
    }
    MPI_Comm_free(&w.ctl);
    MPI_Finalize();
    return rc;
}

int main(int argc, char **argv)
{
    static struct tune_opts opts;
    int mode = 0;
    while (mode < NMODES && (argc < 2 || strcmp(argv[1], modes[mode].name) != 0))
        mode++;
    if (mode == NMODES) {
        fprintf(
            stderr,
            "Usage: vcoll tune run|check|validate --measure [WORDS...]; `vcoll tune run --help' explains\n");
        return 2;
    }
    char *self = argv[0];
    argv[1] = (char *)(uintptr_t)modes[mode].shown;
    tune_parse(&opts, modes[mode].mode, argc - 1, argv + 1);
    argv[1] = (char *)(uintptr_t)modes[mode].name;
    argv[0] = self;
    opts.bench.argc = argc;
    opts.bench.argv = argv;
    bench_setenv(&opts.bench);
    if (bench_under_launcher())
        return measure(&opts, mode);
    /* What can be told to be wrong is told before anything starts. */
    if (opts.mode == TUNE_RUN && !opts.dry_run && tune_state_refuses(&opts))
        return 1;
    return tune_launch(&opts);
}
