/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fabric: a directory with a table of processes and one segment file for each of them. Each process holds
 * a record lock on the table, which the kernel drops when the process ends: that tells which ones are alive.
 */
#include "tests/loopback/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LB_MAGIC     0x6c6f6f70u
#define LB_HEAP_SIZE ((size_t)64 << 20)
#define LB_SEG_SIZE  (sizeof(struct lb_seg) + LB_HEAP_SIZE)

struct lb_slot {
    int32_t pid; /* 0: free */
    uint32_t seq;
};

struct lb_table {
    uint32_t magic, seg_size;
    struct lb_slot slot[LB_SLOTS];
};

struct lb_process *lb;

static struct lb_table *table;
static int table_fd = -1;
static char dir[256];

static void fabric_dir(void)
{
    const char *d = getenv("VC_LOOPBACK_FABRIC"), *job = getenv("OMPI_MCA_orte_ess_jobid");
    if (d && *d) {
        snprintf(dir, sizeof(dir), "%s", d);
        return;
    }
    if (!job)
        job = getenv("PMIX_NAMESPACE");
    snprintf(dir, sizeof(dir), "/dev/shm/vc_loopback.%u.%s", (unsigned)getuid(), job ? job : "none");
    for (char *p = dir + sizeof("/dev/shm/") - 1; *p; p++) {
        if (*p == '/')
            *p = '_';
    }
}

static void seg_path(char *path, size_t n, uint32_t slot, uint32_t seq)
{
    snprintf(path, n, "%s/seg.%u.%u", dir, slot, seq);
}

/* Whether another process holds the lock on `len` bytes from `start` on. */
static bool held(int fd, off_t start, off_t len)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, F_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

static void remove_dir(const char *path)
{
    DIR *d = opendir(path);
    char name[600];
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "seg.", 4) != 0 && strcmp(e->d_name, "fabric") != 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        unlink(name);
    }
    closedir(d);
    rmdir(path);
}

/* Removes directories that killed jobs of this user have left in /dev/shm. */
static void sweep(void)
{
    char prefix[64], path[400], file[440];
    DIR *d = opendir("/dev/shm");
    if (!d)
        return;
    int n = snprintf(prefix, sizeof(prefix), "vc_loopback.%u.", (unsigned)getuid());
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, (size_t)n) != 0)
            continue;
        snprintf(path, sizeof(path), "/dev/shm/%s", e->d_name);
        /* Opening and closing the own table would drop the own locks. */
        if (strcmp(path, dir) == 0)
            continue;
        snprintf(file, sizeof(file), "%s/fabric", path);
        int fd = open(file, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        /* Processes that join hold the flock until they hold a record lock. */
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && !held(fd, 0, 0))
            remove_dir(path);
        close(fd);
    }
    closedir(d);
}

static int open_table(void)
{
    char path[300];
    struct stat a, b;
    for (;;) {
        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
            return -1;
        snprintf(path, sizeof(path), "%s/fabric", dir);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            if (errno == ENOENT)
                continue; /* the last one of before has just removed the directory */
            return -1;
        }
        if (flock(fd, LOCK_EX) != 0) {
            close(fd);
            return -1;
        }
        if (fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino)
            return fd;
        close(fd);
    }
}

static struct lb_seg *map_seg(uint32_t slot, uint32_t seq, bool create)
{
    char path[300];
    seg_path(path, sizeof(path), slot, seq);
    int fd = open(path, create ? O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    if (!create || ftruncate(fd, LB_SEG_SIZE) == 0)
        p = mmap(NULL, LB_SEG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static int take_slot(void)
{
    for (uint32_t i = 0; i < LB_SLOTS; i++) {
        struct lb_slot *s = &table->slot[i];
        if (held(table_fd, i, 1))
            continue;
        if (s->pid) { /* died without leaving */
            char path[300];
            seg_path(path, sizeof(path), i, s->seq);
            unlink(path);
            s->pid = 0;
        }
        struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};
        if (fcntl(table_fd, F_SETLK, &fl) != 0)
            continue;
        uint32_t seq = s->seq + 1;
        struct lb_seg *seg = map_seg(i, seq, true);
        if (!seg)
            return errno;
        seg->slot = i;
        seg->seq = seq;
        seg->pid = getpid();
        seg->rank = lb_rank();
        lb->seg = lb->peer[i] = seg;
        s->seq = seq;
        /* Pairs with the acquire in lb_peer_seg: after the pid, the segment's file is there. */
        __atomic_store_n(&s->pid, getpid(), __ATOMIC_RELEASE);
        return 0;
    }
    return ENOSPC;
}

int lb_join(void)
{
    fabric_dir();
    sweep();
    lb = calloc(1, sizeof(*lb));
    if (!lb)
        return ENOMEM;
    pthread_mutex_init(&lb->lock, NULL);
    pthread_mutex_init(&lb->peer_lock, NULL);
    pthread_mutex_init(&lb->fd_lock, NULL);
    pthread_mutex_init(&lb->engine.lock, NULL);
    pthread_cond_init(&lb->engine.idle, NULL);
    int rc = 0;
    table_fd = open_table();
    if (table_fd < 0 || ftruncate(table_fd, sizeof(struct lb_table)) != 0) {
        rc = errno;
        goto fail;
    }
    table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
    if (table == MAP_FAILED) {
        table = NULL;
        rc = errno;
        goto fail;
    }
    if (!table->magic) {
        table->magic = LB_MAGIC;
        table->seg_size = (uint32_t)LB_SEG_SIZE;
    }
    /* Processes of another build of this library must not meet. */
    rc = table->magic == LB_MAGIC && table->seg_size == (uint32_t)LB_SEG_SIZE ? take_slot() : EPROTO;
    if (rc)
        goto fail;
    flock(table_fd, LOCK_UN);
    lb->opened_ns = lb_now();
    lb->blocks = calloc(1, sizeof(*lb->blocks));
    if (lb->blocks) {
        lb->blocks->off = sizeof(struct lb_seg);
        lb->blocks->size = LB_HEAP_SIZE;
    }
    /* Where Yama restricts tracing, siblings may write into this memory only if told so. */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    return 0;
fail:
    if (table)
        munmap(table, sizeof(*table));
    if (table_fd >= 0)
        close(table_fd);
    table = NULL;
    table_fd = -1;
    free(lb);
    lb = NULL;
    return rc;
}

void lb_leave(bool exiting)
{
    struct lb_process *p = lb;
    char path[300];
    if (!p)
        return;
    lb_engine_stop();
    flock(table_fd, LOCK_EX);
    __atomic_store_n(&p->seg->left, 1, __ATOMIC_RELEASE);
    table->slot[p->seg->slot].pid = 0;
    seg_path(path, sizeof(path), p->seg->slot, p->seg->seq);
    unlink(path);
    if (!held(table_fd, 0, 0))
        remove_dir(dir);
    /* At exit other threads may still be inside a call; the kernel cleans up after them. */
    if (exiting) {
        flock(table_fd, LOCK_UN);
        return;
    }
    for (size_t i = 0; i < sizeof(p->fds) / sizeof(p->fds[0]); i++) {
        if (p->fds[i].seg)
            close(p->fds[i].fd);
    }
    for (int i = 0; i < LB_SLOTS; i++) {
        if (p->peer[i])
            munmap(p->peer[i], LB_SEG_SIZE);
    }
    munmap(table, sizeof(*table));
    close(table_fd); /* and with it go both kinds of locks */
    table = NULL;
    table_fd = -1;
    for (struct lb_block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    lb = NULL;
    free(p);
}

/* The child of a fork has the mapping but no place of its own: it has to open the device anew. */
static void after_fork(void)
{
    if (table_fd >= 0)
        close(table_fd);
    table = NULL;
    table_fd = -1;
    lb = NULL;
    lb_settings_forget();
}

__attribute__((constructor)) static void library_in(void)
{
    pthread_atfork(NULL, NULL, after_fork);
}

__attribute__((destructor)) static void library_out(void)
{
    lb_leave(true);
}

struct lb_seg *lb_peer_seg(uint32_t slot)
{
    if (slot >= LB_SLOTS)
        return NULL;
    if (__atomic_load_n(&table->slot[slot].pid, __ATOMIC_ACQUIRE) == 0)
        return NULL;
    pthread_mutex_lock(&lb->peer_lock);
    struct lb_seg *seg = lb->peer[slot];
    uint32_t seq = table->slot[slot].seq;
    if (!seg || seg->seq != seq)
        seg = lb->peer[slot] = map_seg(slot, seq, false);
    pthread_mutex_unlock(&lb->peer_lock);
    return seg;
}

bool lb_alive(const struct lb_seg *seg)
{
    if (seg == lb->seg)
        return true;
    return !__atomic_load_n(&seg->left, __ATOMIC_ACQUIRE) && table->slot[seg->slot].seq == seg->seq &&
           held(table_fd, seg->slot, 1);
}

bool lb_any_dead(void)
{
    for (uint32_t i = 0; i < LB_SLOTS; i++) {
        if (table->slot[i].pid && i != lb->seg->slot && !held(table_fd, i, 1))
            return true;
    }
    return false;
}

void lb_lock_init(pthread_mutex_t *m)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(m, &a);
    pthread_mutexattr_destroy(&a);
}

void lb_lock(pthread_mutex_t *m)
{
    int rc;
    for (int i = 0; (rc = pthread_mutex_trylock(m)) == EBUSY && i < 100; i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    if (rc == EBUSY)
        rc = pthread_mutex_lock(m);
    /* Each change of protected data takes effect by its last store, so an owner that died has left a
     * consistent state. */
    if (rc == EOWNERDEAD)
        pthread_mutex_consistent(m);
}

void lb_unlock(pthread_mutex_t *m)
{
    pthread_mutex_unlock(m);
}

int lb_pipe(int fd[2])
{
    char path[64];
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return -1;
    /* Open for reading as well, so that writing never raises SIGPIPE; of its own, so that it never blocks
     * whatever the user sets on the read side. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
    fd[1] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int e = errno;
    close(p[1]);
    if (fd[1] < 0) {
        close(p[0]);
        errno = e;
        return -1;
    }
    fd[0] = p[0];
    return 0;
}

void lb_fd_write(struct lb_seg *seg, int32_t owner_fd, uint32_t gen, const void *token, size_t bytes)
{
    ssize_t rc;
    if (owner_fd < 0)
        return;
    if (seg == lb->seg) {
        rc = write(owner_fd, token, bytes);
        (void)rc; /* a full pipe is readable, too */
        return;
    }
    const size_t n = sizeof(lb->fds) / sizeof(lb->fds[0]);
    struct lb_fdref *r = NULL;
    pthread_mutex_lock(&lb->fd_lock);
    for (size_t i = 0; i < n && !r; i++) {
        if (lb->fds[i].seg == seg && lb->fds[i].owner_fd == owner_fd && lb->fds[i].gen == gen)
            r = &lb->fds[i];
    }
    if (!r) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", seg->pid, owner_fd);
        int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            r = &lb->fds[lb->next_fd++ % n];
            if (r->seg)
                close(r->fd);
            *r = (struct lb_fdref){.seg = seg, .owner_fd = owner_fd, .gen = gen, .fd = fd};
        }
    }
    if (r) {
        rc = write(r->fd, token, bytes);
        (void)rc;
    }
    pthread_mutex_unlock(&lb->fd_lock);
}
