/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/regcache_watch.h"
#include "transport/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.11; the headers of older systems lack it. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define FEATURES                                                                                             \
    (UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |                       \
     UFFD_FEATURE_PAGEFAULT_FLAG_WP)
/* Ranges that the log holds (a power of two). When it is full, all memory counts as changed. */
#define LOG       1024u
#define SETTLE_NS 1000000u

struct vc_memwatch {
    int fd; /* the userfaultfd */
    int ep; /* epoll of it: poll would keep the file alive when the program closes it */
    size_t page;
    bool running, stopped, abandoned;
    pthread_t thread;
    void *bell;               /* a watched page: unmapping it wakes the watcher */
    struct vc_memwatch *next; /* in `watches` */

    _Atomic bool stopping;
    _Atomic bool reading;        /* an event may have been read that is not in the log yet */
    _Atomic bool lost, broken;   /* the log was full; the program has closed the file */
    _Atomic uint32_t head, tail; /* written by the watcher; by the taker */
    struct vc_memrange log[LOG];
};

/* Protects the list of watches, whose files a forked child has to close. Held across fork, opening and
 * closing, so that the handler closes exactly the copies that the child has. The watcher never takes it, so
 * its holder may unmap watched memory. */
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_memwatch *watches;

static void before_fork(void)
{
    pthread_mutex_lock(&fork_lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&fork_lock);
}

static void after_fork_child(void)
{
    for (struct vc_memwatch *w = watches; w; w = w->next) {
        close(w->fd);
        close(w->ep);
    }
    watches = NULL;
    pthread_mutex_unlock(&fork_lock);
}

static void install_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void record(struct vc_memwatch *w, uintptr_t start, uintptr_t end)
{
    uint32_t head = atomic_load_explicit(&w->head, memory_order_relaxed);
    /* Pairs with the release in vc_memwatch_next(): the slot has been read out. */
    if (head - atomic_load_explicit(&w->tail, memory_order_acquire) == LOG) {
        atomic_store_explicit(&w->lost, true, memory_order_release);
        return;
    }
    w->log[head % LOG] = (struct vc_memrange){start, end};
    /* Pairs with the acquire in vc_memwatch_next(). */
    atomic_store_explicit(&w->head, head + 1, memory_order_release);
}

enum { QUIET, CHANGING, NOT_OURS };

/* Whether watched memory is being changed just now, and whether the descriptor is still this file. */
static int change_state(struct vc_memwatch *w)
{
    struct uffdio_zeropage nothing = {.mode = 0}; /* a length of zero is refused with EINVAL */
    if (ioctl(w->fd, UFFDIO_ZEROPAGE, &nothing) == 0)
        return NOT_OURS;
    return errno == EINVAL ? QUIET : errno == EAGAIN ? CHANGING : NOT_OURS;
}

/* Reads the events that there are, and logs them. */
static void log_events(struct vc_memwatch *w)
{
    struct uffd_msg msg[16];
    /* The thread that waits goes on as soon as its event is read, and must then see this raised. Both take
     * the kernel's queue lock, which orders them; seq_cst keeps the store before the system call. */
    atomic_store(&w->reading, true);
    ssize_t n = read(w->fd, msg, sizeof msg);
    for (ssize_t i = 0; i < n / (ssize_t)sizeof msg[0]; i++) {
        if (msg[i].event == UFFD_EVENT_REMAP) {
            record(w, msg[i].arg.remap.from, msg[i].arg.remap.from + msg[i].arg.remap.len);
            record(w, msg[i].arg.remap.to, msg[i].arg.remap.to + msg[i].arg.remap.len);
        } else if (msg[i].event == UFFD_EVENT_UNMAP || msg[i].event == UFFD_EVENT_REMOVE) {
            record(w, msg[i].arg.remove.start, msg[i].arg.remove.end);
        }
    }
    /* Release: pairs with the acquire in vc_memwatch_settle(), after which the log has these events. */
    atomic_store_explicit(&w->reading, false, memory_order_release);
}

/* Takes no lock, allocates nothing and uses no thread-local variable of vcoll: see the header. */
static void *watcher(void *arg)
{
    struct vc_memwatch *w = arg;
    pthread_setname_np(pthread_self(), "vcoll-memwatch");
    struct epoll_event e;
    while (!atomic_load(&w->stopping)) {
        int n = epoll_wait(w->ep, &e, 1, -1);
        if (n < 0 && errno == EINTR)
            continue; /* a debugger */
        if (n < 0 || change_state(w) == NOT_OURS || !(e.events & EPOLLIN)) {
            atomic_store(&w->broken, true); /* the program has closed or replaced the files */
            break;
        }
        log_events(w);
    }
    /* Closing ends the watch of all mappings and lets all threads go on that wait. It is done here and not in
     * vc_memwatch_stop(), because the exit of this thread drops pages of its stack, which may be watched. */
    if (change_state(w) != NOT_OURS)
        close(w->fd);
    return NULL;
}

static int add_mapping(struct vc_memwatch *w, uintptr_t from, uintptr_t to)
{
    struct uffdio_register r = {.range = {from, to - from}, .mode = UFFDIO_REGISTER_MODE_WP};
    return ioctl(w->fd, UFFDIO_REGISTER, &r);
}

static int start_watcher(struct vc_memwatch *w)
{
    /* Without access rights, so that the kernel never merges it with another mapping. */
    w->bell = mmap(NULL, w->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (w->bell == MAP_FAILED)
        return vc_fail(VC_ERR_NOMEM, "no memory for watching memory: %s", strerror(errno));
    struct uffdio_range bell = {(uintptr_t)w->bell, w->page};
    if (add_mapping(w, (uintptr_t)w->bell, (uintptr_t)w->bell + w->page) < 0) {
        munmap(w->bell, w->page);
        return vc_fail(VC_ERR_UNSUPPORTED, "cannot watch memory: %s", strerror(errno));
    }
    /* Signals go to threads of the application. The mask is set by attribute: this thread's own stays as it
     * is. */
    sigset_t all;
    pthread_attr_t attr;
    sigfillset(&all);
    int err = pthread_attr_init(&attr);
    if (!err) {
        err = pthread_attr_setsigmask_np(&attr, &all);
        if (!err)
            err = pthread_create(&w->thread, &attr, watcher, w);
        pthread_attr_destroy(&attr);
    }
    if (!err)
        w->running = true;
    else if (!ioctl(w->fd, UFFDIO_UNREGISTER, &bell)) /* else unmapping it would wait for a reader */
        munmap(w->bell, w->page);
    return err ? vc_fail(VC_ERR_UNSUPPORTED, "cannot start the thread that watches memory: %s", strerror(err))
               : VC_OK;
}

static int open_uffd(struct vc_memwatch *w)
{
    int flags = O_CLOEXEC | O_NONBLOCK;
    w->fd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
    if (w->fd < 0 && errno == EINVAL) /* before 5.11 */
        w->fd = (int)syscall(SYS_userfaultfd, flags);
    if (w->fd < 0)
        return vc_fail(VC_ERR_UNSUPPORTED,
                       "userfaultfd, which watches memory for zero copy, is not %s here (%s)",
                       errno == ENOSYS ? "known" : "permitted", strerror(errno));
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURES};
    if (ioctl(w->fd, UFFDIO_API, &api) < 0)
        return vc_fail(
            VC_ERR_UNSUPPORTED,
            "this kernel's userfaultfd cannot watch memory for zero copy: it lacks events of unmapping or "
            "write protection (%s)",
            strerror(errno));
    return VC_OK;
}

/* Tries on one page whether this kernel does what the watch relies on. */
static int try_out(struct vc_memwatch *w)
{
    void *p = mmap(NULL, w->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return vc_fail(VC_ERR_NOMEM, "no memory to try out userfaultfd: %s", strerror(errno));
    struct uffdio_range all = {(uintptr_t)p, w->page};
    bool ok = !add_mapping(w, (uintptr_t)p, (uintptr_t)p + w->page);
    /* No thread reads events yet, so unmapping a watched page would wait for ever. */
    ok = ok && !ioctl(w->fd, UFFDIO_UNREGISTER, &all) && change_state(w) == QUIET;
    int err = errno;
    if (!ok) {
        close(w->fd);
        w->fd = -1;
    }
    munmap(p, w->page);
    return ok ? VC_OK
              : vc_fail(VC_ERR_UNSUPPORTED, "userfaultfd cannot watch anonymous memory here (%s)",
                        strerror(err));
}

int vc_memwatch_create(struct vc_memwatch **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_fork_handlers);
    struct vc_memwatch *w = calloc(1, sizeof *w);
    if (!w)
        return vc_fail(VC_ERR_NOMEM, "no memory for watching memory");
    w->fd = w->ep = -1;
    w->page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_mutex_lock(&fork_lock);
    int err = open_uffd(w);
    if (!err)
        err = try_out(w);
    struct epoll_event e = {.events = EPOLLIN};
    if (!err &&
        ((w->ep = epoll_create1(EPOLL_CLOEXEC)) < 0 || epoll_ctl(w->ep, EPOLL_CTL_ADD, w->fd, &e) < 0))
        err = vc_fail(VC_ERR_UNSUPPORTED, "cannot wait for userfaultfd: %s", strerror(errno));
    if (!err) {
        w->next = watches;
        watches = w;
    } else {
        if (w->ep >= 0)
            close(w->ep);
        if (w->fd >= 0)
            close(w->fd);
    }
    pthread_mutex_unlock(&fork_lock);
    if (err) {
        free(w);
        return err;
    }
    *out = w;
    return VC_OK;
}

/* Reading /proc/self/maps by lines. */
struct maps {
    int fd;
    size_t at, len;
    char buf[4096];
};

/* The end of a line that does not fit, which is a part of a path, is cut off. */
static bool next_line(struct maps *m, char *line, size_t size)
{
    size_t have = 0;
    for (;;) {
        if (m->at == m->len) {
            ssize_t n = read(m->fd, m->buf, sizeof m->buf);
            if (n <= 0)
                return false;
            m->at = 0;
            m->len = (size_t)n;
        }
        const char *from = m->buf + m->at, *end = memchr(from, '\n', m->len - m->at);
        size_t n = end ? (size_t)(end - from) : m->len - m->at;
        size_t keep = vc_min_size(n, size - 1 - have);
        memcpy(line + have, from, keep);
        have += keep;
        m->at += n + (end ? 1 : 0);
        if (end) {
            line[have] = 0;
            return true;
        }
    }
}

/* "a-b rw-p offset 00:00 0" is private, anonymous, readable and writable. A mapping of a file can lose pages
 * when another process changes the file, and no event tells of it. */
static void parse_attributes(const char *attributes, bool *anonymous, bool *accessible)
{
    char perms[5] = "";
    unsigned long inode = 1;
    int n = sscanf(attributes, " %4s %*s %*s %lu", perms, &inode);
    *anonymous = n == 2 && perms[3] == 'p' && inode == 0;
    *accessible = n == 2 && perms[0] == 'r' && perms[1] == 'w';
}

int vc_memwatch_add(struct vc_memwatch *w, struct vc_memrange range, struct vc_memrange *refused)
{
    *refused = range;
    if (!w->running) {
        int err = start_watcher(w);
        if (err)
            return err;
    }
    struct maps m = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    if (m.fd < 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "cannot read /proc/self/maps: %s", strerror(errno));
    uintptr_t covered = range.start, hole_end = range.end;
    char line[128];
    const char *why = NULL;
    while (covered < range.end && !why && next_line(&m, line, sizeof line)) {
        char *at;
        uintptr_t from = strtoull(line, &at, 16), to = *at == '-' ? strtoull(at + 1, &at, 16) : 0;
        if (to <= covered)
            continue;
        if (from > covered) {
            hole_end = from < hole_end ? from : hole_end;
            break;
        }
        bool anonymous, accessible;
        parse_attributes(at, &anonymous, &accessible);
        if (!anonymous)
            why = "a file or shared memory is behind it";
        else if (!accessible)
            why = "it is not readable and writable";
        else if (add_mapping(w, from, to) < 0)
            why = strerror(errno);
        /* Of a mapped file all of the mapping is refused; of an anonymous one, whose rights may change, only
         * this range. */
        *refused = anonymous ? (struct vc_memrange){covered, to < range.end ? to : range.end}
                             : (struct vc_memrange){from, to};
        covered = to;
    }
    close(m.fd);
    if (!why && covered < range.end) {
        *refused = (struct vc_memrange){covered, hole_end};
        why = "it is not mapped";
    }
    if (why)
        return vc_fail(VC_ERR_UNSUPPORTED, "memory at %p cannot be watched: %s", (void *)refused->start, why);
    return VC_OK;
}

int vc_memwatch_settle(struct vc_memwatch *w)
{
    if (!w->running)
        return VC_OK;
    for (uint64_t deadline = 0;;) {
        int now = change_state(w);
        if (now == NOT_OURS || atomic_load(&w->broken))
            return vc_fail(VC_ERR_UNSUPPORTED,
                           "memory is not watched any more: the program has closed a file of vcoll's");
        /* Acquire: pairs with the release that lowers it, which comes after the log is written. */
        if (now == QUIET && !atomic_load_explicit(&w->reading, memory_order_acquire))
            return VC_OK;
        uint64_t t = vc_now_ns();
        if (!deadline)
            deadline = t + SETTLE_NS;
        else if (t > deadline)
            return vc_fail(VC_ERR_UNSUPPORTED, "memory is changing too fast to be watched");
        sched_yield();
    }
}

bool vc_memwatch_next(struct vc_memwatch *w, struct vc_memrange *changed)
{
    uint32_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);
    if (atomic_load_explicit(&w->lost, memory_order_relaxed) && atomic_exchange(&w->lost, false)) {
        /* All memory counts as changed, so entries that are still in the log do no harm. */
        *changed = (struct vc_memrange){0, UINTPTR_MAX};
        return true;
    }
    /* Acquire: pairs with the release in record(). */
    if (tail == atomic_load_explicit(&w->head, memory_order_acquire))
        return false;
    *changed = w->log[tail % LOG];
    atomic_store_explicit(&w->tail, tail + 1, memory_order_release);
    return true;
}

bool vc_memwatch_pending(struct vc_memwatch *w)
{
    return atomic_load_explicit(&w->head, memory_order_relaxed) !=
               atomic_load_explicit(&w->tail, memory_order_relaxed) ||
           atomic_load_explicit(&w->lost, memory_order_relaxed);
}

void vc_memwatch_stop(struct vc_memwatch *w)
{
    if (w->stopped)
        return;
    w->stopped = true;
    pthread_mutex_lock(&fork_lock);
    for (struct vc_memwatch **at = &watches; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    atomic_store(&w->stopping, true);
    if (!w->running) {
        close(w->fd);
        close(w->ep);
    } else if (change_state(w) == NOT_OURS) {
        /* The program has closed the files, and may use their numbers for files of its own, which stay open.
         * The watcher may never wake up, so `w` stays, too. */
        pthread_detach(w->thread);
        w->abandoned = true;
    } else {
        munmap(w->bell, w->page);
        pthread_join(w->thread, NULL);
        if (!atomic_load(&w->broken))
            close(w->ep);
    }
    w->running = false;
    pthread_mutex_unlock(&fork_lock);
}

void vc_memwatch_destroy(struct vc_memwatch *w)
{
    vc_memwatch_stop(w);
    if (!w->abandoned)
        free(w);
}
