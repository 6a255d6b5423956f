/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/world.h"

#include "pmpi/gather.h"
#include "pmpi/places.h"
#include "transport/topology/cpus.h"
#include "tune/table/table.h"

#include <stdlib.h>
#include <string.h>

struct vc_world vc_world;

/* What a rank tells all others, which is the same on most ranks of an operating system. The first field never
 * moves, so that libraries of different versions understand that they differ. */
struct who {
    uint64_t print;
    uint64_t kernel, os; /* hashes of what tells them apart */
    uint64_t host;       /* vc_place.host */
};

/* What it tells the ranks of its kernel, in whatever containers they are. */
struct facts {
    struct vc_place at;
    struct vc_peer_id peer;
    struct vc_locality locality;
    uint64_t machine;
};

/* What it tells all others once it knows these. */
struct about {
    int32_t stats;
    uint8_t crowded, one_pid_ns; /* of its operating system */
    uint8_t pad[2];
};

static int no_memory(int ranks)
{
    return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", ranks);
}

static void fill_facts(struct facts *f)
{
    memset(f, 0, sizeof *f);
    vc_os_id_get(&f->at.os);
    f->at.host = vc_hash(VC_HASH_START, vc_params.host_id, strlen(vc_params.host_id));
    f->peer = vc_peer_self();
    f->at.quota = vc_cpus_quota(NULL);
    vc_cpus_mask(f->at.mask);
    const char *n = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    f->at.local_size = n ? atoi(n) : 0;
    char processor[sizeof((struct vc_table_levels *)0)->processor];
    int cpus;
    vc_processor(NULL, processor, sizeof processor, &cpus);
    f->machine = vc_levels_machine(processor, cpus);
    vc_locality_read(NULL, f->at.mask, &f->locality);
}

static void fill_who(const struct facts *f, struct who *w)
{
    w->print = vc_params.disable ? 0 : vc_params_fingerprint(&vc_params);
    w->host = f->at.host;
    w->kernel = vc_hash(vc_hash(VC_HASH_START, f->at.os.boot_id, sizeof f->at.os.boot_id), &f->at.host,
                        sizeof f->at.host);
    w->os = vc_hash(w->kernel, &f->at.os.shm_dev, sizeof f->at.os.shm_dev);
}

/* ---- operating systems ---- */

static const struct who *who(const struct vc_records *all, int value)
{
    return vc_record(all, (uint32_t)value);
}

static int by_os(const void *a, const void *b, void *all)
{
    int x = *(const int *)a, y = *(const int *)b;
    uint64_t u = who(all, x)->os, v = who(all, y)->os;
    return u != v ? (u > v) - (u < v) : x - y;
}

/* The operating system of each value, numbered as ranks first have them. */
static bool number_systems(struct vc_world *w, struct vc_records *all, int *os_of_value)
{
    int n = all->nvalues, *order = malloc((size_t)n * sizeof *order);
    for (int i = 0; order && i < n; i++)
        order[i] = i;
    if (order)
        qsort_r(order, (size_t)n, sizeof *order, by_os, all);
    /* The first value of each stands for it, and then gets its number. */
    for (int i = 0, first = 0; order && i < n; i++) {
        if (who(all, order[i])->os != who(all, order[first])->os)
            first = i;
        os_of_value[order[i]] = order[first];
    }
    w->nos = 0;
    for (int i = 0; order && i < n; i++)
        os_of_value[i] = os_of_value[i] == i ? w->nos++ : os_of_value[os_of_value[i]];
    free(order);
    return order != NULL;
}

/* Which ranks share an operating system. */
static int find_systems(struct vc_world *w, struct vc_records *all)
{
    int *os = calloc((size_t)all->nvalues, sizeof *os);
    w->os_of = malloc((size_t)w->size * sizeof *w->os_of);
    bool ok = os && w->os_of && number_systems(w, all, os);
    size_t nos = ok && w->nos > 0 ? (size_t)w->nos : 1;
    w->os_ranks = calloc(nos, sizeof *w->os_ranks);
    w->os_crowded = calloc(nos, sizeof *w->os_crowded);
    w->os_one_pid_ns = calloc(nos, sizeof *w->os_one_pid_ns);
    w->host_ids = malloc(nos * sizeof *w->host_ids);
    ok = ok && w->os_ranks && w->os_crowded && w->os_one_pid_ns && w->host_ids;
    for (int i = 0; ok && i < all->nvalues; i++) /* ranks with different ones are in different systems */
        w->host_ids[os[i]] = who(all, i)->host;
    if (ok)
        vc_records_spread(all, w->os_of);
    for (int r = 0; ok && r < w->size; r++) {
        w->os_of[r] = os[w->os_of[r]];
        w->os_ranks[w->os_of[r]]++;
    }
    free(os);
    return ok ? VC_OK : no_memory(w->size);
}

/* Whether settings are equal everywhere. */
static int compare_prints(struct vc_world *w, const struct vc_records *all)
{
    int odd = 0;
    for (int i = 0, at = 0; !odd && i < all->nruns; at += (int)all->run[i++].ranks)
        if (who(all, (int)all->run[i].value)->print != who(all, 0)->print)
            odd = at;
    if (!odd)
        return VC_OK;
    if (w->rank == 0)
        vc_log(
            VC_LOG_WARN,
            "rank %d was started with other VCOLL_ settings, or another version of vcoll, than rank 0: "
            "communicators of ranks that differ pass through. Only settings that `vcoll info --params` calls "
            "local may differ",
            odd);
    w->prints = malloc((size_t)w->size * sizeof *w->prints);
    if (!w->prints)
        return no_memory(w->size);
    for (int i = 0, at = 0; i < all->nruns; i++)
        for (uint32_t k = 0; k < all->run[i].ranks; k++)
            w->prints[at++] = who(all, (int)all->run[i].value)->print;
    return VC_OK;
}

/* ---- the ranks of this kernel ---- */

/* They are known by what all ranks have told; NULL: no memory. */
static int *list_kernel(const struct vc_world *w, const struct vc_records *all, uint64_t kernel, int *n,
                        int *me)
{
    int *ranks = NULL;
    for (int pass = 0; pass < 2; pass++) {
        *n = 0;
        for (int i = 0, at = 0; i < all->nruns; at += (int)all->run[i++].ranks)
            for (uint32_t k = 0; who(all, (int)all->run[i].value)->kernel == kernel && k < all->run[i].ranks;
                 k++) {
                if (ranks)
                    ranks[*n] = at + (int)k;
                if (at + (int)k == w->rank)
                    *me = *n;
                (*n)++;
            }
        if (pass == 0 && (*n == 0 || !(ranks = malloc((size_t)*n * sizeof *ranks))))
            return NULL;
    }
    return ranks;
}

/* A kernel's ranks, and what they have told each other. */
struct kernel {
    int *ranks, n, me;
    struct facts *of; /* [n] */
};

/* Whether there are more ranks than CPUs in this operating system, those of other containers on the same CPUs
 * included. */
static int find_crowd(const struct kernel *k, uint8_t *crowded)
{
    size_t n = k->n > 0 ? (size_t)k->n : 1; /* at least this one */
    const struct vc_place **at = malloc(n * sizeof *at);
    struct vc_places out = {.os_of = malloc(n * sizeof(int)),
                            .os_ranks = malloc(n * sizeof(int)),
                            .crowded = calloc(n, sizeof(bool))};
    int err = at && out.os_of && out.os_ranks && out.crowded ? VC_OK : no_memory(k->n);
    for (int i = 0; err == VC_OK && i < k->n; i++)
        at[i] = &k->of[i].at;
    if (err == VC_OK)
        err = vc_places_find(at, k->n, &out);
    if (err == VC_OK)
        *crowded = out.crowded[out.os_of[k->me]];
    free(at);
    free(out.os_of);
    free(out.os_ranks);
    free(out.crowded);
    return err;
}

/* Which CPUs they may use. */
static int find_claims(struct vc_world *w, const struct kernel *k)
{
    w->claims = k->n > 0 ? calloc((size_t)k->n, sizeof *w->claims) : NULL;
    if (!w->claims)
        return no_memory(k->n);
    w->nclaims = k->n;
    w->claim = k->me;
    for (int i = 0; i < k->n; i++) {
        const struct vc_place *at = &k->of[i].at;
        struct vc_cpu_claim *claim = &w->claims[i];
        memcpy(claim->mask, at->mask, sizeof claim->mask);
        claim->quota = at->quota;
        claim->os = w->os_of[k->ranks[i]];
        claim->procs = 1;
    }
    return VC_OK;
}

/* Those of the same operating system; and whether they share a pid namespace. */
static int find_kin(struct vc_world *w, const struct kernel *k, uint8_t *one_pid_ns)
{
    const struct facts *me = &k->of[k->me];
    int mine = w->os_of[w->rank];
    w->kin = calloc((size_t)w->os_ranks[mine], sizeof *w->kin);
    if (!w->kin)
        return no_memory(w->os_ranks[mine]);
    *one_pid_ns = 1;
    for (int i = 0; i < k->n; i++) {
        const struct facts *f = &k->of[i];
        if (w->os_of[k->ranks[i]] != mine)
            continue;
        struct vc_kin *kin = &w->kin[w->nkin++];
        kin->rank = k->ranks[i];
        kin->place = -1;
        if (f->at.os.pid_ns == me->at.os.pid_ns && me->at.os.pid_ns != 0)
            kin->id = f->peer;
        else
            *one_pid_ns = 0;
        kin->locality = f->locality;
        kin->machine = f->machine;
        memcpy(kin->mask, f->at.mask, sizeof kin->mask);
    }
    return VC_OK;
}

static int meet_kernel(struct vc_world *w, const struct vc_records *all, const struct facts *mine,
                       uint64_t kernel, struct about *about)
{
    struct kernel k = {.ranks = NULL};
    k.ranks = list_kernel(w, all, kernel, &k.n, &k.me);
    k.of = k.ranks && k.n > 0 ? calloc((size_t)k.n, sizeof *k.of) : NULL;
    int err = k.of ? VC_OK : no_memory(w->size);
    if (err == VC_OK)
        err = vc_gather_among(k.ranks, k.n, k.me, mine, k.of, sizeof *mine);
    if (err == VC_OK)
        err = find_crowd(&k, &about->crowded);
    if (err == VC_OK)
        err = find_claims(w, &k);
    if (err == VC_OK)
        err = find_kin(w, &k, &about->one_pid_ns);
    free(k.ranks);
    free(k.of);
    return err;
}

/* ---- the whole ---- */

static void conclude(struct vc_world *w, const struct vc_records *all)
{
    const struct about *first = vc_record(all, 0);
    w->stats_agreed = true;
    for (int i = 0, at = 0; i < all->nruns; i++) {
        const struct about *a = vc_record(all, all->run[i].value);
        w->stats_agreed &= a->stats == first->stats;
        for (uint32_t k = 0; k < all->run[i].ranks; k++, at++) {
            w->os_crowded[w->os_of[at]] = a->crowded;
            w->os_one_pid_ns[w->os_of[at]] = a->one_pid_ns;
        }
    }
}

int vc_world_init(void)
{
    struct vc_world *w = &vc_world;
    struct vc_records all;
    struct facts mine;
    struct who me;
    struct about about;
    vc_next.Comm_size(MPI_COMM_WORLD, &w->size);
    vc_next.Comm_rank(MPI_COMM_WORLD, &w->rank);
    fill_facts(&mine);
    fill_who(&mine, &me);
    int err = vc_gather_world(&me, sizeof me, true, &all);
    if (err != VC_OK)
        return err;
    memset(&about, 0, sizeof about);
    /* A rank where vcoll is disabled takes no part in adding up statistics. */
    about.stats = vc_params.disable ? VC_STATS_OFF : (int32_t)vc_params.stats;
    err = find_systems(w, &all);
    if (err == VC_OK)
        err = compare_prints(w, &all);
    if (err == VC_OK)
        err = meet_kernel(w, &all, &mine, me.kernel, &about);
    vc_records_free(&all);
    if (err != VC_OK || (err = vc_gather_world(&about, sizeof about, false, &all)) != VC_OK)
        return err;
    conclude(w, &all);
    vc_records_free(&all);
    return VC_OK;
}

void vc_world_fini(void)
{
    free(vc_world.os_of);
    free(vc_world.os_ranks);
    free(vc_world.os_crowded);
    free(vc_world.os_one_pid_ns);
    free(vc_world.host_ids);
    free(vc_world.prints);
    free(vc_world.kin);
    free(vc_world.claims);
    memset(&vc_world, 0, sizeof vc_world);
}

const struct vc_kin *vc_world_kin(int rank)
{
    int lo = 0, hi = vc_world.nkin;
    if (rank < hi && vc_world.kin[rank].rank == rank) /* those of one operating system come first */
        return &vc_world.kin[rank];
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (vc_world.kin[mid].rank < rank)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < vc_world.nkin && vc_world.kin[lo].rank == rank ? &vc_world.kin[lo] : NULL;
}
