/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device settings of several hosts: all or nothing, and what the first rank hears. Every rank plays a host of
 * its own, with a made-up kernel that its guard process shares.
 */
#include "coalesce_kernel.h"
#include "tune/search/internal.h"
#include "tune/search/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct shared {
    struct vc_coalesce driver;
    int set_error;
    bool like_igbvf;
};
static struct shared *shared;
static int failures, rank;

#define CHECK(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "rank %d, line %d: %s\n", rank, __LINE__, #cond);                                \
            failures++;                                                                                      \
        }                                                                                                    \
    } while (0)

static ssize_t talk(void *ctx, const void *req, size_t req_len, void *reply, size_t cap)
{
    (void)ctx;
    kern.driver = shared->driver;
    kern.set_error = shared->set_error;
    kern.like_igbvf = shared->like_igbvf;
    ssize_t n = made_up.talk(made_up.ctx, req, req_len, reply, cap);
    shared->driver = kern.driver;
    return n;
}

static const struct vc_netlink way = {talk, NULL};
static char dir[64], lock_name[80];
static const struct vc_guard_env env = {.nl = &way, .dir = dir, .lock = lock_name};

static uint32_t usecs(void)
{
    return ((volatile struct shared *)shared)->driver.value[RX_USECS];
}

static bool noted(void)
{
    char path[4096];
    return vc_restore_name(&env, path, sizeof path) == VC_OK && access(path, F_OK) == 0;
}

static void test_all(struct vc_measure_world *w)
{
    char why[512];
    struct vc_coalesce want = {0};
    vc_coalesce_put(&want, RX_USECS, 250);
    CHECK(strcmp(vc_device_netdev(), "eth0") == 0);
    CHECK(vc_device_set(w, NULL, why, sizeof why) == 0);
    CHECK(vc_device_set(w, &want, why, sizeof why) == 0);
    CHECK(why[0] == '\0');
    CHECK(usecs() == 250);
    CHECK(noted());
    want.value[RX_USECS] = 0;
    shared->like_igbvf = true;
    CHECK(vc_device_set(w, &want, why, sizeof why) == 0);
    CHECK(rank != 0 || strstr(why, "rx-usecs 1"));
    shared->like_igbvf = false;
    CHECK(vc_device_set(w, NULL, why, sizeof why) == 0);
    CHECK(usecs() == 3);
    CHECK(!noted());
}

static void test_nothing(struct vc_measure_world *w, int refuses, int error)
{
    char why[512], host[MPI_MAX_PROCESSOR_NAME];
    int len;
    struct vc_coalesce want = {0};
    vc_coalesce_put(&want, RX_USECS, 250);
    MPI_Get_processor_name(host, &len);
    shared->set_error = rank == refuses ? error : 0;
    CHECK(vc_device_set(w, &want, why, sizeof why) == -1);
    CHECK(rank != 0 || (strstr(why, host) == why && strstr(why, "CAP_NET_ADMIN")));
    CHECK(usecs() == 3);
    CHECK(!noted());
    shared->set_error = 0;
}

static void test_recover(struct vc_measure_world *w)
{
    if (rank == w->size - 1) {
        struct vc_guard *g = vc_guard_open(&env);
        struct vc_coalesce before, want = {0};
        vc_coalesce_put(&want, RX_USECS, 250);
        CHECK(g != NULL);
        if (g) {
            CHECK(vc_guard_hold(g, "eth0", &before) == VC_OK && vc_guard_set(g, &want, NULL) == VC_OK);
            kill(vc_guard_pid(g), SIGKILL);
            vc_guard_close(g);
        }
        CHECK(usecs() == 250 && noted());
    }
    vc_device_recover(w);
    CHECK(usecs() == 3 && !noted());
}

static void test_no_device(struct vc_measure_world *w)
{
    char why[512];
    struct vc_coalesce want = {0};
    vc_coalesce_put(&want, RX_USECS, 250);
    vc_device_inject(&env, rank == 1 ? "" : "eth0");
    CHECK(vc_device_set(w, &want, why, sizeof why) == -1);
    CHECK(rank != 0 || strstr(why, "no RDMA device"));
    CHECK(usecs() == 3 && !noted());
}

static void prepare(void)
{
    void *state = NULL;
    new_kernel(&state);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(dir, sizeof dir, "/tmp/vcoll-device-XXXXXX");
    if (shared == MAP_FAILED || !mkdtemp(dir))
        exit(1);
    *shared = (struct shared){.driver = kern.driver};
    snprintf(lock_name, sizeof lock_name, "vcoll-test-%s", dir + 5);
    vc_device_inject(&env, "eth0");
    /* Each rank is the first one of its host. */
    char local[16];
    const char *given = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    snprintf(local, sizeof local, "%s", given ? given : "");
    unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
    vc_guard_start();
    if (given)
        setenv("OMPI_COMM_WORLD_LOCAL_RANK", local, 1);
}

int main(void)
{
    struct vc_measure_fns fn[VC_IMPLS];
    static struct vc_measure_opts opts;
    struct vc_measure_world w = {.comm = MPI_COMM_WORLD,
                                 .ctl = MPI_COMM_WORLD,
                                 .fn = fn,
                                 .control = &fn[VC_IMPL_NATIVE],
                                 .opt = &opts};
    int all = 0;
    prepare();
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(w.comm, &rank);
    MPI_Comm_size(w.comm, &w.size);
    w.rank = rank;
    w.local_size = 1;
    w.nleader = w.size;
    w.leader = calloc((size_t)w.size, sizeof *w.leader);
    if (!w.leader || !vc_measure_fns_load(fn))
        MPI_Abort(w.comm, 1);
    for (int r = 0; r < w.size; r++)
        w.leader[r] = r;
    test_all(&w);
    test_nothing(&w, w.size - 1, EPERM);
    test_nothing(&w, 0, EPERM);
    test_all(&w);
    test_recover(&w);
    test_no_device(&w);
    rmdir(dir);
    CHECK(access(dir, F_OK) != 0);
    MPI_Allreduce(&failures, &all, 1, MPI_INT, MPI_SUM, w.comm);
    MPI_Finalize();
    free(w.leader);
    return all != 0;
}
