/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll doctor`: what a rank finds of itself. */
#include "doctor_rig.h"

#include <errno.h>
#include <string.h>

static struct doc_rank r;

static void test_well(void **state)
{
    (void)state;
    rig_rank(&r);
    rig_look_rank(&r);
    for (int i = 0; i < doc_nchecks; i++)
        if (doc_checks[i].rank)
            rig_quiet(doc_checks[i].id);
}

static void test_settings(void **state)
{
    (void)state;
    rig_rank(&r);
    strcpy(r.report.error, "VCOLL_WAIT=pol: not valid");
    strcpy(r.report.warnings, "unknown variable VCOLL_WIAT\nunknown variable VCOLL_X\n");
    rig_look_rank(&r);
    rig_expect("bad-settings", DOC_BROKEN, "1", "VCOLL_WAIT=pol");
    rig_expect("bad-settings", DOC_HINT, "1", "VCOLL_WIAT");
    rig_expect("bad-settings", DOC_HINT, "1", "VCOLL_X");
    r.params.strict = true;
    rig_look_rank(&r);
    rig_expect("bad-settings", DOC_BROKEN, "1", "VCOLL_X");
}

static void test_less(void **state)
{
    (void)state;
    rig_rank(&r);
    r.params.node_split = 2;
    rig_look_rank(&r);
    rig_expect("less", DOC_SLOW, "1", "VCOLL_NODE_SPLIT=2");
    rig_rank(&r);
    r.params.disable = true;
    r.params.channels = VC_CHAN_MPI;
    r.params.cma = false;
    r.params.shm_bulk = 0;
    rig_look_rank(&r);
    rig_expect("less", DOC_SLOW, "1", "VCOLL_DISABLE");
    rig_expect("less", DOC_SLOW, "1", "VCOLL_CHANNELS");
    rig_expect("less", DOC_HINT, "1", "VCOLL_CMA");
    rig_expect("less", DOC_HINT, "1", "VCOLL_SHM_BULK");
}

static void test_library(void **state)
{
    (void)state;
    rig_rank(&r);
    r.library_found = false;
    rig_look_rank(&r);
    rig_expect("no-library", DOC_BROKEN, "1", "libvcoll.so");
}

static void test_open_files(void **state)
{
    (void)state;
    rig_rank(&r);
    r.nofile = 40;
    rig_look_rank(&r);
    rig_expect("open-files", DOC_SLOW, "1", "limit is 40 files");
    r.nofile = 1024;
    r.open_files = 1000;
    rig_look_rank(&r);
    rig_expect("open-files", DOC_SLOW, "1", "fewer than 64");
    r.open_files = 2000; /* the limit was lowered later */
    rig_look_rank(&r);
    rig_expect("open-files", DOC_SLOW, "1", "fewer than 64");
    r.nofile = 200;
    r.open_files = 20;
    rig_look_rank(&r);
    rig_expect("open-files", DOC_HINT, "1", "only 200");
    r.nofile = 0;
    rig_look_rank(&r);
    rig_quiet("open-files");
}

static void test_locked_memory(void **state)
{
    (void)state;
    rig_rank(&r);
    r.lock_limit = 64 << 10;
    rig_look_rank(&r);
    rig_expect("locked-memory", DOC_SLOW, "1", "64 KiB");
    r.lock_limit = 8 << 20;
    rig_look_rank(&r);
    rig_expect("locked-memory", DOC_HINT, "1", "8.0 MiB");
    r.verbs_usable = false;
    rig_look_rank(&r);
    rig_quiet("locked-memory");
    r.verbs_usable = r.lock_any = true;
    r.lock_limit = 0;
    rig_look_rank(&r);
    rig_quiet("locked-memory");
}

static void test_single_copy(void **state)
{
    (void)state;
    rig_rank(&r);
    r.cma = DOC_CMA_FAILS;
    r.cma_errno = EPERM;
    r.ptrace_scope = 1;
    rig_look_rank(&r);
    rig_expect("ptrace-scope", DOC_SLOW, "1", "ptrace_scope is 1");
    rig_quiet("single-copy"); /* one cause, one finding */
    r.ptrace_scope = 0;
    rig_look_rank(&r);
    rig_expect("single-copy", DOC_SLOW, "1", "seccomp");
    rig_quiet("ptrace-scope");
    r.ptrace_scope = -1;
    r.cma_errno = ENOSYS;
    rig_look_rank(&r);
    rig_expect("single-copy", DOC_SLOW, "1", "not there");
    r.cma = DOC_CMA_OTHER_NAMESPACE;
    rig_look_rank(&r);
    rig_expect("single-copy", DOC_SLOW, "1", "pid namespace");
    r.params.cma = false;
    rig_look_rank(&r);
    rig_quiet("single-copy");
}

static void test_userfaultfd(void **state)
{
    (void)state;
    rig_rank(&r);
    r.regcache = false;
    strcpy(r.regcache_why, "userfaultfd is not permitted");
    rig_look_rank(&r);
    rig_expect("userfaultfd", DOC_SLOW, "1", "not permitted");
    r.params.verbs_reg_cache = false;
    rig_look_rank(&r);
    rig_expect("userfaultfd", DOC_HINT, "1", "VCOLL_VERBS_REG_CACHE");
    r.verbs_usable = false;
    rig_look_rank(&r);
    rig_quiet("userfaultfd");
}

static void test_timers(void **state)
{
    (void)state;
    rig_rank(&r);
    r.timer_ns = 4000000;
    r.timer_slack_ns = 50000000;
    rig_look_rank(&r);
    rig_expect("timers", DOC_SLOW, "1", "steps of 4 ms");
    rig_expect("timers", DOC_SLOW, "1", "slack is 50 ms");
}

static void test_read(void **state)
{
    (void)state;
    struct facts_verbs verbs = {.wanted = true, .err = VC_ERR_UNSUPPORTED};
    rig_rank(&r);
    rig_put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
    rig_put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Imaginary 9000\nprocessor\t: 1\n");
    doc_rank_read(rig_root, &r);
    assert_int_equal(r.ptrace_scope, 2);
    assert_true(r.open_files > 2);
    doc_rank_try(&r, &verbs);
    doc_rank_same(rig_root, &r, &verbs);
    assert_string_equal(r.same[DOC_SAME_CPU], "Imaginary 9000");
    assert_string_equal(r.same[DOC_SAME_SETTINGS], "defaults");
    assert_string_equal(r.same[DOC_SAME_DEVICE], "");
    assert_non_null(strstr(r.same[DOC_SAME_MPI], "Open MPI"));
    assert_false(r.verbs_usable);
    assert_true(r.lock_need > 0);
    assert_true(r.yields == 0 || r.yields == 1);
}

static void test_settings_text(void **state)
{
    (void)state;
    char text[512], little[24];
    rig_rank(&r);
    r.params.reproducible = true;
    r.params.log = VC_LOG_DEBUG; /* may differ between ranks */
    doc_settings_text(&r.params, false, text, sizeof text);
    assert_string_equal(text, "VCOLL_REPRODUCIBLE=1");
    r.params.node_split = 1;
    doc_settings_text(&r.params, false, text, sizeof text);
    assert_string_equal(text, "VCOLL_NODE_SPLIT=1 VCOLL_REPRODUCIBLE=1");
    doc_settings_text(&r.params, true, text, sizeof text);
    assert_string_equal(text, "VCOLL_LOG=debug");
    doc_settings_text(&r.params, false, little, sizeof little);
    assert_int_equal(strncmp(little, "many, fingerprint ", 18), 0);
}

const struct CMUnitTest doctor_rank_tests[] = {
    cmocka_unit_test(test_well),
    cmocka_unit_test(test_settings),
    cmocka_unit_test(test_less),
    cmocka_unit_test(test_library),
    cmocka_unit_test(test_open_files),
    cmocka_unit_test(test_locked_memory),
    cmocka_unit_test(test_single_copy),
    cmocka_unit_test(test_userfaultfd),
    cmocka_unit_test(test_timers),
    cmocka_unit_test_setup_teardown(test_read, rig_new_tree, rig_drop_tree),
    cmocka_unit_test(test_settings_text),
};
const size_t doctor_rank_ntests = sizeof doctor_rank_tests / sizeof doctor_rank_tests[0];
