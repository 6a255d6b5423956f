/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invalid arguments: exactly the MPI's own error, through the communicator's handler, and the communicator
 * works on. Every wrong call is made through the front door and through the underlying function, which is
 * asked for by name where the library is loaded; without it both are the same.
 */
#include "door.h"

#include <dlfcn.h>

static MPI_Comm comm;
static int handled;

static void on_error(MPI_Comm *c, int *code, ...)
{
    (void)c;
    (void)code;
    handled++;
}

static void *native(const char *name)
{
    char symbol[64];
    void *(*ask)(const char *);
    void *at = dlsym(RTLD_DEFAULT, "vcoll_native");
    snprintf(symbol, sizeof symbol, "PMPI_%s", name);
    if (!at)
        return dlsym(RTLD_DEFAULT, symbol);
    memcpy(&ask, &at, sizeof ask);
    return ask(name);
}

/* Both ways, with the same outcome: an error of the same class that the handler saw once. */
#define SAME_ERROR(name, ...)                                                                                \
    do {                                                                                                     \
        __typeof__(&MPI_##name) fn;                                                                          \
        void *sym = native(#name);                                                                           \
        int theirs, ours, n, class_theirs = 0, class_ours = 0;                                               \
        CHECK(sym != NULL);                                                                                  \
        memcpy(&fn, &sym, sizeof fn);                                                                        \
        handled = 0;                                                                                         \
        theirs = fn(__VA_ARGS__);                                                                            \
        n = handled;                                                                                         \
        handled = 0;                                                                                         \
        ours = MPI_##name(__VA_ARGS__);                                                                      \
        MPI_Error_class(theirs, &class_theirs);                                                              \
        MPI_Error_class(ours, &class_ours);                                                                  \
        CHECK(theirs != MPI_SUCCESS);                                                                        \
        CHECK(class_theirs == class_ours && handled == n);                                                   \
    } while (0)

static void wrong_calls(void)
{
    int a[64] = {0}, b[64] = {0}, other = (rank + 1) % size;
    MPI_Datatype loose, derived;
    MPI_Type_contiguous(2, MPI_INT, &loose); /* not committed */
    MPI_Type_contiguous(2, MPI_INT, &derived);
    MPI_Type_commit(&derived);

    SAME_ERROR(Bcast, a, -1, MPI_INT, 0, comm);
    SAME_ERROR(Bcast, a, 1, MPI_DATATYPE_NULL, 0, comm);
    SAME_ERROR(Bcast, a, 1, loose, 0, comm);
    SAME_ERROR(Bcast, a, 1, MPI_INT, size, comm);
    SAME_ERROR(Bcast, a, 1, MPI_INT, -5, comm);
    SAME_ERROR(Bcast, MPI_IN_PLACE, 1, MPI_INT, 0, comm);

    SAME_ERROR(Reduce, a, b, -1, MPI_INT, MPI_SUM, 0, comm);
    SAME_ERROR(Reduce, a, b, 1, MPI_INT, MPI_SUM, size, comm);
    SAME_ERROR(Reduce, a, b, 1, MPI_INT, MPI_SUM, MPI_PROC_NULL, comm);
    SAME_ERROR(Reduce, a, b, 1, MPI_INT, MPI_OP_NULL, 0, comm);
    SAME_ERROR(Reduce, a, b, 1, derived, MPI_SUM, 0, comm);
    SAME_ERROR(Reduce, a, b, 1, MPI_FLOAT, MPI_BAND, 0, comm);
    SAME_ERROR(Reduce, a, a, 1, MPI_INT, MPI_SUM, rank, comm);
    SAME_ERROR(Reduce, MPI_IN_PLACE, b, 1, MPI_INT, MPI_SUM, other, comm);
    SAME_ERROR(Reduce, a, MPI_IN_PLACE, 1, MPI_INT, MPI_SUM, rank, comm);

    SAME_ERROR(Allreduce, a, b, -1, MPI_INT, MPI_SUM, comm);
    SAME_ERROR(Allreduce, a, b, 1, MPI_DATATYPE_NULL, MPI_SUM, comm);
    SAME_ERROR(Allreduce, a, b, 1, MPI_INT, MPI_OP_NULL, comm);
    SAME_ERROR(Allreduce, a, b, 1, MPI_INT, MPI_MAXLOC, comm);
    SAME_ERROR(Allreduce, a, MPI_IN_PLACE, 1, MPI_INT, MPI_SUM, comm);

    SAME_ERROR(Allgather, a, -1, MPI_INT, b, 1, MPI_INT, comm);
    SAME_ERROR(Allgather, a, 1, MPI_INT, b, -1, MPI_INT, comm);
    SAME_ERROR(Allgather, a, 1, loose, b, 1, MPI_INT, comm);
    SAME_ERROR(Allgather, a, 1, MPI_INT, MPI_IN_PLACE, 1, MPI_INT, comm);
    SAME_ERROR(Alltoall, a, -1, MPI_INT, b, 1, MPI_INT, comm);
    SAME_ERROR(Alltoall, a, 1, MPI_INT, b, 1, MPI_DATATYPE_NULL, comm);
    SAME_ERROR(Alltoall, a, 1, MPI_INT, MPI_IN_PLACE, 1, MPI_INT, comm);

    SAME_ERROR(Gather, a, 1, MPI_INT, b, 1, MPI_INT, size, comm);
    SAME_ERROR(Scan, a, b, -1, MPI_INT, MPI_SUM, comm);
    MPI_Type_free(&loose);
    MPI_Type_free(&derived);
}

int main(int argc, char **argv)
{
    MPI_Errhandler handler;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_create_errhandler(on_error, &handler);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, handler);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, handler);
    for (int round = 0; round < 5; round++) {
        wrong_calls();
        SAME_ERROR(Barrier, MPI_COMM_NULL);
        int x = 1, sum = 0;
        CHECK(MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, comm) == MPI_SUCCESS && sum == size);
    }
    MPI_Comm_free(&comm);
    MPI_Errhandler_free(&handler);
    MPI_Finalize();
    return 0;
}
