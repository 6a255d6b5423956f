/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-tune: one of its modes. See docs/tuning.md. */
#include "tools/bench/args.h"
#include "tools/tune/tune.h"
#include "tools/vcoll/launch.h"

#include <string.h>

static const struct {
    const char *name, *shown;
    enum vc_search_mode mode;
    int (*tell)(struct vc_search_job *j);
} modes[] = {
    {"run", "vcoll tune run", VC_SEARCH_RUN, tune_tell_run},
    {"check", "vcoll tune check", VC_SEARCH_CHECK, tune_tell_check},
    {"remeasure", "vcoll tune validate --measure", VC_SEARCH_AGAIN, tune_tell_again},
};
enum { NMODES = sizeof modes / sizeof modes[0] };

static int measure(const struct vc_search_opts *o, int mode)
{
    static struct vc_search_job job;
    struct vc_measure_fns fn[VC_IMPLS];
    struct vc_measure_world w;
    int rc = 1;
    /* A process forked later would have a copy of all that MPI holds. */
    if (o->devices)
        vc_guard_start();
    MPI_Init(NULL, NULL);
    vc_search_signals_catch();
    if (vc_measure_open(&w, fn, &o->m)) {
        if (!w.one_host)
            w.control = &fn[VC_IMPL_VCOLL];
        rc = vc_search_open(&job, &w, o);
        if (rc == 0 && o->dry_run)
            tune_print_plan(&job);
        else if (rc == 0)
            rc = vc_search_run(&job);
        if (rc == 0 && !o->dry_run && w.rank == 0)
            rc = modes[mode].tell(&job);
        rc = vc_measure_told(&w, rc);
        vc_search_close(&job);
    }
    vc_measure_close(&w);
    MPI_Finalize();
    return rc;
}

int main(int argc, char **argv)
{
    static struct vc_search_opts opts;
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
    opts.m.argc = argc;
    opts.m.argv = argv;
    bench_setenv(&opts.m);
    if (launch_is_rank())
        return measure(&opts, mode);
    /* What can be told to be wrong is told before anything starts. */
    if (opts.mode == VC_SEARCH_RUN && !opts.dry_run && vc_search_refuses(&opts))
        return 1;
    return tune_launch(&opts);
}
