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

/* What the arguments of a call are. */
enum form {
    NO_ARGUMENTS,
    MESSAGE,
    REDUCTION_FOR_ROOT,
    REDUCTION_FOR_ALL,
    BLOCKS,
    ROOTED_BLOCKS,
    BLOCKS_TO_ROOT,
    BLOCKS_FROM_ROOT,
    BLOCKS_GATHERED,  /* counts and displacements of all ranks' blocks on the receiving side */
    BLOCKS_EXCHANGED, /* on both sides */
    BLOCKS_WITH_TYPES,
    REDUCTION_BY_COUNTS,
};

/* A row for each collective: the program's function, the name of the underlying one, its arguments. */
static const struct {
    vc_measure_fn *fn;
    const char *native;
    enum form form;
} measured[VC_COLL_COUNT] = {
    [VC_BARRIER] = {(vc_measure_fn *)MPI_Barrier, "Barrier", NO_ARGUMENTS},
    [VC_BCAST] = {(vc_measure_fn *)MPI_Bcast, "Bcast", MESSAGE},
    [VC_REDUCE] = {(vc_measure_fn *)MPI_Reduce, "Reduce", REDUCTION_FOR_ROOT},
    [VC_ALLREDUCE] = {(vc_measure_fn *)MPI_Allreduce, "Allreduce", REDUCTION_FOR_ALL},
    [VC_ALLGATHER] = {(vc_measure_fn *)MPI_Allgather, "Allgather", BLOCKS},
    [VC_ALLTOALL] = {(vc_measure_fn *)MPI_Alltoall, "Alltoall", BLOCKS},
    [VC_ALLGATHERV] = {(vc_measure_fn *)MPI_Allgatherv, "Allgatherv", BLOCKS_GATHERED},
    [VC_ALLTOALLV] = {(vc_measure_fn *)MPI_Alltoallv, "Alltoallv", BLOCKS_EXCHANGED},
    [VC_ALLTOALLW] = {(vc_measure_fn *)MPI_Alltoallw, "Alltoallw", BLOCKS_WITH_TYPES},
    [VC_GATHER] = {(vc_measure_fn *)MPI_Gather, "Gather", ROOTED_BLOCKS},
    [VC_SCATTER] = {(vc_measure_fn *)MPI_Scatter, "Scatter", ROOTED_BLOCKS},
    [VC_GATHERV] = {(vc_measure_fn *)MPI_Gatherv, "Gatherv", BLOCKS_TO_ROOT},
    [VC_SCATTERV] = {(vc_measure_fn *)MPI_Scatterv, "Scatterv", BLOCKS_FROM_ROOT},
    [VC_REDUCE_SCATTER_BLOCK] = {(vc_measure_fn *)MPI_Reduce_scatter_block, "Reduce_scatter_block",
                                 REDUCTION_FOR_ALL},
    [VC_REDUCE_SCATTER] = {(vc_measure_fn *)MPI_Reduce_scatter, "Reduce_scatter", REDUCTION_BY_COUNTS},
    [VC_SCAN] = {(vc_measure_fn *)MPI_Scan, "Scan", REDUCTION_FOR_ALL},
    [VC_EXSCAN] = {(vc_measure_fn *)MPI_Exscan, "Exscan", REDUCTION_FOR_ALL},
};

static void run_on(struct vc_measure_call *c, const struct vc_measure_fns *f, MPI_Comm comm, void *send,
                   void *recv)
{
    vc_measure_fn *fn = f->measured[c->coll];
    switch (measured[c->coll].form) {
    case NO_ARGUMENTS:
        ((__typeof__(&MPI_Barrier))fn)(comm);
        break;
    case MESSAGE:
        ((__typeof__(&MPI_Bcast))fn)(recv, c->count, c->type, c->root, comm);
        break;
    case REDUCTION_FOR_ROOT:
        ((__typeof__(&MPI_Reduce))fn)(send, recv, c->count, c->type, c->op, c->root, comm);
        break;
    case REDUCTION_FOR_ALL:
        ((__typeof__(&MPI_Allreduce))fn)(send, recv, c->count, c->type, c->op, comm);
        break;
    case REDUCTION_BY_COUNTS:
        ((__typeof__(&MPI_Reduce_scatter))fn)(send, recv, c->each, c->type, c->op, comm);
        break;
    case BLOCKS:
        ((__typeof__(&MPI_Allgather))fn)(send, c->count, c->type, recv, c->count, c->type, comm);
        break;
    case BLOCKS_TO_ROOT:
        ((__typeof__(&MPI_Gatherv))fn)(send, c->count, c->type, recv, c->equal, c->equal + c->ranks, c->type,
                                       c->root, comm);
        break;
    case BLOCKS_FROM_ROOT:
        ((__typeof__(&MPI_Scatterv))fn)(send, c->equal, c->equal + c->ranks, c->type, recv, c->count, c->type,
                                        c->root, comm);
        break;
    case ROOTED_BLOCKS:
        ((__typeof__(&MPI_Gather))fn)(send, c->count, c->type, recv, c->count, c->type, c->root, comm);
        break;
    case BLOCKS_GATHERED:
        ((__typeof__(&MPI_Allgatherv))fn)(send, c->count, c->type, recv, c->counts[1], c->displs[1], c->type,
                                          comm);
        break;
    case BLOCKS_EXCHANGED:
        ((__typeof__(&MPI_Alltoallv))fn)(send, c->counts[0], c->displs[0], c->type, recv, c->counts[1],
                                         c->displs[1], c->type, comm);
        break;
    case BLOCKS_WITH_TYPES:
        ((__typeof__(&MPI_Alltoallw))fn)(send, c->counts[0], c->displs[0], c->types, recv, c->counts[1],
                                         c->displs[1], c->types, comm);
        break;
    }
}

bool vc_measure_fns_load(struct vc_measure_fns fn[VC_IMPLS])
{
    struct vc_measure_fns *n = &fn[VC_IMPL_NATIVE], *v = &fn[VC_IMPL_VCOLL];
    *v = (struct vc_measure_fns){
        .barrier = MPI_Barrier,
        .bcast = MPI_Bcast,
        .reduce = MPI_Reduce,
        .allreduce = MPI_Allreduce,
        .allgather = MPI_Allgather,
        .scan = MPI_Scan,
        .gatherv = MPI_Gatherv,
        .scatterv = MPI_Scatterv,
    };
    for (int i = 0; i < VC_COLL_COUNT; i++) {
        v->measured[i] = measured[i].fn;
        if (!load_one(&n->measured[i], measured[i].native))
            return false;
    }
    return load_one(&n->barrier, "Barrier") && load_one(&n->bcast, "Bcast") &&
           load_one(&n->reduce, "Reduce") && load_one(&n->allreduce, "Allreduce") &&
           load_one(&n->allgather, "Allgather") && load_one(&n->scan, "Scan") &&
           load_one(&n->gatherv, "Gatherv") && load_one(&n->scatterv, "Scatterv");
}

/* What all ranks together have of a side. */
static double side_of_all(struct vc_side side, size_t bytes, int size)
{
    return (double)vc_side_bytes(side, bytes, size) * (side.root_only ? 1 : size);
}

double vc_measure_call_moved(enum vc_coll coll, size_t bytes, int size)
{
    const struct vc_coll_info *i = &vc_coll_info[coll];
    double sent = side_of_all(i->send, bytes, size), received = side_of_all(i->recv, bytes, size);
    if (vc_coll_root_gives_recv(coll))
        received -= (double)bytes;
    return sent > received ? sent : received;
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

/* The i-th of `size` blocks of `bytes` on average: all alike or, uneven, from none to twice as much, in a
 * line. */
static size_t block_of(const struct vc_measure_world *w, size_t bytes, int i)
{
    if (!w->opt->uneven || w->size < 2)
        return bytes;
    return (size_t)((double)bytes * 2 * i / (w->size - 1));
}

/* What `from` sends to `to`. All ranks send as much, of each length one block. */
static size_t pair_of(const struct vc_measure_world *w, enum vc_coll coll, size_t bytes, int from, int to)
{
    bool exchanged = vc_coll_info[coll].send.extent == VC_EXTENT_EACH;
    return block_of(w, bytes, exchanged ? (from + to) % w->size : from);
}

/* Reductions: a count for each rank, and with these the sides. */
static bool shape_counts(struct vc_measure_call *c, const struct vc_measure_world *w)
{
    size_t all = 0;
    if (!vc_coll_reduces(c->coll))
        return true;
    c->each = calloc((size_t)w->size, sizeof *c->each);
    if (!c->each)
        return false;
    for (int r = 0; r < w->size; r++) {
        bool uneven = vc_coll_info[c->coll].uneven;
        c->each[r] = uneven ? (int)block_of(w, (size_t)c->count, r) : c->count;
        all += (size_t)c->each[r];
    }
    if (vc_coll_info[c->coll].uneven) {
        c->send_len = all * width_of(c->type);
        c->recv_len = (size_t)c->each[w->rank] * width_of(c->type);
    }
    return true;
}

/* The arrays of both sides, one behind the other in one allocation. */
static bool shape_blocks(struct vc_measure_call *c, const struct vc_measure_world *w)
{
    int n = w->size;
    if (!vc_coll_info[c->coll].uneven || vc_coll_reduces(c->coll))
        return true;
    int *mem = calloc(4 * (size_t)n, sizeof *mem);
    c->types = calloc((size_t)n, sizeof *c->types);
    c->counts[0] = mem;
    if (!mem || !c->types)
        return false;
    bool each = vc_coll_info[c->coll].send.extent == VC_EXTENT_EACH;
    size_t len[2] = {0, 0};
    for (int side = 0; side < 2; side++) {
        c->counts[side] = mem + 2 * side * n;
        c->displs[side] = c->counts[side] + n;
        for (int r = 0; r < n; r++) {
            c->counts[side][r] = (int)(side ? pair_of(w, c->coll, c->bytes, r, w->rank)
                                            : pair_of(w, c->coll, c->bytes, w->rank, r));
            c->displs[side][r] = (int)len[side];
            len[side] += (size_t)c->counts[side][r];
            c->types[r] = MPI_BYTE;
        }
    }
    c->count = (int)pair_of(w, c->coll, c->bytes, w->rank, 0);
    c->send_len = each ? len[0] : (size_t)c->count;
    c->recv_len = len[1];
    return true;
}

bool vc_measure_call_init(struct vc_measure_call *c, struct vc_measure_world *w, enum vc_coll coll,
                          size_t bytes)
{
    memset(c, 0, sizeof *c);
    c->coll = coll;
    c->bytes = bytes;
    c->root = w->opt->root;
    shape_call(c, w->size);
    bool shaped = shape_counts(c, w) && shape_blocks(c, w);
    size_t need = c->send_len > c->recv_len ? c->send_len : c->recv_len;
    c->pool = (need + SPARE > POOL ? need + SPARE : POOL) + GUARD;
    c->pool = (c->pool + LINE - 1) / LINE * LINE;
    c->noffs = w->opt->reuse ? 1 : NOFFS;
    c->send = aligned_alloc(4096, (c->pool + 4095) / 4096 * 4096);
    c->recv = aligned_alloc(4096, (c->pool + 4095) / 4096 * 4096);
    c->offs = calloc(c->noffs, 2 * sizeof *c->offs);
    c->equal = calloc((size_t)w->size, 2 * sizeof *c->equal);
    if (!c->send || !c->recv || !c->offs || !c->equal || !shaped) {
        vc_measure_call_free(c);
        return false;
    }
    c->ranks = w->size;
    for (int r = 0; r < w->size; r++) {
        c->equal[r] = c->count;
        c->equal[w->size + r] = r * c->count;
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
    free(c->equal);
    c->equal = NULL;
    free(c->each);
    free(c->counts[0]);
    free(c->types);
    c->counts[0] = NULL;
    c->types = NULL;
    c->send = c->recv = NULL;
    c->offs = NULL;
    c->each = NULL;
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
    const struct vc_coll_info *info = &vc_coll_info[c->coll];
    int operands = vc_operands_of(info->operands, w->rank, w->size);
    size_t first = 0;
    for (int r = 0; r < w->rank && info->send.extent == VC_EXTENT_EACH; r++)
        first += (size_t)c->each[r];
    for (size_t i = 0; i < c->recv_len / width_of(c->type) && operands > 0; i++) {
        unsigned sum = 0;
        for (int r = 0; r < operands; r++)
            sum += number_of(first + i, r, round);
        if (!is_number(recv, c->type, i, sum))
            return false;
    }
    return true;
}

/* Which of the blocks of a side byte i is in, and where it begins. */
static int block_at(const struct vc_measure_call *c, int side, size_t i, size_t *begins)
{
    if (!c->types) {
        *begins = i / c->bytes * c->bytes;
        return (int)(i / c->bytes);
    }
    int r = 0;
    while (i >= (size_t)c->displs[side][r] + (size_t)c->counts[side][r])
        r++;
    *begins = (size_t)c->displs[side][r];
    return r;
}

static bool check_bytes(const struct vc_measure_call *c, const struct vc_measure_world *w, const char *recv,
                        unsigned round)
{
    const struct vc_coll_info *info = &vc_coll_info[c->coll];
    int to = info->send.extent == VC_EXTENT_EACH ? w->rank : 0;
    for (size_t i = 0; i < c->recv_len; i++) {
        size_t begins = 0;
        int from = info->recv.extent == VC_EXTENT_EACH ? block_at(c, 1, i, &begins) : c->root;
        if ((unsigned char)recv[i] != byte_of(i - begins, from, to, round))
            return false;
    }
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
        for (size_t i = 0; i < c->send_len / width_of(c->type); i++)
            write_number(send, c->type, i, number_of(i, w->rank, round));
    else
        for (size_t i = 0; i < c->send_len; i++) {
            size_t begins = 0;
            bool each = vc_coll_info[c->coll].send.extent == VC_EXTENT_EACH;
            int to = each ? block_at(c, 0, i, &begins) : 0;
            send[i] = (char)byte_of(i - begins, w->rank, to, round);
        }
    if (vc_coll_root_gives_recv(c->coll) && w->rank == c->root)
        for (size_t i = 0; i < c->bytes; i++)
            recv[i] = (char)byte_of(i, w->rank, 0, round);
    run_on(c, f, w->comm, send, recv);
    if (vc_coll_info[c->coll].recv.root_only && w->rank != c->root)
        ok = true; /* nothing came */
    else if (reduction)
        ok = check_sum(c, w, recv, round);
    else if (vc_coll_sized(c->coll))
        ok = check_bytes(c, w, recv, round);
    ok = ok && memcmp(recv + c->recv_len, guard, sizeof guard) == 0;
    fill(send, c->send_len, c->type);
    fill(recv, c->recv_len + GUARD, c->type);
    return ok;
}
