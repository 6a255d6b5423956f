/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups out of times between processes: made-up machines with noise, outliers and missing times; and the
 * measuring itself, between forked processes. */
#include "transport/base.h"
#include "transport/topology/cluster.h"
#include "transport/topology/latency.h"
#include "transport/topology/levels.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX = 176 };

static float rtt[MAX * MAX];
static int mem[VC_CLUSTER_LEVELS * MAX];

/* ---- made-up machines ---- */

static double uniform(void)
{
    return (rand() + 0.5) / ((double)RAND_MAX + 1);
}

static double gauss(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* group[k][i]: of process i at level k, the finest first; time[k]: within, time[depth]: of all others. */
struct machine {
    int n, depth;
    int group[VC_CLUSTER_LEVELS][MAX];
    double time[VC_CLUSTER_LEVELS + 1];
};

static void fill_times(const struct machine *m, double noise, double outliers, double missing)
{
    for (int i = 0; i < m->n; i++)
        for (int j = 0; j < m->n; j++) {
            int k = 0;
            while (k < m->depth && m->group[k][i] != m->group[k][j])
                k++;
            double t = m->time[k] * exp(noise * gauss());
            if (uniform() < outliers)
                t *= 2 + 30 * uniform();
            if (uniform() < missing)
                t = uniform() < 0.5 ? 0 : NAN;
            rtt[i * m->n + j] = i == j ? 0 : (float)t;
        }
}

/* Renumbers by the lowest member. */
static void normalize(const int *group, int n, int *out)
{
    int next = 0;
    for (int i = 0; i < n; i++) {
        int first = 0;
        while (group[first] != group[i])
            first++;
        out[i] = first == i ? next++ : out[first];
    }
}

static bool finds(const struct machine *m)
{
    struct vc_clusters c;
    assert_int_equal(vc_cluster(rtt, m->n, mem, &c), VC_OK);
    if (c.depth != m->depth)
        return false;
    for (int k = 0; k < m->depth; k++) {
        int want[MAX];
        normalize(m->group[k], m->n, want);
        if (memcmp(c.level[k].group_of, want, (size_t)m->n * sizeof *want) != 0)
            return false;
        assert_true(c.level[k].within > 0 && c.level[k].next > c.level[k].within);
    }
    return true;
}

/* Ranks are dealt over the units in shuffled order, `per[k]` units of the finer kind in each. */
static struct machine even_machine(int n, int depth, const int *per)
{
    static const double times[] = {60, 130, 260, 520};
    struct machine m = {.n = n, .depth = depth};
    int place[MAX];
    for (int i = 0; i < n; i++)
        place[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int k = rand() % (i + 1), t = place[i];
        place[i] = place[k];
        place[k] = t;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0, unit = place[i]; k < depth; k++)
            m.group[k][i] = unit /= per[k];
    memcpy(m.time, times, sizeof m.time);
    return m;
}

static void try_machine(const char *what, const struct machine *m, double noise, double outliers,
                        double missing, int allowed)
{
    enum { TRIALS = 40 };
    int failures = 0, trials = m->n > 64 ? TRIALS / 8 : TRIALS;
    for (int t = 0; t < trials; t++) {
        fill_times(m, noise, outliers, missing);
        failures += !finds(m);
    }
    if (failures > allowed)
        fail_msg("%s: wrong in %d of %d trials", what, failures, trials);
}

static void test_clean(void **state)
{
    (void)state;
    static const struct {
        int n, depth, per[3];
    } shape[] = {{4, 1, {2}},         {8, 1, {4}},        {8, 2, {2, 2}},       {16, 1, {8}},
                 {16, 2, {4, 2}},     {24, 3, {2, 3, 2}}, {64, 2, {8, 4}},      {96, 2, {6, 8}},
                 {128, 3, {2, 8, 4}}, {176, 2, {8, 11}},  {176, 3, {2, 4, 11}}, {14, 1, {4}},
                 {50, 2, {8, 3}}};
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        struct machine m = even_machine(shape[i].n, shape[i].depth, shape[i].per);
        char what[64];
        snprintf(what, sizeof what, "%d ranks, %d levels", m.n, m.depth);
        try_machine(what, &m, 0, 0, 0, 0);
        try_machine(what, &m, 0.06, 0, 0, 0);
        /* Where a group is a pair, an outlier in both of its times takes it apart. */
        try_machine(what, &m, 0.08, 0.05, 0.02, shape[i].per[0] == 2 || m.n < 16 ? 40 / 4 : 1);
    }
}

/* 3, 5 and 9 ranks of one cache each; 7 and 1; one rank alone on its socket. */
static void test_uneven(void **state)
{
    (void)state;
    struct machine m = {.n = 17, .depth = 1, .time = {60, 140}};
    for (int i = 0; i < 17; i++)
        m.group[0][i] = i < 3 ? 0 : i < 8 ? 1 : 2;
    try_machine("3, 5, 9", &m, 0.08, 0.05, 0, 1);
    m = (struct machine){.n = 8, .depth = 1, .time = {60, 140}};
    m.group[0][3] = 1;
    try_machine("7, 1", &m, 0.06, 0.02, 0, 4);
    m = (struct machine){.n = 12, .depth = 2, .time = {50, 110, 250}};
    for (int i = 0; i < 12; i++) {
        m.group[0][i] = i < 5 ? 0 : i < 8 ? 1 : i < 11 ? 2 : 3;
        m.group[1][i] = i < 8 ? 0 : 1;
    }
    try_machine("5, 3 | 3, 1", &m, 0.06, 0.02, 0, 4);
}

/* No clear gap: one mode with noise, times that spread evenly (a mesh), two ranks, nothing measured. */
static void test_flat(void **state)
{
    (void)state;
    static const int sizes[] = {2, 3, 4, 5, 8, 16, 31, 64, 176};
    struct vc_clusters c;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct machine m = {.n = sizes[i], .depth = 0, .time = {120}};
        char what[32];
        snprintf(what, sizeof what, "%d ranks, flat", m.n);
        try_machine(what, &m, 0, 0, 0, 0);
        try_machine(what, &m, 0.08, 0.05, 0.02, m.n < 6 ? 8 : 0);
    }
    for (int i = 0; i < 28; i++)
        for (int j = 0; j < 28; j++)
            rtt[i * 28 + j] = (float)(60 + 4 * (abs(i / 7 - j / 7) + abs(i % 7 - j % 7)));
    assert_int_equal(vc_cluster(rtt, 28, mem, &c), VC_OK);
    assert_int_equal(c.depth, 0);
    memset(rtt, 0, sizeof rtt);
    assert_int_equal(vc_cluster(rtt, 10, mem, &c), VC_OK);
    assert_int_equal(c.depth, 0);
    for (int i = 0; i < 100; i++)
        rtt[i] = INFINITY;
    assert_int_equal(vc_cluster(rtt, 10, mem, &c), VC_OK);
    assert_int_equal(c.depth, 0);
}

/* Half of the ranks were not measured with the others: what is known of each half is found. */
static void test_halves(void **state)
{
    (void)state;
    struct machine m = {.n = 16, .depth = 1, .time = {60, 140}};
    struct vc_clusters c;
    for (int i = 0; i < 16; i++)
        m.group[0][i] = i / 4;
    fill_times(&m, 0.05, 0, 0);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++)
            if (i / 8 != j / 8)
                rtt[i * 16 + j] = 0;
    assert_int_equal(vc_cluster(rtt, 16, mem, &c), VC_OK);
    assert_int_equal(c.depth, 1);
    assert_int_equal(c.level[0].ngroups, 4);
    struct vc_locality of[16];
    vc_clusters_locate(&c, 16, of);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(of[i].unit[VC_UNIT_CORE], -1);
        assert_int_equal(of[i].unit[VC_UNIT_CACHE], i / 4);
        assert_int_equal(of[i].unit[VC_UNIT_NUMA], -1);
    }
}

/* ---- measuring ---- */

/* In each round everybody meets one other or nobody, and all meet all once. */
static void test_rounds(void **state)
{
    (void)state;
    for (int n = 2; n <= MAX; n++) {
        static bool met[MAX][MAX];
        memset(met, 0, sizeof met);
        for (int r = 0; r < vc_latency_rounds(n); r++) {
            int idle = 0;
            for (int i = 0; i < n; i++) {
                int j = vc_latency_partner(n, r, i);
                idle += j < 0;
                if (j < 0)
                    continue;
                assert_true(j < n && j != i && !met[i][j]);
                assert_int_equal(vc_latency_partner(n, r, j), i);
                met[i][j] = true;
            }
            assert_int_equal(idle, n % 2);
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                assert_int_equal(met[i][j], i != j);
    }
}

/* n processes, on CPUs of their own as far as there are any; one of them leaves early if `dies`. */
static void measure(int n, int dies, int expected)
{
    size_t bytes = vc_latency_bytes(n);
    void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    pid_t pid[8];
    int go[2];
    assert_int_equal(pipe(go), 0);
    for (int i = 0; i < n; i++) {
        fflush(NULL);
        pid[i] = fork();
        if (pid[i] == 0) {
            cpu_set_t all, one;
            char c;
            sched_getaffinity(0, sizeof all, &all);
            CPU_ZERO(&one);
            for (int cpu = 0, k = 0; cpu < CPU_SETSIZE; cpu++)
                if (CPU_ISSET(cpu, &all) && k++ == i % CPU_COUNT(&all))
                    CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            close(go[1]);
            if (vc_latency_settle(shared, n, i) != VC_OK)
                _exit(3);
            if (read(go[0], &c, 1) < 0 || i == dies)
                _exit(0);
            int err = vc_latency_measure(shared, n, i);
            _exit(err == expected ? 0 : 1);
        }
    }
    close(go[0]);
    usleep(20000); /* until all have settled */
    close(go[1]);
    for (int i = 0; i < n; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    const float *time = vc_latency_times(shared, n);
    for (int i = 0; i < n && expected == VC_OK; i++)
        for (int j = 0; j < n; j++)
            assert_true(i == j ? time[i * n + j] == 0 : time[i * n + j] > 1);
    munmap(shared, bytes);
}

static void test_measuring(void **state)
{
    (void)state;
    measure(2, -1, VC_OK);
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    if (CPU_COUNT(&all) >= 5)
        measure(5, -1, VC_OK);
    measure(3, 1, VC_ERR_PEER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),  cmocka_unit_test(test_uneven), cmocka_unit_test(test_flat),
        cmocka_unit_test(test_halves), cmocka_unit_test(test_rounds), cmocka_unit_test(test_measuring),
    };
    srand(20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
