/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a window of addresses, each a power of two of pages, kept in a list by size when they are free.
 */
#include "tests/xpmem/xpmem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE   ((size_t)4096)
#define WINDOW ((size_t)1 << 40)
#define ORDERS 30
#define LEAST  4096 /* shorter blocks are the C library's */

/* In front of a block of malloc(). */
struct head {
    char *base;
    size_t size;
};

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t m);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *window, *next;
static int file = -1;
static char *spare[ORDERS][1024];
static int nspare[ORDERS];

static void *raw_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off); /* NOLINT(performance-no-int-to-ptr) */
}

static void die(const char *what)
{
    dprintf(2, "stand-in for XPMEM: %s: %s\n", what, strerror(errno));
    abort();
}

static int new_file(void)
{
    int fd = (int)syscall(SYS_memfd_create, XP_NAME, MFD_CLOEXEC), high;
    if (fd < 0 || ftruncate(fd, (off_t)1 << 47) != 0)
        die("a file");
    high = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    if (high < 0)
        return fd;
    close(fd);
    return high;
}

static void *map_file(char *at, size_t n)
{
    return raw_mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)(uintptr_t)at);
}

static bool inside(const void *p)
{
    return window && (const char *)p >= window && (const char *)p < window + WINDOW;
}

/* ---- children ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* A child has its own memory, as it would have without the stand-in. */
static void in_child(void)
{
    static char text[1 << 20];
    pthread_mutex_init(&lock, NULL);
    if (file < 0)
        return;
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), old = file;
    size_t have = 0;
    for (ssize_t n;
         maps >= 0 && have < sizeof text - 1 && (n = read(maps, text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)n;
    text[have] = '\0';
    close(maps);
    file = new_file();
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) != 2 || !strstr(line, XP_NAME) || !inside((char *)from))
            continue;
        for (size_t at = from; at < to;) {
            ssize_t n = pwrite(file, (char *)at, to - at, (off_t)at);
            if (n <= 0)
                die("a child's memory");
            at += (size_t)n;
        }
        if (map_file((char *)from, to - from) == MAP_FAILED)
            die("a child's memory");
    }
    close(old);
}

static void open_window(void)
{
    window = raw_mmap(NULL, WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window == MAP_FAILED)
        die("addresses");
    next = window;
    file = new_file();
    pthread_atfork(before_fork, after_fork, in_child);
}

/* ---- blocks ---- */

static int order_of(size_t n)
{
    size_t pages = (n + PAGE - 1) / PAGE;
    int order = 0;
    while ((size_t)1 << order < pages)
        order++;
    return order;
}

/* Zeroed. */
static char *take_block(size_t n)
{
    int order = order_of(n);
    if (order >= ORDERS)
        return NULL;
    size_t size = PAGE << order;
    pthread_mutex_lock(&lock);
    if (!window)
        open_window();
    char *at = nspare[order] ? spare[order][--nspare[order]] : next;
    if (at == next)
        next += size;
    if (next > window + WINDOW)
        die("addresses are used up");
    pthread_mutex_unlock(&lock);
    return map_file(at, size) == MAP_FAILED ? NULL : at;
}

static void empty(char *at, size_t n)
{
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(uintptr_t)at, (off_t)n);
}

static void give_block(char *at, size_t n)
{
    int order = order_of(n);
    size_t size = PAGE << order;
    int before = errno;
    raw_mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    empty(at, size);
    pthread_mutex_lock(&lock);
    if (nspare[order] < 1024)
        spare[order][nspare[order]++] = at;
    pthread_mutex_unlock(&lock);
    errno = before;
}

/* ---- malloc() ---- */

static struct head *head_of(void *p)
{
    return (struct head *)p - 1;
}

static void *aligned_block(size_t align, size_t n)
{
    size_t before = align > 64 ? align : 64;
    char *base = take_block(n + before);
    if (!base) {
        errno = ENOMEM;
        return NULL;
    }
    *head_of(base + before) = (struct head){base, n + before};
    return base + before;
}

void *malloc(size_t n)
{
    return n < LEAST ? __libc_malloc(n) : aligned_block(0, n);
}

void free(void *p)
{
    if (inside(p))
        give_block(head_of(p)->base, head_of(p)->size);
    else
        __libc_free(p);
}

void *calloc(size_t n, size_t m)
{
    size_t sum;
    if (__builtin_mul_overflow(n, m, &sum) || sum < LEAST)
        return __libc_calloc(n, m);
    return aligned_block(0, sum);
}

size_t malloc_usable_size(void *p)
{
    if (!inside(p))
        return 0; /* as of no block: nobody here asks for it */
    return head_of(p)->size - (size_t)((char *)p - head_of(p)->base);
}

void *realloc(void *p, size_t n)
{
    if (!inside(p))
        return __libc_realloc(p, n); /* which leaves the block where it can be grown */
    struct head h = *head_of(p);
    size_t had = h.size - (size_t)((char *)p - h.base);
    void *q = malloc(n);
    if (q) {
        memcpy(q, p, had < n ? had : n);
        free(p);
    }
    return q;
}

void *memalign(size_t align, size_t n)
{
    return n < LEAST || align > PAGE ? __libc_memalign(align, n) : aligned_block(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    *out = memalign(align, n);
    return *out ? 0 : ENOMEM;
}

/* ---- mmap() ---- */

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    const int kind = MAP_PRIVATE | MAP_ANONYMOUS;
    if ((flags & kind) != kind || (flags & ~(kind | MAP_FIXED | MAP_POPULATE | MAP_NORESERVE)) ||
        prot != (PROT_READ | PROT_WRITE) || n == 0)
        return raw_mmap(at, n, prot, flags, fd, off);
    if (flags & MAP_FIXED) {
        if (!inside(at) || xp_fault("stale"))
            return raw_mmap(at, n, prot, flags, fd, off);
        empty(at, n);
        return map_file(at, n);
    }
    char *block = take_block(n);
    if (!block) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return block;
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    return mmap(at, n, prot, flags, fd, off);
}

int munmap(void *at, size_t n)
{
    if (!inside(at))
        return (int)syscall(SYS_munmap, at, n);
    /* A part of a block leaves addresses that are never used again. */
    raw_mmap(at, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    empty(at, n);
    return 0;
}

int xp_file(void)
{
    pthread_mutex_lock(&lock);
    if (!window)
        open_window();
    pthread_mutex_unlock(&lock);
    return file;
}
