/* SPDX-License-Identifier: BSD-3-Clause */
/* Selection by a table: which rows hold, what follows where none does, forcing, and the reasons that are
 * given. */
#include "tune/params/params.h"
#include "tune/select/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vc_params params;
static struct vc_table *table;
static struct vc_selection sel;
static struct vc_topo_key key;

/* Four ranks on two nodes with everything there is. */
static const struct vc_topo_key usual = {
    .size = 4,
    .nnodes = 2,
    .max_ppn = 2,
    .have_node = true,
    .have_cma = true,
    .have_bulk = true,
    .have_chan = true,
    .have_verbs = true,
    .platform = VC_PLATFORM_SOFTWARE,
    .device = "rxe",
};

static int reset(void **state)
{
    (void)state;
    memset(&params, 0, sizeof params);
    vc_select_free(&sel);
    vc_table_free(table);
    table = NULL;
    key = usual;
    return 0;
}

/* Rows, without the default one. */
static void load(const char *rows, const char *last)
{
    char text[2048];
    vc_table_free(table);
    table = NULL;
    snprintf(text, sizeof text, "{\"vcoll_table\": 1, \"rules\": [%s%s{\"algorithm\": \"%s\"}]}", rows,
             rows[0] ? ", " : "", last);
    if (vc_table_parse(text, strlen(text), "t", &table) != VC_OK)
        fail_msg("%s", vc_error_text());
}

static const char *choice_of(enum vc_coll coll, size_t bytes, bool commutative)
{
    static char text[VC_CHOICE_TEXT];
    vc_select_free(&sel);
    assert_int_equal(vc_select_init(&sel, &key, &params, table), VC_OK);
    return vc_choice_format(vc_select(&sel, coll, bytes, commutative), text, sizeof text);
}

static const char *chosen(enum vc_coll coll, size_t bytes)
{
    return choice_of(coll, bytes, true);
}

static void first_match_wins(void **state)
{
    (void)state;
    load("{\"collective\": \"bcast\", \"bytes\": [0, 64], \"algorithm\": \"binomial\"},"
         "{\"collective\": \"bcast\", \"bytes\": [0, \"1k\"], \"algorithm\": \"chain\", \"segment\": 512},"
         "{\"collective\": \"bcast\", \"bytes\": [\"4k\", \"8k\"], \"algorithm\": \"binary\"}",
         "native");
    assert_string_equal(chosen(VC_BCAST, 0), "binomial");
    assert_string_equal(chosen(VC_BCAST, 64), "binomial");
    assert_string_equal(chosen(VC_BCAST, 65), "chain:segment=512");
    assert_string_equal(chosen(VC_BCAST, 1024), "chain:segment=512");
    assert_string_equal(chosen(VC_BCAST, 1025), "native");
    assert_string_equal(chosen(VC_BCAST, 4095), "native");
    assert_string_equal(chosen(VC_BCAST, 4096), "binary");
    assert_string_equal(chosen(VC_BCAST, 8192), "binary");
    assert_string_equal(chosen(VC_BCAST, SIZE_MAX), "native");
    assert_string_equal(chosen(VC_ALLREDUCE, 8), "native");
}

/* A key each: the row is taken where it holds, and is not where it does not. */
static void every_key(void **state)
{
    static const struct {
        const char *keys;
        struct vc_topo_key no; /* only what differs from `usual` */
        const char *why;
    } rows[] = {
        {"\"ranks\": [3, 5]", {.size = 6}, "ranks is 6, the row wants 3..5"},
        {"\"ranks\": [null, 4]", {.size = 6}, "ranks is 6"},
        {"\"nodes\": 2", {.nnodes = 3}, "nodes is 3, the row wants 2"},
        {"\"ppn\": [1, 2]", {.max_ppn = 3}, "ppn is 3"},
        {"\"platform\": [\"native\", \"software\"]",
         {.platform = VC_PLATFORM_SRIOV_VF},
         "platform is sriov-vf"},
        {"\"platform\": \"software\"", {.platform = -1}, "platform is mixed"},
        {"\"device\": \"rxe\"", {.device = "mlx5"}, "device is \"mlx5\""},
        {"\"network\": \"verbs\"", {.have_verbs = false, .nnodes = -1}, "network is mpi"},
        {"\"shared_hosts\": false", {.hosts_shared = true}, "shared_hosts is true"},
        {"\"crowded\": false", {.crowded = true}, "crowded is true"},
        {"\"bulk_slots\": true", {.have_bulk = false, .nnodes = -2}, "bulk_slots is false"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char row[256];
        const struct vc_topo_key *no = &rows[i].no;
        snprintf(row, sizeof row, "{\"collective\": \"bcast\", %s, \"algorithm\": \"chain\"}", rows[i].keys);
        load(row, "native");
        key = usual;
        assert_string_equal(chosen(VC_BCAST, 8), "chain");
        key.size = no->size ? no->size : key.size;
        key.nnodes = no->nnodes > 0 ? no->nnodes : key.nnodes;
        key.max_ppn = no->max_ppn ? no->max_ppn : key.max_ppn;
        key.platform = no->platform ? no->platform : key.platform;
        key.crowded = no->crowded;
        key.hosts_shared = no->hosts_shared;
        key.have_verbs = no->nnodes != -1;
        key.have_bulk = no->nnodes != -2;
        if (no->device[0])
            memcpy(key.device, no->device, sizeof key.device);
        if (strcmp(chosen(VC_BCAST, 8), "native") != 0)
            fail_msg("%s holds where it must not", rows[i].keys);
    }
    load("{\"collective\": \"allreduce\", \"operator\": \"other\", \"algorithm\": \"rabenseifner\"}",
         "native");
    key = usual;
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, true), "native");
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, false), "rabenseifner");
}

static void passed_over(void **state)
{
    (void)state;
    load("{\"collective\": \"allreduce\", \"algorithm\": \"ring\"},"
         "{\"collective\": \"bcast\", \"algorithm\": \"shm\"},"
         "{\"collective\": \"alltoall\", \"algorithm\": \"pairwise\", \"channel\": \"verbs\"},"
         "{\"collective\": \"alltoall\", \"algorithm\": \"bruck\", \"channel\": \"mpi\"}",
         "native");
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, true), "ring");
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, false), "native"); /* needs a commutative operator */
    assert_string_equal(chosen(VC_BCAST, 8), "native");               /* two nodes */
    assert_string_equal(chosen(VC_ALLTOALL, 8), "pairwise:channel=verbs");
    key.have_verbs = false;
    assert_string_equal(chosen(VC_ALLTOALL, 8), "bruck:channel=mpi");
    key.no_mpi = true;
    assert_string_equal(chosen(VC_ALLTOALL, 8), "native");
    key.have_chan = false;
    assert_string_equal(chosen(VC_ALLREDUCE, 8), "native");
    key.nnodes = 1;
    key.max_ppn = 4;
    assert_string_equal(chosen(VC_BCAST, 8), "shm");
}

static void builtin_hands_on(void **state)
{
    char without[VC_CHOICE_TEXT];
    (void)state;
    load("{\"collective\": \"bcast\", \"bytes\": [0, 64], \"algorithm\": \"chain\"},"
         "{\"collective\": \"bcast\", \"bytes\": [65, 100], \"algorithm\": \"builtin\"},"
         "{\"collective\": \"bcast\", \"bytes\": [0, 1000], \"algorithm\": \"binary\"}",
         "native");
    struct vc_table *own = table;
    table = NULL;
    snprintf(without, sizeof without, "%s", chosen(VC_BCAST, 80));
    table = own;
    assert_string_equal(chosen(VC_BCAST, 64), "chain");
    assert_string_equal(chosen(VC_BCAST, 65), without);
    assert_string_equal(chosen(VC_BCAST, 100), without);
    assert_string_equal(chosen(VC_BCAST, 101), "binary");
    assert_string_equal(chosen(VC_BCAST, 1001), "native");
    assert_string_equal(without, "two_level");
    load("", "builtin");
    assert_string_equal(chosen(VC_BCAST, 1 << 20), "two_level_scatter_allgather");
    /* A message one way over a device made of software is not faster than the MPI's own over sockets. */
    key.size = 2;
    key.max_ppn = 1;
    key.have_node = false;
    assert_string_equal(chosen(VC_BCAST, 8), "native");
    key.device[0] = '\0';
    assert_string_not_equal(chosen(VC_BCAST, 8), "native");
}

/* Where nodes share the memory of their hosts, the built-in rules have a level for hosts, whatever lies
 * between them and also with one rank a node. Operators that do not commute have none. */
static void levels_of_hosts(void **state)
{
    (void)state;
    static const enum vc_coll colls[] = {VC_BARRIER, VC_BCAST, VC_REDUCE, VC_ALLREDUCE};
    load("", "builtin");
    key.size = 8;
    key.nnodes = 4;
    for (int ppn = 1; ppn <= 2; ppn++)
        for (int verbs = 0; verbs < 2; verbs++)
            for (size_t i = 0; i < sizeof colls / sizeof *colls; i++) {
                key.max_ppn = ppn;
                key.nnodes = 8 / ppn;
                key.have_node = ppn > 1;
                key.have_verbs = verbs;
                key.hosts_shared = true;
                assert_string_equal(chosen(colls[i], 8), "three_level");
                key.hosts_shared = false;
                assert_string_not_equal(chosen(colls[i], 8), "three_level");
            }
    key.hosts_shared = true;
    assert_string_not_equal(choice_of(VC_ALLREDUCE, 8, false), "three_level");
}

/* Reductions follow only rows that do not look at places, and algorithms that do not either. */
static void reproducible(void **state)
{
    (void)state;
    load("{\"collective\": [\"allreduce\", \"bcast\"], \"nodes\": 2, \"algorithm\": \"two_level\"},"
         "{\"collective\": [\"allreduce\"], \"nodes\": [1, null], \"bytes\": [0, 64], \"algorithm\": "
         "\"two_level\"},"
         "{\"collective\": [\"allreduce\"], \"ranks\": 4, \"algorithm\": \"rabenseifner\"}",
         "native");
    assert_string_equal(chosen(VC_ALLREDUCE, 8), "two_level");
    key.reproducible = true;
    assert_string_equal(chosen(VC_ALLREDUCE, 8), "rabenseifner");
    assert_string_equal(chosen(VC_BCAST, 8), "two_level");
}

static void settings_come_first(void **state)
{
    (void)state;
    load("{\"collective\": \"allreduce\", \"bytes\": [0, 64], \"algorithm\": \"rabenseifner\"}", "native");
    assert_int_equal(vc_choice_parse(VC_ALLREDUCE, "ring:wait=event", &params.alg[VC_ALLREDUCE]), VC_OK);
    assert_int_equal(vc_choice_parse(VC_BCAST, "shm", &params.alg[VC_BCAST]), VC_OK);
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, true), "ring:wait=event");
    assert_string_equal(choice_of(VC_ALLREDUCE, 8, false),
                        "rabenseifner");                /* what it refuses, the table decides */
    assert_string_equal(chosen(VC_BCAST, 8), "native"); /* two nodes */
}

static void spare(void **state)
{
    (void)state;
    load("{\"collective\": \"reduce\", \"algorithm\": \"binomial\"},"
         "{\"collective\": \"reduce\", \"nodes\": 2, \"algorithm\": \"rabenseifner\"},"
         "{\"collective\": \"reduce\", \"ranks\": 5, \"algorithm\": \"rabenseifner\", \"wait\": \"poll\"},"
         "{\"collective\": \"reduce\", \"algorithm\": \"chain\", \"segment\": 64}",
         "native");
    chosen(VC_REDUCE, 8);
    assert_string_equal(sel.spare[VC_REDUCE].alg->name, "chain");
    assert_int_equal(sel.spare[VC_REDUCE].segment, 64);
    assert_string_equal(sel.spare[VC_ALLREDUCE].alg->name, "recursive_doubling"); /* of the built-in rules */
    key.have_chan = false;
    chosen(VC_REDUCE, 8);
    assert_null(sel.spare[VC_REDUCE].alg);
}

static void force(enum vc_coll coll, const char *text, int want, const char *part)
{
    struct vc_choice c;
    assert_int_equal(vc_choice_parse(coll, text, &c), VC_OK);
    assert_int_equal(vc_select_force(&sel, &key, coll, &c), want);
    if (want != VC_OK && !strstr(vc_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", vc_error_text(), part);
}

static const char *now(enum vc_coll coll, size_t bytes, bool commutative)
{
    static char text[VC_CHOICE_TEXT];
    return vc_choice_format(vc_select(&sel, coll, bytes, commutative), text, sizeof text);
}

static void forcing(void **state)
{
    struct vc_choice any = {.alg = vc_alg_find(VC_BCAST, "native")};
    (void)state;
    assert_int_equal(vc_select_force(&sel, &key, VC_BCAST, &any), VC_ERR_INVAL); /* nothing selected yet */
    load("{\"collective\": \"allreduce\", \"bytes\": [0, 64], \"algorithm\": \"rabenseifner\"},"
         "{\"collective\": \"allreduce\", \"bytes\": [65, 128], \"algorithm\": \"two_level\"}",
         "native");
    chosen(VC_ALLREDUCE, 8);
    force(VC_ALLREDUCE, "ring:wait=poll", VC_OK, "");
    for (size_t b = 0; b < 200; b += 20)
        assert_string_equal(now(VC_ALLREDUCE, b, true), "ring:wait=poll");
    assert_string_equal(now(VC_ALLREDUCE, SIZE_MAX, true), "ring:wait=poll");
    assert_string_equal(now(VC_ALLREDUCE, 8, false), "rabenseifner");
    assert_string_equal(now(VC_ALLREDUCE, 100, false), "two_level");
    assert_string_equal(now(VC_ALLREDUCE, 1000, false), "native");
    assert_string_equal(now(VC_BCAST, 8, true), "native"); /* the others stay */
    force(VC_ALLTOALL, "pairwise", VC_OK, "");
    force(VC_ALLREDUCE, "shm", VC_ERR_INVAL, "cannot run on 4 ranks of 2 nodes: all ranks must share");
    assert_string_equal(now(VC_ALLREDUCE, 8, true), "ring:wait=poll");
    force(VC_ALLREDUCE, "two_level", VC_OK, ""); /* one after another */
    assert_string_equal(now(VC_ALLREDUCE, 8, false), "two_level");
    force(VC_ALLREDUCE, "auto", VC_OK, "");
    assert_string_equal(now(VC_ALLREDUCE, 8, true), "rabenseifner");
    assert_string_equal(now(VC_ALLREDUCE, 100, true), "two_level");
    assert_string_equal(now(VC_ALLREDUCE, 129, true), "native");
    assert_string_equal(now(VC_ALLTOALL, 8, true), "pairwise");
    assert_int_equal(vc_select_force(&sel, &key, VC_ALLTOALL, NULL), VC_OK);
    assert_string_equal(now(VC_ALLTOALL, 8, true), "native");
    vc_select_free(&sel);
    vc_select_free(&sel);
}

static void refusing(void **state)
{
    struct vc_select_call call = {.coll = VC_ALLREDUCE, .bytes = 8, .esize = 8, .commutative = false};
    struct vc_choice c = {.alg = vc_alg_find(VC_ALLREDUCE, "ring")};
    (void)state;
    assert_string_equal(vc_select_refuses(&key, &call, &c), "commutative operators only");
    call.commutative = true;
    assert_null(vc_select_refuses(&key, &call, &c));
    call.coll = VC_BCAST;
    assert_non_null(vc_select_refuses(&key, &call, &c)); /* of another collective */
    c.alg = NULL;
    assert_non_null(vc_select_refuses(&key, &call, &c));
    c.alg = vc_alg_find(VC_BCAST, "native");
    assert_null(vc_select_refuses(&key, &call, &c));
    call.coll = VC_ALLGATHER;
    c.alg = vc_alg_find(VC_ALLGATHER, "two_level_multi");
    assert_null(vc_select_refuses(&key, &call, &c));
    key.size = 3; /* two and one */
    assert_non_null(vc_select_refuses(&key, &call, &c));
}

/* ---- explaining ---- */

struct told {
    char text[4096];
    const struct vc_row *taken;
};

static void tell(void *arg, const struct vc_table *of, const struct vc_row *r, const char *why_not)
{
    struct told *t = arg;
    size_t used = strlen(t->text);
    snprintf(t->text + used, sizeof t->text - used, "%s[%d]: %s\n", of->origin, r->index,
             why_not ? why_not : "taken");
    assert_null(t->taken);
    if (!why_not)
        t->taken = r;
}

static const char *explained(enum vc_coll coll, size_t bytes, bool commutative)
{
    static struct told t;
    struct vc_select_call call = {.coll = coll, .bytes = bytes, .esize = 1, .commutative = commutative};
    memset(&t, 0, sizeof t);
    vc_select_explain(&key, &params, table, &call, tell, &t);
    /* What is explained is what runs. */
    choice_of(coll, bytes, commutative);
    assert_non_null(t.taken);
    assert_true(vc_choice_same(&t.taken->choice, vc_select(&sel, coll, bytes, commutative)));
    return t.text;
}

static void explaining(void **state)
{
    (void)state;
    load(
        "{\"collective\": \"bcast\", \"ranks\": [5, null], \"algorithm\": \"chain\"},"
        "{\"collective\": \"reduce\", \"algorithm\": \"chain\"},"
        "{\"collective\": \"bcast\", \"bytes\": [\"64k\", null], \"algorithm\": \"chain\"},"
        "{\"collective\": \"bcast\", \"algorithm\": \"shm\"},"
        "{\"collective\": \"bcast\", \"platform\": \"native\", \"algorithm\": \"chain\", \"wait\": \"poll\"}",
        "native");
    assert_string_equal(explained(VC_BCAST, 8, true), "t[0]: ranks is 4, the row wants 5 or more\n"
                                                      "t[2]: 8 bytes, the row wants 64k or more\n"
                                                      "t[3]: all ranks must share one node's memory\n"
                                                      "t[4]: platform is software\n"
                                                      "t[5]: taken\n");
    load("{\"collective\": \"allreduce\", \"operator\": \"other\", \"algorithm\": \"rabenseifner\"},"
         "{\"collective\": \"allreduce\", \"nodes\": 2, \"algorithm\": \"two_level\"}",
         "builtin");
    assert_string_equal(explained(VC_ALLREDUCE, 8, false), "t[0]: taken\n");
    assert_string_equal(explained(VC_ALLREDUCE, 8, true), "t[0]: the operator is commutative\nt[1]: taken\n");
    key.reproducible = true;
    const char *text = explained(VC_ALLREDUCE, 8, true);
    assert_non_null(strstr(text, "t[1]: the row looks at where ranks are, and VCOLL_REPRODUCIBLE is set\n"
                                 "t[2]: the row hands the call to the built-in rules\nbuilt-in["));
    assert_int_equal(vc_choice_parse(VC_ALLREDUCE, "ring", &params.alg[VC_ALLREDUCE]), VC_OK);
    assert_string_equal(explained(VC_ALLREDUCE, 8, true), "VCOLL_ALG[-1]: taken\n");
    text = explained(VC_ALLREDUCE, 8, false);
    assert_int_equal(strncmp(text, "VCOLL_ALG[-1]: commutative operators only\nt[0]: taken\n", strlen(text)),
                     0);
}

/* The walk for one call and the resolved rules say the same, of the built-in rules too. */
static void both_ways_agree(void **state)
{
    (void)state;
    for (int size = 2; size <= 9; size++)
        for (int ppn = 1; ppn <= size; ppn++)
            for (int flags = 0; flags < 64; flags++) {
                key = usual;
                key.size = size;
                key.nnodes = (size + ppn - 1) / ppn;
                key.max_ppn = ppn;
                key.have_node = ppn > 1;
                key.have_cma = flags & 1;
                key.have_bulk = flags & 2;
                key.have_chan = flags & 4;
                key.have_verbs = flags & 8;
                key.reproducible = flags & 16;
                key.hosts_shared = flags & 32;
                for (int c = 0; c < VC_COLL_COUNT; c++)
                    for (size_t b = 0; b < (size_t)64 << 20; b = b ? b * 8 : 1)
                        explained((enum vc_coll)c, b, flags & 1);
            }
}

/* Communicators on which a plan would be too long: another row's, then native; on all ranks, from the shape.
 */
static void long_plans(void **state)
{
    (void)state;
    static const int shapes[][2] = {{2, 176}, {4, 128}, {32, 128}, {8, 256}, {1024, 16}, {4096, 1}, {1, 256}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int flags = 0; flags < 4; flags++) {
            key.nnodes = shapes[i][0];
            key.max_ppn = shapes[i][1];
            key.size = key.nnodes * key.max_ppn;
            key.have_verbs = flags & 1;
            for (int c = 0; c < VC_COLL_COUNT; c++)
                for (size_t b = 0; b < (size_t)64 << 20; b = b ? b * 8 : 8) {
                    struct vc_select_call call = {(enum vc_coll)c, b, 8, flags & 2};
                    explained((enum vc_coll)c, b, flags & 2);
                    const char *why =
                        vc_select_refuses(&key, &call, vc_select(&sel, (enum vc_coll)c, b, flags & 2));
                    if (why && strstr(why, "plan"))
                        fail_msg("%s of %zu bytes at %dx%d: %s", vc_coll_name((enum vc_coll)c), b,
                                 shapes[i][0], shapes[i][1], why);
                    if (sel.spare[c].alg && vc_select_refuses(&key, &call, &sel.spare[c]))
                        fail_msg("spare of %s", vc_coll_name((enum vc_coll)c));
                }
        }
    key = usual;
    key.nnodes = 32;
    key.max_ppn = 128;
    key.size = 4096;
    assert_string_equal(chosen(VC_ALLTOALL, 8), "native");
    assert_string_equal(chosen(VC_ALLTOALL, 1 << 20), "native");
    assert_int_equal(sel.too_long[VC_ALLTOALL], 0);
    assert_string_equal(chosen(VC_ALLREDUCE, 8), "two_level:radix=4");
    /* What is made part by part is never too long. */
    assert_int_equal(vc_choice_parse(VC_ALLTOALL, "pairwise", &params.alg[VC_ALLTOALL]), VC_OK);
    assert_string_equal(chosen(VC_ALLTOALL, 8), "pairwise");
    assert_int_equal(sel.too_long[VC_ALLTOALL], 0);
    assert_int_equal(vc_choice_parse(VC_ALLTOALL, "two_level", &params.alg[VC_ALLTOALL]), VC_OK);
    assert_string_equal(chosen(VC_ALLTOALL, 8), "native");
    assert_int_equal(sel.too_long[VC_ALLTOALL], 508029);
    const char *text = explained(VC_ALLTOALL, 8, true);
    if (!strstr(
            text,
            "VCOLL_ALG[-1]: its plan would have 508029 steps here, and none of more than 4096 is built\n"))
        fail_msg("%s", text);
    key.nnodes = 4;
    key.size = 512;
    memset(&params, 0, sizeof params);
    assert_string_equal(chosen(VC_ALLTOALL, 8), "two_level_multi_bruck:radix=4");
}

static void devices(void **state)
{
    static const char text[] =
        "{\"vcoll_table\": 1, \"rules\": [{\"algorithm\": \"native\"}], \"devices\": ["
        "{\"device\": \"mlx5\", \"cq_moderation\": {\"latency\": [1, 1], \"bulk\": [2, 2]}},"
        "{\"platform\": \"software\", \"coalescing\": {\"rx-usecs\": 0}}]}";
    (void)state;
    assert_int_equal(vc_table_parse(text, strlen(text), "t", &table), VC_OK);
    assert_int_equal(vc_table_device(table, &key)->index, 1);
    snprintf(key.device, sizeof key.device, "mlx5");
    assert_int_equal(vc_table_device(table, &key)->index, 0);
    snprintf(key.device, sizeof key.device, "mlx5_core"); /* what the kernel calls it */
    assert_int_equal(vc_table_device(table, &key)->index, 0);
    assert_true(vc_device_same("mlx5_core", "mlx5") && vc_device_same("mlx5_core", "mlx5_core"));
    assert_false(vc_device_same("mlx4_core", "mlx5") || vc_device_same("mlx5", "mlx5_co") ||
                 vc_device_same("_core", ""));
    key.platform = -1;
    key.device[0] = '\0';
    assert_null(vc_table_device(table, &key));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_match_wins), TEST(every_key),           TEST(passed_over),     TEST(builtin_hands_on),
        TEST(reproducible),     TEST(settings_come_first), TEST(spare),           TEST(forcing),
        TEST(refusing),         TEST(explaining),          TEST(both_ways_agree), TEST(long_plans),
        TEST(devices),          TEST(levels_of_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
