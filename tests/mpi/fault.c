/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded in front of libvcoll: makes the n-th request for memory (heap, mappings, shared memory) that
 * comes from libvcoll's own code fail, as when there is none left. Everybody else's requests are served.
 * Counts as well how often other processes' descriptors were reached for.
 */
#include "fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

static uintptr_t lib_begin, lib_end;
static _Atomic long due, seen;

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    const char *slash = strrchr(info->dlpi_name, '/');
    if (!slash || strncmp(slash, "/libvcoll.so", 12) != 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X)) {
            lib_begin = info->dlpi_addr + h->p_vaddr;
            lib_end = lib_begin + h->p_memsz;
        }
    }
    return 1;
}

void vc_fault_arm(long n)
{
    if (lib_begin == 0)
        dl_iterate_phdr(find_library, NULL);
    seen = 0;
    due = n;
}

long vc_fault_seen(void)
{
    return lib_begin ? seen : -1;
}

static int refused(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (due == 0 || at < lib_begin || at >= lib_end || ++seen != due)
        return 0;
    errno = ENOMEM;
    return 1;
}

#define REFUSED refused(__builtin_return_address(0))

void *malloc(size_t n)
{
    return REFUSED ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return REFUSED ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return REFUSED ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return REFUSED ? NULL : __libc_memalign(align, n);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
    if (REFUSED)
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, at); /* NOLINT(performance-no-int-to-ptr) */
}

int memfd_create(const char *name, unsigned flags)
{
    return REFUSED ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    if (REFUSED)
        return ENOSPC;
    return syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno;
}

/* Only memory of its own is asked for by this. */
int madvise(void *addr, size_t len, int advice)
{
    if (advice == 23 /* MADV_POPULATE_WRITE */ && REFUSED) {
        errno = EFAULT;
        return -1;
    }
    return (int)syscall(SYS_madvise, addr, len, advice);
}

static _Atomic long reached;

long vc_fault_reached(void)
{
    return reached;
}

int open(const char *path, int flags, ...)
{
    int pid, fd;
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (sscanf(path, "/proc/%d/fd/%d", &pid, &fd) == 2)
        reached++;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
