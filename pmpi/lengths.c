/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/lengths.h"

#include <stdlib.h>
#include <string.h>

/* A plan that gathers one number of each rank at all. */
static int number_plan(struct vc_team *t, const struct vc_choice *choice, struct vc_exec **out)
{
    const char *const names[] = {"two_level", "bruck"};
    struct vc_plan_slot *slot = NULL;
    *out = NULL;
    for (size_t i = t->hier.nnodes < t->size ? 0 : 1; !*out && i < sizeof names / sizeof names[0]; i++) {
        struct vc_plan_key key = {.alg = vc_alg_find(VC_ALLGATHER, names[i]),
                                  .bytes = sizeof(size_t),
                                  .esize = 1,
                                  .channel = choice->channel,
                                  .commutative = true};
        int err = vc_plans_get(t, &key, VC_ALLGATHER, &slot);
        if (err != VC_OK)
            return err;
        *out = slot->exec;
    }
    return *out ? VC_OK : vc_fail(VC_ERR_UNSUPPORTED, "no plan gathers the lengths of %d ranks", t->size);
}

static int gather_numbers(struct vc_team *t, const struct vc_choice *choice, size_t own, size_t *all)
{
    struct vc_exec *exec;
    int err = number_plan(t, choice, &exec);
    if (err == VC_OK)
        err = vc_exec_start(exec, &own, all, NULL);
    return err == VC_OK ? vc_exec_wait(exec, &t->wait, t->parking.shared ? &t->parking : NULL) : err;
}

/* The root's counts are the others'. */
static int check_root(const struct vc_comm *c, const struct vc_call *k, const size_t *lens)
{
    for (int r = 0; k->offsets && r < c->size; r++)
        if (k->offsets[r + 1] - k->offsets[r] != lens[r])
            return vc_fail(VC_ERR_TRUNCATE,
                           "a block has %zu bytes on rank %d and %zu on rank %d: the counts differ", lens[r],
                           r, k->offsets[r + 1] - k->offsets[r], c->rank);
    return VC_OK;
}

static int lengths_of_all(struct vc_comm *c, const struct vc_call *k, const struct vc_choice *choice,
                          struct vc_plan_key *key, size_t *at)
{
    int n = c->size, err = gather_numbers(c->team, choice, k->bytes, at);
    if (err == VC_OK)
        err = check_root(c, k, at);
    if (err != VC_OK)
        return err;
    size_t sum = 0;
    for (int r = 0; r <= n; r++) {
        size_t len = r < n ? at[r] : 0;
        at[r] = sum;
        sum += len;
    }
    key->bytes = vc_mean_block(sum, n, 1);
    key->offsets = at;
    key->offsets_hash = vc_plan_hash(at, (size_t)n + 1);
    return VC_OK;
}

static int pairs_of_node(struct vc_comm *c, const struct vc_call *k, struct vc_plan_key *key, size_t *pairs)
{
    struct vc_team *t = c->team;
    size_t own = 2 * (size_t)c->size, all = own * (size_t)t->nlocal;
    int err = VC_OK;
    if (t->nlocal == 1) {
        memcpy(pairs, k->pairs, own * sizeof *pairs);
    } else if (!t->node) {
        err = vc_fail(VC_ERR_UNSUPPORTED, "the ranks of the node share no memory");
    } else {
        struct vc_node_call call = {.kind = VC_PHASE_ALLGATHER,
                                    .alg = VC_NODE_SLOTS,
                                    .parts = 1,
                                    .src = k->pairs,
                                    .dst = pairs,
                                    .len = own * sizeof *pairs,
                                    .grain = 1};
        err = vc_node_run(t->node, &call);
    }
    key->bytes = 0;
    key->node_pairs = pairs;
    key->npairs = all;
    key->offsets_hash = vc_plan_hash(pairs, all);
    return err;
}

int vc_lengths_exchange(struct vc_comm *c, const struct vc_call *k, const struct vc_choice *choice,
                        struct vc_plan_key *key, size_t **mem)
{
    struct vc_team *t = c->team;
    bool of_all = choice->alg->lengths == VC_LENGTHS_OF_ALL;
    size_t n = (size_t)c->size;
    if (choice->policy != t->policy)
        vc_team_policy(t, choice->policy);
    *mem = malloc((of_all ? n + 1 : 2 * n * (size_t)t->nlocal) * sizeof **mem);
    if (!*mem)
        return vc_fail(VC_ERR_NOMEM, "no memory for the lengths of %d ranks", c->size);
    return of_all ? lengths_of_all(c, k, choice, key, *mem) : pairs_of_node(c, k, key, *mem);
}
