/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mpi/next.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/** Open MPI's own progress function, or NULL. */
static void (*direct)(void);
static int (*add_callback)(int (*callback)(void)), (*remove_callback)(int (*callback)(void));
/** The same of a callback that is called in every eighth progress. */
static int (*add_seldom)(int (*callback)(void));
enum { SELDOM = 2 };
static int (*seldom[SELDOM])(void);
/** Sets whether a call of opal_progress in which nothing came yields the CPU; returns the setting before.
 * NULL: this MPI has no such function. */
static bool (*set_yield)(bool on);
/** How the switch stands while the program runs, and how it stood before. */
static _Atomic bool yields;
static bool yielded;

/*
 * Whether a call of opal_progress did something. It adds up what its callbacks return, and only where the sum
 * is not positive, and its switch says so, it calls sched_yield() (opal/runtime/opal_progress.c in 4.1, 5.0
 * and 6.0 alike; from 5.0 on it also returns the sum). The library stands in for sched_yield()
 * (pmpi/host_yield.c), so that call is seen, and the sum is known to be positive or not.
 *
 * Some callbacks always return 1 (that of osc/pt2pt in some releases). If the sum was positive in SUSPICION
 * calls in a row, there is one of these, or a flood of messages. From then on a callback of vcoll's own takes
 * 1 off the sum in every other call. If the sum still is positive, something came; if not, nothing is known.
 * If the sum is positive in all of these calls, too, it tells nothing any more. The first sum that is zero
 * without the callback ends the suspicion.
 */
#define SUSPICION 500

/* Of the thread that drives. Initial-exec: every sched_yield() of the program reads it, those of an allocator
 * that holds its own lock included, and another model may allocate at a thread's first access. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    bool watching; /* it is in opal_progress() on vcoll's behalf */
    bool idle;     /* which has called sched_yield() */
    int off;       /* what vcoll's callback takes off the sum in this call */
} driving;

/* Relaxed: guesses that all threads improve, which order nothing. */
static _Atomic bool tells;    /* a yield has been seen: no yield means that something came */
static _Atomic unsigned busy; /* calls in a row that found the sum positive with nothing taken off */
static _Atomic unsigned full; /* and with 1 taken off */
static _Atomic unsigned calls;
static _Atomic int drivers; /* threads that have the switch on */
/* A call has found something while messages were on their way. Messages over sockets are not in the sum, so
 * where all messages come in that way, this stays false. */
static _Atomic bool told;
static _Atomic bool untellable;
/* By the thread that has set `adding`. Release and acquire: a thread that sees it finds the callback in Open
 * MPI's list. */
static _Atomic bool callback_added;
static atomic_flag adding = ATOMIC_FLAG_INIT;

/* vc_host_call_back(). */
static _Atomic(int (*)(void)) user;
static pthread_mutex_t user_lock = PTHREAD_MUTEX_INITIALIZER;

/* The way that works on every MPI: testing a receive that never matches makes the library look at its
 * network. */
static MPI_Comm probe_comm = MPI_COMM_NULL;
static MPI_Request probe_req = MPI_REQUEST_NULL;
/** One thread at a time may test one request. The others go on without: the MPI is being driven. */
static atomic_flag probing = ATOMIC_FLAG_INIT;

/* A function of the library that the MPI library is made of. */
static void *find_opal(const char *name)
{
    void *sym = dlsym(RTLD_DEFAULT, name);
    Dl_info mpi;
    if (sym || !dladdr((void *)vc_next.Comm_dup, &mpi) || !mpi.dli_fname)
        return sym;
    /* Not in the global scope when a language runtime opened the MPI library privately; a handle of that
     * library searches what it depends on. */
    void *lib = dlopen(mpi.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (lib) {
        sym = dlsym(lib, name);
        dlclose(lib);
    }
    return sym;
}

int vc_host_progress_init_with(bool use_direct)
{
    vc_next_init();
    vc_host_progress_fini();
    void *sym = use_direct ? find_opal("opal_progress") : NULL;
    void *yield = sym ? find_opal("opal_progress_set_yield_when_idle") : NULL;
    if (sym) {
        memcpy(&direct, &sym, sizeof sym);
        memcpy(&set_yield, &yield, sizeof yield);
        void *add = find_opal("opal_progress_register"), *off = find_opal("opal_progress_unregister");
        memcpy(&add_callback, &add, sizeof add);
        memcpy(&remove_callback, &off, sizeof off);
        void *low = find_opal("opal_progress_register_lp");
        memcpy(&add_seldom, &low, sizeof low);
        if (set_yield) {
            bool on = set_yield(false);
            set_yield(on);
            yielded = on;
            atomic_store_explicit(&yields, on, memory_order_relaxed);
        }
        return VC_OK;
    }
    if (vc_next.Comm_dup(MPI_COMM_SELF, &probe_comm) != MPI_SUCCESS) {
        probe_comm = MPI_COMM_NULL;
        return vc_fail(VC_ERR_MPI, "MPI_Comm_dup of MPI_COMM_SELF failed");
    }
    vc_next.Comm_set_errhandler(probe_comm, MPI_ERRORS_RETURN);
    if (vc_next.Irecv(NULL, 0, MPI_BYTE, 0, 0, probe_comm, &probe_req) != MPI_SUCCESS) {
        vc_next.Comm_free(&probe_comm);
        probe_comm = MPI_COMM_NULL;
        probe_req = MPI_REQUEST_NULL;
        return vc_fail(VC_ERR_MPI, "MPI_Irecv on a duplicate of MPI_COMM_SELF failed");
    }
    return VC_OK;
}

int vc_host_progress_init(void)
{
    return vc_host_progress_init_with(true);
}

static int take_off(void)
{
    return driving.watching ? -driving.off : 0;
}

void vc_host_progress_fini(void)
{
    vc_host_set_yield(yielded);
    if (atomic_exchange_explicit(&callback_added, false, memory_order_acquire))
        remove_callback(take_off);
    int (*called_back)(void) = atomic_exchange_explicit(&user, NULL, memory_order_acq_rel);
    if (called_back)
        remove_callback(called_back);
    for (int i = 0; i < SELDOM; i++) {
        if (seldom[i])
            remove_callback(seldom[i]);
        seldom[i] = NULL;
    }
    add_callback = remove_callback = add_seldom = NULL;
    atomic_store_explicit(&tells, false, memory_order_relaxed);
    atomic_store_explicit(&told, false, memory_order_relaxed);
    atomic_store_explicit(&untellable, false, memory_order_relaxed);
    atomic_store_explicit(&busy, 0, memory_order_relaxed);
    direct = NULL;
    set_yield = NULL;
    if (probe_req != MPI_REQUEST_NULL) {
        vc_next.Cancel(&probe_req);
        vc_next.Wait(&probe_req, MPI_STATUS_IGNORE);
        probe_req = MPI_REQUEST_NULL;
    }
    if (probe_comm != MPI_COMM_NULL) {
        vc_next.Comm_free(&probe_comm);
        probe_comm = MPI_COMM_NULL;
    }
}

bool vc_host_sees_yield(void)
{
    /* Only the first yield of a call means that nothing came. A further one is part of a wait inside the MPI
     * and must happen. */
    if (!driving.watching || driving.idle)
        return false;
    return driving.idle = true;
}

static bool have_callback(void)
{
    bool added = atomic_load_explicit(&callback_added, memory_order_acquire);
    if (added)
        return true;
    if (!add_callback || !remove_callback || atomic_flag_test_and_set_explicit(&adding, memory_order_acquire))
        return false;
    added = atomic_load_explicit(&callback_added, memory_order_acquire) || add_callback(take_off) == 0;
    atomic_store_explicit(&callback_added, added, memory_order_release);
    atomic_flag_clear_explicit(&adding, memory_order_release);
    return added;
}

bool vc_host_can_call_back(void)
{
    return add_callback && remove_callback;
}

int vc_host_call_back(int (*fn)(void))
{
    int err = VC_OK;
    /* Acquire: pairs with the store below, so that the MPI has the function. */
    if (atomic_load_explicit(&user, memory_order_acquire) == fn)
        return VC_OK;
    pthread_mutex_lock(&user_lock);
    if (!atomic_load_explicit(&user, memory_order_relaxed)) {
        if (add_callback && add_callback(fn) == 0)
            atomic_store_explicit(&user, fn, memory_order_release);
        else
            err = vc_fail(VC_ERR_MPI, "the MPI takes no function into its progress");
    }
    pthread_mutex_unlock(&user_lock);
    return err;
}

int vc_host_call_back_seldom(int (*fn)(void))
{
    int i = 0;
    while (i < SELDOM && seldom[i])
        i++;
    if (!add_seldom || !remove_callback || i == SELDOM || add_seldom(fn) != 0)
        return vc_fail(VC_ERR_MPI, "the MPI takes no function into its progress");
    seldom[i] = fn;
    return VC_OK;
}

/* One call of opal_progress with so much taken off the sum. True: it was not positive. */
static bool found_nothing(int off)
{
    driving.off = off;
    driving.idle = false;
    driving.watching = true;
    /* Another thread may turn the switch off meanwhile, which looks as if something came: no harm. */
    atomic_fetch_add_explicit(&drivers, 1, memory_order_relaxed);
    set_yield(true);
    direct();
    if (atomic_fetch_sub_explicit(&drivers, 1, memory_order_relaxed) == 1)
        set_yield(atomic_load_explicit(&yields, memory_order_relaxed));
    driving.watching = false;
    return driving.idle;
}

/* opal_progress() under suspicion: 1, something came; 0, nothing, and the suspicion was wrong; -1, unknown.
 */
static int drive_suspiciously(void)
{
    int off = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % 2;
    bool nothing = found_nothing(off);
    if (off) {
        if (nothing)
            atomic_store_explicit(&full, 0, memory_order_relaxed);
        else if (atomic_fetch_add_explicit(&full, 1, memory_order_relaxed) < SUSPICION)
            return 1;
        return -1;
    }
    if (nothing)
        atomic_store_explicit(&busy, 0, memory_order_relaxed);
    return nothing ? 0 : -1;
}

/* opal_progress(), watched: 1, something came; 0, nothing that it counts; -1, unknown. Yields nothing itself:
 * waits do. */
static int drive_and_watch(void)
{
    if (atomic_load_explicit(&busy, memory_order_relaxed) >= SUSPICION && have_callback())
        return drive_suspiciously();
    if (found_nothing(0)) {
        atomic_store_explicit(&tells, true, memory_order_relaxed);
        atomic_store_explicit(&busy, 0, memory_order_relaxed);
        return 0;
    }
    if (!atomic_load_explicit(&tells, memory_order_relaxed))
        return -1;
    unsigned row = atomic_fetch_add_explicit(&busy, 1, memory_order_relaxed);
    return row < SUSPICION ? 1 : -1;
}

int vc_host_progress(void)
{
    if (direct && set_yield) {
        int came = drive_and_watch();
        return came == 0 && !vc_host_is_certain() ? -1 : came;
    }
    if (direct) {
        direct();
        return -1;
    }
    if (probe_req == MPI_REQUEST_NULL || atomic_flag_test_and_set_explicit(&probing, memory_order_acquire))
        return -1;
    int flag;
    vc_next.Test(&probe_req, &flag, MPI_STATUS_IGNORE);
    atomic_flag_clear_explicit(&probing, memory_order_release);
    return -1;
}

bool vc_host_is_certain(void)
{
    return atomic_load_explicit(&tells, memory_order_relaxed) &&
           !atomic_load_explicit(&untellable, memory_order_relaxed) &&
           atomic_load_explicit(&told, memory_order_relaxed);
}

void vc_host_is_uncertain(void)
{
    atomic_store_explicit(&untellable, true, memory_order_relaxed);
}

int vc_host_test(MPI_Request *req, int *done)
{
    /* Several calls for one of MPI_Test, because what MPI_Test's own call of progress finds is not seen. */
    for (int i = 0; i < 16 && direct && set_yield && !atomic_load_explicit(&told, memory_order_relaxed);
         i++) {
        drive_and_watch();
        /* Before a yield has been seen, none says nothing. */
        if (!driving.idle && atomic_load_explicit(&tells, memory_order_relaxed))
            atomic_store_explicit(&told, true, memory_order_relaxed);
    }
    return vc_next.Test(req, done, MPI_STATUS_IGNORE);
}

bool vc_host_can_yield(void)
{
    return set_yield != NULL;
}

bool vc_host_yields(void)
{
    return atomic_load_explicit(&yields, memory_order_relaxed);
}

void vc_host_set_yield(bool on)
{
    if (!set_yield)
        return;
    /* In this order: a thread that is driving the MPI right now puts the switch back to what it found. */
    atomic_store_explicit(&yields, on, memory_order_relaxed);
    set_yield(on);
}
