/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/calibrate.h"
#include "pmpi/gather.h"

#include "coll/kernels/kernels.h"
#include "coll/node/copy.h"
#include "pmpi/maps.h"
#include "pmpi/world.h"
#include "transport/calibrate/cache.h"
#include "transport/calibrate/measure.h"
#include "transport/shm/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of messages on MPI_COMM_WORLD, which the program cannot receive: gather.c says why. */
#define TAG 31002

/* No measurement begins later, unless that was too little before. */
#define BUDGET_NS UINT64_C(2000000)
/* The ranks of a node that do not measure leave the CPUs to those that do. */
#define PAUSE_NS 1500000

/* Messages of the underlying MPI that tell what a call and a byte of it cost. The first ones find memory that
 * the MPI has not touched yet, so a few would not do. */
#define NATIVE_SHORT ((size_t)8 << 10)
#define NATIVE_LONG  ((size_t)64 << 10)
#define NATIVE_TIMES 10

static bool agreed;

const struct vc_costs *vc_calibrated(void)
{
    return agreed ? vc_costs() : NULL;
}

/* This rank's place among those of its operating system. */
static int own_index(void)
{
    int i = 0;
    while (vc_world.kin[i].rank != vc_world.rank)
        i++;
    return i;
}

static int fail_mpi(void)
{
    return vc_fail(VC_ERR_MPI, "what things cost could not be agreed on right after MPI_Init");
}

/* ---- agreeing ---- */

/* The means of what the first ranks of all nodes know (`asked`: this is one of them); *missing: how many of
 * them are to measure. Sums of whole numbers, which are the same in any order. */
static int agree(const struct vc_costs *mine, bool asked, bool wanted, struct vc_costs *all,
                 uint64_t *missing)
{
    enum { MISSING = 2 * VC_COSTS_COUNT, NUMBERS };
    uint64_t v[NUMBERS], sum[NUMBERS];
    memset(v, 0, sizeof v);
    v[MISSING] = wanted;
    for (size_t i = 0; asked && i < VC_COSTS_COUNT; i++)
        if (vc_cost(mine, i)) {
            v[i] = vc_cost(mine, i);
            v[VC_COSTS_COUNT + i] = 1;
        }
    vc_told_collective(sizeof v);
    if (vc_next.Allreduce(v, sum, NUMBERS, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD) != MPI_SUCCESS)
        return fail_mpi();
    for (size_t i = 0; i < VC_COSTS_COUNT; i++) {
        uint64_t n = sum[VC_COSTS_COUNT + i];
        vc_cost_set(all, i, n ? sum[i] / n : 0);
    }
    *missing = sum[MISSING];
    return VC_OK;
}

/* ---- the file ---- */

static void make_key(struct vc_costs_key *key)
{
    struct vc_os_id os;
    memset(key, 0, sizeof *key);
    vc_os_id_get(&os);
    memcpy(key->boot_id, os.boot_id, sizeof key->boot_id);
    bool single[] = {vc_params.cma, vc_maps_on()};
    key->cpus = vc_hash(VC_HASH_START, single, sizeof single);
    /* Claims and kin are both in the order of ranks. */
    int mine = vc_world.os_of[vc_world.rank], found = 0;
    for (int i = 0; i < vc_world.nclaims && found < 2; i++)
        if (vc_world.claims[i].os == mine) {
            key->cpus = vc_hash(key->cpus, vc_world.claims[i].mask, sizeof vc_world.claims[i].mask);
            found++;
        }
}

static void load(struct vc_costs_file *file)
{
    struct vc_costs_key key;
    char dir[256], why[512];
    memset(file, 0, sizeof *file);
    if (vc_params.calibrate == VC_CALIBRATE_FORCE)
        return;
    make_key(&key);
    vc_costs_dir(dir, sizeof dir);
    if (vc_costs_load(dir, &key, file, why, sizeof why))
        return;
    memset(file, 0, sizeof *file);
    if (why[0])
        vc_log(VC_LOG_INFO, "the file of what things cost is not used: %s", why);
}

static void save(const struct vc_costs_file *file)
{
    struct vc_costs_key key;
    char dir[256];
    make_key(&key);
    vc_costs_dir(dir, sizeof dir);
    if (vc_costs_save(dir, &key, file) != VC_OK)
        vc_log(VC_LOG_INFO, "what things cost is not kept for later starts: %s", vc_error_text());
}

/* ---- measuring ---- */

static bool swap(const void *out, void *in, size_t len, int peer)
{
    MPI_Request send, recv;
    return vc_next.Irecv(in, (int)len, MPI_BYTE, peer, TAG, MPI_COMM_WORLD, &recv) == MPI_SUCCESS &&
           vc_next.Isend(out, (int)len, MPI_BYTE, peer, TAG, MPI_COMM_WORLD, &send) == MPI_SUCCESS &&
           vc_next.Wait(&recv, MPI_STATUS_IGNORE) == MPI_SUCCESS &&
           vc_next.Wait(&send, MPI_STATUS_IGNORE) == MPI_SUCCESS;
}

/* Messages of the underlying MPI between the two. `mem` has room for one in each direction. */
static int measure_native(struct vc_costs *c, char *mem, int peer)
{
    const char *out = mem;
    char *in = mem + NATIVE_LONG;
    uint64_t least[2] = {0, 0};
    for (int i = 0; i < 2 * NATIVE_TIMES; i++) {
        size_t len = i % 2 ? NATIVE_LONG : NATIVE_SHORT;
        uint64_t t = vc_now_ns();
        if (!swap(out, in, len, peer))
            return fail_mpi();
        t = vc_now_ns() - t;
        if (!least[i % 2] || t < least[i % 2])
            least[i % 2] = t;
    }
    if (least[1] <= least[0])
        return VC_OK;
    uint64_t ps = (least[1] - least[0]) * 1000 / (NATIVE_LONG - NATIVE_SHORT);
    /* Each byte of a message is copied once at least. What is below that was disturbed. */
    if (ps < c->copy_across_ps)
        return VC_OK;
    uint64_t bytes = ps * NATIVE_SHORT / 1000;
    c->native_ps = ps;
    c->native_call_ns = least[0] > bytes ? least[0] - bytes : 1;
    vc_costs_sane(c);
    return VC_OK;
}

/* Memory that both have, or none has: for measuring, and then messages of each. */
static size_t shared_bytes(void)
{
    return vc_round_up(vc_measure_bytes(), VC_LINE_PAIR) + 4 * NATIVE_LONG;
}

static int share(struct vc_seg *seg, int me, int peer)
{
    struct vc_seg_handle handle;
    int got = 0;
    bool visible = vc_world.kin[1 - me].id.pid != 0;
    enum vc_seg_backing backing = vc_params.shm_backing;
    if (backing == VC_SEG_AUTO)
        backing = visible ? VC_SEG_MEMFD : VC_SEG_SHM;
    memset(seg, 0, sizeof *seg);
    seg->fd = -1;
    memset(&handle, 0, sizeof handle);
    if (me == 1) {
        if (vc_next.Recv(&handle, (int)sizeof handle, MPI_BYTE, peer, TAG, MPI_COMM_WORLD,
                         MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return fail_mpi();
        got = handle.backing != 0 && vc_seg_attach(&handle, seg) == VC_OK;
        return vc_next.Send(&got, 1, MPI_INT, peer, TAG, MPI_COMM_WORLD) == MPI_SUCCESS ? VC_OK : fail_mpi();
    }
    if (vc_seg_create(shared_bytes(), backing, seg, &handle) != VC_OK) {
        memset(seg, 0, sizeof *seg);
        seg->fd = -1;
        handle.backing = 0;
    }
    if (vc_next.Send(&handle, (int)sizeof handle, MPI_BYTE, peer, TAG, MPI_COMM_WORLD) != MPI_SUCCESS ||
        vc_next.Recv(&got, 1, MPI_INT, peer, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return fail_mpi();
    if (seg->base && !got)
        vc_seg_detach(seg);
    return VC_OK;
}

/* The first two ranks of an operating system. *complete: nothing was left out for lack of time. */
static int measure(struct vc_costs *c, int me, uint64_t budget, bool *complete)
{
    int peer = vc_world.kin[1 - me].rank;
    struct vc_seg seg;
    int err = share(&seg, me, peer);
    if (err != VC_OK)
        return err;
    if (!seg.base) {
        vc_log(VC_LOG_INFO, "what things cost is not measured: %s", vc_error_text());
        return VC_OK;
    }
    vc_seg_settle(&seg);
    const struct vc_measure_cfg cfg = {.mem = seg.base,
                                       .me = me,
                                       .peer = vc_params.cma ? vc_world.kin[1 - me].id.pid : 0,
                                       .map = vc_maps_peer(vc_world.kin[1 - me].place),
                                       .budget_ns = budget,
                                       .sum = vc_kernel_find(VC_OP_SUM, VC_T_DOUBLE),
                                       .stream = vc_copy_stream};
    if (!vc_measure(&cfg, c, complete))
        memset(c, 0, sizeof *c);
    char *messages = (char *)seg.base + vc_round_up(vc_measure_bytes(), VC_LINE_PAIR);
    err = measure_native(c, messages + (size_t)me * 2 * NATIVE_LONG, peer);
    vc_seg_detach(&seg);
    return err;
}

/* ---- the whole ---- */

/* All ranks find the same. */
static bool is_wanted(void)
{
    bool shared = false;
    for (int i = 0; i < vc_world.nos; i++)
        shared |= vc_world.os_ranks[i] > 1;
    return shared && !vc_world.prints && vc_params.calibrate != VC_CALIBRATE_OFF &&
           (vc_params.channels & VC_CHAN_SHM);
}

int vc_calibrate_init(void)
{
    struct vc_costs_file file = {.starts = 0};
    struct vc_costs mine = {0}, all;
    uint64_t missing = 0, begun = vc_now_ns();
    if (!is_wanted())
        return VC_OK;
    int me = own_index(), err;
    bool first = me == 0 && vc_world.nkin > 1, complete = false;
    if (first)
        load(&file);
    if ((err = agree(&file.costs, first, first && vc_costs_wanted(&file), &all, &missing)) != VC_OK)
        return err;
    if (missing) {
        uint64_t budget = vc_costs_budget(&file, BUDGET_NS); /* the first rank's counts */
        if (me < 2 && vc_world.nkin > 1) {
            err = measure(&mine, me, budget, &complete);
        } else if (vc_world.nkin > 2) {
            const struct timespec pause = {.tv_nsec = PAUSE_NS};
            nanosleep(&pause, NULL);
        }
        if (err == VC_OK && first && vc_costs_known(&mine)) {
            vc_costs_add(&file, &mine, complete ? 0 : budget);
            save(&file);
        }
        if (err != VC_OK || (err = agree(&file.costs, first, false, &all, &missing)) != VC_OK)
            return err;
    }
    if (first)
        vc_log(VC_LOG_DEBUG, "what things cost was measured or read in %.1f ms",
               (double)(vc_now_ns() - begun) * 1e-6);
    agreed = vc_costs_known(&all);
    vc_costs_use(&all);
    return VC_OK;
}
