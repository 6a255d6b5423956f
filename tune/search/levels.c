/* SPDX-License-Identifier: BSD-3-Clause */
/* Which CPUs of the first host share what, by round trips between its ranks: "levels" of the table. */
#include "tune/search/internal.h"

#include "transport/shm/segment.h"
#include "transport/topology/cluster.h"
#include "transport/topology/latency.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAST_RANKS = 3 }; /* of two nothing can be grouped */

/* Where a rank is. */
struct stand {
    struct vc_locality at;
    uint64_t mask[VC_MASK_WORDS];
    int rank;
};

static bool host_agrees(const struct vc_measure_world *w, bool ok)
{
    int mine = ok, all = 0;
    w->fn[VC_IMPL_NATIVE].allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, w->host);
    return all != 0;
}

/* Where all ranks of this host are; NULL without memory, on all of them. */
static struct stand *gather_stands(const struct vc_measure_world *w)
{
    struct stand mine = {.rank = w->rank}, *all = malloc((size_t)w->local_size * sizeof *all);
    if (!host_agrees(w, all != NULL)) {
        free(all);
        return NULL;
    }
    vc_cpus_mask(mine.mask);
    vc_locality_read(NULL, mine.mask, &mine.at);
    w->fn[VC_IMPL_NATIVE].allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, w->host);
    return all;
}

/* Whether times would say something; otherwise rank 0 says why not. The same on all ranks of the host. */
static bool can_measure(const struct vc_search_job *j, const struct stand *stand, struct vc_locality *of)
{
    const struct vc_measure_world *w = j->w;
    int other;
    for (int i = 0; i < w->local_size; i++)
        of[i] = stand[i].at;
    int bad = vc_locality_coreless(of, w->local_size, &other);
    if (bad < 0)
        return true;
    bool tells = w->rank == 0 && !j->o->quiet && !w->oversubscribed; /* then nobody expects it */
    if (tells && other < 0)
        fprintf(stderr,
                "vcoll tune: which ranks share caches is not measured: rank %d is not bound to a core "
                "(--mpirun-arg=--bind-to --mpirun-arg=core)\n",
                stand[bad].rank);
    else if (tells)
        fprintf(stderr,
                "vcoll tune: which ranks share caches is not measured: ranks %d and %d share a core\n",
                stand[other].rank, stand[bad].rank);
    return false;
}

/* All ranks of the host measure in memory of the first one. False on all, if it fails on any. */
static bool measure_times(const struct vc_measure_world *w, struct vc_seg *seg)
{
    struct vc_seg_handle handle = {.backing = 0};
    bool first = w->local_rank == 0;
    bool ok = !first || vc_seg_create(vc_latency_bytes(w->local_size), VC_SEG_AUTO, seg, &handle) == VC_OK;
    w->fn[VC_IMPL_NATIVE].bcast(&handle, sizeof handle, MPI_BYTE, 0, w->host);
    if (!first)
        ok = handle.backing != 0 && vc_seg_attach(&handle, seg) == VC_OK;
    ok = ok && vc_latency_settle(seg->base, w->local_size, w->local_rank) == VC_OK;
    if (!host_agrees(w, ok))
        return false;
    if (first)
        vc_seg_settle(seg);
    return host_agrees(w, vc_latency_measure(seg->base, w->local_size, w->local_rank) == VC_OK);
}

/* "measured": when, where, and how far apart the groups were. */
static json_t *provenance(const struct vc_search_job *j, const struct vc_clusters *c)
{
    char date[32], host[64] = "";
    json_t *steps = json_array();
    gethostname(host, sizeof host - 1);
    for (int k = 0; k < c->depth; k++)
        json_array_append_new(steps, json_pack("{s:i, s:f, s:f}", "groups", c->level[k].ngroups, "within_ns",
                                               c->level[k].within, "next_ns", c->level[k].next));
    return json_pack("{s:s, s:s, s:s, s:i, s:o}", "vcoll", vcoll_version(), "date", vc_table_date(date),
                     "host", host, "ranks", j->w->local_size, "steps", steps);
}

/* Rank 0. NULL without memory. */
static json_t *describe(const struct vc_search_job *j, const struct stand *stand, const float *times)
{
    int n = j->w->local_size, *mem = malloc((size_t)VC_CLUSTER_LEVELS * (size_t)n * sizeof *mem);
    struct vc_locality *of = malloc((size_t)n * sizeof *of);
    struct vc_table_levels *l = calloc(1, sizeof *l);
    struct vc_clusters c;
    struct vc_platform p;
    json_t *out = NULL;
    if (mem && of && l && vc_cluster(times, n, mem, &c) == VC_OK) {
        vc_clusters_locate(&c, n, of);
        vc_platform_detect(NULL, NULL, &p);
        vc_processor(NULL, l->processor, sizeof l->processor, &l->cpus);
        l->platform = (int)p.class;
        vc_cpu_map_none(&l->map);
        for (int i = 0; i < n; i++)
            for (int cpu = 0; cpu < VC_LEVELS_CPUS; cpu++) {
                if (!vc_cpu_has(stand[i].mask, cpu))
                    continue;
                l->map.over[cpu / 64] |= UINT64_C(1) << cpu % 64;
                for (int k = 0; k < VC_UNITS; k++)
                    l->map.unit[k][cpu] = (int16_t)of[i].unit[k];
            }
        out = vc_levels_to_json(l);
        json_object_set_new(out, "measured", provenance(j, &c));
    }
    free(mem);
    free(of);
    free(l);
    return out;
}

void vc_search_levels(struct vc_search_job *j)
{
    const struct vc_measure_world *w = j->w;
    struct vc_seg seg = {.fd = -1};
    int first = w->rank;
    w->fn[VC_IMPL_NATIVE].bcast(&first, 1, MPI_INT, 0, w->host);
    if (first != 0 || w->local_size < LEAST_RANKS)
        return;
    struct stand *stand = gather_stands(w);
    struct vc_locality *of = stand ? malloc((size_t)w->local_size * sizeof *of) : NULL;
    if (stand && host_agrees(w, of != NULL) && can_measure(j, stand, of) && measure_times(w, &seg) &&
        w->rank == 0)
        j->levels = describe(j, stand, vc_latency_times(seg.base, w->local_size));
    vc_seg_detach(&seg);
    free(stand);
    free(of);
}
