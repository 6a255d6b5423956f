/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node primitives between ranks that are threads of this process, so that a thread sanitizer sees all that
 * they do to shared memory: it judges publishing, reading and reusing slots by the memory model of C11.
 * Single copy moves data behind its back and is left to test_node.
 */
#include "coll/node/node.h"
#include "tests/unit/conformance/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct job {
    int n, rounds;
    size_t bulk, max_len;
    enum vc_wait_mode mode;
    bool own_cpus;
    unsigned seed;
    char *common, *park, *mem[256];
};

static unsigned next_random(unsigned *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

/* Element i of what rank r has for rank `to` in round t. */
static uint32_t element(int r, int to, int t, size_t i)
{
    return (uint32_t)r * 2654435761u + (uint32_t)to * 69069u + (uint32_t)t * 40503u + (uint32_t)i * 97u;
}

static uint32_t sum_of_all(int n, int t, size_t i)
{
    uint32_t sum = 0;
    for (int r = 0; r < n; r++)
        sum += element(r, 0, t, i);
    return sum;
}

static void add(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    const uint32_t *x = a, *y = b;
    uint32_t *z = out;
    (void)ctx;
    for (size_t i = 0; i < count; i++)
        z[i] = x[i] + y[i];
}

/* Operation number t: the same on all ranks. */
static struct vc_node_call draw_call(const struct job *job, unsigned *seed)
{
    struct vc_node_call c = {.kind = (enum vc_node_phase)(next_random(seed) % VC_PHASE_COUNT)};
    c.root = (int)(next_random(seed) % (unsigned)job->n);
    c.parts = 1 + (int)(next_random(seed) % (unsigned)job->n);
    unsigned size = next_random(seed) % 8;
    size_t max = size < 4 ? 64 : size < 7 ? 4096 : job->max_len;
    c.len = next_random(seed) % (max + 1) / 4 * 4;
    if (c.kind == VC_PHASE_BARRIER || next_random(seed) % 8 == 0)
        c.len = 0;
    /* Slices consist of whole elements; blocks are cut anywhere. */
    c.grain = vc_phase_info[c.kind].reduces || vc_phase_sliced(c.kind) ? 4 : 1;
    return c;
}

static bool each_has_own(enum vc_node_phase kind)
{
    return kind == VC_PHASE_ALLTOALL || kind == VC_PHASE_SCATTER;
}

/* What element i of rank me's block of rank r (0 where there are no blocks) must be; false: nothing is said.
 */
static bool expected(const struct job *job, const struct vc_node_call *c, int me, int t, int r, size_t i,
                     uint32_t *out)
{
    switch (c->kind) {
    case VC_PHASE_BCAST:
        *out = element(c->root, 0, t, i);
        return true;
    case VC_PHASE_REDUCE:
        *out = sum_of_all(job->n, t, i);
        return me == c->root;
    case VC_PHASE_ALLREDUCE:
        *out = sum_of_all(job->n, t, i);
        return true;
    case VC_PHASE_REDUCE_SCATTER:
        *out = sum_of_all(job->n, t, i);
        return me < c->parts && i >= vc_slice(c->len, 4, c->parts, me) / 4 &&
               i < vc_slice(c->len, 4, c->parts, me + 1) / 4;
    case VC_PHASE_ALLGATHER_SLICES:
        for (int p = 0; p < c->parts; p++)
            if (i < vc_slice(c->len, 4, c->parts, p + 1) / 4) {
                *out = element(p, 0, t, i);
                return true;
            }
        return false;
    case VC_PHASE_GATHER:
        *out = element(r, 0, t, i);
        return me == c->root;
    case VC_PHASE_ALLGATHER:
        *out = element(r, 0, t, i);
        return true;
    case VC_PHASE_SCATTER:
        *out = element(c->root, me, t, i);
        return true;
    case VC_PHASE_ALLTOALL:
        *out = element(r, me, t, i);
        return true;
    default:
        return false;
    }
}

static void check(const struct job *job, const struct vc_node_call *c, int me, int t, const uint32_t *recv)
{
    bool blocks = c->kind == VC_PHASE_GATHER || c->kind == VC_PHASE_ALLGATHER || c->kind == VC_PHASE_ALLTOALL;
    size_t count = c->len / 4;
    for (int r = 0; r < (blocks ? job->n : 1); r++)
        for (size_t i = 0; i < count; i++) {
            uint32_t want;
            if (!expected(job, c, me, t, r, i, &want) || recv[(size_t)r * count + i] == want)
                continue;
            fprintf(stderr,
                    "%d threads: rank %d round %d %s len %zu root %d: element %zu of rank %d is wrong\n",
                    job->n, me, t, vc_phase_info[c->kind].name, c->len, c->root, i, r);
            exit(1);
        }
}

static int rank_main(int me, void *arg)
{
    const struct job *job = arg;
    struct vc_parking parking = {.shared = (struct vc_park_area *)(void *)job->park, .n = job->n, .me = me};
    struct vc_wait_cfg wait = hs_wait(job->mode, !job->own_cpus);
    struct vc_node_cfg cfg = {.mem = job->mem,
                              .common = job->common,
                              .n = job->n,
                              .me = me,
                              .bulk = job->bulk,
                              .parking = &parking,
                              .wait = &wait,
                              .own_cpus = job->own_cpus};
    struct vc_node *nd;
    if (vc_node_create(&cfg, &nd) != VC_OK)
        return 1;
    size_t bytes = job->max_len * (size_t)job->n + 64;
    uint32_t *send = calloc(1, bytes), *recv = calloc(1, bytes);
    unsigned seed = job->seed;
    struct vc_redop op = {add, NULL, 4, true};
    for (int t = 0; t < job->rounds; t++) {
        struct vc_node_call c = draw_call(job, &seed);
        bool in_place = c.kind == VC_PHASE_BCAST || c.kind == VC_PHASE_ALLGATHER_SLICES;
        uint32_t *src = in_place ? recv : send;
        size_t count = c.len / 4;
        for (int to = 0; to < (each_has_own(c.kind) ? job->n : 1); to++)
            for (size_t i = 0; i < count; i++)
                src[(size_t)to * count + i] = element(me, to, t, i);
        c.src = src;
        c.dst = recv;
        c.op = &op;
        if (vc_node_run(nd, &c) != VC_OK) {
            fprintf(stderr, "%s\n", vc_error_text());
            exit(1);
        }
        check(job, &c, me, t, recv);
    }
    vc_node_destroy(nd);
    free(send);
    free(recv);
    return 0;
}

static void run_job(struct job job)
{
    size_t own = vc_node_bytes(job.n, job.bulk), common = vc_node_common_bytes(job.n),
           park = vc_park_bytes(job.n);
    size_t bytes = common + park + (size_t)job.n * own;
    char *mem = hs_shared(bytes);
    job.common = mem;
    job.park = mem + common;
    for (int r = 0; r < job.n; r++)
        job.mem[r] = mem + common + park + (size_t)r * own;
    int failed = hs_threads(job.n, rank_main, &job);
    hs_unshare(mem, bytes);
    assert_int_equal(failed, 0);
}

/* Everybody reduces everything, in one meeting. */
static void test_few(void **state)
{
    (void)state;
    run_job(
        (struct job){.n = 2, .rounds = 3000, .bulk = 65536, .max_len = 60000, .own_cpus = true, .seed = 1});
    run_job((struct job){.n = 5, .rounds = 8000, .bulk = 65536, .max_len = 60000, .seed = 2});
}

/* Rank 0 reduces for all, or everybody a slice. */
static void test_many(void **state)
{
    (void)state;
    run_job(
        (struct job){.n = 19, .rounds = 500, .bulk = 40000, .max_len = 20000, .own_cpus = true, .seed = 3});
    run_job((struct job){.n = 32, .rounds = 300, .bulk = 40000, .max_len = 20000, .seed = 4});
}

/* More than exchange flat even where they share CPUs, and than a tiny slot has bytes. */
static void test_crowd(void **state)
{
    (void)state;
    run_job((struct job){.n = 131, .rounds = 60, .bulk = 40000, .max_len = 6000, .seed = 6});
}

static void test_asleep(void **state)
{
    (void)state;
    run_job(
        (struct job){.n = 8, .rounds = 800, .bulk = 0, .max_len = 9000, .mode = VC_WAIT_EVENT, .seed = 5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_asleep),
    };
    alarm(110);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
