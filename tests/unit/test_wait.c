/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting: who is woken by whom, that sleeps are bounded and drive the host MPI, that dead peers are noticed.
 */
#include "transport/wait.h"

#include "transport/burn.h"
#include "transport/park.h"

#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static _Atomic int progress_calls;

static int count_progress(void)
{
    atomic_fetch_add(&progress_calls, 1);
    return -1;
}

static struct vc_wait_cfg config(enum vc_wait_mode mode, bool crowded)
{
    struct vc_wait_cfg cfg = {mode, 50000, crowded, 200000, 5000000, count_progress, NULL, NULL, NULL, false};
    return cfg;
}

struct shared {
    _Atomic int turn, stop;
    _Atomic int results[4];
    _Alignas(VC_LINE_PAIR) char park[2048];
};

static struct shared *shared_memory(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    assert_true(vc_park_bytes(3) <= sizeof s->park);
    return s;
}

static struct vc_parking parking(struct shared *s, int n, int me)
{
    struct vc_parking p = {(struct vc_park_area *)(void *)s->park, n, me, NULL, NULL};
    return p;
}

static uint32_t parked(struct shared *s)
{
    return atomic_load(&((struct vc_park_area *)(void *)s->park)->nparked);
}

static uint32_t word(struct shared *s, int i)
{
    return atomic_load(&((struct vc_park_area *)(void *)s->park)->word[i]);
}

/* Waits until *flag is `value`; for at most `limit_ns`. */
static int wait_for(_Atomic int *flag, int value, const struct vc_wait_cfg *cfg, struct vc_parking *p,
                    int whom, uint64_t limit_ns)
{
    struct vc_waiter w;
    int err = VC_OK;
    uint64_t end = vc_now_ns() + limit_ns;
    vc_wait_begin(&w, cfg, p);
    while (atomic_load_explicit(flag, memory_order_acquire) != value && err == VC_OK && vc_now_ns() < end)
        err = vc_wait_idle(&w, whom);
    vc_wait_end(&w);
    return err;
}

static void test_progress_in_every_mode(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    for (int mode = VC_WAIT_AUTO; mode <= VC_WAIT_HYBRID; mode++)
        for (int crowded = 0; crowded < 2; crowded++)
            for (int with = 0; with < 2; with++) {
                struct vc_wait_cfg cfg = config((enum vc_wait_mode)mode, crowded);
                struct vc_parking p = parking(s, 2, 0);
                atomic_store(&progress_calls, 0);
                /* 60 ms of slices of at most 5 ms; on a busy machine they may pass unused. */
                for (int turn = 0; turn < 10 && atomic_load(&progress_calls) < 2; turn++)
                    assert_int_equal(wait_for(&s->turn, 1, &cfg, with ? &p : NULL, 1, 60000000), VC_OK);
                assert_true(atomic_load(&progress_calls) >= 2);
                assert_int_equal(parked(s), 0);
            }
    munmap(s, sizeof *s);
}

static void test_event_mode_sleeps(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT, false);
    struct vc_parking p = parking(s, 2, 0);
    struct rusage a, b;
    long burnt = LONG_MAX;
    /* On a machine that is busy with something else each wake-up may cost much: not at every try. */
    for (int turn = 0; turn < 5 && burnt >= 100000; turn++) {
        uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps);
        getrusage(RUSAGE_SELF, &a);
        wait_for(&s->turn, 1, &cfg, &p, 1, 300000000);
        getrusage(RUSAGE_SELF, &b);
        assert_true(atomic_load(&vc_wait_stats.sleeps) - sleeps >= 20);
        burnt = (b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec - a.ru_stime.tv_sec) * 1000000 +
                (b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec - a.ru_stime.tv_usec);
#ifdef __SANITIZE_THREAD__ /* what makes each access dearer makes idle turns scatter, too */
        burnt /= 2;
#endif
    }
    assert_true(burnt < 100000); /* of 300 ms; a spinning wait would burn all of it */
    munmap(s, sizeof *s);
}

static void test_only_whom_it_concerns(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    pid_t pid = fork();
    if (pid == 0) { /* participant 1 waits for 2 */
        struct vc_wait_cfg cfg = config(VC_WAIT_EVENT, false);
        cfg.slice_min_ns = cfg.slice_max_ns = 900000000; /* only a wake-up can end it soon */
        struct vc_parking p = parking(s, 3, 1);
        uint64_t t = vc_now_ns();
        wait_for(&s->turn, 1, &cfg, &p, 2, 3000000000u);
        _exit(vc_now_ns() - t < 800000000u ? 0 : 1);
    }
    while (word(s, 1) == 0)
        usleep(1000);
    assert_int_equal(word(s, 1), 3);
    usleep(20000); /* certainly asleep now */
    struct vc_parking zero = parking(s, 3, 0), two = parking(s, 3, 2);
    vc_wake_all(&zero);
    vc_wake_one(&zero, 1);
    assert_int_equal(parked(s), 1); /* 0 is not the one it waits for */
    vc_wake_one(&two, 0);
    assert_int_equal(parked(s), 1);
    atomic_store_explicit(&s->turn, 1, memory_order_release);
    vc_wake_one(&two, 1);
    assert_int_equal(parked(s), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    munmap(s, sizeof *s);
}

/* Two processes hand a token to each other; in no mode may the count of sleepers or a wake-up get lost. */
static void ping_pong(enum vc_wait_mode mode, int rounds, int whom_any)
{
    struct shared *s = shared_memory();
    pid_t pid = fork();
    int me = pid == 0;
    struct vc_wait_cfg cfg = config(mode, false);
    struct vc_parking p = parking(s, 2, me);
    alarm(60);
    for (int i = 0; i < rounds; i++) {
        wait_for(&s->turn, 2 * i + me, &cfg, &p, whom_any ? VC_WAIT_ANY : !me, 20000000000u);
        atomic_store_explicit(&s->turn, 2 * i + me + 1, memory_order_release);
        vc_wake_all(&p);
    }
    alarm(0);
    if (pid == 0)
        _exit(atomic_load(&s->turn) >= 2 * rounds - 1 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&s->turn), 2 * rounds);
    assert_int_equal(parked(s), 0);
    munmap(s, sizeof *s);
}

static void test_ping_pong(void **state)
{
    (void)state;
    ping_pong(VC_WAIT_EVENT, 3000, 0);
    ping_pong(VC_WAIT_EVENT, 3000, 1);
    ping_pong(VC_WAIT_HYBRID, 3000, 0);
    ping_pong(VC_WAIT_AUTO, 3000, 0);
    assert_true(atomic_load(&vc_wait_stats.wake_cost_ns) > 0);
}

static void test_burning(void **state)
{
    (void)state;
    assert_true(vc_burn_ns(VC_WAIT_POLL, 0, 0, true, true) == UINT64_MAX);
    assert_int_equal(vc_burn_ns(VC_WAIT_EVENT, 50000, 9000, false, false), 0);
    assert_int_equal(vc_burn_ns(VC_WAIT_HYBRID, 70000, 9000, true, true), 70000);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 9000, false, true), 0);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 9000, false, false), 9000);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 0, false, false), 50000);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 40000, true, false), 10000);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 100, false, false), 5000);
    assert_int_equal(vc_burn_ns(VC_WAIT_AUTO, 50000, 1000000, false, false), 200000);
    assert_int_equal(vc_burn_yields(0, 9000), 16);
    assert_int_equal(vc_burn_yields(1000, 20000), 20);
    assert_int_equal(vc_burn_yields(1000, 2000), 8);
    assert_int_equal(vc_burn_yields(100, 1000000), 64);
}

/* Two ranks that nobody told that they share a CPU: one that only looks lets the other one run. */
static void test_shares_unknown(void **state)
{
    (void)state;
    enum { ROUNDS = 200 };
    struct shared *s = shared_memory();
    struct vc_wait_cfg cfg = config(VC_WAIT_POLL, false);
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint64_t yields = atomic_load(&vc_wait_stats.yields);
    pid_t child = fork();
    int me = child == 0;
    struct vc_parking p = parking(s, 2, me);
    for (int i = me; i < ROUNDS; i += 2) {
        wait_for(&s->turn, i, &cfg, &p, !me, UINT64_C(20000000000));
        atomic_store(&s->turn, i + 1);
    }
    if (me)
        _exit(0);
    waitpid(child, NULL, 0);
    sched_setaffinity(0, sizeof all, &all);
    assert_int_equal(atomic_load(&s->turn), ROUNDS);
    assert_true(atomic_load(&vc_wait_stats.yields) > yields);
    munmap(s, sizeof *s);
}

static void test_dead_peer(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    int pipefd[2];
    assert_int_equal(pipe(pipefd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_peer_id id = vc_peer_self();
        if (write(pipefd[1], &id, sizeof id) != sizeof id)
            _exit(1);
        pause();
        _exit(0);
    }
    struct vc_peer_id ids[2] = {vc_peer_self()};
    assert_int_equal(read(pipefd[0], &ids[1], sizeof ids[1]), sizeof ids[1]);
    assert_int_equal(ids[1].pid, pid);
    assert_true(vc_peer_alive(&ids[0]));
    assert_true(vc_peer_alive(&ids[1]));
    struct vc_peer_id other = {pid, ids[1].start_time + 1}, unknown = {0, 0};
    assert_false(vc_peer_alive(&other));
    assert_true(vc_peer_alive(&unknown));

    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* dead, but a zombie until it is reaped below */
    assert_false(vc_peer_alive(&ids[1]));
    static const int ranks[2] = {10, 11};
    for (int mode = VC_WAIT_AUTO; mode <= VC_WAIT_HYBRID; mode++) {
        struct vc_wait_cfg cfg = config((enum vc_wait_mode)mode, mode == VC_WAIT_POLL);
        struct vc_parking p = parking(s, 2, 0);
        p.ids = ids;
        p.ranks = ranks;
        uint64_t t = vc_now_ns();
        assert_int_equal(
            wait_for(&s->turn, 1, &cfg, &p, mode == VC_WAIT_HYBRID ? VC_WAIT_ANY : 1, 8000000000u),
            VC_ERR_PEER);
        assert_true(vc_now_ns() - t < 3000000000u);
        assert_non_null(strstr(vc_error_text(), "rank 11"));
    }
    waitpid(pid, NULL, 0);
    assert_false(vc_peer_alive(&ids[1]));
    close(pipefd[0]);
    close(pipefd[1]);
    munmap(s, sizeof *s);
}

/* A look at who is alive takes as long with many participants as with some, and a few looks see all. */
static void test_dead_among_many(void **state)
{
    (void)state;
    enum { MANY = 100 };
    size_t bytes = vc_park_bytes(MANY);
    void *mem = calloc(1, bytes);
    struct vc_peer_id ids[MANY];
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    assert_non_null(mem);
    for (int dead = 0; dead < MANY; dead++) {
        for (int i = 0; i < MANY; i++)
            ids[i] = i == dead ? (struct vc_peer_id){pid, 1} : vc_peer_self();
        for (int me = 0; me < MANY; me += 33) {
            struct vc_parking p = {mem, MANY, me, ids, NULL};
            int looks = 1;
            assert_int_equal(vc_park_check(&p, dead), me == dead ? VC_OK : VC_ERR_PEER);
            while (looks < MANY && vc_park_check(&p, VC_WAIT_ANY) == VC_OK)
                looks++;
            assert_true(me == dead ? looks == MANY : looks <= 7);
        }
    }
    waitpid(pid, NULL, 0);
    free(mem);
}

/* ---- the host MPI has something to do ---- */

/* A host whose messages come one by one, each a while after the one before was taken in. */
static struct {
    int left;
    uint64_t gap, work, next;
    bool tells;
} host;

static int host_with_messages(void)
{
    uint64_t now = vc_now_ns();
    if (host.left == 0 || now < host.next)
        return host.tells ? 0 : -1;
    while (vc_now_ns() - now < host.work)
        ;
    host.left--;
    host.next = vc_now_ns() + host.gap;
    return host.tells ? 1 : -1;
}

/* Without anybody to wake it: sleeps of up to 20 ms, and a message each was the cliff. */
static void go_on_while_something_comes(bool tells)
{
    static const struct {
        int messages;
        uint64_t gap, work;
    } floods[] = {{1000, 2000, 3000}, {500, 20000, 3000}, {100, 300000, 20000}};
    struct shared *s = shared_memory();
    for (int crowded = 0; crowded < 2; crowded++)
        for (size_t f = 0; f < sizeof floods / sizeof floods[0]; f++) {
            struct vc_wait_cfg cfg = config(VC_WAIT_EVENT, crowded);
            struct vc_parking p = parking(s, 2, 0);
            struct vc_waiter w;
            cfg.host_progress = host_with_messages;
            cfg.slice_min_ns = 500000;
            cfg.slice_max_ns = 20000000;
            host.left = 0;
            host.tells = tells;
            vc_drive_learn(host_with_messages, crowded);
            assert_true(vc_drive_idle_ns() > 0);
            uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps), end = vc_now_ns() + 10000000000u;
            host.left = floods[f].messages;
            host.gap = floods[f].gap;
            host.work = floods[f].work;
            host.next = vc_now_ns() + 3000000; /* asleep by then */
            vc_wait_begin(&w, &cfg, &p);
            while (host.left > 0 && vc_now_ns() < end)
                assert_int_equal(vc_wait_idle(&w, 1), VC_OK);
            vc_wait_end(&w);
            sleeps = atomic_load(&vc_wait_stats.sleeps) - sleeps;
            print_message("%s, %s: %d messages, one each %d us: %d sleeps\n", tells ? "told" : "timed",
                          crowded ? "crowded" : "not crowded", floods[f].messages,
                          (int)(floods[f].gap / 1000), (int)sleeps);
            assert_int_equal(host.left, 0);
            /* Crowded, gaps longer than some yields take are slept through. */
            if (!crowded || floods[f].gap < 10000)
                assert_true(sleeps < (uint64_t)floods[f].messages / 2);
            assert_int_equal(parked(s), 0);
        }
    munmap(s, sizeof *s);
}

static void test_goes_on_by_time(void **state)
{
    (void)state;
    go_on_while_something_comes(false);
}

/* The same with a host that says by itself whether something came. */
static void test_goes_on_as_told(void **state)
{
    (void)state;
    go_on_while_something_comes(true);
}

/* Sleeps grow with the time in which nothing came. */
static void test_sleeps_grow_in_silence(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT, false);
    struct vc_parking p = parking(s, 2, 0);
    cfg.slice_min_ns = 500000;
    cfg.slice_max_ns = 20000000;
    uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps);
    wait_for(&s->turn, 1, &cfg, &p, 1, 500000000);
    sleeps = atomic_load(&vc_wait_stats.sleeps) - sleeps;
    assert_in_range(sleeps, 10, 400); /* 1000 of half a millisecond; 25 of 20 ms */
    assert_true(atomic_load(&vc_wait_stats.sleep_cost_ns) > 0);
    munmap(s, sizeof *s);
}

/* Nobody wakes it: it does not announce itself, whatever the mode; it sleeps by time, and the host has its
 * turn. */
static void test_nobody_wakes(void **state)
{
    (void)state;
    for (int mode = VC_WAIT_AUTO; mode <= VC_WAIT_HYBRID; mode++) {
        struct shared *s = shared_memory();
        struct vc_wait_cfg cfg = config((enum vc_wait_mode)mode, false);
        struct vc_parking p = parking(s, 2, 0);
        struct vc_waiter w;
        uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps), end = vc_now_ns() + 20000000000u;
        bool sleeps_at_all = mode != VC_WAIT_POLL;
        atomic_store(&progress_calls, 0);
        vc_wait_begin(&w, &cfg, &p);
        w.wakers = VC_WAKERS_NONE;
        while (vc_now_ns() < end && (atomic_load(&progress_calls) < 20 ||
                                     (sleeps_at_all && atomic_load(&vc_wait_stats.sleeps) - sleeps < 20))) {
            assert_int_equal(vc_wait_idle(&w, VC_WAIT_ANY), VC_OK);
            assert_int_equal(word(s, 0), 0);
        }
        vc_wait_end(&w);
        assert_true(atomic_load(&progress_calls) >= 20);
        assert_true(!sleeps_at_all || atomic_load(&vc_wait_stats.sleeps) - sleeps >= 20);
        assert_int_equal(parked(s), 0);
        munmap(s, sizeof *s);
    }
}

/* ---- wake-ups that get lost ---- */

enum { LITMUS = 20000 };

/* Participant 1 publishes and looks for sleepers in the very moment in which 0 announces itself and looks for
 * what was published. Returns how often both saw nothing. */
static int both_saw_nothing(bool fence)
{
    struct shared *s = shared_memory();
    struct litmus {
        _Atomic int round, data, done, saw;
    } *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(l != MAP_FAILED);
    struct vc_park_area *area = (struct vc_park_area *)(void *)s->park;
    pid_t pid = fork();
    if (pid == 0) {
        vc_wait_prepare();
        for (int i = 1; i <= LITMUS; i++) {
            for (int n = 0; atomic_load_explicit(&l->round, memory_order_acquire) != i; n++)
                if (n % 1000 == 999)
                    sched_yield();
            atomic_store_explicit(&l->data, i, memory_order_release);
            int saw = atomic_load_explicit(&area->nparked, memory_order_relaxed) != 0;
            atomic_store_explicit(&l->saw, saw, memory_order_relaxed);
            atomic_store_explicit(&l->done, i, memory_order_release);
        }
        _exit(0);
    }
    struct vc_parking p = parking(s, 2, 0);
    int missed = 0;
    for (int i = 1; i <= LITMUS; i++) {
        atomic_store_explicit(&l->round, i, memory_order_release);
        for (volatile int n = i % 64; n > 0; n--) /* at another moment each time */
            ;
        vc_park_announce(&p, VC_PARK_ANY, false);
        if (fence)
            vc_park_fence();
        int got = atomic_load_explicit(&l->data, memory_order_acquire) == i;
        for (int n = 0; atomic_load_explicit(&l->done, memory_order_acquire) != i; n++)
            if (n % 1000 == 999)
                sched_yield();
        missed += !got && !atomic_load_explicit(&l->saw, memory_order_relaxed);
        vc_park_clear(&p);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(parked(s), 0);
    munmap(l, sizeof *l);
    munmap(s, sizeof *s);
    return missed;
}

static void test_no_wake_up_is_lost(void **state)
{
    (void)state;
    bool have = vc_wait_prepare();
    print_message("missed without a fence of the waker's: %d of %d\n", both_saw_nothing(false), LITMUS);
    if (have)
        assert_int_equal(both_saw_nothing(true), 0);
    else
        print_message("no membarrier here\n");
    assert_false(vc_park_prepare_with(false)); /* the other road: its wake-ups may be late by a slice */
    ping_pong(VC_WAIT_EVENT, 2000, 0);
    assert_int_equal(vc_wait_prepare(), have);
}

/* One that sleeps all the time stays counted, whatever others do. */
static void test_sleepers_stay_counted(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct vc_parking two = parking(s, 3, 2), zero = parking(s, 3, 0);
    vc_park_announce(&two, 1 + 1, false); /* for 1, which never comes */
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_parking one = parking(s, 3, 1);
        for (int i = 0; i < 200000; i++) {
            vc_park_announce(&one, 1 + 0, false);
            vc_park_clear(&one);
        }
        _exit(0);
    }
    int status = -1;
    uint32_t least = 3, most = 0;
    while (waitpid(pid, &status, WNOHANG) == 0)
        for (int i = 0; i < 1000; i++) {
            vc_wake_slow(&zero, 1);
            uint32_t n = parked(s);
            least = n < least ? n : least;
            most = n > most ? n : most;
        }
    assert_int_equal(status, 0);
    assert_in_range(least, 1, 2);
    assert_in_range(most, 1, 2);
    vc_park_clear(&two);
    assert_int_equal(parked(s), 0);
    munmap(s, sizeof *s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_in_every_mode),
        cmocka_unit_test(test_event_mode_sleeps),
        cmocka_unit_test(test_only_whom_it_concerns),
        cmocka_unit_test(test_ping_pong),
        cmocka_unit_test(test_burning),
        cmocka_unit_test(test_shares_unknown),
        cmocka_unit_test(test_dead_peer),
        cmocka_unit_test(test_dead_among_many),
        cmocka_unit_test(test_goes_on_by_time),
        cmocka_unit_test(test_goes_on_as_told),
        cmocka_unit_test(test_sleeps_grow_in_silence),
        cmocka_unit_test(test_nobody_wakes),
        cmocka_unit_test(test_no_wake_up_is_lost),
        cmocka_unit_test(test_sleepers_stay_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
