/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of an MPI of another family that the tests of vcoll's keeping out need, with handles as MPICH has
 * them: numbers. One process, no messages. Made to notice a call that vcoll makes on its own account.
 */
#ifndef VC_TESTS_OTHER_MPI_H
#define VC_TESTS_OTHER_MPI_H

typedef int MPI_Comm;
typedef int MPI_Datatype;
typedef int MPI_Op;

#define MPI_COMM_NULL  ((MPI_Comm)0x04000000)
#define MPI_COMM_WORLD ((MPI_Comm)0x44000000)
#define MPI_INT        ((MPI_Datatype)0x4c000405)
#define MPI_SUM        ((MPI_Op)0x58000003)

int MPI_Init(int *argc, char ***argv);
int MPI_Init_thread(int *argc, char ***argv, int required, int *provided);
int MPI_Finalize(void);
int MPI_Barrier(MPI_Comm comm);
int MPI_Bcast(void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm);
int MPI_Allreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm);
int MPI_Alltoallw(const void *send, const int *scounts, const int *sdispls, const MPI_Datatype *stypes,
                  void *recv, const int *rcounts, const int *rdispls, const MPI_Datatype *rtypes,
                  MPI_Comm comm);
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out);
int MPI_Comm_free(MPI_Comm *comm);

/** How many calls of any kind there were. */
int other_mpi_calls(void);

#endif
