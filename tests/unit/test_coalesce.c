/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt coalescing through ethtool netlink, against a made-up kernel with a made-up driver, and against
 * that kernel's answers cut and mangled. test_netdev has the real kernel.
 */
#include "coalesce_kernel.h"
#include "transport/base.h"

#include <errno.h>
#include <limits.h>
#include <linux/ethtool_netlink.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static ssize_t dead_end(void *ctx, const void *req, size_t req_len, void *reply, size_t cap)
{
    (void)req, (void)req_len, (void)reply, (void)cap;
    return *(ssize_t *)ctx;
}

static struct vc_coalesce want(enum vc_coalesce_field f, uint32_t v)
{
    struct vc_coalesce w = {0};
    vc_coalesce_put(&w, f, v);
    return w;
}

static int set(enum vc_coalesce_field f, uint32_t v)
{
    struct vc_coalesce w = want(f, v);
    return vc_coalesce_set(&made_up, "eth0", &w, NULL, NULL);
}

#define assert_text(part) assert_true(has_text(part))
static bool has_text(const char *part)
{
    if (strstr(vc_error_text(), part))
        return true;
    print_error("\"%s\" does not say \"%s\"\n", vc_error_text(), part);
    return false;
}

/* ---- reading ---- */

static void test_get(void **state)
{
    (void)state;
    struct vc_coalesce c;
    char text[256];
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_OK);
    assert_string_equal(vc_coalesce_text(&c, text, sizeof text), "rx-usecs 3, rx-frames 16, adaptive-rx off");
    for (int f = 0; f < VC_COALESCE_FIELDS; f++)
        vc_coalesce_put(&kern.driver, (enum vc_coalesce_field)f,
                        vc_coalesce_is_switch((enum vc_coalesce_field)f) ? 1 : 4000000000u + (uint32_t)f);
    kern.stray = true;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_OK);
    assert_string_equal(vc_coalesce_text(&c, text, sizeof text),
                        "rx-usecs 4000000000, rx-frames 4000000001, tx-usecs 4000000002, "
                        "tx-frames 4000000003, adaptive-rx on, adaptive-tx on, cqe-mode-rx on, "
                        "cqe-mode-tx on");
    for (size_t len = 1; len <= sizeof text; len++) {
        char *tight = malloc(len); /* its end is watched by the sanitizer */
        vc_coalesce_text(&c, tight, len);
        assert_true(strlen(tight) < len);
        free(tight);
    }
    kern.wide = true;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_UNSUPPORTED);
    assert_int_equal(c.has, (1u << VC_COALESCE_FIELDS) - 1); /* not touched by a failure */
    kern.driver.has = 0;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_UNSUPPORTED);
    assert_int_equal(errno, EOPNOTSUPP);
}

static void test_get_errors(void **state)
{
    (void)state;
    struct vc_coalesce c;
    char longest[200];
    assert_int_equal(vc_coalesce_get(&made_up, "eth1", &c), VC_ERR_INVAL);
    assert_text("eth1");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const char *const bad[] = {"", NULL, longest};
    for (int i = 0; i < 3; i++)
        assert_int_equal(vc_coalesce_get(&made_up, bad[i], &c), VC_ERR_INVAL);
    kern.get_error = EOPNOTSUPP;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_UNSUPPORTED);
    assert_int_equal(errno, EOPNOTSUPP);
    kern.get_error = EIO;
    kern.extack = "firmware is asleep";
    for (int capped = 0; capped < 2; capped++) {
        kern.capped = capped;
        assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_SYS);
        assert_text("eth0");
        assert_text("firmware is asleep");
    }
    kern.get_error = 0;
    kern.without_ack = true;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_SYS);
    kern.without_ack = false;
    kern.family_error = ENOENT;
    assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_UNSUPPORTED);
    assert_text("netlink family");
    static const struct {
        ssize_t error;
        int rc;
    } way[] = {{-EPROTONOSUPPORT, VC_ERR_UNSUPPORTED},
               {-EAGAIN, VC_ERR_SYS},
               {0, VC_ERR_SYS},
               {-1000000, VC_ERR_SYS},
               {-SSIZE_MAX - 1, VC_ERR_SYS}};
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
        ssize_t error = way[i].error;
        struct vc_netlink broken = {dead_end, &error};
        assert_int_equal(vc_coalesce_get(&broken, "eth0", &c), way[i].rc);
    }
}

/* ---- setting ---- */

static void test_set(void **state)
{
    (void)state;
    struct vc_coalesce now, w = want(RX_USECS, 250);
    vc_coalesce_put(&w, RX_FRAMES, 16); /* is so */
    vc_coalesce_put(&w, ADAPTIVE_RX, 1);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, NULL, &now), VC_OK);
    assert_int_equal(kern.sets, 1);
    assert_int_equal(kern.last_set.has, 1u << RX_USECS | 1u << ADAPTIVE_RX);
    assert_int_equal(kern.driver.value[RX_USECS], 250);
    assert_int_equal(kern.driver.value[ADAPTIVE_RX], 1);
    assert_memory_equal(&now, &kern.driver, sizeof now);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, NULL, &now), VC_OK);
    assert_int_equal(kern.sets, 1); /* nothing to change: nothing sent */

    kern.max_rx_frames = 64;
    w = want(RX_FRAMES, 100);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, NULL, &now), VC_COALESCE_ROUNDED);
    assert_int_equal(now.value[RX_FRAMES], 64);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, NULL, NULL), VC_COALESCE_ROUNDED);
}

static void test_set_errors(void **state)
{
    (void)state;
    struct vc_coalesce w = want(RX_USECS, 5), before = kern.driver;
    struct vc_coalesce_saved saved = {0};
    assert_int_equal(set(TX_USECS, 5), VC_ERR_UNSUPPORTED);
    assert_text("tx-usecs");
    assert_text("rx-frames 16"); /* what there is */
    assert_int_equal(set(ADAPTIVE_RX, 2), VC_ERR_INVAL);
    assert_text("adaptive-rx");
    assert_int_equal(kern.sets, 0);
    vc_coalesce_put(&w, RX_FRAMES, 77);
    kern.set_error = EINVAL;
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_ERR_INVAL);
    assert_text("rx-usecs 5, rx-frames 77");
    assert_false(saved.active);
    kern.extack = "a multiple of 2 is needed";
    kern.blame = ETHTOOL_A_COALESCE_RX_USECS;
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_ERR_INVAL);
    assert_text("rx-usecs 5: a multiple of 2 is needed");
    assert_null(strstr(vc_error_text(), "77"));
    kern.set_error = EPERM;
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_ERR_SYS);
    assert_int_equal(errno, EPERM);
    assert_text("CAP_NET_ADMIN");
    kern.set_error = EOPNOTSUPP;
    assert_int_equal(set(RX_USECS, 5), VC_ERR_UNSUPPORTED);
    kern.set_error = EBUSY;
    assert_int_equal(set(RX_USECS, 5), VC_ERR_SYS);
    assert_text("rx-usecs 5");
    w = want(RX_USECS, 5);
    assert_int_equal(vc_coalesce_set(&made_up, "eth9", &w, &saved, NULL), VC_ERR_INVAL);
    assert_false(saved.active);
    assert_memory_equal(&kern.driver, &before, sizeof before);
}

static void test_restore(void **state)
{
    (void)state;
    struct vc_coalesce before = kern.driver;
    struct vc_coalesce_saved saved = {0};
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_OK); /* never used */
    for (uint32_t v = 20; v < 23; v++) {
        struct vc_coalesce w = want(v == 22 ? RX_FRAMES : RX_USECS, v);
        assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_OK);
    }
    struct vc_coalesce w = want(RX_USECS, 9);
    assert_int_equal(vc_coalesce_set(&made_up, "eth1", &w, &saved, NULL), VC_ERR_INVAL);
    assert_text("those of eth0");
    assert_true(saved.active);

    /* A forked child's exit path must not undo what the parent still wants. */
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(vc_coalesce_restore(&made_up, &saved) == VC_OK && kern.driver.value[RX_USECS] == 21 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    kern.set_error = EPERM; /* privileges were given up: it stays to be done */
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_ERR_SYS);
    assert_true(saved.active);
    kern.set_error = 0;
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_OK);
    assert_true(kern.by_index);
    assert_memory_equal(&kern.driver, &before, sizeof before);
    assert_int_equal(kern.last_set.has, 1u << RX_USECS | 1u << RX_FRAMES);
    int sets = kern.sets;
    kern.driver.value[RX_USECS] = 44; /* somebody else's, later */
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_OK);
    assert_int_equal(kern.driver.value[RX_USECS], 44);
    assert_int_equal(kern.sets, sets);

    assert_int_equal(vc_coalesce_save(&made_up, "eth0", &saved), VC_OK);
    kern.driver.value[RX_USECS] = 45;
    kern.driver.value[RX_FRAMES] = 8;
    kern.max_rx_frames = 8; /* the driver will not go back */
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_ERR_SYS);
    assert_text("rx-frames 16; now: rx-usecs 44, rx-frames 8");
    assert_true(saved.active);
    assert_int_equal(vc_coalesce_save(&made_up, "eth1", &saved), VC_ERR_INVAL);
    assert_false(saved.active);
}

/* Drivers that report what cannot be set, or what moves. */
static void test_restore_odd_drivers(void **state)
{
    (void)state;
    struct vc_coalesce_saved saved = {0};
    struct vc_coalesce w = want(RX_USECS, 20), now;
    kern.like_igbvf = true;
    kern.driver.value[RX_USECS] = 1; /* its administrator had set 0 */
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_OK);
    w = want(RX_USECS, 0);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, &now), VC_COALESCE_ROUNDED);
    assert_int_equal(now.value[RX_USECS], 1);
    w = want(RX_USECS, 20);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_OK);
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_OK);
    assert_int_equal(kern.driver.value[RX_USECS], 1);

    new_kernel(NULL);
    kern.adapts = true;
    kern.driver.value[ADAPTIVE_RX] = 1;
    w = want(ADAPTIVE_RX, 0);
    vc_coalesce_put(&w, RX_USECS, 0);
    assert_int_equal(vc_coalesce_set(&made_up, "eth0", &w, &saved, NULL), VC_OK);
    assert_int_equal(kern.driver.value[RX_USECS], 0);
    assert_int_equal(vc_coalesce_restore(&made_up, &saved), VC_OK);
    assert_int_equal(kern.driver.value[ADAPTIVE_RX], 1);
    assert_false(saved.active);
}

/* ---- answers that no kernel gives ---- */

static size_t cut_at;
static uint64_t dice;

static uint32_t throw_dice(uint32_t sides)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice >> 33) % sides;
}

static void cut(char *buf, size_t *len, size_t cap)
{
    (void)cap;
    /* What lies behind the cut is poison: lengths that lead outside. */
    if (cut_at < *len)
        memset(buf + cut_at, 0xff, *len - cut_at);
    *len = cut_at;
}

static void flip(char *buf, size_t *len, size_t cap)
{
    static const unsigned char nasty[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff};
    for (uint32_t i = throw_dice(4) + 1; i > 0; i--)
        buf[throw_dice((uint32_t)*len)] =
            (char)(throw_dice(2) ? nasty[throw_dice(sizeof nasty)] : throw_dice(256));
    if (throw_dice(8) == 0) { /* a way that lies about how much there is */
        memset(buf + *len, nasty[throw_dice(sizeof nasty)], cap - *len);
        *len = throw_dice((uint32_t)cap * 2);
    }
}

/* A buffer full of messages, and the claim of more behind it. */
static void overfull(char *buf, size_t *len, size_t cap)
{
    const struct nlmsghdr noop = {.nlmsg_len = sizeof noop, .nlmsg_type = NLMSG_NOOP};
    for (size_t at = 0; at + sizeof noop <= cap; at += sizeof noop)
        memcpy(buf + at, &noop, sizeof noop);
    *len = cap * 4;
}

static void huge_length(char *buf, size_t *len, size_t cap)
{
    (void)len, (void)cap;
    ((struct nlmsghdr *)buf)->nlmsg_len = 0xfffffff0;
}

static bool known_code(int rc)
{
    return rc == VC_OK || rc == VC_COALESCE_ROUNDED || rc == VC_ERR_SYS || rc == VC_ERR_UNSUPPORTED ||
           rc == VC_ERR_INVAL;
}

static void one_mangled(int nth)
{
    struct vc_coalesce w = want(RX_USECS, 250), now;
    struct vc_coalesce_saved saved = {0};
    void (*mangle)(char *, size_t *, size_t) = kern.mangle;
    kern.nth = nth;
    kern.requests = 0;
    kern.driver.value[RX_USECS] = 3;
    int rc = vc_coalesce_set(&made_up, "eth0", &w, &saved, &now);
    assert_true(known_code(rc));
    assert_true(rc >= 0 || vc_error_text()[0]);
    kern.mangle = NULL;
    assert_true(known_code(vc_coalesce_restore(&made_up, &saved)));
    kern.mangle = mangle;
}

static void test_truncated(void **state)
{
    (void)state;
    struct vc_coalesce c;
    kern.mangle = cut;
    kern.extack = "refused";
    for (int with_error = 0; with_error < 2; with_error++) {
        kern.set_error = with_error ? EINVAL : 0;
        for (int nth = 0; nth < 4; nth++)
            for (cut_at = 0; cut_at < 256; cut_at++)
                one_mangled(nth);
    }
    /* The acknowledgement is the end: without it no answer counts. */
    kern.set_error = 0;
    kern.nth = 1;
    for (cut_at = 0; cut_at < 100; cut_at++) {
        kern.requests = 0;
        assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_SYS);
    }
    void (*const bad[])(char *, size_t *, size_t) = {huge_length, overfull};
    for (int i = 0; i < 2; i++) {
        kern.mangle = bad[i];
        for (kern.nth = 0; kern.nth < 2; kern.nth++) {
            kern.requests = 0;
            assert_int_equal(vc_coalesce_get(&made_up, "eth0", &c), VC_ERR_SYS);
        }
    }
}

static void test_mangled(void **state)
{
    (void)state;
    dice = 20260101;
    kern.mangle = flip;
    kern.extack = "refused";
    for (int i = 0; i < 40000; i++) {
        kern.set_error = i % 3 == 0 ? EINVAL : 0;
        kern.capped = i % 2;
        one_mangled(i / 6 % 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_get, new_kernel),
        cmocka_unit_test_setup(test_get_errors, new_kernel),
        cmocka_unit_test_setup(test_set, new_kernel),
        cmocka_unit_test_setup(test_set_errors, new_kernel),
        cmocka_unit_test_setup(test_restore, new_kernel),
        cmocka_unit_test_setup(test_restore_odd_drivers, new_kernel),
        cmocka_unit_test_setup(test_truncated, new_kernel),
        cmocka_unit_test_setup(test_mangled, new_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
