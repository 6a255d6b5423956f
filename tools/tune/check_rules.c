/* SPDX-License-Identifier: BSD-3-Clause */
/* The guidelines, and the sequences of calls on their right sides. */
#include "tools/tune/check.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *right;
} rules[CHECK_RULES] = {
    [CHECK_NATIVE] = {"vcoll <= native", "the MPI underneath"},
    [CHECK_ALLREDUCE] = {"allreduce <= reduce + bcast", "reduce + bcast"},
    [CHECK_BCAST] = {"bcast <= scatter + allgather", "scatter + allgather"},
    [CHECK_BARRIER] = {"barrier <= allreduce of 8 bytes", "an allreduce of 8 bytes"},
    [CHECK_ALLGATHER] = {"allgather <= gather + bcast", "gather + bcast"},
    [CHECK_REDUCE] = {"reduce <= allreduce", "an allreduce"},
    [CHECK_SIZE] = {"time(n) <= time(2n)", "twice the size"},
    [CHECK_RANKS] = {"time(p) <= time(more ranks)", "more ranks"},
};

const char *check_rule_name(enum check_rule rule)
{
    return rules[rule].name;
}

const char *check_rule_right(enum check_rule rule)
{
    return rules[rule].right;
}

enum check_rule check_rule_of(enum vc_coll coll)
{
    switch (coll) {
    case VC_BARRIER:
        return CHECK_BARRIER;
    case VC_BCAST:
        return CHECK_BCAST;
    case VC_REDUCE:
        return CHECK_REDUCE;
    case VC_ALLREDUCE:
        return CHECK_ALLREDUCE;
    case VC_ALLGATHER:
        return CHECK_ALLGATHER;
    default:
        return CHECK_RULES;
    }
}

/* ---- compositions: they look like the collective that they bound, so they run like it ---- */

/* What they are made of. The calls have no room for it; it is set once in a run. */
static const struct bench_fns *part;
static int (*gather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);
static int (*scatter)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, int, MPI_Comm);

static int reduce_bcast(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    int rc = part->reduce(send, recv, count, type, op, 0, comm);
    return rc == MPI_SUCCESS ? part->bcast(recv, count, type, 0, comm) : rc;
}

/* The count is a multiple of the ranks: check_one.bytes is made so. */
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

bool check_calls_init(struct check_calls *c, const struct bench_world *w, bool native)
{
    c->native = &w->fn[BENCH_NATIVE];
    c->left = part = &w->fn[native ? BENCH_NATIVE : BENCH_VCOLL];
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

bool check_says(const struct bench_world *w, const struct check_one *c)
{
    double more = 0;
    for (int m = 0; m < BENCH_MEASURES; m++)
        if (w->opt->measure[m])
            more = fmax(more, c->left[m].median - c->right[m].median);
    return c->both.low > 1 + CHECK_MARGIN && more > CHECK_LEAST;
}
