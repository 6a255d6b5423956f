/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables as text and as files: checksum, what is broadcast, the model written and read, where tables are
 * found. */
#include "tune/table/table.h"

#include <jansson.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static const char full[] =
    "{\"vcoll_table\": 1, \"provenance\": {\"a\": 1}, \"measured\": [{\"collective\": \"bcast\", \"bytes\": "
    "8,"
    "\"candidates\": []}], \"moderation\": [], \"model\": {\"wake\": 5e-5}, \"devices\": [{\"nodes\": 2, "
    "\"measured\":"
    " {}}],\n \"rules\": [{\"collective\": \"bcast\", \"algorithm\": \"chain\", \"measured\": {\"x\": 1}},"
    "{\"algorithm\": \"native\", \"measured\": {}}]}";

static struct vc_table *parsed(const char *text)
{
    struct vc_table *t = NULL;
    if (vc_table_parse(text, strlen(text), "x", &t) != VC_OK)
        fail_msg("%s", vc_error_text());
    return t;
}

static void checksum(void **state)
{
    (void)state;
    assert_true(vc_table_checksum("") == 0xcbf29ce484222325u);
    assert_true(vc_table_checksum("foobar") == 0x85944171f73967e8u); /* of FNV's own test vectors */
    char *a = vc_table_canonical(full, strlen(full));
    struct vc_table *t = parsed(full);
    assert_true(t->checksum == vc_table_checksum(a));
    assert_null(strchr(a, '\n'));
    assert_non_null(strstr(a, "\"collective\":\"bcast\"")); /* white space is no part of it */
    /* A checksum is none of its own; the order of keys and white space do not count. */
    char with[sizeof full + 100];
    snprintf(with, sizeof with, "{ \"checksum\": \"fnv1a64:%016" PRIx64 "\", %s", t->checksum, full + 1);
    struct vc_table *again = parsed(with);
    assert_true(again->checksum == t->checksum);
    vc_table_free(again);
    vc_table_free(t);
    /* Any change of the contents does. */
    char *nine = strstr(with, "5e-5");
    assert_non_null(nine);
    *nine = '6';
    assert_int_equal(vc_table_parse(with, strlen(with), "x", &t), VC_ERR_INVAL);
    assert_non_null(strstr(vc_error_text(), "checksum"));
    free(a);
    assert_null(vc_table_canonical("{", 1));
    assert_null(vc_table_canonical("[]", 2));
}

static void strip(void **state)
{
    (void)state;
    char *s = vc_table_strip(full, strlen(full));
    assert_string_equal(
        s, "{\"devices\":[{\"nodes\":2}],\"rules\":[{\"algorithm\":\"chain\",\"collective\":\"bcast\"},"
           "{\"algorithm\":\"native\"}],\"vcoll_table\":1}");
    struct vc_table *a = parsed(full), *b = parsed(s);
    assert_int_equal(a->nrows, b->nrows);
    assert_memory_equal(a->row, b->row, (size_t)a->nrows * sizeof *a->row);
    assert_int_equal(a->ndevices, b->ndevices);
    assert_true(a->has_model && !b->has_model);
    vc_table_free(a);
    vc_table_free(b);
    char *again = vc_table_strip(s, strlen(s));
    assert_string_equal(s, again);
    free(again);
    free(s);
    assert_null(vc_table_strip("{\"a\": 1, \"a\": 2}", 16));
    /* What the parser refuses is not for the stripper to crash on. */
    static const char *const odd[] = {"{}", "{\"rules\": 3}", "{\"rules\": [1, [], null]}",
                                      "{\"devices\": {\"a\": 1}}"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        s = vc_table_strip(odd[i], strlen(odd[i]));
        assert_non_null(s);
        free(s);
    }
}

/* What is written is read again the same, and stripped of how it came about alone. */
static void levels(void **state)
{
    (void)state;
    static const char text[] =
        "{\"vcoll_table\": 1, \"rules\": [{\"algorithm\": \"native\"}], \"levels\": {\"processor\": \"P 9\", "
        "\"cpus\": 16, \"platform\": \"software\", \"over\": \"0-7,12\", \"cache\": [\"0-3\", \"4-7,12\"], "
        "\"measured\": {\"when\": 1}}}";
    char *s = vc_table_strip(text, strlen(text));
    assert_null(strstr(s, "when"));
    struct vc_table *a = parsed(text), *b = parsed(s);
    assert_non_null(a->levels);
    assert_string_equal(a->levels->processor, "P 9");
    assert_int_equal(a->levels->cpus, 16);
    assert_int_equal(a->levels->platform, VC_PLATFORM_SOFTWARE);
    assert_int_equal(a->levels->map.unit[VC_UNIT_CACHE][3], 0);
    assert_int_equal(a->levels->map.unit[VC_UNIT_CACHE][12], 1);
    assert_int_equal(a->levels->map.unit[VC_UNIT_CACHE][8], -1);
    assert_int_equal(a->levels->map.unit[VC_UNIT_NUMA][3], -1);
    assert_memory_equal(a->levels, b->levels, sizeof *a->levels);
    json_t *again = vc_levels_to_json(a->levels),
           *same = json_pack("{s:s, s:i, s:s, s:s, s:[s, s]}", "processor", "P 9", "cpus", 16, "platform",
                             "software", "over", "0-7,12", "cache", "0-3", "4-7,12");
    assert_true(json_equal(again, same));
    json_decref(again);
    json_decref(same);
    assert_true(vc_levels_machine("P 9", 16) != vc_levels_machine("P 9", 8));
    assert_true(vc_levels_machine("P 9", 16) != vc_levels_machine("P 8", 16));
    vc_table_free(a);
    vc_table_free(b);
    free(s);
}

static void model(void **state)
{
    struct vc_model m = {.wake = 5e-5,
                         .steal = 0.125,
                         .cpus_per_rank = 0.5,
                         .switch_cost = 1.5e-6,
                         .moderation = NAN,
                         .noise = {.n = 2, .detour = {{250, 5e-6}, {2, 0.004}}}};
    (void)state;
    m.link[VC_WAY_WIRE] = (struct vc_model_link){.known = true,
                                                 .latency = 1.25e-5,
                                                 .overhead = 3e-7,
                                                 .sharing = VC_EQUALLY,
                                                 .rendezvous = 8192,
                                                 .near_nodes = 16,
                                                 .near_latency = 1e-6,
                                                 .npoints = 2,
                                                 .point = {{8, 1e-6}, {65536, 1e-4}}};
    m.node =
        (struct vc_model_node){.known = true, .base = 1e-7, .flag = 2e-7, .copy = 1e-10, .reduce = 3e-10};
    json_t *root = json_pack("{s:i, s:[{s:s}], s:o}", "vcoll_table", 1, "rules", "algorithm", "native",
                             "model", vc_model_to_json(&m));
    assert_non_null(root);
    char *text = json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    struct vc_table *t = parsed(text);
    assert_true(t->has_model);
    assert_true(t->model.link[VC_WAY_WIRE].known && !t->model.link[VC_WAY_SHM].known);
    assert_int_equal(t->model.link[VC_WAY_WIRE].npoints, 2);
    assert_true(t->model.link[VC_WAY_WIRE].point[1].bytes == 65536 &&
                t->model.link[VC_WAY_WIRE].point[1].gap == 1e-4);
    assert_true(t->model.link[VC_WAY_WIRE].latency == 1.25e-5 && t->model.link[VC_WAY_WIRE].overhead == 3e-7);
    assert_true(t->model.link[VC_WAY_WIRE].sharing == VC_EQUALLY &&
                t->model.link[VC_WAY_WIRE].rendezvous == 8192);
    assert_true(t->model.link[VC_WAY_WIRE].near_nodes == 16 &&
                t->model.link[VC_WAY_WIRE].near_latency == 1e-6);
    assert_memory_equal(&t->model.node, &m.node, sizeof m.node);
    assert_int_equal(t->model.noise.n, 2);
    assert_memory_equal(t->model.noise.detour, m.noise.detour, sizeof m.noise.detour);
    assert_true(t->model.wake == 5e-5 && t->model.steal == 0.125 && t->model.cpus_per_rank == 0.5 &&
                t->model.switch_cost == 1.5e-6 && t->model.moderation == 0);
    vc_table_free(t);
    free(text);
    t = parsed("{\"vcoll_table\": 1, \"model\": {}, \"rules\": [{\"algorithm\": \"native\"}]}");
    assert_true(t->has_model && t->model.cpus_per_rank == 1 && t->model.wake == 0);
    vc_table_free(t);
}

/* ---- files ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *in(const char *name)
{
    static char path[2][256];
    static int which;
    which = !which;
    snprintf(path[which], sizeof path[which], "%s/%s", dir, name);
    return path[which];
}

static void read_refused(const char *path, int err, const char *part)
{
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(vc_table_read(path, &text, &len), err);
    assert_null(text);
    if (!strstr(vc_error_text(), part) || !strstr(vc_error_text(), path))
        fail_msg("\"%s\" does not say \"%s\"", vc_error_text(), part);
}

static void reading(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    write_file(in("a"), "hello");
    assert_int_equal(vc_table_read(in("a"), &text, &len), VC_OK);
    assert_int_equal(len, 5);
    assert_string_equal(text, "hello");
    free(text);
    read_refused(in("none"), VC_ERR_SYS, "No such file");
    read_refused(dir, VC_ERR_INVAL, "a directory");
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    read_refused(in("pipe"), VC_ERR_INVAL, "a pipe"); /* and does not wait for who writes it */
    read_refused("/dev/zero", VC_ERR_INVAL, "a device");
    /* A gigabyte of nothing is refused by its length. */
    write_file(in("huge"), "{");
    assert_int_equal(truncate(in("huge"), 1 << 30), 0);
    read_refused(in("huge"), VC_ERR_INVAL, "at most 67108864");
    if (geteuid() != 0) { /* who may do anything may read this, too */
        assert_int_equal(chmod(in("a"), 0), 0);
        read_refused(in("a"), VC_ERR_SYS, "Permission denied");
    }
}

static void finding(void **state)
{
    char path[256] = "?", small[8];
    (void)state;
    assert_int_equal(vc_table_locate("none", path, sizeof path), VC_OK);
    assert_string_equal(path, "");
    write_file(in("t.json"), "{}");
    assert_int_equal(vc_table_locate(in("t.json"), path, sizeof path), VC_OK);
    assert_string_equal(path, in("t.json"));
    assert_int_equal(vc_table_locate(in("gone"), path, sizeof path), VC_ERR_INVAL);
    assert_non_null(strstr(vc_error_text(), "VCOLL_TABLE="));
    assert_int_equal(vc_table_locate(in("t.json"), small, sizeof small), VC_ERR_INVAL);

    /* The user's comes first; a relative XDG folder counts as none. */
    assert_int_equal(mkdir(in("vcoll"), 0700), 0);
    assert_int_equal(mkdir(in(".config"), 0700), 0);
    assert_int_equal(mkdir(in(".config/vcoll"), 0700), 0);
    write_file(in("vcoll/table.json"), "{}");
    write_file(in(".config/vcoll/table.json"), "{}");
    setenv("XDG_CONFIG_HOME", dir, 1);
    setenv("HOME", dir, 1);
    assert_int_equal(vc_table_locate("auto", path, sizeof path), VC_OK);
    assert_string_equal(path, in("vcoll/table.json"));
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_int_equal(vc_table_locate("", path, sizeof path), VC_OK);
    assert_string_equal(path, in(".config/vcoll/table.json"));
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(vc_table_locate("auto", path, sizeof path), VC_OK);
    assert_string_equal(path, in(".config/vcoll/table.json"));
    /* None of the user's: the system's, the installed one or none, but never a failure. */
    assert_int_equal(unlink(in(".config/vcoll/table.json")), 0);
    assert_int_equal(vc_table_locate("auto", path, sizeof path), VC_OK);
    assert_null(strstr(path, dir));
}

/* A program that stands in bin/ finds what was installed beside it, wherever that is. */
static void installed(void **state)
{
    char copy[128], line[600], path[256] = "";
    (void)state;
    if (access("/etc/vcoll/table.json", F_OK) == 0)
        skip(); /* this system's comes first */
    assert_int_equal(mkdir(in("bin"), 0700), 0);
    assert_int_equal(mkdir(in("share"), 0700), 0);
    assert_int_equal(mkdir(in("share/vcoll"), 0700), 0);
    write_file(in("share/vcoll/table.json"), "{}");
    snprintf(copy, sizeof copy, "%s/bin/program", dir);
    snprintf(line, sizeof line, "cp /proc/%d/exe %s && HOME=%s XDG_CONFIG_HOME=%s %s --locate", (int)getpid(),
             copy, dir, dir, copy);
    assert_int_equal(remove(in("vcoll/table.json")), 0);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    assert_non_null(fgets(path, sizeof path, f));
    assert_int_equal(pclose(f), 0);
    char *found = realpath(path, NULL), *want = realpath(in("share/vcoll/table.json"), NULL);
    if (!found || strcmp(found, want) != 0)
        fail_msg("found \"%s\"", path);
    free(found);
    free(want);
}

static int locate(void)
{
    char path[256];
    if (vc_table_locate("auto", path, sizeof path) != VC_OK)
        return 1;
    printf("%s", path);
    return 0;
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/vcoll-table.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
    static const char *const files[] = {"a",
                                        "pipe",
                                        "huge",
                                        "t.json",
                                        "vcoll/table.json",
                                        ".config/vcoll/table.json",
                                        ".config/vcoll",
                                        ".config",
                                        "vcoll",
                                        "bin/program",
                                        "bin",
                                        "share/vcoll/table.json",
                                        "share/vcoll",
                                        "share"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        remove(in(files[i]));
    return rmdir(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum),  cmocka_unit_test(strip),   cmocka_unit_test(model),
        cmocka_unit_test(levels),    cmocka_unit_test(reading), cmocka_unit_test(finding),
        cmocka_unit_test(installed),
    };
    if (argc > 1 && strcmp(argv[1], "--locate") == 0)
        return locate();
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
