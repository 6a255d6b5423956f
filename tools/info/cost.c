/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts the peers on other nodes in the plans that the built-in rules (or VCOLL_ALG) choose for a job of a
 * given shape. Nothing is estimated: these are the plans that would run.
 */
#include "tools/info/cost.h"

#include "coll/info.h"
#include "tools/facts/facts.h"
#include "tools/info/info.h"
#include "tune/select/select.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 512, SPREAD = 64, ESIZE = 8 }; /* all ranks of jobs up to SAMPLES, some of larger ones */

/* A job and which peers its sampled ranks were seen to have. */
struct job {
    int ranks, ppn;
    struct vc_hier hier;
    int *mem; /* what hier points into */
    int sample[SAMPLES], nsamples;
    unsigned char *met; /* [nsamples][ranks]: bits of enum met */
};

enum met { MET_NOW = 1 << 0, MET_LOG = 1 << 1, MET_ALL = 1 << 2 };

/* ---- the job ---- */

static void add_sample(struct job *j, int rank)
{
    for (int i = 0; i < j->nsamples; i++)
        if (j->sample[i] == rank)
            return;
    if (rank >= 0 && rank < j->ranks && j->nsamples < SAMPLES)
        j->sample[j->nsamples++] = rank;
}

/* All; or ranks of every role (roots, leaders, those after the last power of two) and some from everywhere.
 */
static void choose_samples(struct job *j)
{
    if (j->ranks <= SAMPLES) {
        for (int r = 0; r < j->ranks; r++)
            j->sample[j->nsamples++] = r;
        return;
    }
    int pow2 = 1;
    while (2 * pow2 <= j->ranks)
        pow2 *= 2;
    int last_leader = (j->hier.nnodes - 1) * j->ppn, mid = j->hier.nnodes / 2 * j->ppn;
    const int role[] = {0,        1,        j->ppn, j->ppn + 1,      mid,          mid + 1,     last_leader,
                        pow2 / 2, pow2 - 1, pow2,   j->ranks - pow2, j->ranks - 2, j->ranks - 1};
    for (size_t i = 0; i < sizeof role / sizeof role[0]; i++)
        add_sample(j, role[i]);
    for (int i = 0; i < SPREAD; i++)
        add_sample(j, (int)((long long)i * j->ranks / SPREAD) + i % j->ppn);
}

/* ---- plans ---- */

/* Marks the ranks of other nodes that the plan exchanges messages with. */
static int mark_peers(struct job *j, const struct vc_alg *alg, const struct vc_shape *shape, int sample,
                      unsigned bits)
{
    struct vc_plan plan;
    int rank = j->sample[sample];
    vc_plan_init(&plan);
    int err = alg->build(shape, rank, &plan);
    if (err == VC_OK)
        err = vc_plan_finish(&plan);
    unsigned char *met = j->met + (size_t)sample * (size_t)j->ranks;
    for (int i = 0; err == VC_OK && i < plan.nsteps; i++) {
        const struct vc_step *s = &plan.steps[i];
        bool message = s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE;
        if (message && j->hier.node_of[s->peer] != j->hier.node_of[rank])
            met[s->peer] |= (unsigned char)bits;
    }
    vc_plan_free(&plan);
    return err;
}

/* Most peers of any sampled rank with one of `bits`; takes `forget` back afterwards. */
static int most_peers(struct job *j, unsigned bits, unsigned forget)
{
    int most = 0;
    for (int s = 0; s < j->nsamples; s++) {
        unsigned char *met = j->met + (size_t)s * (size_t)j->ranks;
        int n = 0;
        for (int r = 0; r < j->ranks; r++) {
            n += (met[r] & bits) != 0;
            met[r] &= (unsigned char)~forget;
        }
        most = n > most ? n : most;
    }
    return most;
}

/* The size does not matter in alltoall, and where nodes are equal one leader, whose plan is long, stands for
 * all. */
static bool worth_looking(const struct job *j, enum vc_coll coll, int rank, int k)
{
    if (coll != VC_ALLTOALL)
        return true;
    return k >= 2 && (rank == 0 || !j->hier.uniform || j->ppn == 1 || rank % j->ppn != 0);
}

/* Peers may differ inside a range of sizes (few elements leave ranks without a share), so both ends count. */
static int count_row(struct job *j, const struct vc_choice *choice, struct cost_row *row)
{
    bool rooted = vc_coll_rooted(row->coll);
    size_t large = row->to != SIZE_MAX ? row->to : row->from > (1 << 19) ? 2 * row->from : 1 << 20;
    const size_t size[2] = {row->from, large};
    int most = 0;
    for (int k = 0; k < 4; k++) {
        struct vc_shape shape = {
            .coll = row->coll,
            .size = j->ranks,
            .root = k & 1 ? j->ranks - 1 : 0,
            .bytes = vc_coll_sized(row->coll) ? vc_round_up(size[k / 2] ? size[k / 2] : 1, ESIZE) : 0,
            .esize = vc_coll_reduces(row->coll) ? ESIZE : 1,
            .commutative = !row->noncommutative,
            .radix = choice->radix,
            .segment = choice->segment,
            .leaders = choice->leaders,
            .hier = &j->hier,
        };
        if ((!rooted && shape.root) || (!vc_coll_sized(row->coll) && k >= 2) ||
            vc_alg_refuses(choice->alg, &shape))
            continue;
        unsigned bits = MET_NOW;
        if (!shape.root)
            bits |= MET_ALL | (row->coll == VC_ALLTOALL ? 0u : MET_LOG);
        for (int s = 0; s < j->nsamples; s++) {
            int err = worth_looking(j, row->coll, j->sample[s], k)
                          ? mark_peers(j, choice->alg, &shape, s, bits)
                          : VC_OK;
            if (err != VC_OK)
                return err;
        }
        int n = most_peers(j, MET_NOW, MET_NOW);
        most = n > most ? n : most;
    }
    row->queue_pairs = most;
    return VC_OK;
}

/* ---- all rules ---- */

static bool same(const struct vc_choice *a, const struct vc_choice *b)
{
    return a->alg == b->alg && a->radix == b->radix && a->segment == b->segment && a->leaders == b->leaders;
}

static int add_rows(struct job *j, const struct vc_selection *sel, enum vc_coll coll, bool noncommutative,
                    struct cost *out)
{
    size_t from = 0;
    const struct vc_choice *before = NULL;
    for (const struct vc_select_range *c = sel->rule[coll];; c++) {
        const struct vc_choice *choice = noncommutative ? &c->noncomm : &c->choice;
        bool shown = !(noncommutative && same(choice, &c->choice));
        if (shown && before && same(before, choice)) {
            out->row[out->nrows - 1].to = c->max_bytes;
        } else if (shown && out->nrows < COST_ROWS) {
            struct cost_row *row = &out->row[out->nrows++];
            *row = (struct cost_row){.coll = coll,
                                     .alg = choice->alg,
                                     .from = from,
                                     .to = c->max_bytes,
                                     .noncommutative = noncommutative,
                                     .queue_pairs = choice->alg->kind == VC_ALG_NATIVE ? -1 : 0};
            int err = choice->alg->kind == VC_ALG_PLAN ? count_row(j, choice, row) : VC_OK;
            if (err != VC_OK)
                return err;
        }
        before = shown ? choice : NULL;
        if (c->max_bytes == SIZE_MAX)
            return VC_OK;
        from = c->max_bytes + 1;
    }
}

static int count_cost(const struct vc_params *params, int ranks, int ppn, struct cost *out)
{
    bool shm = (params->channels & VC_CHAN_SHM) != 0;
    struct job j = {.ranks = ranks, .ppn = !shm ? 1 : ppn < ranks ? ppn : ranks};
    memset(out, 0, sizeof *out);
    j.mem = vc_hier_blocks(&j.hier, j.ranks, j.ppn);
    int err = j.mem ? VC_OK : VC_ERR_NOMEM;
    if (err == VC_OK) {
        choose_samples(&j);
        j.met = calloc((size_t)j.nsamples, (size_t)ranks);
        err = j.met ? VC_OK : VC_ERR_NOMEM;
    }
    const struct vc_topo_key key = {
        .size = ranks,
        .nnodes = j.hier.nnodes,
        .max_ppn = j.ppn,
        .have_node = j.ppn > 1,
        .have_cma = params->cma,
        .have_bulk = params->shm_bulk > 0,
        .have_chan = true,
        .have_verbs = true,
        .reproducible = params->reproducible,
        .hier = &j.hier,
    };
    struct vc_selection sel = {.mem = NULL};
    if (err == VC_OK)
        err = vc_select_init(&sel, &key, params, NULL);
    for (int c = 0; err == VC_OK && c < VC_COLL_COUNT; c++) {
        if (!(params->colls & (1u << c)))
            continue;
        err = add_rows(&j, &sel, (enum vc_coll)c, false, out);
        if (err == VC_OK && vc_coll_reduces((enum vc_coll)c))
            err = add_rows(&j, &sel, (enum vc_coll)c, true, out);
    }
    if (err == VC_OK) {
        struct vc_verbs_cfg cfg;
        vc_params_verbs_cfg(params, &cfg);
        cfg.peers = ranks;
        out->ranks = ranks;
        out->sampled = j.nsamples;
        out->ppn = ppn < ranks ? ppn : ranks;
        out->nodes = (ranks + out->ppn - 1) / out->ppn;
        out->queue_pairs_log = most_peers(&j, MET_LOG, 0);
        out->queue_pairs_all = most_peers(&j, MET_ALL, 0);
        vc_verbs_need(&cfg, &out->need);
        out->at_once = out->queue_pairs_all;
        if (params->verbs_peers > 0 && params->verbs_peers < out->at_once)
            out->at_once = params->verbs_peers;
        out->private_bytes = (size_t)out->at_once * out->need.per_peer +
                             (size_t)(out->queue_pairs_all - out->at_once) * out->need.per_closed +
                             (size_t)ranks * out->need.per_process;
    }
    vc_select_free(&sel);
    free(j.met);
    free(j.mem);
    return err == VC_ERR_NOMEM ? vc_fail(err, "out of memory for the plans of %d ranks", ranks) : err;
}

bool info_cost(const struct vc_params *params, int ranks, int ppn, bool json, bool *written)
{
    static const int usual[] = {16, 64, 256, 1024, 4096};
    int n = ranks ? 1 : (int)(sizeof usual / sizeof usual[0]), err = VC_OK;
    struct cost *cost = calloc((size_t)n, sizeof *cost);
    if (!cost)
        err = vc_fail(VC_ERR_NOMEM, "out of memory");
    for (int i = 0; err == VC_OK && i < n; i++)
        err = count_cost(params, ranks ? ranks : usual[i], ppn, &cost[i]);
    if (err != VC_OK)
        fprintf(stderr, "vcoll info: %s\n", vc_error_text());
    else if (json)
        *written = cost_print_json(cost, n);
    else
        cost_print_text(cost, n);
    free(cost);
    return err == VC_OK;
}
