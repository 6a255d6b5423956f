/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/hosts.h"

#include "pmpi/gather.h"
#include "pmpi/world.h"
#include "transport/ivshmem/lease.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory of each rank, if there is enough for all of its machine, and the least that makes sense. A machine
 * takes one part of so many of the whole. */
#define REGION_MOST  ((size_t)2 << 20)
#define REGION_LEAST ((size_t)64 << 10)
#define ARENA_PARTS  16

bool vc_hosts_on;

/* What a rank tells the others of the memory. The first rank of a machine has the lease. */
struct introduction {
    int32_t err, pad;
    struct vc_lease lease;
    uint64_t each; /* bytes of a region */
};

/* What it tells of the machines whose leases it has seen: the first of them, how many, and which. */
struct sight {
    int32_t first, count;
    uint64_t which;
};

struct machine {
    int lead;  /* its first rank */
    int ranks; /* how many */
    int sharing;
    struct vc_lease lease;
    uint64_t each;
    /* as last seen by this rank while it waited */
    uint64_t beat, beat_at, looked_at;
};

static struct {
    int *machine_of, *index; /* [size] of a rank: its machine, and its number there */
    int *host;               /* [n] of a machine */
    struct machine *machine; /* [n] */
    int n, mine;
    uint64_t nonce;
    struct vc_bar bar;
    struct vc_leases *leases;
    struct vc_mem_ranges ranges; /* of this rank's region */
} all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the ranges, and of what was seen of machines */

/* ---- machines ---- */

/* Operating systems, cut as VCOLL_NODE_SPLIT says: what makes them nodes of MPI_COMM_WORLD. */
static int number_machines(void)
{
    const struct vc_world *w = &vc_world;
    size_t n = (size_t)w->size;
    all.machine_of = malloc(n * sizeof *all.machine_of);
    all.index = malloc(n * sizeof *all.index);
    all.machine = calloc(n, sizeof *all.machine);
    int *last = calloc((size_t)w->nos, sizeof *last);
    bool enough = all.machine_of && all.index && all.machine && last;
    for (int r = 0; enough && r < w->size; r++) {
        int os = w->os_of[r], m = last[os] - 1;
        if (m < 0 || (vc_params.node_split > 0 && all.machine[m].ranks == vc_params.node_split)) {
            m = all.n++;
            last[os] = all.n;
            all.machine[m] = (struct machine){.lead = r, .sharing = -1};
        }
        all.machine_of[r] = m;
        all.index[r] = all.machine[m].ranks++;
        if (r == w->rank)
            all.mine = m;
    }
    free(last);
    if (!enough)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    return VC_OK;
}

static uint64_t host_id(int m)
{
    return vc_world.host_ids[vc_world.os_of[all.machine[m].lead]];
}

/* VCOLL_HOST_ID says that they are on different hosts, whatever they see of each other. */
static bool told_apart(int a, int b)
{
    return host_id(a) != host_id(b) && host_id(a) != VC_HASH_START && host_id(b) != VC_HASH_START;
}

/* A machine before m that is on the same host; -1: none. */
static int find_neighbour(int m, const int *first_of_os)
{
    const struct machine *me = &all.machine[m];
    int os = vc_world.os_of[me->lead];
    if (first_of_os[os] != m)
        return first_of_os[os];
    if (me->sharing >= 0 && me->sharing < m)
        return me->sharing;
    for (int k = 0; host_id(m) != VC_HASH_START && k < m; k++)
        if (host_id(k) == host_id(m))
            return k;
    return -1;
}

/* Machines that share memory or have the same VCOLL_HOST_ID are on one host. */
static int number_hosts(void)
{
    int *first_of_os = malloc((size_t)vc_world.nos * sizeof *first_of_os);
    all.host = malloc((size_t)all.n * sizeof *all.host);
    int n = 0, err = all.host && first_of_os
                         ? VC_OK
                         : vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d machines", all.n);
    for (int m = all.n - 1; err == VC_OK && m >= 0; m--)
        first_of_os[vc_world.os_of[all.machine[m].lead]] = m;
    for (int m = 0; err == VC_OK && m < all.n; m++) {
        int with = find_neighbour(m, first_of_os);
        all.host[m] = with < 0 ? n++ : all.host[with];
    }
    free(first_of_os);
    return err;
}

/* ---- the memory ---- */

/* The lease of this machine, by its first rank: its share if there is so much, or less. Only for the least is
 * it worth waiting until other machines' leases prove to be stale. */
static int take_lease(struct introduction *mine)
{
    size_t ranks = (size_t)all.machine[all.mine].ranks;
    size_t room = vc_leases_room(all.leases), each = room / ARENA_PARTS / ranks;
    each =
        each < REGION_LEAST ? REGION_LEAST : vc_min_size(each, REGION_MOST) / VC_HOSTS_UNIT * VC_HOSTS_UNIT;
    if (each > room / ranks)
        return vc_fail(VC_ERR_NOMEM,
                       "the shared memory %s has %zu bytes, too few for the %d ranks of this machine",
                       all.bar.name, all.bar.len, all.machine[all.mine].ranks);
    int err = VC_ERR_NOMEM;
    for (bool least = false; err == VC_ERR_NOMEM && !least; each = each / 2 / VC_HOSTS_UNIT * VC_HOSTS_UNIT) {
        least = each / 2 < REGION_LEAST;
        mine->each = each;
        err = vc_lease_take(all.leases, each * ranks, least, &mine->lease);
    }
    return err;
}

static int open_memory(struct introduction *mine)
{
    int err = vc_bar_open(NULL, vc_params.ivshmem, &all.bar);
    if (err == VC_OK)
        err = vc_leases_open(&all.bar, &all.leases);
    if (err == VC_OK && all.machine[all.mine].lead == vc_world.rank)
        err = take_lease(mine);
    return err;
}

static void introduce(struct introduction *mine)
{
    memset(mine, 0, sizeof *mine);
    if (strcmp(vc_params.ivshmem, "off") == 0)
        mine->err = VC_ERR_UNSUPPORTED;
    else
        mine->err = open_memory(mine);
}

/* The number of what rank r told; `at` and `run` go on from rank to rank, from zeros. */
static uint32_t told_by(const struct vc_records *in, int r, int *run, int *at)
{
    while (r >= *at + (int)in->run[*run].ranks)
        *at += (int)in->run[(*run)++].ranks;
    return in->run[*run].value;
}

/* Machines all of whose ranks have the memory; -1 for the others. *odd: a rank without it, though it should
 * have it, or -1. Returns how many, the same on all ranks. */
static int judge(const struct vc_records *in, int *odd)
{
    int usable = 0;
    *odd = -1;
    for (int r = 0, run = 0, at = 0; r < vc_world.size; r++) {
        const struct introduction *i = vc_record(in, told_by(in, r, &run, &at));
        struct machine *m = &all.machine[all.machine_of[r]];
        if (r == m->lead) {
            m->lease = i->lease;
            m->each = i->each;
        }
        if (i->err != VC_OK)
            m->lease.owner = 0;
        if (i->err != VC_OK && i->err != VC_ERR_UNSUPPORTED && *odd < 0)
            *odd = r;
    }
    for (int m = 0; m < all.n; m++)
        usable += all.machine[m].lease.owner != 0;
    return usable;
}

/* Collective: rank `odd` tells why it has none. */
static int explain(int odd, const char *mine)
{
    char why[232] = "";
    snprintf(why, sizeof why, "%s", mine);
    vc_told_collective(sizeof why);
    if (vc_next.Bcast(why, (int)sizeof why, MPI_CHAR, odd, MPI_COMM_WORLD) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Bcast failed right after MPI_Init");
    if (vc_world.rank == 0)
        vc_log(VC_LOG_WARN, "memory shared by the machines of a host is not used by that of rank %d: %s", odd,
               why);
    return VC_OK;
}

/* Whether this rank reads the machine's number. Its memory must be large enough for all of its ranks. */
static bool is_seen(int m)
{
    const struct machine *at = &all.machine[m];
    return at->each >= REGION_LEAST && at->each <= REGION_MOST && at->each % VC_HOSTS_UNIT == 0 &&
           at->lease.bytes == at->each * (uint64_t)at->ranks && vc_lease_seen(all.leases, &at->lease) &&
           !told_apart(m, all.mine);
}

static void look(struct sight *s)
{
    *s = (struct sight){.first = -1, .which = VC_HASH_START};
    if (!all.leases || !all.machine[all.mine].lease.owner || !is_seen(all.mine))
        return;
    for (int m = 0; m < all.n; m++) {
        if (!is_seen(m))
            continue;
        s->first = s->first < 0 ? m : s->first;
        s->count++;
        s->which = vc_hash(s->which, &m, sizeof m);
    }
}

/* What the first rank of a machine has seen. */
static const struct sight *seen_from(const struct vc_records *seen, const uint32_t *of_lead, int m)
{
    return vc_record(seen, of_lead[m]);
}

/* Machines share memory if all their ranks see the same ones, and these are they. */
static void compare(const struct vc_records *seen, const uint32_t *of_lead)
{
    vc_hosts_on = false;
    for (int first = 0; first < all.n; first++) {
        const struct sight *model = seen_from(seen, of_lead, first);
        struct sight found = {.first = first, .which = VC_HASH_START};
        if (model->first != first || model->count < 2)
            continue;
        for (int m = 0; m < all.n; m++)
            if (seen_from(seen, of_lead, m)->first == first) {
                found.count++;
                found.which = vc_hash(found.which, &m, sizeof m);
            }
        bool all_same = memcmp(&found, model, sizeof found) == 0;
        for (int r = 0, run = 0, at = 0; all_same && r < vc_world.size; r++) {
            uint32_t told = told_by(seen, r, &run, &at);
            if (seen_from(seen, of_lead, all.machine_of[r])->first == first)
                all_same = told == of_lead[first];
        }
        for (int m = 0; all_same && m < all.n; m++)
            if (seen_from(seen, of_lead, m)->first == first)
                all.machine[m].sharing = first;
        vc_hosts_on |= all_same;
    }
}

/* Collective. */
static int exchange_sights(void)
{
    struct vc_records seen;
    struct sight sight;
    uint32_t *of_lead = malloc((size_t)all.n * sizeof *of_lead);
    if (!of_lead)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d machines", all.n);
    look(&sight);
    int err = vc_gather_world(&sight, sizeof sight, false, &seen);
    if (err == VC_OK) {
        for (int m = 0, run = 0, at = 0; m < all.n; m++) /* they are numbered by their first ranks */
            of_lead[m] = told_by(&seen, all.machine[m].lead, &run, &at);
        compare(&seen, of_lead);
        vc_records_free(&seen);
    }
    free(of_lead);
    return err;
}

/* Collective. */
static int find_sharing(void)
{
    struct introduction mine;
    struct vc_records in;
    char why[232] = "";
    int odd, usable;
    introduce(&mine);
    if (mine.err != VC_OK)
        snprintf(why, sizeof why, "%s", vc_error_text());
    int err = vc_gather_world(&mine, sizeof mine, false, &in);
    if (err != VC_OK)
        return err;
    usable = judge(&in, &odd);
    vc_records_free(&in);
    if (odd >= 0)
        err = explain(odd, why);
    return err == VC_OK && usable > 1 ? exchange_sights() : err;
}

static void close_memory(void)
{
    struct machine *me = all.machine ? &all.machine[all.mine] : NULL;
    if (all.leases && me && me->lease.owner != 0 && me->sharing >= 0)
        vc_lease_leave(all.leases, &me->lease, (unsigned)me->ranks);
    vc_leases_close(all.leases);
    vc_bar_close(&all.bar);
    all.leases = NULL;
}

int vc_hosts_init(void)
{
    const struct vc_world *w = &vc_world;
    bool wanted = (vc_params.channels & VC_CHAN_IVSHMEM) && w->size > 1 && !w->prints;
    int err = number_machines();
    if (err == VC_OK && wanted && all.n > 1)
        err = find_sharing();
    if (err == VC_OK)
        err = number_hosts();
    if (err != VC_OK)
        return err;
    const struct machine *me = &all.machine[all.mine];
    if (me->sharing < 0) {
        close_memory();
        return VC_OK;
    }
    all.nonce = all.machine[me->sharing].lease.owner;
    if (w->rank == me->lead)
        vc_log(VC_LOG_INFO, "%d machines share memory of their host: %s, %zu KiB for each rank",
               vc_hosts_machines(), all.bar.name, (size_t)me->each >> 10);
    return VC_OK;
}

void vc_hosts_fini(void)
{
    close_memory();
    free(all.machine_of);
    free(all.index);
    free(all.host);
    free(all.machine);
    vc_mem_ranges_free(&all.ranges);
    memset(&all, 0, sizeof all);
    vc_hosts_on = false;
}

/* ---- questions ---- */

int vc_hosts_sharing(int world_rank)
{
    return vc_hosts_on ? all.machine[all.machine_of[world_rank]].sharing : -1;
}

int vc_hosts_number(int world_rank)
{
    return all.host[all.machine_of[world_rank]];
}

uint64_t vc_hosts_nonce(void)
{
    return all.nonce;
}

int vc_hosts_machines(void)
{
    int n = 0, sharing = all.machine[all.mine].sharing;
    for (int m = 0; sharing >= 0 && m < all.n; m++)
        n += all.machine[m].sharing == sharing;
    return n;
}

/* ---- ranges ---- */

size_t vc_hosts_region(void)
{
    uint64_t least = REGION_MOST;
    for (int m = 0; m < all.n; m++)
        if (all.machine[m].sharing >= 0 && all.machine[m].each < least)
            least = all.machine[m].each;
    return vc_hosts_on ? least : 0;
}

static size_t own_region(void)
{
    return all.leases ? all.machine[all.mine].each : 0;
}

bool vc_hosts_take(size_t bytes, struct vc_mem_range *out)
{
    size_t units = (bytes + VC_HOSTS_UNIT - 1) / VC_HOSTS_UNIT, end = own_region() / VC_HOSTS_UNIT;
    memset(out, 0, sizeof *out);
    if (units == 0 || units > end)
        return false;
    pthread_mutex_lock(&lock);
    bool got = vc_mem_ranges_take(&all.ranges, (uint32_t)end, (uint32_t)units, out);
    pthread_mutex_unlock(&lock);
    return got;
}

void vc_hosts_give(struct vc_mem_range *range)
{
    if (range->units == 0)
        return;
    pthread_mutex_lock(&lock);
    vc_mem_ranges_give(&all.ranges, range->at);
    pthread_mutex_unlock(&lock);
    memset(range, 0, sizeof *range);
}

char *vc_hosts_at(int world_rank, uint32_t at, size_t bytes)
{
    const struct machine *m = &all.machine[all.machine_of[world_rank]];
    size_t from = (size_t)at * VC_HOSTS_UNIT;
    if (!all.leases || m->sharing < 0 || m->sharing != all.machine[all.mine].sharing || from > m->each ||
        bytes > m->each - from)
        return NULL;
    char *mem = vc_lease_memory(all.leases, &m->lease);
    return mem ? mem + (size_t)all.index[world_rank] * m->each + from : NULL;
}

/* ---- life ---- */

/* A heart that stands still counts while this rank watches it: pauses between two looks do not. */
static int check_heart(struct machine *m, int world_rank)
{
    uint64_t now = vc_now_ns(), beat = vc_lease_beat(all.leases, m->lease.number);
    if (beat != m->beat || now - m->looked_at > VC_LEASE_STALE_NS) {
        m->beat = beat;
        m->beat_at = now;
    }
    m->looked_at = now;
    if (now - m->beat_at < VC_LEASE_DEAD_NS)
        return VC_OK;
    return vc_fail(VC_ERR_PEER, "the machine of rank %d has shown no sign of life for %d s", world_rank,
                   (int)(VC_LEASE_DEAD_NS / 1000000000u));
}

int vc_hosts_check(int world_rank)
{
    struct machine *m = &all.machine[all.machine_of[world_rank]], *me = &all.machine[all.mine];
    if (!all.leases)
        return VC_OK;
    if (!vc_lease_seen(all.leases, &me->lease))
        return vc_fail(VC_ERR_PEER,
                       "this machine has lost its part of the memory shared on the host: it stood "
                       "still, or another program writes there");
    if (!vc_lease_seen(all.leases, &m->lease))
        return vc_fail(VC_ERR_PEER,
                       "the machine of rank %d has lost its part of the memory shared on the host: it stood "
                       "still, or another program writes there",
                       world_rank);
    pthread_mutex_lock(&lock);
    int err = check_heart(m, world_rank);
    pthread_mutex_unlock(&lock);
    return err;
}
