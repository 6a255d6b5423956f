/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/comm.h"

#include "pmpi/online.h"
#include "pmpi/pool.h"
#include "pmpi/queue.h"
#include "pmpi/setup.h"
#include "pmpi/stats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 };

struct chunk {
    struct chunk *next;
    struct vc_comm comm[CHUNK];
};

_Atomic(struct vc_comm *) vc_comm_cache[VC_COMM_SLOTS];

/* Guards the lists below. Never held across an MPI call: on_delete() takes it, and is called with locks of
 * the MPI's own held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct chunk first_chunk;
static struct chunk *chunks;
static struct vc_comm *free_list;
static int nfree;
static int keyval = MPI_KEYVAL_INVALID;

/*
 * The communicators that this thread is freeing.
 *
 * MPI deletes attributes in the reverse order of their setting, so vcoll's often goes before the user's, and
 * a delete callback of the user's may still use the communicator. If that made state anew, the state would
 * outlive the communicator, and would be taken for that of a later one with the same handle. So from the
 * beginning of MPI_Comm_free to its end there is no state for the handle, and its collectives are the MPI's
 * own: on all ranks alike, whatever the order in which they set their attributes.
 *
 * Callbacks run in the thread that frees. If another thread uses the same handle, it means a new
 * communicator: the MPI may reuse the handle some time before MPI_Comm_free returns.
 */
struct dying {
    MPI_Comm comm;
    struct vc_comm *state; /* NULL: there was none */
    bool attr_gone;        /* on_delete() has been called for it */
    struct dying *outer;
};
static _Thread_local struct dying *dying;

/*
 * A tool may free a communicator by a function of the MPI that vcoll does not wrap. Then on_delete() is the
 * first to know, and sets this attribute, which stays until the communicator is gone.
 */
static int doomed_keyval = MPI_KEYVAL_INVALID;
static _Atomic bool any_doomed;

static bool is_dying(MPI_Comm comm)
{
    for (const struct dying *d = dying; d; d = d->outer)
        if (d->comm == comm)
            return true;
    void *value;
    int found = 0;
    /* Relaxed: a callback that uses the communicator runs in the thread that set the flag. */
    return atomic_load_explicit(&any_doomed, memory_order_relaxed) &&
           vc_next.Comm_get_attr(comm, doomed_keyval, &value, &found) == MPI_SUCCESS && found;
}

static void add_chunk(struct chunk *more)
{
    more->next = chunks;
    chunks = more;
    nfree += CHUNK;
    for (int i = 0; i < CHUNK; i++) {
        more->comm[i].next_free = free_list;
        free_list = &more->comm[i];
    }
}

/* More are allocated while there is a reserve, because a rank that had none would pass through alone. NULL:
 * no memory, and no reserve. */
static struct vc_comm *alloc_state(void)
{
    pthread_mutex_lock(&lock);
    if (!chunks)
        add_chunk(&first_chunk);
    if (nfree <= CHUNK / 2) {
        struct chunk *more = calloc(1, sizeof *more);
        if (more)
            add_chunk(more);
    }
    struct vc_comm *c = free_list;
    if (c) {
        free_list = c->next_free;
        nfree--;
    }
    pthread_mutex_unlock(&lock);
    return c;
}

static void recycle_state(struct vc_comm *c)
{
    pthread_mutex_lock(&lock);
    c->next_free = free_list;
    free_list = c;
    nfree++;
    pthread_mutex_unlock(&lock);
}

static void release(struct vc_comm *c)
{
    const char *why;
    atomic_store_explicit(&c->handle, NULL, memory_order_release);
    if (c->phase == VC_COMM_BROKEN || (c->team && vc_queue_failed(c->team, &why) != VC_OK))
        vc_team_free(c->team);
    else
        vc_pool_keep(c->team);
    c->team = NULL;
    recycle_state(c);
}

static int on_delete(MPI_Comm comm, int key, void *value, void *extra)
{
    struct vc_comm *c = value;
    (void)key;
    (void)extra;
    for (struct dying *d = dying; d; d = d->outer)
        if (d->state == c) {
            d->attr_gone = true; /* vc_comm_end() does the rest */
            return MPI_SUCCESS;
        }
    /* If the handles differ, the teardown has released the struct, which may be another communicator's now.
     */
    if (atomic_load_explicit(&c->handle, memory_order_acquire) == comm) {
        if (c->team && !vc_queue_empty(c->team))
            c->team = NULL; /* this is no place to wait: what is under way keeps it */
        release(c);
        atomic_store_explicit(&any_doomed, true, memory_order_relaxed);
        vc_next.Comm_set_attr(comm, doomed_keyval, NULL);
    }
    return MPI_SUCCESS;
}

int vc_comm_keyval_init(void)
{
    if (vc_next.Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &keyval, NULL) != MPI_SUCCESS ||
        vc_next.Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &doomed_keyval, NULL) !=
            MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Comm_create_keyval failed");
    return VC_OK;
}

/* The MPI has not freed the communicator: its state is found again. */
static void revive(const struct dying *d)
{
    struct vc_comm *c = d->state;
    /* Release: pairs with the acquire in vc_comm_find(). */
    atomic_store_explicit(&c->handle, d->comm, memory_order_release);
    if (d->attr_gone && vc_next.Comm_set_attr(d->comm, keyval, c) != MPI_SUCCESS)
        release(c);
}

int vc_comm_end(MPI_Comm *comm, int (*end)(MPI_Comm *))
{
    if (!comm || *comm == NULL || *comm == MPI_COMM_NULL || *comm == MPI_COMM_WORLD || *comm == MPI_COMM_SELF)
        return end(comm); /* an error, which the MPI reports */
    struct dying d = {.comm = *comm, .state = vc_comm_peek(*comm), .outer = dying};
    /* Collective, so all ranks have called whatever is under way. */
    if (d.state && d.state->phase == VC_COMM_BUSY)
        vc_queue_drain(d.state->team);
    /* Then vc_comm_find() does not find it: it compares handles. */
    if (d.state)
        atomic_store_explicit(&d.state->handle, NULL, memory_order_release);
    dying = &d;
    int rc = end(comm);
    dying = d.outer;
    if (d.state && rc == MPI_SUCCESS)
        release(d.state);
    else if (d.state)
        revive(&d);
    return rc;
}

static struct vc_comm *remember(struct vc_comm *c, MPI_Comm comm)
{
    /* Release: pairs with vc_comm_find(). */
    atomic_store_explicit(&vc_comm_cache[vc_comm_slot(comm)], c, memory_order_release);
    return c;
}

struct vc_comm *vc_comm_peek(MPI_Comm comm)
{
    void *value;
    int found;
    if (comm == NULL || comm == MPI_COMM_NULL || keyval == MPI_KEYVAL_INVALID ||
        vc_next.Comm_get_attr(comm, keyval, &value, &found) != MPI_SUCCESS || !found)
        return NULL;
    struct vc_comm *c = value;
    return atomic_load_explicit(&c->handle, memory_order_acquire) == comm ? c : NULL;
}

struct vc_comm *vc_comm_find_slow(MPI_Comm comm)
{
    if (comm == NULL || comm == MPI_COMM_NULL || keyval == MPI_KEYVAL_INVALID)
        return NULL;
    struct vc_comm *c = vc_comm_peek(comm);
    if (c)
        return remember(c, comm);

    int inter, size, rank;
    if (vc_next.Comm_test_inter(comm, &inter) != MPI_SUCCESS ||
        vc_next.Comm_size(comm, &size) != MPI_SUCCESS || vc_next.Comm_rank(comm, &rank) != MPI_SUCCESS ||
        is_dying(comm))
        return NULL;
    c = alloc_state();
    if (!c) {
        /* The others count this communicator's calls and will wait for this rank's vote. */
        vc_log(VC_LOG_ERROR, "out of memory: one more communicator cannot be remembered");
        vc_next.Abort(comm, 1);
        return NULL;
    }
    c->phase = inter || size == 1 ? VC_COMM_PASSES : VC_COMM_NEW;
    c->why_not = inter ? "an intercommunicator" : size == 1 ? "only one rank" : "not set up yet";
    c->rank = rank;
    c->size = size;
    c->team = NULL;
    c->calls = 0;
    c->setup_seconds = 0;
    c->due = false;
    c->posts = 0;
    /* Release: pairs with the acquire in vc_comm_find(). */
    atomic_store_explicit(&c->handle, comm, memory_order_release);
    if (vc_next.Comm_set_attr(comm, keyval, c) != MPI_SUCCESS) {
        release(c);
        return NULL;
    }
    return remember(c, comm);
}

void vc_comm_teardown(void)
{
    /* No other thread is in a collective, so the lists are quiet and release() may take the lock. */
    for (struct chunk *ch = chunks; ch; ch = ch->next)
        for (int i = 0; i < CHUNK; i++)
            if (atomic_load_explicit(&ch->comm[i].handle, memory_order_acquire))
                release(&ch->comm[i]);
    vc_pool_drain();
    vc_team_fini();
    for (int i = 0; i < VC_COMM_SLOTS; i++)
        atomic_store_explicit(&vc_comm_cache[i], NULL, memory_order_release);
    keyval = doomed_keyval = MPI_KEYVAL_INVALID;
    atomic_store_explicit(&any_doomed, false, memory_order_relaxed);
}

/* At the call that the setting says; if set-ups cost too much then, again at 4 times that many, 16 times, ...
 */
static bool due(int calls)
{
    int after = vc_params.setup_after, times = calls / after;
    /* Results must not change from one call to the next, so the first call sets up. */
    if (vc_params.reproducible)
        return true;
    return calls % after == 0 && (times & (times - 1)) == 0 && __builtin_ctz((unsigned)times) % 2 == 0;
}

void vc_comm_count(struct vc_comm *c)
{
    c->due |= due(++c->calls);
}

bool vc_comm_advance(struct vc_comm *c, MPI_Comm comm)
{
    if (c->phase != VC_COMM_NEW)
        return vc_comm_active(c);
    if (!due(++c->calls) && !c->due)
        return false;
    c->due = false;
    uint64_t begun = vc_now_ns();
    const char *why = "";
    int err = vc_setup(comm, &c->team, &why);
    if (err == VC_OK && !why)
        return false;
    uint64_t took = vc_now_ns() - begun;
    c->setup_seconds = (double)took * 1e-9;
    c->why_not = err != VC_OK ? "its set-up failed" : why;
    /* An error is this rank's alone, so the others cannot know: its collective reports it. */
    c->phase = err != VC_OK         ? VC_COMM_BROKEN
               : !c->team           ? VC_COMM_PASSES
               : vc_online_wanted() ? VC_COMM_LEARNING
                                    : VC_COMM_ACTIVE;
    if (err != VC_OK)
        vc_log(VC_LOG_ERROR, "rank %d could not set up a communicator of %d ranks: %s", c->rank, c->size,
               vc_error_text());
    else if (!c->team && c->rank == 0)
        vc_log(VC_LOG_INFO, "a communicator of %d ranks passes through: %s", c->size, why);
    vc_stats_setup(took, vc_comm_active(c));
    return vc_comm_active(c);
}

void vc_comm_early(MPI_Comm comm)
{
    struct vc_comm *c = vc_comm_find(comm);
    if (!c || c->phase != VC_COMM_NEW)
        return;
    c->due = true;
    vc_comm_advance(c, comm);
}
