/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/fabric.h"

#include "pmpi/gather.h"
#include "pmpi/private_comm.h"
#include "pmpi/world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vc_verbs *vc_fabric;

/* What a rank tells the others of its device. */
struct introduction {
    struct vc_verbs_address address;
    int32_t err, asked;
    char why[376];
};

/* Whether some pair of ranks cannot use shared memory; the same on all ranks. */
static bool is_needed(void)
{
    unsigned c = vc_params.channels;
    if (!(c & VC_CHAN_VERBS) || vc_world.size < 2 || vc_world.prints)
        return false;
    return vc_world.nos > 1 || vc_params.node_split > 0 || !(c & VC_CHAN_SHM);
}

static void fill_cfg(struct vc_verbs_cfg *cfg)
{
    const struct vc_params *p = &vc_params;
    int thread = MPI_THREAD_SINGLE;
    vc_next.Query_thread(&thread);
    bool shm = (p->channels & VC_CHAN_SHM) && p->node_split == 0;
    int local = 0;
    while (local < vc_world.nkin && vc_world.kin[local].rank != vc_world.rank)
        local++;
    vc_params_verbs_cfg(p, cfg);
    cfg->locking = thread == MPI_THREAD_MULTIPLE;
    cfg->peers = vc_world.size - (shm ? vc_world.nkin : 1);
    cfg->procs = vc_world.size;
    cfg->local = cfg->want.local = local;
}

/* Whether the user named a device. If not, a machine without one is no reason for a warning. */
static bool user_asked(void)
{
    const struct vc_params *p = &vc_params;
    return strcmp(p->verbs_library, "libibverbs.so.1") != 0 || p->verbs_device[0] || p->verbs_port ||
           p->verbs_gid_index >= 0 || p->verbs_pkey;
}

/* What all ranks conclude alike; the first rank that has no usable device is named. */
static int judge(const struct introduction *all)
{
    bool some = false;
    int odd = -1;
    for (int r = 0; r < vc_world.size; r++) {
        if (all[r].err != VC_ERR_UNSUPPORTED || all[r].asked)
            some = true;
        if (all[r].err != VC_OK && odd < 0)
            odd = r;
    }
    if (odd < 0)
        return VC_OK;
    if (!(vc_params.channels & VC_CHAN_MPI))
        return vc_fail(VC_ERR_UNSUPPORTED,
                       "VCOLL_CHANNELS leaves nothing but verbs between nodes, and they cannot be used: rank "
                       "%d: %s",
                       odd, all[odd].why);
    if (vc_world.rank == 0)
        vc_log(some ? VC_LOG_WARN : VC_LOG_INFO,
               "verbs cannot be used, so messages between nodes go through the MPI: rank %d: %s", odd,
               all[odd].why);
    return VC_OK;
}

/* Collective. *usable: all ranks have a device. An error is the same on all ranks, or the MPI's. */
static int exchange(const struct introduction *mine, struct introduction *all, bool *usable)
{
    int err = vc_gather_world(mine, all, sizeof *mine, false);
    if (err == VC_OK)
        err = judge(all);
    *usable = err == VC_OK;
    for (int r = 0; err == VC_OK && r < vc_world.size; r++)
        *usable &= all[r].err == VC_OK;
    return err;
}

/* All ranks have a device: tells it their addresses. */
static int connect_peers(struct vc_verbs *v, const struct introduction *all)
{
    MPI_Comm comm = MPI_COMM_NULL;
    struct vc_chan *boot = NULL;
    int err = vc_private_comm(MPI_COMM_WORLD, &comm);
    if (err == VC_OK)
        err = vc_mpi_chan_create(comm, &boot);
    struct vc_verbs_address *addresses = malloc((size_t)vc_world.size * sizeof *addresses);
    if (err == VC_OK && !addresses)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for %d addresses", vc_world.size);
    if (err == VC_OK) {
        for (int r = 0; r < vc_world.size; r++)
            addresses[r] = all[r].address;
        err = vc_verbs_peers(v, addresses, vc_world.size, vc_world.rank, boot);
    } else if (boot) {
        boot->ops->destroy(boot);
    }
    free(addresses);
    return err;
}

static void introduce(const struct vc_verbs *v, struct introduction *mine)
{
    const struct vc_verbs_dev *dev = vc_verbs_dev(v);
    vc_verbs_address(v, &mine->address);
    vc_log(VC_LOG_INFO, "the RDMA device of this rank is %s, port %d", dev->name, dev->port);
}

int vc_fabric_init(void)
{
    if (!is_needed())
        return VC_OK;
    struct introduction mine, *all = malloc((size_t)vc_world.size * sizeof *all);
    struct vc_verbs *v = NULL;
    memset(&mine, 0, sizeof mine);
    if (!all)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", vc_world.size);
    struct vc_verbs_cfg cfg;
    fill_cfg(&cfg);
    mine.asked = user_asked();
    mine.err = vc_verbs_create(&cfg, &v);
    if (mine.err == VC_OK)
        introduce(v, &mine);
    else
        snprintf(mine.why, sizeof mine.why, "%s", vc_error_text());
    bool usable = false;
    int err = exchange(&mine, all, &usable);
    if (usable) {
        /* This may fail on one rank alone, so the ranks exchange once more. */
        mine.err = connect_peers(v, all);
        if (mine.err != VC_OK)
            snprintf(mine.why, sizeof mine.why, "%s", vc_error_text());
        err = exchange(&mine, all, &usable);
    }
    free(all);
    if (!usable) {
        vc_verbs_destroy(v);
        return err;
    }
    vc_fabric = v;
    return VC_OK;
}

void vc_fabric_fini(void)
{
    vc_verbs_destroy(vc_fabric);
    vc_fabric = NULL;
}

/* ---- paths ---- */

enum { ALL_PAIRS = 8, PARTNERS_MAX = 64 };

/* If this rank is the first of its node: world ranks of the first ranks of other nodes that it exchanges a
 * message with. A symmetric relation. */
static int find_partners(int rank, const int *world, const struct vc_hier *h, int *out)
{
    int k = h->nnodes, me = h->node_of[rank], n = 0;
    if (h->local_of[rank] != 0)
        return 0;
    for (int d = 1; d < k && n + 2 <= PARTNERS_MAX; d = k <= ALL_PAIRS ? d + 1 : 2 * d) {
        out[n++] = world[h->members[h->first[(me + d) % k]]];
        if (k > ALL_PAIRS)
            out[n++] = world[h->members[h->first[(me - d + k) % k]]];
    }
    return n;
}

/* A warning for the first communicator that this happens to, by its first rank. */
static void warn_unusable(int rank, const char *why)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    bool first = !atomic_flag_test_and_set(&told);
    vc_log(first && rank == 0 ? VC_LOG_WARN : VC_LOG_INFO,
           "verbs cannot be used by a communicator, whose messages between nodes %s: %s",
           vc_params.channels & VC_CHAN_MPI ? "go through the MPI" : "are left to the MPI's collectives",
           why);
}

/* Collective. VC_OK: no rank failed. Otherwise VC_ERR_UNSUPPORTED with the reason of the first that did. */
static int agree_on_paths(MPI_Comm comm, int size, int rank, int err)
{
    char why[400] = "";
    int mine = err == VC_OK ? size : rank, first = size;
    if (err != VC_OK)
        snprintf(why, sizeof why, "%s", vc_error_text());
    if (vc_next.Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed while a channel was made");
    if (first == size)
        return VC_OK;
    if (vc_next.Bcast(why, (int)sizeof why, MPI_CHAR, first, comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Bcast failed while a channel was made");
    why[sizeof why - 1] = '\0';
    warn_unusable(rank, why);
    return vc_fail(VC_ERR_UNSUPPORTED, "%s", why);
}

int vc_fabric_channel(MPI_Comm comm, int size, int rank, const int *world, const struct vc_hier *hier,
                      struct vc_chan **out)
{
    static _Atomic uint32_t made;
    int with[PARTNERS_MAX], n = find_partners(rank, world, hier, with);
    uint64_t mine[2] = {0, 0}, all[2] = {0, 0};
    *out = NULL;
    /* The first rank of the communicator numbers the channel. Unique: it gives its own number and counts. */
    if (rank == 0)
        mine[0] = (uint64_t)(uint32_t)vc_world.rank << 32 |
                  atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    for (int i = 0; i < n; i++)
        mine[1] |= !vc_verbs_proven(vc_fabric, with[i]);
    if (vc_next.Allreduce(mine, all, 2, MPI_UINT64_T, MPI_MAX, comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed while a channel was made");
    if (all[1] != 0) {
        int err = agree_on_paths(comm, size, rank, vc_verbs_prove(vc_fabric, with, n));
        if (err != VC_OK)
            return err;
    }
    struct vc_verbs_chan_cfg cfg = {
        .verbs = vc_fabric, .id = all[0], .size = size, .rank = rank, .procs = world};
    return vc_verbs_chan_create(&cfg, out);
}
