/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/plans.h"

#include "coll/parts.h"
#include "pmpi/team.h"

#include <stdlib.h>
#include <string.h>

/* Memory of all plans of a communicator, steps and scratch, but for the newest, which may need more by
 * itself. */
#define BYTES_KEPT ((size_t)16 << 20)

/* The ways of its messages, and in *node that of its node phases. */
static unsigned find_ways(const struct vc_team *t, const struct vc_team_chan *c, const struct vc_plan *p,
                          unsigned *node)
{
    bool verbs = c == &t->chan[VC_NET_VERBS];
    unsigned via = 0;
    *node = 0;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *s = &p->steps[i];
        if (s->kind == VC_STEP_NODE)
            *node |= t->node ? VC_VIA_SHM : 0;
        else if (s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE)
            via |= c->rings.bytes && t->hier.node_of[s->peer] == t->mine ? VC_VIA_SHM
                   : vc_team_by_host(t, c, s->peer)                      ? VC_VIA_IVSHMEM
                   : verbs && (!c->reach || c->reach[s->peer])           ? VC_VIA_VERBS
                                                                         : VC_VIA_MPI;
    }
    return via;
}

/* The same of a plan made part by part, whose steps are not known, and which has no node phases. */
static unsigned possible_ways(const struct vc_team *t, const struct vc_team_chan *c)
{
    unsigned far = c == &t->chan[VC_NET_VERBS] ? VC_VIA_VERBS : VC_VIA_MPI;
    bool near = c->rings.bytes && t->nlocal > 1;
    return (near ? VC_VIA_SHM : 0) | (near && t->hier.nnodes == 1 ? 0 : far);
}

static void forget(struct vc_plans *p, struct vc_plan_slot *s)
{
    if (s->exec)
        vc_exec_destroy(s->exec);
    p->bytes -= s->bytes;
    free(s->numbers);
    memset(s, 0, sizeof *s);
}

/* Used longest ago, of all but `but`; a free slot counts as never used. NULL: none has memory, where that is
 * asked for. */
static struct vc_plan_slot *oldest(struct vc_plans *p, bool with_memory, const struct vc_plan_slot *but)
{
    struct vc_plan_slot *best = NULL;
    for (int i = 0; i < VC_PLANS_KEPT; i++) {
        struct vc_plan_slot *s = &p->slot[i];
        if (s != but && (!with_memory || s->bytes > 0) && (!best || s->last_used < best->last_used))
            best = s;
    }
    return best;
}

/* Forgets those used longest ago, but never `but`, until all have at most `most` bytes. */
static void trim(struct vc_plans *p, size_t most, const struct vc_plan_slot *but)
{
    for (struct vc_plan_slot *old; p->bytes > most && (old = oldest(p, true, but)) != NULL;)
        forget(p, old);
}

void vc_plans_trim(struct vc_plans *p, size_t most)
{
    trim(p, most, NULL);
}

void vc_plans_free(struct vc_plans *p)
{
    for (int i = 0; i < VC_PLANS_KEPT; i++)
        forget(p, &p->slot[i]);
}

uint64_t vc_plan_hash(const size_t *numbers, size_t n)
{
    /* A product and a sum for each number; equal ones are compared anyway. */
    uint64_t h = VC_HASH_START;
    for (size_t i = 0; i < n; i++)
        h = (h ^ numbers[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return h;
}

/* The lengths or places that belong to a key. */
static const size_t *numbers_of(const struct vc_plan_key *key, int size, size_t *n)
{
    *n = key->offsets ? (size_t)size + 1 : key->node_pairs ? key->npairs : 0;
    return key->offsets ? key->offsets : key->node_pairs;
}

/* The slot's own copy of these, which the caller may change. */
static int copy_numbers(struct vc_plans *p, struct vc_plan_slot *s, const struct vc_plan_key *key, int size,
                        const size_t **offsets, const size_t **node_pairs)
{
    size_t n;
    const size_t *numbers = numbers_of(key, size, &n);
    if (numbers && n > s->nnumbers) {
        size_t *more = realloc(s->numbers, n * sizeof *numbers);
        if (!more)
            return vc_fail(VC_ERR_NOMEM, "out of memory for the counts of %d ranks", size);
        s->bytes += (n - s->nnumbers) * sizeof *numbers;
        p->bytes += (n - s->nnumbers) * sizeof *numbers;
        s->numbers = more;
        s->nnumbers = n;
    }
    if (numbers)
        memcpy(s->numbers, numbers, n * sizeof *numbers);
    *offsets = key->offsets ? s->numbers : NULL;
    *node_pairs = !key->offsets && key->node_pairs ? s->numbers : NULL;
    return VC_OK;
}

static struct vc_shape shape_of(const struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll)
{
    return (struct vc_shape){
        .coll = coll,
        .size = t->size,
        .root = key->root,
        .bytes = key->bytes,
        .esize = key->esize,
        .commutative = key->commutative,
        .radix = key->radix,
        .segment = key->segment,
        .leaders = key->leaders,
        .offsets = key->offsets,
        .node_pairs = key->node_pairs,
        .hier = &t->hier,
    };
}

bool vc_plans_refused(const struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll)
{
    struct vc_shape shape = shape_of(t, key, coll);
    return vc_alg_refuses(key->alg, &shape) != NULL;
}

/* Longer elements have a plan for each size. */
#define SCALED_ESIZE 4096

/* The bytes for which the plan of all sizes is built: whole elements, and whole cache lines. 0: this call's
 * is not one for all sizes. */
static size_t unit_of(const struct vc_plan_key *key)
{
    size_t unit = key->esize ? key->esize : 1;
    if (!key->alg->scales || !key->bytes || key->offsets || key->segment || unit > SCALED_ESIZE)
        return 0;
    while (unit % VC_SCALE_UNIT)
        unit *= 2;
    return unit;
}

/* The slot has so much memory by now. */
static void count_memory(struct vc_plans *p, struct vc_plan_slot *s)
{
    size_t bytes = vc_exec_bytes(s->exec) + s->nnumbers * sizeof *s->numbers;
    p->bytes += bytes - s->bytes;
    s->bytes = bytes;
}

static int make_whole(struct vc_team *t, const struct vc_alg *alg, const struct vc_shape *shape,
                      struct vc_exec_env *env, struct vc_plan_slot *s)
{
    struct vc_plan plan;
    vc_plan_init(&plan);
    int err = alg->build(shape, t->rank, &plan);
    if (err == VC_OK)
        err = vc_plan_finish(&plan);
    if (err == VC_OK) {
        unsigned by_node, by_message = find_ways(t, t->chan_for[s->key.channel], &plan, &by_node);
        env->by_shm = (by_message & VC_VIA_SHM) != 0;
        env->by_device = (by_message & VC_VIA_VERBS) != 0;
        env->by_host = by_message & VC_VIA_IVSHMEM ? t->chan_for[s->key.channel]->by_host : NULL;
        s->via = by_node | by_message;
        /* Memory is bounded: old plans make room for the new one's scratch before it is taken. */
        trim(&t->plans, plan.tmp_bytes < BYTES_KEPT ? BYTES_KEPT - plan.tmp_bytes : 0, s);
        err = vc_exec_create(&plan, env, &s->exec);
    }
    vc_plan_free(&plan);
    return err;
}

static int make_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                     struct vc_plan_slot *s)
{
    struct vc_plan_key built = *key;
    size_t unit = unit_of(key);
    if (unit)
        built.bytes = unit;
    struct vc_shape shape = shape_of(t, &built, coll);
    const struct vc_team_chan *c = t->chan_for[key->channel];
    struct vc_exec_env env = {.chan = c->chan, .node = t->node, .local = t->local, .nlocal = t->nlocal};
    if (s->key.in_parts) {
        s->via = possible_ways(t, c);
        env.by_shm = (s->via & VC_VIA_SHM) != 0;
        env.by_device = (s->via & VC_VIA_VERBS) != 0;
        env.by_host = c->by_host;
        return vc_exec_create_parts(key->alg, t->rank, t->size, &env, &s->exec);
    }
    int err = make_whole(t, key->alg, &shape, &env, s);
    if (err == VC_OK && unit)
        vc_exec_scales(s->exec, unit);
    return err;
}

/*
 * What of a key the steps depend on. A plan made part by part is made anew in each run, for any root and any
 * bytes, and one that scales is for all sizes but none.
 */
static struct vc_plan_key lasting_key(const struct vc_plan_key *key, const struct vc_shape *shape)
{
    struct vc_plan_key k = *key;
    k.in_parts = vc_alg_part_rounds(key->alg, shape) > 0;
    if (k.in_parts)
        k = (struct vc_plan_key){.alg = key->alg, .channel = key->channel, .in_parts = true};
    else if (unit_of(key))
        k.bytes = unit_of(key);
    return k;
}

static bool same_key(const struct vc_plan_key *a, const struct vc_plan_key *b, int size)
{
    if (a->in_parts != b->in_parts)
        return false;
    size_t na, nb;
    const size_t *of_a = numbers_of(a, size, &na), *of_b = numbers_of(b, size, &nb);
    if (a->offsets_hash != b->offsets_hash || !a->offsets != !b->offsets || na != nb)
        return false;
    if (of_a && memcmp(of_a, of_b, na * sizeof *of_a) != 0)
        return false;
    return a->bytes == b->bytes && a->alg == b->alg && a->root == b->root && a->esize == b->esize &&
           a->commutative == b->commutative && a->radix == b->radix && a->segment == b->segment &&
           a->leaders == b->leaders && a->channel == b->channel;
}

static struct vc_plan_slot *find_slot(struct vc_plans *p, const struct vc_plan_key *key, int size)
{
    for (int i = 0; i < VC_PLANS_KEPT; i++)
        if (p->slot[i].last_used && same_key(&p->slot[i].key, key, size))
            return &p->slot[i];
    return NULL;
}

/* Makes the slot's plan one for this call. */
static int fit_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                    struct vc_plan_slot *s)
{
    int err = VC_OK;
    if (s->key.in_parts) {
        struct vc_shape shape = shape_of(t, key, coll);
        err = copy_numbers(&t->plans, s, key, t->size, &shape.offsets, &shape.node_pairs);
        vc_exec_shape(s->exec, &shape);
    } else if (unit_of(key)) {
        err = vc_exec_scale(s->exec, key->bytes);
    }
    return err;
}

/* Calls come in rows of the same kind: whether this one is as the slot's last one, to which its plan has been
 * fitted. */
static inline bool fits_again(const struct vc_plan_slot *s, const struct vc_plan_key *key)
{
    const struct vc_plan_key *k = &s->call;
    return k->alg == key->alg && k->bytes == key->bytes && k->esize == key->esize && k->root == key->root &&
           k->segment == key->segment && k->radix == key->radix && k->leaders == key->leaders &&
           k->channel == key->channel && k->commutative == key->commutative && !key->offsets &&
           !key->node_pairs;
}

/* The second call of a kind leads the next ones here: then the memory that the first run took was counted. */
static void remember(struct vc_plans *p, struct vc_plan_slot *s, const struct vc_plan_key *key,
                     enum vc_coll coll, bool found)
{
    bool lasts = found && s->exec && !s->key.in_parts && !key->offsets && !key->node_pairs;
    s->call = lasts ? *key : (struct vc_plan_key){.alg = NULL};
    p->recent[coll] = s;
}

int vc_plans_get(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                 struct vc_plan_slot **out)
{
    struct vc_plans *p = &t->plans;
    struct vc_plan_slot *recent = p->recent[coll];
    if (VC_LIKELY(recent && fits_again(recent, key))) {
        recent->last_used = ++p->clock;
        *out = recent;
        return VC_OK;
    }
    struct vc_shape shape = shape_of(t, key, coll);
    struct vc_plan_key lasting = lasting_key(key, &shape);
    struct vc_plan_slot *s = find_slot(p, &lasting, t->size);
    bool found = s != NULL;
    int err = VC_OK;
    if (!found) {
        s = oldest(p, false, NULL);
        forget(p, s);
        s->key = lasting;
        err = copy_numbers(p, s, &lasting, t->size, &s->key.offsets, &s->key.node_pairs);
        if (err == VC_OK && !vc_alg_refuses(key->alg, &shape))
            err = make_plan(t, key, coll, s);
    }
    if (err == VC_OK && s->exec)
        err = fit_plan(t, key, coll, s);
    if (err != VC_OK) {
        forget(p, s);
        return err;
    }
    s->last_used = ++p->clock;
    if (s->exec)
        count_memory(p, s);
    trim(p, BYTES_KEPT, s);
    remember(p, s, key, coll, found);
    *out = s;
    return VC_OK;
}
