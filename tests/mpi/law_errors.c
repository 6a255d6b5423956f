/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_errors [nonblocking]: invalid arguments give exactly the MPI's own error: the same class, and the same
 * error handler called as often, on the same communicator. Each erroneous call is made natively and through
 * MPI_X on all ranks, and the outcomes compared.
 */
#include "differential.h"
#include "law.h"

enum mistake {
    M_NONE,
    M_COMM_NULL,
    M_COUNT_NEGATIVE,
    M_TYPE_NULL,
    M_TYPE_UNCOMMITTED,
    M_ROOT_NEGATIVE,
    M_ROOT_LARGE,
    M_EMPTY_AND_ROOT,
    M_OP_NULL,
    M_OP_OF_OTHER_TYPE,
    M_OP_ON_DERIVED,
    M_IN_PLACE_RECV,
    M_IN_PLACE_BOTH,
    M_COUNT
};

static const char *const mistakes[M_COUNT] = {
    "nothing",
    "MPI_COMM_NULL",
    "negative count",
    "MPI_DATATYPE_NULL",
    "uncommitted type",
    "negative root",
    "root too large",
    "zero count and bad root",
    "MPI_OP_NULL",
    "MPI_BAND on doubles",
    "MPI_SUM on a derived type",
    "MPI_IN_PLACE received into",
    "MPI_IN_PLACE twice",
};

static struct outcome {
    int class, handled, handled_class, on_world, on_ours;
} now;
static MPI_Comm ours;

static void handler(MPI_Comm *comm, int *code, ...)
{
    now.handled++;
    MPI_Error_class(*code, &now.handled_class);
    now.on_world += *comm == MPI_COMM_WORLD;
    now.on_ours += *comm == ours;
}

static int size;
static bool nonblocking;
static MPI_Datatype uncommitted, derived;
static int bufs[2][64], counts[16], displs[16];
static MPI_Datatype types[16];

static bool reduction(enum coll_id c)
{
    return c == C_REDUCE || c == C_ALLREDUCE || c == C_REDUCE_SCATTER || c == C_REDUCE_SCATTER_BLOCK ||
           c == C_SCAN || c == C_EXSCAN;
}

static bool rooted(enum coll_id c)
{
    return c == C_BCAST || c == C_REDUCE || c == C_GATHER || c == C_GATHERV || c == C_SCATTER ||
           c == C_SCATTERV;
}

static void set_types(struct call *c, MPI_Datatype t)
{
    c->stype = c->rtype = t;
    for (int i = 0; i < 16; i++)
        types[i] = t;
}

static void set_counts(struct call *c, int n)
{
    c->scount = c->rcount = n;
    for (int i = 0; i < 16; i++)
        counts[i] = n;
}

/* The call with that mistake; false where the mistake does not exist, or would be made by some ranks only. */
static bool prepare(struct call *c, enum coll_id coll, enum mistake m)
{
    *c = (struct call){.coll = coll, .comm = ours, .op = MPI_SUM, .sbuf = bufs[0], .rbuf = bufs[1]};
    c->scounts = c->rcounts = counts;
    c->sdispls = c->rdispls = displs;
    c->stypes = c->rtypes = types;
    set_types(c, MPI_INT);
    set_counts(c, 2);
    switch (m) {
    case M_NONE:
        return true;
    case M_COMM_NULL:
        c->comm = MPI_COMM_NULL;
        return coll !=
               C_ALLGATHER; /* Open MPI 4.1 calls the handler there and goes on to a segmentation fault */
    case M_COUNT_NEGATIVE:
        set_counts(c, -1);
        return coll != C_BARRIER;
    case M_TYPE_NULL:
        set_types(c, MPI_DATATYPE_NULL);
        return coll != C_BARRIER;
    case M_TYPE_UNCOMMITTED:
        set_types(c, uncommitted);
        return coll != C_BARRIER && coll != C_SCATTERV &&
               !reduction(coll); /* scatterv: the root alone looks */
    case M_ROOT_NEGATIVE:
        c->root = -5;
        return rooted(coll);
    case M_ROOT_LARGE:
        c->root = size;
        return rooted(coll);
    case M_EMPTY_AND_ROOT:
        set_counts(c, 0);
        c->root = size + 3;
        return rooted(coll);
    case M_OP_NULL:
        c->op = MPI_OP_NULL;
        return reduction(coll);
    case M_OP_OF_OTHER_TYPE:
        c->op = MPI_BAND;
        set_types(c, MPI_DOUBLE);
        return reduction(coll);
    case M_OP_ON_DERIVED:
        set_types(c, derived);
        return reduction(coll);
    case M_IN_PLACE_RECV:
        c->rbuf = MPI_IN_PLACE;
        return coll == C_ALLREDUCE || coll == C_ALLGATHER || coll == C_ALLGATHERV || coll == C_ALLTOALL ||
               coll == C_SCAN || coll == C_REDUCE_SCATTER || coll == C_REDUCE_SCATTER_BLOCK;
    case M_IN_PLACE_BOTH:
        c->sbuf = c->rbuf = MPI_IN_PLACE;
        return coll == C_ALLREDUCE || coll == C_ALLGATHER || coll == C_ALLTOALL || coll == C_REDUCE;
    default:
        return false;
    }
}

static struct outcome perform(const struct calls *f, const struct call *c)
{
    MPI_Request req = MPI_REQUEST_NULL;
    memset(&now, 0, sizeof now);
    int rc = nonblocking ? call_post(f, c, &req) : call_perform(f, c);
    if (nonblocking && rc == MPI_SUCCESS)
        rc = MPI_Wait(&req, MPI_STATUS_IGNORE);
    MPI_Error_class(rc, &now.class);
    return now;
}

static int check(enum coll_id coll, enum mistake m)
{
    static char stage[120];
    struct call c;

    if (!prepare(&c, coll, m))
        return 0;
    snprintf(stage, sizeof stage, "%s%s with %s", nonblocking ? "i" : "", coll_names[coll], mistakes[m]);
    law_stage = stage;
    if (getenv("VC_TEST_VERBOSE"))
        fprintf(stderr, "%s\n", stage);
    alarm(20);
    struct outcome want = perform(&native, &c);
    native.Barrier(ours);
    struct outcome got = perform(&tested, &c);
    native.Barrier(ours);
    if (memcmp(&want, &got, sizeof want) != 0) {
        fprintf(stderr,
                "%s: native: class %d, handler called %d times (class %d; world %d, ours %d); "
                "here: class %d, %d times (class %d; world %d, ours %d)\n",
                stage, want.class, want.handled, want.handled_class, want.on_world, want.on_ours, got.class,
                got.handled, got.handled_class, got.on_world, got.on_ours);
        return 1;
    }
    if (m != M_NONE && want.class == MPI_SUCCESS && getenv("VC_TEST_VERBOSE"))
        fprintf(stderr, "%s: accepted\n", stage);
    return 0;
}

int main(int argc, char **argv)
{
    MPI_Errhandler eh;
    int rank, bad = 0;

    MPI_Init(&argc, &argv);
    law_watchdog(20);
    nonblocking = argc > 1 && strcmp(argv[1], "nonblocking") == 0;
    calls_init();
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Type_contiguous(2, MPI_INT, &uncommitted);
    MPI_Type_contiguous(2, MPI_INT, &derived);
    MPI_Type_commit(&derived);
    MPI_Comm_dup(MPI_COMM_WORLD, &ours);
    for (int i = 0; i < 3; i++) /* set up, so that it is not the set-up that passes calls on */
        MPI_Allreduce(bufs[0], bufs[1], 2, MPI_INT, MPI_SUM, ours);
    MPI_Comm_create_errhandler(handler, &eh);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, eh);
    MPI_Comm_set_errhandler(ours, eh);
    for (int coll = 0; coll < C_COUNT; coll++)
        for (int m = 0; m < M_COUNT; m++) {
            for (int i = 0; i < 16; i++)
                displs[i] = coll == C_ALLTOALLW ? 8 * i : 2 * i;
            bad += check((enum coll_id)coll, (enum mistake)m);
        }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    LAW_CHECK(bad == 0, "%d errors differ from the native ones", bad);
    /* And it still works. */
    MPI_Comm_set_errhandler(ours, MPI_ERRORS_ARE_FATAL);
    bad = (int)law_six(ours, 10, 1);
    LAW_CHECK(bad == 0, "%d wrong elements afterwards", bad);
    MPI_Errhandler_free(&eh);
    MPI_Comm_free(&ours);
    MPI_Type_free(&uncommitted);
    MPI_Type_free(&derived);
    MPI_Finalize();
    return 0;
}
