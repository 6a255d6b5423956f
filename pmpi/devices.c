/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/devices.h"
#include "pmpi/gather.h"

#include "pmpi/fabric.h"
#include "pmpi/table.h"
#include "pmpi/world.h"
#include "transport/topology/rdma.h"
#include "tune/select/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vc_devices vc_devices = {.platform = -1};

/* ---- keys of tables ---- */

enum { FACTS = 1 + VC_TABLE_DEVICE };

/* One reduction finds the least of each number and of its negative, and so whether all ranks have the same.
 */
int vc_devices_agree(void)
{
    struct vc_devices *d = &vc_devices;
    const struct vc_world *w = &vc_world;
    int mine[2 * FACTS], all[2 * FACTS];
    struct vc_platform p;
    d->platform = -1;
    d->rdma[0] = '\0';
    if (w->prints) /* some ranks are disabled and do not come here */
        return VC_OK;
    vc_platform_detect(NULL, NULL, &p);
    d->platform = (int)p.class;
    if (vc_fabric)
        vc_rdma_model(NULL, vc_verbs_dev(vc_fabric)->name, d->rdma, sizeof d->rdma);
    if (w->size == 1)
        return VC_OK;
    memset(mine, 0, sizeof mine);
    mine[0] = d->platform;
    for (int i = 0; d->rdma[i]; i++)
        mine[1 + i] = (unsigned char)d->rdma[i];
    for (int i = 0; i < FACTS; i++)
        mine[FACTS + i] = -mine[i];
    vc_told_collective(sizeof mine);
    if (vc_next.Allreduce(mine, all, 2 * FACTS, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed right after MPI_Init");
    if (all[0] != -all[FACTS])
        d->platform = -1;
    for (int i = 1; i < FACTS; i++)
        if (all[i] != -all[FACTS + i])
            d->rdma[0] = '\0';
    return VC_OK;
}

/* The world as a communicator of all ranks would be. */
static void world_key(struct vc_topo_key *key)
{
    const struct vc_world *w = &vc_world;
    bool shm = (vc_params.channels & VC_CHAN_SHM) != 0;
    memset(key, 0, sizeof *key);
    key->size = w->size;
    key->max_ppn = 1;
    key->have_bulk = vc_params.shm_bulk > 0;
    key->have_verbs = vc_fabric_used();
    key->platform = vc_devices.platform;
    memcpy(key->device, vc_devices.rdma, sizeof key->device);
    for (int os = 0; os < w->nos; os++) {
        int ranks = w->os_ranks[os], ppn;
        ppn = !shm                                                       ? 1
              : vc_params.node_split > 0 && vc_params.node_split < ranks ? vc_params.node_split
                                                                         : ranks;
        key->nnodes += (ranks + ppn - 1) / ppn;
        if (ppn > key->max_ppn)
            key->max_ppn = ppn;
        key->crowded |= w->os_crowded[os];
    }
}

/* ---- completion queues ---- */

static void use_moderation(const struct vc_param_moderation *m)
{
    struct vc_cq_mod latency = {m->latency.count, m->latency.period}, bulk = {m->bulk.count, m->bulk.period};
    int err = vc_verbs_set_moderation(vc_fabric, &latency, &bulk);
    if (err == VC_ERR_UNSUPPORTED)
        vc_log(VC_LOG_DEBUG, "moderation of the table: %s", vc_error_text());
    else if (err != VC_OK && vc_world.rank == 0)
        vc_log(VC_LOG_WARN, "moderation of the tuning table %s: %s", vc_world_table->origin, vc_error_text());
}

/* ---- interrupts ---- */

static struct vc_coalesce_saved saved;

/* Whether some wanted value is not the one that the interface has. */
static bool is_missing(const struct vc_coalesce *have, const struct vc_coalesce *want)
{
    for (int i = 0; i < VC_COALESCE_FIELDS; i++)
        if (vc_coalesce_has(want, (enum vc_coalesce_field)i) &&
            !(vc_coalesce_has(have, (enum vc_coalesce_field)i) && have->value[i] == want->value[i]))
            return true;
    return false;
}

static void suggest_coalescing(const char *netdev, const struct vc_coalesce *want)
{
    struct vc_coalesce have;
    char is[256], should[256];
    if (vc_coalesce_get(NULL, netdev, &have) != VC_OK) {
        vc_log(VC_LOG_DEBUG, "coalescing of the table: %s", vc_error_text());
        return;
    }
    if (is_missing(&have, want))
        vc_log(VC_LOG_INFO,
               "the tuning table suggests for %s: %s; there is: %s (VCOLL_COALESCING=apply sets it while the "
               "program runs)",
               netdev, vc_coalesce_text(want, should, sizeof should), vc_coalesce_text(&have, is, sizeof is));
}

static void apply_coalescing(const char *netdev, const struct vc_coalesce *want)
{
    struct vc_coalesce now;
    char text[256];
    int rc = vc_coalesce_set(NULL, netdev, want, &saved, &now);
    if (rc < 0)
        vc_log(VC_LOG_WARN, "VCOLL_COALESCING=apply: %s", vc_error_text());
    else
        vc_log(VC_LOG_INFO, "coalescing of %s is now: %s", netdev, vc_coalesce_text(&now, text, sizeof text));
}

/* By the first rank of each operating system. */
static void use_coalescing(const struct vc_coalesce *want)
{
    const struct vc_verbs_dev *dev = vc_verbs_dev(vc_fabric);
    char netdev[VC_NETDEV_NAME];
    if (!want->has || vc_params.coalescing == VC_COALESCING_IGNORE || vc_world.nkin == 0 ||
        vc_world.kin[0].rank != vc_world.rank)
        return;
    bool sets = vc_params.coalescing == VC_COALESCING_APPLY;
    if (vc_rdma_netdev(NULL, dev->name, dev->port, netdev, sizeof netdev) != VC_OK)
        vc_log(sets ? VC_LOG_WARN : VC_LOG_DEBUG, "coalescing of the tuning table: %s", vc_error_text());
    else if (sets)
        apply_coalescing(netdev, want);
    else
        suggest_coalescing(netdev, want);
}

void vc_devices_restore(void)
{
    if (vc_coalesce_restore(NULL, &saved) != VC_OK)
        vc_log(VC_LOG_WARN, "coalescing of %s stays changed: %s", saved.netdev, vc_error_text());
}

/* A program may exit without MPI_Finalize. */
static void __attribute__((destructor)) at_exit(void)
{
    vc_devices_restore();
}

/* ---- the table's row ---- */

void vc_devices_apply(bool own_moderation)
{
    struct vc_topo_key key;
    if (!vc_world_table || !vc_fabric)
        return;
    world_key(&key);
    const struct vc_device_row *row = vc_table_device(vc_world_table, &key);
    if (!row)
        return;
    if (row->cq.given && !own_moderation)
        use_moderation(&row->cq);
    use_coalescing(&row->coalesce);
}
