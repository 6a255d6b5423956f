/* SPDX-License-Identifier: BSD-3-Clause */
/* VCOLL_TOPOLOGY=measure: the ranks of each operating system time round trips between them, in memory that is
 * there for that alone. Every outcome is agreed by all ranks of the world. */
#include "pmpi/gather.h"
#include "pmpi/localities.h"
#include "transport/shm/segment.h"
#include "transport/topology/cluster.h"
#include "transport/topology/latency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char refusal[160];

/* Times say something about CPUs only where each rank stays on one of its own. The same on all ranks of the
 * operating system. */
static bool can_measure(void)
{
    const struct vc_world *w = &vc_world;
    if (w->nkin < 2) {
        snprintf(refusal, sizeof refusal, "rank %d is alone on its node", w->rank);
        return false;
    }
    struct vc_locality *of = malloc((size_t)w->nkin * sizeof *of);
    int bad = -1, other = -1;
    for (int i = 0; of && i < w->nkin; i++)
        of[i] = w->kin[i].locality;
    if (of)
        bad = vc_locality_coreless(of, w->nkin, &other);
    free(of);
    if (!of)
        snprintf(refusal, sizeof refusal, "out of memory");
    else if (bad >= 0 && other < 0)
        snprintf(refusal, sizeof refusal,
                 "rank %d is not bound to a core (mpirun --bind-to core binds each rank)", w->kin[bad].rank);
    else if (bad >= 0)
        snprintf(refusal, sizeof refusal, "ranks %d and %d share a core", w->kin[other].rank,
                 w->kin[bad].rank);
    return of && bad < 0;
}

/* The least of all ranks' words. */
static int agree(int mine, int *all)
{
    *all = mine;
    if (vc_next.Allreduce(&mine, all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed right after MPI_Init");
    return VC_OK;
}

/* Memory of times, and behind it where all stand, which the first rank makes of them. */
static struct vc_locality *results_of(const struct vc_seg *seg)
{
    return (struct vc_locality *)((char *)seg->base +
                                  vc_round_up(vc_latency_bytes(vc_world.nkin), VC_LINE_PAIR));
}

static size_t shared_bytes(void)
{
    return vc_round_up(vc_latency_bytes(vc_world.nkin), VC_LINE_PAIR) +
           (size_t)vc_world.nkin * sizeof(struct vc_locality);
}

/* The own index in kin. */
static int own_index(void)
{
    return (int)(vc_world_kin(vc_world.rank) - vc_world.kin);
}

/* The operating system's memory in each of its ranks. Collective among these; *ok: this rank has it. */
static int open_memory(bool wanted, struct vc_seg *seg, bool *ok)
{
    const struct vc_world *w = &vc_world;
    size_t n = (size_t)w->nkin;
    struct vc_seg_handle mine, *all = malloc(n * sizeof *all);
    int *ranks = malloc(n * sizeof *ranks), first = w->kin[0].rank, err = VC_OK;
    memset(&mine, 0, sizeof mine);
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
    for (size_t i = 0; ranks && i < n; i++)
        ranks[i] = w->kin[i].rank;
    if (!all || !ranks)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->nkin);
    enum vc_seg_backing backing = vc_params.shm_backing;
    if (backing == VC_SEG_AUTO && !w->os_one_pid_ns[w->os_of[w->rank]])
        backing = VC_SEG_SHM;
    *ok = !wanted;
    if (err == VC_OK && wanted && w->rank == first)
        *ok = vc_seg_create(shared_bytes(), backing, seg, &mine) == VC_OK;
    if (err == VC_OK)
        err = vc_gather_among(ranks, w->nkin, own_index(), &mine, all, sizeof mine);
    if (err == VC_OK && wanted && w->rank != first)
        *ok = all[0].backing != 0 && vc_seg_attach(&all[0], seg) == VC_OK;
    if (err == VC_OK && wanted && *ok)
        *ok = vc_latency_settle(seg->base, w->nkin, own_index()) == VC_OK;
    free(ranks);
    free(all);
    return err;
}

/* The first rank, once all have measured. */
static bool find_groups(const struct vc_seg *seg)
{
    struct vc_clusters c;
    int n = vc_world.nkin, *mem = malloc((size_t)VC_CLUSTER_LEVELS * (size_t)n * sizeof *mem);
    bool ok = mem && vc_cluster(vc_latency_times(seg->base, n), n, mem, &c) == VC_OK;
    if (ok)
        vc_clusters_locate(&c, n, results_of(seg));
    for (int k = 0; ok && k < c.depth; k++)
        vc_log(
            VC_LOG_INFO,
            "measured: %d groups of ranks, a round trip takes %.0f ns within and %.0f ns to the next group",
            c.level[k].ngroups, c.level[k].within, c.level[k].next);
    free(mem);
    return ok;
}

static void keep_groups(const struct vc_seg *seg)
{
    for (int i = 0; i < vc_world.nkin; i++)
        vc_world.kin[i].locality = results_of(seg)[i];
}

bool vc_localities_measure(const char **why, int *err)
{
    struct vc_seg seg;
    const struct vc_world *w = &vc_world;
    bool wanted, ok = false, first = w->kin[0].rank == w->rank;
    int all = 0;
    *why = refusal;
    *err = VC_OK;
    if (w->prints) { /* some ranks are disabled and do not come here */
        *why = "settings differ between ranks";
        return false;
    }
    wanted = can_measure();
    if ((*err = open_memory(wanted, &seg, &ok)) != VC_OK || (*err = agree(ok, &all)) != VC_OK) {
        vc_seg_detach(&seg);
        return false;
    }
    if (wanted && first)
        vc_seg_settle(&seg);
    if (!all && wanted)
        snprintf(refusal, sizeof refusal, "a rank could not attach to memory for it");
    if (all && wanted)
        ok = vc_latency_measure(seg.base, w->nkin, own_index()) == VC_OK;
    if (all && (*err = agree(ok, &all)) == VC_OK) {
        if (!all && wanted)
            snprintf(refusal, sizeof refusal, "a rank did not answer in time");
        else if (all && wanted && first)
            ok = find_groups(&seg);
        /* Groups are read once all know that they are there. */
        if (all && (*err = agree(ok, &all)) == VC_OK && !all && wanted)
            snprintf(refusal, sizeof refusal, "out of memory");
        if (*err == VC_OK && all && wanted)
            keep_groups(&seg);
    }
    vc_seg_detach(&seg);
    return *err == VC_OK && all && wanted;
}
