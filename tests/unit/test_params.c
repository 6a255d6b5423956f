/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings: parsing, sources and their order, unknown names, bad values, the fingerprint. */
#include "tune/params/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct vc_params p;
static struct vc_param_value values[64];
static struct vc_param_report report;

/* No VCOLL_ variable of whoever runs the tests may reach them. */
static int clean_environment(void **state)
{
    (void)state;
    extern char **environ;
    for (bool again = true; again;) {
        again = false;
        for (char **e = environ; *e && !again; e++) {
            if (strncmp(*e, "VCOLL_", 6) == 0) {
                char name[128];
                snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
                unsetenv(name);
                again = true;
            }
        }
    }
    return 0;
}

static int load(void)
{
    return vc_params_load_files(NULL, NULL, &p, values, &report);
}

static int def_index(const char *name)
{
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(d[i].name, name) == 0)
            return i;
    fail_msg("no parameter %s", name);
    return -1;
}

/* Sets a variable to a value that must be refused; the error names the variable, the value and `hint`. */
static void refused(const char *name, const char *value, const char *hint)
{
    char var[64];
    snprintf(var, sizeof var, "VCOLL_%s", name);
    setenv(var, value, 1);
    if (load() != VC_ERR_INVAL)
        fail_msg("%s=%s was taken", var, value);
    if (!strstr(report.error, var) || !strstr(report.error, value) || !strstr(report.error, hint))
        fail_msg("%s=%s: \"%s\" does not say \"%s\"", var, value, report.error, hint);
    if (strchr(report.error, '\n'))
        fail_msg("more than one line: %s", report.error);
    /* A bad value leaves the default. */
    assert_int_equal(values[def_index(name)].origin, VC_FROM_DEFAULT);
    unsetenv(var);
}

static void taken(const char *name, const char *value, const char *canonical)
{
    char var[64];
    snprintf(var, sizeof var, "VCOLL_%s", name);
    setenv(var, value, 1);
    if (load() != VC_OK)
        fail_msg("%s=%s: %s", var, value, report.error);
    int i = def_index(name);
    assert_int_equal(values[i].origin, VC_FROM_ENV);
    assert_string_equal(values[i].text, canonical);
    unsetenv(var);
}

static void test_bytes(void **state)
{
    (void)state;
    size_t v = 7;
    const struct {
        const char *text;
        size_t bytes;
    } good[] = {{"0", 0},        {"8192", 8192},    {"64k", 65536},    {"64K", 65536},
                {"1M", 1 << 20}, {"2g", 2ul << 30}, {"1t", 1ul << 40}, {"16kb", 16384},
                {"4KiB", 4096},  {"12b", 12},       {"007", 7},        {"18446744073709551615", SIZE_MAX}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!vc_parse_bytes(good[i].text, &v))
            fail_msg("%s refused", good[i].text);
        assert_int_equal(v, good[i].bytes);
    }
    const char *bad[] = {"",
                         "-1",
                         "+1",
                         " 1",
                         "1 k",
                         "k",
                         "1kk",
                         "1.5k",
                         "0x10",
                         "18446744073709551616",
                         "1ki",
                         "1x",
                         "16p",
                         "17179869184g",
                         "1e3",
                         "64k ",
                         "99999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        v = 7;
        if (vc_parse_bytes(bad[i], &v))
            fail_msg("\"%s\" was taken as %zu", bad[i], v);
        assert_int_equal(v, 7);
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(vc_word_distance("WAIT", "wait"), 0);
    assert_int_equal(vc_word_distance("WIAT", "WAIT"), 1);
    assert_int_equal(vc_word_distance("WAITT", "WAIT"), 1);
    assert_int_equal(vc_word_distance("", "WAIT"), 4);
    assert_int_equal(vc_word_distance("kitten", "sitting"), 3);
    char big[500];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(vc_word_distance(big, big), 0);
    assert_int_equal(vc_word_distance(big, ""), 63);
}

static void test_defs(void **state)
{
    (void)state;
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    assert_true(n >= 19 && n <= 64);
    assert_int_equal(load(), VC_OK);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            assert_true(strcmp(d[i - 1].name, d[i].name) < 0);
        assert_non_null(d[i].help);
        assert_true(strlen(d[i].help) > 10 && strlen(d[i].values) > 2);
        /* The default is written the way it is printed, and survives the round trip. */
        assert_string_equal(values[i].text, d[i].deflt);
        assert_int_equal(values[i].origin, VC_FROM_DEFAULT);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(), VC_OK);
    assert_string_equal(report.error, "");
    assert_string_equal(report.warnings, "");
    assert_false(p.disable);
    assert_false(p.strict);
    assert_int_equal(p.colls, (1u << VC_COLL_COUNT) - 1);
    assert_int_equal(p.channels, VC_CHAN_SHM | VC_CHAN_IVSHMEM | VC_CHAN_VERBS | VC_CHAN_MPI);
    assert_int_equal(p.wait, VC_WAIT_AUTO);
    assert_int_equal(p.log, VC_LOG_WARN);
    assert_int_equal(p.setup_after, 3);
    assert_int_equal(p.shm_bulk, 256 << 10);
    assert_int_equal(p.shm_limit, 512 << 20);
    assert_true(p.cma);
    assert_true(p.cma_min == VC_CMA_MIN_AUTO);
    assert_true(p.xpmem);
    assert_int_equal(p.node_split, 0);
    assert_string_equal(p.verbs_device, "");
    assert_string_equal(p.verbs_library, "libibverbs.so.1");
    assert_int_equal(p.verbs_port, 0);
    assert_int_equal(p.verbs_gid_index, -1);
    assert_int_equal(p.verbs_pkey, 0);
    assert_int_equal(p.verbs_slot, 8 << 10);
    assert_int_equal(p.verbs_credits, 16);
    assert_int_equal(p.verbs_zcopy_min, 64 << 10);
    assert_true(p.verbs_reg_cache);
    assert_int_equal(p.verbs_timeout, 4);
    assert_false(p.cq_moderation.given);
    for (int i = 0; i < VC_COLL_COUNT; i++)
        assert_null(p.alg[i].alg);
}

static void test_good_values(void **state)
{
    (void)state;
    taken("WAIT", "hybrid", "hybrid");
    taken("WAIT", "POLL", "poll");
    taken("DISABLE", "yes", "1");
    taken("DISABLE", "off", "0");
    taken("CMA_MIN", "65536", "64k");
    taken("CMA_MIN", "Auto", "auto");
    taken("COLLS", "allreduce, bcast", "bcast,allreduce");
    taken("COLLS", "none", "none");
    taken("COLLS",
          "barrier,bcast,reduce,allreduce,allgather,alltoall,allgatherv,alltoallv,alltoallw,gather,scatter,"
          "reduce_scatter_block,reduce_scatter,scan,exscan,gatherv,scatterv",
          "all");
    taken("CHANNELS", "mpi", "mpi");
    taken("CHANNELS", "mpi,shm", "shm,mpi");
    taken("CHANNELS", "mpi,verbs", "verbs,mpi");
    taken("CHANNELS", "verbs,ivshmem", "ivshmem,verbs");
    taken("IVSHMEM", "0000:00:05.0", "0000:00:05.0");
    taken("CHANNELS", "Verbs", "verbs");
    assert_int_equal(p.channels, VC_CHAN_VERBS);
    taken("SPIN_US", "0", "0");
    taken("HOST_ID", "rack 3, host 7", "rack 3, host 7");
    taken("HOST_YIELD", "1", "1");
    taken("CALIBRATE", "Force", "force");
    taken("HOST_YIELD", "auto", "auto");
    taken("STATS", "json", "json");
    taken("STATS_FILE", "/tmp/x.json", "/tmp/x.json");
    taken("NODE_SPLIT", "2", "2");
    taken("SHM_BACKING", "memfd", "memfd");
    /* Nothing given is the default, not an error. */
    setenv("VCOLL_WAIT", "", 1);
    assert_int_equal(load(), VC_OK);
    assert_int_equal(values[def_index("WAIT")].origin, VC_FROM_DEFAULT);
    unsetenv("VCOLL_WAIT");
}

static void test_bad_values(void **state)
{
    (void)state;
    refused("WAIT", "pol", "poll");
    refused("WAIT", "sleepy", "auto, poll, event, hybrid");
    refused("DISABLE", "2", "0, 1");
    refused("COLLS", "allreduce,bcas", "bcast");
    refused("COLLS", "allreduce,,bcast", "Valid");
    refused("CHANNELS", "shm,ucx", "shm, ivshmem, verbs, mpi");
    refused("SPIN_US", "-5", "whole number");
    refused("SPIN_US", "5us", "whole number");
    refused("SETUP_AFTER", "0", "1..");
    refused("NODE_SPLIT", "99999999999", "0..");
    refused("SHM_BULK", "2g", "0..1g");
    refused("SHM_LIMIT", "lots", "size");
    refused("LOG", "loud", "error, warn, info, debug");
    char big[80];
    memset(big, 'h', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    refused("HOST_ID", big, "63");
    /* The first error is the one reported, and all good values still count. */
    setenv("VCOLL_CMA", "maybe", 1);
    setenv("VCOLL_WAIT", "event", 1);
    assert_int_equal(load(), VC_ERR_INVAL);
    assert_int_equal(p.wait, VC_WAIT_EVENT);
    assert_true(p.cma);
    unsetenv("VCOLL_CMA");
    unsetenv("VCOLL_WAIT");
}

static void test_topology(void **state)
{
    (void)state;
    taken("TOPOLOGY", "numa:2 l3:4 core:8", "numa:2 l3:4 core:8");
    assert_int_equal(p.topology.mode, VC_TOPOLOGY_SYNTHETIC);
    assert_int_equal(p.topology.synthetic.count[VC_UNIT_NUMA], 2);
    assert_int_equal(p.topology.synthetic.count[VC_UNIT_CACHE], 4);
    assert_int_equal(p.topology.synthetic.count[VC_UNIT_CORE], 8);
    taken("TOPOLOGY", " NUMA:2,core:1024", "numa:2 core:1024");
    assert_int_equal(p.topology.synthetic.count[VC_UNIT_CACHE], 0);
    taken("TOPOLOGY", "l3:1", "l3:1");
    taken("TOPOLOGY", "Flat", "flat");
    assert_int_equal(p.topology.mode, VC_TOPOLOGY_FLAT);
    taken("TOPOLOGY", "measure", "measure");
    taken("TOPOLOGY", "auto", "auto");
    assert_int_equal(p.topology.mode, VC_TOPOLOGY_AUTO);
    refused("TOPOLOGY", "measured", "did you mean measure?");
    refused("TOPOLOGY", "flt", "flat");
    refused("TOPOLOGY", "numa", "a topology, as in numa:2 l3:4 core:8");
    refused("TOPOLOGY", "numa:2 core", "\"core\" has no number. Valid: core:N");
    refused("TOPOLOGY", "numa:2 cores:4", "did you mean core?");
    refused("TOPOLOGY", "socket:2", "Valid: core, l3, numa");
    refused("TOPOLOGY", "core:0", "1..1024");
    refused("TOPOLOGY", "core:1025", "1..1024");
    refused("TOPOLOGY", "core:2x", "1..1024");
    refused("TOPOLOGY", "core:", "1..1024");
    refused("TOPOLOGY", "core:-1", "1..1024");
    refused("TOPOLOGY", "core:2 numa:2", "numa stands behind core, which lies in it");
    refused("TOPOLOGY", "l3:2 numa:2 core:2", "numa stands behind l3");
    refused("TOPOLOGY", "l3:2 l3:2", "given twice");
    refused("TOPOLOGY", ":", "Valid");
}

static void test_verbs(void **state)
{
    (void)state;
    taken("VERBS_DEVICE", "mlx5_1", "mlx5_1");
    taken("VERBS_LIBRARY", "/opt/lib/libibverbs.so", "/opt/lib/libibverbs.so");
    taken("VERBS_PORT", "2", "2");
    refused("VERBS_PORT", "256", "0..255");
    taken("VERBS_GID_INDEX", "AUTO", "auto");
    assert_int_equal(p.verbs_gid_index, -1);
    taken("VERBS_GID_INDEX", "0", "0");
    assert_int_equal(p.verbs_gid_index, 0);
    taken("VERBS_GID_INDEX", "255", "255");
    refused("VERBS_GID_INDEX", "256", "auto, or a whole number of 0..255");
    refused("VERBS_GID_INDEX", "-1", "auto");
    taken("VERBS_PKEY", "0x8001", "0x8001");
    assert_int_equal(p.verbs_pkey, 0x8001);
    taken("VERBS_PKEY", "0XFFfF", "0xffff");
    taken("VERBS_PKEY", "0x1", "0x0001");
    taken("VERBS_PKEY", "auto", "auto");
    refused("VERBS_PKEY", "8001", "hexadecimal");
    refused("VERBS_PKEY", "0x0", "0x0001..0xffff");
    refused("VERBS_PKEY", "0x", "hexadecimal");
    refused("VERBS_PKEY", "0x18001", "hexadecimal");
    refused("VERBS_PKEY", "0x-1", "hexadecimal");
    refused("VERBS_SL", "16", "0..15");
    refused("VERBS_TC", "256", "auto, or a whole number of 0..255");
    taken("VERBS_TC", "auto", "auto");
    taken("VERBS_TC", "105", "105");
    taken("VERBS_INLINE", "0", "0");
    taken("VERBS_INLINE", "Auto", "auto");
    refused("VERBS_INLINE", "1025", "auto, or a whole number of 0..1024");
    taken("VERBS_SLOT", "16384", "16k");
    refused("VERBS_SLOT", "1000", "1k..1m");
    refused("VERBS_SLOT", "2m", "1k..1m");
    refused("VERBS_CREDITS", "1", "2..1024");
    taken("VERBS_ZCOPY_MIN", "1m", "1m");
    taken("VERBS_REG_CACHE", "off", "0");
    refused("VERBS_TIMEOUT", "0", "1..600");
}

static void moderation(const char *value, const char *canonical, int lc, int lp, int bc, int bp)
{
    taken("CQ_MODERATION", value, canonical);
    const struct vc_param_moderation *m = &p.cq_moderation;
    assert_true(m->given);
    assert_int_equal(m->latency.count, lc);
    assert_int_equal(m->latency.period, lp);
    assert_int_equal(m->bulk.count, bc);
    assert_int_equal(m->bulk.period, bp);
}

static void test_moderation(void **state)
{
    (void)state;
    moderation("16:20", "16:20", 16, 20, 16, 20);
    moderation("0:0", "0:0", 0, 0, 0, 0);
    moderation("latency=1:0,bulk=64:65535", "latency=1:0,bulk=64:65535", 1, 0, 64, 65535);
    moderation("bulk=8:50, latency=2:5", "latency=2:5,bulk=8:50", 2, 5, 8, 50);
    moderation("bulk=8:50", "latency=0:0,bulk=8:50", 0, 0, 8, 50);
    moderation("latency=3:4,bulk=3:4", "3:4", 3, 4, 3, 4);
    taken("CQ_MODERATION", "OFF", "off");
    assert_false(p.cq_moderation.given);
    const char *bad[] = {"on",
                         "16",
                         "16:",
                         ":20",
                         "65536:1",
                         "1:65536",
                         "1:2:3",
                         "1:2,3:4",
                         "latency=off",
                         "latency=1:2,latency=1:2",
                         "bulk=1:2,",
                         "slow=1:2",
                         "-1:2",
                         "1: 2",
                         "latency",
                         "12345678:1",
                         "latency=1:2;bulk=1:2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("CQ_MODERATION", bad[i], "latency=count:usec,bulk=count:usec");
}

/* Some collective's algorithm that reads (or does not read) a parameter. */
static const struct vc_alg *alg_with(unsigned param, bool reads)
{
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            if (((*a)->params & param) == (reads ? param : 0) && (*a)->kind == VC_ALG_PLAN)
                return *a;
    return NULL;
}

static void test_alg(void **state)
{
    (void)state;
    taken("ALG", "auto", "auto");
    taken("ALG", "allreduce=auto", "auto");
    taken("ALG", "allreduce=native", "allreduce=native");
    taken("ALG", "bcast=native , allreduce=native", "bcast=native,allreduce=native");
    /* Every algorithm there is can be forced, and prints back. */
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
            char text[128];
            snprintf(text, sizeof text, "%s=%s", vc_coll_name((enum vc_coll)c), (*a)->name);
            taken("ALG", text, text);
            assert_ptr_equal(p.alg[c].alg, *a);
        }
    }
    refused("ALG", "allreduce", "collective=algorithm");
    refused("ALG", "alreduce=native", "allreduce");
    refused("ALG", "alreduce=native",
            vc_coll_name((enum vc_coll)(VC_COLL_COUNT - 1))); /* the list is whole */
    refused("ALG", "allreduce=natve", "did you mean native");
    refused("ALG", "allreduce=", "Valid: auto, native");
    refused("ALG", "allreduce=native,allreduce=native", "twice");
    refused("ALG", "allreduce=native:radix=2", "no parameter");
    refused("ALG", "allreduce=native:radix", "name=value");
    refused("ALG", "allreduce=native,", "collective=algorithm");
}

static void test_alg_params(void **state)
{
    (void)state;
    const struct {
        unsigned bit;
        const char *good, *shown, *bad;
    } par[] = {{VC_PARAM_RADIX, "radix=4", "radix=4", "radix=1"},
               {VC_PARAM_SEGMENT, "segment=65536", "segment=64k", "segment=0"},
               {VC_PARAM_LEADERS, "leaders=2", "leaders=2", "leaders=x"}};
    for (size_t i = 0; i < sizeof par / sizeof par[0]; i++) {
        const struct vc_alg *a = alg_with(par[i].bit, true), *b = alg_with(par[i].bit, false);
        assert_non_null(a);
        assert_non_null(b);
        const char *ca = vc_coll_name(a->coll), *cb = vc_coll_name(b->coll);
        char text[160], shown[160];
        snprintf(text, sizeof text, "%s=%s:%s", ca, a->name, par[i].good);
        snprintf(shown, sizeof shown, "%s=%s:%s", ca, a->name, par[i].shown);
        taken("ALG", text, shown);
        snprintf(text, sizeof text, "%s=%s:%s", ca, a->name, par[i].bad);
        refused("ALG", text, par[i].bad);
        snprintf(text, sizeof text, "%s=%s:%s", cb, b->name, par[i].good);
        refused("ALG", text, "no parameter");
    }
    const struct vc_alg *a = alg_with(VC_PARAM_RADIX, true);
    char text[160];
    snprintf(text, sizeof text, "%s=%s:radix=2:radix=4", vc_coll_name(a->coll), a->name);
    refused("ALG", text, "twice");
}

static void test_unknown(void **state)
{
    (void)state;
    setenv("VCOLL_WIAT", "poll", 1);
    assert_int_equal(load(), VC_OK);
    assert_non_null(strstr(report.warnings, "VCOLL_WIAT"));
    assert_non_null(strstr(report.warnings, "VCOLL_WAIT?"));
    /* One line for one variable. */
    assert_ptr_equal(strchr(report.warnings, '\n'), report.warnings + strlen(report.warnings) - 1);
    setenv("VCOLL_STRICT", "1", 1);
    assert_int_equal(load(), VC_ERR_INVAL);
    assert_non_null(strstr(report.error, "VCOLL_WIAT"));
    assert_non_null(strstr(report.error, "VCOLL_WAIT?"));
    assert_null(strchr(report.error, '\n'));
    unsetenv("VCOLL_STRICT");
    unsetenv("VCOLL_WIAT");
    /* Names are exact; a neighbour's prefix is not ours. */
    setenv("VCOLLX_WAIT", "poll", 1);
    setenv("VC_TEST_WAIT", "poll", 1);
    assert_int_equal(load(), VC_OK);
    assert_string_equal(report.warnings, "");
    unsetenv("VCOLLX_WAIT");
    unsetenv("VC_TEST_WAIT");
    /* Many: whole lines, no overflow. */
    char name[200];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "VCOLL_%0100d", i);
        setenv(name, "1", 1);
    }
    assert_int_equal(load(), VC_OK);
    size_t len = strlen(report.warnings);
    assert_true(len > 500 && len < sizeof report.warnings);
    assert_int_equal(report.warnings[len - 1], '\n');
    clean_environment(NULL);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/vcoll-params-XXXXXX", sys[64], user[64];
    assert_non_null(mkdtemp(dir));
    snprintf(sys, sizeof sys, "%s/sys.conf", dir);
    snprintf(user, sizeof user, "%s/user.conf", dir);

    write_file(sys, "# site\n\n WAIT = event \nCMA=0\nVCOLL_SPIN_US=77\r\nLOG=info");
    write_file(user, "CMA=1\nSPIN_US=88\n");
    setenv("VCOLL_SPIN_US", "99", 1);
    assert_int_equal(vc_params_load_files(sys, user, &p, values, &report), VC_OK);
    assert_string_equal(report.warnings, "");
    assert_int_equal(p.wait, VC_WAIT_EVENT);
    assert_int_equal(values[def_index("WAIT")].origin, VC_FROM_SYSTEM_FILE);
    assert_true(p.cma);
    assert_int_equal(values[def_index("CMA")].origin, VC_FROM_USER_FILE);
    assert_int_equal(p.spin_us, 99);
    assert_int_equal(values[def_index("SPIN_US")].origin, VC_FROM_ENV);
    assert_int_equal(p.log, VC_LOG_INFO);
    unsetenv("VCOLL_SPIN_US");

    /* A bad value that is overridden hurts nobody; one that wins names file and line. */
    write_file(sys, "WAIT=nonsense\n");
    write_file(user, "\nWAIT=poll\n");
    assert_int_equal(vc_params_load_files(sys, user, &p, values, &report), VC_OK);
    assert_int_equal(p.wait, VC_WAIT_POLL);
    write_file(user, "\nWAIT=worse\n");
    assert_int_equal(vc_params_load_files(sys, user, &p, values, &report), VC_ERR_INVAL);
    assert_non_null(strstr(report.error, "user.conf:2: VCOLL_WAIT=worse"));

    write_file(user, "WAIT\n");
    assert_int_equal(vc_params_load_files(NULL, user, &p, values, &report), VC_ERR_INVAL);
    assert_non_null(strstr(report.error, "user.conf:1: expected NAME=value"));
    write_file(user, "WIAT=poll\n");
    assert_int_equal(vc_params_load_files(NULL, user, &p, values, &report), VC_OK);
    assert_non_null(strstr(report.warnings, "user.conf:1: unknown setting VCOLL_WIAT"));

    /* The user's file is found where XDG says, else in the home directory; no file is no error. */
    char sub[128];
    snprintf(sub, sizeof sub, "%s/vcoll", dir);
    char cmd[600];
    snprintf(cmd, sizeof cmd,
             "mkdir -p %s/vcoll %s/.config/vcoll && echo SPIN_US=11 > %s/vcoll/vcoll.conf && "
             "echo SPIN_US=22 > %s/.config/vcoll/vcoll.conf",
             dir, dir, dir, dir);
    assert_int_equal(system(cmd), 0);
    setenv("HOME", dir, 1);
    setenv("XDG_CONFIG_HOME", dir, 1);
    assert_int_equal(vc_params_load(&p, values, &report), VC_OK);
    assert_int_equal(p.spin_us, 11);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_int_equal(vc_params_load(&p, NULL, NULL), VC_OK);
    assert_int_equal(p.spin_us, 22);
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(vc_params_load(&p, NULL, NULL), VC_OK);
    assert_int_equal(p.spin_us, 22);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
    assert_int_equal(vc_params_load(&p, values, &report), VC_OK);
}

/* A process that has rights of others: nobody's variable names a file or a library. */
static void test_secure(void **state)
{
    (void)state;
    static const char *const files[] = {"IVSHMEM", "STATS_FILE", "TABLE", "TUNE_SAVE", "VERBS_LIBRARY"};
    char user[] = "/tmp/vcoll-params-XXXXXX", var[64];
    int n, named = 0, fd = mkstemp(user);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_file(user, "SPIN_US=88\n");
    const struct vc_param_def *defs = vc_param_defs(&n);
    for (int i = 0; i < n; i++)
        named += vc_param_names_file(&defs[i]);
    assert_int_equal(named, sizeof files / sizeof *files);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(var, sizeof var, "VCOLL_%s", files[i]);
        setenv(var, "/tmp/evil", 1);
        assert_int_equal(vc_params_load_secure(true, NULL, user, &p, values, &report), VC_OK);
        assert_int_equal(values[def_index(files[i])].origin, VC_FROM_DEFAULT);
        assert_string_equal(values[def_index(files[i])].text, defs[def_index(files[i])].deflt);
        assert_non_null(strstr(report.warnings, var));
        assert_non_null(strstr(report.warnings, "ignored"));
        assert_int_equal(p.spin_us, 50);
        /* The administrator's file may. */
        char line[64];
        snprintf(line, sizeof line, "%s=/usr/good\n", files[i]);
        write_file(user, line);
        assert_int_equal(vc_params_load_secure(true, user, NULL, &p, values, &report), VC_OK);
        assert_string_equal(values[def_index(files[i])].text, "/usr/good");
        write_file(user, "SPIN_US=88\n");
        assert_int_equal(vc_params_load_secure(false, NULL, user, &p, values, &report), VC_OK);
        assert_string_equal(values[def_index(files[i])].text, "/tmp/evil");
        assert_int_equal(p.spin_us, 88);
        assert_string_equal(report.warnings, "");
        unsetenv(var);
    }
    /* What names no file stays the user's. */
    setenv("VCOLL_WAIT", "event", 1);
    setenv("VCOLL_WIAT", "event", 1);
    setenv("VCOLL_STRICT", "1", 1);
    setenv("VCOLL_TABLE", "/tmp/evil", 1);
    assert_int_equal(vc_params_load_secure(true, NULL, user, &p, values, &report), VC_ERR_INVAL);
    assert_int_equal(p.wait, VC_WAIT_EVENT);
    assert_non_null(strstr(report.error, "VCOLL_WIAT"));
    unsetenv("VCOLL_WAIT");
    unsetenv("VCOLL_WIAT");
    unsetenv("VCOLL_STRICT");
    unsetenv("VCOLL_TABLE");
    assert_int_equal(unlink(user), 0);
}

static uint64_t fingerprint_with(const char *name, const char *value)
{
    char var[64];
    snprintf(var, sizeof var, "VCOLL_%s", name);
    setenv(var, value, 1);
    assert_int_equal(load(), VC_OK);
    unsetenv(var);
    return vc_params_fingerprint(&p);
}

static void test_fingerprint(void **state)
{
    (void)state;
    assert_int_equal(load(), VC_OK);
    uint64_t base = vc_params_fingerprint(&p);
    /* Another value for each; whether ranks may differ in it is what the definition says. */
    const char *other[][2] = {{"ALG", "bcast=native"},  {"CHANNELS", "mpi"},      {"CMA", "0"},
                              {"CMA_MIN", "1m"},        {"COLLS", "bcast"},       {"DISABLE", "1"},
                              {"HOST_ID", "h"},         {"LOG", "info"},          {"NODE_SPLIT", "2"},
                              {"REPRODUCIBLE", "1"},    {"SETUP_AFTER", "1"},     {"SHM_BACKING", "shm"},
                              {"SHM_BULK", "0"},        {"SHM_LIMIT", "1g"},      {"SPIN_US", "1"},
                              {"STATS", "text"},        {"STATS_FILE", "f"},      {"STRICT", "1"},
                              {"WAIT", "poll"},         {"CQ_MODERATION", "1:2"}, {"VERBS_CREDITS", "8"},
                              {"VERBS_DEVICE", "d"},    {"VERBS_GID_INDEX", "3"}, {"VERBS_LIBRARY", "l"},
                              {"VERBS_INLINE", "64"},   {"VERBS_PKEY", "0x8001"}, {"VERBS_PORT", "1"},
                              {"VERBS_REG_CACHE", "0"}, {"VERBS_SL", "1"},        {"VERBS_SLOT", "4k"},
                              {"VERBS_TC", "8"},        {"VERBS_TIMEOUT", "9"},   {"VERBS_ZCOPY_MIN", "1m"},
                              {"TABLE", "none"},        {"COALESCING", "apply"},  {"TUNE", "online"},
                              {"TUNE_SHARE", "2"},      {"TUNE_SAVE", "t"},       {"DEVICE_MEMORY", "off"},
                              {"HOST_YIELD", "0"},      {"TOPOLOGY", "core:2"},   {"COPY", "stream"},
                              {"CALIBRATE", "off"},     {"XPMEM", "0"},           {"NONBLOCKING", "off"},
                              {"PROGRESS", "thread"},   {"IVSHMEM", "off"},       {"VERBS_PEERS", "9"}};
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    assert_int_equal(n, sizeof other / sizeof other[0]);
    for (int i = 0; i < n; i++) {
        const struct vc_param_def *def = &d[def_index(other[i][0])];
        uint64_t h = fingerprint_with(other[i][0], other[i][1]);
        if ((h == base) != def->local)
            fail_msg("%s: local %d, fingerprint %s", def->name, def->local, h == base ? "same" : "differs");
    }
    /* The same meaning in other words is the same. */
    assert_int_equal(fingerprint_with("CMA_MIN", "AUTO"), base);
    assert_int_equal(fingerprint_with("DISABLE", "no"), base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_distance),
        cmocka_unit_test(test_defs),        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_good_values), cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_alg),         cmocka_unit_test(test_alg_params),
        cmocka_unit_test(test_topology),    cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_secure),
        cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_moderation),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL);
}
