/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine runs: made once for a plan, or again for each part of a plan made part by part. */
#include "coll/engine_impl.h"
#include "coll/parts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/** Room for reducing with a user's operator into the operand that it may not write, see reduce(). */
#define BOUNCE_MAX ((size_t)64 << 10)

static bool is_message(const struct vc_step *st)
{
    return st->kind == VC_STEP_SEND || st->kind == VC_STEP_RECV || st->kind == VC_STEP_RECV_REDUCE;
}

/** Chains step s behind the last one of its chain. */
static void chain(struct vc_exec *x, int *last, int s)
{
    if (*last >= 0) {
        x->links[*last].chained = s;
        x->unmet0[s]++;
    }
    *last = s;
}

/** Fills links, succ, unmet0 and roots. */
static void link_steps(struct vc_exec *x)
{
    const struct vc_plan *p = &x->plan;
    int last_node = -1, *last_send = x->last, *last_recv = x->last + x->peers;
    x->nroots = 0;
    for (int s = 0; s < p->nsteps; s++)
        if (is_message(&p->steps[s]))
            last_send[p->steps[s].peer] = last_recv[p->steps[s].peer] = -1;
    for (int s = 0; s < p->nsteps; s++)
        x->links[s] = (struct link){.chained = -1};
    for (int s = 0; s < p->nsteps; s++) {
        const struct vc_step *st = &p->steps[s];
        for (int d = 0; d < st->dep_count; d++)
            x->links[p->deps[st->dep_first + d]].succ_count++;
        x->unmet0[s] = st->dep_count;
        if (st->kind == VC_STEP_SEND)
            chain(x, &last_send[st->peer], s);
        else if (st->kind == VC_STEP_RECV || st->kind == VC_STEP_RECV_REDUCE)
            chain(x, &last_recv[st->peer], s);
        else if (st->kind == VC_STEP_NODE)
            chain(x, &last_node, s);
    }
    int at = 0;
    for (int s = 0; s < p->nsteps; s++) {
        x->links[s].succ_first = at;
        at += x->links[s].succ_count;
        x->links[s].succ_count = 0;
        if (x->unmet0[s] == 0)
            x->roots[x->nroots++] = s;
    }
    for (int s = 0; s < p->nsteps; s++)
        for (int d = 0; d < p->steps[s].dep_count; d++) {
            struct link *l = &x->links[p->deps[p->steps[s].dep_first + d]];
            x->succ[l->succ_first + l->succ_count++] = s;
        }
}

/* ---- memory ---- */

/* Zeroed room for n elements in place of an array whose contents are not kept. NULL: out of memory. */
static void *renewed(void *array, size_t n, size_t each)
{
    free(array);
    return calloc(n ? n : 1, each);
}

/** Makes room for the plan that x has by now. No message is under way. */
static bool make_room(struct vc_exec *x, size_t bounce)
{
    size_t n = (size_t)x->plan.nsteps;
    if (!x->links || x->plan.nsteps > x->cap_steps) {
        x->cap_steps = 0;
        if (!(x->links = renewed(x->links, n, sizeof *x->links)) ||
            !(x->unmet0 = renewed(x->unmet0, n, sizeof *x->unmet0)) ||
            !(x->unmet = renewed(x->unmet, n, sizeof *x->unmet)) ||
            !(x->roots = renewed(x->roots, n, sizeof *x->roots)) ||
            !(x->ready = renewed(x->ready, n, sizeof *x->ready)) ||
            !(x->flying = renewed(x->flying, n, sizeof *x->flying)) ||
            !(x->reqs = renewed(x->reqs, n, sizeof *x->reqs)))
            return false;
        x->cap_steps = x->plan.nsteps;
    }
    if (!x->succ || x->plan.ndeps > x->cap_deps) {
        x->cap_deps = 0;
        if (!(x->succ = renewed(x->succ, (size_t)x->plan.ndeps, sizeof *x->succ)))
            return false;
        x->cap_deps = x->plan.ndeps;
    }
    if (bounce > x->bounce_bytes) {
        if (!(x->bounce = renewed(x->bounce, bounce, 1)))
            return false;
        x->bounce_bytes = bounce;
    }
    return true;
}

/** Scratch of at least so many bytes; what is in it is lost. */
static bool make_scratch(struct vc_exec *x, size_t bytes)
{
    if (bytes <= x->cap_tmp)
        return true;
    unsigned char *tmp = aligned_alloc(VC_CACHELINE, vc_round_up(bytes, VC_CACHELINE));
    if (!tmp)
        return false;
    free(x->tmp);
    x->tmp = tmp;
    x->cap_tmp = bytes;
    return true;
}

static void release(struct vc_exec *x)
{
    vc_plan_free(&x->plan);
    free(x->links);
    free(x->succ);
    free(x->unmet0);
    free(x->unmet);
    free(x->roots);
    free(x->ready);
    free(x->flying);
    free(x->reqs);
    free(x->tmp);
    free(x->bounce);
    free(x->seen);
    free(x->last);
    free(x);
}

size_t vc_exec_bytes(const struct vc_exec *x)
{
    size_t step = sizeof *x->links + 5 * sizeof(int) + sizeof *x->reqs, n = (size_t)x->cap_steps;
    return sizeof *x + n * step + (size_t)x->cap_deps * sizeof(int) +
           (size_t)x->plan.cap_steps * sizeof *x->plan.steps + (size_t)x->plan.cap_deps * sizeof(int) +
           2 * (size_t)x->peers * sizeof *x->last + x->cap_tmp + x->bounce_bytes;
}

/* ---- creation ---- */

/* What has to be there for the plan's steps: bytes for reducing, and peers. VC_OK or VC_ERR_UNSUPPORTED. */
static int look_at_steps(const struct vc_plan *plan, const struct vc_exec_env *env, size_t *bounce,
                         int *peers)
{
    *bounce = 0;
    for (int s = 0; s < plan->nsteps; s++) {
        const struct vc_step *st = &plan->steps[s];
        if (st->kind == VC_STEP_NODE) {
            if (env->nlocal > 1 && !env->node)
                return vc_fail(VC_ERR_UNSUPPORTED, "the plan has node phases, but its ranks share no memory");
        } else if (st->kind == VC_STEP_REDUCE) {
            if (st->dst_left && st->dst.len > *bounce)
                *bounce = vc_min_size(st->dst.len, BOUNCE_MAX);
        } else if (st->kind != VC_STEP_COPY) {
            if (!env->chan)
                return vc_fail(VC_ERR_UNSUPPORTED, "the plan has messages, but there is no channel");
            if (st->peer >= *peers)
                *peers = st->peer + 1;
        }
    }
    return VC_OK;
}

int vc_exec_create(struct vc_plan *plan, const struct vc_exec_env *env, struct vc_exec **out)
{
    *out = NULL;
    int peers = 0;
    size_t bounce;
    int err = look_at_steps(plan, env, &bounce, &peers);
    if (err != VC_OK)
        return err;
    struct vc_exec *x = calloc(1, sizeof *x);
    if (!x)
        return vc_fail(VC_ERR_NOMEM, "no memory for running a plan of %d steps", plan->nsteps);
    x->plan = *plan; /* on failure the caller keeps it */
    x->env = *env;
    x->node_step = -1;
    x->peers = peers;
    if (!(x->last = renewed(x->last, 2 * (size_t)peers, sizeof *x->last)) || !make_room(x, bounce) ||
        !make_scratch(x, plan->tmp_bytes)) {
        vc_plan_init(&x->plan);
        release(x);
        return vc_fail(VC_ERR_NOMEM, "no memory for running a plan of %d steps and %zu bytes of scratch",
                       plan->nsteps, plan->tmp_bytes);
    }
    vc_plan_init(plan);
    link_steps(x);
    free(x->last);
    x->last = NULL;
    x->peers = 0;
    *out = x;
    return VC_OK;
}

/* ---- one plan for all sizes ---- */

static void rescale(struct vc_ref *r, size_t from, size_t to)
{
    if (r->buf != VC_BUF_SEND_BLOCK && r->buf != VC_BUF_RECV_BLOCK)
        *r = vc_ref_of(r->buf, r->off / from * to, r->len / from * to);
}

void vc_exec_scales(struct vc_exec *x, size_t bytes)
{
    x->scale = bytes;
}

int vc_exec_scale(struct vc_exec *x, size_t bytes)
{
    if (x->scale == bytes || x->scale == 0)
        return VC_OK;
    size_t tmp = x->plan.tmp_bytes / x->scale * bytes;
    if (!make_scratch(x, tmp))
        return vc_fail(VC_ERR_NOMEM, "no memory for %zu bytes of scratch", tmp);
    x->plan.tmp_bytes = tmp;
    for (int s = 0; s < x->plan.nsteps; s++) {
        struct vc_step *st = &x->plan.steps[s];
        rescale(&st->src, x->scale, bytes);
        rescale(&st->dst, x->scale, bytes);
        st->src_step = st->src_step / (ptrdiff_t)x->scale * (ptrdiff_t)bytes;
        st->dst_step = st->dst_step / (ptrdiff_t)x->scale * (ptrdiff_t)bytes;
        st->len = st->len / x->scale * bytes;
    }
    x->scale = bytes;
    return VC_OK;
}

/* ---- part by part ---- */

int vc_exec_create_parts(const struct vc_alg *alg, int rank, int size, const struct vc_exec_env *env,
                         struct vc_exec **out)
{
    *out = NULL;
    if (!env->chan)
        return vc_fail(VC_ERR_UNSUPPORTED, "the plan has messages, but there is no channel");
    struct vc_exec *x = calloc(1, sizeof *x);
    if (x) {
        vc_plan_init(&x->plan);
        x->env = *env;
        x->node_step = -1;
        x->parts = alg;
        x->rank = rank;
        x->peers = size;
    }
    if (!x || !(x->last = renewed(x->last, 2 * (size_t)size, sizeof *x->last))) {
        free(x);
        return vc_fail(VC_ERR_NOMEM, "no memory for running a plan of %d ranks", size);
    }
    *out = x;
    return VC_OK;
}

void vc_exec_shape(struct vc_exec *x, const struct vc_shape *shape)
{
    x->shape = *shape;
}

/* The steps of some rounds. */
static int make_part(struct vc_exec *x, long from, long to)
{
    size_t bounce;
    int peers = x->peers;
    vc_plan_free(&x->plan);
    vc_plan_begin(&x->plan, &x->shape, x->rank);
    x->parts->part(&x->shape, x->rank, from, to, &x->plan);
    int err = vc_plan_finish(&x->plan);
    if (err == VC_OK)
        err = look_at_steps(&x->plan, &x->env, &bounce, &peers);
    if (err == VC_OK && (!make_room(x, bounce) || !make_scratch(x, x->plan.tmp_bytes)))
        err = vc_fail(VC_ERR_NOMEM, "no memory for running a part of %d steps", x->plan.nsteps);
    if (err == VC_OK)
        link_steps(x);
    return err;
}

int vc_exec_next_part(struct vc_exec *x)
{
    long each = vc_alg_part_rounds(x->parts, &x->shape), rounds = x->parts->rounds(&x->shape);
    if (each == 0)
        each = rounds;
    while (x->round < rounds) {
        long to = x->round + each < rounds ? x->round + each : rounds;
        int err = make_part(x, x->round, to);
        if (err != VC_OK)
            return err;
        x->round = to;
        if (x->plan.nsteps > 0)
            return 1;
    }
    return 0;
}

/* ---- the end ---- */

/** Execs whose requests a channel may still know. They stay reachable, so that they are no leaks. */
static _Atomic(struct vc_exec *) kept_execs;

void vc_exec_destroy(struct vc_exec *x)
{
    if (!x)
        return;
    if (x->nflying == 0 && x->node_step < 0) {
        release(x);
        return;
    }
    x->kept = atomic_load_explicit(&kept_execs, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&kept_execs, &x->kept, x, memory_order_release,
                                                  memory_order_relaxed))
        ;
}
