/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mpi/next.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

/** Open MPI's own progress function, or NULL. */
static void (*direct)(void);

/* The way that works on every MPI: testing a receive that never matches makes the library look at its
 * network. */
static MPI_Comm probe_comm = MPI_COMM_NULL;
static MPI_Request probe_req = MPI_REQUEST_NULL;
/** One thread at a time may test one request; the others need not wait, somebody is driving. */
static atomic_flag probing = ATOMIC_FLAG_INIT;

static void *find_opal_progress(void)
{
    static const char *const libs[] = {"libopen-pal.so.40", "libopen-pal.so.80"};
    void *sym = dlsym(RTLD_DEFAULT, "opal_progress");
    for (size_t i = 0; !sym && i < sizeof libs / sizeof *libs; i++) {
        /* Not in the global scope when a language runtime opened the MPI library privately. */
        void *lib = dlopen(libs[i], RTLD_LAZY | RTLD_NOLOAD);
        if (lib)
            sym = dlsym(lib, "opal_progress");
    }
    return sym;
}

int vc_host_progress_init_with(bool use_direct)
{
    vc_next_init();
    vc_host_progress_fini();
    void *sym = use_direct ? find_opal_progress() : NULL;
    if (sym) {
        memcpy(&direct, &sym, sizeof sym);
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
    direct = NULL;
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
        direct();
        return;
    }
    if (probe_req == MPI_REQUEST_NULL || atomic_flag_test_and_set_explicit(&probing, memory_order_acquire))
        return;
    int flag;
    vc_next.Test(&probe_req, &flag, MPI_STATUS_IGNORE);
    atomic_flag_clear_explicit(&probing, memory_order_release);
}
