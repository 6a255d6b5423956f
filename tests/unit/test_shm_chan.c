/* SPDX-License-Identifier: BSD-3-Clause */
/* The shm channel and the mux: the conformance suite in several shapes, and what only they promise. */
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/conformance/harness.h"
#include "transport/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the suite over forked ranks ---- */

struct suite {
    int n;
    size_t budget;
    bool cma;
    size_t cma_min;
    enum vc_wait_mode mode;
    bool mux; /**< odd and even peers through different channels */
    struct hs_node node, node2;
};

static struct vc_chan *make_chan(const struct suite *s, const struct hs_rank *hr, int me)
{
    int ranks[256];
    for (int i = 0; i < s->n; i++)
        ranks[i] = s->n - 1 - i; /* node index and communicator rank must not be mixed up */
    struct vc_shm_chan_cfg cfg = {.mem = hr->chan_mem,
                                  .budget = s->budget,
                                  .n = s->n,
                                  .me = me,
                                  .ranks = ranks,
                                  .size = s->n,
                                  .rank = ranks[me],
                                  .parking = (struct vc_parking *)(uintptr_t)&hr->parking,
                                  .cma_pids = s->cma && hr->cma ? hr->pids : NULL,
                                  .cma_min = s->cma_min};
    struct vc_chan *ch;
    if (vc_shm_chan_create(&cfg, &ch) != VC_OK) {
        fprintf(stderr, "%s\n", vc_error_text());
        exit(1);
    }
    return ch;
}

static int suite_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr, hr2;
    hs_join(&s->node, me, &hr);
    if (s->cma && !hr.cma && me == 0)
        fprintf(stderr, "cross memory attach is not permitted here: its part is not tested\n");
    struct vc_wait_cfg wait = hs_wait(s->mode, s->n > 1);
    struct cf_env e = {
        .ch = make_chan(s, &hr, me), .wait = &wait, .parking = &hr.parking, .seed = 4711, .reduces = true};
    if (s->mux) {
        hs_join(&s->node2, me, &hr2);
        hr2.parking = hr.parking; /* one set of park words wakes a rank, whichever channel it waits for */
        struct vc_chan *second = make_chan(s, &hr2, me), *via[256], *mux;
        int rank = e.ch->rank;
        for (int r = 0; r < s->n; r++)
            via[r] = r == rank ? NULL : (r + rank) % 2 ? e.ch : second;
        if (vc_mux_create(s->n, rank, via, &mux) != VC_OK)
            return 1;
        if (!mux->ops->wakes)
            cf_die(&e, "a mux of waking channels must wake");
        e.ch = mux;
    }
    cf_run(&e);
    atomic_fetch_add(&hr.start->wakes, atomic_load(&vc_wait_stats.wakes));
    return 0;
}

static void run_suite(struct suite s)
{
    s.node = hs_node_make(s.n, s.budget, 0);
    s.node2 = hs_node_make(s.n, s.budget, 0);
    int failed = hs_fork(s.n, suite_rank, &s, 100);
    uint64_t wakes = atomic_load(&((struct hs_start *)s.node.mem)->wakes);
    hs_node_free(&s.node);
    hs_node_free(&s.node2);
    assert_int_equal(failed, 0);
    if (s.mode == VC_WAIT_EVENT && s.n > 1)
        assert_true(wakes > 100); /* sleeps are bounded, so without wake-ups it would only be slow */
}

static void alone(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 1, .budget = 1 << 20, .mode = VC_WAIT_EVENT});
}

static void two_roomy(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 2, .budget = 4 << 20, .mode = VC_WAIT_HYBRID});
}

static void two_minimal(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 2, .budget = 0, .mode = VC_WAIT_AUTO});
}

static void three_all_single_copy(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 3, .budget = 64 << 10, .cma = true, .cma_min = 1, .mode = VC_WAIT_EVENT});
}

static void four_event(void **state)
{
    (void)state;
    run_suite(
        (struct suite){.n = 4, .budget = 256 << 10, .cma = true, .cma_min = 16 << 10, .mode = VC_WAIT_EVENT});
}

static void five_mux(void **state)
{
    (void)state;
    run_suite((struct suite){
        .n = 5, .budget = 512 << 10, .cma = true, .cma_min = 32 << 10, .mode = VC_WAIT_HYBRID, .mux = true});
}

static void many_event(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 16, .budget = 1 << 20, .mode = VC_WAIT_EVENT});
}

static void run_threads(int n)
{
    struct suite s = {.n = n, .budget = 128 << 10, .mode = VC_WAIT_HYBRID};
    s.node = hs_node_make(s.n, s.budget, 0);
    int failed = hs_threads(s.n, suite_rank, &s);
    hs_node_free(&s.node);
    assert_int_equal(failed, 0);
}

static void three_threads(void **state)
{
    (void)state;
    run_threads(3);
}

static void eight_threads(void **state)
{
    (void)state;
    run_threads(8);
}

/* ---- several ends in one process: every step is under control ---- */

struct ends {
    int n;
    void *mem, *park;
    struct vc_parking *parking;
    struct vc_chan **ch;
};

static struct ends ends_make(int n, size_t budget, int size, const int *ranks)
{
    struct ends e = {.n = n};
    size_t part = vc_shm_chan_bytes(n, budget), bytes = (size_t)n * part + VC_LINE_PAIR;
    char *mem[256];
    e.mem = aligned_alloc(VC_LINE_PAIR, bytes);
    e.park = calloc(1, vc_park_bytes(n));
    e.parking = calloc((size_t)n, sizeof *e.parking);
    e.ch = calloc((size_t)n, sizeof(*e.ch));
    assert_true(e.mem && e.park && e.parking && e.ch);
    memset(e.mem, 0xa5, bytes); /* of a channel that was before */
    for (int i = 0; i < n; i++) {
        mem[i] = (char *)e.mem + (size_t)(n - 1 - i) * part;
        vc_shm_chan_prepare(mem[i], n, budget);
    }
    for (int i = 0; i < n; i++) {
        e.parking[i] = (struct vc_parking){.shared = e.park, .n = n, .me = i};
        struct vc_shm_chan_cfg cfg = {.mem = mem,
                                      .budget = budget,
                                      .n = n,
                                      .me = i,
                                      .ranks = ranks,
                                      .size = size,
                                      .rank = ranks[i],
                                      .parking = &e.parking[i]};
        assert_int_equal(vc_shm_chan_create(&cfg, &e.ch[i]), VC_OK);
    }
    return e;
}

static void ends_free(struct ends *e)
{
    for (int i = 0; i < e->n; i++)
        e->ch[i]->ops->destroy(e->ch[i]);
    free(e->ch);
    free(e->parking);
    free(e->park);
    free(e->mem);
}

static void subset_of_the_communicator(void **state)
{
    (void)state;
    const int ranks[] = {3, 7};
    struct ends e = ends_make(2, 1 << 16, 9, ranks);
    struct vc_chan_req s, r;
    char in[4] = "";
    assert_int_equal(e.ch[0]->ops->isend(e.ch[0], 7, "abc", 4, &s), VC_OK);
    assert_true(s.done); /* room in the ring: nothing to wait for */
    assert_int_equal(e.ch[1]->ops->irecv(e.ch[1], 3, in, 4, &r), VC_OK);
    assert_true(r.done);
    assert_string_equal(in, "abc");
    assert_int_equal(e.ch[0]->ops->isend(e.ch[0], 0, "abc", 4, &s), VC_ERR_INVAL);
    assert_non_null(strstr(vc_error_text(), "rank 0"));
    assert_int_equal(e.ch[0]->ops->isend(e.ch[0], 9, "abc", 4, &s), VC_ERR_INVAL);
    assert_int_equal(e.ch[0]->ops->progress(e.ch[0]), 0);
    ends_free(&e);
}

static void a_full_ring_holds_back(void **state)
{
    (void)state;
    const int ranks[] = {0, 1};
    enum { N = 100 };
    struct ends e = ends_make(2, 0, 2, ranks);
    struct vc_chan_req s[N], r;
    int out[N], done = 0;
    for (int i = 0; i < N; i++) {
        out[i] = i;
        assert_int_equal(e.ch[0]->ops->isend(e.ch[0], 1, &out[i], sizeof out[i], &s[i]), VC_OK);
        done += s[i].done;
    }
    assert_in_range(done, 1, 16);
    assert_int_equal(e.ch[0]->ops->progress(e.ch[0]), 0); /* nobody has read: nothing can move */
    for (int i = 0; i < N; i++) {
        int in = -1;
        assert_int_equal(e.ch[1]->ops->irecv(e.ch[1], 0, &in, sizeof in, &r), VC_OK);
        assert_true(r.done);
        assert_int_equal(in, i);
        assert_int_equal(e.ch[0]->ops->progress(e.ch[0]), i + done < N ? 1 : 0);
    }
    assert_true(s[N - 1].done);
    ends_free(&e);
}

static void lengths_that_differ_are_an_error(void **state)
{
    (void)state;
    const int ranks[] = {0, 1};
    struct ends e = ends_make(2, 1 << 16, 2, ranks);
    struct vc_chan_req s, r;
    char in[16];
    assert_int_equal(e.ch[1]->ops->irecv(e.ch[1], 0, in, 16, &r), VC_OK);
    assert_int_equal(e.ch[0]->ops->isend(e.ch[0], 1, "12345678", 8, &s), VC_OK);
    assert_true(e.ch[1]->ops->progress(e.ch[1]) < 0);
    assert_non_null(strstr(vc_error_text(), "rank 0 sent a message of 8 bytes where rank 1 expects 16"));
    assert_false(r.done);
    assert_true(e.ch[1]->ops->progress(e.ch[1]) < 0); /* and it stays unusable */
    assert_true(e.ch[1]->ops->irecv(e.ch[1], 0, in, 8, &r) < 0);
    ends_free(&e);
}

static void memory_follows_the_budget(void **state)
{
    (void)state;
    assert_int_equal(vc_shm_chan_bytes(1, 1 << 20), 0);
    for (int n = 2; n <= 256; n += n < 20 ? 1 : 59) {
        size_t least = vc_shm_chan_bytes(n, 0), rings = (size_t)(n - 1);
        assert_true(least <= rings * 512);
        for (size_t budget = 4096; budget <= (size_t)64 << 20; budget *= 4) {
            size_t b = vc_shm_chan_bytes(n, budget);
            assert_true(b <= budget || b == least);
            assert_int_equal(b % VC_LINE_PAIR, 0);
        }
    }
    /* More ranks than anyone has: the far ends of the layout reach each other and nobody else. */
    int ranks[256];
    for (int i = 0; i < 256; i++)
        ranks[i] = i;
    struct ends e = ends_make(256, 0, 256, ranks);
    char out[5000], in[5000];
    for (int i = 0; i < 256; i++) {
        int to = (i * 7 + 255) % 256;
        if (to == i)
            continue;
        struct vc_chan_req s, r;
        cf_fill(out, sizeof out, i, to, 0);
        assert_int_equal(e.ch[to]->ops->irecv(e.ch[to], i, in, sizeof in, &r), VC_OK);
        assert_int_equal(e.ch[i]->ops->isend(e.ch[i], to, out, sizeof out, &s), VC_OK);
        for (int turn = 0; turn < 1000 && !(s.done && r.done); turn++) {
            assert_true(e.ch[to]->ops->progress(e.ch[to]) >= 0);
            assert_true(e.ch[i]->ops->progress(e.ch[i]) >= 0);
        }
        assert_true(s.done && r.done);
        assert_memory_equal(in, out, sizeof in);
    }
    for (int i = 0; i < 256; i++)
        assert_int_equal(e.ch[i]->ops->progress(e.ch[i]), 0);
    ends_free(&e);
}

static void mux_refuses_the_unreachable(void **state)
{
    (void)state;
    struct vc_chan *via[3] = {NULL, NULL, NULL}, *mux;
    struct vc_chan_req s, r;
    char in[3] = "";
    assert_int_equal(vc_mux_create(3, 1, via, &mux), VC_OK);
    assert_int_equal(mux->ops->isend(mux, 2, "a", 1, &s), VC_ERR_INVAL);
    assert_non_null(strstr(vc_error_text(), "rank 2"));
    assert_int_equal(mux->ops->isend(mux, 1, "ab", 3, &s), VC_OK);
    assert_false(s.done);
    assert_int_equal(mux->ops->irecv(mux, 1, in, 3, &r), VC_OK);
    assert_true(s.done && r.done);
    assert_string_equal(in, "ab");
    mux->ops->destroy(mux);
}

/* ---- single copy itself ---- */

static void cma_says_what_went_wrong(void **state)
{
    (void)state;
    char from[100], to[100] = "";
    memset(from, 'x', sizeof from);
    if (vc_cma_read(getpid(), to, (uint64_t)(uintptr_t)from, sizeof from) != VC_OK) {
        print_message("cross memory attach is not permitted here\n");
        skip();
    }
    assert_memory_equal(from, to, sizeof to);
    memset(from, 'y', sizeof from);
    assert_int_equal(vc_cma_write(getpid(), from, (uint64_t)(uintptr_t)to, sizeof to), VC_OK);
    assert_memory_equal(from, to, sizeof to);
    assert_int_equal(vc_cma_read(getpid(), to, 0, 0), VC_OK);
    assert_int_equal(vc_cma_read(getpid(), to, 16, 8), VC_ERR_SYS);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    assert_int_equal(vc_cma_read(pid, to, (uint64_t)(uintptr_t)from, 8), VC_ERR_SYS);
    assert_non_null(strstr(vc_error_text(), "the process has ended"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone),
        cmocka_unit_test(two_roomy),
        cmocka_unit_test(two_minimal),
        cmocka_unit_test(three_all_single_copy),
        cmocka_unit_test(four_event),
        cmocka_unit_test(five_mux),
        cmocka_unit_test(many_event),
        cmocka_unit_test(three_threads),
        cmocka_unit_test(eight_threads),
        cmocka_unit_test(subset_of_the_communicator),
        cmocka_unit_test(a_full_ring_holds_back),
        cmocka_unit_test(lengths_that_differ_are_an_error),
        cmocka_unit_test(memory_follows_the_budget),
        cmocka_unit_test(mux_refuses_the_unreachable),
        cmocka_unit_test(cma_says_what_went_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
