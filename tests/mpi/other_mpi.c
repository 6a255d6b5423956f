/* SPDX-License-Identifier: BSD-3-Clause */
/* See other_mpi.h. With OTHER_STUB it is what sequential programs bring along: MPI_ names alone. */
#include "other_mpi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls, up;

int other_mpi_calls(void)
{
    return calls;
}

/* Ends the program where a call or a handle is not the program's. */
static int check(int good, const char *what)
{
    calls++;
    if (!good) {
        fprintf(stderr, "other MPI: %s\n", what);
        exit(3);
    }
    return 0;
}

static int is_comm(MPI_Comm comm)
{
    return comm == MPI_COMM_WORLD || comm == (MPI_Comm)0x84000001;
}

#ifdef OTHER_STUB
#define BOTH(name, params, args) int MPI_##name params
#else
#define BOTH(name, params, args)                                                                             \
    int PMPI_##name params;                                                                                  \
    extern __typeof__(PMPI_##name) MPI_##name __attribute__((weak, alias("PMPI_" #name)));                   \
    int PMPI_##name params
#endif

BOTH(Init, (int *argc, char ***argv), (argc, argv))
{
    (void)argc;
    (void)argv;
    up = 1;
    return check(1, "");
}

BOTH(Init_thread, (int *argc, char ***argv, int required, int *provided), (argc, argv, required, provided))
{
    (void)argc;
    (void)argv;
    *provided = required;
    up = 1;
    return check(1, "");
}

BOTH(Finalize, (void), ())
{
    return check(up, "MPI_Finalize before MPI_Init");
}

BOTH(Barrier, (MPI_Comm comm), (comm))
{
    return check(is_comm(comm), "MPI_Barrier: communicator");
}

BOTH(Bcast, (void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm),
     (buffer, count, type, root, comm))
{
    (void)buffer;
    return check(count == 1 && type == MPI_INT && root == 0 && is_comm(comm), "MPI_Bcast: arguments");
}

BOTH(Allreduce, (const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
     (send, recv, count, type, op, comm))
{
    memcpy(recv, send, sizeof(int) * (size_t)count);
    return check(type == MPI_INT && op == MPI_SUM && is_comm(comm), "MPI_Allreduce: arguments");
}

BOTH(Alltoallw,
     (const void *send, const int *scounts, const int *sdispls, const MPI_Datatype *stypes, void *recv,
      const int *rcounts, const int *rdispls, const MPI_Datatype *rtypes, MPI_Comm comm),
     (send, scounts, sdispls, stypes, recv, rcounts, rdispls, rtypes, comm))
{
    memcpy((char *)recv + *rdispls, (const char *)send + *sdispls, sizeof(int));
    return check(*scounts == 1 && *rcounts == 1 && *stypes == MPI_INT && *rtypes == MPI_INT && is_comm(comm),
                 "MPI_Alltoallw: arguments");
}

BOTH(Comm_dup, (MPI_Comm comm, MPI_Comm *out), (comm, out))
{
    *out = (MPI_Comm)0x84000001;
    return check(is_comm(comm), "MPI_Comm_dup: communicator");
}

BOTH(Comm_free, (MPI_Comm * comm), (comm))
{
    int good = *comm == (MPI_Comm)0x84000001;
    *comm = MPI_COMM_NULL;
    return check(good, "MPI_Comm_free: communicator");
}

#ifndef OTHER_STUB
/* Longer than any that Open MPI returns. */
BOTH(Get_library_version, (char *text, int *len), (text, len))
{
    memset(text, '.', 8000);
    memcpy(text, "MPICH Version:\t9.8.7\nMPICH Device: none", 39);
    text[8000] = '\0';
    *len = 8000;
    return 0;
}
#endif
