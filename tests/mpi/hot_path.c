/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts what an 8-byte allreduce of two ranks costs besides instructions: allocations and locks here, by
 * standing in for the functions; system calls in hot_path.sh, by tracing between the marks that this program
 * leaves (getppid). With VC_HOT_TRACED rank 0 has itself traced, with stacks, into the file VC_HOT_LOG, once
 * it has warmed up: stacks of all that MPI_Init() does would take most of a minute. A batch in which a rank
 * had to wait long may yield, sleep or drive the MPI; the median batch must be free of it.
 */
#include <dlfcn.h>
#include <link.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM = 500, BATCHES = 400, CALLS = 20 };
/* Exit code: fewer than half of the batches were clean, which may be the machine's doing (see hot_path.sh).
 */
enum { VC_HOT_BUSY = 8, VC_HOT_UNTRACED = 77 };

static _Atomic long allocations, locks;

/* The code of the library that VC_HOT_EXCLUDE names: a device that is a library is not what is looked at. */
static uintptr_t excluded_from, excluded_to;

static int find_excluded(struct dl_phdr_info *info, size_t size, void *name)
{
    (void)size;
    if (!strstr(info->dlpi_name, name))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X)) {
            excluded_from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            excluded_to = excluded_from + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

#define COUNT(what)                                                                                          \
    do {                                                                                                     \
        uintptr_t from = (uintptr_t)__builtin_return_address(0);                                             \
        if (from < excluded_from || from >= excluded_to)                                                     \
            atomic_fetch_add(&what, 1);                                                                      \
    } while (0)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    COUNT(allocations);
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
    COUNT(allocations);
    return __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
    COUNT(allocations);
    return __libc_realloc(p, size);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t align, size_t size)
{
    COUNT(allocations);
    return __libc_memalign(align, size);
}

__attribute__((visibility("default"))) int pthread_mutex_lock(pthread_mutex_t *m)
{
    static int (*next)(pthread_mutex_t *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    COUNT(locks);
    return next(m);
}

static void mark(void)
{
    syscall(SYS_getppid);
}

static bool is_traced(void)
{
    char line[256];
    int tracer = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "TracerPid:", 10) == 0)
            tracer = atoi(line + 10);
    if (f)
        fclose(f);
    return tracer != 0;
}

/* Starts strace for this process; returns when it traces it, or -1. */
static pid_t trace(void)
{
    char self[16], go = 0;
    const char *log = getenv("VC_HOT_LOG");
    int may[2], status;
    snprintf(self, sizeof self, "%d", (int)getpid());
    if (!log || pipe(may) != 0)
        return -1;
    pid_t tracer = fork();
    if (tracer == 0) {
        unsetenv("LD_PRELOAD");
        if (read(may[0], &go, 1) == 1)
            execlp("strace", "strace", "-f", "-k", "-e", "trace=!process_vm_writev", "-o", log, "-p", self,
                   (char *)NULL);
        _exit(127);
    }
    prctl(PR_SET_PTRACER, (unsigned long)tracer, 0, 0, 0); /* fails where anybody may trace */
    if (tracer < 0 || write(may[1], &go, 1) != 1)
        return -1;
    while (!is_traced()) {
        if (waitpid(tracer, &status, WNOHANG) != 0)
            return -1;
        usleep(1000);
    }
    close(may[0]);
    close(may[1]);
    return tracer;
}

int main(int argc, char **argv)
{
    pid_t tracer = 0;
    int rank, bad = 0, free_of_both = 0;
    double in = 1, out;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    char *exclude = getenv("VC_HOT_EXCLUDE");
    if (exclude && dl_iterate_phdr(find_excluded, exclude) == 0) {
        fprintf(stderr, "rank %d: %s is not loaded\n", rank, exclude);
        bad |= 1;
    }
    /* Where each call is traced slowly, there are fewer; and the other rank waits long in every batch, which
     * is not what is counted. */
    bool traced = getenv("VC_HOT_TRACED") != NULL;
    int batches = traced ? BATCHES / 4 : BATCHES, calls = traced ? CALLS / 2 : CALLS;
    long before = atomic_load(&allocations);
    for (int i = 0; i < (traced ? WARM / 5 : WARM); i++)
        MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (atomic_load(&allocations) == before) { /* set-up allocates: otherwise the count counts nothing */
        fprintf(stderr, "rank %d: allocations are not seen\n", rank);
        bad |= 1;
    }
    if (traced && rank == 0 && (tracer = trace()) < 0) {
        fprintf(stderr, "strace may not trace this process\n");
        MPI_Abort(MPI_COMM_WORLD, VC_HOT_UNTRACED);
    }
    for (int b = 0; b < batches; b++) {
        MPI_Barrier(MPI_COMM_WORLD);
        mark();
        long a = atomic_load(&allocations), l = atomic_load(&locks);
        for (int i = 0; i < calls; i++)
            MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
        free_of_both += atomic_load(&allocations) == a && atomic_load(&locks) == l;
        mark();
        bad |= out != 2;
    }
    if (2 * free_of_both < batches && !traced) {
        fprintf(stderr, "rank %d: %d of %d batches of %d calls were without allocation and lock\n", rank,
                free_of_both, batches, calls);
        bad |= VC_HOT_BUSY;
    }
    if (tracer > 0) {
        kill(tracer, SIGTERM);
        waitpid(tracer, NULL, 0);
    }
    MPI_Finalize();
    return bad;
}
