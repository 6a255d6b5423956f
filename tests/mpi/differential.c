/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * differential --seed S --iterations N [--case K] [--coll c,...] [--favour c] [--max-bytes B] [--seconds T]
 *
 * Exit code 0: all equal; 1: a difference, with the command that shows it again; 3: a case did not end.
 */
#include "differential.h"

#include <argp.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POOL = 6, EPOCH = 32, MAX_TRIALS = 4, HANG_SECONDS = 120 };

static struct {
    uint64_t seed;
    long iterations, from, only;
    double seconds;
    bool verbose, report, nonblocking, taken;
    const char *breakage;
    struct limits lim;
} opt = {.seed = 1, .iterations = 100, .only = -1, .lim = {.max_bytes = 1 << 20, .favour = -1}};

static int rank, nranks;
static long current_case;

/* ---- command line ---- */
static int coll_named(const char *s, struct argp_state *st)
{
    for (int i = 0; i < C_COUNT; i++)
        if (strcmp(s, coll_names[i]) == 0)
            return i;
    argp_error(st, "no such collective: %s", s);
    return -1;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    switch (key) {
    case 's':
        opt.seed = strtoull(arg, NULL, 0);
        break;
    case 'n':
        opt.iterations = atol(arg);
        break;
    case 'f':
        opt.from = atol(arg);
        break;
    case 'k':
        opt.only = atol(arg);
        break;
    case 'b':
        opt.lim.max_bytes = strtoull(arg, NULL, 0);
        break;
    case 't':
        opt.seconds = atof(arg);
        break;
    case 'F':
        opt.lim.favour = coll_named(arg, st);
        break;
    case 'c':
        for (char *save, *w = strtok_r(arg, ",", &save); w; w = strtok_r(NULL, ",", &save))
            opt.lim.only |= 1u << coll_named(w, st);
        break;
    case 'S':
        opt.lim.simple = true;
        break;
    case 'v':
        opt.verbose = true;
        break;
    case 'B':
        opt.breakage = arg;
        break;
    case 'r':
        opt.report = true;
        break;
    case 'N':
        opt.nonblocking = true;
        break;
    case 'T':
        opt.taken = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"seed", 's', "S", 0, "seed of everything", 0},
    {"iterations", 'n', "N", 0, "how many cases", 0},
    {"from", 'f', "K", 0, "number of the first case", 0},
    {"case", 'k', "K", 0, "this case alone", 0},
    {"coll", 'c', "C,...", 0, "only these collectives", 0},
    {"favour", 'F', "C", 0, "three quarters of the calls are this collective", 0},
    {"max-bytes", 'b', "B", 0, "largest buffer (default 1 MiB)", 0},
    {"seconds", 't', "T", 0, "stop after that time", 0},
    {"simple", 'S', NULL, 0, "predefined types only", 0},
    {"verbose", 'v', NULL, 0, "describe every call", 0},
    {"report", 'r', NULL, 0, "say which algorithms ran how often", 0},
    {"nonblocking", 'N', NULL, 0, "most calls are MPI_Ix, several under way, completed in any order", 0},
    {"taken", 'T', NULL, 0, "with it: all of these are vcoll's, which is forced; no need to spare the MPI's",
     0},
    {"break", 'B', "WHAT", 0, "be wrong: result, gap, send, barrier, agreement (must then fail)", 0},
    {0},
};

/* ---- failures ---- */
static void complain(const struct trial *t, int j, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void complain(const struct trial *t, int j, const char *fmt, ...)
{
    char what[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    fprintf(stderr, "differential: case %ld call %d, rank %d: %s\n    %s\n", current_case, j, rank, what,
            t->text);
}

extern char **environ;

static void print_replay(const char *self, long from, long n)
{
    const char *preload = getenv("LD_PRELOAD");

    fprintf(stderr, "%sdifferential: again with:", n == 1 ? "" : "(with all that came before it) ");
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "VCOLL_", 6) == 0)
            fprintf(stderr, " %s", *e);
    if (preload && *preload)
        fprintf(stderr, " VC_TEST_PRELOAD=%s", preload);
    fprintf(stderr, " tests/mpirun -n %d %s --seed %llu --max-bytes %zu", nranks, self,
            (unsigned long long)opt.seed, opt.lim.max_bytes);
    if (n == 1)
        fprintf(stderr, " --case %ld", from);
    else
        fprintf(stderr, " --from %ld --iterations %ld", from, n);
    if (opt.lim.simple)
        fprintf(stderr, " --simple");
    if (opt.nonblocking)
        fprintf(stderr, " --nonblocking");
    if (opt.taken)
        fprintf(stderr, " --taken");
    if (opt.lim.favour >= 0)
        fprintf(stderr, " --favour %s", coll_names[opt.lim.favour]);
    for (int i = 0, n_ = 0; i < C_COUNT && opt.lim.only; i++)
        if (opt.lim.only >> i & 1)
            fprintf(stderr, "%s%s", n_++ ? "," : " --coll ", coll_names[i]);
    fprintf(stderr, "\n");
}

static char hung_text[1200];

static void on_alarm(int sig)
{
    (void)sig;
    size_t n = strnlen(hung_text, sizeof hung_text);
    if (write(STDERR_FILENO, hung_text, n) < 0)
        _exit(4);
    _exit(3);
}

static void watch(const struct trial *t, int j, const char *side)
{
    snprintf(hung_text, sizeof hung_text,
             "differential: seed %llu case %ld call %d, rank %d of %d, did not end in %s:\n    %s\n",
             (unsigned long long)opt.seed, current_case, j, rank, nranks, side, t->text);
    alarm(HANG_SECONDS);
}

/* ---- comparing ---- */
static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool clocks_comparable;

/* Whether all ranks have the same kernel, and so the same clock. */
static bool one_clock(void)
{
    char id[64] = "";
    uint64_t mine[2] = {0, 0}, all[2];
    FILE *f;

    f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f && fgets(id, sizeof id, f))
        for (const char *c = id; *c; c++)
            mine[0] = (mine[0] ^ (unsigned char)*c) * 0x100000001b3u;
    if (f)
        fclose(f);
    mine[1] = ~mine[0];
    native.Allreduce(mine, all, 2, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    return all[0] == ~all[1];
}

/* Hash of the bytes that mean something. */
static uint64_t meaning(const struct trial *t, const char *a)
{
    bool holes = t->sig.field[0]->kind == B_LDOUBLE || t->sig.field[0]->kind == B_LDCOMPLEX ||
                 (t->sig.field[0]->kind == B_PAIR && t->sig.field[0]->piece[0].len == 16);
    size_t period = t->sig.field[0]->kind == B_PAIR ? 20 : 16;
    uint64_t h = 0;

    for (size_t i = 0; i < t->recv.packed; i++)
        if (!holes || i % period < 10 || i % period >= 16)
            h = (h ^ (unsigned char)a[i]) * 0x100000001b3u;
    return h;
}

static void run(struct trial *t, int n, const struct calls *f, bool is_tested, int *rc)
{
    for (int j = 0; j < n; j++) {
        op_layout = &t[j].rlay;
        watch(&t[j], j, is_tested ? "the tested call" : "the native call");
        if (is_tested && t[j].sleep_us)
            usleep((useconds_t)t[j].sleep_us);
        if (is_tested)
            t[j].entered = now_ns();
        rc[j] = call_perform(f, &t[j].call);
        if (is_tested)
            t[j].left = now_ns();
    }
    alarm(0);
}

/* Completes them all, in an order and by functions that each rank chooses for itself. */
static void complete(struct trial *t, int n, MPI_Request *req, int *rc, struct rng *g)
{
    int at, some, flag, done[MAX_TRIALS], how = rng_below(g, 5);

    for (int j = 0; j < n; j++)
        watch(&t[j], j, "a completion");
    if (how == 0) {
        MPI_Waitall(n, req, MPI_STATUSES_IGNORE);
    } else if (how == 1) {
        do
            MPI_Testall(n, req, &flag, MPI_STATUSES_IGNORE);
        while (!flag);
    } else if (how == 2) {
        do {
            MPI_Waitsome(n, req, &some, done, MPI_STATUSES_IGNORE);
            for (int i = 0; some != MPI_UNDEFINED && i < some; i++)
                t[done[i]].left = now_ns();
        } while (some != MPI_UNDEFINED);
    } else if (how == 3) {
        do
            MPI_Waitany(n, req, &at, MPI_STATUS_IGNORE);
        while (at != MPI_UNDEFINED);
    } else {
        for (int first = rng_below(g, n), j = 0; j < n; j++) {
            at = (first + n - j) % n;
            if (req[at] != MPI_REQUEST_NULL)
                rc[at] = MPI_Wait(&req[at], MPI_STATUS_IGNORE);
        }
    }
    for (int j = 0; j < n; j++)
        if (t[j].left == 0)
            t[j].left = now_ns();
    alarm(0);
}

/* Calls that are blocking ones instead, on all ranks alike. */
static bool must_block(const struct trial *t)
{
    const enum coll_id c = t->call.coll;

    /* Open MPI's own nonblocking collectives fail on intercommunicators where several are under way. */
    if (t->inter || (t->op && t->op->user))
        return true;
    /* Open MPI 4.1's own hang or give wrong results, without vcoll as well. */
    return !opt.taken && t->in_place &&
           (c == C_ALLTOALLV || c == C_ALLTOALLW || c == C_REDUCE || c == C_REDUCE_SCATTER ||
            c == C_REDUCE_SCATTER_BLOCK);
}

static void run_posted(struct trial *t, int n, struct rng *common, int *rc)
{
    MPI_Request req[MAX_TRIALS];
    struct rng own = {rng_hash(common->s, (uint64_t)rank)};

    if (!t[0].inter)
        tested.Barrier(t[0].call.comm); /* vcoll sets communicators up in blocking calls */
    for (int j = 0; j < n; j++) {
        bool blocks = rng_once_in(common, 4) || must_block(&t[j]);
        op_layout = &t[j].rlay;
        watch(&t[j], j, "the tested call");
        if (t[j].sleep_us)
            usleep((useconds_t)t[j].sleep_us);
        t[j].entered = now_ns();
        t[j].left = 0;
        req[j] = MPI_REQUEST_NULL;
        rc[j] = blocks ? call_perform(&tested, &t[j].call) : call_post(&tested, &t[j].call, &req[j]);
        if (blocks)
            t[j].left = now_ns();
        else if (rng_once_in(&own, 3)) {
            int flag;
            MPI_Test(&req[j], &flag, MPI_STATUS_IGNORE);
        }
    }
    complete(t, n, req, rc, &own);
}

static int check_memory(const struct trial *t, int j, const char *who)
{
    ptrdiff_t at;
    int bad = 0;

    if (t->has_send && view_touched(&t->send, true, &at)) {
        complain(t, j, "%s changed the send buffer at %td", who, at);
        bad = 1;
    }
    if (t->has_recv && view_touched(&t->recv, !t->recv_written, &at)) {
        complain(t, j, "%s wrote outside of the result at %td", who, at);
        bad = 1;
    }
    return bad;
}

static int check_agreement(struct trial *t, int j)
{
    uint64_t mine[2], all[2];

    if (t->same_everywhere) {
        mine[0] = meaning(t, t->got);
        mine[1] = ~mine[0];
        native.Allreduce(mine, all, 2, MPI_UINT64_T, MPI_MAX, t->call.comm);
        if (all[0] != ~all[1]) {
            complain(t, j, "results of the ranks are not bit-identical");
            return 1;
        }
    }
    if (t->call.coll == C_BARRIER && !t->inter && clocks_comparable) {
        native.Allreduce(&t->entered, all, 1, MPI_UINT64_T, MPI_MAX, t->call.comm);
        if (t->left < all[0]) {
            complain(t, j, "left the barrier %llu ns before the last rank entered",
                     (unsigned long long)(all[0] - t->left));
            return 1;
        }
    }
    return 0;
}

static int compare(struct trial *t, int j)
{
    char *want = malloc(t->recv.packed + 1);
    int bad = 0;

    if (t->has_recv && !t->recv_undefined) {
        view_pack(&t->recv, want);
        long i = signature_difference(&t->sig, t->mode, t->recv.packed, t->got, want);
        if (i >= 0) {
            complain(t, j, "differs from the native result, first at element %ld", i);
            bad = 1;
        }
    }
    free(want);
    return bad;
}

/* ---- which algorithm ran ---- */
static struct {
    char name[64];
    long n;
} tally[64];
static const char *(*algorithm_of)(const void *, const char *, unsigned long long);

static void count_algorithm(const struct trial *t)
{
    char name[64];
    int i;

    if (!opt.report || algorithm_of == NULL)
        return;
    snprintf(name, sizeof name, "%s=%s", coll_names[t->call.coll],
             algorithm_of(&t->call.comm, coll_names[t->call.coll], t->recv.packed));
    for (i = 0; i < 63 && tally[i].n && strcmp(tally[i].name, name) != 0; i++)
        ;
    memcpy(tally[i].name, name, sizeof name);
    tally[i].n++;
}

/* ---- one case ---- */
static int run_case(const struct pool_comm *pc, uint64_t seed)
{
    static struct trial t[MAX_TRIALS];
    struct rng g = {seed};
    int n = 1 + rng_below(&g, MAX_TRIALS), rc[MAX_TRIALS], rc2[MAX_TRIALS], bad = 0;
    bool native_first = rng_once_in(&g, 2);

    if (pc->comm == MPI_COMM_NULL)
        return 0;
    op_complaints = 0;
    for (int j = 0; j < n; j++) {
        trial_make(&t[j], pc, rng_hash(seed, (uint64_t)j + 1), &opt.lim);
        if (opt.verbose)
            fprintf(stderr, "%ld.%d[%d]: %s\n", current_case, j, rank, t[j].text);
        t[j].got = malloc(t[j].recv.packed + 1);
    }
    if (native_first) { /* so that what the native call leaves in caches and queues comes first as well */
        run(t, n, &native, false, rc2);
        for (int j = 0; j < n; j++) {
            if (t[j].has_send)
                view_reset(&t[j].send);
            if (t[j].has_recv)
                view_reset(&t[j].recv);
        }
    }
    if (opt.nonblocking)
        run_posted(t, n, &g, rc);
    else
        run(t, n, &tested, true, rc);
    for (int j = 0; j < n; j++) {
        bad |= check_memory(&t[j], j, "the call");
        if (t[j].has_recv) {
            view_pack(&t[j].recv, t[j].got);
            view_reset(&t[j].recv);
        }
        if (t[j].has_send)
            view_reset(&t[j].send);
        count_algorithm(&t[j]);
    }
    if (op_complaints) {
        complain(&t[0], 0,
                 "a user operator was called with a datatype that is not the caller's (case as a whole)");
        bad = 1;
    }
    op_complaints = 0;
    run(t, n, &native, false, rc2);
    for (int j = 0; j < n; j++) {
        if (rc[j] != rc2[j]) {
            complain(&t[j], j, "returned %d, the native call %d", rc[j], rc2[j]);
            bad = 1;
        } else if (rc2[j] != MPI_SUCCESS) {
            complain(&t[j], j, "the native call refuses this (%d): the test is wrong", rc2[j]);
            bad = 1;
        }
        bad |= compare(&t[j], j);
        watch(&t[j], j, "the comparison");
        bad |= check_agreement(&t[j], j);
        alarm(0);
    }
    for (int j = 0; j < n; j++)
        trial_free(&t[j]);
    return bad;
}

static int run_all(const char *self)
{
    enum { AT_LEAST = 12 }; /* cases, however long they take on a machine with other work */
    struct pool_comm pool[POOL];
    long epoch = -1, first = opt.only >= 0 ? opt.only : opt.from;
    long last = opt.only >= 0 ? opt.only : opt.from + opt.iterations - 1, done = 0;
    double t0 = MPI_Wtime();
    int verdict[2] = {0, 0};

    for (int i = 0; i < POOL; i++)
        pool[i] = (struct pool_comm){.comm = MPI_COMM_NULL};
    for (long k = first; k <= last && !verdict[0] && !verdict[1]; k++, done++) {
        uint64_t seed = rng_hash(opt.seed, (uint64_t)k);
        if (k / EPOCH != epoch) {
            epoch = k / EPOCH;
            for (int i = 0; i < POOL; i++) {
                comm_drop(&pool[i]);
                comm_make(&pool[i], rng_hash(opt.seed ^ 0x5eed, (uint64_t)(epoch * POOL + i)));
            }
        }
        current_case = k;
        int mine[2] = {run_case(&pool[seed % POOL], rng_mix(seed)),
                       opt.seconds > 0 && done >= AT_LEAST && MPI_Wtime() - t0 > opt.seconds};
        native.Allreduce(mine, verdict, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    }
    for (int i = 0; i < POOL; i++)
        comm_drop(&pool[i]);
    fflush(stderr);
    native.Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        if (verdict[0]) {
            print_replay(self, first + done - 1, 1);
            if (done > 1)
                print_replay(self, first, done);
        } else {
            printf("differential: seed %llu, %ld cases on %d ranks: equal", (unsigned long long)opt.seed,
                   done, nranks);
            if (layouts_refused())
                printf("; %ld layouts not used, which this MPI moves wrongly by itself", layouts_refused());
            putchar('\n');
            for (int i = 0; i < 64 && tally[i].n; i++)
                printf("ran %s %ld\n", tally[i].name, tally[i].n);
        }
    }
    return verdict[0];
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .doc = "Random collectives, twice."};

    /*
     * The reference must be right where types differ between ranks: Open MPI's tuned algorithms decide by
     * each rank's own type and count, and hang or lose data then; its basic ones do not.
     */
    setenv("OMPI_MCA_coll", "^tuned", 0);
    MPI_Init(&argc, &argv);
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    signal(SIGALRM, on_alarm);
    bool there = calls_init();
    if (getenv("VC_TEST_PRELOAD_EXPECTED") && !there) {
        fprintf(stderr, "differential: vcoll is not in this program\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    *(void **)&algorithm_of = dlsym(RTLD_DEFAULT, "vcoll_comm_algorithm");
    if (opt.breakage && !calls_break(opt.breakage)) {
        fprintf(stderr, "differential: cannot break %s\n", opt.breakage);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    clocks_comparable = one_clock();
    basics_init();
    ops_init();
    int bad = run_all(argv[0]);
    ops_fini();
    MPI_Finalize();
    return bad;
}
