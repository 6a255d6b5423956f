/* SPDX-License-Identifier: BSD-3-Clause */
/* What giving up the CPU costs, and what interrupts take. */
#include "tune/search/fit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#define TURNS 2000

struct turns {
    _Atomic int whose;
    int cpu;
    bool failed;
};

/* Takes every other turn, giving up the CPU until it comes. */
static void take_turns(struct turns *t, int me)
{
    for (int i = 0; i < TURNS; i++) {
        while (atomic_load_explicit(&t->whose, memory_order_acquire) != me)
            sched_yield();
        atomic_store_explicit(&t->whose, 1 - me, memory_order_release);
    }
}

static bool go_to(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static void *other(void *arg)
{
    take_turns(arg, 1);
    return NULL;
}

double vc_fit_switch(void)
{
    struct turns t = {.cpu = sched_getcpu()};
    cpu_set_t before;
    pthread_t thread;
    double seconds = 0;
    if (t.cpu < 0 || t.cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof before, &before) != 0 ||
        !go_to(t.cpu))
        return 0;
    /* The thread inherits the one CPU. */
    if (pthread_create(&thread, NULL, other, &t) == 0) {
        double begin = vc_measure_now();
        take_turns(&t, 0);
        seconds = (vc_measure_now() - begin) / (2 * TURNS);
        pthread_join(thread, NULL);
    }
    sched_setaffinity(0, sizeof before, &before);
    return seconds;
}

double vc_fit_interrupts(void)
{
    double v[7] = {0};
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return 0;
    int n = fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]);
    fclose(f);
    return n == 7 ? (v[5] + v[6]) / (double)sysconf(_SC_CLK_TCK) : 0;
}
