/* SPDX-License-Identifier: BSD-3-Clause */
/* Compositions of collectives, which bound another one: they look like the collective that they bound, so
 * they are run like it. */
#include "tune/search/internal.h"

#include <string.h>

/* What they are made of. The calls have no room for it; it is set once in a run. */
static const struct vc_measure_fns *part;
static int (*gather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);
static int (*scatter)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);

static int reduce_bcast(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    int rc = part->reduce(send, recv, count, type, op, 0, comm);
    return rc == MPI_SUCCESS ? part->bcast(recv, count, type, 0, comm) : rc;
}

/* The count is a multiple of the ranks: vc_add_call() makes it so. */
static int scatter_allgather(void *buf, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    int size, rank, width, rc;
    MPI_Comm_size(comm, &size);
    MPI_Comm_rank(comm, &rank);
    MPI_Type_size(type, &width);
    int each = count / size;
    char *mine = (char *)buf + (size_t)rank * (size_t)each * (size_t)width;
    if (rank == root)
        rc = scatter(buf, each, type, MPI_IN_PLACE, each, type, root, comm);
    else
        rc = scatter(NULL, each, type, mine, each, type, root, comm);
    return rc == MPI_SUCCESS ? part->allgather(MPI_IN_PLACE, each, type, buf, each, type, comm) : rc;
}

static int barrier_allreduce(MPI_Comm comm)
{
    static const double one = 1;
    double sum;
    return part->allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
}

static int gather_bcast(const void *send, int scount, MPI_Datatype stype, void *recv, int rcount,
                        MPI_Datatype rtype, MPI_Comm comm)
{
    int size, rc = gather(send, scount, stype, recv, rcount, rtype, 0, comm);
    MPI_Comm_size(comm, &size);
    return rc == MPI_SUCCESS ? part->bcast(recv, size * rcount, rtype, 0, comm) : rc;
}

static int reduce_allreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, int root,
                            MPI_Comm comm)
{
    (void)root;
    return part->allreduce(send, recv, count, type, op, comm);
}

/* A function pointer out of a data pointer, as dlsym's users must. */
static bool load(void *slot, const char *name)
{
    void *p = vcoll_native(name);
    memcpy(slot, &p, sizeof p);
    return p != NULL;
}

const struct vc_measure_fns *vc_guide_fns(const struct vc_measure_world *w, bool native, int which)
{
    static struct vc_measure_fns composed;
    if (!part) {
        part = &w->fn[native ? VC_IMPL_NATIVE : VC_IMPL_VCOLL];
        gather = MPI_Gather;
        scatter = MPI_Scatter;
        if (native && (!load(&gather, "Gather") || !load(&scatter, "Scatter")))
            return part = NULL;
        composed = *part;
        composed.measured[VC_BARRIER] = (vc_measure_fn *)barrier_allreduce;
        composed.measured[VC_BCAST] = (vc_measure_fn *)scatter_allgather;
        composed.measured[VC_REDUCE] = (vc_measure_fn *)reduce_allreduce;
        composed.measured[VC_ALLREDUCE] = (vc_measure_fn *)reduce_bcast;
        composed.measured[VC_ALLGATHER] = (vc_measure_fn *)gather_bcast;
    }
    return which == VC_GUIDE_LEFT ? part : which == VC_GUIDE_COMPOSED ? &composed : &w->fn[VC_IMPL_NATIVE];
}
