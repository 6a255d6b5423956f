/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quick calls: those that are like an earlier one of their collective on the communicator, but for buffers,
 * root and number of elements, and that go through the node's memory. What was found out about that one
 * (struct vc_quick, team.h) is all that they need. Any other call goes by the run files, which teach this
 * one.
 *
 * Whether a call is quick is this rank's own affair: it runs what the selection would choose for it.
 *
 * What was found out holds while
 *   - the gate is open: with statistics, online tuning or drivers of devices it is not, and no call gets
 *     here;
 *   - the communicator is active, which a broken one is not any more;
 *   - the selection is the same: team.c, which alone changes it, forgets all quick calls then.
 * Types and operators are predefined ones, whose handles the program cannot free.
 */
#ifndef VC_PMPI_QUICK_H
#define VC_PMPI_QUICK_H

#include "pmpi/comm.h"
#include "pmpi/team.h"

struct vc_selected;

/** After a call that was not quick, of a type without gaps and no user's operator: later ones like it may be,
 * if the type is a predefined one. `redop`: its operator; its esize alone where it is no reduction. */
void vc_quick_learn(struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel,
                    const struct vc_redop *redop);

/** Fails the call, as vc_call_failed() does. */
int vc_quick_failed(struct vc_comm *c, enum vc_coll coll, int err);

/** The communicator's state; NULL: none of its calls is quick. */
static inline struct vc_comm *vc_quick_comm(MPI_Comm comm)
{
    struct vc_comm *c = vc_comm_cached(comm);
    return VC_LIKELY(c && c->phase == VC_COMM_ACTIVE) ? c : NULL;
}

/** What is known of calls with this type and operator, and so many elements; NULL: nothing. */
static inline const struct vc_quick_kind *vc_quick_find(const struct vc_quick *q, int count,
                                                        MPI_Datatype type, MPI_Op op)
{
    const struct vc_quick_kind *k = q->kind;
    while (VC_UNLIKELY(k->type != type || k->op != op))
        if (++k == q->kind + VC_QUICK_KINDS)
            return NULL;
    /* One test for both: none, or a negative number, is more than any other as an unsigned number. */
    return VC_LIKELY((unsigned)count - 1 < k->most) ? k : NULL;
}

/** Fills in what differs from call to call. */
static inline void vc_quick_fill(struct vc_node_call *call, const struct vc_quick_kind *kind, const void *src,
                                 void *dst, int count)
{
    call->src = src;
    call->dst = dst;
    call->len = (size_t)count * kind->redop.esize;
}

static inline void vc_quick_fill_op(struct vc_node_call *call, const struct vc_quick_kind *kind)
{
    call->op = &kind->redop;
    call->grain = kind->redop.esize;
}

/** A reduction whose arguments are those of quick calls. c, or NULL: not of a known kind. */
static inline struct vc_comm *vc_quick_reduction(struct vc_comm *c, enum vc_coll coll, const void *src,
                                                 void *dst, int count, MPI_Datatype type, MPI_Op op)
{
    struct vc_quick *q = &c->team->quick[coll];
    const struct vc_quick_kind *kind = vc_quick_find(q, count, type, op);
    if (!kind)
        return NULL;
    vc_quick_fill_op(&q->call, kind);
    vc_quick_fill(&q->call, kind, src, dst, count);
    return c;
}

/* For each form of arguments: fills the call if it is a quick one. Returns what vc_quick_run() gets, or NULL.
 */

static inline struct vc_comm *vc_quick_barrier(MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    return VC_LIKELY(c && c->team->quick[VC_BARRIER].kind[0].most != 0) ? c : NULL;
}

static inline struct vc_comm *vc_quick_bcast(void *buf, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(buf == NULL || buf == MPI_IN_PLACE || (unsigned)root >= (unsigned)c->size))
        return NULL;
    struct vc_quick *q = &c->team->quick[VC_BCAST];
    const struct vc_quick_kind *kind = vc_quick_find(q, count, type, NULL);
    if (!kind)
        return NULL;
    q->call.root = root;
    vc_quick_fill(&q->call, kind, NULL, buf, count);
    return c;
}

/** Allreduce and scan. */
static inline struct vc_comm *vc_quick_allreduce(enum vc_coll coll, const void *send, void *recv, int count,
                                                 MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || recv == NULL || recv == MPI_IN_PLACE))
        return NULL;
    return vc_quick_reduction(c, coll, send == MPI_IN_PLACE ? recv : send, recv, count, type, op);
}

/** On rank 0 the receive buffer means nothing, unless the operand is in it. */
static inline struct vc_comm *vc_quick_exscan(const void *send, void *recv, int count, MPI_Datatype type,
                                              MPI_Op op, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || recv == MPI_IN_PLACE ||
                          (recv == NULL && (c->rank > 0 || send == MPI_IN_PLACE))))
        return NULL;
    return vc_quick_reduction(c, VC_EXSCAN, send == MPI_IN_PLACE ? recv : send, recv, count, type, op);
}

/** Not in place. */
static inline struct vc_comm *vc_quick_reduce_blocks(const void *send, void *recv, int count,
                                                     MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || send == recv || recv == NULL ||
                          recv == MPI_IN_PLACE))
        return NULL;
    return vc_quick_reduction(c, VC_REDUCE_SCATTER_BLOCK, send, recv, count, type, op);
}

static inline struct vc_comm *vc_quick_reduce(const void *send, void *recv, int count, MPI_Datatype type,
                                              MPI_Op op, int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || (unsigned)root >= (unsigned)c->size))
        return NULL;
    if (c->rank != root) {
        if (VC_UNLIKELY(send == MPI_IN_PLACE))
            return NULL;
        recv = NULL;
    } else {
        if (VC_UNLIKELY(recv == NULL || recv == MPI_IN_PLACE || recv == send))
            return NULL;
        if (send == MPI_IN_PLACE)
            send = recv;
    }
    c->team->quick[VC_REDUCE].call.root = root;
    return vc_quick_reduction(c, VC_REDUCE, send, recv, count, type, op);
}

/** Allgather and alltoall; neither in place. */
static inline struct vc_comm *vc_quick_blocks(enum vc_coll coll, const void *send, int scount,
                                              MPI_Datatype stype, void *recv, int rcount, MPI_Datatype rtype,
                                              MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || send == recv || recv == NULL ||
                          recv == MPI_IN_PLACE || scount != rcount || stype != rtype))
        return NULL;
    struct vc_quick *q = &c->team->quick[coll];
    const struct vc_quick_kind *kind = vc_quick_find(q, rcount, rtype, NULL);
    if (!kind)
        return NULL;
    vc_quick_fill(&q->call, kind, send, recv, rcount);
    return c;
}

/** Allgatherv, not in place, where each block begins where the one before it ends. */
static inline struct vc_comm *vc_quick_allgatherv(const void *send, int scount, MPI_Datatype stype,
                                                  void *recv, const int *rcounts, const int *displs,
                                                  MPI_Datatype rtype, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || recv == NULL || recv == MPI_IN_PLACE ||
                          rcounts == NULL || displs == NULL || stype != rtype || c->size > VC_QUICK_BLOCKS))
        return NULL;
    struct vc_quick *q = &c->team->quick[VC_ALLGATHERV];
    const struct vc_quick_kind *kind = vc_quick_find(q, 1, rtype, NULL);
    if (!kind || rcounts[c->rank] != scount)
        return NULL;
    size_t *at = c->team->quick_at, esize = kind->redop.esize, most = (size_t)kind->most * (size_t)c->size,
           sum = 0;
    int longest = 0;
    for (int r = 0; r < c->size; r++) {
        /* Too many elements, or a negative number, end the loop before the sum could overflow. */
        if (VC_UNLIKELY(rcounts[r] < 0 || (size_t)displs[r] != sum))
            return NULL;
        at[r] = sum * esize;
        sum += (size_t)rcounts[r];
        longest = rcounts[r] > longest ? rcounts[r] : longest;
        if (VC_UNLIKELY(sum > most))
            return NULL;
    }
    at[c->size] = sum * esize;
    if (VC_UNLIKELY(sum == 0))
        return NULL;
    vc_quick_fill(&q->call, kind, send, recv, longest);
    q->call.at = at;
    return c;
}

/** In place at the root, or with the same type and count on both of its sides. */
static inline struct vc_comm *vc_quick_gather(const void *send, int scount, MPI_Datatype stype, void *recv,
                                              int rcount, MPI_Datatype rtype, int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || (unsigned)root >= (unsigned)c->size))
        return NULL;
    bool in_place = send == MPI_IN_PLACE;
    if (c->rank != root) {
        if (VC_UNLIKELY(in_place))
            return NULL;
        recv = NULL;
        rcount = scount;
        rtype = stype;
    } else if (VC_UNLIKELY(recv == NULL || recv == MPI_IN_PLACE || recv == send ||
                           (!in_place && (scount != rcount || stype != rtype)))) {
        return NULL;
    }
    struct vc_quick *q = &c->team->quick[VC_GATHER];
    const struct vc_quick_kind *kind = vc_quick_find(q, rcount, rtype, NULL);
    if (!kind)
        return NULL;
    q->call.root = root;
    vc_quick_fill(&q->call, kind, send, recv, rcount);
    if (in_place)
        q->call.src = (char *)recv + (size_t)root * q->call.len;
    return c;
}

/** The same. */
static inline struct vc_comm *vc_quick_scatter(const void *send, int scount, MPI_Datatype stype, void *recv,
                                               int rcount, MPI_Datatype rtype, int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(recv == NULL || (unsigned)root >= (unsigned)c->size))
        return NULL;
    bool in_place = recv == MPI_IN_PLACE;
    if (c->rank != root) {
        if (VC_UNLIKELY(in_place))
            return NULL;
        send = NULL;
        scount = rcount;
        stype = rtype;
    } else if (VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || recv == send ||
                           (!in_place && (scount != rcount || stype != rtype)))) {
        return NULL;
    }
    struct vc_quick *q = &c->team->quick[VC_SCATTER];
    const struct vc_quick_kind *kind = vc_quick_find(q, scount, stype, NULL);
    if (!kind)
        return NULL;
    q->call.root = root;
    vc_quick_fill(&q->call, kind, send, recv, scount);
    if (in_place)
        q->call.dst = (char *)(uintptr_t)send + (size_t)root * q->call.len;
    return c;
}

/** The lengths and places of the root's side of a gatherv or scatterv; false: one of them is not quick. */
static inline bool vc_quick_lengths(struct vc_team *t, struct vc_quick *q, size_t esize, const int counts[],
                                    const int displs[])
{
    if (VC_UNLIKELY(t->size > VC_QUICK_RANKS))
        return false;
    for (int r = 0; r < t->size; r++) {
        if (VC_UNLIKELY(counts[r] < 0))
            return false;
        t->quick_lens[r] = (size_t)counts[r] * esize;
        t->quick_places[r] = (size_t)displs[r] * esize;
    }
    q->call.lens = t->quick_lens;
    q->call.at = t->quick_places;
    return true;
}

/** As vc_quick_gather(). */
static inline struct vc_comm *vc_quick_gatherv(const void *send, int scount, MPI_Datatype stype, void *recv,
                                               const int rcounts[], const int displs[], MPI_Datatype rtype,
                                               int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || (unsigned)root >= (unsigned)c->size))
        return NULL;
    struct vc_quick *q = &c->team->quick[VC_GATHERV];
    const struct vc_quick_kind *kind = vc_quick_find(q, scount, stype, NULL);
    if (!kind)
        return NULL;
    if (c->rank != root)
        recv = NULL;
    else if (VC_UNLIKELY(recv == NULL || recv == MPI_IN_PLACE || recv == send || stype != rtype || !rcounts ||
                         !displs || rcounts[root] != scount ||
                         !vc_quick_lengths(c->team, q, kind->redop.esize, rcounts, displs)))
        return NULL;
    q->call.root = root;
    vc_quick_fill(&q->call, kind, send, recv, scount);
    return c;
}

static inline struct vc_comm *vc_quick_scatterv(const void *send, const int scounts[], const int displs[],
                                                MPI_Datatype stype, void *recv, int rcount,
                                                MPI_Datatype rtype, int root, MPI_Comm comm)
{
    struct vc_comm *c = vc_quick_comm(comm);
    if (!c || VC_UNLIKELY(recv == NULL || recv == MPI_IN_PLACE || (unsigned)root >= (unsigned)c->size))
        return NULL;
    struct vc_quick *q = &c->team->quick[VC_SCATTERV];
    const struct vc_quick_kind *kind = vc_quick_find(q, rcount, rtype, NULL);
    if (!kind)
        return NULL;
    if (c->rank != root)
        send = NULL;
    else if (VC_UNLIKELY(send == NULL || send == MPI_IN_PLACE || recv == send || stype != rtype || !scounts ||
                         !displs || scounts[root] != rcount ||
                         !vc_quick_lengths(c->team, q, kind->redop.esize, scounts, displs)))
        return NULL;
    q->call.root = root;
    vc_quick_fill(&q->call, kind, send, recv, rcount);
    return c;
}

/** Runs a quick call. An error of the MPI, or MPI_SUCCESS. */
static inline int vc_quick_run(struct vc_comm *c, enum vc_coll coll)
{
    struct vc_team *t = c->team;
    struct vc_quick *q = &t->quick[coll];
    if (VC_UNLIKELY(q->policy != t->policy))
        vc_team_policy(t, q->policy);
    int err = vc_node_run(t->node, &q->call);
    return VC_LIKELY(err == VC_OK) ? MPI_SUCCESS : vc_quick_failed(c, coll, err);
}

#endif
