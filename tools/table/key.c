/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/table/key.h"

#include "transport/topology/cpus.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include "tune/table/table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 16 };

/* One more than the others leave room for would need a node without ranks, or a node with more than ppn. */
static bool fits(int ranks, int nodes, int ppn)
{
    return ranks >= 1 && nodes >= 1 && ppn >= 1 && nodes <= ranks && ppn <= ranks - (nodes - 1) &&
           (long long)nodes * ppn >= ranks;
}

static bool complete_numbers(struct vc_topo_key *p, char *why, size_t len)
{
    int cpus = (int)vc_cpus_available();
    if (!p->size && !p->max_ppn)
        p->max_ppn = p->nnodes > 1 ? (cpus > 1 ? cpus : 1) : (cpus > 2 ? cpus : 2);
    if (!p->nnodes)
        p->nnodes = p->size && p->max_ppn ? (p->size + p->max_ppn - 1) / p->max_ppn : 1;
    if (!p->size) {
        long long n = (long long)p->nnodes * p->max_ppn;
        p->size = n > TABLE_RANKS_MAX ? TABLE_RANKS_MAX : (int)n;
    }
    if (!p->max_ppn)
        p->max_ppn = (p->size + p->nnodes - 1) / p->nnodes;
    if (p->size < 2) {
        snprintf(why, len, "%d rank: collectives of one rank are not taken over; give 2 or more", p->size);
        return false;
    }
    if (!fits(p->size, p->nnodes, p->max_ppn)) {
        snprintf(why, len,
                 "%d ranks cannot be placed on %d nodes with %d on the fullest: each node needs a rank, and "
                 "nodes x ranks per node must be at least the ranks; leave one of the three out",
                 p->size, p->nnodes, p->max_ppn);
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

static bool given(const struct table_place *p, const char *key)
{
    return p->given >> (vc_key_find(key) - vc_key_info) & 1;
}

bool table_place_complete(struct table_place *p, const struct vc_params *params, char *why, size_t len)
{
    struct vc_topo_key *at = &p->at;
    if (!complete_numbers(at, why, len))
        return false;
    char model[VC_TABLE_DEVICE] = "";
    bool have_device = (!given(p, "device") || !given(p, "network")) && find_device(model, sizeof model);
    if (!given(p, "network"))
        at->have_verbs = have_device && (params->channels & VC_CHAN_VERBS);
    if (!given(p, "device"))
        memcpy(at->device, model, sizeof model);
    if (!given(p, "crowded"))
        at->crowded = at->max_ppn > vc_cpus_available() + 0.01;
    if (!given(p, "bulk_slots"))
        at->have_bulk = params->shm_bulk > 0;
    if (!given(p, "platform")) {
        struct vc_platform platform;
        vc_platform_detect(NULL, NULL, &platform);
        at->platform = (int)platform.class;
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
    const struct vc_topo_key *at = &p->at;
    bool shm = (params->channels & VC_CHAN_SHM) != 0;
    int nodes = shm ? at->nnodes : at->size, ppn = shm ? at->max_ppn : 1;
    memset(out, 0, sizeof *out);
    if (!fits(at->size, at->nnodes, at->max_ppn))
        return vc_fail(VC_ERR_INVAL, "%d ranks cannot be placed on %d nodes with %d on the fullest", at->size,
                       at->nnodes, at->max_ppn);
    out->mem = malloc((3 * (size_t)at->size + (size_t)nodes + 1) * sizeof *out->mem);
    if (!out->mem)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the placement of %d ranks", at->size);
    fill_hier(out, at->size, nodes, ppn);
    bool node = shm && ppn > 1, verbs = at->have_verbs && (params->channels & VC_CHAN_VERBS);
    struct vc_topo_key *key = &out->key;
    *key = *at;
    key->nnodes = nodes;
    key->max_ppn = ppn;
    key->have_node = node;
    key->have_cma = node && params->cma;
    key->have_bulk = node && at->have_bulk;
    key->have_chan = verbs || (params->channels & VC_CHAN_MPI) || (node && nodes == 1);
    key->have_verbs = verbs;
    key->no_mpi = !(params->channels & VC_CHAN_MPI);
    key->reproducible = params->reproducible;
    key->hier = &out->hier;
    return VC_OK;
}

void table_key_free(struct table_key *k)
{
    free(k->mem);
    memset(k, 0, sizeof *k);
}
