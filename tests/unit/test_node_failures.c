/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks of a node that die, or whose lengths differ: all others get an error in bounded time, flat and over
 * trees. */
#include "tests/unit/node_levels.h"
#include "tests/unit/node_rig.h"
#include "transport/shm/shm_chan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Trials side by side, in which nearly everybody sleeps until the dead are noticed. */
enum { MOST = 40, LONG = 400000, SECONDS = 10, WORKERS = 5, TRIALS = 80 };

/* How a rank ended. */
enum { FINE = 10, TOLD = 11, PEER_FAILED = 12, OTHER = 13 };

struct trial {
    int n;
    const struct vc_levels *levels;
    bool cma;
    int victim, victim_round; /* the rank that dies; -1: none */
    int odd, root;            /* the rank whose length differs; -1: none */
    size_t len, odd_len;      /* of the broadcasts; odd_len SIZE_MAX: it passes instead */
    enum vc_node_phase any;   /* in place of the broadcasts, or 0 */
};

struct shared {
    _Atomic int joined;
    struct vc_peer_id ids[MOST];
    pid_t pids[MOST];
};

static int run_trial(const struct trial *t, char *mem, int me)
{
    struct shared *all = (void *)mem;
    mem += vc_round_up(sizeof *all, 4096);
    all->ids[me] = vc_peer_self();
    all->pids[me] = getpid();
    atomic_fetch_add(&all->joined, 1);
    while (atomic_load(&all->joined) < t->n)
        usleep(100);
    struct vc_parking parking = {(struct vc_park_area *)(void *)mem, t->n, me, all->ids, NULL};
    struct vc_wait_cfg wait = {VC_WAIT_AUTO, 20000, true, 200000, 5000000,
                               no_progress,  NULL,  NULL, NULL,   false};
    char *parts[MOST], *common = mem + vc_park_bytes(t->n), *data = calloc(1, LONG * 2);
    place_ranks(common, t->n, 160000, t->levels, parts);
    struct vc_node_cfg cfg = {.mem = parts,
                              .common = common,
                              .n = t->n,
                              .me = me,
                              .bulk = 160000,
                              .parking = &parking,
                              .wait = &wait,
                              .cma_pids = t->cma ? all->pids : NULL,
                              .cma_min = 30000,
                              .levels = t->levels};
    struct vc_node *nd;
    if (!data || vc_node_create(&cfg, &nd) != VC_OK) {
        free(data);
        return OTHER;
    }
    static const enum vc_node_phase kinds[] = {VC_PHASE_BARRIER, VC_PHASE_BCAST, VC_PHASE_ALLGATHER};
    int err = VC_OK;
    size_t lens[MOST], at[MOST];
    struct vc_redop sum;
    vc_redop_init(&sum, VC_OP_SUM, VC_T_UINT64);
    for (int r = 0; r < t->n; r++) {
        lens[r] = t->len;
        at[r] = (size_t)r * t->len;
    }
    for (int round = 0; err == VC_OK && round < 40; round++) {
        struct vc_node_call c = {.kind = kinds[round % 3], .root = t->root, .parts = 1, .grain = 1};
        if (me == t->victim && round == t->victim_round)
            kill(getpid(), SIGKILL);
        c.src = data + LONG;
        c.dst = data;
        if (t->any && c.kind == VC_PHASE_BCAST) {
            c.kind = t->any;
            c.lens = lens;
            c.at = at;
            c.op = &sum;
            c.grain = sum.esize;
        }
        c.len = c.kind == VC_PHASE_BCAST || (t->any && c.kind == t->any) ? t->len
                : c.kind == VC_PHASE_ALLGATHER                           ? 8
                                                                         : 0;
        bool odd = me == t->odd && round == 4;
        if (odd && t->odd_len == SIZE_MAX) {
            vc_node_pass(nd, LONG);
            continue;
        }
        if (odd)
            c.len = t->odd_len;
        err = vc_node_run(nd, &c);
    }
    if (err != VC_OK) {
        if (t->victim >= 0 && err != VC_ERR_PEER) /* nobody has done anything wrong */
            fprintf(stderr, "rank %d: %s\n", me, vc_error_text());
        vc_park_give_up(&parking, vc_error_text());
    }
    free(data);
    return err == VC_OK ? FINE : err == VC_ERR_PEER ? PEER_FAILED : err == VC_ERR_TRUNCATE ? TOLD : OTHER;
}

/* Runs it; counts the ranks that ended in each way. False: others than the victim were killed, or it was not.
 */
static bool count_ends(const struct trial *t, int end[20])
{
    size_t len =
        vc_round_up(sizeof(struct shared), 4096) + vc_park_bytes(t->n) + node_bytes(t->n, 160000, t->levels);
    char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return false;
    pid_t pid[MOST];
    for (int i = 0; i < t->n; i++)
        if ((pid[i] = fork()) == 0) {
            alarm(SECONDS);
            _exit(run_trial(t, mem, i));
        }
    int killed = 0;
    for (int i = 0; i < t->n; i++) {
        int status;
        if (waitpid(pid[i], &status, 0) != pid[i])
            return false;
        if (WIFEXITED(status))
            end[WEXITSTATUS(status) % 20]++;
        else if (i == t->victim && WTERMSIG(status) == SIGKILL)
            killed++;
        else
            end[0]++; /* its time was up */
    }
    munmap(mem, len);
    if (killed != (t->victim >= 0))
        fprintf(stderr, "%d killed, %d told, %d peer, %d fine, %d other, %d out of time\n", killed, end[TOLD],
                end[PEER_FAILED], end[FINE], end[OTHER], end[0]);
    return killed == (t->victim >= 0);
}

static struct trial trials[TRIALS];
static int ntrials, (*ends)[20];

static void add_trial(struct trial t)
{
    assert_true(ntrials < TRIALS);
    trials[ntrials++] = t;
}

/* Runs all trials that were added; what came of the k-th is in ends[k] then. */
static void run_trials(void)
{
    size_t len = TRIALS * sizeof *ends;
    pid_t pid[WORKERS];
    if (!ends)
        ends = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(ends != MAP_FAILED);
    memset(ends, 0, len);
    for (int w = 0; w < WORKERS; w++)
        if ((pid[w] = fork()) == 0) {
            bool good = true;
            for (int k = w; k < ntrials; k += WORKERS)
                good = count_ends(&trials[k], ends[k]) && good;
            _exit(!good);
        }
    for (int w = 0; w < WORKERS; w++) {
        int status;
        assert_int_equal(waitpid(pid[w], &status, 0), pid[w]);
        assert_int_equal(status, 0);
    }
}

static struct synthetic even, uneven;

static void make_levels(void)
{
    static const int size[VC_LEVEL_KINDS + 1] = {3, 2, 2};
    make_even_levels(&even, 20, size);
    make_random_levels(&uneven, 20, 3, true, 4);
}

/* A member, leaders of one and of more tiers, the root of all: everybody else is told. */
static void test_death(void **state)
{
    (void)state;
    make_levels();
    const struct vc_levels *levels[] = {NULL, &even.levels, &uneven.levels};
    static const int victims[] = {0, 3, 6, 7, 12, 19};
    ntrials = 0;
    for (int i = 0; i < 3; i++)
        for (size_t v = 0; v < sizeof victims / sizeof *victims; v += i == 1 ? 1 : 3)
            add_trial((struct trial){.n = 20,
                                     .levels = levels[i],
                                     .victim = victims[v],
                                     .victim_round = 6 + (int)v,
                                     .odd = -1,
                                     .root = 5,
                                     .len = v % 2 ? 64 : 50000});
    run_trials();
    for (int k = 0; k < ntrials; k++)
        assert_int_equal(ends[k][PEER_FAILED], trials[k].n - 1);
}

/* The lengths of a broadcast differ, or its root does it by other means: somebody finds it out, and nobody
 * hangs. */
static void test_lengths(void **state)
{
    (void)state;
    make_levels();
    uint64_t probe = 1, got = 0;
    bool cma = vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) == VC_OK;
    const struct vc_levels *levels[] = {NULL, &even.levels, &uneven.levels};
    static const size_t lens[][2] = {{8, 16},    {64, 3000}, {3000, 64},     {8, 25000},       {25000, 8},
                                     {64, LONG}, {LONG, 64}, {64, SIZE_MAX}, {25000, SIZE_MAX}};
    ntrials = 0;
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof lens / sizeof *lens; k++) {
            struct trial t = {.n = 20,
                              .levels = levels[i],
                              .cma = cma && k % 2,
                              .victim = -1,
                              .odd = k % 3 == 0   ? 13
                                     : k % 3 == 1 ? 12
                                                  : 5,
                              .root = k % 3 == 2 || lens[k][1] == SIZE_MAX ? 5 : (int)k,
                              .len = lens[k][0],
                              .odd_len = lens[k][1]};
            if (t.odd_len == SIZE_MAX)
                t.odd = t.root; /* whom the others wait for */
            add_trial(t);
        }
    run_trials();
    for (int k = 0; k < ntrials; k++) {
        const struct trial *t = &trials[k];
        const int *end = ends[k];
        if (end[TOLD] == 0 || end[TOLD] + end[PEER_FAILED] + end[FINE] != t->n || end[FINE] > 0)
            fail_msg("levels %d, %zu and %zu bytes, odd %d, root %d, cma %d: %d told, %d peer, %d fine, %d "
                     "other, %d out of time",
                     k / (int)(sizeof lens / sizeof *lens), t->len, t->odd_len, t->odd, t->root, t->cma,
                     end[TOLD], end[PEER_FAILED], end[FINE], end[OTHER], end[0]);
    }
}

/* The same of blocks whose lengths their owner and the root know. An empty block waits for nobody, so that it
 * is one may stay unknown. */
static void test_lengths_of_blocks(void **state)
{
    (void)state;
    uint64_t probe = 1, got = 0;
    bool cma = vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) == VC_OK;
    static const size_t lens[] = {0, 8, 16, 3000, 50000, 100000};
    enum { N = sizeof lens / sizeof *lens };
    ntrials = 0;
    for (int k = 0; k < 2 * N * N; k++) {
        struct trial t = {.n = 4,
                          .cma = cma && k % 3 == 0,
                          .victim = -1,
                          .odd = 2,
                          .root = k % 2,
                          .len = lens[k / 2 % N],
                          .odd_len = lens[k / 2 / N],
                          .any = k % 2 ? VC_PHASE_GATHER_ANY : VC_PHASE_SCATTER_ANY};
        if (t.len != t.odd_len)
            add_trial(t);
    }
    run_trials();
    for (int k = 0; k < ntrials; k++) {
        const struct trial *t = &trials[k];
        const int *end = ends[k];
        bool known = t->len > 0 && t->odd_len > 0;
        if (end[TOLD] + end[PEER_FAILED] + end[FINE] != t->n || (known && end[TOLD] == 0))
            fail_msg(
                "kind %d, %zu and %zu bytes, cma %d: %d told, %d peer, %d fine, %d other, %d out of time",
                (int)t->any, t->len, t->odd_len, t->cma, end[TOLD], end[PEER_FAILED], end[FINE], end[OTHER],
                end[0]);
    }
}

/* Of calls in which all come with the same length. */
static void test_lengths_of_calls(void **state)
{
    (void)state;
    make_levels();
    uint64_t probe = 1, got = 0;
    bool cma = vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) == VC_OK;
    const struct vc_levels *levels[] = {NULL, NULL, &even.levels, &uneven.levels};
    static const enum vc_node_phase kinds[] = {VC_PHASE_ALLREDUCE, VC_PHASE_REDUCE,        VC_PHASE_ALLGATHER,
                                               VC_PHASE_ALLTOALL,  VC_PHASE_GATHER,        VC_PHASE_SCATTER,
                                               VC_PHASE_SCAN,      VC_PHASE_REDUCE_BLOCKS, VC_PHASE_EXSCAN};
    static const size_t lens[][2] = {{8, 16},    {16, 8},        {64, 3000},     {3000, 64},
                                     {8, 15000}, {15000, 15008}, {19200, 19000}, {3000, 3008}};
    enum { N = sizeof lens / sizeof *lens };
    ntrials = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds * N; k++) {
        if ((k + k / N) % 2) /* half of them will do */
            continue;
        int i = (int)((k / 2 + k / N) % 4);
        add_trial((struct trial){.n = i == 0 ? 4 : 20,
                                 .levels = levels[i],
                                 .cma = cma && k % 3 == 0,
                                 .victim = -1,
                                 .odd = k / 3 % 2 ? 2 : 0,
                                 .root = 1,
                                 .len = lens[k % N][0],
                                 .odd_len = lens[k % N][1],
                                 .any = kinds[k / N]});
    }
    run_trials();
    for (int k = 0; k < ntrials; k++) {
        const struct trial *t = &trials[k];
        const int *end = ends[k];
        if (end[TOLD] == 0 || end[TOLD] + end[PEER_FAILED] != t->n)
            fail_msg("%s, %s levels, %zu and %zu bytes, cma %d: %d told, %d peer, %d fine, %d other, %d out "
                     "of time",
                     vc_phase_info[t->any].name,
                     !t->levels                  ? "no"
                     : t->levels == &even.levels ? "even"
                                                 : "uneven",
                     t->len, t->odd_len, t->cma, end[TOLD], end[PEER_FAILED], end[FINE], end[OTHER], end[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_lengths_of_blocks),
        cmocka_unit_test(test_lengths_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
