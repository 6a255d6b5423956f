/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of what things cost: what is written is read, and nothing else is believed. */
#include "transport/base.h"
#include "transport/calibrate/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static const struct vc_costs_key key = {.boot_id = {1, 2, 3}, .cpus = 3};

static struct vc_costs some_costs(uint64_t seed)
{
    struct vc_costs c = {0};
    for (size_t i = 0; i < VC_COSTS_COUNT; i++)
        vc_cost_set(&c, i, vc_cost_info[i].least + seed + i);
    return c;
}

static int save_in(const char *at, const struct vc_costs_key *k, const struct vc_costs *c)
{
    struct vc_costs_file f = {.starts = 0};
    vc_costs_add(&f, c, 0);
    return vc_costs_save(at, k, &f);
}

static int save(const struct vc_costs_key *k, const struct vc_costs *c)
{
    return save_in(dir, k, c);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_costs_file.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* The only file of the directory; how many there are. */
static int find_file(char path[512])
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            snprintf(path, 512, "%s/%s", dir, e->d_name);
            n++;
        }
    closedir(d);
    return n;
}

static bool loads(const struct vc_costs_key *k, bool complains)
{
    struct vc_costs_file f;
    char why[512] = "";
    bool good = vc_costs_load(dir, k, &f, why, sizeof why);
    assert_int_equal(why[0] != '\0', complains);
    return good;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct vc_costs c = some_costs(5);
    struct vc_costs_file f;
    char why[512], path[512];
    assert_false(loads(&key, false));
    assert_int_equal(save(&key, &c), VC_OK);
    assert_true(vc_costs_load(dir, &key, &f, why, sizeof why));
    assert_memory_equal(&f.costs, &c, sizeof c);
    assert_int_equal(strlen(f.measured), 20);
    assert_int_equal(find_file(path), 1);
    assert_string_equal(path, f.path);
    assert_true(vc_costs_newest(dir, key.boot_id, &f));
    assert_memory_equal(&f.costs, &c, sizeof c);
    /* A figure that cannot be is dropped, the others stay. */
    c.line_ns = vc_cost_info[offsetof(struct vc_costs, line_ns) / sizeof(uint64_t)].most + 1;
    assert_int_equal(save(&key, &c), VC_OK);
    assert_true(vc_costs_load(dir, &key, &f, why, sizeof why));
    assert_int_equal(f.costs.line_ns, 0);
    assert_int_equal(f.costs.yield_ns, c.yield_ns);
    assert_int_equal(find_file(path), 1);
}

/* Several starts measure: figures are medians, and a moment that was bad does not stay. */
static void test_starts(void **state)
{
    (void)state;
    struct vc_costs_file f = {.starts = 0}, g;
    static const uint64_t seeds[] = {50, 5, 7, 6, 90}, medians[] = {50, 5, 7, 6, 7};
    char why[512];
    assert_true(vc_costs_wanted(&f));
    for (int i = 0; i < VC_COSTS_STARTS; i++) {
        struct vc_costs c = some_costs(seeds[i]), want = some_costs(medians[i]);
        uint64_t short_ns = i == 0 ? 1000 : 0;
        vc_costs_add(&f, &c, short_ns);
        assert_memory_equal(&f.costs, &want, sizeof want);
        assert_int_equal(vc_costs_save(dir, &key, &f), VC_OK);
        assert_true(vc_costs_load(dir, &key, &g, why, sizeof why));
        assert_int_equal(g.starts, i + 1);
        assert_memory_equal(g.start, f.start, sizeof g.start);
        assert_memory_equal(&g.costs, &f.costs, sizeof g.costs);
        /* At once after too little time, which is then doubled, otherwise not within a minute. */
        assert_int_equal(vc_costs_wanted(&g), i == 0);
        assert_int_equal(vc_costs_budget(&g, 1500), i == 0 ? 2000 : 1500);
        strcpy(g.measured, "2020-01-01T00:00:00Z");
        assert_int_equal(vc_costs_wanted(&g), i + 1 < VC_COSTS_STARTS);
    }
    /* What one start could not measure others tell. */
    struct vc_costs_file h = {.starts = 0};
    struct vc_costs some = some_costs(3), none = {0};
    vc_costs_add(&h, &none, 500);
    vc_costs_add(&h, &some, 0);
    assert_memory_equal(&h.costs, &some, sizeof some);
}

/* Another boot, other CPUs: there is no file; one that lies there under the right name is not believed. */
static void test_foreign(void **state)
{
    (void)state;
    struct vc_costs c = some_costs(5);
    struct vc_costs_key boot = key, cpus = key;
    struct vc_costs_file f;
    char path[512], right[512];
    boot.boot_id[15] = 9;
    cpus.cpus = 4;
    assert_int_equal(save(&key, &c), VC_OK);
    assert_int_equal(find_file(right), 1);
    assert_false(loads(&boot, false));
    assert_false(loads(&cpus, false));
    assert_false(vc_costs_newest(dir, boot.boot_id, &f));
    const struct vc_costs_key *other[] = {&boot, &cpus};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlink(right), 0);
        assert_int_equal(save(other[i], &c), VC_OK);
        assert_int_equal(find_file(path), 1);
        assert_int_equal(rename(path, right), 0);
        assert_false(loads(&key, true));
    }
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_broken(void **state)
{
    (void)state;
    struct vc_costs c = some_costs(5);
    char path[512];
    static char text[20000];
    assert_int_equal(save(&key, &c), VC_OK);
    assert_int_equal(find_file(path), 1);
    FILE *f = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    /* Cut anywhere. */
    for (size_t at = 0; at + 1 < n; at += 7) {
        char cut[4096];
        assert_true(n < sizeof cut);
        memcpy(cut, text, at);
        cut[at] = '\0';
        write_text(path, cut);
        assert_false(loads(&key, true));
    }
    write_text(path, text);
    assert_true(loads(&key, false));
    /* Wrong kinds of values, negative ones, another version, too long. */
    const char *changes[][2] = {{"\"yield_ns\": 55", "\"yield_ns\": \"55\""},
                                {"\"yield_ns\": 55", "\"yield_ns\": -5"},
                                {"\"yield_ns\"", "\"yeild_ns\""},
                                {"\"vcoll\": \"", "\"vcoll\": \"9"},
                                {"\"figures\": {", "\"figures\": 1, \"x\": {"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char changed[4200];
        char *at = strstr(text, changes[i][0]);
        assert_non_null(at);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, changes[i][1],
                 at + strlen(changes[i][0]));
        write_text(path, changed);
        assert_false(loads(&key, true));
    }
    memset(text + n, ' ', sizeof text - 1 - n);
    write_text(path, text);
    assert_false(loads(&key, true));
}

/* What others could have made, or could change. */
static void test_not_own(void **state)
{
    (void)state;
    struct vc_costs c = some_costs(5);
    struct vc_costs_file f;
    char path[512], away[600];
    assert_int_equal(save(&key, &c), VC_OK);
    assert_int_equal(find_file(path), 1);
    assert_int_equal(chmod(path, 0666), 0);
    assert_false(loads(&key, true));
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(loads(&key, false));
    snprintf(away, sizeof away, "%s.away", dir);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    assert_false(loads(&key, true));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(away, path), 0); /* a second name */
    assert_false(loads(&key, true));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(loads(&key, true));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(away, path), 0);
    assert_true(loads(&key, false));
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_false(loads(&key, true));
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chown(dir, 12345, 12345), 0);
        assert_false(loads(&key, true));
        assert_int_not_equal(save(&key, &c), VC_OK);
        assert_int_equal(chown(dir, 0, 0), 0);
    }
    /* A directory that others may write to, and one behind a symbolic link. */
    assert_int_equal(chmod(dir, 0777), 0);
    assert_false(loads(&key, true));
    assert_int_not_equal(save(&key, &c), VC_OK);
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(symlink(dir, away), 0);
    char why[512];
    assert_false(vc_costs_load(away, &key, &f, why, sizeof why));
    assert_int_not_equal(save_in(away, &key, &c), VC_OK);
    assert_int_equal(unlink(away), 0);
}

/* Many write while one reads: each reading is of one of them, whole. */
static void test_writers(void **state)
{
    (void)state;
    enum { WRITERS = 4, TIMES = 50 };
    pid_t pid[WRITERS];
    char path[512];
    fflush(NULL);
    for (int w = 0; w < WRITERS; w++)
        if ((pid[w] = fork()) == 0) {
            struct vc_costs c = some_costs((uint64_t)w);
            for (int i = 0; i < TIMES; i++)
                if (save(&key, &c) != VC_OK)
                    _exit(1);
            _exit(0);
        }
    for (int i = 0; i < TIMES; i++) {
        struct vc_costs_file f;
        char why[512];
        if (!vc_costs_load(dir, &key, &f, why, sizeof why)) {
            assert_string_equal(why, "");
            continue;
        }
        struct vc_costs whole = some_costs(f.costs.yield_ns - vc_cost_info[0].least);
        assert_memory_equal(&f.costs, &whole, sizeof whole);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = 1;
        waitpid(pid[w], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(find_file(path), 1);
}

static void test_where(void **state)
{
    (void)state;
    char at[256], want[256];
    setenv("XDG_RUNTIME_DIR", dir, 1);
    vc_costs_dir(at, sizeof at);
    snprintf(want, sizeof want, "%s/vcoll", dir);
    assert_string_equal(at, want);
    struct vc_costs c = some_costs(1);
    assert_int_equal(save_in(at, &key, &c), VC_OK);
    struct stat st;
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
    setenv("XDG_CACHE_HOME", dir, 1);
    vc_costs_dir(at, sizeof at);
    assert_string_equal(at, want);
    unsetenv("XDG_RUNTIME_DIR");
    setenv("XDG_CACHE_HOME", "not/absolute", 1);
    vc_costs_dir(at, sizeof at);
    snprintf(want, sizeof want, "/tmp/vcoll-%ld", (long)geteuid());
    assert_string_equal(at, want);
    unsetenv("XDG_CACHE_HOME");
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        IN_DIR(test_round_trip), IN_DIR(test_starts),  IN_DIR(test_foreign), IN_DIR(test_broken),
        IN_DIR(test_not_own),    IN_DIR(test_writers), IN_DIR(test_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
