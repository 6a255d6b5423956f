/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mpi/next.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

/** Open MPI's own progress function, or NULL. */
static void (*direct)(void);
/** Its switch: whether a progress call in which nothing came yields the CPU. Returns what it was. NULL: none.
 */
static bool (*set_yield)(bool on);
/** How the switch stands while the program runs, and how it stood before. */
static _Atomic bool yields;
static bool yielded;

/* The way that works on every MPI: testing a receive that never matches makes the library look at its
 * network. */
static MPI_Comm probe_comm = MPI_COMM_NULL;
static MPI_Request probe_req = MPI_REQUEST_NULL;
/** One thread at a time may test one request; the others need not wait, somebody is driving. */
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

void vc_host_progress_fini(void)
{
    vc_host_set_yield(yielded);
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

void vc_host_progress(void)
{
    if (direct) {
        /* Waits yield by themselves, and tell by its time whether a call did something. */
        bool on = atomic_load_explicit(&yields, memory_order_relaxed);
        if (on)
            set_yield(false);
        direct();
        if (on)
            set_yield(true);
        return;
    }
    if (probe_req == MPI_REQUEST_NULL || atomic_flag_test_and_set_explicit(&probing, memory_order_acquire))
        return;
    int flag;
    vc_next.Test(&probe_req, &flag, MPI_STATUS_IGNORE);
    atomic_flag_clear_explicit(&probing, memory_order_release);
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
