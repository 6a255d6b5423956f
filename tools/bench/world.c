/* SPDX-License-Identifier: BSD-3-Clause */
/* Who measures: ranks, hosts, CPUs; and what a person sees of it. */
#include "tools/bench/bench.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* The first rank of each host. False without memory, on all ranks. */
static bool find_leaders(struct bench_world *w)
{
    int mine = w->rank;
    w->fn[BENCH_NATIVE].bcast(&mine, 1, MPI_INT, 0, w->host);
    w->leader = calloc((size_t)w->size, sizeof *w->leader);
    if (!bench_all_agree(w, w->leader != NULL))
        return false;
    w->control->allgather(&mine, 1, MPI_INT, w->leader, 1, MPI_INT, w->ctl);
    /* A leader is the lowest rank of its host: it is the one that names itself. */
    for (int r = 0; r < w->size; r++)
        if (w->leader[r] == r)
            w->leader[w->nleader++] = r;
    return true;
}

bool bench_look_around(struct bench_world *w)
{
    cpu_set_t mine, all;
    int worst[3], own[3];
    MPI_Comm_split_type(w->ctl, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &w->host);
    MPI_Comm_size(w->host, &w->local_size);
    MPI_Comm_rank(w->host, &w->local_rank);
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        CPU_SET(0, &mine);
    w->fn[BENCH_NATIVE].allreduce(&mine, &all, (int)sizeof mine, MPI_BYTE, MPI_BOR, w->host);
    w->cpus = CPU_COUNT(&all);
    own[0] = w->local_size != w->size;
    own[1] = w->local_size > w->cpus;
    own[2] = -w->cpus;
    w->control->allreduce(own, worst, 3, MPI_INT, MPI_MAX, w->ctl);
    w->one_host = !worst[0];
    w->oversubscribed = worst[1];
    w->cpus = -worst[2];
    /* The more ranks take turns, the longer the news of a start is on its way. */
    w->tolerance = 1e-6;
    w->lead = w->oversubscribed ? 50e-6 * w->local_size / w->cpus : 30e-6;
    return find_leaders(w);
}

bool bench_all_agree(struct bench_world *w, bool ok)
{
    int mine = ok, all = 0;
    w->control->allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, w->ctl);
    return all;
}

void bench_progress(const struct bench_world *w, int done, int total, const char *what)
{
    if (!w->opt->progress)
        return;
    if (done >= total)
        fprintf(stderr, "\r%-60s\r", "");
    else
        fprintf(stderr, "\r[%3d %%] %-50s", 100 * done / total, what);
    fflush(stderr);
}

const char *bench_mpi_name(void)
{
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;
    if (!name[0]) {
        MPI_Get_library_version(name, &len);
        name[strcspn(name, ",\n")] = '\0';
    }
    return name;
}
