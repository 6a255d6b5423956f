/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/ft.h"

#include <sched.h>
#include <string.h>

/* The values of Open MPI's ABI, which MPI implementations without fault tolerance do not define. */
#ifdef MPI_ERR_REVOKED
_Static_assert(MPI_ERR_PROC_FAILED == 75 && MPI_ERR_REVOKED == 77, "the values below are those of this MPI");
#endif
enum { CLASS_PROC_FAILED = 75, CLASS_REVOKED = 77 };

/* So long the MPI may take to hear of a death that vcoll has noticed. */
#define HEAR_NS 1000000000u

static bool on;
static struct {
    int (*is_revoked)(MPI_Comm comm, int *flag);
    int (*get_failed)(MPI_Comm comm, MPI_Group *failed);
} ft;

/* memcpy: ISO C has no conversion between object and function pointers. */
static bool find_function(const char *symbol, void *fn)
{
    void *sym = vc_next_find(symbol);
    memcpy(fn, &sym, sizeof sym);
    return sym != NULL;
}

void vc_ft_init(void)
{
    /* A variable of Open MPI, which mpirun's --with-ft and parameter files set. */
    const bool *enabled = vc_next_find("ompi_ftmpi_enabled");
    on = enabled && *enabled && find_function("PMPIX_Comm_is_revoked", &ft.is_revoked) &&
         find_function("PMPIX_Comm_get_failed", &ft.get_failed);
    if (on)
        vc_log(VC_LOG_INFO, "this job is fault-tolerant: revoked communicators and dead members are watched");
}

bool vc_ft_on(void)
{
    return on;
}

bool vc_ft_revoked(MPI_Comm comm)
{
    int flag = 0;
    return on && ft.is_revoked(comm, &flag) == MPI_SUCCESS && flag;
}

static bool lost_members(MPI_Comm comm)
{
    MPI_Group failed;
    int n = 0;
    if (ft.get_failed(comm, &failed) != MPI_SUCCESS)
        return false;
    vc_next.Group_size(failed, &n);
    if (failed != MPI_GROUP_EMPTY)
        vc_next.Group_free(&failed);
    return n > 0;
}

int vc_ft_check(void *comm)
{
    if (vc_ft_revoked(comm))
        return vc_fail(VC_ERR_PEER, "the communicator was revoked");
    if (on && lost_members(comm))
        return vc_fail(VC_ERR_PEER, "a member of the communicator died");
    return VC_OK;
}

int vc_ft_class(MPI_Comm comm, int err)
{
    if (!on)
        return MPI_ERR_OTHER;
    uint64_t until = vc_now_ns() + (err == VC_ERR_PEER || err == VC_ERR_MPI ? HEAR_NS : 0);
    do {
        if (vc_ft_revoked(comm))
            return CLASS_REVOKED;
        if (lost_members(comm))
            return CLASS_PROC_FAILED;
        vc_host_progress();
        sched_yield();
    } while (vc_now_ns() < until);
    return err == VC_ERR_PEER ? CLASS_PROC_FAILED : MPI_ERR_OTHER;
}
