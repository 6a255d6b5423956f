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

/* What a rank tells the others of its device: all ranks of a port the same. */
struct introduction {
    struct vc_verbs_address address; /* zeros where there is an error */
    int32_t err, asked;
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

static struct vc_records cards; /* of all ranks */
static int *card_of;            /* [size] */
static int *port_of_card, *fabric_of_card;
static bool used;
/* Of a rank without a device: it takes part in making and freeing the communicator. */
static struct vc_chan *idle_boot;

bool vc_fabric_used(void)
{
    return used;
}

int vc_fabric_port(int world_rank)
{
    return port_of_card[card_of[world_rank]];
}

int vc_fabric_of(int world_rank)
{
    return fabric_of_card[card_of[world_rank]];
}

static const struct introduction *card(int i)
{
    return vc_record(&cards, (uint32_t)i);
}

static int by_port(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    int order = memcmp(&card(x)->address, &card(y)->address, sizeof card(x)->address);
    return order != 0 ? order : x - y;
}

/* Numbers the ports, and the fabrics after the first port of each: those whose addresses match its address.
 */
static bool find_fabrics(void)
{
    int n = cards.nvalues, with = 0, nports = 0;
    int *order = malloc((size_t)n * sizeof *order), *first = malloc((size_t)n * sizeof *first);
    struct vc_verbs_address *port = malloc((size_t)n * sizeof *port);
    free(port_of_card);
    free(fabric_of_card);
    port_of_card = malloc((size_t)n * sizeof *port_of_card);
    fabric_of_card = malloc((size_t)n * sizeof *fabric_of_card);
    bool ok = order && first && port && port_of_card && fabric_of_card;
    for (int i = 0; ok && i < n; i++) {
        port_of_card[i] = fabric_of_card[i] = -1;
        if (card(i)->err == VC_OK)
            order[with++] = i;
    }
    if (ok)
        qsort(order, (size_t)with, sizeof *order, by_port);
    for (int i = 0; ok && i < with; i++) {
        if (i == 0 || memcmp(&card(order[i])->address, &port[nports - 1], sizeof *port) != 0) {
            first[nports] = nports;
            port[nports] = card(order[i])->address;
            for (int p = 0; p < nports && first[nports] == nports; p++)
                if (first[p] == p && vc_verbs_addresses_match(port, p, nports) == VC_OK)
                    first[nports] = p;
            nports++;
        }
        port_of_card[order[i]] = nports - 1;
        fabric_of_card[order[i]] = first[nports - 1];
    }
    free(order);
    free(first);
    free(port);
    return ok || vc_fail(VC_ERR_NOMEM, "out of memory for the ports of %d ranks", vc_world.size) == VC_OK;
}

/* Whether two ranks need verbs to reach each other, and have the same fabric. */
static bool may_meet(int a, int b)
{
    bool shm = (vc_params.channels & VC_CHAN_SHM) && vc_params.node_split == 0;
    return vc_fabric_of(a) >= 0 && vc_fabric_of(a) == vc_fabric_of(b) &&
           !(shm && vc_world.os_of[a] == vc_world.os_of[b]);
}

static bool any_meet(void)
{
    /* With the first rank of its fabric, or it is of another operating system than some rank there, which
     * then is. */
    for (int r = 0; r < vc_world.size; r++) {
        int first = 0;
        while (vc_fabric_of(first) != vc_fabric_of(r))
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
        all &= vc_fabric_of(world[i]) >= 0 && vc_fabric_of(world[i]) == vc_fabric_of(world[0]);
    if (all)
        return VC_FABRIC_ALL;
    for (int r = 0; r < size && !some; r++) {
        int first = 0;
        while (vc_fabric_of(world[first]) != vc_fabric_of(world[r]))
            first++;
        some = vc_fabric_of(world[r]) >= 0 && h->node_of[first] != h->node_of[r];
    }
    return some ? VC_FABRIC_SOME : VC_FABRIC_NONE;
}

/* ---- what all ranks conclude alike ---- */

/* The first ranks with a card of some kind; -1: none. */
struct first {
    int odd;          /* without a usable device */
    int one, strange; /* of different fabrics */
};

/* *quiet: nobody expects verbs. */
static void find_first(struct first *f, bool *quiet)
{
    *f = (struct first){-1, -1, -1};
    *quiet = true;
    for (int i = 0, at = 0; i < cards.nruns; at += (int)cards.run[i++].ranks) {
        const struct introduction *c = card((int)cards.run[i].value);
        if (c->err != VC_ERR_UNSUPPORTED || c->asked)
            *quiet = false;
        if (c->err != VC_OK && f->odd < 0)
            f->odd = at;
        if (c->err == VC_OK && f->one < 0)
            f->one = at;
        if (c->err == VC_OK && f->strange < 0 && vc_fabric_of(at) != vc_fabric_of(f->one))
            f->strange = at;
    }
}

/* How the addresses of two ranks differ. */
static void explain_difference(const struct first *f, char *why, size_t len)
{
    /* Their numbers in the text are those of the ranks. */
    struct vc_verbs_address *two = calloc((size_t)f->strange + 1, sizeof *two);
    if (two) {
        two[f->one] = card(card_of[f->one])->address;
        two[f->strange] = card(card_of[f->strange])->address;
        vc_verbs_addresses_match(two, f->strange, f->one);
    }
    snprintf(why, len, "%s", two ? vc_error_text() : "different fabrics");
    free(two);
}

/* Collective: why not all reach each other, by the first rank without a usable device, or two ranks. `mine`:
 * why this rank has none. 0: they do. Negative: an error. */
static int explain(const struct first *f, const char *mine, char *why, size_t len)
{
    char text[376] = "";
    if (f->odd < 0 && f->strange < 0)
        return 0;
    if (f->odd < 0) {
        explain_difference(f, why, len);
        return 1;
    }
    snprintf(text, sizeof text, "%s", mine);
    vc_told_collective(sizeof text);
    if (vc_next.Bcast(text, (int)sizeof text, MPI_CHAR, f->odd, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Bcast failed right after MPI_Init");
    snprintf(why, len, "rank %d: %s", f->odd, text);
    return 1;
}

/* Collective. VC_OK, or VC_ERR_UNSUPPORTED where nothing else may carry messages. Tells which ranks do
 * without verbs. */
static int judge(const char *mine)
{
    char why[400];
    bool quiet;
    struct first f;
    find_first(&f, &quiet);
    int some = explain(&f, mine, why, sizeof why);
    if (some <= 0)
        return some;
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

static int count_usable(void)
{
    int n = 0;
    for (int i = 0; i < cards.nruns; i++)
        if (card((int)cards.run[i].value)->err == VC_OK)
            n += (int)cards.run[i].ranks;
    return n;
}

/* Collective. An error is the same on all ranks, or the MPI's, or this rank's memory. */
static int exchange(const struct introduction *mine)
{
    vc_records_free(&cards);
    int err = vc_gather_world(mine, sizeof *mine, false, &cards);
    if (err == VC_OK) {
        vc_records_spread(&cards, card_of);
        if (!find_fabrics())
            err = VC_ERR_NOMEM;
    }
    used = err == VC_OK && any_meet();
    return err;
}

/* Collective; v NULL: this rank has no device. Tells it the addresses of all. */
static int connect_peers(struct vc_verbs *v)
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
    struct vc_verbs_address *addresses = calloc((size_t)cards.nvalues, sizeof *addresses);
    if (err == VC_OK && !addresses)
        err = vc_fail(VC_ERR_NOMEM, "out of memory for %d addresses", cards.nvalues);
    if (err == VC_OK) {
        for (int i = 0; i < cards.nvalues; i++)
            addresses[i] = card(i)->address;
        err = vc_verbs_peers(v, addresses, card_of, vc_world.size, vc_world.rank, boot);
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
    vc_records_free(&cards);
    free(card_of);
    free(port_of_card);
    free(fabric_of_card);
    card_of = port_of_card = fabric_of_card = NULL;
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

/* From now on this rank has no device; `why` says the reason. */
static void note_error(struct introduction *mine, int err, char *why, size_t len)
{
    memset(&mine->address, 0, sizeof mine->address);
    mine->err = err;
    snprintf(why, len, "%s", vc_error_text());
}

int vc_fabric_init(void)
{
    char why[376] = "";
    struct introduction mine;
    if (!is_needed())
        return VC_OK;
    memset(&mine, 0, sizeof mine);
    card_of = malloc((size_t)vc_world.size * sizeof *card_of);
    if (!card_of)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", vc_world.size);
    struct vc_verbs_cfg cfg;
    fill_cfg(&cfg);
    mine.asked = user_asked();
    int got = vc_verbs_create(&cfg, &vc_fabric);
    if (got == VC_OK)
        introduce(vc_fabric, &mine);
    else
        note_error(&mine, got, why, sizeof why);
    int err = exchange(&mine);
    if (err == VC_OK && used) {
        /* This may fail on one rank alone, so the ranks exchange once more. Then no rank uses verbs. */
        int connected = connect_peers(vc_fabric);
        if (mine.err == VC_OK && connected != VC_OK)
            note_error(&mine, connected, why, sizeof why);
        int before = count_usable();
        err = exchange(&mine);
        used = used && count_usable() == before;
    }
    if (err == VC_OK)
        err = judge(why);
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
