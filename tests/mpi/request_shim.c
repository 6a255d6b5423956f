/* SPDX-License-Identifier: BSD-3-Clause */
/* For request_cost.c: the least that has to be in front of calls on requests to recognize some of them, as
 * pmpi/comm.h recognizes communicators. */
#include <mpi.h>
#include <stdatomic.h>
#include <stdint.h>

static _Atomic(MPI_Request) own[256]; /* by handle; none is */

static int is_own(MPI_Request r)
{
    unsigned slot = (unsigned)((uint64_t)(uintptr_t)r * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    /* Acquire: would pair with the store of a request that was made. */
    return r && atomic_load_explicit(&own[slot], memory_order_acquire) == r;
}

int MPI_Wait(MPI_Request *r, MPI_Status *status)
{
    return r && is_own(*r) ? MPI_ERR_INTERN : PMPI_Wait(r, status);
}

int MPI_Test(MPI_Request *r, int *flag, MPI_Status *status)
{
    return r && is_own(*r) ? MPI_ERR_INTERN : PMPI_Test(r, flag, status);
}

int MPI_Start(MPI_Request *r)
{
    return r && is_own(*r) ? MPI_ERR_INTERN : PMPI_Start(r);
}

int MPI_Waitall(int n, MPI_Request r[], MPI_Status status[])
{
    for (int i = 0; i < n; i++)
        if (is_own(r[i]))
            return MPI_ERR_INTERN;
    return PMPI_Waitall(n, r, status);
}
