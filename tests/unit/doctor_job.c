/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll doctor`: what rank 0 finds of the job; sets, merging, and what travels. */
#include "doctor_rig.h"

#include "tools/doctor/print.h"
#include "tools/doctor/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct doc_job j;

static int drop_job(void **state)
{
    (void)state;
    doc_job_free(&j);
    return 0;
}

static void test_well(void **state)
{
    (void)state;
    rig_job(&j);
    strcpy(j.params.table, "/nowhere/t.json");
    rig_look_job(&j);
    for (int i = 0; i < doc_nchecks; i++)
        if (doc_checks[i].job && doc_checks[i].job != doc_check_table)
            rig_quiet(doc_checks[i].id);
}

static void test_same(void **state)
{
    (void)state;
    static const struct {
        enum doc_same fact;
        const char *check;
        enum doc_severity severity;
    } rows[] = {
        {DOC_SAME_LIBRARY, "library", DOC_BROKEN},
        {DOC_SAME_MPI, "mpi", DOC_BROKEN},
        {DOC_SAME_SETTINGS, "settings", DOC_BROKEN},
        {DOC_SAME_LOCAL, "local-settings", DOC_HINT},
        {DOC_SAME_KERNEL, "kernel", DOC_HINT},
        {DOC_SAME_PLATFORM, "platform", DOC_HINT},
        {DOC_SAME_CPU, "cpu", DOC_HINT},
        {DOC_SAME_DEVICE, "device", DOC_SLOW},
    };
    assert_int_equal(sizeof rows / sizeof rows[0], DOC_SAMES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_job(&j);
        rig_differ(&j, rows[i].fact, "3", "odd");
        rig_look_job(&j);
        /* The odd one is named, and what the others have. */
        rig_expect(rows[i].check, rows[i].severity, "3", "ranks 0-2: usual; rank 3: odd");
        doc_job_free(&j);
    }
}

static void test_same_ties(void **state)
{
    (void)state;
    rig_job(&j);
    rig_differ(&j, DOC_SAME_KERNEL, "0-1", "");
    rig_look_job(&j);
    /* Among equals the lowest rank is the norm. */
    rig_expect("kernel", DOC_HINT, "2-3", "ranks 0-1: none; ranks 2-3: usual");
}

static void test_places(void **state)
{
    (void)state;
    rig_job(&j);
    strcpy(j.site[1].boot, "b0");
    rig_look_job(&j);
    rig_quiet("containers"); /* told apart by VCOLL_HOST_ID */
    strcpy(j.site[1].shm, "18");
    rig_look_job(&j);
    rig_expect("containers", DOC_SLOW, "0-3", "but different /dev/shm");
}

/* Proof comes from memory; a number of an adapter is a hint, where it is one. */
static void test_hosts(void **state)
{
    (void)state;
    rig_job(&j);
    for (int i = 0; i < 2; i++)
        strcpy(j.site[i].guid, "0c42:a103:0001:65fc");
    rig_look_job(&j);
    rig_expect("hosts", DOC_HINT, "0-3", "0c42:a103:0001:65fc");
    j.site[0].mark = 5;
    j.site[1].mark = 7;
    j.site[1].seen = calloc(1, sizeof *j.site[1].seen);
    j.site[1].nseen = 1;
    rig_look_job(&j);
    rig_expect("hosts", DOC_HINT, "0-3", "share no memory");
    j.site[1].seen[0] = 5; /* one has read the other's: that is enough */
    rig_look_job(&j);
    rig_expect("hosts", DOC_OK, "0-3", "2 machines share memory of one host");
    rig_quiet("hosts");
    j.site[1].seen[0] = 6; /* a third program's */
    strcpy(j.site[1].guid, "0c42:a103:0001:65fd");
    rig_look_job(&j);
    rig_expect("hosts", DOC_OK, "0-3", "no machine shares");
}

/* The hosts as "ranks joined_by;...". */
static void expect_hosts(const char *want)
{
    char got[256] = "";
    json_t *all = doc_hosts_json(&j), *o;
    size_t i;
    json_array_foreach(all, i, o)
    {
        const char *by = json_string_value(json_object_get(o, "joined_by"));
        size_t n = strlen(got);
        snprintf(got + n, sizeof got - n, "%s%s %s %d", i ? "; " : "",
                 json_string_value(json_object_get(o, "ranks")), by ? by : "-",
                 (int)json_array_size(json_object_get(o, "machines")));
    }
    json_decref(all);
    assert_string_equal(got, want);
}

static void test_levels(void **state)
{
    (void)state;
    struct doc_set one = {0};
    rig_job(&j);
    expect_hosts("0-1 - 1; 2-3 - 1");
    /* What is read in the memory joins, and VCOLL_HOST_ID overrules it. */
    j.site[0].mark = 5;
    j.site[1].mark = 7;
    j.site[1].seen = calloc(1, sizeof *j.site[1].seen);
    j.site[1].nseen = 1;
    j.site[1].seen[0] = 5;
    expect_hosts("0-3 memory 2");
    strcpy(j.site[0].host_id, "here");
    expect_hosts("0-3 memory 2");
    strcpy(j.site[1].host_id, "there");
    expect_hosts("0-1 - 1; 2-3 - 1");
    strcpy(j.site[1].host_id, "here");
    expect_hosts("0-3 setting 2");
    /* NUMA nodes are kept in order. */
    for (int rank = 1; rank >= 0; rank--) {
        one.n = 0;
        doc_set_add(&one, rank);
        doc_numa_add(&j.site[0], rank, &one);
    }
    assert_int_equal(j.site[0].nnuma, 2);
    assert_int_equal(j.site[0].numa[0].node, 0);
    doc_set_free(&one);
}

static void test_silent(void **state)
{
    (void)state;
    rig_job(&j);
    doc_set_add(&j.silent, 2);
    rig_look_job(&j);
    rig_expect("silent", DOC_BROKEN, "2", "within 60 s");
}

static void write_table(const char *ranks)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"vcoll_table\": 1, \"rules\": [{\"collective\": \"allreduce\", \"ranks\": %s, \"algorithm\": "
             "\"ring\"},"
             " {\"algorithm\": \"builtin\"}]}",
             ranks);
    rig_put("/t.json", text);
    snprintf(j.params.table, sizeof j.params.table, "%s/t.json", rig_root);
}

static void test_table(void **state)
{
    (void)state;
    rig_job(&j);
    strcpy(j.params.table, "none");
    rig_look_job(&j);
    rig_expect("table", DOC_HINT, "0-3", "VCOLL_TABLE=none");
    write_table("4");
    rig_look_job(&j);
    rig_quiet("table");
    write_table("8");
    rig_look_job(&j);
    rig_expect("table", DOC_HINT, "0-3", "no row for 4 ranks on 2 nodes");
    rig_put("/t.json", "{\"vcoll_table\": 1,");
    rig_look_job(&j);
    rig_expect("table", DOC_SLOW, "0-3", "t.json:1:");
    j.params.strict = true;
    strcpy(j.params.table, "/nowhere/t.json");
    rig_look_job(&j);
    rig_expect("table", DOC_BROKEN, "0-3", "/nowhere/t.json");
    doc_job_free(&j);
}

/* ---- sets ---- */

static void test_sets(void **state)
{
    (void)state;
    struct doc_set s = {0};
    assert_true(doc_set_parse(&s, "7,0-3,9-9,2"));
    char *text = doc_set_text(&s);
    assert_string_equal(text, "0-3,7,9");
    free(text);
    assert_int_equal(s.n, 6);
    assert_true(doc_set_has(&s, 7) && !doc_set_has(&s, 8));
    static const char *const bad[] = {"1,", "-1", "3-1", "x", "1-", "1 ", "1,,2", "99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(doc_set_parse(&s, bad[i]));
    doc_set_free(&s);
    assert_true(doc_set_parse(&s, ""));
    assert_int_equal(s.n, 0);
}

/* ---- what travels ---- */

/* A rank's report, taken by its node, and that one's by the job. */
static void test_wire(void **state)
{
    (void)state;
    static struct doc_rank r;
    struct doc_node node = {.npeers = 0};
    struct doc_job here = {.size = 0};
    struct doc_findings of_rank = {0}, of_node = {0}, of_job = {0};
    memset(&j, 0, sizeof j);
    for (int rank = 3; rank >= 2; rank--) {
        rig_rank(&r);
        r.rank = rank;
        r.nofile = 40;
        r.busied = 0.5;
        strcpy(r.same[DOC_SAME_SETTINGS], rank == 3 ? "VCOLL_X=\xff" : "defaults"); /* no UTF-8 */
        doc_run_rank(&r, &of_rank);
        char *text = doc_write_rank(&r, &of_rank, false);
        assert_true(doc_take_rank(text, strlen(text), &node, &here, &of_node));
        free(text);
        doc_findings_free(&of_rank);
    }
    assert_int_equal(node.npeers, 2);
    assert_int_equal(node.peer[0].rank, 2);
    assert_true(node.peer[0].busied == 0.5 && node.peer[0].cpus.n == 1 && node.peer[0].cpus.v[0] == 1);
    assert_int_equal(of_node.n, 1); /* what says the same is one, and what passed has stayed behind */
    assert_int_equal(of_node.v[0].ranks.n, 2);

    uint64_t seen[2] = {UINT64_MAX, 3};
    struct doc_site site = {.host = "a",
                            .boot = "b",
                            .shm = "17",
                            .crowded = true,
                            .mark = UINT64_MAX - 1,
                            .seen = seen,
                            .nseen = 2,
                            .guid = "0c42",
                            .host_id = "h",
                            .device = "rxe0"};
    doc_set_add(&site.ranks, 2);
    doc_set_add(&site.ranks, 3);
    doc_numa_add(&site, 1, &site.ranks);
    doc_set_add(&here.silent, 9);
    char *text = doc_write_site(&site, &here, &of_node, true);
    assert_true(doc_take_site(text, strlen(text), &j, &of_job));
    assert_int_equal(j.nsites, 1);
    assert_true(j.site[0].crowded && j.site[0].ranks.n == 2);
    assert_true(j.site[0].mark == UINT64_MAX - 1 && j.site[0].nseen == 2);
    assert_memory_equal(j.site[0].seen, seen, sizeof seen);
    assert_string_equal(j.site[0].guid, "0c42");
    assert_string_equal(j.site[0].host_id, "h");
    assert_string_equal(j.site[0].device, "rxe0");
    assert_true(j.site[0].nnuma == 1 && j.site[0].numa[0].node == 1 && j.site[0].numa[0].ranks.n == 2);
    assert_int_equal(j.ngroups[DOC_SAME_SETTINGS], 2);
    assert_int_equal(j.ngroups[DOC_SAME_MPI], 1);
    assert_true(doc_set_has(&j.silent, 9));
    assert_int_equal(of_job.n, 1);
    assert_string_equal(of_job.v[0].check->id, "open-files");
    assert_int_equal(doc_exit_code(doc_worst(&of_job)), 1);
    /* Every shorter text is no report, and harms nothing. */
    for (size_t len = strlen(text); len-- > 0;)
        assert_false(doc_take_site(text, len, &j, &of_job));
    free(text);
    assert_false(doc_take_site("{\"ranks\": \"1-\"}", 15, &j, &of_job));
    assert_false(doc_take_rank("{\"rank\": -1}", 12, &node, &here, &of_node));
    assert_false(doc_take_rank("[]", 2, &node, &here, &of_node));
    /* One of another version: checks and fields that are not known, others of the wrong kind. */
    const char *odd =
        "{\"rank\": 1, \"host\": 7, \"cpus\": [], \"same\": 3, \"findings\": [1, {\"check\": \"new\"},"
        "{\"check\": \"cpus\", \"severity\": \"awful\", \"ranks\": \"1\"}]}";
    assert_true(doc_take_rank(odd, strlen(odd), &node, &here, &of_node));
    assert_int_equal(of_node.n, 1);

    site.seen = NULL; /* not of the heap */
    doc_site_free(&site);
    rig_node_free(&node);
    doc_job_free(&here);
    doc_findings_free(&of_node);
    doc_findings_free(&of_job);
}

static void test_order(void **state)
{
    (void)state;
    struct doc_findings f = {0};
    struct doc_set one = {0};
    doc_set_add(&one, 1);
    assert_int_equal(doc_exit_code(doc_worst(&f)), 0);
    doc_findings_add(&f, doc_check_by_id("table"), DOC_HINT, &one, "x", NULL);
    assert_int_equal(doc_exit_code(doc_worst(&f)), 0);
    doc_findings_add(&f, doc_check_by_id("cpus"), DOC_SLOW, &one, "x", NULL);
    assert_int_equal(doc_exit_code(doc_worst(&f)), 1);
    doc_findings_add(&f, doc_check_by_id("steal"), DOC_SLOW, &one, "x", NULL);
    doc_findings_add(&f, doc_check_by_id("mpi"), DOC_BROKEN, &one, "x", "y");
    assert_int_equal(doc_exit_code(doc_worst(&f)), 2);
    doc_findings_sort(&f);
    assert_string_equal(f.v[0].check->id, "mpi");
    assert_string_equal(f.v[1].check->id, "cpus");
    assert_string_equal(f.v[2].check->id, "steal");
    assert_string_equal(f.v[3].check->id, "table");
    doc_findings_free(&f);
    doc_set_free(&one);
}

/* Every row can be read by people and named by programs. */
static void test_checks(void **state)
{
    (void)state;
    int sames = 0;
    for (int i = 0; i < doc_nchecks; i++) {
        const struct doc_check *c = &doc_checks[i];
        assert_ptr_equal(doc_check_by_id(c->id), c);
        assert_int_equal(strspn(c->id, "abcdefghijklmnopqrstuvwxyz-"), strlen(c->id));
        assert_true(strlen(c->id) < 16);
        assert_true(c->title[0] && c->about[0] && c->cost[0] && c->fix[0]);
        assert_true(c->worst > DOC_OK);
        /* They are cells of a table. */
        assert_true(!strchr(c->about, '|') && !strchr(c->cost, '|') && !strchr(c->fix, '|'));
        assert_int_equal((c->rank != NULL) + (c->node != NULL) + (c->job != NULL) <= 1, 1);
        if (c->job == doc_check_same) {
            assert_string_equal(doc_same_name(c->same), c->id);
            sames++;
        }
    }
    assert_int_equal(sames, DOC_SAMES);
}

static void test_wanted(void **state)
{
    (void)state;
    char bad[32];
    assert_true(doc_want_only("cpus,table", bad, sizeof bad));
    rig_job(&j);
    doc_set_add(&j.silent, 2);
    rig_look_job(&j);
    rig_quiet("silent"); /* not asked */
    assert_true(doc_wanted(doc_check_by_id("table")) && !doc_wanted(doc_check_by_id("mpi")));
    assert_false(doc_want_skip("cpus,nonsense", bad, sizeof bad));
    assert_string_equal(bad, "nonsense");
    assert_false(doc_wanted(doc_check_by_id("cpus")));
    assert_false(doc_want_only("", bad, sizeof bad));
    char all[1024] = ""; /* as before, for the other tests */
    for (int i = 0; i < doc_nchecks; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "," : "", doc_checks[i].id);
    assert_true(doc_want_only(all, bad, sizeof bad));
}

const struct CMUnitTest doctor_job_tests[] = {
    cmocka_unit_test_teardown(test_well, drop_job),
    cmocka_unit_test(test_same),
    cmocka_unit_test_teardown(test_same_ties, drop_job),
    cmocka_unit_test_teardown(test_places, drop_job),
    cmocka_unit_test_teardown(test_hosts, drop_job),
    cmocka_unit_test_teardown(test_levels, drop_job),
    cmocka_unit_test_teardown(test_silent, drop_job),
    cmocka_unit_test_setup_teardown(test_table, rig_new_tree, rig_drop_tree),
    cmocka_unit_test(test_sets),
    cmocka_unit_test_teardown(test_wire, drop_job),
    cmocka_unit_test(test_order),
    cmocka_unit_test(test_checks),
    cmocka_unit_test_teardown(test_wanted, drop_job),
};
const size_t doctor_job_ntests = sizeof doctor_job_tests / sizeof doctor_job_tests[0];
