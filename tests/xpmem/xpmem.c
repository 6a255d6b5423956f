/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's functions. A segment is a process and its descriptor, a permit an entry of a table here. */
#include "tests/xpmem/xpmem.h"

#include "transport/shm/xpmem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PERMITS     512
#define ATTACHMENTS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    pid_t pid;
    int fd;
} permit[PERMITS];
static struct {
    char *at;
    size_t size;
} attached[ATTACHMENTS];
static int tries;

int64_t xpmem_make(void *base, size_t size, int permit_type, void *value);
int xpmem_remove(int64_t segment);
int64_t xpmem_get(int64_t segment, int flags, int permit_type, void *value);
int xpmem_release(int64_t apid);
void *xpmem_attach(struct vc_xpmem_addr from, size_t size, void *here);
int xpmem_detach(void *here);

int xp_fault(const char *what)
{
    const char *text = getenv("VC_XPMEM_FAULT");
    size_t n = strlen(what);
    if (!text || strncmp(text, what, n) != 0)
        return 0;
    return text[n] == ':' ? atoi(text + n + 1) : 1;
}

static int64_t fail(int e)
{
    errno = e;
    return -1;
}

int64_t xpmem_make(void *base, size_t size, int permit_type, void *value)
{
    (void)value;
    if (xp_fault("make"))
        return fail(EACCES);
    if (base || size != VC_XPMEM_WHOLE || permit_type != VC_XPMEM_PERMIT_MODE)
        return fail(EINVAL);
    return (int64_t)getpid() << 16 | xp_file();
}

int xpmem_remove(int64_t segment)
{
    return segment > 0 ? 0 : -1;
}

int64_t xpmem_get(int64_t segment, int flags, int permit_type, void *value)
{
    (void)value;
    char path[64];
    if (flags != VC_XPMEM_RDWR || permit_type != VC_XPMEM_PERMIT_MODE || segment <= 0)
        return fail(EINVAL);
    if (xp_fault("get"))
        return fail(EACCES);
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)(segment >> 16),
             (long long)(segment & 0xffff));
    int fd = open(path, O_RDWR | O_CLOEXEC), i = 0;
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&lock);
    while (i < PERMITS && permit[i].pid)
        i++;
    if (i < PERMITS) {
        permit[i].pid = (pid_t)(segment >> 16);
        permit[i].fd = fd;
    }
    pthread_mutex_unlock(&lock);
    return i < PERMITS ? i + 1 : fail(ENOMEM);
}

int xpmem_release(int64_t apid)
{
    if (apid < 1 || apid > PERMITS || !permit[apid - 1].pid)
        return (int)fail(EINVAL);
    close(permit[apid - 1].fd);
    permit[apid - 1].pid = 0;
    return 0;
}

/* Whether all of it is in the process's file. */
static bool is_covered(pid_t pid, uintptr_t from, uintptr_t to)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *f = fopen(path, "re");
    while (f && from < to && fgets(line, sizeof line, f)) {
        unsigned long a, b;
        if (sscanf(line, "%lx-%lx", &a, &b) == 2 && a <= from && from < b && strstr(line, XP_NAME))
            from = b;
    }
    if (f)
        fclose(f);
    return from >= to;
}

void *xpmem_attach(struct vc_xpmem_addr from, size_t size, void *here)
{
    if (from.apid < 1 || from.apid > PERMITS || !permit[from.apid - 1].pid || from.offset % 4096 || here) {
        errno = EINVAL;
        return VC_XPMEM_FAILED;
    }
    size = (size + 4095) / 4096 * 4096;
    uintptr_t base = (uintptr_t)from.offset;
    bool fails = !is_covered(permit[from.apid - 1].pid, base, base + size);
    int every = xp_fault("attach");
    pthread_mutex_lock(&lock);
    if (every && !fails)
        fails = ++tries % every == 0;
    pthread_mutex_unlock(&lock);
    if (fails) {
        errno = ENOENT;
        return VC_XPMEM_FAILED;
    }
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, permit[from.apid - 1].fd, from.offset);
    if (at == MAP_FAILED)
        return VC_XPMEM_FAILED;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < ATTACHMENTS && attached[i].at)
        i++;
    if (i < ATTACHMENTS) {
        attached[i].at = at;
        attached[i].size = size;
    }
    pthread_mutex_unlock(&lock);
    return at;
}

int xpmem_detach(void *here)
{
    int rc = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; rc < 0 && i < ATTACHMENTS; i++)
        if (attached[i].at == here) {
            rc = (int)syscall(SYS_munmap, here, attached[i].size);
            attached[i].at = NULL;
        }
    pthread_mutex_unlock(&lock);
    return rc;
}
