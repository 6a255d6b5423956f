/* SPDX-License-Identifier: BSD-3-Clause */
/* The measured calls: through vcoll and beside it, on buffers that vary, and whether their results are right.
 */
#include "coll/info.h"
#include "include/vcoll/vcoll.h"
#include "tune/measure/measure.h"

#include <stdlib.h>
#include <string.h>

#define LINE  64
#define POOL  (4u << 20) /* send and receive pool together exceed the L2 of any core we know */
#define SPARE (1u << 20) /* room to move for messages that fill the pool */
#define NOFFS 1024u      /* a power of two */
#define GUARD 64         /* bytes behind the result that must survive */

/* A function pointer out of a data pointer, as dlsym's users must. */
static bool load_one(void *slot, const char *name)
{
    void *p = vcoll_native(name);
    memcpy(slot, &p, sizeof p);
    return p != NULL;
}

bool vc_measure_fns_load(struct vc_measure_fns fn[VC_IMPLS])
{
    struct vc_measure_fns *n = &fn[VC_IMPL_NATIVE];
    fn[VC_IMPL_VCOLL] = (struct vc_measure_fns){
        .barrier = MPI_Barrier,
        .bcast = MPI_Bcast,
        .reduce = MPI_Reduce,
        .allreduce = MPI_Allreduce,
        .allgather = MPI_Allgather,
        .alltoall = MPI_Alltoall,
        .scan = MPI_Scan,
        .gatherv = MPI_Gatherv,
        .scatterv = MPI_Scatterv,
    };
    return load_one(&n->barrier, "Barrier") && load_one(&n->bcast, "Bcast") &&
           load_one(&n->reduce, "Reduce") && load_one(&n->allreduce, "Allreduce") &&
           load_one(&n->allgather, "Allgather") && load_one(&n->alltoall, "Alltoall") &&
           load_one(&n->scan, "Scan") && load_one(&n->gatherv, "Gatherv") &&
           load_one(&n->scatterv, "Scatterv");
}

double vc_measure_call_moved(enum vc_coll coll, size_t bytes, int size)
{
    double n = (double)bytes, p = size;
    switch (coll) {
    case VC_BCAST:
        return (p - 1) * n;
    case VC_REDUCE:
    case VC_ALLREDUCE:
        return p * n;
    case VC_ALLGATHER:
    case VC_ALLTOALL:
        return p * p * n;
    default:
        return 0;
    }
}

static size_t width_of(MPI_Datatype type)
{
    return type == MPI_DOUBLE ? sizeof(double) : type == MPI_INT ? sizeof(int) : 1;
}

static void write_number(char *p, MPI_Datatype type, size_t i, unsigned v)
{
    if (type == MPI_DOUBLE)
        ((double *)(void *)p)[i] = v;
    else if (type == MPI_INT)
        ((int *)(void *)p)[i] = (int)v;
    else
        ((unsigned char *)p)[i] = (unsigned char)v;
}

static bool is_number(const char *p, MPI_Datatype type, size_t i, unsigned v)
{
    if (type == MPI_DOUBLE)
        return ((const double *)(const void *)p)[i] == v;
    if (type == MPI_INT)
        return ((const int *)(const void *)p)[i] == (int)v;
    return ((const unsigned char *)p)[i] == (unsigned char)v;
}

/* Small numbers of the call's type, so that sums neither overflow nor run into denormals. */
static void fill(char *p, size_t len, MPI_Datatype type)
{
    for (size_t i = 0; i < len / width_of(type); i++)
        write_number(p, type, i, 1 + (unsigned)(i % 7));
}

static void shape_call(struct vc_measure_call *c, int size)
{
    bool reduction = vc_coll_reduces(c->coll);
    c->op = MPI_SUM;
    c->type = !reduction                       ? MPI_BYTE
              : c->bytes % sizeof(double) == 0 ? MPI_DOUBLE
              : c->bytes % sizeof(int) == 0    ? MPI_INT
                                               : MPI_UNSIGNED_CHAR;
    c->count = (int)(c->bytes / width_of(c->type));
    c->send_len = vc_side_bytes(vc_coll_info[c->coll].send, c->bytes, size);
    c->recv_len = vc_side_bytes(vc_coll_info[c->coll].recv, c->bytes, size);
}

bool vc_measure_call_init(struct vc_measure_call *c, struct vc_measure_world *w, enum vc_coll coll,
                          size_t bytes)
{
    memset(c, 0, sizeof *c);
    c->coll = coll;
    c->bytes = bytes;
    c->root = w->opt->root;
    shape_call(c, w->size);
    size_t need = c->send_len > c->recv_len ? c->send_len : c->recv_len;
    c->pool = (need + SPARE > POOL ? need + SPARE : POOL) + GUARD;
    c->pool = (c->pool + LINE - 1) / LINE * LINE;
    c->noffs = w->opt->reuse ? 1 : NOFFS;
    c->send = aligned_alloc(4096, (c->pool + 4095) / 4096 * 4096);
    c->recv = aligned_alloc(4096, (c->pool + 4095) / 4096 * 4096);
    c->offs = calloc(c->noffs, 2 * sizeof *c->offs);
    if (!c->send || !c->recv || !c->offs) {
        vc_measure_call_free(c);
        return false;
    }
    fill(c->send, c->pool, c->type);
    fill(c->recv, c->pool, c->type);
    uint64_t send_lines = (c->pool - GUARD - c->send_len) / LINE + 1;
    uint64_t recv_lines = (c->pool - GUARD - c->recv_len) / LINE + 1;
    for (unsigned i = 0; i < c->noffs && c->noffs > 1; i++) {
        c->offs[2 * i] = (uint32_t)(vc_measure_rand(&w->rng_local) % send_lines);
        c->offs[2 * i + 1] = (uint32_t)(vc_measure_rand(&w->rng_local) % recv_lines);
    }
    return true;
}

void vc_measure_call_free(struct vc_measure_call *c)
{
    free(c->send);
    free(c->recv);
    free(c->offs);
    c->send = c->recv = NULL;
    c->offs = NULL;
}

static void run_on(struct vc_measure_call *c, const struct vc_measure_fns *f, MPI_Comm comm, void *send,
                   void *recv)
{
    switch (c->coll) {
    case VC_BARRIER:
        f->barrier(comm);
        break;
    case VC_BCAST:
        f->bcast(recv, c->count, c->type, c->root, comm);
        break;
    case VC_REDUCE:
        f->reduce(send, recv, c->count, c->type, c->op, c->root, comm);
        break;
    case VC_ALLREDUCE:
        f->allreduce(send, recv, c->count, c->type, c->op, comm);
        break;
    case VC_ALLGATHER:
        f->allgather(send, c->count, c->type, recv, c->count, c->type, comm);
        break;
    default:
        f->alltoall(send, c->count, c->type, recv, c->count, c->type, comm);
        break;
    }
}

void vc_measure_call_run(struct vc_measure_call *c, const struct vc_measure_fns *f, MPI_Comm comm)
{
    unsigned i = c->next++ & (c->noffs - 1);
    run_on(c, f, comm, c->send + (size_t)c->offs[2 * i] * LINE, c->recv + (size_t)c->offs[2 * i + 1] * LINE);
}

/* ---- results ---- */

static unsigned char byte_of(size_t i, int from, int to, unsigned round)
{
    return (unsigned char)(i * 7 + (i >> 8) * 13 + (unsigned)from * 131 + (unsigned)to * 31 + round * 17);
}

static unsigned number_of(size_t i, int rank, unsigned round)
{
    return (unsigned)((i + (unsigned)rank * 7 + round) % 101);
}

static bool check_sum(const struct vc_measure_call *c, const struct vc_measure_world *w, const char *recv,
                      unsigned round)
{
    for (size_t i = 0; i < (size_t)c->count; i++) {
        unsigned sum = 0;
        for (int r = 0; r < w->size; r++)
            sum += number_of(i, r, round);
        if (!is_number(recv, c->type, i, sum))
            return false;
    }
    return true;
}

static bool check_bytes(const struct vc_measure_call *c, const struct vc_measure_world *w, const char *recv,
                        unsigned round)
{
    if (c->coll == VC_BCAST) {
        for (size_t i = 0; i < c->bytes; i++)
            if ((unsigned char)recv[i] != byte_of(i, c->root, 0, round))
                return false;
        return true;
    }
    for (int r = 0; r < w->size; r++)
        for (size_t i = 0; i < c->bytes; i++)
            if ((unsigned char)recv[(size_t)r * c->bytes + i] !=
                byte_of(i, r, c->coll == VC_ALLTOALL ? w->rank : 0, round))
                return false;
    return true;
}

bool vc_measure_call_verify(struct vc_measure_call *c, struct vc_measure_world *w,
                            const struct vc_measure_fns *f, unsigned round)
{
    unsigned at = c->next++ & (c->noffs - 1);
    char *send = c->send + (size_t)c->offs[2 * at] * LINE,
         *recv = c->recv + (size_t)c->offs[2 * at + 1] * LINE;
    char guard[GUARD];
    bool ok = true, reduction = vc_coll_reduces(c->coll);
    memset(recv, 0xa5, c->recv_len + GUARD);
    memset(guard, 0xa5, sizeof guard);
    if (reduction)
        for (size_t i = 0; i < (size_t)c->count; i++)
            write_number(send, c->type, i, number_of(i, w->rank, round));
    else
        for (size_t i = 0; i < c->send_len; i++)
            send[i] =
                (char)byte_of(i % c->bytes, w->rank, c->coll == VC_ALLTOALL ? (int)(i / c->bytes) : 0, round);
    if (c->coll == VC_BCAST && w->rank == c->root)
        for (size_t i = 0; i < c->bytes; i++)
            recv[i] = (char)byte_of(i, w->rank, 0, round);
    run_on(c, f, w->comm, send, recv);
    if (c->coll == VC_REDUCE && w->rank != c->root)
        ok = true;
    else if (reduction)
        ok = check_sum(c, w, recv, round);
    else if (vc_coll_sized(c->coll))
        ok = check_bytes(c, w, recv, round);
    ok = ok && memcmp(recv + c->recv_len, guard, sizeof guard) == 0;
    fill(send, c->send_len, c->type);
    fill(recv, c->recv_len + GUARD, c->type);
    return ok;
}
