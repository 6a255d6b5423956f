/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tool of the profiling interface that counts. STACK_TOOL is its name; how it goes on: by PMPI_X as most
 * do, with STACK_NEXT by the next MPI_X in search order, with STACK_BOTH it defines PMPI_X as well and goes
 * to the next of those.
 */
#include <dlfcn.h>
#include <mpi.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

static int calls[64];
static const char *names[64];

/** How often the tool saw MPI_name; 0 for names that it does not wrap. */
int JOIN(STACK_TOOL, _saw)(const char *name);
int JOIN(STACK_TOOL, _saw)(const char *name)
{
    for (int i = 0; i < 64; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return calls[i];
    return 0;
}

static void count(const char *name)
{
    int i = 0;
    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    names[i] = name;
    calls[i]++;
}

#if defined STACK_NEXT
#define GO(name) (*(__typeof__(&PMPI_##name) *)next("MPI_" #name))
#elif defined STACK_BOTH
#define GO(name) (*(__typeof__(&PMPI_##name) *)next("PMPI_" #name))
#else
#define GO(name) PMPI_##name
#endif

#if defined STACK_NEXT || defined STACK_BOTH
static void *next(const char *symbol)
{
    static void *found;
    found = dlsym(RTLD_NEXT, symbol);
    return &found;
}
#endif

#ifdef STACK_BOTH
#define ALSO(name, params, args)                                                                             \
    int PMPI_##name params                                                                                   \
    {                                                                                                        \
        return MPI_##name args;                                                                              \
    }
#else
#define ALSO(name, params, args)
#endif

#define WRAP(name, params, args)                                                                             \
    int MPI_##name params                                                                                    \
    {                                                                                                        \
        count(#name);                                                                                        \
        return GO(name) args;                                                                                \
    }                                                                                                        \
    ALSO(name, params, args)

#define BLOCKS                                                                                               \
    (const void *s, int sn, MPI_Datatype st, void *r, int rn, MPI_Datatype rt, MPI_Comm comm),               \
        (s, sn, st, r, rn, rt, comm)
#define ROOTED                                                                                               \
    (const void *s, int sn, MPI_Datatype st, void *r, int rn, MPI_Datatype rt, int root, MPI_Comm comm),     \
        (s, sn, st, r, rn, rt, root, comm)
#define REDUCES                                                                                              \
    (const void *s, void *r, int n, MPI_Datatype t, MPI_Op op, MPI_Comm comm), (s, r, n, t, op, comm)
#define WRAP_(name, lists) WRAP(name, lists)

WRAP(Init, (int *argc, char ***argv), (argc, argv))
WRAP(Init_thread, (int *argc, char ***argv, int required, int *provided), (argc, argv, required, provided))
WRAP(Finalize, (void), ())
WRAP(Comm_rank, (MPI_Comm comm, int *rank), (comm, rank))
#ifndef STACK_BOTH
WRAP(Comm_free, (MPI_Comm * comm), (comm))
WRAP(Comm_disconnect, (MPI_Comm * comm), (comm))
WRAP(Barrier, (MPI_Comm comm), (comm))
WRAP(Bcast, (void *b, int n, MPI_Datatype t, int root, MPI_Comm comm), (b, n, t, root, comm))
WRAP_(Gather, ROOTED)
WRAP(Gatherv,
     (const void *s, int sn, MPI_Datatype st, void *r, const int *rn, const int *rd, MPI_Datatype rt,
      int root, MPI_Comm comm),
     (s, sn, st, r, rn, rd, rt, root, comm))
WRAP_(Scatter, ROOTED)
WRAP(Scatterv,
     (const void *s, const int *sn, const int *sd, MPI_Datatype st, void *r, int rn, MPI_Datatype rt,
      int root, MPI_Comm comm),
     (s, sn, sd, st, r, rn, rt, root, comm))
WRAP_(Allgather, BLOCKS)
WRAP(Allgatherv,
     (const void *s, int sn, MPI_Datatype st, void *r, const int *rn, const int *rd, MPI_Datatype rt,
      MPI_Comm comm),
     (s, sn, st, r, rn, rd, rt, comm))
WRAP_(Alltoall, BLOCKS)
WRAP(Alltoallv,
     (const void *s, const int *sn, const int *sd, MPI_Datatype st, void *r, const int *rn, const int *rd,
      MPI_Datatype rt, MPI_Comm comm),
     (s, sn, sd, st, r, rn, rd, rt, comm))
WRAP(Alltoallw,
     (const void *s, const int *sn, const int *sd, const MPI_Datatype *st, void *r, const int *rn,
      const int *rd, const MPI_Datatype *rt, MPI_Comm comm),
     (s, sn, sd, st, r, rn, rd, rt, comm))
WRAP(Reduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op op, int root, MPI_Comm comm),
     (s, r, n, t, op, root, comm))
WRAP_(Allreduce, REDUCES)
WRAP(Reduce_scatter, (const void *s, void *r, const int *n, MPI_Datatype t, MPI_Op op, MPI_Comm comm),
     (s, r, n, t, op, comm))
WRAP_(Reduce_scatter_block, REDUCES)
WRAP_(Scan, REDUCES)
WRAP_(Exscan, REDUCES)
#endif
