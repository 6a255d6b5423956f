/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/conformance/harness.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void *hs_shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    return p;
}

void hs_unshare(void *mem, size_t bytes)
{
    munmap(mem, bytes);
}

/* VC_TEST_PATIENCE: what to multiply limits by on an emulated machine. */
static int patience(void)
{
    const char *text = getenv("VC_TEST_PATIENCE");
    int times = text ? atoi(text) : 1;
    return times > 0 ? times : 1;
}

int hs_fork(int n, int (*fn)(int rank, void *arg), void *arg, int seconds)
{
    pid_t pids[256], parent = getpid();
    int failed = 0;
    fflush(NULL);
    for (int i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(3);
            exit(fn(i, arg));
        }
        if (pids[i] < 0) {
            perror("fork");
            failed = 1;
            n = i;
        }
    }
    uint64_t until = vc_now_ns() + (uint64_t)(seconds * patience()) * 1000000000u;
    int left = n;
    while (left > 0) {
        bool late = vc_now_ns() > until;
        if (late && !failed) {
            fprintf(stderr, "%d of %d ranks did not finish within %d s\n", left, n, seconds);
            failed = 1;
        }
        if (failed)
            for (int i = 0; i < n; i++)
                if (pids[i] > 0)
                    kill(pids[i], SIGKILL);
        bool any = false;
        for (int i = 0; i < n; i++) {
            int status;
            if (pids[i] <= 0 || waitpid(pids[i], &status, failed ? 0 : WNOHANG) != pids[i])
                continue;
            pids[i] = 0;
            left--;
            any = true;
            if (!failed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                fprintf(stderr, "rank %d %s %d\n", i, WIFEXITED(status) ? "returned" : "was ended by signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
                failed = 1;
            }
        }
        if (!any)
            usleep(1000);
    }
    return failed;
}

struct thread {
    pthread_t id;
    int rank, rc;
    int (*fn)(int rank, void *arg);
    void *arg;
};

static void *run_thread(void *v)
{
    struct thread *t = v;
    t->rc = t->fn(t->rank, t->arg);
    return NULL;
}

int hs_threads(int n, int (*fn)(int rank, void *arg), void *arg)
{
    struct thread t[256];
    int failed = 0;
    for (int i = 0; i < n; i++) {
        t[i] = (struct thread){.rank = i, .rc = 1, .fn = fn, .arg = arg};
        if (pthread_create(&t[i].id, NULL, run_thread, &t[i]) != 0)
            abort();
    }
    for (int i = 0; i < n; i++) {
        pthread_join(t[i].id, NULL);
        failed |= t[i].rc;
    }
    return failed;
}

struct hs_node hs_node_make(int n, size_t budget, size_t extra)
{
    struct hs_node nd = {.n = n};
    nd.park_at = vc_round_up(sizeof(struct hs_start), VC_LINE_PAIR);
    nd.chan_at = nd.park_at + vc_park_bytes(n);
    nd.chan_part = vc_shm_chan_bytes(n, budget);
    nd.extra_at = nd.chan_at + (size_t)n * nd.chan_part;
    nd.bytes = nd.extra_at + extra;
    nd.mem = hs_shared(nd.bytes);
    return nd;
}

void hs_node_free(struct hs_node *nd)
{
    hs_unshare(nd->mem, nd->bytes);
    nd->mem = NULL;
}

void hs_meet(struct hs_start *s, int n)
{
    /* Release and acquire: what a rank wrote before meeting, all see after it. */
    int phase = atomic_load_explicit(&s->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&s->arrived, 1, memory_order_acq_rel) == n - 1) {
        atomic_store_explicit(&s->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&s->phase, phase + 1, memory_order_release);
        return;
    }
    while (atomic_load_explicit(&s->phase, memory_order_acquire) == phase)
        sched_yield();
}

void hs_join(const struct hs_node *nd, int me, struct hs_rank *out)
{
    struct hs_start *s = nd->mem;
    memset(out, 0, sizeof *out);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* siblings may look into each other */
    s->pids[me] = getpid();
    s->ids[me] = vc_peer_self();
    hs_meet(s, nd->n);
    int probe = 0;
    for (int i = 0; i < nd->n; i++)
        if (vc_cma_read(s->pids[i], &probe, (uint64_t)(uintptr_t)&s->pids[me], sizeof probe) != VC_OK)
            atomic_store(&s->cma_refused, 1);
    hs_meet(s, nd->n);
    out->start = s;
    out->parking =
        (struct vc_parking){.shared = (struct vc_park_area *)(void *)((char *)nd->mem + nd->park_at),
                            .n = nd->n,
                            .me = me,
                            .ids = s->ids};
    for (int i = 0; i < nd->n; i++)
        out->chan_mem[i] = (char *)nd->mem + nd->chan_at + (size_t)i * nd->chan_part;
    out->extra = (char *)nd->mem + nd->extra_at;
    out->pids = s->pids;
    out->cma = !atomic_load(&s->cma_refused);
}

static int no_host(void)
{
    return -1;
}

struct vc_wait_cfg hs_wait(enum vc_wait_mode mode, bool crowded)
{
    return (struct vc_wait_cfg){.mode = mode,
                                .spin_ns = 20000,
                                .crowded = crowded,
                                .slice_min_ns = 50000,
                                .slice_max_ns = 1000000,
                                .host_progress = no_host};
}
