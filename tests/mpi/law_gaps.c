/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_gaps WHAT: data with gaps, in one layout on one rank and in another one on the next, or without gaps.
 *   freed   nonblocking collectives, several under way, whose types are freed at once: results are right and
 *           gaps are as they were
 *   room    a long message needs no second memory as long, blocking and not
 */
#include "law.h"

#include <stdbool.h>

enum kind {
    BCAST,
    ALLGATHER,
    ALLTOALL,
    GATHER,
    SCATTER,
    ALLGATHERV,
    ALLTOALLV,
    ALLTOALLW,
    GATHERV,
    SCATTERV,
    KINDS
};

enum { RANKS = 8, SHAPES = 4, UNIT = 3 };

static int rank, size;

/* How an element of UNIT longs lies in `extent` longs. */
static const struct shape {
    int extent, at[UNIT];
} shapes[SHAPES] = {{3, {0, 1, 2}}, {4, {0, 2, 3}}, {6, {3, 4, 0}}, {7, {0, 2, 4}}};

static MPI_Datatype make_type(int which)
{
    const struct shape *s = &shapes[which];
    int lens[UNIT] = {1, 1, 1};
    MPI_Datatype plain, t;
    MPI_Type_indexed(UNIT, lens, s->at, MPI_LONG, &plain);
    MPI_Type_create_resized(plain, 0, s->extent * (MPI_Aint)sizeof(long), &t);
    MPI_Type_free(&plain);
    MPI_Type_commit(&t);
    return t;
}

/* One side of a call on this rank: blocks of elements of one shape. */
struct side {
    int shape, blocks;
    int counts[RANKS], displs[RANKS]; /* elements; ALLTOALLW: displacements in bytes */
    int first[RANKS];                 /* where blocks begin, in elements */
    long *mem;
    int longs;
};

/* One under way. */
struct call {
    enum kind kind;
    int n, round, root; /* n: elements of a block, or of the longest */
    struct side send, recv;
    MPI_Datatype stypes[RANKS], rtypes[RANKS];
    MPI_Request req;
};

static bool is_uneven(enum kind k)
{
    return k >= ALLGATHERV;
}

static bool is_pairs(enum kind k)
{
    return k == ALLTOALL || k == ALLTOALLV || k == ALLTOALLW;
}

/* Elements of the block that goes from one rank to another. */
static int elements(const struct call *c, int from, int to)
{
    int turn = is_pairs(c->kind) ? from + to : c->kind == SCATTERV ? to : from;
    return is_uneven(c->kind) ? c->n - (turn + c->round) % 3 * 7 : c->n;
}

static long value(const struct call *c, int from, int to, int i)
{
    bool differs = is_pairs(c->kind) || c->kind == SCATTER || c->kind == SCATTERV;
    return 1 + (c->round * 16L + from) * 1000003L + (differs ? to * 10007L : 0) + i;
}

/* Blocks that a rank of the call sends, or receives. */
static int blocks_of(const struct call *c, bool sends)
{
    bool root = rank == c->root;
    switch (c->kind) {
    case BCAST:
        return sends ? 0 : 1;
    case GATHER:
    case GATHERV:
        return sends ? 1 : root ? size : 0;
    case SCATTER:
    case SCATTERV:
        return !sends ? 1 : root ? size : 0;
    default:
        return !sends || is_pairs(c->kind) ? size : 1;
    }
}

/* From whom and to whom block b of a side goes. */
static void ends_of(const struct call *c, bool sends, int b, int *from, int *to)
{
    bool one = (sends ? c->send : c->recv).blocks == 1;
    bool from_root = c->kind == BCAST || c->kind == SCATTER || c->kind == SCATTERV;
    bool to_root = c->kind == GATHER || c->kind == GATHERV;
    *from = sends ? rank : from_root ? c->root : b;
    *to = !sends ? rank : to_root ? c->root : one ? rank : b;
}

static long *place(const struct side *s, int block, int i)
{
    const struct shape *h = &shapes[s->shape];
    return s->mem + (size_t)(s->first[block] + i / UNIT) * (size_t)h->extent + h->at[i % UNIT];
}

static void lay_out(struct call *c, bool sends, int shape)
{
    struct side *s = sends ? &c->send : &c->recv;
    int from, to, extent = shapes[shape].extent, room = c->n + 1;
    s->shape = shape;
    s->blocks = blocks_of(c, sends);
    s->longs = s->blocks * room * extent + 1;
    s->mem = malloc(sizeof(long) * (size_t)s->longs);
    for (int i = 0; i < s->longs; i++)
        s->mem[i] = -1;
    for (int b = 0; b < s->blocks; b++) {
        ends_of(c, sends, b, &from, &to);
        s->counts[b] = elements(c, from, to);
        /* Where lengths differ, so does the order in memory. */
        s->first[b] = is_uneven(c->kind) ? (s->blocks - 1 - b) * room : b * c->n;
        s->displs[b] = s->first[b] * (c->kind == ALLTOALLW ? extent * (int)sizeof(long) : 1);
        bool has = sends || (c->kind == BCAST && rank == c->root);
        for (int i = 0; has && i < s->counts[b] * UNIT; i++)
            *place(s, b, i) = value(c, from, to, i);
    }
}

static int post(struct call *c)
{
    struct side *s = &c->send, *r = &c->recv;
    MPI_Datatype st = c->stypes[0], rt = c->rtypes[0];
    MPI_Comm w = MPI_COMM_WORLD;
    switch (c->kind) {
    case BCAST:
        return MPI_Ibcast(r->mem, c->n, rt, c->root, w, &c->req);
    case ALLGATHER:
        return MPI_Iallgather(s->mem, c->n, st, r->mem, c->n, rt, w, &c->req);
    case ALLTOALL:
        return MPI_Ialltoall(s->mem, c->n, st, r->mem, c->n, rt, w, &c->req);
    case GATHER:
        return MPI_Igather(s->mem, c->n, st, r->mem, c->n, rt, c->root, w, &c->req);
    case SCATTER:
        return MPI_Iscatter(s->mem, c->n, st, r->mem, c->n, rt, c->root, w, &c->req);
    case ALLGATHERV:
        return MPI_Iallgatherv(s->mem, s->counts[0], st, r->mem, r->counts, r->displs, rt, w, &c->req);
    case ALLTOALLV:
        return MPI_Ialltoallv(s->mem, s->counts, s->displs, st, r->mem, r->counts, r->displs, rt, w, &c->req);
    case ALLTOALLW:
        return MPI_Ialltoallw(s->mem, s->counts, s->displs, c->stypes, r->mem, r->counts, r->displs,
                              c->rtypes, w, &c->req);
    case GATHERV:
        return MPI_Igatherv(s->mem, s->counts[0], st, r->mem, r->counts, r->displs, rt, c->root, w, &c->req);
    default:
        return MPI_Iscatterv(s->mem, s->counts, s->displs, st, r->mem, r->counts[0], rt, c->root, w, &c->req);
    }
}

/* Every long of the receive buffer: of the result, or of a gap. */
static void check(struct call *c)
{
    struct side *r = &c->recv;
    long bad = 0, touched = 0;
    int from, to;
    for (int b = 0; b < r->blocks; b++) {
        ends_of(c, false, b, &from, &to);
        for (int i = 0; i < r->counts[b] * UNIT; i++) {
            long *at = place(r, b, i);
            bad += *at != value(c, from, to, i);
            *at = -1;
        }
    }
    for (int i = 0; i < r->longs; i++)
        touched += r->mem[i] != -1;
    LAW_CHECK(bad == 0 && touched == 0,
              "%ld wrong elements and %ld in gaps, of %d in collective %d, round %d", bad, touched, c->n,
              (int)c->kind, c->round);
    free(c->send.mem);
    free(r->mem);
}

/* Memory that types were described in gets another use. */
static void use_memory(void)
{
    void *mem[16];
    for (size_t i = 0; i < 16; i++) {
        mem[i] = malloc(64 + 32 * i);
        memset(mem[i], 0x5a, 64 + 32 * i);
    }
    for (size_t i = 0; i < 16; i++)
        free(mem[i]);
}

/* From shorter than what a view is worth to several times as long as the memory that it goes through. */
static void freed(void)
{
    static const int most[] = {40, 700, 3000, 12000};
    struct call c[KINDS];
    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < KINDS; i++) {
            struct call *o = &c[i];
            *o = (struct call){.kind = (enum kind)((i + round) % KINDS),
                               .n = most[(round + i) % 4] - round,
                               .round = round,
                               .root = (round + i) % size};
            lay_out(o, true, (rank + i + round) % SHAPES);
            lay_out(o, false, (2 * rank + i + round / 2) % SHAPES);
            MPI_Datatype st = make_type(o->send.shape), rt = make_type(o->recv.shape);
            for (int r = 0; r < size; r++) {
                o->stypes[r] = st;
                o->rtypes[r] = rt;
            }
            LAW_CHECK(post(o) == MPI_SUCCESS, "collective %d is refused", (int)o->kind);
            MPI_Type_free(&st);
            MPI_Type_free(&rt);
            use_memory();
        }
        for (int i = 0; i < KINDS; i++) {
            int at = (i + rank) % KINDS;
            MPI_Wait(&c[at].req, MPI_STATUS_IGNORE);
            check(&c[at]);
        }
    }
}

/* The most memory that the process has had since the last look, in KiB; -1: the system does not tell. */
static long most_kib(void)
{
    char line[128];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    f = fopen("/proc/self/clear_refs", "w");
    if (!f || fputs("5", f) < 0)
        kib = -1;
    if (f && fclose(f) != 0)
        kib = -1;
    return kib;
}

/* What has gaps is packed while it moves, so that calls need memory for slots alone. The first of each kind
 * touches those. */
static int room(void)
{
    enum { ELEMENTS = 1 << 20, KIB = ELEMENTS * UNIT * (int)sizeof(long) / 1024 };
    if (most_kib() < 0)
        return 77;
    for (int i = 0; i < 2 * KINDS; i++) {
        struct call c = {.kind = (enum kind)(i / 2), .n = ELEMENTS / size, .round = i};
        if (c.kind == BCAST)
            c.n = ELEMENTS;
        lay_out(&c, true, 1);
        lay_out(&c, false, 3);
        MPI_Datatype st = make_type(1), rt = make_type(3);
        for (int r = 0; r < size; r++) {
            c.stypes[r] = st;
            c.rtypes[r] = rt;
        }
        (void)most_kib();
        long before = most_kib();
        LAW_CHECK(post(&c) == MPI_SUCCESS && MPI_Wait(&c.req, MPI_STATUS_IGNORE) == MPI_SUCCESS,
                  "collective %d", (int)c.kind);
        long more = most_kib() - before;
        LAW_CHECK(i % 2 == 0 || more < KIB / 4, "collective %d needs %ld KiB for %d KiB of data", (int)c.kind,
                  more, KIB);
        MPI_Type_free(&st);
        MPI_Type_free(&rt);
        check(&c);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "freed";
    int rc = 0;
    MPI_Init(&argc, &argv);
    law_watchdog(100);
    law_stage = what;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size <= RANKS, "too many ranks");
    for (int i = 0; i < 4; i++)
        MPI_Barrier(MPI_COMM_WORLD);
    if (strcmp(what, "room") == 0)
        rc = room();
    else
        freed();
    MPI_Finalize();
    return rc;
}
