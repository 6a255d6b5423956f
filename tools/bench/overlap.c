/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --overlap: how much of a nonblocking collective goes on while the program computes. A call is timed alone
 * (posted, and at once waited for), then with as long a computation between post and wait, or as long a
 * sleep. Each call is timed by itself, and blocks of both sorts alternate: overlap is a difference of two
 * times that are nearly equal, so it is computed from what was measured at about the same time, and calls in
 * which some rank did not have a CPU do not count.
 */
#include "include/vcoll/vcoll.h"
#include "tools/bench/bench.h"

#include "coll/info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM   8
#define ROUNDS 5
#define CALLS  3   /* of a block, at least */
#define MOST   512 /* and at most */

/* clang-format off */
#define EACH_NONBLOCKING(X)                                                                                  \
    X(Ibarrier) X(Ibcast) X(Ireduce) X(Iallreduce) X(Iallgather) X(Ialltoall) X(Iallgatherv) X(Ialltoallv)  \
    X(Ialltoallw) X(Igather) X(Iscatter) X(Igatherv) X(Iscatterv) X(Ireduce_scatter_block)                   \
    X(Ireduce_scatter) X(Iscan) X(Iexscan)
/* clang-format on */

struct functions {
#define X(name) __typeof__(&MPI_##name) name;
    EACH_NONBLOCKING(X)
#undef X
};

struct call {
    struct vc_measure_world *w;
    const struct functions *fn;
    enum vc_coll coll;
    size_t bytes;
    char *send, *recv;
    struct blocks *blocks;
};

/* Equal blocks, for the forms that have a length for each rank. */
struct blocks {
    int *counts, *displs; /* [ranks]; elements are bytes */
    MPI_Datatype *types;
};

static bool make_blocks(struct blocks *b, int ranks)
{
    b->counts = malloc((size_t)ranks * sizeof *b->counts);
    b->displs = malloc((size_t)ranks * sizeof *b->displs);
    b->types = malloc((size_t)ranks * sizeof(MPI_Datatype));
    return b->counts && b->displs && b->types;
}

static void set_blocks(const struct blocks *b, int ranks, int bytes)
{
    for (int r = 0; r < ranks; r++) {
        b->counts[r] = bytes;
        b->displs[r] = r * bytes;
        b->types[r] = MPI_BYTE;
    }
}

static void free_blocks(struct blocks *b)
{
    free(b->counts);
    free(b->displs);
    free(b->types);
}

/* The public names are vcoll's; what lies under them it tells. */
static bool find_functions(struct functions fn[VC_IMPLS])
{
    void *sym;
    bool all = true;
#define X(name)                                                                                              \
    fn[VC_IMPL_VCOLL].name = MPI_##name;                                                                     \
    sym = vcoll_native(#name);                                                                               \
    all = all && sym != NULL;                                                                                \
    memcpy(&fn[VC_IMPL_NATIVE].name, &sym, sizeof sym);
    EACH_NONBLOCKING(X)
#undef X
    return all;
}

static int post(const struct call *c, MPI_Request *req)
{
    const struct functions *f = c->fn;
    const struct blocks *b = c->blocks;
    const MPI_Comm comm = c->w->comm;
    const MPI_Datatype t = MPI_BYTE;
    const MPI_Op op = MPI_BXOR;
    const int n = (int)c->bytes, root = c->w->opt->root;
    char *in = c->send, *out = c->recv;
    switch (c->coll) {
    case VC_BARRIER:
        return f->Ibarrier(comm, req);
    case VC_BCAST:
        return f->Ibcast(out, n, t, root, comm, req);
    case VC_REDUCE:
        return f->Ireduce(in, out, n, t, op, root, comm, req);
    case VC_ALLREDUCE:
        return f->Iallreduce(in, out, n, t, op, comm, req);
    case VC_ALLGATHER:
        return f->Iallgather(in, n, t, out, n, t, comm, req);
    case VC_ALLTOALL:
        return f->Ialltoall(in, n, t, out, n, t, comm, req);
    case VC_ALLGATHERV:
        return f->Iallgatherv(in, n, t, out, b->counts, b->displs, t, comm, req);
    case VC_ALLTOALLV:
        return f->Ialltoallv(in, b->counts, b->displs, t, out, b->counts, b->displs, t, comm, req);
    case VC_ALLTOALLW:
        return f->Ialltoallw(in, b->counts, b->displs, b->types, out, b->counts, b->displs, b->types, comm,
                             req);
    case VC_GATHER:
        return f->Igather(in, n, t, out, n, t, root, comm, req);
    case VC_SCATTER:
        return f->Iscatter(in, n, t, out, n, t, root, comm, req);
    case VC_GATHERV:
        return f->Igatherv(in, n, t, out, b->counts, b->displs, t, root, comm, req);
    case VC_SCATTERV:
        return f->Iscatterv(in, b->counts, b->displs, t, out, n, t, root, comm, req);
    case VC_REDUCE_SCATTER_BLOCK:
        return f->Ireduce_scatter_block(in, out, n, t, op, comm, req);
    case VC_REDUCE_SCATTER:
        return f->Ireduce_scatter(in, out, b->counts, t, op, comm, req);
    case VC_SCAN:
        return f->Iscan(in, out, n, t, op, comm, req);
    case VC_EXSCAN:
        return f->Iexscan(in, out, n, t, op, comm, req);
    default:
        return MPI_ERR_INTERN;
    }
}

/* What the program does meanwhile: so many turns of a loop, or as many nanoseconds of sleep. */
struct meanwhile {
    double turn; /* seconds */
    bool sleeps;
};

static const struct meanwhile nothing = {.turn = 1};

static void compute(long turns)
{
    volatile double sink = 1;
    for (long i = 0; i < turns; i++)
        sink = sink * 1.0000001;
}

static void pass_time(const struct meanwhile *m, long turns)
{
    if (!m->sleeps) {
        compute(turns);
        return;
    }
    struct timespec left = {turns / 1000000000, turns % 1000000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

static double turn_seconds(void)
{
    double best = INFINITY;
    for (int i = 0; i < 5; i++) {
        double begun = vc_measure_now();
        compute(100000);
        best = fmin(best, (vc_measure_now() - begun) / 100000);
    }
    return best;
}

static double cpu_used(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec * 1e-6 + (double)u.ru_utime.tv_sec +
           (double)u.ru_utime.tv_usec * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, long n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* n calls with so many turns in each: the median of the seconds that a call takes on the slowest rank, and in
 * *cpu the mean of the ranks' CPU-seconds of one. On all ranks. */
static double block(const struct call *c, long n, const struct meanwhile *m, long turns, double *cpu)
{
    struct vc_measure_world *w = c->w;
    double took[MOST], slowest[MOST], sum = 0;
    MPI_Request req;
    vc_measure_quiet_barrier(w);
    double used = cpu_used(), begun = vc_measure_now();
    for (long i = 0; i < n; i++) {
        post(c, &req);
        if (turns > 0)
            pass_time(m, turns);
        MPI_Wait(&req, MPI_STATUS_IGNORE);
        double now = vc_measure_now();
        took[i] = now - begun;
        begun = now;
    }
    used = (cpu_used() - used) / (double)n;
    w->control->allreduce(took, slowest, (int)n, MPI_DOUBLE, MPI_MAX, w->ctl);
    w->control->allreduce(&used, &sum, 1, MPI_DOUBLE, MPI_SUM, w->ctl);
    *cpu = sum / w->size;
    return median(slowest, n);
}

static double percent(double part)
{
    return 100 * fmax(0, fmin(1, part));
}

/* Seconds of a call, once what only the first calls need is done. Slow calls are few. On all ranks. */
static double warm(const struct call *c, double share)
{
    double unused, first = block(c, 1, &nothing, 0, &unused);
    return block(c, first * WARM > share ? 1 : WARM, &nothing, 0, &unused);
}

/* One round of one implementation: both sorts of blocks, twice in turn. */
struct round {
    double alone[ROUNDS], both[ROUNDS], cpu[ROUNDS], osu[ROUNDS], imb[ROUNDS];
};

static void measure_round(const struct call *c, const struct meanwhile *m, double share, struct round *out,
                          int r)
{
    double unused, cpu[2], guess = warm(c, share);
    long n = (long)fmax(CALLS, fmin(share / fmax(guess, 1e-9), MOST));
    double before = block(c, n, &nothing, 0, &unused);
    long turns = (long)fmax(1, before / m->turn);
    double computing = (double)turns * m->turn;
    double both = block(c, n, m, turns, &cpu[0]);
    double after = block(c, n, &nothing, 0, &unused);
    double again = block(c, n, m, turns, &cpu[1]);
    out->alone[r] = (before + after) / 2;
    out->both[r] = (both + again) / 2;
    out->cpu[r] = (cpu[0] + cpu[1]) / 2 - (m->sleeps ? 0 : computing);
    out->osu[r] = percent(1 - (out->both[r] - computing) / out->alone[r]);
    out->imb[r] = percent((out->alone[r] + computing - out->both[r]) / fmin(out->alone[r], computing));
}

static void measure(const struct call call[VC_IMPLS], const struct meanwhile *m, struct bench_overlap *o)
{
    struct round rounds[VC_IMPLS];
    double share = call[0].w->opt->seconds / (4 * VC_IMPLS * ROUNDS);
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < VC_IMPLS; i++)
            measure_round(&call[i], m, share, &rounds[i], r);
    for (int i = 0; i < VC_IMPLS; i++) {
        o->alone[i] = median(rounds[i].alone, ROUNDS);
        o->computing[i] = fmax(o->alone[i], m->turn);
        o->both[i] = median(rounds[i].both, ROUNDS);
        o->cpu[i] = fmax(0, median(rounds[i].cpu, ROUNDS));
        o->osu[i] = median(rounds[i].osu, ROUNDS);
        o->imb[i] = median(rounds[i].imb, ROUNDS);
    }
}

int bench_overlap_run(struct vc_measure_world *w, struct bench_overlap *list)
{
    struct functions fn[VC_IMPLS];
    size_t most = w->opt->nsizes ? w->opt->sizes[w->opt->nsizes - 1] * (size_t)w->size : 1;
    char *send = calloc(1, most), *recv = calloc(1, most);
    struct blocks blocks;
    bool room = make_blocks(&blocks, w->size);
    int n = 0;
    if (vc_measure_all_agree(w, send && recv && room && find_functions(fn))) {
        struct meanwhile m = {.turn = 1e-9, .sleeps = bench_opts_of(w)->overlap == BENCH_SLEEPING};
        double mine = m.sleeps ? m.turn : turn_seconds();
        w->control->allreduce(&mine, &m.turn, 1, MPI_DOUBLE, MPI_MAX, w->ctl);
        for (int i = 0; i < 64; i++) /* set up, if it is to be */
            w->fn[VC_IMPL_VCOLL].barrier(w->comm);
        for (int c = 0; c < w->opt->ncoll; c++) {
            enum vc_coll coll = w->opt->coll[c];
            bool sized = vc_coll_sized(coll);
            for (int s = 0; s < (sized ? w->opt->nsizes : 1); s++) {
                struct call call[VC_IMPLS];
                struct bench_overlap *o = &list[n++];
                o->coll = coll;
                o->bytes = sized ? w->opt->sizes[s] : 0;
                set_blocks(&blocks, w->size, (int)o->bytes);
                for (int i = 0; i < VC_IMPLS; i++)
                    call[i] = (struct call){w, &fn[i], coll, o->bytes, send, recv, &blocks};
                measure(call, &m, o);
            }
        }
    }
    free_blocks(&blocks);
    free(send);
    free(recv);
    return n;
}
