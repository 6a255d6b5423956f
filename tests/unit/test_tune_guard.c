/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard of device settings: that it puts them back, whatever becomes of the tuner, of itself, or of both.
 * Against a kernel whose one interface lives in memory that all processes of the test share; at last against
 * the real kernel, with a tun device in a network namespace of its own.
 */
#include "coalesce_kernel.h"
#include "tune/search/guard.h"
#include "transport/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What the processes share: the driver's values, and how the kernel behaves. */
struct shared {
    struct vc_coalesce driver;
    int get_error, set_error;
    bool like_igbvf;
    int sets;
    pid_t guard; /* of a tuner that the test has started */
};
static struct shared *shared;

static ssize_t talk(void *ctx, const void *req, size_t req_len, void *reply, size_t cap)
{
    (void)ctx;
    kern.driver = shared->driver;
    kern.get_error = shared->get_error;
    kern.set_error = shared->set_error;
    kern.like_igbvf = shared->like_igbvf;
    int sets = kern.sets;
    ssize_t n = made_up.talk(made_up.ctx, req, req_len, reply, cap);
    shared->driver = kern.driver;
    shared->sets += kern.sets - sets;
    return n;
}

static const struct vc_netlink way = {talk, NULL};
static char dir[64], lock_name[80], file[PATH_MAX];
static struct vc_guard_env env = {.nl = &way, .dir = dir, .lock = lock_name};

static int setup(void **state)
{
    new_kernel(state);
    *shared = (struct shared){.driver = kern.driver};
    snprintf(dir, sizeof dir, "/tmp/vcoll-guard-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(lock_name, sizeof lock_name, "vcoll-test-%s", dir + 5);
    return vc_restore_name(&env, file, sizeof file);
}

static int teardown(void **state)
{
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

#define assert_text(part) assert_true(has_text(vc_error_text(), part))
static bool has_text(const char *text, const char *part)
{
    if (strstr(text, part))
        return true;
    print_error("\"%s\" does not say \"%s\"\n", text, part);
    return false;
}

static struct vc_coalesce want(enum vc_coalesce_field f, uint32_t v)
{
    struct vc_coalesce w = {0};
    vc_coalesce_put(&w, f, v);
    return w;
}

static bool exists(void)
{
    return access(file, F_OK) == 0;
}

static uint32_t there(enum vc_coalesce_field f)
{
    return ((volatile struct shared *)shared)->driver.value[f];
}

/* Within five seconds. */
static bool comes_back(void)
{
    for (int i = 0; i < 500; i++) {
        if (there(RX_USECS) == 3 && there(RX_FRAMES) == 16 && !exists())
            return true;
        usleep(10000);
    }
    print_error("rx-usecs %u, rx-frames %u, the file is %s\n", there(RX_USECS), there(RX_FRAMES),
                exists() ? "there" : "gone");
    return false;
}

static bool ends(pid_t pid)
{
    for (int i = 0; i < 500; i++) {
        /* Orphans are this process's to bury. */
        waitpid(pid, NULL, WNOHANG);
        if (kill(pid, 0) != 0)
            return true;
        usleep(10000);
    }
    return false;
}

/* A guard that holds eth0, which is changed. */
static struct vc_guard *changed(void)
{
    struct vc_coalesce before, w = want(RX_USECS, 250), now;
    struct vc_guard *g = vc_guard_open(&env);
    assert_non_null(g);
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_OK);
    assert_int_equal(before.value[RX_USECS], 3);
    assert_int_equal(vc_guard_set(g, &w, &now), VC_OK);
    assert_int_equal(now.value[RX_USECS], 250);
    assert_int_equal(there(RX_USECS), 250);
    return g;
}

/* ---- the tuner lives ---- */

static void test_set_and_restore(void **state)
{
    (void)state;
    struct vc_restore r;
    struct vc_coalesce before;
    struct vc_guard *g = changed();
    assert_int_equal(vc_restore_read(file, &r), 1);
    assert_true(r.saved.active);
    assert_string_equal(r.saved.netdev, "eth0");
    assert_int_equal(r.saved.ifindex, 7);
    assert_int_equal(r.saved.before.value[RX_USECS], 3);
    assert_int_equal(r.saved.before.value[RX_FRAMES], 16);
    assert_int_equal(r.saved.before.value[ADAPTIVE_RX], 0);
    assert_int_equal(r.guard, vc_guard_pid(g));
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_OK);
    assert_int_equal(before.value[RX_USECS], 3);
    assert_int_equal(vc_guard_hold(g, "eth1", &before), VC_ERR_INVAL);
    assert_text("eth0");
    assert_int_equal(vc_guard_restore(g), VC_OK);
    assert_int_equal(there(RX_USECS), 3);
    assert_false(exists());
    assert_int_equal(vc_guard_restore(g), VC_OK);

    /* And all over again. */
    struct vc_coalesce w = want(RX_FRAMES, 1);
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_ERR_INVAL);
    assert_int_equal(there(RX_FRAMES), 16);
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_OK);
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_OK);
    assert_true(exists());
    vc_guard_close(g);
    assert_int_equal(there(RX_FRAMES), 16);
    assert_false(exists());
}

/* A setting is what was found with the wanted values in it, not what the last one left. */
static void test_settings_do_not_add_up(void **state)
{
    (void)state;
    struct vc_guard *g = changed();
    struct vc_coalesce w = want(RX_FRAMES, 1);
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_OK);
    assert_int_equal(there(RX_USECS), 3);
    assert_int_equal(there(RX_FRAMES), 1);
    w = want(ADAPTIVE_RX, 1);
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_OK);
    assert_int_equal(there(RX_FRAMES), 16);
    shared->like_igbvf = true;
    struct vc_coalesce now;
    w = want(RX_USECS, 0);
    assert_int_equal(vc_guard_set(g, &w, &now), VC_COALESCE_ROUNDED);
    assert_int_equal(now.value[RX_USECS], 1);
    vc_guard_close(g);
    assert_true(comes_back());
}

/* A driver that adapts moves values by itself: they are not set back between settings. */
static void test_adaptive(void **state)
{
    (void)state;
    shared->driver.value[ADAPTIVE_RX] = 1;
    struct vc_guard *g = changed();
    shared->driver.value[RX_USECS] = 77;
    struct vc_coalesce w = want(RX_FRAMES, 2);
    int sets = shared->sets;
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_OK);
    assert_int_equal(shared->sets, sets + 1);
    assert_int_equal(there(RX_USECS), 77);
    vc_guard_close(g);
    assert_false(exists());
}

static void test_refused(void **state)
{
    (void)state;
    struct vc_coalesce before, w = want(RX_USECS, 9);
    struct vc_guard *g = vc_guard_open(&env);
    shared->get_error = EOPNOTSUPP;
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_ERR_UNSUPPORTED);
    assert_text("eth0");
    assert_false(exists());
    shared->get_error = 0;
    assert_int_equal(vc_guard_hold(g, "eth7", &before), VC_ERR_INVAL);
    assert_text("eth7");
    shared->set_error = EPERM;
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_OK);
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_ERR_SYS);
    assert_int_equal(errno, EPERM);
    assert_text("CAP_NET_ADMIN");
    assert_int_equal(vc_guard_restore(g), VC_OK); /* nothing has moved */
    assert_false(exists());
    vc_guard_close(g);

    /* Without a place for the file nothing is changed. */
    struct vc_guard_env nowhere = env;
    nowhere.dir = "/proc/version/x";
    g = vc_guard_open(&nowhere);
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_ERR_SYS);
    assert_text("XDG_STATE_HOME");
    assert_int_equal(vc_guard_set(g, &w, NULL), VC_ERR_INVAL);
    assert_int_equal(there(RX_USECS), 3);
    vc_guard_close(g);
}

static void test_restore_fails(void **state)
{
    (void)state;
    char said[512];
    struct vc_guard *g = changed();
    shared->set_error = EPERM;
    assert_int_equal(vc_guard_restore(g), VC_ERR_SYS);
    assert_text("CAP_NET_ADMIN");
    assert_true(exists());
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), VC_ERR_UNSUPPORTED); /* still guarded */
    pid_t pid = vc_guard_pid(g);
    vc_guard_close(g);
    assert_true(ends(pid));
    assert_true(exists());
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), VC_ERR_SYS);
    assert_text("rx-usecs 3");
    assert_text("CAP_NET_ADMIN");
    assert_true(exists());
    shared->set_error = 0;
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 1);
    assert_true(comes_back());
}

/* ---- the tuner ends ---- */

enum how { BY_KILL, BY_EXIT, BY_EXEC, WITH_A_COPY, WAYS };

/* A tuner in a process of its own, which holds and changes eth0 and then ends as told. */
static void tuner(enum how how, int ready)
{
    struct vc_coalesce before, w = want(RX_USECS, 250);
    struct vc_guard *g = vc_guard_open(&env);
    if (!g || vc_guard_hold(g, "eth0", &before) != VC_OK || vc_guard_set(g, &w, NULL) != VC_OK)
        _exit(1);
    shared->guard = vc_guard_pid(g);
    pid_t copy = 0;
    if (how == WITH_A_COPY && (copy = fork()) == 0) {
        close(ready);
        pause(); /* with the socket's end open */
        _exit(0);
    }
    if (write(ready, &copy, sizeof copy) != sizeof copy)
        _exit(1);
    if (how == BY_EXIT)
        _exit(0);
    if (how == BY_EXEC)
        execl("/bin/sleep", "sleep", "20", (char *)NULL);
    for (;;)
        pause();
}

static void end_tuner(enum how how)
{
    int ready[2], status;
    pid_t copy = -1;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ready[0]);
        tuner(how, ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &copy, sizeof copy), sizeof copy);
    close(ready[0]);
    if (how == BY_KILL || how == WITH_A_COPY) {
        assert_int_equal(there(RX_USECS), 250);
        assert_true(exists());
        kill(pid, SIGKILL);
    }
    bool back = comes_back();
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (copy > 0)
        kill(copy, SIGKILL);
    assert_true(back);
    assert_true(ends(shared->guard));
}

static void test_tuner_ends(void **state)
{
    (void)state;
    for (int how = 0; how < WAYS; how++)
        end_tuner((enum how)how);
}

/* ---- the guard itself ---- */

static void test_signals(void **state)
{
    (void)state;
    static const int sig[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    struct vc_guard *g = changed();
    for (size_t i = 0; i < sizeof sig / sizeof sig[0]; i++)
        assert_int_equal(kill(vc_guard_pid(g), sig[i]), 0);
    assert_int_equal(vc_guard_restore(g), VC_OK);
    assert_int_equal(there(RX_USECS), 3);
    vc_guard_close(g);
}

/* Whoever waits for the ends of the tuner's pipes must not wait for the guard. */
static void test_holds_nothing(void **state)
{
    (void)state;
    char path[64], to[128];
    int pipes[2], extra = open("/etc/passwd", O_RDONLY);
    assert_int_equal(pipe(pipes), 0);
    struct vc_guard *g = changed();
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", vc_guard_pid(g), fd);
        ssize_t n = readlink(path, to, sizeof to - 1);
        if (n < 0)
            continue;
        to[n] = '\0';
        assert_true(strcmp(to, "/dev/null") == 0 || strncmp(to, "socket:", 7) == 0 ||
                    strncmp(to, "anon_inode:", 11) == 0 || strncmp(to, "pidfd:", 6) == 0);
    }
    assert_int_equal(getsid(vc_guard_pid(g)), vc_guard_pid(g));
    vc_guard_close(g);
    close(pipes[0]);
    close(pipes[1]);
    close(extra);
}

static void test_guard_killed(void **state)
{
    (void)state;
    struct vc_coalesce before;
    struct vc_guard *g = changed();
    kill(vc_guard_pid(g), SIGKILL);
    assert_int_equal(vc_guard_restore(g), VC_OK);
    assert_int_equal(there(RX_USECS), 3);
    assert_false(exists());
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_ERR_SYS);
    assert_text("guards eth0 is gone");
    vc_guard_close(g);
}

/* Both are gone; the next run finds the file. */
static void leave_behind(void)
{
    struct vc_guard *g = changed();
    kill(vc_guard_pid(g), SIGKILL);
    vc_guard_close(g);
    assert_int_equal(there(RX_USECS), 250);
    assert_true(exists());
}

static void test_recover(void **state)
{
    (void)state;
    char said[512];
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 0);
    assert_string_equal(said, "");
    leave_behind();
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 1);
    assert_true(has_text(said, "eth0"));
    assert_true(has_text(said, "rx-usecs 3"));
    assert_true(comes_back());
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 0);

    /* Or the next guard, so that what it notes is not what the killed run had set. */
    leave_behind();
    struct vc_guard *g = changed();
    vc_guard_close(g);
    assert_true(comes_back());

    /* The device went away meanwhile. */
    leave_behind();
    shared->get_error = ENODEV;
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 1);
    assert_true(has_text(said, "gone"));
    assert_false(exists());
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    char said[512], who[32];
    struct vc_coalesce before;
    struct vc_guard *g = changed(), *second = vc_guard_open(&env);
    snprintf(who, sizeof who, "process %d", vc_guard_pid(g));
    assert_int_equal(vc_guard_hold(second, "eth0", &before), VC_ERR_UNSUPPORTED);
    assert_text("another vcoll tune");
    assert_text(who);
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), VC_ERR_UNSUPPORTED);
    assert_text(who);
    assert_int_equal(vc_guard_restore(second), VC_OK);
    assert_int_equal(there(RX_USECS), 250);
    vc_guard_close(g);
    assert_int_equal(vc_guard_hold(second, "eth0", &before), VC_OK);
    assert_int_equal(before.value[RX_USECS], 3);
    vc_guard_close(second);
    assert_true(comes_back());
}

/* ---- the file ---- */

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_broken_file(void **state)
{
    (void)state;
    static const char *const text[] = {
        "",
        "{",
        "[]",
        "{\"vcoll_restore\": 1}",
        "{\"vcoll_restore\": 2, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": "
        "{\"rx-usecs\": 5}}",
        "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": {}}",
        "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": {\"rx\": 5}}",
        "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": "
        "{\"rx-usecs\": -5}}",
        "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": -1, \"guard\": 1, \"before\": "
        "{\"rx-usecs\": 5}}",
        "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": "
        "{\"rx-usecs\": 5, "
        "\"rx-usecs\": 6}}",
    };
    char said[512];
    struct vc_coalesce before;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        put_file(file, text[i]);
        assert_int_equal(vc_guard_recover(&env, said, sizeof said), VC_ERR_INVAL);
        assert_text("ethtool -c");
        assert_int_equal(there(RX_USECS), 3);
    }
    struct vc_guard *g = vc_guard_open(&env);
    assert_int_equal(vc_guard_hold(g, "eth0", &before), VC_ERR_INVAL);
    vc_guard_close(g);
    assert_true(exists());
    /* One that is right, written by hand. */
    put_file(file, "{\"vcoll_restore\": 1, \"netdev\": \"eth0\", \"ifindex\": 7, \"guard\": 1, "
                   "\"before\": {\"rx-usecs\": 5}}");
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 1);
    assert_int_equal(there(RX_USECS), 5);
}

static void line_of(const char *path, char *buf, size_t len)
{
    FILE *f = fopen(path, "r");
    buf[0] = '\0';
    if (!f)
        return;
    if (fgets(buf, (int)len, f))
        buf[strcspn(buf, "\n")] = '\0';
    fclose(f);
}

/* A file of another boot, named as if by `host`, so old. */
static void put_past(const char *name, const char *boot, const char *host, time_t age)
{
    char path[128], text[512], machine[64];
    line_of("/etc/machine-id", machine, sizeof machine);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(
        text, sizeof text,
        "{\"vcoll_restore\": 1, \"boot_id\": \"%s\", \"host\": \"%s\", \"machine_id\": \"%s\", \"netdev\": "
        "\"eth0\", \"ifindex\": 7, \"guard\": 1, \"before\": {\"rx-usecs\": 5}}",
        boot, host, machine);
    put_file(path, text);
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - age}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static bool is_there(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* Settings are gone with the reboot; but a directory may be shared by many machines. */
static void test_other_boots(void **state)
{
    (void)state;
    char said[512], host[128], boot[64];
    const time_t years = 10 * 365 * 86400;
    line_of("/proc/sys/kernel/hostname", host, sizeof host);
    line_of("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    put_past("restore-a-1.json", "another", host, years);
    put_past("restore-b-1.json", "another", "elsewhere", years);
    put_past("restore-c-1.json", "another", host, 0);
    put_past("restore-d-1.json", boot, host, years);
    put_past("other.json", "another", host, years);
    assert_int_equal(vc_guard_recover(&env, said, sizeof said), 0);
    assert_false(is_there("restore-a-1.json"));
    assert_true(is_there("restore-b-1.json"));
    assert_true(is_there("restore-c-1.json"));
    assert_true(is_there("restore-d-1.json"));
    assert_true(is_there("other.json"));
    assert_int_equal(there(RX_USECS), 3);
}

static void test_dir(void **state)
{
    (void)state;
    char got[256];
    setenv("XDG_STATE_HOME", "/x/state", 1);
    setenv("HOME", "/home/me", 1);
    assert_true(vc_guard_dir(NULL, got, sizeof got));
    assert_string_equal(got, "/x/state/vcoll");
    setenv("XDG_STATE_HOME", "relative", 1); /* is to be ignored, says XDG */
    assert_true(vc_guard_dir(NULL, got, sizeof got));
    assert_string_equal(got, "/home/me/.local/state/vcoll");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(vc_guard_dir(NULL, got, sizeof got), geteuid() == 0);
    if (geteuid() == 0)
        assert_string_equal(got, "/var/lib/vcoll");
}

/* ---- the real kernel ---- */

static int put_on_tun(void)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(r.ifr_name, sizeof r.ifr_name, "vct0");
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &r) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static uint32_t real_frames(void)
{
    struct vc_coalesce now;
    return vc_coalesce_get(NULL, "vct0", &now) == VC_OK ? now.value[RX_FRAMES] : UINT32_MAX;
}

static void real_tuner(int ready)
{
    struct vc_coalesce before, w = want(RX_FRAMES, 9);
    struct vc_guard *g = vc_guard_open(&env);
    if (!g || vc_guard_hold(g, "vct0", &before) != VC_OK || vc_guard_set(g, &w, NULL) != VC_OK)
        _exit(1);
    if (write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void test_real(void **state)
{
    (void)state;
    /* The last test: the namespace stays until the program ends. */
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        print_message("no network namespace of our own (%s): skipped\n", strerror(errno));
        skip();
    }
    int tun = put_on_tun();
    uint32_t found = tun < 0 ? UINT32_MAX : real_frames();
    if (found == UINT32_MAX) {
        print_message("no tun device with coalescing: skipped\n");
        skip();
    }
    assert_int_not_equal(found, 9);
    env.nl = NULL;
    env.lock = NULL;
    assert_int_equal(vc_restore_name(&env, file, sizeof file), VC_OK);
    int ready[2], status;
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        real_tuner(ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(real_frames(), 9);
    assert_true(exists());
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    for (int i = 0; i < 500 && exists(); i++)
        usleep(10000);
    assert_int_equal(real_frames(), found);
    assert_false(exists());
    close(ready[0]);
    close(tun);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_set_and_restore),
        TEST(test_settings_do_not_add_up),
        TEST(test_adaptive),
        TEST(test_refused),
        TEST(test_restore_fails),
        TEST(test_tuner_ends),
        TEST(test_signals),
        TEST(test_holds_nothing),
        TEST(test_guard_killed),
        TEST(test_recover),
        TEST(test_one_at_a_time),
        TEST(test_broken_file),
        TEST(test_other_boots),
        TEST(test_dir),
        TEST(test_real),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
