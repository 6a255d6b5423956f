/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs channel over the loopback device: the conformance suite in many shapes, and what only it
 * promises. */
#include "tests/loopback/loopback.h"
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/conformance/harness.h"
#include "transport/mux.h"
#include "transport/verbs/verbs.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- ranks as processes with a device each ---- */

struct suite {
    int n;
    const char *device; /**< VC_LOOPBACK */
    bool threads;       /**< ranks are threads of one process, whose environment names the device */
    struct vc_verbs_cfg cfg;
    enum vc_wait_mode mode;
    const char
        *then; /**< injected once the addresses are exchanged; then the events of the device are read */
    struct hs_node node;
    /* shared, written by the ranks */
    struct shared {
        struct vc_verbs_address address[16];
        struct vc_verbs_stats stats[16];
        _Atomic int done;
    } * shared;
};

static void inject(const char *fault)
{
    int (*fn)(const char *) = NULL;
    void *lib = dlopen(VC_LOOPBACK_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    *(void **)&fn = lib ? dlsym(lib, "vc_loopback_inject") : NULL;
    assert_true(fn && fn(fault) == 0);
}

static struct vc_verbs *make_verbs(const struct suite *s, const struct hs_rank *hr, int me)
{
    struct vc_verbs_cfg cfg = s->cfg;
    struct vc_verbs *v;
    cfg.want.library = VC_LOOPBACK_LIBRARY;
    cfg.want.gid_index = -1;
    cfg.peers = s->n - 1;
    cfg.local = me;
    if (!s->threads)
        setenv("VC_LOOPBACK", s->device, 1);
    if (vc_verbs_create(&cfg, &v) != VC_OK) {
        fprintf(stderr, "rank %d: %s\n", me, vc_error_text());
        exit(1);
    }
    vc_verbs_address(v, &s->shared->address[me]);
    hs_meet(hr->start, s->n);
    int ranks[16];
    for (int i = 0; i < s->n; i++)
        ranks[i] = i;
    struct vc_shm_chan_cfg boot = {.mem = hr->chan_mem,
                                   .budget = 1 << 16,
                                   .n = s->n,
                                   .me = me,
                                   .ranks = ranks,
                                   .size = s->n,
                                   .rank = me,
                                   .parking = (struct vc_parking *)(uintptr_t)&hr->parking};
    struct vc_chan *ch;
    if (vc_shm_chan_create(&boot, &ch) != VC_OK ||
        vc_verbs_peers(v, s->shared->address, NULL, s->n, me, ch) != VC_OK) {
        fprintf(stderr, "rank %d: %s\n", me, vc_error_text());
        exit(1);
    }
    if (s->then) {
        inject(s->then);
        usleep(50000);
        hs_meet(hr->start, s->n);
    }
    return v;
}

/* Ranks of the communicator are not those of the processes. */
static struct vc_chan *make_chan(const struct suite *s, struct vc_verbs *v, int me, uint64_t id)
{
    int procs[16];
    struct vc_chan *ch, *mux, *via[16];
    for (int i = 0; i < s->n; i++)
        procs[i] = s->n - 1 - i;
    struct vc_verbs_chan_cfg cfg = {
        .verbs = v, .id = id, .size = s->n, .rank = s->n - 1 - me, .procs = procs};
    assert_int_equal(vc_verbs_chan_create(&cfg, &ch), VC_OK);
    for (int r = 0; r < s->n; r++)
        via[r] = r == cfg.rank ? NULL : ch;
    assert_int_equal(vc_mux_create(s->n, cfg.rank, via, &mux), VC_OK);
    assert_non_null(mux->src);
    return mux;
}

static int suite_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_wait_cfg wait = hs_wait(s->mode, s->n > 1);
    struct cf_env e = {.ch = make_chan(s, v, me, 7), .wait = &wait, .seed = 4711, .reduces = true};
    hs_meet(hr.start, s->n);
    cf_run(&e);
    s->shared->stats[me] = *vc_verbs_stats(v);
    hs_meet(hr.start, s->n);
    vc_verbs_destroy(v);
    return 0;
}

static struct suite make_suite(int n, const char *device, enum vc_wait_mode mode)
{
    struct suite s = {.n = n,
                      .device = device,
                      .mode = mode,
                      .cfg = {.inline_bytes = -1,
                              .slot = 8192,
                              .credits = 16,
                              .zcopy_min = 65536,
                              .reg_cache = true,
                              .timeout_s = 4}};
    s.node = hs_node_make(n, 1 << 16, 0);
    s.shared = hs_shared(sizeof *s.shared);
    return s;
}

static void run(struct suite *s)
{
    assert_int_equal(hs_fork(s->n, suite_rank, s, 100), 0);
    hs_node_free(&s->node);
}

static void conforms_polling(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "", VC_WAIT_POLL);
    run(&s);
    assert_true(s.shared->stats[0].writes > 0 && s.shared->stats[0].inlined > 0);
    assert_int_equal(s.shared->stats[0].connections, 2);
}

static void conforms_sleeping(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "", VC_WAIT_EVENT);
    run(&s);
    assert_true(s.shared->stats[1].events > 0 && s.shared->stats[1].arms > 0);
}

static void conforms_hybrid(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_HYBRID);
    run(&s);
}

static void conforms_without_zero_copy(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "", VC_WAIT_AUTO);
    s.cfg.reg_cache = false;
    run(&s);
    assert_int_equal(s.shared->stats[0].writes, 0);
}

/* Two pieces on their way, 256 bytes each, a dozen of everything else. */
static void conforms_with_tiny_rings(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "max_qp_wr=8,max_cqe=48,max_srq_wr=16", VC_WAIT_EVENT);
    s.cfg.slot = 256;
    s.cfg.credits = 2;
    s.cfg.zcopy_min = 3000;
    run(&s);
}

static void conforms_without_shared_receive_queue(void **state)
{
    (void)state;
    struct suite s = make_suite(4, "max_srq=0,max_inline=0", VC_WAIT_AUTO);
    run(&s);
    assert_int_equal(s.shared->stats[0].inlined, 0);
}

static void conforms_on_infiniband(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "link=ib", VC_WAIT_POLL);
    run(&s);
}

/* Pairs that have not met yet meet at the addresses that the ports have by then. */
static void conforms_after_a_move(void **state)
{
    (void)state;
    for (int ib = 0; ib < 2; ib++) {
        struct suite s = make_suite(3, ib ? "link=ib" : "", VC_WAIT_EVENT);
        s.then = "moved@1";
        run(&s);
        assert_int_equal(s.shared->stats[0].connections, 2);
    }
}

/* Less is granted than asked for: posting more inline is an error. */
static void conforms_with_inline_as_granted(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "grant_inline=0", VC_WAIT_AUTO);
    run(&s);
    assert_int_equal(s.shared->stats[0].inlined, 0);
    s = make_suite(2, "grant_inline=40", VC_WAIT_AUTO);
    run(&s);
    assert_true(s.shared->stats[0].inlined > 0);
}

/* Eight large buffers in turn where locked memory takes three. */
static int crowded_rank(int me, void *arg)
{
    enum { BUFFERS = 8, BYTES = 1 << 20 };
    const struct suite *s = arg;
    struct hs_rank hr;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_chan *ch = make_chan(s, v, me, 7);
    char *mem =
        mmap(NULL, (size_t)BUFFERS * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    hs_meet(hr.start, s->n);
    for (int i = 0; i < 5 * BUFFERS; i++) {
        char *buf = mem + (size_t)(i % BUFFERS) * BYTES;
        struct vc_chan_req r;
        memset(buf, ch->rank == 0 ? i + 1 : 0, BYTES);
        assert_int_equal(ch->rank == 0 ? ch->ops->isend(ch, 1, buf, BYTES, &r)
                                       : ch->ops->irecv(ch, 0, buf, BYTES, &r),
                         VC_OK);
        while (!r.done)
            assert_true(ch->ops->progress(ch) >= 0);
        assert_true(buf[0] == (char)(i + 1) && buf[BYTES - 1] == (char)(i + 1));
    }
    s->shared->stats[me] = *vc_verbs_stats(v);
    hs_meet(hr.start, s->n);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    munmap(mem, (size_t)BUFFERS * BYTES);
    return 0;
}

static void short_of_locked_memory(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_AUTO);
    struct vc_verbs_need need;
    struct vc_verbs_cfg cfg = s.cfg;
    char device[40];
    cfg.peers = 1;
    vc_verbs_need(&cfg, &need);
    snprintf(device, sizeof device, "memlock=%zu", need.locked + (3u << 20));
    s.device = device;
    assert_int_equal(hs_fork(s.n, crowded_rank, &s, 60), 0);
    hs_node_free(&s.node);
    /* Rank 0 of the channel is process 1. Every message was granted and written from where it lay. */
    assert_int_equal(s.shared->stats[0].cts, 40);
    assert_int_equal(s.shared->stats[1].writes, 40);
    assert_int_equal(s.shared->stats[1].declined, 0);
}

static bool drive(struct vc_chan *ch, struct vc_chan_req *r, int n)
{
    uint64_t begun = vc_now_ns();
    unsigned turns = 0;
    for (int i = 0; i < n; i++)
        while (!vc_req_done(&r[i])) {
            if (ch->ops->progress(ch) < 0 || vc_now_ns() - begun > 20000000000u ||
                (++turns % 1000 == 0 && ch->src->check(ch->src) != VC_OK))
                return false;
            usleep(10);
        }
    return true;
}

enum { FLOOD = 40 };

/* Rank 0 sends more than rank 1 has credits for, and receives a large message before rank 1 receives any. */
static int flooding_rank(int me, void *arg)
{
    enum { BYTES = 1 << 18 };
    const struct suite *s = arg;
    struct hs_rank hr;
    static uint64_t x[FLOOD];
    static struct vc_chan_req r[FLOOD], large;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_chan *ch = make_chan(s, v, me, 7);
    char *mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    hs_meet(hr.start, s->n);
    if (ch->rank == 0) {
        for (int i = 0; i < FLOOD; i++) {
            x[i] = (unsigned)i;
            assert_int_equal(ch->ops->isend(ch, 1, &x[i], sizeof x[i], &r[i]), VC_OK);
        }
        assert_int_equal(ch->ops->irecv(ch, 1, mem, BYTES, &large), VC_OK);
        assert_true(drive(ch, &large, 1) && mem[BYTES - 1] == 5);
    } else {
        memset(mem, 5, BYTES);
        assert_int_equal(ch->ops->isend(ch, 0, mem, BYTES, &large), VC_OK);
        assert_true(drive(ch, &large, 1));
        for (int i = 0; i < FLOOD; i++)
            assert_int_equal(ch->ops->irecv(ch, 0, &x[i], sizeof x[i], &r[i]), VC_OK);
    }
    assert_true(drive(ch, r, FLOOD));
    for (int i = 0; i < FLOOD; i++)
        assert_int_equal(x[i], i);
    hs_meet(hr.start, s->n);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    munmap(mem, BYTES);
    return 0;
}

static void grants_behind_a_flood(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_AUTO);
    assert_int_equal(hs_fork(s.n, flooding_rank, &s, 60), 0);
    hs_node_free(&s.node);
}

/* Process 0 begins an exchange and drives it no further. */
static int silent_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_chan *ch = make_chan(s, v, me, 7);
    uint64_t x = 0, begun = vc_now_ns();
    struct vc_chan_req r;
    int err;
    hs_meet(hr.start, s->n);
    if (me == 0) {
        assert_int_equal(ch->ops->isend(ch, 0, &x, sizeof x, &r), VC_OK);
    } else {
        assert_int_equal(ch->ops->irecv(ch, 1, &x, sizeof x, &r), VC_OK);
        while ((err = ch->ops->progress(ch)) >= 0 && vc_now_ns() - begun < 25000000000u) {
            assert_int_equal(ch->src->check(ch->src), VC_OK);
            usleep(20000);
        }
        assert_int_equal(err, VC_ERR_PEER);
        assert_non_null(strstr(vc_error_text(), "exchange of addresses with process 0 came to no end"));
    }
    hs_meet(hr.start, s->n);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    return 0;
}

static void exchange_without_end(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_AUTO);
    assert_int_equal(hs_fork(s.n, silent_rank, &s, 60), 0);
    hs_node_free(&s.node);
}

/* ---- a lost connection, and others over the same device ---- */

enum { LOST_SENDS = 32, LATER_SENDS = 40 };

/* Process 0 fills all its send slots with messages for process 1, and that connection fails. Messages of
 * another communicator, for process 2, need slots as well. All of both arrive. */
static int bereft_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr;
    static uint64_t x[LATER_SENDS];
    static struct vc_chan_req r[LATER_SENDS];
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_chan *lost = make_chan(s, v, me, 7), *other = make_chan(s, v, me, 8);
    hs_meet(hr.start, s->n);
    if (me == 0) {
        assert_int_equal(lost->ops->isend(lost, 1, x, sizeof x[0], &r[0]), VC_OK);
        assert_int_equal(other->ops->isend(other, 0, x, sizeof x[0], &r[1]), VC_OK);
        assert_true(drive(lost, r, 2));
        for (int i = 0; i < 1000; i++) /* the slots of these two are free again */
            assert_true(lost->ops->progress(lost) >= 0);
        inject("qperr@1");
        for (int i = 0; i < LOST_SENDS; i++) {
            x[i] = 77u + (unsigned)i;
            assert_int_equal(lost->ops->isend(lost, 1, &x[i], sizeof x[i], &r[i]), VC_OK);
        }
        assert_true(drive(lost, r, LOST_SENDS));
        for (int i = 0; i < LATER_SENDS; i++)
            assert_int_equal(other->ops->isend(other, 0, x, sizeof x[0], &r[i]), VC_OK);
        assert_true(drive(other, r, LATER_SENDS));
    } else if (me == 1) {
        assert_int_equal(lost->ops->irecv(lost, 2, x, sizeof x[0], &r[0]), VC_OK);
        assert_true(drive(lost, r, 1));
        for (int i = 0; i < LOST_SENDS; i++)
            assert_int_equal(lost->ops->irecv(lost, 2, &x[i], sizeof x[i], &r[i]), VC_OK);
        assert_true(drive(lost, r, LOST_SENDS));
        for (int i = 0; i < LOST_SENDS; i++)
            assert_int_equal(x[i], 77 + i);
        assert_int_equal(vc_verbs_stats(v)->lost, 1);
    } else {
        for (int i = 0; i < LATER_SENDS; i++)
            assert_int_equal(other->ops->irecv(other, 2, &x[i], sizeof x[0], &r[i]), VC_OK);
        assert_true(drive(other, r, LATER_SENDS));
    }
    /* Others may still need what this process has sent. */
    s->shared->done++;
    for (unsigned i = 1; s->shared->done < s->n; i++) {
        assert_true(lost->ops->progress(lost) >= 0);
        if (i % 100 == 0)
            assert_int_equal(lost->src->check(lost->src), VC_OK);
        usleep(500);
    }
    lost->ops->destroy(lost);
    other->ops->destroy(other);
    vc_verbs_destroy(v);
    return 0;
}

static void slots_of_a_lost_connection(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "max_inline=0", VC_WAIT_AUTO);
    s.cfg.credits = 64;
    assert_int_equal(hs_fork(s.n, bereft_rank, &s, 60), 0);
    hs_node_free(&s.node);
}

static void conforms_with_moderation(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_EVENT);
    s.cfg.moderate = true;
    s.cfg.latency = (struct vc_cq_mod){4, 50};
    s.cfg.bulk = (struct vc_cq_mod){16, 200};
    run(&s);
}

static void conforms_with_delay_and_rnr(void **state)
{
    (void)state;
    struct suite s = make_suite(3, "delay_us=50,reorder=1,rnr=29", VC_WAIT_EVENT);
    run(&s);
}

/* ---- ranks as threads of one process, where a thread sanitizer sees both ends ---- */

struct channel {
    const struct suite *s;
    struct vc_chan *ch[2];
};

static int channel_thread(int which, void *arg)
{
    const struct channel *c = arg;
    struct vc_wait_cfg wait = hs_wait(c->s->mode, true);
    struct cf_env e = {.ch = c->ch[which], .wait = &wait, .seed = 4711, .reduces = true};
    cf_run(&e);
    return 0;
}

/* A device of its own, and two communicators that a thread each uses. */
static int locking_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct channel c = {s, {make_chan(s, v, me, 7), make_chan(s, v, me, 8)}};
    hs_meet(hr.start, s->n);
    int failed = hs_threads(2, channel_thread, &c);
    s->shared->stats[me] = *vc_verbs_stats(v);
    hs_meet(hr.start, s->n);
    vc_verbs_destroy(v);
    return failed;
}

static int process_of_threads(int none, void *arg)
{
    const struct suite *s = arg;
    (void)none;
    setenv("VC_LOOPBACK", s->device, 1);
    return hs_threads(s->n, locking_rank, arg);
}

static void run_threads(const char *device, enum vc_wait_mode mode)
{
    struct suite s = make_suite(2, device, mode);
    s.cfg.locking = true;
    s.threads = true;
    assert_int_equal(hs_fork(1, process_of_threads, &s, 100), 0);
    hs_node_free(&s.node);
    /* Both sent by every way. */
    for (int i = 0; i < s.n; i++)
        assert_true(s.shared->stats[i].writes > 0 && s.shared->stats[i].inlined > 0);
}

static void threads_polling(void **state)
{
    (void)state;
    run_threads("", VC_WAIT_POLL);
}

static void threads_sleeping(void **state)
{
    (void)state;
    run_threads("delay_us=20,rnr=31", VC_WAIT_EVENT);
}

/* ---- a request is done when its bytes have been handed over, and not before ---- */

enum { EARLY_SENDS = 8 };

struct early {
    void (*stats)(struct vc_loopback_stats *out);
    struct vc_chan_req r[EARLY_SENDS];
    bool seen; /* some were handed over together */
    bool bad;  /* more were done than had been handed over */
};

/* The work requests of this call have not been read yet. */
static void count_done(void *arg)
{
    struct early *e = arg;
    struct vc_loopback_stats now;
    uint64_t done = 0;
    e->stats(&now);
    for (int i = 0; i < EARLY_SENDS; i++)
        done += vc_req_done(&e->r[i]);
    e->seen |= done == 0;
    e->bad |= done > now.sends;
}

/* Messages of a pair that is not connected yet wait, and are then posted in one batch. */
static int early_rank(int me, void *arg)
{
    const struct suite *s = arg;
    struct hs_rank hr;
    static struct early e;
    static uint64_t x[EARLY_SENDS];
    void (*on_post)(void (*)(void *), void *) = NULL;
    hs_join(&s->node, me, &hr);
    struct vc_verbs *v = make_verbs(s, &hr, me);
    struct vc_chan *ch = make_chan(s, v, me, 7);
    void *lib = dlopen(VC_LOOPBACK_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    assert_non_null(lib);
    *(void **)&on_post = dlsym(lib, "vc_loopback_on_post");
    *(void **)&e.stats = dlsym(lib, "vc_loopback_stats");
    hs_meet(hr.start, s->n);
    if (me == 0)
        on_post(count_done, &e);
    for (int i = 0; i < EARLY_SENDS; i++)
        assert_int_equal(me == 0 ? ch->ops->isend(ch, 0, &x[i], sizeof x[i], &e.r[i])
                                 : ch->ops->irecv(ch, 1, &x[i], sizeof x[i], &e.r[i]),
                         VC_OK);
    for (int i = 0; i < EARLY_SENDS; i++)
        while (!vc_req_done(&e.r[i]))
            assert_true(ch->ops->progress(ch) >= 0);
    on_post(NULL, NULL);
    struct vc_loopback_stats all;
    e.stats(&all);
    if (me == 0)
        assert_true(e.seen && !e.bad && all.sends > all.doorbells && vc_verbs_stats(v)->inlined > 0);
    hs_meet(hr.start, s->n);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    return 0;
}

static void done_when_handed_over(void **state)
{
    (void)state;
    struct suite s = make_suite(2, "", VC_WAIT_POLL);
    assert_int_equal(hs_fork(s.n, early_rank, &s, 60), 0);
    hs_node_free(&s.node);
}

static void conforms_where_registration_fails(void **state)
{
    (void)state;
    /* Room for the buffers, none for the application's. */
    struct suite s = make_suite(2, "max_mr=2", VC_WAIT_AUTO);
    run(&s);
    assert_true(s.shared->stats[0].declined > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conforms_polling),
        cmocka_unit_test(conforms_sleeping),
        cmocka_unit_test(conforms_hybrid),
        cmocka_unit_test(conforms_without_zero_copy),
        cmocka_unit_test(conforms_with_tiny_rings),
        cmocka_unit_test(conforms_without_shared_receive_queue),
        cmocka_unit_test(conforms_on_infiniband),
        cmocka_unit_test(conforms_after_a_move),
        cmocka_unit_test(conforms_with_inline_as_granted),
        cmocka_unit_test(short_of_locked_memory),
        cmocka_unit_test(grants_behind_a_flood),
        cmocka_unit_test(exchange_without_end),
        cmocka_unit_test(slots_of_a_lost_connection),
        cmocka_unit_test(conforms_with_moderation),
        cmocka_unit_test(conforms_with_delay_and_rnr),
        cmocka_unit_test(conforms_where_registration_fails),
        cmocka_unit_test(threads_polling),
        cmocka_unit_test(threads_sleeping),
        cmocka_unit_test(done_when_handed_over),
    };
    cmocka_set_test_filter(getenv("VC_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
