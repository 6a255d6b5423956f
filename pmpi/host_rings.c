/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/host_rings.h"
#include "pmpi/gather.h"

#include "pmpi/share.h"
#include "pmpi/vote.h"
#include "transport/ivshmem/chan.h"

#include <stdlib.h>

/* Memory of a rank for the rings of a channel, but not more than one part of so many of its region. */
#define BUDGET ((size_t)256 << 10)
#define PARTS  8

static int sharing_of(const struct vc_team *t, int rank)
{
    return vc_hosts_sharing(t->world[rank]);
}

bool vc_host_rings_reach_all(const struct vc_team *t)
{
    int first = sharing_of(t, 0);
    if (first < 0 || t->hier.nnodes < 2)
        return false;
    for (int r = 1; r < t->size; r++)
        if (sharing_of(t, r) != first)
            return false;
    return true;
}

/* From the most ranks of other nodes that a rank receives within its host. The same on all ranks. */
static int find_senders(const struct vc_team *t, int *count)
{
    int most = 0;
    for (int r = 0; r < t->size; r++)
        count[r] = 0;
    /* A sharing number is that of a machine, and there are at most as many machines as ranks in the world,
     * but maybe more than ranks here: they are counted at the first rank that has them. */
    for (int r = 0; r < t->size; r++) {
        int s = sharing_of(t, r), first = 0;
        if (s < 0)
            continue;
        while (sharing_of(t, first) != s)
            first++;
        count[first]++;
    }
    for (int r = 0; r < t->size; r++) {
        int s = sharing_of(t, r), first = 0;
        if (s < 0)
            continue;
        while (sharing_of(t, first) != s)
            first++;
        int senders = count[first] - vc_hier_node_size(&t->hier, t->hier.node_of[r]);
        most = senders > most ? senders : most;
    }
    return most;
}

static size_t budget(void)
{
    return vc_min_size(vc_hosts_region() / PARTS, BUDGET);
}

static int check_machine(void *arg, int rank)
{
    const struct vc_team *t = arg;
    return vc_hosts_check(t->world[rank]);
}

/* What the ranks must know of each other to make it. */
struct making {
    struct vc_offer mine, *all; /* [size] */
    int *machine;               /* [size] nodes of this host, -1: another host */
    char **mem;                 /* [size] */
    int senders;
    size_t bytes;
    uint64_t key;
};

static bool shares(const struct vc_team *t)
{
    int n = 0;
    for (int r = 0; r < t->size; r++)
        n += t->hier.node_of[r] != t->mine && sharing_of(t, r) == sharing_of(t, t->rank);
    return sharing_of(t, t->rank) >= 0 && n > 0;
}

static void offer_memory(const struct vc_team *t, struct making *m, struct vc_team_chan *c)
{
    m->mine = (struct vc_offer){0};
    if (!shares(t))
        return;
    if (!vc_hosts_take(m->bytes, &c->host_rings)) {
        m->mine.what_at = VC_OFFER_FULL;
        return;
    }
    m->mine.what_at = c->host_rings.at;
    vc_ivshmem_chan_prepare(vc_hosts_at(t->world[t->rank], c->host_rings.at, m->bytes), m->senders, budget(),
                            m->key);
}

static int make_own(struct vc_team *t, struct making *m, struct vc_chan **out)
{
    int own = sharing_of(t, t->rank);
    if (!shares(t))
        return VC_OK;
    for (int r = 0; r < t->size; r++) {
        bool here = sharing_of(t, r) == own;
        m->machine[r] = here ? t->hier.node_of[r] : -1;
        m->mem[r] = here ? vc_hosts_at(t->world[r], m->all[r].what_at & VC_OFFER_PLACE, m->bytes) : NULL;
    }
    struct vc_ivshmem_chan_cfg cfg = {.size = t->size,
                                      .rank = t->rank,
                                      .machine = m->machine,
                                      .mem = m->mem,
                                      .senders = m->senders,
                                      .budget = budget(),
                                      .key = m->key,
                                      .check = check_machine,
                                      .arg = t};
    return vc_ivshmem_chan_create(&cfg, out);
}

static int exchange_and_make(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct making *m,
                             struct vc_chan **out, int *err)
{
    int number = (int)(c - t->chan);
    uint64_t of[3] = {t->id, (uint64_t)number, vc_hosts_nonce()};
    m->key = vc_hash(VC_HASH_START, of, sizeof of);
    m->bytes = vc_ivshmem_chan_bytes(m->senders, budget());
    offer_memory(t, m, c);
    /* Ranks of other machines are to be known as well. */
    vc_told_collective(sizeof m->mine);
    if (vc_next.Allgather(&m->mine, (int)sizeof m->mine, MPI_BYTE, m->all, (int)sizeof *m->all, MPI_BYTE,
                          comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Allgather failed in the set-up of a channel");
    for (int r = 0; r < t->size; r++)
        if (m->all[r].what_at & VC_OFFER_FULL) {
            vc_hosts_give(&c->host_rings);
            if (t->rank == 0)
                vc_log(VC_LOG_INFO, "rank %d has no memory of its host left for a communicator of %d ranks",
                       t->world[r], t->size);
            return 0;
        }
    *err = make_own(t, m, out);
    return 1;
}

int vc_host_rings_make(struct vc_team *t, MPI_Comm comm, struct vc_team_chan *c, struct vc_chan **out,
                       int *err)
{
    *out = NULL;
    *err = VC_OK;
    if (!vc_hosts_on || t->hier.nnodes < 2)
        return 0;
    size_t n = (size_t)t->size;
    struct making m = {.all = malloc(n * sizeof *m.all),
                       .machine = calloc(n, sizeof *m.machine),
                       .mem = malloc(n * sizeof *m.mem)};
    bool enough = m.all && m.machine && m.mem;
    if (!enough)
        vc_fail(VC_ERR_NOMEM, "out of memory for a communicator of %d ranks", t->size);
    /* A rank that fails would leave the others waiting in the exchange. */
    int got = vc_vote_all(t, comm, enough);
    if (got > 0) {
        m.senders = find_senders(t, m.machine);
        got = m.senders > 0 ? exchange_and_make(t, comm, c, &m, out, err) : 0;
    }
    free(m.all);
    free(m.machine);
    free(m.mem);
    return got;
}
