/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranks that measure, their hosts and CPUs; and the line that a terminal shows meanwhile. */
#include "tune/measure/measure.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* The first rank of each host. False without memory, on all ranks. */
static bool find_leaders(struct vc_measure_world *w)
{
    int mine = w->rank;
    w->fn[VC_IMPL_NATIVE].bcast(&mine, 1, MPI_INT, 0, w->host);
    w->leader = calloc((size_t)w->size, sizeof *w->leader);
    if (!vc_measure_all_agree(w, w->leader != NULL))
        return false;
    w->control->allgather(&mine, 1, MPI_INT, w->leader, 1, MPI_INT, w->ctl);
    /* A leader is the lowest rank of its host: it is the one that names itself. */
    for (int r = 0; r < w->size; r++)
        if (w->leader[r] == r)
            w->leader[w->nleader++] = r;
    return true;
}

bool vc_measure_look_around(struct vc_measure_world *w)
{
    cpu_set_t mine, all;
    int worst[3], own[3];
    MPI_Comm_split_type(w->ctl, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &w->host);
    MPI_Comm_size(w->host, &w->local_size);
    MPI_Comm_rank(w->host, &w->local_rank);
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        CPU_SET(0, &mine);
    w->fn[VC_IMPL_NATIVE].allreduce(&mine, &all, (int)sizeof mine, MPI_BYTE, MPI_BOR, w->host);
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

void vc_measure_seed(struct vc_measure_world *w, uint64_t seed, int rank)
{
    w->rng = seed;
    w->rng_local = seed + 0x51ed27u * (uint64_t)(rank + 1);
}

bool vc_measure_open(struct vc_measure_world *w, struct vc_measure_fns *fn, const struct vc_measure_opts *opt)
{
    *w = (struct vc_measure_world){
        .comm = MPI_COMM_WORLD, .fn = fn, .control = &fn[VC_IMPL_NATIVE], .opt = opt};
    w->host = MPI_COMM_NULL;
    MPI_Comm_rank(w->comm, &w->rank);
    MPI_Comm_size(w->comm, &w->size);
    MPI_Comm_dup(w->comm, &w->ctl);
    vc_measure_seed(w, opt->seed, w->rank);
    if (vc_measure_fns_load(fn))
        return vc_measure_look_around(w);
    if (w->rank == 0)
        fprintf(stderr, "%s: this libvcoll cannot name the functions of the MPI underneath\n", opt->program);
    return false;
}

void vc_measure_close(struct vc_measure_world *w)
{
    if (w->host != MPI_COMM_NULL)
        MPI_Comm_free(&w->host);
    MPI_Comm_free(&w->ctl);
    free(w->leader);
    w->leader = NULL;
}

int vc_measure_told(struct vc_measure_world *w, int word)
{
    w->control->bcast(&word, 1, MPI_INT, 0, w->ctl);
    return word;
}

bool vc_measure_all_agree(struct vc_measure_world *w, bool ok)
{
    int mine = ok, all = 0;
    w->control->allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, w->ctl);
    return all;
}

void vc_measure_progress(const struct vc_measure_world *w, int done, int total, const char *what)
{
    if (!w->opt->progress)
        return;
    if (done >= total)
        fprintf(stderr, "\r%-60s\r", "");
    else
        fprintf(stderr, "\r[%3d %%] %-50s", 100 * done / total, what);
    fflush(stderr);
}

const char *vc_measure_mpi_name(void)
{
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int len;
    if (!name[0]) {
        MPI_Get_library_version(name, &len);
        name[strcspn(name, ",\n")] = '\0';
    }
    return name;
}
