/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/team.h"

#include "pmpi/arena.h"
#include "pmpi/online.h"
#include "pmpi/table.h"
#include "tune/params/params.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEPT ((size_t)1 << 20)  /* smaller packing buffers are always kept, */
#define LARGE_KEPT   ((size_t)64 << 20) /* larger ones up to this sum in a process */

/* First and longest sleep of ranks that share memory with other machines. */
#define HOST_SLICE_MIN_NS UINT64_C(50000)
#define HOST_SLICE_MAX_NS UINT64_C(1000000)

/* ---- selection ---- */

/* VCOLL_WAIT was given: it wins over what a table says, but not over what VCOLL_ALG says of the same choice.
 */
static void drop_policies(struct vc_team *t)
{
    for (int i = 0; i < VC_COLL_COUNT; i++) {
        const struct vc_choice *forced = &vc_params.alg[i];
        for (struct vc_select_range *c = t->sel.rule[i];; c++) {
            if (!forced->alg || !vc_choice_same(&c->choice, forced))
                c->choice.policy = 0;
            if (!forced->alg || !vc_choice_same(&c->noncomm, forced))
                c->noncomm.policy = 0;
            if (c->max_bytes == SIZE_MAX)
                break;
        }
    }
}

/* Said once for a collective, for the first communicator where it is so. */
static void warn_too_long(const struct vc_team *t)
{
    static _Atomic unsigned said;
    for (int i = 0; t->rank == 0 && i < VC_COLL_COUNT; i++)
        if (t->sel.too_long[i] > 0 &&
            !(atomic_fetch_or_explicit(&said, 1u << i, memory_order_relaxed) & 1u << i))
            vc_log(VC_LOG_WARN,
                   "VCOLL_ALG: %s=%s is not run on %d ranks of %d nodes, what the rules say is: its plan "
                   "would have %ld steps, and none of more than %d is built",
                   vc_coll_name((enum vc_coll)i), vc_params.alg[i].alg->name, t->size, t->hier.nnodes,
                   t->sel.too_long[i], VC_PLAN_STEPS);
}

static void forget_quick_calls(struct vc_team *t)
{
    memset(t->quick, 0, sizeof t->quick);
}

int vc_team_force(struct vc_team *t, enum vc_coll coll, const struct vc_choice *choice)
{
    int err = vc_select_force(&t->sel, &t->key, coll, choice);
    if (err != VC_OK)
        return err;
    t->force[coll] = *choice;
    forget_quick_calls(t);
    return VC_OK;
}

/* The last selection for a communicator within a node, which is that of the next such one of as many ranks.
 */
static struct {
    pthread_mutex_t lock;
    struct vc_topo_key key; /* without addresses */
    struct vc_selection sel;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int select_anew(struct vc_team *t)
{
    return vc_select_init(&t->sel, &t->key, &vc_params, vc_world_table);
}

static int select_as_last(struct vc_team *t)
{
    struct vc_topo_key key = t->key;
    key.hier = NULL; /* on one node the number of ranks says all */
    pthread_mutex_lock(&last.lock);
    /* All bytes, so that no member is forgotten. If those between members differ, rules are chosen anew. */
    bool same = last.sel.mem &&
                memcmp(&key, &last.key, sizeof key) == 0; /* NOLINT(bugprone-suspicious-memory-comparison) */
    int err = same ? vc_select_copy(&t->sel, &last.sel) : select_anew(t);
    if (!same && err == VC_OK) {
        vc_select_free(&last.sel);
        if (vc_select_copy(&last.sel, &t->sel) == VC_OK)
            last.key = key;
    }
    pthread_mutex_unlock(&last.lock);
    return err;
}

void vc_team_fini(void)
{
    vc_select_free(&last.sel);
}

int vc_team_select(struct vc_team *t)
{
    forget_quick_calls(t);
    vc_select_free(&t->sel);
    t->selections++;
    int err = t->key.nnodes == 1 ? select_as_last(t) : select_anew(t);
    if (err != VC_OK)
        return err;
    warn_too_long(t);
    if (vc_params.wait != VC_WAIT_AUTO)
        drop_policies(t);
    /* A forced choice that cannot run any more is dropped. */
    for (int i = 0; i < VC_COLL_COUNT; i++)
        if (t->force[i].alg && vc_select_force(&t->sel, &t->key, (enum vc_coll)i, &t->force[i]) != VC_OK)
            memset(&t->force[i], 0, sizeof t->force[i]);
    return VC_OK;
}

void vc_team_policy(struct vc_team *t, vc_policy policy)
{
    t->wait = vc_wait;
    t->wait.check_arg = t->comm;
    t->policy = policy;
    /* Nobody wakes a rank when something comes from another machine of the host: its sleeps are short. */
    for (int i = 0; i < VC_NETS; i++)
        if (t->chan[i].host_rings.units > 0) {
            t->wait.slice_min_ns = HOST_SLICE_MIN_NS;
            t->wait.slice_max_ns = HOST_SLICE_MAX_NS;
        }
    if (policy == 0)
        return;
    t->wait.mode = vc_policy_mode(policy);
    if (vc_policy_spin(policy) != VC_POLICY_SPIN_DEFAULT)
        t->wait.spin_ns = (uint64_t)vc_policy_spin(policy) * 1000;
}

/* ---- buffers for packing ---- */

/* Bytes of the large buffers that are kept between calls, of all communicators: fresh pages for each call
 * cost more than the packing. */
static _Atomic size_t large_kept;

static void free_buffer(struct vc_team *t, int which)
{
    if (t->scratch[which].counted)
        atomic_fetch_sub_explicit(&large_kept, t->scratch[which].cap, memory_order_relaxed);
    free(t->scratch[which].mem);
    t->scratch[which].mem = NULL;
    t->scratch[which].cap = 0;
    t->scratch[which].counted = false;
}

/* Whether the process may keep one more large buffer. */
static bool keep_buffer(struct vc_team *t, int which)
{
    size_t cap = t->scratch[which].cap;
    if (cap <= SCRATCH_KEPT || t->scratch[which].counted)
        return true;
    size_t before = atomic_fetch_add_explicit(&large_kept, cap, memory_order_relaxed);
    t->scratch[which].counted = before + cap <= LARGE_KEPT;
    if (!t->scratch[which].counted)
        atomic_fetch_sub_explicit(&large_kept, cap, memory_order_relaxed);
    return t->scratch[which].counted;
}

static void free_scratch(struct vc_team *t)
{
    for (int i = 0; i < VC_SCRATCHES; i++)
        free_buffer(t, i);
}

void *vc_team_scratch(struct vc_team *t, enum vc_scratch which, size_t bytes)
{
    if (t->scratch[which].cap >= bytes && t->scratch[which].mem)
        return t->scratch[which].mem;
    free_buffer(t, which);
    size_t cap = 4096;
    while (cap < bytes && cap < SCRATCH_KEPT)
        cap *= 2;
    cap = vc_round_up(bytes > cap ? bytes : cap, VC_CACHELINE);
    t->scratch[which].mem = aligned_alloc(VC_CACHELINE, cap);
    t->scratch[which].cap = t->scratch[which].mem ? cap : 0;
    return t->scratch[which].mem;
}

void vc_team_scratch_done(struct vc_team *t)
{
    for (int i = 0; i < VC_SCRATCHES; i++)
        if (!keep_buffer(t, i))
            free_buffer(t, i);
}

/* ---- the whole ---- */

void vc_team_trim(struct vc_team *t, size_t plans)
{
    vc_plans_trim(&t->plans, plans);
    free_scratch(t);
}

void vc_team_free(struct vc_team *t)
{
    if (!t || t->abandoned)
        return;
    vc_plans_free(&t->plans);
    for (int i = 0; i < VC_NETS; i++) {
        if (t->chan[i].chan)
            t->chan[i].chan->ops->destroy(t->chan[i].chan);
        free(t->chan[i].reach);
        free(t->chan[i].by_host);
        vc_arena_give(vc_memory, &t->chan[i].rings);
        vc_hosts_give(&t->chan[i].host_rings);
    }
    vc_node_destroy(t->node);
    free(t->node_mem);
    vc_arena_give(vc_memory, &t->hold);
    free_scratch(t);
    vc_online_release(t);
    vc_select_free(&t->sel);
    free(t->ids);
    free(t->pids);
    free(t->maps);
    free(t->levels_mem);
    free(t->hier_mem);
    free(t->world);
    free(t);
}

void vc_team_break(struct vc_team *t, const char *why)
{
    if (!t)
        return;
    /* First the ranks of this node that wait for this one, then those of other nodes. */
    if (t->parking.shared)
        vc_park_give_up(&t->parking, why);
    for (int i = 0; i < VC_NETS; i++) {
        struct vc_chan *ch = t->chan[i].chan;
        if (ch && ch->ops->give_up)
            ch->ops->give_up(ch, why);
        /* Other ranks may yet read there that this one has given up. */
        memset(&t->chan[i].host_rings, 0, sizeof t->chan[i].host_rings);
    }
}

size_t vc_team_heap(const struct vc_team *t)
{
    size_t sum = sizeof *t + ((size_t)t->size + t->hier_ints) * sizeof(int) + t->plans.bytes;
    sum += (size_t)t->nlocal * (sizeof *t->ids + sizeof *t->pids) + vc_levels_ints(t->nlocal) * sizeof(int);
    for (int i = 0; i < VC_SCRATCHES; i++)
        sum += t->scratch[i].cap;
    return sum;
}

size_t vc_team_shm(const struct vc_team *t)
{
    size_t sum = t->hold.bytes;
    for (int i = 0; i < VC_NETS; i++)
        sum += t->chan[i].rings.bytes;
    return sum;
}
