/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/stats.h"

#include "pmpi/ft.h"
#include "pmpi/world.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_stats_sums *sums;
static struct vc_stats_ways *ways;

int vc_stats_init(void)
{
    if (vc_params.stats == VC_STATS_OFF || sums)
        return VC_OK;
    sums = calloc(1, sizeof *sums);
    ways = calloc(1, sizeof *ways);
    int ok = sums && ways, all = ok;
    /* Those who add up at the end are all of them, or nobody. */
    if (vc_world.stats_agreed && vc_world.size > 1 &&
        vc_next.Allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD) != MPI_SUCCESS)
        all = 0;
    if (all)
        return VC_OK;
    vc_stats_fini();
    return vc_fail(VC_ERR_NOMEM, "%s rank has no memory for statistics: there are none",
                   ok ? "another" : "this");
}

bool vc_stats_on(void)
{
    return sums != NULL;
}

void vc_stats_fini(void)
{
    free(sums);
    free(ways);
    sums = NULL;
    ways = NULL;
}

static int class_of(size_t bytes)
{
    int c = bytes ? 64 - __builtin_clzll(bytes) : 0;
    return c < VC_STATS_CLASSES ? c : VC_STATS_CLASSES - 1;
}

/* Column 0 is native, for every collective. */
static int column_of(const struct vc_call *k)
{
    if (!k->alg)
        return 0;
    const struct vc_alg *const *list = vc_alg_list(k->coll);
    for (int i = 0; i < VC_STATS_ALGS && list[i]; i++)
        if (list[i] == k->alg)
            return i;
    return 0;
}

const char *vc_stats_alg_name(enum vc_coll coll, int column)
{
    if (column == 0 || coll >= VC_COLL_ACCELERATED)
        return "native";
    return vc_alg_list(coll)[column]->name;
}

void vc_stats_call(const struct vc_call *k, uint64_t ns)
{
    int class = class_of(k->bytes), col = column_of(k);
    pthread_mutex_lock(&lock);
    struct vc_stats_cell *cell = &sums->cell[k->coll][class][col];
    cell->calls++;
    cell->bytes += k->bytes;
    cell->ns += ns;
    ways->via[k->coll][class][col] |= k->alg ? k->via : 0;
    if (!k->alg)
        sums->passed[k->coll][k->why]++;
    pthread_mutex_unlock(&lock);
}

void vc_stats_setup(uint64_t ns, bool used)
{
    if (!sums)
        return;
    pthread_mutex_lock(&lock);
    sums->setups++;
    sums->setups_used += used;
    sums->setup_ns += ns;
    pthread_mutex_unlock(&lock);
}

static uint64_t read_counter(const _Atomic uint64_t *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void vc_stats_report(void)
{
    if (!sums)
        return;
    sums->sleeps = read_counter(&vc_wait_stats.sleeps);
    sums->wakes = read_counter(&vc_wait_stats.wakes);
    sums->yields = read_counter(&vc_wait_stats.yields);
    sums->progress_calls = read_counter(&vc_wait_stats.progress_calls);
    int ranks = 1;
    /* Otherwise some ranks would not take part in adding up (their settings differ, or they are dead), and
     * each has only its own sums. */
    if (vc_world.stats_agreed && vc_world.size > 1 && vc_ft_check(MPI_COMM_WORLD) == VC_OK) {
        bool root = vc_world.rank == 0;
        ranks = vc_world.size;
        if (vc_next.Reduce(root ? MPI_IN_PLACE : (void *)sums, root ? sums : NULL,
                           (int)(sizeof *sums / sizeof(uint64_t)), MPI_UINT64_T, MPI_SUM, 0,
                           MPI_COMM_WORLD) != MPI_SUCCESS ||
            vc_next.Reduce(root ? MPI_IN_PLACE : (void *)ways, root ? ways : NULL,
                           (int)(sizeof *ways / sizeof(uint64_t)), MPI_UINT64_T, MPI_BOR, 0,
                           MPI_COMM_WORLD) != MPI_SUCCESS)
            return;
    }
    if (vc_world.rank == 0)
        vc_stats_print(sums, ways, ranks);
}
