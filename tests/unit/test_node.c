/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node primitives between forked processes: long random sequences of all kinds, lengths and roots, in place
 * and not, with ranks that dawdle, each result checked byte by byte.
 */
#include "coll/node/node.h"
#include "transport/shm/shm_chan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int no_progress(void)
{
    return -1;
}

struct job {
    int n, rounds;
    size_t bulk, max_len;
    bool cma, dawdle;
    enum vc_wait_mode mode;
    bool crowded;
    unsigned seed;
};

static unsigned next_random(unsigned *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

/* What element i of rank r's vector of round t is; affine maps x -> a x + b as 2 x 16 bits: not commutative.
 */
static uint32_t element(int r, int t, size_t i)
{
    uint32_t h = (uint32_t)r * 2654435761u ^ (uint32_t)t * 40503u ^ (uint32_t)i * 97u;
    return (h << 1 | 1u);
}

static void compose(const void *a, const void *b, void *out, size_t count, void *ctx)
{
    const uint32_t *x = a, *y = b;
    uint32_t *z = out;
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t p = x[i], q = y[i];
        uint16_t m = (uint16_t)((p & 0xffff) * (q & 0xffff)),
                 c = (uint16_t)((p >> 16) * (q & 0xffff) + (q >> 16));
        z[i] = (uint32_t)c << 16 | m;
    }
}

#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "rank %d round %d kind %d len %zu root %d: %s\n", me, t, (int)c.kind, c.len,     \
                    c.root, #cond);                                                                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* Memory of n ranks, in an order of its own, since no rank may reckon with another's place. */
static size_t node_bytes(int n, size_t bulk)
{
    return vc_node_common_bytes(n) + (size_t)n * (vc_node_bytes(n, bulk) + VC_LINE_PAIR);
}

static void place_ranks(char *base, int n, size_t bulk, char *mem[])
{
    for (int r = 0; r < n; r++)
        mem[r] =
            base + vc_node_common_bytes(n) + (size_t)(n - 1 - r) * (vc_node_bytes(n, bulk) + VC_LINE_PAIR);
}

static void rank_main(const struct job *job, void *mem, int me)
{
    struct vc_park_area *area = mem;
    struct vc_peer_id *ids = NULL;
    struct vc_parking parking = {area, job->n, me, ids, NULL};
    struct vc_wait_cfg wait = {job->mode,   20000, job->crowded, 200000, 5000000,
                               no_progress, NULL,  NULL,         NULL};
    char *base = (char *)mem + vc_park_bytes(job->n);
    _Atomic pid_t *pids = (void *)base;
    base += 4096;
    pid_t all[64];
    atomic_store(&pids[me], getpid());
    for (int i = 0; i < job->n; i++)
        while ((all[i] = atomic_load(&pids[i])) == 0)
            usleep(100);
    char *parts[64];
    place_ranks(base, job->n, job->bulk, parts);
    struct vc_node_cfg cfg = {.mem = parts,
                              .common = base,
                              .n = job->n,
                              .me = me,
                              .bulk = job->bulk,
                              .parking = &parking,
                              .wait = &wait,
                              .own_cpus = !job->crowded,
                              .cma_pids = job->cma ? all : NULL,
                              .cma_min = 30000};
    struct vc_node *nd;
    if (vc_node_create(&cfg, &nd) != VC_OK)
        exit(2);
    size_t n = (size_t)job->n, cap = job->max_len * n + 64;
    uint32_t *send = malloc(cap), *recv = malloc(cap), *expect = malloc(cap);
    unsigned seed = job->seed, own = job->seed * 31 + (unsigned)me;
    struct vc_redop op = {compose, NULL, 4, false};
    for (int t = 0; t < job->rounds; t++) {
        struct vc_node_call c = {0};
        c.kind = (enum vc_node_phase)(next_random(&seed) % VC_PHASE_COUNT);
        c.root = (int)(next_random(&seed) % n);
        c.parts = 1 + (int)(next_random(&seed) % n);
        unsigned size_class = next_random(&seed) % 8;
        size_t max = size_class < 4 ? 64 : size_class < 7 ? 9000 : job->max_len;
        c.len = next_random(&seed) % (max + 1) / 4 * 4;
        if (c.kind == VC_PHASE_BARRIER)
            c.len = 0;
        if (next_random(&seed) % 8 == 0) /* a broadcast that the node has no part in, between its own */
            vc_node_pass(nd, c.len);
        c.alg = job->cma && next_random(&seed) % 2 ? VC_NODE_CMA : VC_NODE_AUTO;
        bool in_place = next_random(&seed) % 2;
        if ((c.kind == VC_PHASE_ALLTOALL || c.kind == VC_PHASE_ALLGATHER) && c.alg == VC_NODE_CMA)
            in_place = false;
        c.op = &op;
        c.grain = 4;
        size_t cnt = c.len / 4;
        size_t send_n = c.kind == VC_PHASE_ALLTOALL || c.kind == VC_PHASE_SCATTER ? cnt * n : cnt;
        memset(recv, 0xee, cap);
        uint32_t *src = in_place ? recv : send;
        for (size_t i = 0; i < send_n; i++)
            src[i] = element(me, t, i);
        c.src = src;
        c.dst = recv;
        if (c.kind == VC_PHASE_BCAST && me == c.root)
            for (size_t i = 0; i < cnt; i++)
                recv[i] = element(me, t, i);
        if (c.kind == VC_PHASE_ALLGATHER_SLICES && me < c.parts)
            for (size_t i = vc_slice(c.len, 4, c.parts, me) / 4; i < vc_slice(c.len, 4, c.parts, me + 1) / 4;
                 i++)
                recv[i] = element(me, t, i);
        if (job->dawdle && next_random(&own) % 16 == 0)
            usleep(next_random(&own) % 600);
        CHECK(vc_node_run(nd, &c) == VC_OK);
        size_t lo = 0, hi = 0;
        for (size_t i = 0; i < cnt; i++) {
            uint32_t acc = element(0, t, i);
            for (int r = 1; r < job->n; r++) {
                uint32_t v = element(r, t, i);
                compose(&acc, &v, &acc, 1, NULL);
            }
            expect[i] = acc;
        }
        switch (c.kind) {
        case VC_PHASE_BCAST:
            for (size_t i = 0; i < cnt; i++)
                CHECK(recv[i] == element(c.root, t, i));
            hi = cnt;
            break;
        case VC_PHASE_REDUCE:
            if (me == c.root) {
                CHECK(memcmp(recv, expect, c.len) == 0);
                hi = cnt;
            } else if (in_place) {
                hi = cnt;
            }
            break;
        case VC_PHASE_ALLREDUCE:
            CHECK(memcmp(recv, expect, c.len) == 0);
            hi = cnt;
            break;
        case VC_PHASE_REDUCE_SCATTER:
            if (me < c.parts) {
                lo = vc_slice(c.len, 4, c.parts, me);
                hi = vc_slice(c.len, 4, c.parts, me + 1);
                CHECK(memcmp((char *)recv + lo, (char *)expect + lo, hi - lo) == 0);
            }
            hi = cnt;
            break;
        case VC_PHASE_ALLGATHER_SLICES:
            for (int r = 0; r < c.parts; r++)
                for (size_t i = vc_slice(c.len, 4, c.parts, r) / 4;
                     i < vc_slice(c.len, 4, c.parts, r + 1) / 4; i++)
                    CHECK(recv[i] == element(r, t, i));
            hi = cnt;
            break;
        case VC_PHASE_GATHER:
            if (me != c.root) {
                hi = in_place ? cnt : 0;
                break;
            }
            /* fallthrough */
        case VC_PHASE_ALLGATHER:
            for (size_t r = 0; r < n; r++)
                for (size_t i = 0; i < cnt; i++)
                    CHECK(recv[r * cnt + i] == element((int)r, t, i));
            hi = cnt * n;
            break;
        case VC_PHASE_SCATTER:
            for (size_t i = 0; i < cnt; i++)
                CHECK(recv[i] == element(c.root, t, (size_t)me * cnt + i));
            hi = in_place ? cnt * n : cnt;
            break;
        case VC_PHASE_ALLTOALL:
            for (size_t r = 0; r < n; r++)
                for (size_t i = 0; i < cnt; i++)
                    CHECK(recv[r * cnt + i] == element((int)r, t, (size_t)me * cnt + i));
            hi = cnt * n;
            break;
        default:
            hi = in_place ? cnt : 0;
            break;
        }
        if (!in_place || hi * 4 >= send_n * 4)
            for (size_t i = hi * 4; i < cap && i < hi * 4 + 256; i++)
                CHECK(((unsigned char *)recv)[i] == 0xee);
    }
    vc_node_destroy(nd);
    free(send);
    free(recv);
    free(expect);
    exit(0);
}

/* Phases without data still make those who would receive wait for those who would send. */
static void sync_main(void *mem, int n, int me)
{
    _Atomic int *arrived = mem;
    char *base = (char *)mem + VC_LINE_PAIR;
    struct vc_parking parking = {(struct vc_park_area *)(void *)base, n, me, NULL, NULL};
    struct vc_wait_cfg wait = {VC_WAIT_AUTO, 20000, true, 200000, 5000000, no_progress, NULL, NULL, NULL};
    char *parts[64], *common = base + vc_park_bytes(n);
    place_ranks(common, n, 0, parts);
    struct vc_node_cfg cfg = {
        .mem = parts, .common = common, .n = n, .me = me, .parking = &parking, .wait = &wait};
    struct vc_node *nd;
    if (vc_node_create(&cfg, &nd) != VC_OK)
        exit(2);
    for (int t = 0; t < 60; t++) {
        struct vc_node_call gather = {.kind = t % 2 ? VC_PHASE_GATHER : VC_PHASE_REDUCE, .root = t % n};
        struct vc_node_call bcast = {.kind = t % 3 ? VC_PHASE_BCAST : VC_PHASE_SCATTER, .root = t % n};
        if (me == (t * 5 + 1) % n)
            usleep(500);
        atomic_fetch_add(arrived, 1);
        if (vc_node_run(nd, &gather) != VC_OK)
            exit(3);
        if (me == t % n && atomic_load(arrived) < (t + 1) * n)
            exit(4);
        if (vc_node_run(nd, &bcast) != VC_OK)
            exit(5);
        if (atomic_load(arrived) < (t + 1) * n)
            exit(6);
    }
    vc_node_destroy(nd);
    exit(0);
}

static void test_empty_phases_synchronize(void **state)
{
    (void)state;
    enum { N = 5 };
    size_t len = VC_LINE_PAIR + vc_park_bytes(N) + node_bytes(N, 0);
    void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    pid_t pid[N];
    for (int i = 0; i < N; i++)
        if ((pid[i] = fork()) == 0) {
            alarm(30);
            sync_main(mem, N, i);
        }
    int bad = 0;
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        bad |= status;
    }
    munmap(mem, len);
    assert_int_equal(bad, 0);
}

static void run_job(const struct job *job)
{
    size_t len = vc_park_bytes(job->n) + 4096 + node_bytes(job->n, job->bulk);
    void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    pid_t pid[64];
    for (int i = 0; i < job->n; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i] == 0) {
            alarm(60);
            rank_main(job, mem, i);
        }
    }
    bool good = true;
    for (int i = 0; i < job->n; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            good = false;
            for (int j = 0; j < job->n; j++) /* the others would wait for it */
                if (j != i)
                    kill(pid[j], SIGTERM);
        }
    }
    munmap(mem, len);
    assert_true(good);
}

static void test_two(void **state)
{
    (void)state;
    run_job(&(struct job){.n = 2, .rounds = 3000, .bulk = 256 * 1024, .max_len = 400000, .seed = 1});
}

static void test_small_rings(void **state)
{
    (void)state;
    for (unsigned s = 0; s < 3; s++)
        run_job(&(struct job){.n = 3 + (int)s,
                              .rounds = 500,
                              .bulk = s == 0 ? 0 : 40000,
                              .max_len = 60000,
                              .crowded = true,
                              .seed = 10 + s});
}

static void test_crowded(void **state)
{
    (void)state;
    run_job(&(struct job){
        .n = 8, .rounds = 800, .bulk = 128 * 1024, .max_len = 200000, .crowded = true, .seed = 2});
}

static void test_many(void **state)
{
    (void)state;
    run_job(&(struct job){
        .n = 23, .rounds = 200, .bulk = 64 * 1024, .max_len = 50000, .crowded = true, .seed = 3});
}

static void test_event(void **state)
{
    (void)state;
    run_job(&(struct job){.n = 4,
                          .rounds = 500,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .crowded = true,
                          .mode = VC_WAIT_EVENT,
                          .dawdle = true,
                          .seed = 4});
    run_job(&(struct job){.n = 2,
                          .rounds = 1000,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .mode = VC_WAIT_HYBRID,
                          .dawdle = true,
                          .seed = 5});
}

static void test_cma(void **state)
{
    (void)state;
    uint64_t probe = 1, got = 0;
    if (vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) != VC_OK)
        skip();
    /* Long enough for several blocks of a reduction that two ranks share. */
    run_job(
        &(struct job){.n = 2, .rounds = 1000, .bulk = 64 * 1024, .max_len = 900000, .cma = true, .seed = 6});
    run_job(&(struct job){.n = 5,
                          .rounds = 500,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .cma = true,
                          .crowded = true,
                          .dawdle = true,
                          .seed = 7});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_cma),
        cmocka_unit_test(test_empty_phases_synchronize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
