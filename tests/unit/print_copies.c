/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No test: prints what the ways to copy cost. Two processes exchange blocks through slots, as an allgather of
 * two ranks does: each fills a slot, which the other has read before, and copies the other's to its result.
 *
 *     print_copies [rounds]      each on a CPU of its own
 *
 * A cell: ns of the whole exchange / GB/s of filling the slot / GB/s of reading the other's slot. Rows: how
 * slots are filled, columns: how they are read.
 */
#include "transport/base.h"
#include "transport/copy/variants.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 8, LAPS = 7, BUFFERS = 4, MOST = 65536, SLOT = MOST + VC_CACHELINE };

static unsigned char *slots;
static unsigned char *src[BUFFERS], *dst[BUFFERS];
static uint64_t turn;

static unsigned char *slot_of(int rank)
{
    return slots + ((size_t)rank * DEPTH + turn % DEPTH) * SLOT;
}

static void exchange(int me, vc_copy_fn fill, vc_copy_fn drain, size_t n, uint64_t *filled, uint64_t *drained)
{
    unsigned char *mine = slot_of(me), *theirs = slot_of(!me);
    uint64_t begin = vc_now_ns();
    fill(mine + VC_CACHELINE, src[turn % BUFFERS], n);
    atomic_store_explicit((_Atomic uint64_t *)(void *)mine, turn + 1, memory_order_release);
    *filled += vc_now_ns() - begin;
    /* Acquire: pairs with the other's store above. */
    while (atomic_load_explicit((_Atomic uint64_t *)(void *)theirs, memory_order_acquire) != turn + 1)
        ;
    begin = vc_now_ns();
    drain(dst[turn % BUFFERS], theirs + VC_CACHELINE, n);
    *drained += vc_now_ns() - begin;
    turn++;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_cell(int me, vc_copy_fn fill, vc_copy_fn drain, size_t n, int rounds)
{
    double all[LAPS], in[LAPS], out[LAPS];
    for (int lap = 0; lap < LAPS; lap++) {
        uint64_t filled = 0, drained = 0;
        for (int i = 0; i < DEPTH; i++)
            exchange(me, fill, drain, n, &filled, &drained);
        filled = drained = 0;
        uint64_t begin = vc_now_ns();
        for (int i = 0; i < rounds; i++)
            exchange(me, fill, drain, n, &filled, &drained);
        all[lap] = (double)(vc_now_ns() - begin) / rounds;
        in[lap] = (double)filled / rounds;
        out[lap] = (double)drained / rounds;
    }
    qsort(all, LAPS, sizeof *all, by_time);
    qsort(in, LAPS, sizeof *in, by_time);
    qsort(out, LAPS, sizeof *out, by_time);
    if (me == 0)
        printf(" %7.0f/%5.1f/%5.1f", all[LAPS / 2], (double)n / in[LAPS / 2], (double)n / out[LAPS / 2]);
}

static void print_size(int me, size_t n, int rounds)
{
    if (me == 0) {
        printf("%zu bytes\n%10s", n, "");
        for (int k = VC_COPY_MEMCPY; k < VC_COPY_KINDS; k++)
            printf(" %19s", vc_copy_words[k]);
        printf("\n");
    }
    for (int f = VC_COPY_MEMCPY; f < VC_COPY_KINDS; f++) {
        vc_copy_fn fill = vc_copy_find((enum vc_copy_kind)f);
        if (me == 0 && fill)
            printf("%10s", vc_copy_words[f]);
        for (int d = VC_COPY_MEMCPY; d < VC_COPY_KINDS && fill; d++) {
            vc_copy_fn drain = vc_copy_find((enum vc_copy_kind)d);
            if (drain)
                print_cell(me, fill, drain, n, rounds);
        }
        if (me == 0 && fill)
            printf("\n");
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 50;
    slots = mmap(NULL, (size_t)2 * DEPTH * SLOT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED || rounds < 1)
        return 1;
    pid_t child = fork();
    int me = child == 0;
    cpu_set_t cpus, one;
    sched_getaffinity(0, sizeof cpus, &cpus);
    CPU_ZERO(&one);
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &cpus) && seen++ == me)
            CPU_SET(cpu, &one);
    if (child < 0 || CPU_COUNT(&cpus) < 2 || sched_setaffinity(0, sizeof one, &one) != 0) {
        fprintf(stderr, "needs two CPUs\n");
        return 77;
    }
    for (int i = 0; i < BUFFERS; i++) {
        src[i] = malloc(MOST);
        dst[i] = malloc(MOST);
        if (!src[i] || !dst[i])
            return 1;
        memset(src[i], i, MOST);
        memset(dst[i], i, MOST);
    }
    for (size_t n = 1024; n <= MOST; n *= 2)
        print_size(me, n, rounds);
    if (me == 0)
        waitpid(child, NULL, 0);
    return 0;
}
