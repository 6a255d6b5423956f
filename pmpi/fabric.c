/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/fabric.h"

#include "pmpi/busy.h"
#include "pmpi/ft.h"
#include "pmpi/gather.h"
#include "pmpi/private_comm.h"
#include "pmpi/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    /* The helper moves some communicators while the program's own thread is in a call on another one. */
    cfg->locking = thread == MPI_THREAD_MULTIPLE || p->progress != VC_PROGRESS_OFF;
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

/* ---- fabrics ---- */

static int *port_of, *fabric_of; /* [size] */
static bool used;
/* Of a rank without a device: it takes part in making and freeing the communicator. */
static struct vc_chan *idle_boot;

bool vc_fabric_used(void)
{
    return used;
}

int vc_fabric_port(int world_rank)
{
    return port_of[world_rank];
}

int vc_fabric_of(int world_rank)
{
    return fabric_of[world_rank];
}

static int by_port(const void *a, const void *b, void *all)
{
    int x = *(const int *)a, y = *(const int *)b;
    const struct introduction *i = all;
    int order = memcmp(&i[x].address, &i[y].address, sizeof i[x].address);
    return order != 0 ? order : x - y;
}

/* Numbers the ports, and the fabrics after the first port of each: those whose addresses match its address.
 */
static bool find_fabrics(const struct introduction *all)
{
    int n = vc_world.size, with = 0, nports = 0;
    int *order = malloc((size_t)n * sizeof *order), *first = malloc((size_t)n * sizeof *first);
    struct vc_verbs_address *port = malloc((size_t)n * sizeof *port);
    bool ok = order && first && port;
    for (int r = 0; ok && r < n; r++) {
        port_of[r] = fabric_of[r] = -1;
        if (all[r].err == VC_OK)
            order[with++] = r;
    }
    if (ok)
        qsort_r(order, (size_t)with, sizeof *order, by_port, (void *)(uintptr_t)all);
    for (int i = 0; ok && i < with; i++) {
        if (i == 0 || memcmp(&all[order[i]].address, &port[nports - 1], sizeof *port) != 0) {
            first[nports] = nports;
            port[nports] = all[order[i]].address;
            for (int p = 0; p < nports && first[nports] == nports; p++)
                if (first[p] == p && vc_verbs_addresses_match(port, p, nports) == VC_OK)
                    first[nports] = p;
            nports++;
        }
        port_of[order[i]] = nports - 1;
        fabric_of[order[i]] = first[nports - 1];
    }
    free(order);
    free(first);
    free(port);
    return ok || vc_fail(VC_ERR_NOMEM, "out of memory for the ports of %d ranks", n) == VC_OK;
}

/* Whether two ranks need verbs to reach each other, and have the same fabric. */
static bool may_meet(int a, int b)
{
    bool shm = (vc_params.channels & VC_CHAN_SHM) && vc_params.node_split == 0;
    return fabric_of[a] >= 0 && fabric_of[a] == fabric_of[b] &&
           !(shm && vc_world.os_of[a] == vc_world.os_of[b]);
}

static bool any_meet(void)
{
    /* With the first rank of its fabric, or it is of another operating system than some rank there, which
     * then is. */
    for (int r = 0; r < vc_world.size; r++) {
        int first = 0;
        while (fabric_of[first] != fabric_of[r])
            first++;
        if (first != r && may_meet(first, r))
            return true;
    }
    return false;
}

enum vc_fabric_extent vc_fabric_extent(const int *world, const struct vc_hier *h)
{
    bool some = false, all = true;
    int size = h->first[h->nnodes];
    if (!used)
        return VC_FABRIC_NONE;
    for (int i = 0; i < size; i++)
        all &= fabric_of[world[i]] >= 0 && fabric_of[world[i]] == fabric_of[world[0]];
    if (all)
        return VC_FABRIC_ALL;
    for (int r = 0; r < size && !some; r++) {
        int first = 0;
        while (fabric_of[world[first]] != fabric_of[world[r]])
            first++;
        some = fabric_of[world[r]] >= 0 && h->node_of[first] != h->node_of[r];
    }
    return some ? VC_FABRIC_SOME : VC_FABRIC_NONE;
}

/* ---- what all ranks conclude alike ---- */

/* Why not all reach each other; names the first rank without a usable device, or two ranks. False: they do.
 * *quiet: nobody expects verbs. */
static bool explain(const struct introduction *all, bool *quiet, char *why, size_t len)
{
    int odd = -1, strange = -1, first = -1;
    *quiet = true;
    for (int r = 0; r < vc_world.size; r++) {
        if (all[r].err != VC_ERR_UNSUPPORTED || all[r].asked)
            *quiet = false;
        if (all[r].err != VC_OK && odd < 0)
            odd = r;
        if (first < 0 && all[r].err == VC_OK)
            first = r;
        if (first >= 0 && strange < 0 && all[r].err == VC_OK && fabric_of[r] != fabric_of[first])
            strange = r;
    }
    if (odd >= 0) {
        snprintf(why, len, "rank %d: %s", odd, all[odd].why);
    } else if (strange >= 0) {
        /* Their numbers in the text are those of the ranks. */
        struct vc_verbs_address *two = calloc((size_t)strange + 1, sizeof *two);
        if (two) {
            two[first] = all[first].address;
            two[strange] = all[strange].address;
            vc_verbs_addresses_match(two, strange, first);
        }
        snprintf(why, len, "%s", two ? vc_error_text() : "different fabrics");
        free(two);
    }
    return odd >= 0 || strange >= 0;
}

/* VC_OK, or VC_ERR_UNSUPPORTED where nothing else may carry messages. Tells which ranks do without verbs. */
static int judge(const struct introduction *all)
{
    char why[400];
    bool quiet;
    if (!explain(all, &quiet, why, sizeof why))
        return VC_OK;
    if (!(vc_params.channels & VC_CHAN_MPI)) {
        used = false;
        return vc_fail(VC_ERR_UNSUPPORTED,
                       "VCOLL_CHANNELS leaves nothing but verbs between nodes, and they cannot be used: %s",
                       why);
    }
    if (vc_world.rank == 0)
        vc_log(quiet ? VC_LOG_INFO : VC_LOG_WARN,
               used ? "verbs carry only a part of the messages between nodes, and the MPI the others: %s"
                    : "verbs cannot be used, so messages between nodes go through the MPI: %s",
               why);
    return VC_OK;
}

/* ---- set-up ---- */

static int count_usable(const struct introduction *all)
{
    int n = 0;
    for (int r = 0; r < vc_world.size; r++)
        n += all[r].err == VC_OK;
    return n;
}

/* Collective. An error is the same on all ranks, or the MPI's, or this rank's memory. */
static int exchange(const struct introduction *mine, struct introduction *all)
{
    int err = vc_gather_world(mine, all, sizeof *mine, false);
    if (err == VC_OK && !find_fabrics(all))
        err = VC_ERR_NOMEM;
    used = err == VC_OK && any_meet();
    return err;
}

/* Collective; v NULL: this rank has no device. Tells it the addresses of all. */
static int connect_peers(struct vc_verbs *v, const struct introduction *all)
{
    MPI_Comm comm = MPI_COMM_NULL;
    struct vc_chan *boot = NULL;
    int err = vc_private_comm(MPI_COMM_WORLD, &comm);
    if (err == VC_OK)
        err = vc_mpi_chan_create(comm, &boot);
    if (!v) {
        idle_boot = boot;
        return err;
    }
    struct vc_verbs_address *addresses = calloc((size_t)vc_world.size, sizeof *addresses);
    if (err == VC_OK && !addresses)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for %d addresses", vc_world.size);
    if (err == VC_OK) {
        for (int r = 0; r < vc_world.size; r++)
            if (all[r].err == VC_OK)
                addresses[r] = all[r].address;
        err = vc_verbs_peers(v, addresses, vc_world.size, vc_world.rank, boot);
    } else {
        idle_boot = boot;
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

static void free_all(void)
{
    struct vc_verbs *v = vc_fabric;
    vc_fabric = NULL;
    vc_verbs_destroy(v);
    if (idle_boot)
        idle_boot->ops->destroy(idle_boot);
    idle_boot = NULL;
    free(port_of);
    free(fabric_of);
    port_of = fabric_of = NULL;
    used = false;
}

/* In the MPI's progress: a peer may wait for something that this rank has sent over a connection that is
 * lost. The lock is for the helper, which moves channels as well. */
static int look(void)
{
    if (!vc_fabric || pthread_mutex_trylock(&vc_busy_lock) != 0)
        return 0;
    vc_verbs_look(vc_fabric);
    pthread_mutex_unlock(&vc_busy_lock);
    return 0;
}

/* At the end of MPI, where all ranks come: nobody leaves while others still need what it has sent. */
static void leave_together(void)
{
    MPI_Request all;
    int done = 0;
    if (vc_next.Ibarrier(MPI_COMM_WORLD, &all) != MPI_SUCCESS)
        return;
    for (long us = 20; vc_next.Test(&all, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done;) {
        if (vc_fabric) {
            vc_verbs_look(vc_fabric);
            if (vc_verbs_any_gone(vc_fabric))
                return; /* it does not come */
        }
        usleep((useconds_t)us);
        us = us < 1000 ? us * 2 : 1000;
    }
}

int vc_fabric_init(void)
{
    if (!is_needed())
        return VC_OK;
    size_t n = (size_t)vc_world.size;
    struct introduction mine, *all = malloc(n * sizeof *all);
    memset(&mine, 0, sizeof mine);
    port_of = malloc(n * sizeof *port_of);
    fabric_of = malloc(n * sizeof *fabric_of);
    if (!all || !port_of || !fabric_of) {
        free(all);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", vc_world.size);
    }
    struct vc_verbs_cfg cfg;
    fill_cfg(&cfg);
    mine.asked = user_asked();
    mine.err = vc_verbs_create(&cfg, &vc_fabric);
    if (mine.err == VC_OK)
        introduce(vc_fabric, &mine);
    else
        snprintf(mine.why, sizeof mine.why, "%s", vc_error_text());
    int err = exchange(&mine, all);
    if (err == VC_OK && used) {
        /* This may fail on one rank alone, so the ranks exchange once more. Then no rank uses verbs. */
        int connected = connect_peers(vc_fabric, all);
        if (mine.err == VC_OK && connected != VC_OK) {
            mine.err = connected;
            snprintf(mine.why, sizeof mine.why, "%s", vc_error_text());
        }
        int before = count_usable(all);
        err = exchange(&mine, all);
        used = used && count_usable(all) == before;
    }
    if (err == VC_OK)
        err = judge(all);
    free(all);
    if (!used)
        free_all();
    else if (vc_fabric && vc_host_call_back_seldom(look) != VC_OK)
        vc_log(VC_LOG_INFO, "the MPI's waits do not look after lost RDMA paths: %s", vc_error_text());
    return err;
}

void vc_fabric_fini(void)
{
    if (used && !vc_ft_on())
        leave_together();
    free_all();
}
