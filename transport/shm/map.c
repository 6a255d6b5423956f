/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/shm/map.h"

#include "transport/base.h"
#include "transport/shm/xpmem.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Attachments of one peer. */
#define PIECES 64
/* Attachments begin and end at multiples of this where the kernel lets them, so that buffers near each other
 * share one. What is not used of it costs nothing. */
#define GRAIN ((uintptr_t)2 << 20)
/* How often a range that was refused is refused again without asking the kernel. */
#define AGAIN 256

/* An attachment. */
struct piece {
    uintptr_t base, end; /* in the peer */
    char *here;
    int uses;
    uint64_t used; /* when, by the peer's clock */
};

struct vc_map_peer {
    pthread_mutex_t lock;
    int64_t apid;
    int n;
    uint64_t clock;
    struct piece piece[PIECES]; /* those with here == NULL are free */
    uintptr_t refused, refused_end;
    int again;
};

struct vc_map_stats vc_map_stats;

static struct vc_xpmem_lib xpmem;
static void *library;
static int64_t own = -1;
static bool kept;

static void count(_Atomic uint64_t *c)
{
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

/* ---- this process ---- */

static bool load_library(void)
{
    static const char *const names[] = {"xpmem_make",    "xpmem_remove", "xpmem_get",
                                        "xpmem_release", "xpmem_attach", "xpmem_detach"};
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof found == sizeof xpmem, "one name for each function");
    library = dlopen(VC_XPMEM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(found[i] = dlsym(library, names[i])))
            return false;
    memcpy(&xpmem, found, sizeof xpmem);
    return true;
}

int vc_map_init(int64_t *segment)
{
    if (!load_library()) {
        vc_map_fini();
        return vc_fail(VC_ERR_UNSUPPORTED, "there is no usable %s", VC_XPMEM_LIBRARY);
    }
    own = xpmem.make(NULL, VC_XPMEM_WHOLE, VC_XPMEM_PERMIT_MODE, VC_XPMEM_MODE);
    if (own == -1) {
        int e = errno;
        vc_map_fini();
        return vc_fail(VC_ERR_UNSUPPORTED, "XPMEM does not open this process to others: %s", strerror(e));
    }
    *segment = own;
    return VC_OK;
}

void vc_map_fini(void)
{
    if (own != -1)
        xpmem.remove(own);
    own = -1;
    kept = false;
    if (library)
        dlclose(library);
    library = NULL;
}

void vc_map_keep(bool keep)
{
    kept = keep;
}

/* The kernel reads a signal set there before it finds that it does not know what to do with it. */
bool vc_map_readable(const void *at)
{
    int before = errno;
    bool can = at && (syscall(SYS_rt_sigprocmask, -1, at, NULL, 8) == 0 || errno != EFAULT);
    errno = before;
    return can;
}

/* ---- peers ---- */

struct vc_map_peer *vc_map_open(int64_t segment)
{
    struct vc_map_peer *p = calloc(1, sizeof *p);
    if (!p) {
        vc_fail(VC_ERR_NOMEM, "out of memory for attachments of a process");
        return NULL;
    }
    p->apid = xpmem.get(segment, VC_XPMEM_RDWR, VC_XPMEM_PERMIT_MODE, VC_XPMEM_MODE);
    if (p->apid == -1) {
        vc_fail(VC_ERR_SYS, "XPMEM does not open another process: %s", strerror(errno));
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void detach_piece(struct piece *a)
{
    xpmem.detach(a->here);
    a->here = NULL;
}

void vc_map_close(struct vc_map_peer *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        if (p->piece[i].here)
            detach_piece(&p->piece[i]);
    xpmem.release(p->apid);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- attachments ---- */

static bool try_to_attach(struct vc_map_peer *p, struct piece *a, uintptr_t base, uintptr_t end)
{
    void *at = xpmem.attach((struct vc_xpmem_addr){p->apid, (off_t)base}, end - base, NULL);
    if (at == VC_XPMEM_FAILED)
        return false;
    *a = (struct piece){.base = base, .end = end, .here = at};
    return true;
}

/* The first and last bytes of the range: XPMEM maps no memory of devices, and none that is itself attached
 * from elsewhere, and says so by a signal when it is touched. */
static bool is_usable(const struct piece *a, uintptr_t from, uintptr_t to)
{
    uintptr_t last = to - from < 8 ? from : to - 8;
    return vc_map_readable(a->here + (from - a->base)) && vc_map_readable(a->here + (last - a->base));
}

static bool attach_range(struct vc_map_peer *p, struct piece *a, uintptr_t from, uintptr_t to)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (to + page - 1) / page * page;
    uintptr_t far = (to + GRAIN - 1) / GRAIN * GRAIN;
    if (!(kept && try_to_attach(p, a, from / GRAIN * GRAIN, far)) &&
        !try_to_attach(p, a, from / page * page, end))
        return false;
    if (is_usable(a, from, to))
        return true;
    detach_piece(a);
    return false;
}

/* A place for one more attachment; NULL: all are in use. */
static struct piece *free_piece(struct vc_map_peer *p)
{
    struct piece *oldest = NULL;
    for (int i = 0; i < PIECES; i++) {
        struct piece *a = &p->piece[i];
        if (!a->here) {
            p->n = i < p->n ? p->n : i + 1;
            return a;
        }
        if (a->uses == 0 && (!oldest || a->used < oldest->used))
            oldest = a;
    }
    if (oldest) {
        detach_piece(oldest);
        count(&vc_map_stats.evicted);
    }
    return oldest;
}

static bool was_refused(struct vc_map_peer *p, uintptr_t from, uintptr_t to)
{
    return p->again > 0 && from >= p->refused && to <= p->refused_end && p->again-- > 0;
}

static struct piece *find_piece(struct vc_map_peer *p, uintptr_t from, uintptr_t to)
{
    for (int i = 0; kept && i < p->n; i++)
        if (p->piece[i].here && from >= p->piece[i].base && to <= p->piece[i].end)
            return &p->piece[i];
    if (was_refused(p, from, to))
        return NULL;
    struct piece *a = free_piece(p);
    if (a && attach_range(p, a, from, to)) {
        count(&vc_map_stats.attached);
        return a;
    }
    count(&vc_map_stats.refused);
    if (a) {
        p->refused = from;
        p->refused_end = to;
        p->again = AGAIN;
    }
    return NULL;
}

struct vc_map_hold vc_map_range(struct vc_map_peer *p, uint64_t remote, size_t len)
{
    struct vc_map_hold h = {.peer = p};
    uintptr_t from = (uintptr_t)remote, to = from + len;
    if (!p || to <= from)
        return h;
    pthread_mutex_lock(&p->lock);
    struct piece *a = find_piece(p, from, to);
    if (a) {
        a->uses++;
        a->used = ++p->clock;
        h.index = (int)(a - p->piece);
        h.at = a->here + (from - a->base);
    }
    pthread_mutex_unlock(&p->lock);
    return h;
}

void vc_map_drop(const struct vc_map_hold *h)
{
    struct vc_map_peer *p = h->peer;
    if (!h->at)
        return;
    pthread_mutex_lock(&p->lock);
    struct piece *a = &p->piece[h->index];
    if (--a->uses == 0 && !kept)
        detach_piece(a);
    pthread_mutex_unlock(&p->lock);
}
