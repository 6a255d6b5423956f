/* SPDX-License-Identifier: BSD-3-Clause */
/* The loader of tables: every case of table_cases.txt, what is too deep, too long or too much, and the
 * schema's names. */
#include "tune/params/params.h"
#include "tune/table/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

static const char *directory; /* of the tests' sources */

static char *slurp(const char *name)
{
    char path[512], *text = NULL;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (vc_table_read(path, &text, &len) != VC_OK)
        fail_msg("%s", vc_error_text());
    return text;
}

/* One case: parses a copy without a NUL behind it, so that a step too far is seen. */
static bool check(const char *title, const char *expected, const char *text, size_t len)
{
    struct vc_table *t = NULL;
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    int err = vc_table_parse(copy, len, "t.json", &t);
    free(copy);
    char want[600] = "";
    if (expected)
        snprintf(want, sizeof want, "t.json:%s", expected);
    bool good = expected ? err == VC_ERR_INVAL && !t && strncmp(vc_error_text(), want, strlen(want)) == 0
                         : err == VC_OK && t;
    if (!good)
        print_error("%s:\n  wanted \"%s\"\n  got %d \"%s\"\n", title, want, err, err ? vc_error_text() : "");
    vc_table_free(t);
    return good;
}

static void cases(void **state)
{
    char *all = slurp("table_cases.txt"), *at = strstr(all, "\n#### ");
    int n = 0, wrong = 0;
    (void)state;
    while (at) {
        char *title = at + strlen("\n#### "), *text = strchr(title, '\n') + 1, *expected = NULL;
        text[-1] = '\0';
        if (strncmp(title, "good ", 5) != 0) {
            expected = text + strlen(">> ");
            assert_memory_equal(text, ">> ", 3);
            text = strchr(expected, '\n') + 1;
            text[-1] = '\0';
        }
        /* An empty table leaves nothing between its line and the next case's. */
        bool empty = strncmp(text, "#### ", 5) == 0;
        char *next = empty ? text - 1 : strstr(text, "\n#### ");
        size_t len = empty ? 0 : next ? (size_t)(next + 1 - text) : strlen(text);
        wrong += !check(title, expected, text, len);
        n++;
        at = next;
    }
    free(all);
    assert_true(n > 100);
    assert_int_equal(wrong, 0);
}

static void refused(const char *text, size_t len, const char *part)
{
    struct vc_table *t = NULL;
    assert_int_equal(vc_table_parse(text, len, "x", &t), VC_ERR_INVAL);
    assert_null(t);
    if (!strstr(vc_error_text(), part) || strncmp(vc_error_text(), "x:", 2) != 0)
        fail_msg("\"%s\" does not say \"%s\"", vc_error_text(), part);
}

static void too_deep(void **state)
{
    enum { DEEP = 100000 };
    char *text = malloc(DEEP);
    (void)state;
    assert_non_null(text);
    memset(text, '[', DEEP);
    refused(text, DEEP, "nest");
    static const char deeper[] = {'{', '"', 'a', '"', ':'};
    for (size_t i = 0; i < DEEP; i += sizeof deeper)
        memcpy(text + i, deeper, sizeof deeper);
    refused(text, DEEP, "nest");
    free(text);
}

static void too_long(void **state)
{
    (void)state;
    refused("{}", VC_TABLE_MAX + 1, "longer than");
}

/* `n` rows for so many sizes each, and the default. */
static char *long_table(int n)
{
    size_t room = (size_t)n * 100 + 200, used = 0;
    char *text = malloc(room);
    assert_non_null(text);
    used += (size_t)snprintf(text, room, "{\"vcoll_table\": 1, \"rules\": [\n");
    for (int i = 0; i < n - 1; i++)
        used +=
            (size_t)snprintf(text + used, room - used,
                             "{\"collective\": \"bcast\", \"bytes\": %d, \"algorithm\": \"chain\"},\n", i);
    snprintf(text + used, room - used, "{\"algorithm\": \"native\"}]}");
    return text;
}

/* As many rows as there may be are read in no time worth mentioning (the test's time-out is the bound). */
static void many_rows(void **state)
{
    struct vc_table *t = NULL;
    char *text = long_table(VC_TABLE_ROWS_MAX);
    (void)state;
    assert_int_equal(vc_table_parse(text, strlen(text), "x", &t), VC_OK);
    assert_int_equal(t->nrows, VC_TABLE_ROWS_MAX - 1 + VC_COLL_COUNT);
    vc_table_free(t);
    free(text);
    text = long_table(VC_TABLE_ROWS_MAX + 1);
    refused(text, strlen(text), "at most 5000");
    free(text);
}

/* jansson passes over a NUL behind a number, at which the search for a place once stood still for ever. */
static void nul_bytes(void **state)
{
    static const char text[] = "{\"vcoll_table\": 1,\n \"rules\": [{\"ranks\": 7\0, \"algorithm\": "
                               "\"shm\"}, {\"algorithm\": \"native\", \"what\": 1}]}";
    (void)state;
    refused(text, sizeof text - 1, "x:2:23: a NUL byte");
    refused("\0", 1, "x:1:1: a NUL byte");
}

/* Every prefix of a good table is broken, and says so without a crash. */
static void cut_anywhere(void **state)
{
    const char *text = vc_table_builtin_text();
    size_t len = strlen(text);
    (void)state;
    while (len && text[len - 1] != '}')
        len--;
    for (size_t n = 0; n < len; n += n < 300 || n + 100 > len ? 1 : 37) {
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        refused(copy, n, "x:");
        free(copy);
    }
}

static void what_rows_become(void **state)
{
    static const char text[] =
        "{\"vcoll_table\": 1, \"rules\": [{\"collective\": [\"bcast\", \"allreduce\"], \"ranks\": [2, null],"
        "\"nodes\": [null, 4], \"ppn\": 3, \"bytes\": [\"1k\", 4096], \"operator\": \"commutative\","
        "\"platform\": [\"software\", \"native\"], \"device\": \"rxe\", \"network\": \"verbs\", \"crowded\": "
        "true,"
        "\"algorithm\": \"two_level\", \"channel\": \"mpi\", \"wait\": \"hybrid\"}, {\"algorithm\": "
        "\"builtin\"}],"
        "\"devices\": [{\"device\": \"rxe\", \"cq_moderation\": {\"latency\": [1, 2], \"bulk\": [3, 4]},"
        "\"coalescing\": {\"rx-usecs\": 7, \"adaptive-rx\": true}}]}";
    struct vc_table *t = NULL;
    char choice[VC_CHOICE_TEXT];
    (void)state;
    assert_int_equal(vc_table_parse(text, strlen(text), "a/b.json", &t), VC_OK);
    assert_string_equal(t->origin, "a/b.json");
    assert_int_equal(t->nrows, 2 + VC_COLL_COUNT);
    const struct vc_row *r = &t->row[0];
    assert_int_equal(r->coll, VC_BCAST);
    assert_int_equal(r->commutative, VC_ANY); /* what has no operator */
    assert_int_equal(t->row[1].coll, VC_ALLREDUCE);
    assert_int_equal(t->row[1].commutative, VC_YES);
    assert_int_equal(t->row[1].index, 0);
    assert_true(r->keys.ranks.min == 2 && r->keys.ranks.max == UINT64_MAX);
    assert_true(r->keys.nodes.min == 1 && r->keys.nodes.max == 4);
    assert_true(r->keys.ppn.min == 3 && r->keys.ppn.max == 3);
    assert_true(r->bytes.min == 1024 && r->bytes.max == 4096);
    assert_int_equal(vc_row_bits(&r->keys, "platform"),
                     1u << VC_PLATFORM_NATIVE | 1u << VC_PLATFORM_SOFTWARE);
    assert_string_equal(r->keys.device, "rxe");
    assert_int_equal(vc_row_bits(&r->keys, "network"), VC_YES);
    assert_int_equal(vc_row_bits(&r->keys, "crowded"), VC_YES);
    assert_int_equal(vc_row_bits(&r->keys, "bulk_slots"), VC_ANY);
    assert_string_equal(vc_choice_format(&r->choice, choice, sizeof choice),
                        "two_level:channel=mpi:wait=hybrid");
    assert_true(r->placed);
    assert_true(t->row[7].builtin && !t->row[7].choice.alg && !t->row[7].placed && t->row[7].index == 1);
    assert_int_equal(t->ndevices, 1);
    const struct vc_device_row *d = &t->device[0];
    assert_true(d->cq.given && d->cq.latency.count == 1 && d->cq.latency.period == 2 &&
                d->cq.bulk.count == 3 && d->cq.bulk.period == 4);
    char what[128];
    assert_string_equal(vc_coalesce_text(&d->coalesce, what, sizeof what), "rx-usecs 7, adaptive-rx on");
    assert_false(t->has_model);
    vc_table_free(t);
    vc_table_free(NULL);
}

static void builtin_is_whole(void **state)
{
    const struct vc_table *t = vc_table_builtin();
    const char *text = vc_table_builtin_text();
    struct vc_table *again = NULL;
    (void)state;
    if (vc_table_parse(text, strlen(text), "builtin.json", &again) != VC_OK)
        fail_msg("%s", vc_error_text());
    assert_int_equal(t->nrows, again->nrows);
    assert_ptr_equal(t, vc_table_builtin());
    assert_string_equal(t->origin, "built-in");
    for (int i = 0; i < t->nrows; i++)
        assert_false(t->row[i].builtin); /* they would lead back to themselves */
    assert_true(t->nrows > 60);
    vc_table_free(again);
}

/* The names in the schema are those of the registry. */
static void schema_names(void **state)
{
    char *text = slurp("../../tune/schema/vcoll-table-1.schema.json");
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *words, *word;
    size_t i;
    (void)state;
    assert_non_null(schema);
    assert_int_equal(json_unpack(schema, "{s:{s:{s:{s:{s:o}}}}}", "$defs", "rule", "properties", "algorithm",
                                 "enum", &words),
                     0);
    json_array_foreach(words, i, word)
    {
        bool known = strcmp(json_string_value(word), "builtin") == 0;
        for (int c = 0; c < VC_COLL_COUNT; c++)
            known |= vc_alg_find((enum vc_coll)c, json_string_value(word)) != NULL;
        if (!known)
            fail_msg("the schema has an algorithm \"%s\"", json_string_value(word));
    }
    for (int c = 0; c < VC_COLL_COUNT; c++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
            bool listed = false;
            json_array_foreach(words, i, word) listed |= strcmp(json_string_value(word), (*a)->name) == 0;
            if (!listed)
                fail_msg("the schema lacks the algorithm \"%s\"", (*a)->name);
        }
    json_decref(schema);
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases),
        cmocka_unit_test(too_deep),
        cmocka_unit_test(too_long),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(what_rows_become),
        cmocka_unit_test(builtin_is_whole),
        cmocka_unit_test(schema_names),
    };
    if (argc != 2)
        return 2;
    directory = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
