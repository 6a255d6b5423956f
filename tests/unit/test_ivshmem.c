/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that machines share: finding it, leases in it, and the channel, with a file in its place. */
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/conformance/harness.h"
#include "transport/ivshmem/chan.h"
#include "transport/ivshmem/lease.h"
#include "transport/mux.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES ((size_t)4 << 20)

static char dir[] = "/tmp/vcoll-ivshmem-XXXXXX";

static const char *in_dir(const char *fmt, ...)
{
    static char path[512];
    va_list ap;
    int n = snprintf(path, sizeof path, "%s/", dir);
    va_start(ap, fmt);
    vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
    va_end(ap);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void make_file(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

/* A zeroed memory, mapped. */
static struct vc_bar fresh_bar(size_t bytes)
{
    struct vc_bar bar;
    make_file(in_dir("bar"), bytes);
    assert_int_equal(vc_bar_open(NULL, in_dir("bar"), &bar), VC_OK);
    return bar;
}

static void expect_refusal(int rc, int err, const char *words)
{
    assert_int_equal(rc, err);
    if (!strstr(vc_error_text(), words))
        fail_msg("'%s' lacks '%s'", vc_error_text(), words);
    assert_null(strchr(vc_error_text(), '\n'));
}

/* ---- the device ---- */

static void make_device(const char *bdf, const char *vendor, const char *device, bool doorbell, size_t bytes)
{
    char path[600], text[800];
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s", dir, bdf);
    snprintf(text, sizeof text, "mkdir -p %s", path);
    assert_int_equal(system(text), 0);
    snprintf(text, sizeof text, "%s/vendor", path);
    write_file(text, vendor);
    snprintf(text, sizeof text, "%s/device", path);
    write_file(text, device);
    snprintf(text, sizeof text, "%s/resource", path);
    write_file(text, doorbell ? "0x00000000febd1000 0x00000000febd10ff 0x0000000000040200\n"
                                "0x00000000febd2000 0x00000000febd2fff 0x0000000000040200\n"
                              : "0x00000000febd1000 0x00000000febd10ff 0x0000000000040200\n"
                                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
    snprintf(text, sizeof text, "%s/resource2", path);
    if (bytes)
        make_file(text, bytes);
}

static void finds_the_device(void **state)
{
    (void)state;
    struct vc_bar bar;
    expect_refusal(vc_bar_open(dir, "auto", &bar), VC_ERR_UNSUPPORTED, "there is no ivshmem device");
    make_device("0000:00:03.0", "0x1af4\n", "0x1000\n", false, BYTES);
    expect_refusal(vc_bar_open(dir, "auto", &bar), VC_ERR_UNSUPPORTED, "there is no ivshmem device");
    expect_refusal(vc_bar_open(dir, "0000:00:03.0", &bar), VC_ERR_INVAL, "is not an ivshmem device");
    make_device("0000:00:07.0", "0x1af4\n", "0x1110\n", false, BYTES / 2);
    make_device("0000:00:05.0", "0x1af4\n", "0x1110\n", false, BYTES);
    assert_int_equal(vc_bar_open(dir, "auto", &bar), VC_OK);
    assert_int_equal(bar.len, BYTES);
    assert_non_null(strstr(bar.name, "0000:00:05.0/resource2"));
    vc_bar_close(&bar);
    vc_bar_close(&bar);
    assert_int_equal(vc_bar_open(dir, "0000:00:07.0", &bar), VC_OK);
    assert_int_equal(bar.len, BYTES / 2);
    vc_bar_close(&bar);
}

static void refuses_bad_devices(void **state)
{
    (void)state;
    struct vc_bar bar;
    make_device("0000:00:08.0", "0x1af4\n", "0x1110\n", true, BYTES);
    expect_refusal(vc_bar_open(dir, "0000:00:08.0", &bar), VC_ERR_INVAL, "is an ivshmem-doorbell");
    /* One that cannot be used does not hide one that can. */
    struct vc_bar_device list[4];
    make_device("0000:00:04.0", "0x1af4\n", "0x1110\n", true, BYTES);
    assert_int_equal(vc_bar_devices(dir, list, 4), 4);
    assert_string_equal(list[0].address, "0000:00:04.0");
    assert_true(list[0].doorbell && !list[1].doorbell && !list[2].doorbell && list[3].doorbell);
    assert_int_equal(vc_bar_open(dir, "auto", &bar), VC_OK);
    assert_non_null(strstr(bar.name, "0000:00:05.0/resource2"));
    vc_bar_close(&bar);
    make_device("0000:00:09.0", "0x1af4\n", "0x1110\n", false, 64 << 10);
    expect_refusal(vc_bar_open(dir, "0000:00:09.0", &bar), VC_ERR_INVAL, "has a size of 65536 bytes");
    make_device("0000:00:0a.0", "0x1af4\n", "0x1110\n", false, BYTES + 4096);
    expect_refusal(vc_bar_open(dir, "0000:00:0a.0", &bar), VC_ERR_INVAL, "a power of two");
    make_device("0000:00:0b.0", "0x1af4\n", "0x1110\n", false, 0);
    expect_refusal(vc_bar_open(dir, "0000:00:0b.0", &bar), VC_ERR_SYS, "cannot be opened");
    expect_refusal(vc_bar_open(NULL, "/dev/null", &bar), VC_ERR_INVAL, "has a size of 0 bytes");
    if (getuid() == 0)
        return;
    assert_int_equal(chmod(in_dir("sys/bus/pci/devices/0000:00:05.0/resource2"), 0400), 0);
    expect_refusal(vc_bar_open(dir, "0000:00:05.0", &bar), VC_ERR_SYS, "udev rule");
}

/* ---- leases ---- */

static void leases_come_and_go(void **state)
{
    (void)state;
    struct vc_bar bar = fresh_bar(BYTES);
    struct vc_leases *l[3];
    struct vc_lease a, b, c;
    for (int i = 0; i < 3; i++)
        assert_int_equal(vc_leases_open(&bar, &l[i]), VC_OK);
    assert_int_equal(vc_lease_take(l[0], 1 << 20, true, &a), VC_OK);
    assert_int_equal(vc_lease_take(l[1], 1 << 20, true, &b), VC_OK);
    assert_true(a.at >= VC_LEASE_DATA && a.at + a.bytes <= bar.len);
    assert_true(a.at + a.bytes <= b.at || b.at + b.bytes <= a.at);
    assert_true(vc_lease_seen(l[1], &a) && vc_lease_seen(l[0], &b) && vc_lease_seen(l[2], &a));
    assert_ptr_equal(vc_lease_memory(l[0], &a), (char *)bar.base + a.at);
    assert_int_equal(vc_leases_held(l[2]), 2);
    uint64_t beat = vc_lease_beat(l[1], a.number), until = vc_now_ns() + 3000000000u;
    while (vc_lease_beat(l[1], a.number) == beat && vc_now_ns() < until)
        usleep(10000);
    assert_true(vc_lease_beat(l[1], a.number) != beat);
    assert_true(vc_lease_held(l[0]));
    vc_leases_close(l[0]);
    assert_false(vc_lease_seen(l[1], &a));
    assert_int_equal(vc_lease_take(l[2], vc_leases_room(l[2]) / 3, true, &c), VC_OK);
    vc_leases_close(l[1]);
    vc_leases_close(l[2]);
    vc_bar_close(&bar);
}

static void the_last_member_gives_it_back(void **state)
{
    (void)state;
    struct vc_bar bar = fresh_bar(BYTES);
    struct vc_leases *l[2];
    struct vc_lease a;
    for (int i = 0; i < 2; i++)
        assert_int_equal(vc_leases_open(&bar, &l[i]), VC_OK);
    assert_int_equal(vc_lease_take(l[0], vc_leases_room(l[0]), true, &a), VC_OK);
    vc_lease_leave(l[0], &a, 2); /* the owner is early */
    vc_leases_close(l[0]);
    assert_true(vc_lease_seen(l[1], &a));
    vc_lease_leave(l[1], &a, 2);
    assert_false(vc_lease_seen(l[1], &a));
    assert_int_equal(vc_lease_take(l[1], vc_leases_room(l[1]), true, &a), VC_OK);
    vc_leases_close(l[1]);
    vc_bar_close(&bar);
}

static void a_lease_outside_is_not_believed(void **state)
{
    (void)state;
    struct vc_bar bar = fresh_bar(BYTES);
    struct vc_leases *l;
    struct vc_lease good;
    assert_int_equal(vc_leases_open(&bar, &l), VC_OK);
    assert_int_equal(vc_lease_take(l, 65536, true, &good), VC_OK);
    struct vc_lease bad = good;
    bad.bytes = UINT64_MAX;
    assert_false(vc_lease_seen(l, &bad));
    bad = good;
    bad.at = UINT64_MAX - 4095;
    assert_false(vc_lease_seen(l, &bad));
    bad.at = 0;
    assert_null(vc_lease_memory(l, &bad));
    bad = good;
    bad.number = VC_LEASES;
    assert_false(vc_lease_seen(l, &bad));
    bad = good;
    bad.owner++;
    assert_false(vc_lease_seen(l, &bad));
    bad.owner = 0;
    assert_false(vc_lease_seen(l, &bad));
    assert_int_equal(vc_lease_beat(l, 12345), 0);
    vc_leases_close(l);
    vc_bar_close(&bar);
}

static void refuses_other_arenas(void **state)
{
    (void)state;
    struct vc_leases *l;
    struct vc_bar bar = fresh_bar(BYTES), half;
    memset((char *)bar.base + 512, 'x', 100); /* of a program that begins elsewhere */
    expect_refusal(vc_leases_open(&bar, &l), VC_ERR_INVAL, "not vcoll's");
    vc_bar_close(&bar);

    bar = fresh_bar(BYTES);
    uint64_t *w = bar.base;
    assert_int_equal(vc_leases_open(&bar, &l), VC_OK);
    vc_leases_close(l);
    w[1]++;
    expect_refusal(vc_leases_open(&bar, &l), VC_ERR_INVAL, "another version");
    w[1]--;
    w[4]++;
    expect_refusal(vc_leases_open(&bar, &l), VC_ERR_INVAL, "spoiled head");
    w[4]--;
    half = bar;
    half.len /= 2;
    expect_refusal(vc_leases_open(&half, &l), VC_ERR_INVAL, "give all the same size");
    w[0] ^= 1;
    expect_refusal(vc_leases_open(&bar, &l), VC_ERR_INVAL, "not vcoll's");
    vc_bar_close(&bar);
}

/* A process of this operating system takes so many leases and dies. */
static void die_with(const struct vc_bar *bar, int n, size_t bytes)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < n; i++) {
            struct vc_leases *l;
            struct vc_lease lease;
            if (vc_leases_open(bar, &l) != VC_OK || vc_lease_take(l, bytes, true, &lease) != VC_OK) {
                fprintf(stderr, "%s\n", vc_error_text());
                _exit(1);
            }
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void the_dead_lose_their_leases(void **state)
{
    (void)state;
    struct vc_bar bar = fresh_bar(BYTES);
    struct vc_leases *l, *m;
    struct vc_lease lease;
    die_with(&bar, VC_LEASES, 4096);
    assert_int_equal(vc_leases_open(&bar, &l), VC_OK);
    assert_int_equal(vc_leases_open(&bar, &m), VC_OK);
    assert_int_equal(vc_leases_held(l), VC_LEASES);
    struct vc_lease_watch w;
    vc_leases_watch(l, 1, &w);
    assert_true(w.held == VC_LEASES && w.still == VC_LEASES && w.owner[0] != 0 && !w.beats[0]);
    uint64_t begun = vc_now_ns();
    assert_int_equal(vc_lease_take(l, vc_leases_room(l), true, &lease), VC_OK);
    assert_true(vc_now_ns() - begun < 2000000000u); /* nobody had to be watched */
    assert_int_equal(vc_leases_held(l), 1);
    expect_refusal(vc_lease_take(m, vc_leases_room(m) + VC_EXTENTS, true, &lease), VC_ERR_NOMEM,
                   "has room for");
    vc_leases_close(l);
    vc_leases_close(m);
    vc_bar_close(&bar);
}

/* The same in a machine that was reset: nobody here sees its processes, but its heart stands still. Another
 * machine lives and keeps its lease. */
static void machines_that_were_reset_lose_theirs(void **state)
{
    (void)state;
    struct vc_bar bar = fresh_bar(BYTES);
    struct vc_leases *alive, *l, *late;
    struct vc_lease first, lease, more;
    assert_int_equal(vc_leases_open(&bar, &alive), VC_OK);
    size_t room = vc_leases_room(alive);
    assert_int_equal(vc_lease_take(alive, room / 4, true, &first), VC_OK);
    die_with(&bar, 1, room / 2);
    /* Every lease looks like another machine's. */
    for (unsigned i = 0; i < VC_LEASES; i++)
        ((uint64_t *)(void *)((char *)bar.base + 4096 + i * VC_LINE_PAIR))[3] ^= 0x5555;
    assert_int_equal(vc_leases_open(&bar, &l), VC_OK);
    assert_int_equal(vc_leases_open(&bar, &late), VC_OK);
    assert_int_equal(vc_lease_take(l, room / 2, true, &lease), VC_OK);
    assert_true(vc_lease_held(alive) && vc_lease_seen(l, &first));
    assert_int_equal(vc_leases_held(l), 2);
    /* All live: the table is full. */
    expect_refusal(vc_lease_take(late, room / 2, true, &more), VC_ERR_NOMEM, "2 of 64 leases are held");
    /* Whoever was stopped for too long finds its lease gone. */
    ((_Atomic uint64_t *)(void *)((char *)bar.base + 4096 + first.number * VC_LINE_PAIR))[0] = 0;
    for (int i = 0; i < 300 && vc_lease_held(alive); i++)
        usleep(10000);
    assert_false(vc_lease_held(alive));
    vc_leases_close(alive);
    vc_leases_close(late);
    vc_leases_close(l);
    vc_bar_close(&bar);
}

/* ---- the channel ---- */

#define KEY UINT64_C(0x0123456789abcdef)

struct suite {
    int n, per; /* ranks, of them in each machine */
    size_t budget;
    enum vc_wait_mode mode;
    struct hs_node node;
    char *mem[64];
};

/* Rank i's machine is i / per. Ranks of one machine go through the shm channel, behind a mux. */
static struct vc_chan *make_chan(const struct suite *s, struct hs_rank *hr, int me)
{
    int machine[64], senders = s->n - s->per, ranks[64], first = me / s->per * s->per;
    struct vc_chan *ch, *shm, *mux, *via[64];
    for (int i = 0; i < s->n; i++)
        machine[i] = i / s->per;
    vc_ivshmem_chan_prepare(s->mem[me], senders, s->budget, KEY);
    hs_meet(hr->start, s->n);
    struct vc_ivshmem_chan_cfg cfg = {.size = s->n,
                                      .rank = me,
                                      .machine = machine,
                                      .mem = s->mem,
                                      .senders = senders,
                                      .budget = s->budget,
                                      .key = KEY};
    if (vc_ivshmem_chan_create(&cfg, &ch) != VC_OK)
        abort();
    if (s->per == 1)
        return ch;
    for (int i = 0; i < s->per; i++)
        ranks[i] = first + i;
    struct vc_parking *parking = calloc(1, sizeof *parking);
    if (!parking)
        abort();
    *parking = hr->parking;
    struct vc_shm_chan_cfg local = {.mem = hr->chan_mem + first,
                                    .budget = s->budget,
                                    .n = s->per,
                                    .me = me - first,
                                    .ranks = ranks,
                                    .size = s->n,
                                    .rank = me,
                                    .parking = parking};
    if (vc_shm_chan_create(&local, &shm) != VC_OK)
        abort();
    for (int i = 0; i < s->n; i++)
        via[i] = i == me ? NULL : machine[i] == machine[me] ? shm : ch;
    if (vc_mux_create(s->n, me, via, &mux) != VC_OK || mux->ops->wakes)
        abort();
    return mux;
}

static int suite_rank(int me, void *arg)
{
    struct suite *s = arg;
    struct hs_rank hr;
    hs_join(&s->node, me, &hr);
    struct vc_wait_cfg wait = hs_wait(s->mode, true);
    struct cf_env e = {.ch = make_chan(s, &hr, me), .wait = &wait, .seed = 4711};
    cf_run(&e);
    return 0;
}

static void run_suite(struct suite s, bool threads)
{
    struct vc_bar bar = fresh_bar((size_t)8 << 20);
    size_t each = vc_ivshmem_chan_bytes(s.n - s.per, s.budget);
    assert_true(VC_LEASE_DATA + (size_t)s.n * each <= bar.len);
    for (int i = 0; i < s.n; i++)
        s.mem[i] = (char *)bar.base + VC_LEASE_DATA + (size_t)(s.n - 1 - i) * each;
    s.node = hs_node_make(s.n, s.budget, 0);
    int failed = threads ? hs_threads(s.n, suite_rank, &s) : hs_fork(s.n, suite_rank, &s, 100);
    hs_node_free(&s.node);
    vc_bar_close(&bar);
    assert_int_equal(failed, 0);
}

static void two_machines(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 2, .per = 1, .budget = 1 << 20, .mode = VC_WAIT_HYBRID}, false);
}

static void two_minimal(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 2, .per = 1, .budget = 0, .mode = VC_WAIT_AUTO}, false);
}

static void five_machines(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 5, .per = 1, .budget = 256 << 10, .mode = VC_WAIT_EVENT}, false);
}

static void three_threads(void **state)
{
    (void)state;
    run_suite((struct suite){.n = 3, .per = 1, .budget = 64 << 10, .mode = VC_WAIT_HYBRID}, true);
}

/* ---- the other side is hostile ---- */

struct attack {
    struct suite s;
    size_t each;
    _Atomic bool over;
    _Atomic int spoiled, finished;
    struct vc_bar bar;
    unsigned seed;
    bool words; /* of the tables as well, and in units of 8 bytes */
};

static int attacked_rank(int me, struct attack *a)
{
    struct hs_rank hr;
    hs_join(&a->s.node, me, &hr);
    struct vc_chan *ch = make_chan(&a->s, &hr, me);
    struct vc_wait_cfg wait = hs_wait(VC_WAIT_AUTO, true);
    char out[3000], in[3000];
    int rc = VC_OK, left = a->s.n;
    memset(out, me, sizeof out);
    for (int i = 0; rc == VC_OK && i < 20000; i++) {
        struct vc_chan_req s, r;
        size_t len = (size_t)(i * 37) % sizeof out;
        rc = ch->ops->irecv(ch, (me + left - 1) % left, in, len, &r);
        if (rc == VC_OK)
            rc = ch->ops->isend(ch, (me + 1) % left, out, len, &s);
        struct vc_waiter w;
        vc_wait_begin(&w, &wait, NULL);
        while (rc == VC_OK && !(vc_req_done(&r) && vc_req_done(&s))) {
            int moved = ch->ops->progress(ch);
            if (moved < 0)
                rc = moved;
            else if (moved == 0)
                vc_wait_idle(&w, VC_WAIT_ANY);
        }
        vc_wait_end(&w);
    }
    if (rc != VC_OK) {
        ch->ops->give_up(ch, vc_error_text());
        atomic_fetch_add(&a->spoiled, 1);
    }
    ch->ops->destroy(ch);
    if (atomic_fetch_add(&a->finished, 1) + 1 == a->s.n)
        atomic_store(&a->over, true);
    return 0;
}

static int attack_rank(int me, void *arg)
{
    struct attack *a = arg;
    if (me < a->s.n)
        return attacked_rank(me, a);
    /* The other machine: it writes anywhere in the ranks' memory. */
    unsigned x = a->seed;
    size_t from = VC_LEASE_DATA, bytes = (size_t)a->s.n * a->each;
    usleep(20000);
    while (!atomic_load(&a->over)) {
        x = x * 1664525u + 1013904223u;
        size_t at = from + (size_t)(x >> 4) % bytes;
        unsigned char *p = (unsigned char *)a->bar.base + at;
        x = x * 1664525u + 1013904223u;
        if (a->words)
            memcpy(p - at % 8, &(uint64_t){(uint64_t)x << 32 | ~x}, 8);
        else
            *p = (unsigned char)(x >> 16);
        if (x % 16 == 0)
            usleep(100);
    }
    return 0;
}

static void neither_crash_nor_hang(void **state)
{
    (void)state;
    int spoiled = 0;
    for (unsigned round = 0; round < 6; round++) {
        struct attack *a = hs_shared(sizeof *a);
        a->s = (struct suite){.n = 3, .per = 1, .budget = round % 2 ? 0 : 128 << 10};
        a->bar = fresh_bar(VC_BAR_MIN);
        a->each = vc_ivshmem_chan_bytes(2, a->s.budget);
        a->seed = 77 + round;
        a->words = round % 3 == 0;
        for (int i = 0; i < a->s.n; i++)
            a->s.mem[i] = (char *)a->bar.base + VC_LEASE_DATA + (size_t)i * a->each;
        a->s.node = hs_node_make(a->s.n, 0, 0);
        int failed = hs_fork(a->s.n + 1, attack_rank, a, 20);
        spoiled += atomic_load(&a->spoiled);
        hs_node_free(&a->s.node);
        vc_bar_close(&a->bar);
        hs_unshare(a, sizeof *a);
        assert_int_equal(failed, 0);
    }
    assert_true(spoiled > 0);
}

/* Two ends in one process, whose memory the test changes. */
struct ends {
    struct vc_bar bar;
    char *mem[2];
    struct vc_chan *ch[2];
};

static int is_lost(void *arg, int rank)
{
    return *(bool *)arg ? vc_fail(VC_ERR_PEER, "the machine of rank %d is gone", rank) : VC_OK;
}

static struct ends make_ends(bool *lost)
{
    static const int machine[] = {4, 7};
    struct ends e = {.bar = fresh_bar(VC_BAR_MIN)};
    size_t each = vc_ivshmem_chan_bytes(1, 65536);
    for (int i = 0; i < 2; i++) {
        e.mem[i] = (char *)e.bar.base + VC_LEASE_DATA + (size_t)i * each;
        vc_ivshmem_chan_prepare(e.mem[i], 1, 65536, KEY);
    }
    for (int i = 0; i < 2; i++) {
        struct vc_ivshmem_chan_cfg cfg = {.size = 2,
                                          .rank = i,
                                          .machine = machine,
                                          .mem = e.mem,
                                          .senders = 1,
                                          .budget = 65536,
                                          .key = KEY,
                                          .check = is_lost,
                                          .arg = lost};
        assert_int_equal(vc_ivshmem_chan_create(&cfg, &e.ch[i]), VC_OK);
    }
    return e;
}

static void free_ends(struct ends *e)
{
    for (int i = 0; i < 2; i++)
        e->ch[i]->ops->destroy(e->ch[i]);
    vc_bar_close(&e->bar);
}

/* Polls until an error comes. */
static void expect_error(struct vc_chan *ch, const char *words)
{
    uint64_t until = vc_now_ns() + 3000000000u;
    int rc = 0;
    while (rc >= 0 && vc_now_ns() < until)
        rc = ch->ops->progress(ch);
    expect_refusal(rc, VC_ERR_PEER, words);
    assert_true(ch->ops->progress(ch) < 0);
}

static void damage_is_an_error(void **state)
{
    (void)state;
    enum { RING = VC_LINE_PAIR, CELL = 2 * VC_LINE_PAIR };
    struct vc_chan_req s, r[40];
    char in[64];
    bool lost = false;
    for (int what = 0; what < 7; what++) {
        struct ends e = make_ends(&lost);
        struct vc_chan *a = e.ch[0], *b = e.ch[1];
        assert_int_equal(b->ops->irecv(b, 0, in, 8, &r[0]), VC_OK);
        if (what == 0) { /* a sequence number */
            e.mem[1][CELL] ^= 1;
            expect_error(b, "a message there was overwritten");
        } else if (what < 4) { /* a length */
            uint32_t len = what == 1 ? 0xffffffffu : what == 2 ? 0 : 9;
            assert_int_equal(a->ops->isend(a, 1, "1234567", 8, &s), VC_OK);
            memcpy(e.mem[1] + CELL + 4, &len, sizeof len);
            expect_error(b, "the length of a message there was overwritten");
        } else if (what == 4) { /* what was received */
            for (int i = 0; i < 17; i++)
                assert_int_equal(a->ops->isend(a, 1, "1234567", 8, &r[i + 1]), VC_OK);
            e.mem[1][RING + 3] ^= 1;
            expect_error(a, "the counter of what it has received there was overwritten");
        } else if (what == 5) { /* the board */
            e.mem[0][0] ^= 64;
            expect_error(b, "the word whether it takes part there was overwritten");
        } else {
            a->ops->give_up(a, "a\nb");
            expect_error(b, "rank 0 has given up: a?b");
        }
        free_ends(&e);
    }
    struct ends e = make_ends(&lost);
    assert_int_equal(e.ch[1]->ops->irecv(e.ch[1], 0, in, 8, &r[0]), VC_OK);
    lost = true;
    expect_error(e.ch[1], "the machine of rank 0 is gone");
    free_ends(&e);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char text[64];
    snprintf(text, sizeof text, "rm -rf %s", dir);
    return system(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_device),
        cmocka_unit_test(refuses_bad_devices),
        cmocka_unit_test(leases_come_and_go),
        cmocka_unit_test(the_last_member_gives_it_back),
        cmocka_unit_test(a_lease_outside_is_not_believed),
        cmocka_unit_test(refuses_other_arenas),
        cmocka_unit_test(the_dead_lose_their_leases),
        cmocka_unit_test(machines_that_were_reset_lose_theirs),
        cmocka_unit_test(two_machines),
        cmocka_unit_test(two_minimal),
        cmocka_unit_test(five_machines),
        cmocka_unit_test(three_threads),
        cmocka_unit_test(damage_is_an_error),
        cmocka_unit_test(neither_crash_nor_hang),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
