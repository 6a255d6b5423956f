/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/maps.h"

#include "pmpi/arena.h"
#include "pmpi/ft.h"
#include "pmpi/gather.h"
#include "pmpi/world.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_map_peer **peers; /* by place; opened when they are first asked for */
static int places, own_place;
static bool begun, proven;

/* A page that another rank maps, and that becomes another one while it does. */
struct probe {
    _Atomic uint64_t word, written;
};
static struct probe *probe;

static struct probe *new_page(struct probe *at)
{
    void *page = mmap(at, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

/* The word that the probe has before it becomes another page, and after that. */
static uint64_t word_of(const struct vc_memory_head *h, bool later)
{
    return h->nonce + later;
}

bool vc_maps_begin(void)
{
    struct vc_memory_head *h = vc_arena_head(vc_memory, vc_world_kin(vc_world.rank)->place);
    int64_t segment;
    h->segment = -1;
    if (!vc_params.xpmem || !vc_params.cma)
        return false;
    if (vc_map_init(&segment) != VC_OK) {
        vc_log(VC_LOG_DEBUG, "%s", vc_error_text());
        return false;
    }
    begun = true;
    probe = new_page(NULL);
    if (!probe)
        return false;
    atomic_store_explicit(&probe->word, word_of(h, false), memory_order_relaxed);
    h->probe = (uintptr_t)probe;
    h->segment = segment;
    return true;
}

/* The next rank's page: is it there, and do both see what the other one writes? */
static bool meets_probe(struct probe *there, uint64_t word)
{
    if (!vc_map_readable(there) || atomic_load_explicit(&there->word, memory_order_acquire) != word)
        return false;
    atomic_store_explicit(&there->written, word, memory_order_release);
    return atomic_load_explicit(&there->written, memory_order_acquire) == word;
}

/* Whether `mine` holds on all ranks; negative: an error. Nobody goes on before all have come. */
static int on_all(const int *ranks, int n, int me, bool mine)
{
    char *all = malloc((size_t)n), own = mine;
    if (!all)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d ranks", n);
    int err = vc_gather_among(ranks, n, me, &own, all, sizeof own), yes = 1;
    for (int i = 0; err == VC_OK && i < n; i++)
        yes &= all[i];
    free(all);
    return err == VC_OK ? yes : err;
}

/*
 * The whole: the next rank's page is mapped, read and written. Then every rank puts a new page where the
 * probe was, and the same attachment must show that one.
 */
int vc_maps_prove(const int *ranks, int n, int me)
{
    int next = (me + 1) % n, got;
    const struct vc_memory_head *there = vc_arena_head(vc_memory, next), *here = vc_arena_head(vc_memory, me);
    places = n;
    own_place = me;
    peers = calloc((size_t)n, sizeof *peers);
    struct vc_map_hold h = {.at = NULL};
    if (peers && (peers[next] = vc_map_open(there->segment)))
        h = vc_map_range(peers[next], there->probe, sizeof *probe);
    got = on_all(ranks, n, me, h.at && meets_probe(h.at, word_of(there, false)));
    bool works = got > 0, follows = false;
    if (works) {
        bool seen = atomic_load_explicit(&probe->written, memory_order_acquire) == word_of(here, false);
        struct probe *page = seen ? new_page(probe) : NULL;
        if (page)
            atomic_store_explicit(&page->word, word_of(here, true), memory_order_release);
        got = on_all(ranks, n, me, page != NULL);
        works = got > 0;
    }
    if (got > 0) {
        got = on_all(ranks, n, me, meets_probe(h.at, word_of(there, true)));
        follows = got > 0;
    }
    vc_map_drop(&h);
    munmap(probe, (size_t)sysconf(_SC_PAGESIZE));
    probe = NULL;
    if (got < 0 || !works) {
        vc_maps_fini();
    } else {
        proven = true;
        vc_map_keep(follows);
    }
    if (got >= 0 && me == 0)
        vc_log(VC_LOG_INFO, "memory of other ranks is %s by XPMEM",
               !works    ? "not mapped"
               : follows ? "mapped"
                         : "mapped anew for each use");
    return got < 0 ? got : VC_OK;
}

void vc_maps_fini(void)
{
    for (int i = 0; peers && i < places; i++)
        vc_map_close(peers[i]);
    free(peers);
    peers = NULL;
    if (probe)
        munmap(probe, (size_t)sysconf(_SC_PAGESIZE));
    probe = NULL;
    if (begun)
        vc_map_fini();
    begun = proven = false;
}

bool vc_maps_on(void)
{
    /* A rank that dies while its memory is read would take the reader with it, which such jobs are to
     * survive. */
    return proven && !vc_ft_on();
}

struct vc_map_peer *vc_maps_peer(int place)
{
    if (!vc_maps_on() || place < 0 || place >= places || place == own_place)
        return NULL;
    const struct vc_memory_head *there = vc_arena_head(vc_memory, place);
    pthread_mutex_lock(&lock);
    if (!peers[place])
        peers[place] = vc_map_open(there->segment);
    struct vc_map_peer *p = peers[place];
    pthread_mutex_unlock(&lock);
    return p;
}
