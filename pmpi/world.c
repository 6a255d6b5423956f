/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/world.h"

#include "transport/shm/segment.h"
#include "transport/topology/cpus.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vc_world vc_world;

enum { MASK_WORDS = 16 }; /* CPUs beyond 1024 are folded: too few is a guess on the careful side */

/* What a rank tells the others. The first fields never move, so that libraries of different versions
 * understand that they differ. */
struct card {
    uint64_t print;
    struct vc_os_id os;
    uint64_t host; /* hash of VCOLL_HOST_ID: an administrator may tell apart what looks alike */
    struct vc_peer_id peer;
    double quota; /* CPUs that its control groups pay for */
    uint64_t mask[MASK_WORDS];
    int32_t stats, local_size;
};

static uint64_t hash_text(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

static void fill_mask(uint64_t mask[MASK_WORDS])
{
    enum { CPUS = 8192 };
    cpu_set_t *set = CPU_ALLOC(CPUS);
    size_t len = CPU_ALLOC_SIZE(CPUS);
    if (!set)
        return;
    if (sched_getaffinity(0, len, set) == 0)
        for (int i = 0; i < CPUS; i++)
            if (CPU_ISSET_S(i, len, set))
                mask[i / 64 % MASK_WORDS] |= UINT64_C(1) << i % 64;
    CPU_FREE(set);
}

static void fill_card(struct card *c)
{
    memset(c, 0, sizeof *c);
    c->print = vc_params.disable ? 0 : vc_params_fingerprint(&vc_params);
    /* Who is disabled does not come to the sums either. */
    c->stats = vc_params.disable ? VC_STATS_OFF : (int32_t)vc_params.stats;
    vc_os_id_get(&c->os);
    c->host = hash_text(vc_params.host_id);
    c->peer = vc_peer_self();
    c->quota = vc_cpus_quota(NULL);
    fill_mask(c->mask);
    const char *n = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    c->local_size = n ? atoi(n) : 0;
}

static bool same_os(const struct card *a, const struct card *b)
{
    return memcmp(a->os.boot_id, b->os.boot_id, sizeof a->os.boot_id) == 0 &&
           a->os.shm_dev == b->os.shm_dev && a->host == b->host;
}

/* Numbers the operating systems; `first` gets the lowest rank of each. */
static int number_os(const struct card *cards, int n, int *os_of, int *first)
{
    int nos = 0;
    for (int r = 0; r < n; r++) {
        /* Neighbours in rank usually are neighbours in place, or repeat with a period: the last match is
         * tried first. */
        int os = r > 0 ? os_of[r - 1] : 0;
        for (int tried = 0; tried < nos && !same_os(&cards[r], &cards[first[os]]); tried++)
            os = (os + 1) % nos;
        if (nos == 0 || !same_os(&cards[r], &cards[first[os]])) {
            os = nos++;
            first[os] = r;
        }
        os_of[r] = os;
    }
    return nos;
}

/* Whether the job's ranks of an OS outnumber the CPUs that they may use together. */
static void find_crowded(struct vc_world *w, const struct card *cards)
{
    for (int os = 0; os < w->nos; os++) {
        uint64_t mask[MASK_WORDS] = {0};
        double quota = 1e9;
        int ranks = 0, told = 0, cpus = 0;
        for (int r = 0; r < w->size; r++) {
            if (w->os_of[r] != os)
                continue;
            const struct card *c = &cards[r];
            /* Bound ranks see one CPU each and together have many; a quota binds them all together. */
            for (int i = 0; i < MASK_WORDS; i++)
                mask[i] |= c->mask[i];
            if (c->quota < quota)
                quota = c->quota;
            if (c->local_size > told)
                told = c->local_size;
            ranks++;
        }
        for (int i = 0; i < MASK_WORDS; i++)
            cpus += __builtin_popcountll(mask[i]);
        double have = quota < cpus ? quota : cpus;
        /* The launcher may know of more ranks here than this world has, never of fewer. */
        w->os_crowded[os] = cpus > 0 && (ranks > told ? ranks : told) > have + 0.01;
    }
}

static int find_kin(struct vc_world *w, const struct card *cards)
{
    const struct card *me = &cards[w->rank];
    int mine = w->os_of[w->rank];
    for (int r = 0; r < w->size; r++)
        w->nkin += w->os_of[r] == mine;
    w->kin = calloc((size_t)w->nkin, sizeof *w->kin);
    if (!w->kin)
        return VC_ERR_NOMEM;
    int n = 0;
    for (int r = 0; r < w->size; r++) {
        if (w->os_of[r] != mine)
            continue;
        bool same_ns = cards[r].os.pid_ns == me->os.pid_ns && me->os.pid_ns != 0;
        w->kin[n].rank = r;
        if (same_ns)
            w->kin[n].id = cards[r].peer;
        n++;
    }
    return VC_OK;
}

static int digest(struct vc_world *w, const struct card *cards)
{
    size_t n = (size_t)w->size;
    int *first = malloc(n * sizeof *first);
    w->os_of = malloc(n * sizeof *w->os_of);
    w->os_crowded = calloc(n, sizeof *w->os_crowded);
    w->os_one_pid_ns = malloc(n * sizeof *w->os_one_pid_ns);
    if (first && w->os_of && w->os_crowded && w->os_one_pid_ns) {
        w->nos = number_os(cards, w->size, w->os_of, first);
        for (int r = 0; r < w->size; r++) {
            int os = w->os_of[r];
            bool same = cards[r].os.pid_ns == cards[first[os]].os.pid_ns && cards[r].os.pid_ns != 0;
            w->os_one_pid_ns[os] = same && (r == first[os] || w->os_one_pid_ns[os]);
        }
        find_crowded(w, cards);
    }
    free(first);
    if (!w->nos || find_kin(w, cards) != VC_OK)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);

    int odd = 0;
    w->stats_agreed = true;
    for (int r = 0; r < w->size; r++) {
        if (!odd && cards[r].print != cards[0].print)
            odd = r;
        w->stats_agreed &= cards[r].stats == cards[0].stats;
    }
    if (!odd)
        return VC_OK;
    if (w->rank == 0)
        vc_log(VC_LOG_WARN,
               "rank %d was started with other VCOLL_ settings, or another version of vcoll, than rank 0: "
               "communicators "
               "of ranks that differ pass through. Only settings that `vcoll info --params` calls local may "
               "differ",
               odd);
    w->prints = malloc(n * sizeof *w->prints);
    if (!w->prints)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    for (int r = 0; r < w->size; r++)
        w->prints[r] = cards[r].print;
    return VC_OK;
}

/*
 * A rank without vcoll does not come here, and no rank can know that beforehand: `mpirun -x LD_PRELOAD=...`
 * counts for one application context only. MPI_Init returns about the same time everywhere, so waiting long
 * means just that.
 */
static int exchange(const struct card *mine, struct card *all)
{
    const uint64_t warn_after = 10, give_up_after = 120, second = 1000000000;
    int n = (int)sizeof *mine, done = 0;
    bool warned = false;
    MPI_Request req;
    uint64_t begun = vc_now_ns();
    if (vc_next.Iallgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, MPI_COMM_WORLD, &req) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Iallgather failed right after MPI_Init");
    for (;;) {
        if (vc_next.Test(&req, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return vc_fail(VC_ERR_MPI, "MPI_Iallgather failed right after MPI_Init");
        if (done)
            return VC_OK;
        uint64_t waited = vc_now_ns() - begun;
        if (waited > second / 100)
            usleep(1000);
        else
            sched_yield();
        if (waited > give_up_after * second) {
            vc_log(VC_LOG_ERROR, "other ranks did not answer for %d s after MPI_Init: ending the job",
                   (int)give_up_after);
            vc_next.Abort(MPI_COMM_WORLD, 1);
        } else if (waited > warn_after * second && !warned) {
            warned = true;
            vc_log(VC_LOG_WARN,
                   "still waiting for the other ranks after MPI_Init: every rank of the job needs vcoll "
                   "(mpirun's -x LD_PRELOAD counts for one application context only)");
        }
    }
}

int vc_world_init(void)
{
    struct vc_world *w = &vc_world;
    vc_next.Comm_size(MPI_COMM_WORLD, &w->size);
    vc_next.Comm_rank(MPI_COMM_WORLD, &w->rank);
    struct card mine, *all = malloc((size_t)w->size * sizeof *all);
    if (!all)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", w->size);
    fill_card(&mine);
    int err = VC_OK;
    if (w->size == 1)
        *all = mine;
    else
        err = exchange(&mine, all);
    if (err == VC_OK)
        err = digest(w, all);
    free(all);
    return err;
}

void vc_world_fini(void)
{
    free(vc_world.os_of);
    free(vc_world.os_crowded);
    free(vc_world.os_one_pid_ns);
    free(vc_world.prints);
    free(vc_world.kin);
    memset(&vc_world, 0, sizeof vc_world);
}

const struct vc_kin *vc_world_kin(int rank)
{
    int lo = 0, hi = vc_world.nkin;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (vc_world.kin[mid].rank < rank)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < vc_world.nkin && vc_world.kin[lo].rank == rank ? &vc_world.kin[lo] : NULL;
}
