/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/select.h"

#include "coll/node/node.h"
#include "tune/params_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Where a rule holds. Rules for ANYWHERE are the only ones that VCOLL_REPRODUCIBLE lets reductions use. */
enum where {
    ONE = 1 << 0,      /* all ranks share one node's memory */
    SEVERAL = 1 << 1,  /* several nodes, ranks of a node share its memory */
    APART = 1 << 2,    /* no shared memory: every rank is a node of its own */
    NO_BULK = 1 << 3,  /* also: only where there are no bulk slots */
    PAIR = 1 << 4,     /* also: only for two ranks with a CPU each */
    OVER_MPI = 1 << 5, /* also: only where messages between nodes go through the underlying MPI */
    ANYWHERE = ONE | SEVERAL | APART,
};

enum { K = 1 << 10, M = 1 << 20 };
/* A size at which no algorithm asks for more elements. */
#define VC_SELECT_SAMPLE ((size_t)1 << 40)
#define ALL              SIZE_MAX

/* The built-in rules: for each collective and operator class, the first that fits the call wins. A rule whose
 * algorithm refuses the communicator or the operator is passed over; behind the last one stands native.
 * Without shared memory the same messages as the underlying MPI's, sent by a plan on top of it, win in long
 * allreduces alone. */
static const struct {
    enum vc_coll coll;
    unsigned where;
    size_t max_bytes;
    const char *use; /* as in VCOLL_ALG */
} rules[] = {
    {VC_BARRIER, ONE, ALL, "shm"},
    {VC_BARRIER, SEVERAL, ALL, "two_level"},
    {VC_BARRIER, APART | OVER_MPI, ALL, "native"},
    {VC_BARRIER, ANYWHERE, ALL, "dissemination"},

    {VC_BCAST, ONE | NO_BULK, 32 * K, "shm"},
    {VC_BCAST, ONE | NO_BULK, ALL, "native"},
    {VC_BCAST, ONE | PAIR, 8 * K, "shm"},
    {VC_BCAST, ONE | PAIR, ALL, "shm_cma"},
    {VC_BCAST, ONE, 16 * M, "shm"},
    {VC_BCAST, ONE, ALL, "native"},
    {VC_BCAST, SEVERAL, 64 * K, "two_level"},
    {VC_BCAST, SEVERAL, ALL, "two_level_scatter_allgather"},
    {VC_BCAST, APART | OVER_MPI, ALL, "native"},
    {VC_BCAST, ANYWHERE, 16 * K, "binomial"},
    {VC_BCAST, ANYWHERE, ALL, "scatter_allgather"},

    {VC_REDUCE, ONE | NO_BULK, 32 * K, "shm"},
    {VC_REDUCE, ONE | NO_BULK, ALL, "native"},
    {VC_REDUCE, ONE, 16 * M, "shm"},
    {VC_REDUCE, ONE, ALL, "native"},
    {VC_REDUCE, SEVERAL, 64 * K, "two_level"},
    {VC_REDUCE, SEVERAL, ALL, "two_level_multi"},
    {VC_REDUCE, SEVERAL, ALL, "two_level"},
    {VC_REDUCE, APART | OVER_MPI, ALL, "native"},
    {VC_REDUCE, ANYWHERE, 32 * K, "binomial"},
    {VC_REDUCE, ANYWHERE, ALL, "rabenseifner"},
    {VC_REDUCE, ANYWHERE, ALL, "binomial_ordered"},

    {VC_ALLREDUCE, ONE | NO_BULK, 32 * K, "shm"},
    {VC_ALLREDUCE, ONE | NO_BULK, ALL, "native"},
    {VC_ALLREDUCE, ONE | PAIR, 256 * K, "shm"},
    {VC_ALLREDUCE, ONE | PAIR, ALL, "shm_cma"},
    {VC_ALLREDUCE, ONE, 16 * M, "shm"},
    {VC_ALLREDUCE, ONE, ALL, "native"},
    {VC_ALLREDUCE, SEVERAL, 8 * K, "two_level"},
    {VC_ALLREDUCE, SEVERAL, 64 * K, "two_level_multi"},
    {VC_ALLREDUCE, SEVERAL, ALL, "two_level_multi_rabenseifner"},
    {VC_ALLREDUCE, SEVERAL, ALL, "two_level"},
    {VC_ALLREDUCE, APART | OVER_MPI, 8 * K, "native"},
    {VC_ALLREDUCE, ANYWHERE, 16 * K, "recursive_doubling"},
    {VC_ALLREDUCE, ANYWHERE, 1 * M, "rabenseifner"},
    {VC_ALLREDUCE, ANYWHERE, ALL, "ring"},
    {VC_ALLREDUCE, ANYWHERE, ALL, "recursive_doubling"},

    {VC_ALLGATHER, ONE | NO_BULK, 32 * K, "shm"},
    {VC_ALLGATHER, ONE | NO_BULK, ALL, "native"},
    {VC_ALLGATHER, ONE | PAIR, 16 * K, "shm"},
    {VC_ALLGATHER, ONE | PAIR, ALL, "shm_cma"},
    {VC_ALLGATHER, ONE, 1 * M, "shm"},
    {VC_ALLGATHER, ONE, ALL, "shm_cma"},
    {VC_ALLGATHER, SEVERAL, 16 * K, "two_level"},
    {VC_ALLGATHER, SEVERAL, ALL, "two_level_multi_ring"},
    {VC_ALLGATHER, SEVERAL, ALL, "two_level_ring"},
    {VC_ALLGATHER, APART | OVER_MPI, ALL, "native"},
    {VC_ALLGATHER, ANYWHERE, 1 * K, "bruck"},
    {VC_ALLGATHER, ANYWHERE, 32 * K, "recursive_doubling"},
    {VC_ALLGATHER, ANYWHERE, ALL, "ring"},

    {VC_ALLTOALL, ONE | NO_BULK, 32 * K, "shm"},
    {VC_ALLTOALL, ONE | NO_BULK, ALL, "native"},
    {VC_ALLTOALL, ONE | PAIR, 16 * K, "shm"},
    {VC_ALLTOALL, ONE | PAIR, ALL, "shm_cma"},
    {VC_ALLTOALL, ONE, 32 * K, "shm"},
    {VC_ALLTOALL, ONE, 512 * K, "shm_cma"},
    {VC_ALLTOALL, ONE, ALL, "native"},
    {VC_ALLTOALL, SEVERAL, 1 * K, "two_level"},
    {VC_ALLTOALL, SEVERAL, ALL, "two_level_multi"},
    {VC_ALLTOALL, APART | OVER_MPI, ALL, "native"},
    {VC_ALLTOALL, ANYWHERE, 256, "bruck"},
    {VC_ALLTOALL, ANYWHERE, ALL, "pairwise"},
};

enum { NRULES = sizeof rules / sizeof rules[0] };

static struct vc_alg_choice parsed[NRULES]; /* alg NULL: the text is not valid */
static char first_bad[640];

static void parse_rules(void)
{
    for (int i = 0; i < NRULES; i++) {
        struct vc_params p;
        char text[96];
        memset(&p, 0, sizeof p);
        snprintf(text, sizeof text, "%s=%s", vc_coll_name(rules[i].coll), rules[i].use);
        if (vc_param_parse_alg(&p, text) == VC_OK)
            parsed[i] = p.alg[rules[i].coll];
        else if (!first_bad[0])
            snprintf(first_bad, sizeof first_bad, "%s: %s", text, vc_error_text());
    }
}

static void parse_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, parse_rules);
}

bool vc_select_rules_valid(char *text, size_t len)
{
    parse_once();
    snprintf(text, len, "%s", first_bad);
    return first_bad[0] == '\0';
}

static bool reduces(enum vc_coll coll)
{
    return coll == VC_REDUCE || coll == VC_ALLREDUCE;
}

/* NULL, or why the algorithm cannot run on this communicator whatever the size of the call. */
static const char *unusable(const struct vc_alg_choice *c, const struct vc_topo_key *key, enum vc_coll coll,
                            bool commutative)
{
    struct vc_shape shape = {
        .coll = coll,
        .size = key->size,
        .bytes = VC_SELECT_SAMPLE,
        .esize = 1,
        .commutative = commutative,
        .radix = c->radix,
        .segment = c->segment,
        .leaders = c->leaders,
        .hier = key->hier,
    };
    if (c->alg->kind == VC_ALG_NATIVE)
        return NULL;
    if (c->alg->kind == VC_ALG_NODE && !(key->have_node && key->nnodes == 1))
        return "all ranks must share one node's memory";
    if (c->alg->kind == VC_ALG_NODE && c->alg->node_alg == VC_NODE_CMA && !key->have_cma)
        return "single copy is switched off, or not permitted between all ranks";
    if (c->alg->kind == VC_ALG_PLAN && !key->have_chan)
        return "no channel reaches all ranks";
    if (key->reproducible && reduces(coll) && !(c->alg->restrictions & VC_PLACEMENT_FREE))
        return "its result depends on placement, and VCOLL_REPRODUCIBLE is set";
    return vc_alg_refuses(c->alg, &shape);
}

static bool holds(int rule, const struct vc_topo_key *key, enum vc_coll coll)
{
    unsigned here = !key->have_node ? APART : key->nnodes == 1 ? ONE : SEVERAL, where = rules[rule].where;
    if (rules[rule].coll != coll || !(where & here) || ((where & NO_BULK) && key->have_bulk) ||
        ((where & OVER_MPI) && key->have_verbs) || ((where & PAIR) && (key->size != 2 || key->crowded)))
        return false;
    return !(key->reproducible && reduces(coll) && where != ANYWHERE);
}

static const struct vc_alg_choice *find(const struct vc_topo_key *key, enum vc_coll coll, size_t bytes,
                                        bool commutative)
{
    for (int i = 0; i < NRULES; i++)
        if (parsed[i].alg && bytes <= rules[i].max_bytes && holds(i, key, coll) &&
            !unusable(&parsed[i], key, coll, commutative))
            return &parsed[i];
    return NULL;
}

static bool same(const struct vc_alg_choice *a, const struct vc_alg_choice *b)
{
    return a->alg == b->alg && a->radix == b->radix && a->segment == b->segment && a->leaders == b->leaders;
}

static void resolve(struct vc_selection *sel, const struct vc_topo_key *key, enum vc_coll coll,
                    const struct vc_alg_choice *forced, const struct vc_alg_choice *forced_noncomm)
{
    const struct vc_alg_choice native = {.alg = vc_alg_find(coll, "native")};
    struct vc_choice *out = sel->rule[coll];
    int n = 0;
    for (size_t at = 0;;) {
        /* All sizes from `at` to the next border are answered alike. */
        size_t end = SIZE_MAX;
        for (int i = 0; i < NRULES; i++)
            if (holds(i, key, coll) && rules[i].max_bytes >= at && rules[i].max_bytes < end)
                end = rules[i].max_bytes;
        const struct vc_alg_choice *a = forced ? forced : find(key, coll, at, true);
        const struct vc_alg_choice *b = forced_noncomm ? forced_noncomm : find(key, coll, at, false);
        struct vc_choice c = {.max_bytes = end, .pick = a ? *a : native, .pick_noncomm = b ? *b : native};
        if (n > 0 && same(&out[n - 1].pick, &c.pick) && same(&out[n - 1].pick_noncomm, &c.pick_noncomm))
            out[n - 1].max_bytes = end;
        else if (n < VC_SELECT_RULES)
            out[n++] = c;
        if (end == SIZE_MAX)
            break;
        at = end + 1;
    }
    out[n - 1].max_bytes = SIZE_MAX;
}

static void pick_spare(struct vc_selection *sel, const struct vc_topo_key *key, enum vc_coll coll)
{
    for (int i = 0; i < NRULES && !sel->spare[coll].alg; i++)
        if (parsed[i].alg && rules[i].coll == coll && rules[i].where == ANYWHERE &&
            !(parsed[i].alg->restrictions & ~(unsigned)VC_PLACEMENT_FREE) &&
            !unusable(&parsed[i], key, coll, false))
            sel->spare[coll] = parsed[i];
}

void vc_select_init(struct vc_selection *sel, const struct vc_topo_key *key, const struct vc_params *params)
{
    parse_once();
    memset(sel, 0, sizeof *sel);
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        enum vc_coll coll = (enum vc_coll)i;
        const struct vc_alg_choice *forced = params->alg[i].alg ? &params->alg[i] : NULL;
        const char *why = forced ? unusable(forced, key, coll, true) : NULL;
        bool noncomm = forced && !unusable(forced, key, coll, false);
        if (why)
            vc_log(VC_LOG_INFO, "VCOLL_ALG: %s=%s cannot run on a communicator of %d ranks on %d nodes (%s)",
                   vc_coll_name(coll), forced->alg->name, key->size, key->nnodes, why);
        pick_spare(sel, key, coll);
        resolve(sel, key, coll, why ? NULL : forced, noncomm ? forced : NULL);
    }
}
