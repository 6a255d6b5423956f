/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What front*.c and ifront.c state each collective with. These files are compiled twice: by themselves, for
 * the calls whose counts are int, and by counts.c, for those with large counts (MPI_X_c).
 */
#ifndef VC_PMPI_CALLS_H
#define VC_PMPI_CALLS_H

#include "pmpi/quick.h"
#include "pmpi/symbols.h"

#include <limits.h>

#ifdef VC_LARGE_COUNTS
typedef MPI_Count vc_count;
typedef MPI_Aint vc_displ;
#define VC_NAME(name)      name##_c
#define VC_WIDE            true
#define VC_QUICK_OF(quick) NULL
#else
typedef int vc_count, vc_displ;
#define VC_NAME(name)      name
#define VC_WIDE            false
#define VC_QUICK_OF(quick) quick
#endif
/** VC_NAMES() of VC_NAME(name): macros are expanded on the way from one to the other. */
#define VC_NAMES_OF(name, params, args) VC_NAMES(name, params, args)

/** Whether a count is one that struct vc_call can hold. */
static inline bool vc_fits(MPI_Count count)
{
    return count >= 0 && count <= INT_MAX;
}

/** In place, the count of the sending side means nothing. */
static inline bool vc_both_fit(const void *sendbuf, MPI_Count sendcount, MPI_Count recvcount)
{
    return vc_fits(recvcount) && (sendbuf == MPI_IN_PLACE || vc_fits(sendcount));
}

/** Of gather and scatter: whether the counts fit that mean something on this rank, that of the side that all
 * ranks have (`own`), unless it is in place, and at the root that of the other side. */
static inline bool vc_rooted_fit(const void *own, MPI_Count own_count, MPI_Count all_count, int root,
                                 MPI_Comm comm)
{
    int rank;
    if (own != MPI_IN_PLACE && !vc_fits(own_count))
        return false;
    return vc_fits(all_count) || (comm != NULL && comm != MPI_COMM_NULL &&
                                  vc_next.Comm_rank(comm, &rank) == MPI_SUCCESS && rank != root);
}

/** What `count` elements are; 0 for what MPI will refuse. */
static inline size_t vc_bytes_of(MPI_Count count, MPI_Datatype type)
{
    MPI_Count size;
    if (count <= 0 || type == NULL || type == MPI_DATATYPE_NULL ||
        vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0)
        return 0;
    return (size_t)count * (size_t)size;
}

/** The same for an array of counts, one for each rank that the call sends to; 0 for what MPI will refuse. */
static inline size_t vc_bytes_of_all(const vc_count *counts, MPI_Datatype type, MPI_Comm comm)
{
    int size = 0, inter;
    size_t sum = 0;
    if (!counts || comm == NULL || comm == MPI_COMM_NULL ||
        vc_next.Comm_test_inter(comm, &inter) != MPI_SUCCESS ||
        (inter ? vc_next.Comm_remote_size : vc_next.Comm_size)(comm, &size) != MPI_SUCCESS)
        return 0;
    for (int i = 0; i < size; i++)
        sum += counts[i] > 0 ? (size_t)counts[i] : 0;
    return sum * vc_bytes_of(1, type);
}

/** Returns from the underlying function's call, which is counted when statistics are on: otherwise one test
 * and a jump. */
#define VC_PASS(coll, why, bytes, call)                                                                      \
    do {                                                                                                     \
        if (vc_gate_open())                                                                                  \
            return vc_next.call;                                                                             \
        uint64_t begun = vc_other_begin();                                                                   \
        int rc = vc_next.call;                                                                               \
        if (begun)                                                                                           \
            vc_other_end(coll, why, begun, rc == MPI_SUCCESS ? (bytes) : 0);                                 \
        return rc;                                                                                           \
    } while (0)

/**
 * The whole of a collective: what is behind `args` fills a struct vc_call that `run` gets, unless
 * the call is a quick one, which `quick` (quick.h) finds out.
 *
 * With large counts, a call whose counts do not all fit (`fit`) is more than VC_CALL_LIMIT bytes (`bytes`),
 * or of elements without size: it is the underlying MPI's on every rank, by either name.
 *
 * With int counts, one test of a gate is all there is before quick calls, by either name. Others go by a
 * function of its own, so that quick ones save no registers and fill no struct for them.
 */
#ifdef VC_LARGE_COUNTS
#define VC_ACCELERATED(name, which, run, quick, fit, bytes, params, args, ...)                               \
    VC_NAMES_OF(VC_NAME(name), params, args)                                                                 \
    {                                                                                                        \
        struct vc_call k = {.coll = which, __VA_ARGS__};                                                     \
        if (!(fit))                                                                                          \
            VC_PASS(which, VC_PASS_LARGE, bytes, VC_NAME(name) args);                                        \
        return vc_gate_open() ? run(&k) : vc_call_slow(&k, run);                                             \
    }
#else
#define VC_ACCELERATED(name, which, run, quick, fit, bytes, params, args, ...)                               \
    VC_EXPORT(name)                                                                                          \
    static __attribute__((noinline)) int usual_##name params                                                 \
    {                                                                                                        \
        struct vc_call k = {.coll = which, __VA_ARGS__};                                                     \
        return vc_gate_open() ? run(&k) : vc_call_slow(&k, run);                                             \
    }                                                                                                        \
    VC_HOT int PMPI_##name params                                                                            \
    {                                                                                                        \
        struct vc_comm *c = vc_gate_open() ? quick : NULL;                                                   \
        return VC_LIKELY(c != NULL) ? vc_quick_run(c, which) : usual_##name args;                            \
    }                                                                                                        \
    static __attribute__((noinline)) int rare_##name params                                                  \
    {                                                                                                        \
        __typeof__(&PMPI_##name) tool = vc_stack()->name;                                                    \
        return tool ? tool args : usual_##name args;                                                         \
    }                                                                                                        \
    VC_HOT int MPI_##name params                                                                             \
    {                                                                                                        \
        if (VC_UNLIKELY(!vc_gate_mpi_open()))                                                                \
            return rare_##name args;                                                                         \
        struct vc_comm *c = quick;                                                                           \
        return VC_LIKELY(c != NULL) ? vc_quick_run(c, which) : usual_##name args;                            \
    }
#endif

/** The same of a collective none of whose calls is quick, and whose counts need not fit. */
#define VC_NEVER_QUICK(name, which, run, params, args, ...)                                                  \
    VC_NAMES_OF(VC_NAME(name), params, args)                                                                 \
    {                                                                                                        \
        struct vc_call k = {.coll = which, __VA_ARGS__};                                                     \
        return vc_gate_open() ? run(&k) : vc_call_slow(&k, run);                                             \
    }

/**
 * The whole of a nonblocking collective that is accelerated: `post` (post.h) takes the call, or it goes to
 * the underlying function. As above: what is behind `args` fills the struct vc_call, unless the call is a
 * quick one; with large counts none is.
 */
#define VC_NONBLOCKING(name, which, post, quick, fit, params, args, ...)                                     \
    VC_NAMES_OF(VC_NAME(name), params, args)                                                                 \
    {                                                                                                        \
        struct vc_comm *c = vc_post_may_be_quick(request) ? VC_QUICK_OF(quick) : NULL;                       \
        if (VC_LIKELY(c != NULL))                                                                            \
            return vc_post_quick(c, which, request);                                                         \
        struct vc_call k = {.coll = which, __VA_ARGS__};                                                     \
        int rc = (fit) ? vc_post(post, &k, request) : VC_POST_PASSES;                                        \
        return rc != VC_POST_PASSES ? rc : vc_next.VC_NAME(name) args;                                       \
    }

#endif
