/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite over the verbs channel between the processes of an MPI job, on whatever device VCOLL_
 * settings choose: in virtual machines a real one. Waits as VCOLL_WAIT says.
 */
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/conformance/harness.h"
#include "transport/mpi/next.h"
#include "transport/mux.h"
#include "transport/verbs/verbs.h"
#include "tune/params/params.h"

#include <stdio.h>
#include <stdlib.h>

static int rank, size;

static void die(void)
{
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "conformance_verbs: rank %d: %s: %s\n", rank, what, vc_error_text());
    die();
}

static struct vc_verbs *open_verbs(const struct vc_params *p)
{
    struct vc_verbs_cfg cfg;
    struct vc_verbs *v;
    struct vc_verbs_address mine, *all = malloc((size_t)size * sizeof *all);
    MPI_Comm dup;
    struct vc_chan *boot;
    need(all != NULL, "memory");
    vc_params_verbs_cfg(p, &cfg);
    cfg.peers = size - 1;
    need(vc_verbs_create(&cfg, &v) == VC_OK, "device");
    vc_verbs_address(v, &mine);
    MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, MPI_COMM_WORLD);
    need(vc_next.Comm_dup(MPI_COMM_WORLD, &dup) == MPI_SUCCESS, "dup");
    need(vc_mpi_chan_create(dup, &boot) == VC_OK, "boot channel");
    need(vc_verbs_peers(v, all, NULL, size, rank, boot) == VC_OK, "peers");
    free(all);
    int *others = malloc((size_t)size * sizeof *others), n = 0;
    need(others != NULL, "memory");
    for (int r = 0; r < size; r++)
        if (r != rank)
            others[n++] = r;
    MPI_Barrier(MPI_COMM_WORLD);
    need(vc_verbs_prove(v, others, n) == VC_OK, "proof of the paths");
    for (int i = 0; i < n; i++)
        need(vc_verbs_proven(v, others[i]), "a path that was not proven");
    free(others);
    return v;
}

static struct vc_chan *channel(struct vc_verbs *v)
{
    int *procs = malloc((size_t)size * sizeof *procs);
    struct vc_chan **via = malloc((size_t)size * sizeof(struct vc_chan *)), *ch, *mux;
    need(procs && via, "memory");
    for (int r = 0; r < size; r++)
        procs[r] = r;
    struct vc_verbs_chan_cfg cfg = {.verbs = v, .id = 5, .size = size, .rank = rank, .procs = procs};
    need(vc_verbs_chan_create(&cfg, &ch) == VC_OK, "channel");
    for (int r = 0; r < size; r++)
        via[r] = r == rank ? NULL : ch;
    need(vc_mux_create(size, rank, via, &mux) == VC_OK, "mux");
    free(procs);
    free(via);
    MPI_Barrier(MPI_COMM_WORLD); /* nobody sends before all have it */
    return mux;
}

int main(int argc, char **argv)
{
    struct vc_params p;
    struct vc_param_report report;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    vc_next_init();
    need(vc_params_load(&p, NULL, &report) == VC_OK, report.error);
    need(vc_host_progress_init() == VC_OK, "host progress");
    struct vc_verbs *v = open_verbs(&p);
    struct vc_wait_cfg wait = hs_wait(p.wait, size > 1);
    wait.host_progress = vc_host_progress;
    struct cf_env e = {.ch = channel(v), .wait = &wait, .die = die, .seed = 2211, .reduces = true};
    cf_run(&e);
    MPI_Barrier(MPI_COMM_WORLD);
    const struct vc_verbs_stats *s = vc_verbs_stats(v);
    if (rank == 0)
        printf("conformance_verbs: %s: %llu pieces, %llu inline, %llu writes, %llu early, %llu events\n",
               vc_verbs_dev(v)->name, (unsigned long long)s->sends, (unsigned long long)s->inlined,
               (unsigned long long)s->writes, (unsigned long long)s->unexpected,
               (unsigned long long)s->events);
    need(s->sends > 0, "nothing was sent");
    vc_verbs_destroy(v);
    vc_host_progress_fini();
    MPI_Finalize();
    return 0;
}
