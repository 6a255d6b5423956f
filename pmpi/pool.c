/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/pool.h"

#include "pmpi/arena.h"
#include "pmpi/ft.h"
#include "pmpi/online.h"

#include <pthread.h>
#include <string.h>

enum { KEPT = 8 };
#define KEPT_PLANS ((size_t)1 << 20) /* scratch memory of plans, per team */

/* Guards the list. Not held while a team is freed, which may call the MPI. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_team *kept[KEPT]; /* in the order in which they came */
static int nkept;

static struct vc_team *remove_at(int i)
{
    struct vc_team *t = kept[i];
    memmove(&kept[i], &kept[i + 1], (size_t)(--nkept - i) * sizeof(*kept));
    return t;
}

void vc_pool_return(struct vc_team *t)
{
    struct vc_team *gone[KEPT];
    size_t limit = vc_memory ? vc_arena_size(vc_memory) / 4 : 0, sum = vc_team_shm(t);
    int ngone = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nkept; i++)
        sum += vc_team_shm(kept[i]);
    while (nkept > 0 && (nkept == KEPT || sum > limit)) {
        gone[ngone] = remove_at(0);
        sum -= vc_team_shm(gone[ngone++]);
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

/* What vcoll_comm_force() and online tuning set for the old communicator does not hold for the next. */
static int forget_settings(struct vc_team *t)
{
    bool forced = false;
    vc_online_release(t);
    for (int i = 0; i < VC_COLL_COUNT; i++)
        forced |= t->force[i].alg != NULL;
    memset(t->force, 0, sizeof t->force);
    vc_team_trim(t, KEPT_PLANS);
    return forced ? vc_team_select(t) : VC_OK;
}

void vc_pool_keep(struct vc_team *t)
{
    /* Where communicators may be revoked, some ranks may have left out collectives of the old one. The next
     * one may find the memory that this one lacked. */
    if (t && !t->less && !vc_ft_on() && forget_settings(t) == VC_OK)
        vc_pool_return(t);
    else
        vc_team_free(t);
}

struct vc_team *vc_pool_find(int size, const int *world)
{
    int best = -1;
    pthread_mutex_lock(&lock);
    /* The oldest: the same rule on all ranks, so that ranks that keep the same teams offer the same one. */
    for (int i = 0; i < nkept; i++)
        if (kept[i]->size == size && memcmp(kept[i]->world, world, (size_t)size * sizeof *world) == 0 &&
            (best < 0 || kept[i]->id < kept[best]->id))
            best = i;
    struct vc_team *t = best >= 0 ? remove_at(best) : NULL;
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
        t = nkept > 0 ? remove_at(0) : NULL;
        pthread_mutex_unlock(&lock);
        vc_team_free(t);
    } while (t);
}
