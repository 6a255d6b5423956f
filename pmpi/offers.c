/* SPDX-License-Identifier: BSD-3-Clause */
/* Exchanges of offers. Between operating systems nobody needs to know which rank has offered what, so that a
 * reduction of a few numbers is enough, however many ranks there are. */
#include "pmpi/share.h"
#include "pmpi/gather.h"
#include "pmpi/world.h"

#include <stdlib.h>
#include <string.h>

static enum vc_offers_way find_way(const int *world, int size)
{
    if (size <= VC_MEET_RANKS && vc_meet_possible(world, size))
        return VC_OFFERS_MEET;
    return vc_meet_everywhere ? VC_OFFERS_REDUCE : VC_OFFERS_GATHER;
}

bool vc_offers_begin(struct vc_offers *o, const int *world, int size, int rank)
{
    o->way = find_way(world, size);
    o->many = NULL;
    o->of = o->few;
    o->n = size;
    o->me = rank;
    if (o->way == VC_OFFERS_GATHER) {
        if (size > VC_MEET_RANKS)
            o->of = o->many = malloc((size_t)size * sizeof *o->many);
        return o->of != NULL;
    }
    o->n = 0;
    for (int r = 0, os = vc_world.os_of[vc_world.rank]; world && r < size; r++) {
        if (vc_world.os_of[world[r]] != os)
            continue;
        o->rank[o->n] = r;
        o->world[o->n] = world[r];
        if (r == rank)
            o->me = o->n;
        o->n++;
    }
    return world != NULL;
}

void vc_offers_end(struct vc_offers *o)
{
    free(o->many);
    o->many = NULL;
}

/* What matters to all, of the lowest of each number. */
enum number { FAILED, POOR, NEWEST, LOWEST, HIGHEST, NO_CMA, POOL, OLD, DEAR, ALL_OLD, NUMBERS };

#define NONE UINT64_MAX

static void add_offer(uint64_t v[NUMBERS], const struct vc_offer *of, int rank)
{
    uint32_t what = of->what_at;
    uint64_t own[NUMBERS] = {
        [FAILED] = what & (VC_OFFER_FULL | VC_OFFER_NOMEM)
                       ? (uint64_t)rank << 1 | ((what & VC_OFFER_FULL) == 0)
                       : NONE,
        [POOR] = what & VC_OFFER_POOR ? (uint64_t)rank : NONE,
        [NEWEST] = what & VC_OFFER_OLD ? ~of->id : NONE,
        [LOWEST] = of->id,
        [HIGHEST] = ~of->id,
        [NO_CMA] = (what & VC_OFFER_NO_CMA) == 0,
        [POOL] = (what & VC_OFFER_POOL) == 0,
        [OLD] = (what & VC_OFFER_OLD) == 0,
        [DEAR] = (what & VC_OFFER_DEAR) == 0,
        [ALL_OLD] = (what & VC_OFFER_OLD) != 0,
    };
    for (int i = 0; i < NUMBERS; i++)
        if (own[i] < v[i])
            v[i] = own[i];
}

static void conclude(struct vc_offers *o, const uint64_t v[NUMBERS])
{
    o->failed = v[FAILED] == NONE ? -1 : (int)(v[FAILED] >> 1);
    o->full = v[FAILED] != NONE && (v[FAILED] & 1) == 0;
    o->poor = v[POOR] == NONE ? -1 : (int)v[POOR];
    o->newest = ~v[NEWEST];
    o->highest = ~v[HIGHEST];
    o->same = v[LOWEST] == o->highest;
    o->all_old = v[ALL_OLD] != 0;
    o->any = (v[NO_CMA] ? 0 : (uint32_t)VC_OFFER_NO_CMA) | (v[POOL] ? 0 : (uint32_t)VC_OFFER_POOL) |
             (v[OLD] ? 0 : (uint32_t)VC_OFFER_OLD) | (v[DEAR] ? 0 : (uint32_t)VC_OFFER_DEAR);
}

int vc_offers_exchange(struct vc_offers *o, MPI_Comm comm, const struct vc_offer *mine)
{
    _Static_assert(sizeof *mine <= VC_MEET_MOST, "an offer is short enough for a meeting");
    uint64_t v[NUMBERS], all[NUMBERS];
    memset(v, 0xff, sizeof v);
    if (o->way == VC_OFFERS_GATHER) {
        vc_told_collective(sizeof *mine);
        if (vc_next.Allgather(mine, (int)sizeof *mine, MPI_BYTE, o->of, (int)sizeof *o->of, MPI_BYTE, comm) !=
            MPI_SUCCESS)
            return vc_fail(VC_ERR_MPI, "MPI_Allgather failed in the set-up of a communicator");
    } else if (o->n > 1) {
        int err = vc_meet(o->world, o->n, o->me, mine, o->of, sizeof *mine);
        if (err != VC_OK)
            return err;
    } else {
        o->of[0] = *mine;
    }
    if (o->way == VC_OFFERS_REDUCE) {
        add_offer(v, mine, o->rank[o->me]);
        vc_told_collective(sizeof v);
        if (vc_next.Allreduce(v, all, NUMBERS, MPI_UINT64_T, MPI_MIN, comm) != MPI_SUCCESS)
            return vc_fail(VC_ERR_MPI, "MPI_Allreduce failed in the set-up of a communicator");
        conclude(o, all);
        return VC_OK;
    }
    for (int i = 0; i < o->n; i++)
        add_offer(v, &o->of[i], o->way == VC_OFFERS_GATHER ? i : o->rank[i]);
    conclude(o, v);
    return VC_OK;
}

const struct vc_offer *vc_offer_of(const struct vc_offers *o, int rank)
{
    int lo = 0, hi = o->n - 1;
    if (o->way == VC_OFFERS_GATHER)
        return &o->of[rank];
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (o->rank[mid] < rank)
            lo = mid + 1;
        else
            hi = mid;
    }
    return &o->of[lo];
}
