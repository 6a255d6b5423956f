/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts what an 8-byte allreduce of two ranks costs besides instructions: allocations and locks here, by
 * standing in for the functions; system calls in hot_path.sh, by tracing between the marks that this program
 * leaves (getppid). A batch in which a rank had to wait long may yield, sleep or drive the MPI, on a busy
 * machine that may be nearly all of them; but if the path itself did any of it, no batch could be free of it.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCHES = 400, CALLS = 20 };

static _Atomic long allocations, locks;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(p, size);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t align, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(align, size);
}

__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t *m)
{
    static int (*next)(pthread_mutex_t *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    atomic_fetch_add(&locks, 1);
    return next(m);
}

static void mark(void)
{
    syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
    int rank, bad = 0, free_of_both = 0;
    double in = 1, out;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    long before = atomic_load(&allocations);
    for (int i = 0; i < 2000; i++)
        MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (atomic_load(&allocations) == before) { /* set-up allocates: otherwise the count counts nothing */
        fprintf(stderr, "rank %d: allocations are not seen\n", rank);
        bad = 1;
    }
    for (int b = 0; b < BATCHES; b++) {
        MPI_Barrier(MPI_COMM_WORLD);
        mark();
        long a = atomic_load(&allocations), l = atomic_load(&locks);
        for (int i = 0; i < CALLS; i++)
            MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        free_of_both += atomic_load(&allocations) == a && atomic_load(&locks) == l;
        mark();
        bad |= out != 2;
    }
    if (free_of_both == 0) {
        fprintf(stderr, "rank %d: none of %d batches of %d calls was without allocation and lock\n", rank,
                BATCHES, CALLS);
        bad = 1;
    }
    MPI_Finalize();
    return bad;
}
