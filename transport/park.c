/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/park.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Here, below all that counts in it. */
struct vc_wait_stats vc_wait_stats;
_Atomic bool vc_wait_shares;

/* ---- shared layout ---- */

/* What a participant has behind the words: apart from them, because readers poll their cache line. */
struct stamp {
    _Atomic uint64_t woken;              /* when it was woken last */
    _Atomic uint64_t pipe_dev, pipe_ino; /* which file that is; the program may have put another there */
    _Atomic uint32_t pipe; /* 1 + the descriptor of its pipe's writing end, in its process; 0: none */
    _Atomic uint32_t gone; /* taken by the first that reports a failure (only in the first stamp) */
};
/* Text of the first failure, behind the stamps. */
#define WHY_BYTES 256

static size_t words_bytes(int n)
{
    return vc_round_up(sizeof(struct vc_park_area) + (size_t)n * sizeof(uint32_t), VC_LINE_PAIR);
}

static size_t stamps_bytes(int n)
{
    return vc_round_up((size_t)n * sizeof(struct stamp), VC_LINE_PAIR);
}

size_t vc_park_bytes(int n)
{
    return words_bytes(n) + stamps_bytes(n) + WHY_BYTES;
}

static struct stamp *stamp_of(const struct vc_parking *p, int i)
{
    return (struct stamp *)(void *)((char *)p->shared + words_bytes(p->n)) + i;
}

static char *why_text(const struct vc_parking *p)
{
    return (char *)p->shared + words_bytes(p->n) + stamps_bytes(p->n);
}

/* ---- who is alive ---- */

/* Reads state and start time of a process's first thread, which are the process's; false when there is no
 * such process. Not /proc/<pid>/stat, which an emulator (qemu-user) makes up for the process that asks. */
static bool read_process_state(long pid, char *state, uint64_t *start)
{
    char buf[1024], path[64];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", pid, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT && errno != ESRCH ? (*state = '?', *start = 0, true) : false;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    if (n <= 0)
        return false;
    buf[n] = 0;
    const char *p = strrchr(buf, ')'); /* the name may hold blanks and parentheses */
    if (!p || p[1] != ' ')
        return false;
    p += 2;
    *state = *p;
    for (int field = 3; field < 22; field++) {
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    *start = strtoull(p, NULL, 10);
    return true;
}

struct vc_peer_id vc_peer_self(void)
{
    struct vc_peer_id id = {getpid(), 0};
    char state;
    if (!read_process_state((long)id.pid, &state, &id.start_time))
        id.pid = 0;
    return id;
}

bool vc_peer_alive(const struct vc_peer_id *id)
{
    if (id->pid == 0)
        return true;
    char state;
    uint64_t start;
    if (!read_process_state((long)id->pid, &state, &start))
        return access("/proc/self/stat", R_OK) != 0; /* without /proc it may be alive */
    if (state == '?')
        return true;
    return state != 'Z' && state != 'X' && start == id->start_time;
}

static int check_peer(const struct vc_parking *p, int i)
{
    if (i == p->me || vc_peer_alive(&p->ids[i]))
        return VC_OK;
    return vc_fail(VC_ERR_PEER, "rank %d (process %ld) died while this rank waited for it",
                   p->ranks ? p->ranks[i] : i, (long)p->ids[i].pid);
}

/* Acquire pairs with the release in vc_park_give_up(): the text was written before. */
static int check_gave_up(const struct vc_parking *p)
{
    uint32_t who = atomic_load_explicit(&p->shared->gave_up, memory_order_acquire);
    if (who == 0 || who > (uint32_t)p->n || who == 1u + (uint32_t)p->me)
        return VC_OK;
    /* A rank that was itself told of the failure passes the text on as it is: it names the first rank. */
    if (strstr(why_text(p), " gave up: "))
        return vc_fail(VC_ERR_PEER, "%.*s", WHY_BYTES - 1, why_text(p));
    return vc_fail(VC_ERR_PEER, "rank %d gave up: %.*s", p->ranks ? p->ranks[who - 1] : (int)who - 1,
                   WHY_BYTES - 1, why_text(p));
}

/* ---- park words ---- */

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const struct timespec *timeout)
{
    return syscall(SYS_futex, (uint32_t *)word, op, val, timeout, NULL, 0);
}

/* ---- fences ---- */

static _Atomic bool have_membarrier;

static bool membarrier(int cmd)
{
    return syscall(SYS_membarrier, cmd, 0, 0) == 0;
}

bool vc_park_prepare_with(bool wanted)
{
    bool have = wanted && membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
    atomic_store_explicit(&have_membarrier, have, memory_order_relaxed);
    return have;
}

bool vc_wait_prepare(void)
{
    int kept = errno;
    bool have = vc_park_prepare_with(true);
    errno = kept;
    return have;
}

void vc_park_fence(void)
{
    /* For this CPU; the call below is for the wakers'. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&have_membarrier, memory_order_relaxed))
        membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

/* ---- pipes: waking a sleeper that sleeps on descriptors ---- */

/* Which file a descriptor is. A program may close any descriptor and open another file under its number, so
 * this is compared before each use. */
struct file_id {
    uint64_t dev, ino;
};

static bool same_file(const struct stat *st, const struct file_id *id)
{
    return S_ISFIFO(st->st_mode) && st->st_dev == id->dev && st->st_ino == id->ino;
}

static bool fd_is(int fd, const struct file_id *id)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && same_file(&st, id);
}

static int wake_pipe[2] = {-1, -1};
static struct file_id wake_pipe_id;

static void make_pipe(void)
{
    struct stat st;
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0 || fstat(wake_pipe[0], &st) != 0)
        wake_pipe[0] = wake_pipe[1] = -1;
    else
        wake_pipe_id = (struct file_id){st.st_dev, st.st_ino};
}

/* The pipe's reading (0) or writing end (1). -1: no descriptors were left, or the program has closed it. */
static int own_end(int which)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_pipe);
    return fd_is(wake_pipe[which], &wake_pipe_id) ? wake_pipe[which] : -1;
}

static void publish_pipe(struct stamp *s)
{
    int fd = own_end(1);
    atomic_store_explicit(&s->pipe_dev, wake_pipe_id.dev, memory_order_relaxed);
    atomic_store_explicit(&s->pipe_ino, wake_pipe_id.ino, memory_order_relaxed);
    /* Release: pairs with the acquire in write_wake_pipe(), which then reads the file's id. */
    atomic_store_explicit(&s->pipe, 1u + (uint32_t)fd, memory_order_release);
}

/* Opens the pipe of another process by its link in /proc. -1: the process is gone, or the descriptor is no
 * longer that pipe; another file is not even opened. */
static int open_pipe_of(const struct vc_peer_id *peer, uint32_t number, const struct file_id *id)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%ld/fd/%u", (long)peer->pid, number);
    if (!vc_peer_alive(peer) || stat(path, &st) != 0 || !same_file(&st, id))
        return -1;
    /* For reading, too: this process is then itself a reader, and a write never raises SIGPIPE. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && !fd_is(fd, id)) {
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * Writes into the pipe of another process. The pipes of the few processes that this one wakes stay open. Each
 * is checked before each write, because both programs may have reused the descriptor for a file of theirs.
 */
static void write_wake_pipe(const struct vc_parking *p, int i)
{
    enum { KEPT = 32 };
    static struct {
        struct file_id id;
        int fd;
    } kept[KEPT];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const struct stamp *s = stamp_of(p, i);
    /* Acquire: pairs with the release in publish_pipe(). */
    uint32_t number = atomic_load_explicit(&s->pipe, memory_order_acquire);
    if (number == 0 || !p->ids || p->ids[i].pid == 0)
        return;
    struct file_id id = {atomic_load_explicit(&s->pipe_dev, memory_order_relaxed),
                         atomic_load_explicit(&s->pipe_ino, memory_order_relaxed)};
    unsigned k = (unsigned)p->ids[i].pid % KEPT;
    pthread_mutex_lock(&lock);
    bool mine = kept[k].id.ino != 0 && fd_is(kept[k].fd, &kept[k].id);
    if (!mine || kept[k].id.ino != id.ino || kept[k].id.dev != id.dev) {
        if (mine)
            close(kept[k].fd);
        kept[k].fd = open_pipe_of(&p->ids[i], number - 1, &id);
        kept[k].id = kept[k].fd >= 0 ? id : (struct file_id){0};
    }
    if (kept[k].id.ino != 0) {
        ssize_t n = write(kept[k].fd, "", 1);
        (void)n; /* a full pipe wakes it, too */
    }
    pthread_mutex_unlock(&lock);
}

void vc_wake_slow(struct vc_parking *p, int target)
{
    struct vc_park_area *a = p->shared;
    int first = target >= 0 ? target : 0, last = target >= 0 ? target + 1 : p->n;
    for (int i = first; i < last; i++) {
        uint32_t v = atomic_load_explicit(&a->word[i], memory_order_relaxed);
        uint32_t whom = v & ~VC_PARK_PIPE, flag = v & VC_PARK_PIPE;
        if (v == 0 || i == p->me || (whom != VC_PARK_ANY && whom != 1u + (uint32_t)p->me))
            continue;
        /* Exactly one of wakers and sleeper turns the word to 0, and that one decrements the count. */
        if (!atomic_compare_exchange_strong_explicit(&a->word[i], &v, 0, memory_order_acq_rel,
                                                     memory_order_relaxed))
            continue;
        atomic_fetch_sub_explicit(&a->nparked, 1, memory_order_relaxed);
        atomic_store_explicit(&stamp_of(p, i)->woken, vc_now_ns(), memory_order_relaxed);
        if (flag)
            write_wake_pipe(p, i);
        else
            futex(&a->word[i], FUTEX_WAKE, 1, NULL);
        atomic_fetch_add_explicit(&vc_wait_stats.wakes, 1, memory_order_relaxed);
    }
}

void vc_park_give_up(struct vc_parking *p, const char *text)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong_explicit(&stamp_of(p, 0)->gone, &none, 1, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    snprintf(why_text(p), WHY_BYTES, "%s", text);
    /* Release: pairs with the acquire in check_gave_up(). */
    atomic_store_explicit(&p->shared->gave_up, 1u + (uint32_t)p->me, memory_order_release);
}

void vc_park_announce(struct vc_parking *p, uint32_t value, bool on_pipe)
{
    struct vc_park_area *a = p->shared;
    if (on_pipe)
        publish_pipe(stamp_of(p, p->me));
    /* Incremented before the word is set: a waker that sees the word decrements the count, which must not
     * reach 0 while another one sleeps. */
    atomic_fetch_add_explicit(&a->nparked, 1, memory_order_relaxed);
    if (atomic_exchange_explicit(&a->word[p->me], value, memory_order_acq_rel) != 0)
        atomic_fetch_sub_explicit(&a->nparked, 1, memory_order_relaxed);
}

void vc_park_clear(struct vc_parking *p)
{
    struct vc_park_area *a = p->shared;
    if (atomic_exchange_explicit(&a->word[p->me], 0, memory_order_acq_rel) != 0)
        atomic_fetch_sub_explicit(&a->nparked, 1, memory_order_relaxed);
}

void vc_wait_unpark(struct vc_waiter *w)
{
    vc_park_clear(w->parking);
    w->announced = false;
}

/* Not by sched_yield(), which is the library's own one here: a rank comes back with empty caches and
 * translations, so each function on its way costs. */
VC_HOT void vc_wait_yield(void)
{
    syscall(SYS_sched_yield);
    atomic_fetch_add_explicit(&vc_wait_stats.yields, 1, memory_order_relaxed);
}

bool vc_park_sleep(struct vc_parking *p, uint32_t value, uint64_t ns)
{
    struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    return futex(&p->shared->word[p->me], FUTEX_WAIT, value, &ts) == 0;
}

int vc_park_pipe(void)
{
    return own_end(0);
}

void vc_park_drain_pipe(void)
{
    char sink[64];
    int fd = own_end(0);
    while (fd >= 0 && read(fd, sink, sizeof sink) == (ssize_t)sizeof sink)
        ;
}

uint64_t vc_park_woken(const struct vc_parking *p)
{
    return atomic_load_explicit(&stamp_of(p, p->me)->woken, memory_order_relaxed);
}

/* How many participants a check looks at, besides the one waited for. */
#define CHECKED_AT_ONCE 16

int vc_park_check(const struct vc_parking *p, int whom)
{
    static _Atomic unsigned turn; /* relaxed: it spreads the looks, no more */
    int err = check_gave_up(p);
    if (err != VC_OK || !p->ids)
        return err;
    /* The participant waited for may itself wait for one that is dead. All that wait look at others than
     * their neighbours do, and who finds one dead tells them. */
    err = whom >= 0 ? check_peer(p, whom) : VC_OK;
    int others = p->n - 1, looks = others < CHECKED_AT_ONCE ? others : CHECKED_AT_ONCE;
    unsigned first = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) * CHECKED_AT_ONCE;
    for (int i = 0; i < looks && err == VC_OK; i++) {
        int away = 1 + (int)((first + (unsigned)i) % (unsigned)others);
        err = check_peer(p, (p->me + away) % p->n);
    }
    return err;
}
