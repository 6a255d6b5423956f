/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What plans cost at the scale of clusters: whatever is not refused is built in 5 ms and 1 MiB, for every
 * algorithm, and what grows with the logarithm of the number of ranks or nodes is not refused. Usage:
 * test_plan_budget [all]
 * ("all" prints every plan).
 */
#include "coll/info.h"
#include "coll/parts.h"
#include "coll/registry.h"
#include "transport/base.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef BUDGET_NS
#define BUDGET_NS 5000000
#endif
#define BUDGET_BYTES ((size_t)1 << 20)
#define TRIES        20

/* ---- memory: the linker sends all of the library's calls here ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static size_t now, most;

static void *count(void *p)
{
    now += p ? malloc_usable_size(p) : 0;
    most = now > most ? now : most;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t each)
{
    return count(__real_calloc(n, each));
}

void *__wrap_realloc(void *p, size_t n)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *q = __real_realloc(p, n);
    if (q)
        now -= old;
    return count(q);
}

void __wrap_free(void *p)
{
    now -= p ? malloc_usable_size(p) : 0;
    __real_free(p);
}

/* ---- shapes ---- */

/* Ranks in blocks, or dealt round robin. */
static void make_hier(struct vc_hier *h, int nodes, int ppn, bool block)
{
    int n = nodes * ppn, *node_of = malloc(4 * (size_t)n * sizeof(int) + sizeof(int));
    if (!node_of)
        exit(2);
    int *local_of = node_of + n, *members = local_of + n, *first = members + n;
    for (int r = 0; r < n; r++) {
        node_of[r] = block ? r / ppn : r % nodes;
        local_of[r] = block ? r % ppn : r / nodes;
        members[node_of[r] * ppn + local_of[r]] = r;
    }
    for (int i = 0; i <= nodes; i++)
        first[i] = i * ppn;
    *h = (struct vc_hier){.nnodes = nodes,
                          .uniform = true,
                          .block = block || ppn == 1,
                          .node_of = node_of,
                          .local_of = local_of,
                          .first = first,
                          .members = members};
}

/* What may be too long: a message to or from every rank or node, or a block of every rank's to be moved. */
static bool may_be_long(const struct vc_alg *a)
{
    static const char *const of_ranks[] = {"ring", "neighbor_exchange", "scatter_allgather", "linear",
                                           "pairwise"};
    for (size_t i = 0; i < sizeof of_ranks / sizeof *of_ranks; i++)
        if (!strcmp(a->name, of_ranks[i]))
            return true;
    if (a->coll == VC_ALLTOALL && !strcmp(a->name, "bruck"))
        return false;
    if (a->coll == VC_ALLTOALL || a->coll == VC_ALLTOALLV || a->coll == VC_ALLTOALLW ||
        a->coll == VC_GATHER || a->coll == VC_SCATTER || a->coll == VC_GATHERV || a->coll == VC_SCATTERV ||
        a->coll == VC_REDUCE_SCATTER || a->coll == VC_REDUCE_SCATTER_BLOCK)
        return true;
    if (a->coll == VC_ALLGATHER || a->coll == VC_ALLGATHERV) /* scattered placements, and a ring of nodes */
        return !strncmp(a->name, "two_level", 9);
    return !strcmp(a->name, "two_level_multi_ring") || !strcmp(a->name, "two_level_scatter_allgather");
}

static int failures;

static void complain(const struct vc_alg *a, const struct vc_shape *s, int rank, const char *what, double is)
{
    printf("%s %s, %d ranks on %d nodes%s, %zu bytes, root %d, rank %d: %s %g\n", vc_coll_name(a->coll),
           a->name, s->size, s->hier->nnodes, s->hier->block ? "" : " (round robin)", s->bytes, s->root, rank,
           what, is);
    failures++;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The best of several tries: the machine may be busy. */
/* All of the plan, or of one that is made part by part the first part and the second. */
static int build(const struct vc_alg *a, const struct vc_shape *s, int rank, struct vc_plan *p)
{
    long each = vc_alg_part_rounds(a, s), rounds = each ? a->rounds(s) : 0;
    if (each == 0)
        return a->build(s, rank, p);
    vc_plan_begin(p, s, rank);
    a->part(s, rank, 0, each, p);
    if (vc_plan_finish(p) != VC_OK)
        return VC_ERR_NOMEM;
    vc_plan_free(p);
    vc_plan_begin(p, s, rank);
    a->part(s, rank, each, 2 * each < rounds ? 2 * each : rounds, p);
    return vc_plan_finish(p);
}

static void measure(const struct vc_alg *a, const struct vc_shape *s, int rank, bool print)
{
    uint64_t best = UINT64_MAX;
    long steps = 0, deps = 0;
    size_t mem = 0;
    for (int i = 0; i < TRIES && best > BUDGET_NS; i++) {
        struct vc_plan p;
        most = now;
        size_t before = now;
        uint64_t begun = cpu_ns();
        if (build(a, s, rank, &p) != VC_OK) {
            complain(a, s, rank, "not built", 0);
            return;
        }
        uint64_t took = cpu_ns() - begun;
        best = took < best ? took : best;
        mem = most - before;
        steps = p.nsteps;
        deps = p.ndeps;
        vc_plan_free(&p);
    }
    if (print)
        printf("%-9s %-28s %4dx%-4d %7zu B rank %5d: %5ld of %5ld steps, %5ld deps, %6.3f ms, %4zu KiB\n",
               vc_coll_name(a->coll), a->name, s->hier->nnodes, s->size / s->hier->nnodes, s->bytes, rank,
               steps, a->steps(s), deps, (double)best / 1e6, mem >> 10);
    if (best > BUDGET_NS)
        complain(a, s, rank, "ms to build:", (double)best / 1e6);
    if (mem > BUDGET_BYTES)
        complain(a, s, rank, "bytes to build:", (double)mem);
    if (steps > a->steps(s))
        complain(a, s, rank, "more steps than promised:", (double)steps);
    if (deps > VC_PLAN_DEPS * a->steps(s))
        complain(a, s, rank, "more dependencies than promised:", (double)deps);
}

static long measured, refused;

static void with_shape(const struct vc_alg *a, struct vc_shape *s, bool print)
{
    const char *why = vc_alg_refuses(a, s);
    if (why) {
        refused += why == VC_ALG_TOO_LONG;
        if (why == VC_ALG_TOO_LONG && print)
            printf("%-9s %-28s %4dx%-4d %7zu B: too long, %ld steps\n", vc_coll_name(a->coll), a->name,
                   s->hier->nnodes, s->size / s->hier->nnodes, s->bytes, a->steps(s));
        if (why == VC_ALG_TOO_LONG && !may_be_long(a))
            complain(a, s, -1, "refused:", (double)a->steps(s));
        return;
    }
    int ppn = s->size / s->hier->nnodes, n = s->size;
    const int ranks[] = {0, 1, ppn, n / 2, n / 3 * 2 + 1, n - ppn, n - 1};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        measure(a, s, ranks[i] % n, print && i == 0);
    measured++;
}

static void with_alg(const struct vc_alg *a, const struct vc_hier *h, int size, bool print)
{
    static const size_t bytes[] = {8, 65536, 1 << 20, (size_t)1 << 28};
    bool reduction = vc_coll_reduces(a->coll), rooted = vc_coll_rooted(a->coll);
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        for (int k = 0; k < (rooted ? 2 : 1); k++) {
            struct vc_shape s = {.coll = a->coll,
                                 .size = size,
                                 .root = k ? size / 2 + 1 : 0,
                                 .bytes = vc_coll_sized(a->coll) ? bytes[i] : 0,
                                 .esize = reduction ? 8 : 1,
                                 .commutative = true,
                                 .hier = h};
            if (s.bytes > ((size_t)1 << 20) && vc_coll_blocks(a->coll, size) > 1)
                continue;
            with_shape(a, &s, print && k == 0);
        }
}

int main(int argc, char **argv)
{
    static const int shapes[][2] = {{2, 176}, {32, 128}, {1024, 16}, {4096, 1}, {1, 256},
                                    {16, 64}, {64, 24},  {512, 128}, {65536, 1}};
    bool print = argc > 1 && !strcmp(argv[1], "all");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int block = 1; block >= 0; block--) {
            struct vc_hier h;
            make_hier(&h, shapes[i][0], shapes[i][1], block);
            for (int c = 0; c < VC_COLL_COUNT; c++)
                for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
                    if ((*a)->kind != VC_ALG_PLAN)
                        continue;
                    if ((*a)->steps)
                        with_alg(*a, &h, shapes[i][0] * shapes[i][1], print);
                    else
                        complain(*a, &(struct vc_shape){.hier = &h}, -1, "does not say how long it is", 0);
                }
            free((void *)(uintptr_t)h.node_of);
        }
    printf("%ld shapes within the budget, %ld refused, %d failures\n", measured, refused, failures);
    return failures || !measured || !refused;
}
