/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Set-ups worth their cost: teams of freed communicators, kept for the next communicator of the same ranks in
 * the same order, and what new ones may cost.
 *
 * A kept team is whole: memory, slots with their counters, channels, selection, plans. It goes on as if the
 * next communicator were the same one, so nothing is reset and no rank waits for another: a rank that is late
 * still reads the last slots of the old communicator, and the slots' own protocol keeps them until it has.
 * What a process keeps is its own affair and may differ between ranks (other threads free in another order, a
 * limit is met on one rank only). So a vote decides: a team goes on only where all ranks offer the same one.
 * For the same reason ranks may free a team, and with it the mpi channel's communicator, at different times;
 * MPI_Comm_free waits for nobody.
 */
#include "pmpi/ft.h"
#include "pmpi/online.h"
#include "pmpi/team.h"

#include <pthread.h>
#include <string.h>

enum { KEPT = 8 };
#define KEPT_PLANS ((size_t)1 << 20) /* scratch memory of plans, per team */

/* What new teams may cost this process: so much at once, and one part in so many of the time that passes. */
#define AT_ONCE_NS UINT64_C(1000000)
#define TIME_PARTS 32

/* Guards the list. Not held while a team is freed, which may call the MPI. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_team *kept[KEPT]; /* in the order of their coming */
static int nkept;

static size_t shm_bytes(const struct vc_team *t)
{
    size_t sum = t->seg.len;
    for (int i = 0; i < VC_LANES; i++)
        sum += t->lane[i].seg.len;
    return sum;
}

static struct vc_team *take_at(int i)
{
    struct vc_team *t = kept[i];
    memmove(&kept[i], &kept[i + 1], (size_t)(--nkept - i) * sizeof(*kept));
    return t;
}

void vc_pool_return(struct vc_team *t)
{
    struct vc_team *gone[KEPT];
    size_t limit = vc_params.shm_limit / 4, sum = shm_bytes(t);
    int ngone = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nkept; i++)
        sum += shm_bytes(kept[i]);
    while (nkept > 0 && (nkept == KEPT || sum > limit)) {
        gone[ngone] = take_at(0);
        sum -= shm_bytes(gone[ngone++]);
    }
    bool fits = sum <= limit;
    if (fits)
        kept[nkept++] = t;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < ngone; i++)
        vc_team_free(gone[i]);
    if (!fits)
        vc_team_free(t);
}

/* What the old communicator was told does not hold for the next. */
static int forget(struct vc_team *t)
{
    bool forced = false;
    vc_online_release(t);
    for (int i = 0; i < VC_COLL_ACCELERATED; i++)
        forced |= t->force[i].alg != NULL;
    memset(t->force, 0, sizeof t->force);
    vc_team_trim(t, KEPT_PLANS);
    return forced ? vc_team_select(t) : VC_OK;
}

void vc_pool_put(struct vc_team *t)
{
    /* Where communicators may be revoked, some ranks may have left out collectives of the old one. */
    if (t && !vc_ft_on() && forget(t) == VC_OK)
        vc_pool_return(t);
    else
        vc_team_free(t);
}

struct vc_team *vc_pool_take(int size, const int *world)
{
    int best = -1;
    pthread_mutex_lock(&lock);
    /* The same rule on all ranks, so that those who keep the same ones offer the same one. */
    for (int i = 0; i < nkept; i++)
        if (kept[i]->size == size && memcmp(kept[i]->world, world, (size_t)size * sizeof *world) == 0 &&
            (best < 0 || kept[i]->id < kept[best]->id))
            best = i;
    struct vc_team *t = best >= 0 ? take_at(best) : NULL;
    pthread_mutex_unlock(&lock);
    return t;
}

bool vc_pool_any(void)
{
    pthread_mutex_lock(&lock);
    bool any = nkept > 0;
    pthread_mutex_unlock(&lock);
    return any;
}

void vc_pool_drain(void)
{
    struct vc_team *t;
    do {
        pthread_mutex_lock(&lock);
        t = nkept > 0 ? take_at(0) : NULL;
        pthread_mutex_unlock(&lock);
        vc_team_free(t);
    } while (t);
}

/* ---- what new ones may cost ---- */

bool vc_setup_at_once;
static _Atomic uint64_t spent_ns, since_ns;

bool vc_setup_affordable(void)
{
    uint64_t now = vc_now_ns(), since = 0;
    if (vc_setup_at_once || vc_params.reproducible)
        return true;
    if (atomic_compare_exchange_strong_explicit(&since_ns, &since, now, memory_order_relaxed,
                                                memory_order_relaxed))
        since = now;
    return atomic_load_explicit(&spent_ns, memory_order_relaxed) <= AT_ONCE_NS + (now - since) / TIME_PARTS;
}

void vc_setup_spent(uint64_t ns)
{
    atomic_fetch_add_explicit(&spent_ns, ns, memory_order_relaxed);
}
