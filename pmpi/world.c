/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/world.h"

#include "pmpi/gather.h"
#include "pmpi/places.h"
#include "transport/topology/cpus.h"
#include "tune/table/table.h"

#include <stdlib.h>
#include <string.h>

struct vc_world vc_world;

/* What a rank tells the others. The first fields never move, so that libraries of different versions
 * understand that they differ. */
struct facts {
    uint64_t print;
    struct vc_place at;
    struct vc_peer_id peer;
    int32_t stats;
    struct vc_locality locality;
    uint64_t machine;
};

static void fill_facts(struct facts *f)
{
    memset(f, 0, sizeof *f);
    f->print = vc_params.disable ? 0 : vc_params_fingerprint(&vc_params);
    /* A rank where vcoll is disabled takes no part in adding up statistics. */
    f->stats = vc_params.disable ? VC_STATS_OFF : (int32_t)vc_params.stats;
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

/* Which ranks share an operating system. */
static int find_places(struct vc_world *w, const struct facts *of)
{
    size_t n = (size_t)w->size;
    const struct vc_place **at = malloc(n * sizeof *at);
    w->os_of = malloc(n * sizeof *w->os_of);
    w->os_ranks = malloc(n * sizeof *w->os_ranks);
    w->os_crowded = calloc(n, sizeof *w->os_crowded);
    struct vc_places out = {.os_of = w->os_of, .os_ranks = w->os_ranks, .crowded = w->os_crowded};
    int err = at && w->os_of && w->os_ranks && w->os_crowded
                  ? VC_OK
                  : vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    if (err == VC_OK) {
        for (size_t r = 0; r < n; r++)
            at[r] = &of[r].at;
        err = vc_places_find(at, w->size, &out);
        w->nos = out.nos;
    }
    free(at);
    return err;
}

/* Which CPUs the ranks of this kernel may use, in whatever containers they are. */
static int find_claims(struct vc_world *w, const struct facts *of)
{
    const struct facts *me = &of[w->rank];
    w->claims = calloc((unsigned)w->size, sizeof *w->claims);
    if (!w->claims)
        return VC_ERR_NOMEM;
    for (int r = 0; r < w->size; r++) {
        const struct facts *f = &of[r];
        if (memcmp(f->at.os.boot_id, me->at.os.boot_id, sizeof me->at.os.boot_id) != 0 ||
            f->at.host != me->at.host)
            continue;
        struct vc_cpu_claim *claim = &w->claims[w->nclaims];
        if (r == w->rank)
            w->claim = w->nclaims;
        memcpy(claim->mask, f->at.mask, sizeof claim->mask);
        claim->quota = f->at.quota;
        claim->os = w->os_of[r];
        claim->procs = 1;
        w->nclaims++;
    }
    return VC_OK;
}

static int find_kin(struct vc_world *w, const struct facts *of)
{
    const struct facts *me = &of[w->rank];
    int mine = w->os_of[w->rank];
    w->nkin = w->os_ranks[mine];
    w->kin = calloc((size_t)w->nkin, sizeof *w->kin);
    if (!w->kin)
        return VC_ERR_NOMEM;
    int n = 0;
    for (int r = 0; r < w->size; r++) {
        if (w->os_of[r] != mine)
            continue;
        bool same_ns = of[r].at.os.pid_ns == me->at.os.pid_ns && me->at.os.pid_ns != 0;
        w->kin[n].rank = r;
        w->kin[n].place = -1;
        if (same_ns)
            w->kin[n].id = of[r].peer;
        w->kin[n].locality = of[r].locality;
        w->kin[n].machine = of[r].machine;
        memcpy(w->kin[n].mask, of[r].at.mask, sizeof w->kin[n].mask);
        n++;
    }
    return VC_OK;
}

/* Ranks with different ones are in different operating systems. */
static int keep_host_ids(struct vc_world *w, const struct facts *of)
{
    w->host_ids = malloc((size_t)w->nos * sizeof *w->host_ids);
    for (int r = 0; w->host_ids && r < w->size; r++)
        w->host_ids[w->os_of[r]] = of[r].at.host;
    return w->host_ids ? VC_OK : VC_ERR_NOMEM;
}

/* Whether the ranks of each operating system share a pid namespace. */
static int find_pid_namespaces(struct vc_world *w, const struct facts *of)
{
    uint64_t *ns = calloc((size_t)w->nos, sizeof *ns); /* of each one's lowest rank */
    w->os_one_pid_ns = malloc((size_t)w->nos * sizeof *w->os_one_pid_ns);
    for (int r = 0, seen = 0; ns && w->os_one_pid_ns && r < w->size; r++) {
        int os = w->os_of[r];
        bool lowest = os == seen; /* they are numbered by their lowest rank */
        if (lowest)
            ns[seen++] = of[r].at.os.pid_ns;
        bool same = of[r].at.os.pid_ns == ns[os] && ns[os] != 0;
        w->os_one_pid_ns[os] = same && (lowest || w->os_one_pid_ns[os]);
    }
    free(ns);
    return ns && w->os_one_pid_ns ? VC_OK : VC_ERR_NOMEM;
}

static int draw_conclusions(struct vc_world *w, const struct facts *of)
{
    int err = find_places(w, of);
    if (err != VC_OK)
        return err;
    if (keep_host_ids(w, of) != VC_OK || find_pid_namespaces(w, of) != VC_OK || find_kin(w, of) != VC_OK ||
        find_claims(w, of) != VC_OK)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);

    int odd = 0;
    w->stats_agreed = true;
    for (int r = 0; r < w->size; r++) {
        if (!odd && of[r].print != of[0].print)
            odd = r;
        w->stats_agreed &= of[r].stats == of[0].stats;
    }
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
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    for (int r = 0; r < w->size; r++)
        w->prints[r] = of[r].print;
    return VC_OK;
}

int vc_world_init(void)
{
    struct vc_world *w = &vc_world;
    vc_next.Comm_size(MPI_COMM_WORLD, &w->size);
    vc_next.Comm_rank(MPI_COMM_WORLD, &w->rank);
    struct facts mine, *all = malloc((size_t)w->size * sizeof *all);
    if (!all)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    fill_facts(&mine);
    int err = vc_gather_world(&mine, all, sizeof mine, true);
    if (err == VC_OK)
        err = draw_conclusions(w, all);
    free(all);
    return err;
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
