/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/run.h"

#include "pmpi/channels.h"
#include "pmpi/ft.h"
#include "pmpi/lengths.h"
#include "pmpi/online.h"
#include "pmpi/queue.h"

#include <stdio.h>
#include <stdlib.h>

void *vc_room_for(const struct vc_room *room, enum vc_scratch which, size_t bytes)
{
    size_t some = bytes ? bytes : 1;
    void *mem = room->own ? room->own[which] = aligned_alloc(VC_CACHELINE, vc_round_up(some, VC_CACHELINE))
                          : vc_team_scratch(room->team, which, some);
    if (!mem)
        vc_fail(VC_ERR_NOMEM, "no memory to pack %zu bytes", bytes);
    return mem;
}

/* Whether an operation that was posted has failed, and told of it. */
static bool was_told(const struct vc_comm *c)
{
    const char *why;
    return c->team && vc_queue_empty(c->team) && vc_queue_failed(c->team, &why) != VC_OK;
}

int vc_call_failed(struct vc_comm *c, struct vc_call *k, int err)
{
    char why[256];
    snprintf(why, sizeof why, "%s", vc_error_text());
    /* A fault-tolerant program learns of a failure from the error's class, and goes on. */
    int class = vc_ft_class(k->comm, err);
    bool expected = class != MPI_ERR_OTHER;
    if (err == VC_ERR_TRUNCATE && !expected)
        class = MPI_ERR_TRUNCATE;
    if (c->phase != VC_COMM_BROKEN) {
        c->phase = VC_COMM_BROKEN;
        c->why_not = "a collective on it failed";
        vc_team_break(c->team, why);
        vc_log(expected || was_told(c) ? VC_LOG_INFO : VC_LOG_ERROR,
               "%s of rank %d on a communicator of %d ranks: %s", vc_coll_name(k->coll), c->rank, c->size,
               why);
    }
    vc_next.Comm_call_errhandler(k->comm, class);
    return class;
}

void vc_plan_key_of(struct vc_plan_key *key, const struct vc_comm *c, const struct vc_call *k,
                    const struct vc_choice *choice, size_t esize, bool commutative)
{
    *key = (struct vc_plan_key){
        .alg = choice->alg,
        .bytes = vc_coll_by_size(k->coll) || vc_coll_rooted(k->coll) ? k->bytes : 0,
        .esize = esize,
        .segment = choice->segment,
        .root = k->root,
        .radix = choice->radix,
        .leaders = choice->leaders,
        .channel = choice->channel,
        .commutative = commutative,
        .offsets = k->offsets,
        .offsets_hash = k->offsets ? vc_plan_hash(k->offsets, (size_t)c->size + 1) : 0,
    };
}

/* Fills *out from the choice; out->alg stays NULL, and k->why says why, where native runs. */
static int use_choice(struct vc_comm *c, struct vc_call *k, const struct vc_choice *choice, size_t esize,
                      bool commutative, struct vc_selected *out)
{
    k->via = VC_VIA_SHM;
    /* The channel that the choice names may not exist: agreed. */
    if (choice->alg->kind == VC_ALG_PLAN && c->team->chan_for[choice->channel]->chan) {
        struct vc_plan_key key;
        struct vc_plan_slot *slot;
        size_t *lengths = NULL;
        vc_plan_key_of(&key, c, k, choice, esize, commutative);
        int err = VC_OK;
        if (choice->alg->lengths && !vc_plans_refused(c->team, &key, k->coll))
            err = vc_lengths_exchange(c, k, choice, &key, &lengths);
        if (err == VC_OK)
            err = vc_plans_get(c->team, &key, k->coll, &slot);
        free(lengths);
        if (err != VC_OK)
            return err;
        out->exec = slot->exec;
        k->via = slot->via;
    }
    if (choice->alg->kind == VC_ALG_NATIVE || (choice->alg->kind == VC_ALG_PLAN && !out->exec))
        k->why = VC_PASS_SELECTED;
    else
        k->alg = out->alg = choice->alg;
    out->choice = choice;
    return VC_OK;
}

static const struct vc_choice *find_choice(struct vc_comm *c, struct vc_call *k, bool commutative)
{
    const struct vc_choice *choice =
        c->phase == VC_COMM_LEARNING ? vc_online_choose(c->team, k, commutative) : NULL;
    return choice ? choice : vc_select(&c->team->sel, k->coll, k->bytes, commutative);
}

/* Whether the channel of a plan is still to be made, collectively. */
static bool chan_is_untried(const struct vc_team *t, const struct vc_choice *choice)
{
    return choice->alg->kind == VC_ALG_PLAN && !t->chan_for[choice->channel]->tried;
}

/* The plan that refuses no shape, where the one that was chosen has refused. */
static int use_spare(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                     struct vc_selected *out)
{
    const struct vc_choice *spare = &c->team->sel.spare[k->coll];
    int err = VC_OK;
    if (spare->alg && chan_is_untried(c->team, spare))
        err = vc_channels_open(c->team, k->comm, spare->channel);
    /* If the channel could not be made, there is no spare any more. */
    return err == VC_OK && spare->alg ? use_choice(c, k, spare, esize, commutative, out) : err;
}

/* Nonblocking calls come first, in the order of the calls; then the channels that some of them have missed
 * are opened. */
static int end_posts(struct vc_comm *c, struct vc_call *k)
{
    struct vc_team *t = c->team;
    const char *why;
    int err = vc_queue_drain(t);
    if (err != VC_OK) {
        vc_queue_failed(t, &why);
        return vc_fail(err, "%s", why);
    }
    for (int i = 0; err == VC_OK && i < VC_CHANNELS; i++)
        if (t->queue.wanted_channels & 1u << i)
            err = vc_channels_open(t, k->comm, (enum vc_choice_channel)i);
    t->queue.wanted_channels = 0;
    c->phase = c->idle;
    return err;
}

void vc_tell_native(struct vc_comm *c, const struct vc_call *k)
{
    if (k->why == VC_PASS_SELECTED && vc_coll_by_size(k->coll) && c->team && c->team->node &&
        c->team->hier.nnodes == 1)
        vc_node_pass(c->team->node, k->bytes);
}

static int select_call(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                       struct vc_selected *out)
{
    if (c->phase == VC_COMM_NEW && !vc_comm_advance(c, k->comm) && c->phase != VC_COMM_BROKEN) {
        k->why = c->phase == VC_COMM_NEW ? VC_PASS_WAITING : VC_PASS_COMM;
        return VC_OK;
    }
    if (c->phase == VC_COMM_BUSY) {
        int err = end_posts(c, k);
        if (err != VC_OK)
            return err;
    }
    if (c->phase == VC_COMM_BROKEN)
        return c->team ? vc_fail(VC_ERR_UNSUPPORTED, "an earlier collective on this communicator failed")
                       : VC_ERR_MPI; /* the text is that of the set-up */
    struct vc_team *t = c->team;
    const struct vc_choice *choice = find_choice(c, k, commutative);
    int err = VC_OK;
    if (VC_UNLIKELY(chan_is_untried(t, choice))) {
        unsigned selections = t->selections;
        err = vc_channels_open(t, k->comm, choice->channel);
        if (err == VC_OK && selections != t->selections) /* it is another one now */
            choice = vc_select(&t->sel, k->coll, k->bytes, commutative);
    }
    if (err == VC_OK)
        err = use_choice(c, k, choice, esize, commutative, out);
    if (err != VC_OK || out->alg || choice->alg->kind != VC_ALG_PLAN)
        return err;
    /* It was selected for its size alone, and may need more elements than these. One that is forced is not
     * replaced by another of ours. */
    bool forced = choice->alg == vc_params.alg[k->coll].alg || t->force[k->coll].alg;
    return forced ? VC_OK : use_spare(c, k, esize, commutative, out);
}

int vc_select_call_slow(struct vc_comm *c, struct vc_call *k, size_t esize, bool commutative,
                        struct vc_selected *out)
{
    int err = select_call(c, k, esize, commutative, out);
    if (err == VC_OK && !out->alg && k->bytes >= VC_NATIVE_TOLD)
        vc_tell_native(c, k);
    return err;
}

struct vc_comm *vc_enter_slow(struct vc_call *k, struct vc_comm *c)
{
    if (!c || c->phase == VC_COMM_PASSES) {
        k->why = VC_PASS_COMM;
        return NULL;
    }
    /* The program may have loaded a driver since MPI_Init: seen at the latest when a communicator is set up.
     */
    if (c->phase == VC_COMM_NEW)
        vc_gate_look_for_devices();
    return c;
}
