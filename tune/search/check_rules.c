/* SPDX-License-Identifier: BSD-3-Clause */
/* The guidelines, and the sequences of calls on their right sides. */
#include "tune/search/check.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *right;
} rules[VC_CHECK_RULES] = {
    [VC_CHECK_NATIVE] = {"vcoll <= native", "the MPI underneath"},
    [VC_CHECK_ALLREDUCE] = {"allreduce <= reduce + bcast", "reduce + bcast"},
    [VC_CHECK_BCAST] = {"bcast <= scatter + allgather", "scatter + allgather"},
    [VC_CHECK_BARRIER] = {"barrier <= allreduce of 8 bytes", "an allreduce of 8 bytes"},
    [VC_CHECK_ALLGATHER] = {"allgather <= gather + bcast", "gather + bcast"},
    [VC_CHECK_REDUCE] = {"reduce <= allreduce", "an allreduce"},
    [VC_CHECK_SIZE] = {"time(n) <= time(2n)", "twice the size"},
    [VC_CHECK_RANKS] = {"time(p) <= time(more ranks)", "more ranks"},
};

const char *vc_check_rule_name(enum vc_check_rule rule)
{
    return rules[rule].name;
}

const char *vc_check_rule_right(enum vc_check_rule rule)
{
    return rules[rule].right;
}

enum vc_check_rule vc_check_rule_of(enum vc_coll coll)
{
    switch (coll) {
    case VC_BARRIER:
        return VC_CHECK_BARRIER;
    case VC_BCAST:
        return VC_CHECK_BCAST;
    case VC_REDUCE:
        return VC_CHECK_REDUCE;
    case VC_ALLREDUCE:
        return VC_CHECK_ALLREDUCE;
    case VC_ALLGATHER:
        return VC_CHECK_ALLGATHER;
    default:
        return VC_CHECK_RULES;
    }
}

/* ---- compositions: they look like the collective that they bound, so they run like it ---- */

/* What they are made of. The calls have no room for it; it is set once in a run. */
static const struct vc_measure_fns *part;
static int (*gather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);
static int (*scatter)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);

static int reduce_bcast(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    int rc = part->reduce(send, recv, count, type, op, 0, comm);
    return rc == MPI_SUCCESS ? part->bcast(recv, count, type, 0, comm) : rc;
}

/* The count is a multiple of the ranks: vc_check_one.bytes is made so. */
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

bool vc_check_calls_init(struct vc_check_calls *c, const struct vc_measure_world *w, bool native)
{
    c->native = &w->fn[VC_IMPL_NATIVE];
    c->left = part = &w->fn[native ? VC_IMPL_NATIVE : VC_IMPL_VCOLL];
    gather = MPI_Gather;
    scatter = MPI_Scatter;
    if (native && (!load(&gather, "Gather") || !load(&scatter, "Scatter")))
        return false;
    c->composed = *c->left;
    c->composed.barrier = barrier_allreduce;
    c->composed.bcast = scatter_allgather;
    c->composed.reduce = reduce_allreduce;
    c->composed.allreduce = reduce_bcast;
    c->composed.allgather = gather_bcast;
    return true;
}

bool vc_check_says(const struct vc_measure_world *w, const struct vc_check_one *c)
{
    double more = 0;
    for (int m = 0; m < VC_MEASURES; m++)
        if (w->opt->measure[m])
            more = fmax(more, c->left[m].median - c->right[m].median);
    return c->both.low > 1 + VC_CHECK_MARGIN && more > VC_CHECK_LEAST;
}
