/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/plans.h"

#include "pmpi/team.h"

#include <stdlib.h>
#include <string.h>

/* Scratch of all plans of a communicator, but for the newest, which may need more by itself. */
#define TMP_KEPT ((size_t)16 << 20)

/* The ways of its messages, and in *node that of its node phases. */
static unsigned find_ways(const struct vc_team *t, const struct vc_team_chan *c, const struct vc_plan *p,
                          unsigned *node)
{
    unsigned via = 0, far = c == &t->chan[VC_NET_VERBS] ? VC_VIA_VERBS : VC_VIA_MPI;
    *node = 0;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *s = &p->steps[i];
        if (s->kind == VC_STEP_NODE)
            *node |= t->node ? VC_VIA_SHM : 0;
        else if (s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE)
            via |= c->rings.bytes && t->hier.node_of[s->peer] == t->mine ? VC_VIA_SHM : far;
    }
    return via;
}

static void forget(struct vc_plans *p, struct vc_plan_slot *s)
{
    if (s->exec)
        vc_exec_destroy(s->exec);
    p->tmp -= s->tmp_bytes;
    free(s->numbers);
    memset(s, 0, sizeof *s);
}

/* Used longest ago; a free slot counts as never used. NULL: none has scratch, where that is asked for. */
static struct vc_plan_slot *oldest(struct vc_plans *p, bool with_tmp)
{
    struct vc_plan_slot *best = NULL;
    for (int i = 0; i < VC_PLANS_KEPT; i++) {
        struct vc_plan_slot *s = &p->slot[i];
        if ((!with_tmp || s->tmp_bytes > 0) && (!best || s->last_used < best->last_used))
            best = s;
    }
    return best;
}

void vc_plans_trim(struct vc_plans *p, size_t tmp)
{
    while (p->tmp > tmp)
        forget(p, oldest(p, true));
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
    *n = key->offsets ? (size_t)size + 1 : key->npairs;
    return key->offsets ? key->offsets : key->node_pairs;
}

/* The slot's own copy of the key, whose numbers the caller may change. */
static int copy_key(struct vc_plans *p, struct vc_plan_slot *s, const struct vc_plan_key *key, int size)
{
    size_t n;
    const size_t *numbers = numbers_of(key, size, &n);
    s->key = *key;
    if (!numbers)
        return VC_OK;
    s->numbers = malloc(n * sizeof *numbers);
    if (!s->numbers)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the counts of %d ranks", size);
    memcpy(s->numbers, numbers, n * sizeof *numbers);
    s->key.offsets = key->offsets ? s->numbers : NULL;
    s->key.node_pairs = key->offsets ? NULL : s->numbers;
    s->tmp_bytes = n * sizeof *numbers;
    p->tmp += s->tmp_bytes;
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

static int make_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                     struct vc_plan_slot *s)
{
    struct vc_shape shape = shape_of(t, &s->key, coll);
    const struct vc_team_chan *c = t->chan_for[key->channel];
    if (vc_alg_refuses(key->alg, &shape))
        return VC_OK;
    struct vc_plan plan;
    vc_plan_init(&plan);
    int err = key->alg->build(&shape, t->rank, &plan);
    if (err == VC_OK)
        err = vc_plan_finish(&plan);
    if (err == VC_OK) {
        /* Memory is bounded: old plans make room for the new one. */
        vc_plans_trim(&t->plans, plan.tmp_bytes < TMP_KEPT ? TMP_KEPT - plan.tmp_bytes : 0);
        unsigned by_node, by_message = find_ways(t, c, &plan, &by_node);
        struct vc_exec_env env = {
            .chan = c->chan,
            .node = t->node,
            .local = t->local,
            .nlocal = t->nlocal,
            .by_shm = (by_message & VC_VIA_SHM) != 0,
            .by_device = (by_message & VC_VIA_VERBS) != 0,
        };
        size_t tmp = plan.tmp_bytes;
        s->via = by_node | by_message;
        err = vc_exec_create(&plan, &env, &s->exec);
        if (err == VC_OK) {
            s->tmp_bytes += tmp;
            t->plans.tmp += tmp;
        }
    }
    vc_plan_free(&plan);
    return err;
}

static bool same_key(const struct vc_plan_key *a, const struct vc_plan_key *b, int size)
{
    size_t na, nb;
    const size_t *of_a = numbers_of(a, size, &na), *of_b = numbers_of(b, size, &nb);
    if (a->offsets_hash != b->offsets_hash || !of_a != !of_b || (of_a && na != nb))
        return false;
    if (of_a && memcmp(of_a, of_b, na * sizeof *of_a) != 0)
        return false;
    return a->bytes == b->bytes && a->alg == b->alg && a->root == b->root && a->esize == b->esize &&
           a->commutative == b->commutative && a->radix == b->radix && a->segment == b->segment &&
           a->leaders == b->leaders && a->channel == b->channel;
}

int vc_plans_get(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                 struct vc_plan_slot **out)
{
    struct vc_plans *p = &t->plans;
    for (int i = 0; i < VC_PLANS_KEPT; i++) {
        struct vc_plan_slot *s = &p->slot[i];
        if (s->last_used && same_key(&s->key, key, t->size)) {
            s->last_used = ++p->clock;
            *out = s;
            return VC_OK;
        }
    }
    struct vc_plan_slot *s = oldest(p, false);
    forget(p, s);
    int err = copy_key(p, s, key, t->size);
    if (err == VC_OK)
        err = make_plan(t, key, coll, s);
    if (err != VC_OK) {
        forget(p, s);
        return err;
    }
    s->last_used = ++p->clock;
    *out = s;
    return VC_OK;
}
