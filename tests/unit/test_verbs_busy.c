/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that never sleeps looks at its device now and then: over a made-up device. */
#include "fake_verbs.h"
#include "transport/verbs/async.h"
#include "transport/verbs/device.h"
#include "transport/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LOOK_NS 500000000u /* between two looks */

static struct vc_verbs v;
static int looks;                  /* at the events */
static enum ibv_event_type coming; /* the event of the next look */
static bool comes;

static int next_event(struct ibv_context *ctx, struct ibv_async_event *ev)
{
    (void)ctx;
    looks++;
    if (!comes)
        return -1;
    comes = false;
    memset(ev, 0, sizeof *ev);
    ev->event_type = coming;
    return 0;
}

static void ack_event(struct ibv_async_event *ev)
{
    (void)ev;
}

static int fresh(void **state)
{
    const struct vc_verbs_want want = {.gid_index = -1};
    (void)state;
    fake_verbs_install(true);
    vc_ibv.get_async_event = next_event;
    vc_ibv.ack_async_event = ack_event;
    fake_devices[fake_ndevices++] = fake_roce("fake0");
    memset(&v, 0, sizeof v);
    v.cfg.want = want;
    looks = 0;
    comes = false;
    if (vc_verbs_dev_open(&want, &v.dev) != VC_OK)
        return -1;
    /* Its entry in sysfs was there, and is not. */
    strcpy(v.dev.ctx->device->dev_name, "uverbs-of-none");
    return 0;
}

static int closed(void **state)
{
    (void)state;
    vc_verbs_dev_close(&v.dev);
    return fake_open == 0 ? 0 : -1;
}

/* Polls until it has looked, four times at most. */
static void look(void)
{
    v.t_device = vc_now_ns() - LOOK_NS;
    for (int i = 0, before = looks; i < 4 && looks == before; i++)
        vc_verbs_check_busy_device(&v);
}

static void test_looks_seldom(void **state)
{
    (void)state;
    v.t_device = vc_now_ns() - LOOK_NS;
    for (int i = 0; i < 3; i++)
        vc_verbs_check_busy_device(&v);
    assert_int_equal(looks, 0); /* the clock was not even read */
    vc_verbs_check_busy_device(&v);
    assert_int_equal(looks, 1);
    uint64_t since = v.t_device;
    for (int i = 0; i < 1000; i++)
        vc_verbs_check_busy_device(&v);
    if (vc_now_ns() - since < LOOK_NS) /* a loaded machine may have taken longer */
        assert_int_equal(looks, 1);
    look();
    assert_int_equal(v.failed, VC_OK);
}

static void test_removed(void **state)
{
    (void)state;
    look(); /* nothing is known of an entry */
    assert_int_equal(v.failed, VC_OK);
    v.had_node = true;
    v.src.fd = 77;
    look();
    assert_int_equal(v.failed, VC_ERR_SYS);
    assert_string_equal(v.why, "the RDMA device fake0 was removed");
    assert_int_equal(v.src.fd, -1); /* nobody sleeps on it */
}

static void test_event(void **state)
{
    (void)state;
    comes = true;
    coming = IBV_EVENT_PORT_ERR;
    fake_devices[0].port[0].state = IBV_PORT_DOWN;
    look();
    assert_true(v.port_down && !v.failed);
    comes = true;
    coming = IBV_EVENT_PORT_ACTIVE;
    fake_devices[0].port[0].state = IBV_PORT_ACTIVE;
    look();
    assert_false(v.port_down || v.failed);
    comes = true;
    coming = IBV_EVENT_DEVICE_FATAL;
    look();
    assert_int_equal(v.failed, VC_ERR_SYS);
    assert_string_equal(v.why, "the RDMA device fake0 failed or was removed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_looks_seldom, fresh, closed),
        cmocka_unit_test_setup_teardown(test_removed, fresh, closed),
        cmocka_unit_test_setup_teardown(test_event, fresh, closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
