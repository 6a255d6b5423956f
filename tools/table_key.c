/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/table_key.h"

#include "transport/topology/cpus.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 16 };

void table_place_init(struct table_place *p)
{
    memset(p, 0, sizeof *p);
    p->platform = -1;
}

/* One more than the others leave room for would need a node without ranks, or a node with more than ppn. */
static bool fits(int ranks, int nodes, int ppn)
{
    return ranks >= 1 && nodes >= 1 && ppn >= 1 && nodes <= ranks && ppn <= ranks - (nodes - 1) &&
           (long long)nodes * ppn >= ranks;
}

static bool complete_numbers(struct table_place *p, char *why, size_t len)
{
    int cpus = (int)vc_cpus_available();
    if (!p->ranks && !p->ppn)
        p->ppn = p->nodes > 1 ? (cpus > 1 ? cpus : 1) : (cpus > 2 ? cpus : 2);
    if (!p->nodes)
        p->nodes = p->ranks && p->ppn ? (p->ranks + p->ppn - 1) / p->ppn : 1;
    if (!p->ranks) {
        long long n = (long long)p->nodes * p->ppn;
        p->ranks = n > TABLE_RANKS_MAX ? TABLE_RANKS_MAX : (int)n;
    }
    if (!p->ppn)
        p->ppn = (p->ranks + p->nodes - 1) / p->nodes;
    if (p->ranks < 2) {
        snprintf(why, len, "%d rank: collectives of one rank are not taken over; give 2 or more", p->ranks);
        return false;
    }
    if (!fits(p->ranks, p->nodes, p->ppn)) {
        snprintf(why, len,
                 "%d ranks cannot be placed on %d nodes with %d on the fullest: each node needs a rank, and "
                 "nodes x ranks per node must be at least the ranks; leave one of the three out",
                 p->ranks, p->nodes, p->ppn);
        return false;
    }
    return true;
}

/* The first RDMA device with an active port. False: none. */
static bool find_device(char *model, size_t len)
{
    struct vc_rdma_dev dev[DEVICES];
    int n = vc_rdma_scan(NULL, dev, DEVICES);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < dev[i].nports; k++) {
            if (strcmp(dev[i].port[k].state, "ACTIVE") != 0)
                continue;
            vc_rdma_model(NULL, dev[i].name, model, len);
            return true;
        }
    }
    return false;
}

bool table_place_complete(struct table_place *p, const struct vc_params *params, char *why, size_t len)
{
    if (!complete_numbers(p, why, len))
        return false;
    char model[VC_TABLE_DEVICE] = "";
    bool have_device = (!p->device_given || p->verbs == VC_ANY) && find_device(model, sizeof model);
    if (p->verbs == VC_ANY)
        p->verbs = have_device && (params->channels & VC_CHAN_VERBS) ? VC_YES : VC_NO;
    if (!p->device_given) {
        memcpy(p->device, model, sizeof model);
        p->device_given = true;
    }
    if (p->crowded == VC_ANY)
        p->crowded = p->ppn > vc_cpus_available() + 0.01 ? VC_YES : VC_NO;
    if (p->bulk_slots == VC_ANY)
        p->bulk_slots = params->shm_bulk > 0 ? VC_YES : VC_NO;
    if (p->platform < 0) {
        struct vc_platform platform;
        vc_platform_detect(NULL, NULL, &platform);
        p->platform = (int)platform.class;
    }
    return true;
}

char *table_place_text(int ranks, int nodes, int ppn, char *buf, size_t len)
{
    int n = snprintf(buf, len, "%d rank%s on %d node%s", ranks, ranks == 1 ? "" : "s", nodes,
                     nodes == 1 ? "" : "s");
    if (nodes > 1 && n > 0 && (size_t)n < len)
        snprintf(buf + n, len - (size_t)n, ", %s%d per node", nodes * ppn == ranks ? "" : "up to ", ppn);
    return buf;
}

static void fill_hier(struct table_key *k, int ranks, int nodes, int ppn)
{
    int *node_of = k->mem, *local_of = node_of + ranks, *members = local_of + ranks, *first = members + ranks;
    int rank = 0;
    for (int i = 0; i < nodes; i++) {
        int room = ranks - rank - (nodes - 1 - i), here = room < ppn ? room : ppn;
        first[i] = rank;
        for (int l = 0; l < here; l++, rank++) {
            node_of[rank] = i;
            local_of[rank] = l;
            members[rank] = rank;
        }
    }
    first[nodes] = ranks;
    k->hier = (struct vc_hier){
        .nnodes = nodes,
        .uniform = (long long)nodes * ppn == ranks,
        .block = true,
        .node_of = node_of,
        .local_of = local_of,
        .first = first,
        .members = members,
    };
}

int table_key_make(const struct table_place *p, const struct vc_params *params, struct table_key *out)
{
    bool shm = (params->channels & VC_CHAN_SHM) != 0;
    int nodes = shm ? p->nodes : p->ranks, ppn = shm ? p->ppn : 1;
    memset(out, 0, sizeof *out);
    if (!fits(p->ranks, p->nodes, p->ppn))
        return vc_fail(VC_ERR_INVAL, "%d ranks cannot be placed on %d nodes with %d on the fullest", p->ranks,
                       p->nodes, p->ppn);
    out->mem = malloc((3 * (size_t)p->ranks + (size_t)nodes + 1) * sizeof *out->mem);
    if (!out->mem)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the placement of %d ranks", p->ranks);
    fill_hier(out, p->ranks, nodes, ppn);
    bool node = shm && ppn > 1, verbs = p->verbs == VC_YES && (params->channels & VC_CHAN_VERBS);
    out->key = (struct vc_topo_key){
        .size = p->ranks,
        .nnodes = nodes,
        .max_ppn = ppn,
        .crowded = p->crowded == VC_YES,
        .have_node = node,
        .have_cma = node && params->cma,
        .have_bulk = node && p->bulk_slots == VC_YES,
        .have_chan = verbs || (params->channels & VC_CHAN_MPI) || (node && nodes == 1),
        .have_verbs = verbs,
        .no_mpi = !(params->channels & VC_CHAN_MPI),
        .reproducible = params->reproducible,
        .platform = p->platform,
        .hier = &out->hier,
    };
    memcpy(out->key.device, p->device, sizeof out->key.device);
    return VC_OK;
}

void table_key_free(struct table_key *k)
{
    free(k->mem);
    memset(k, 0, sizeof *k);
}
