/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * judge: collectives under SMPI, in simulated time: vcoll's plans, run by vcoll's engine over point-to-point
 * messages, and the MPI's own as the selector of this run (--cfg=smpi/coll-selector) has them. One line a
 * figure:
 *
 *     COLLECTIVE BYTES WHAT MICROSECONDS
 *
 * WHAT is "native", "vcoll:ALGORITHM" as vcoll's rules choose, or "alg:ALGORITHM" with --each. A figure is
 * the time from a common start to the end on the last rank, mean of --repeat runs behind each other.
 */
#include "coll/engine.h"
#include "coll/info.h"
#include "coll/registry.h"
#include "tests/sim/phases.h"
#include "tune/select/select.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SIZES = 32 };

struct judge {
    /* words */
    int ppn, repeat, nsizes;
    bool vcoll, native, each, check, mpi_network;
    unsigned colls; /* bits: what is to be run */
    size_t size[MAX_SIZES], most;
    const char *table, *choices;
    int meetings; /* that were held */
    /* the communicator */
    int rank, ranks;
    struct pool pool;
    struct vc_node *node;
    struct vc_redop sum;
    const struct vc_hier *hier;
    const struct vc_selection *sel;
    char *send, *recv, *want;
};

/* What is the same on all ranks exists once: they are threads of one process, whose variables are shared. */
static struct vc_hier shared_hier;
static struct vc_selection shared_sel;
static bool shared_made;

static void die(const char *why)
{
    fprintf(stderr, "judge: %s\n", why);
    MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

/* ---- words ---- */

static const struct argp_option options[] = {
    {"ppn", 'p', "N", 0, "Ranks on each host, consecutive [1]", 0},
    {"colls", 'c', "NAMES", 0, "Collectives, separated by commas [the six]", 0},
    {"sizes", 's', "BYTES", 0, "Sizes, separated by commas [8,1024,65536]", 0},
    {"most", 'm', "BYTES", 0, "No buffer longer than this: longer calls are left out [16777216]", 0},
    {"repeat", 'r', "N", 0, "Runs behind each other [1]", 0},
    {"table", 't', "FILE", 0, "Rules before the built-in ones", 0},
    {"network", 'n', "verbs|mpi", 0, "What the rules are to take the network for [verbs]", 0},
    {"only", 'o', "native|vcoll", 0, "One of the two", 0},
    {"each", 'e', NULL, 0, "Every algorithm that the shape allows, not only the chosen one", 0},
    {"choices", 'a', "CHOICES", 0, "These algorithms, written as in VCOLL_ALG, separated by commas", 0},
    {"check", 'k', NULL, 0, "Compare vcoll's results with the MPI's", 0},
    {0},
};

static void parse_sizes(struct judge *j, char *words)
{
    j->nsizes = 0;
    for (char *save, *w = strtok_r(words, ",", &save); w && j->nsizes < MAX_SIZES;
         w = strtok_r(NULL, ",", &save))
        j->size[j->nsizes++] = strtoull(w, NULL, 10);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct judge *j = state->input;
    switch (key) {
    case 'p':
        j->ppn = atoi(arg);
        break;
    case 'c':
        j->colls = 0;
        for (char *save, *w = strtok_r(arg, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
            int coll = vc_coll_by_name(w);
            if (coll < 0 || coll > VC_ALLTOALL)
                argp_error(state, "no such collective: %s", w);
            else
                j->colls |= 1u << coll;
        }
        break;
    case 's':
        parse_sizes(j, arg);
        break;
    case 'm':
        j->most = strtoull(arg, NULL, 10);
        break;
    case 'r':
        j->repeat = atoi(arg);
        break;
    case 't':
        j->table = arg;
        break;
    case 'n':
        j->mpi_network = strcmp(arg, "mpi") == 0;
        break;
    case 'o':
        j->vcoll = strcmp(arg, "vcoll") == 0;
        j->native = !j->vcoll;
        break;
    case 'e':
        j->each = true;
        break;
    case 'a':
        j->choices = arg;
        break;
    case 'k':
        j->check = true;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* ---- what all ranks share ---- */

static void make_shared(const struct judge *j)
{
    struct vc_params params;
    struct vc_table *table = NULL;
    if (shared_made)
        return;
    shared_made = true;
    if (!vc_hier_blocks(&shared_hier, j->ranks, j->ppn))
        die("out of memory");
    if (vc_params_load(&params, NULL, NULL) != VC_OK)
        die(vc_error_text());
    char *text;
    size_t len;
    if (j->table && (vc_table_read(j->table, &text, &len) != VC_OK ||
                     vc_table_parse(text, len, j->table, &table) != VC_OK))
        die(vc_error_text());
    struct vc_topo_key key = {.size = j->ranks,
                              .nnodes = shared_hier.nnodes,
                              .max_ppn = j->ppn,
                              .have_node = true,
                              .have_cma = true,
                              .have_bulk = true,
                              .have_chan = true,
                              .have_verbs = !j->mpi_network,
                              .hier = &shared_hier};
    if (vc_select_init(&shared_sel, &key, &params, table) != VC_OK)
        die(vc_error_text());
}

/* ---- calls ---- */

static void call_native(const struct judge *j, enum vc_coll coll, size_t bytes, void *recv)
{
    int n = (int)bytes, count = (int)(bytes / j->sum.esize);
    MPI_Comm comm = j->pool.comm;
    switch (coll) {
    case VC_BARRIER:
        MPI_Barrier(comm);
        break;
    case VC_BCAST:
        MPI_Bcast(recv, n, MPI_BYTE, 0, comm);
        break;
    case VC_REDUCE:
        MPI_Reduce(j->send, recv, count, MPI_DOUBLE, MPI_SUM, 0, comm);
        break;
    case VC_ALLREDUCE:
        MPI_Allreduce(j->send, recv, count, MPI_DOUBLE, MPI_SUM, comm);
        break;
    case VC_ALLGATHER:
        MPI_Allgather(j->send, n, MPI_BYTE, recv, n, MPI_BYTE, comm);
        break;
    case VC_ALLTOALL:
        MPI_Alltoall(j->send, n, MPI_BYTE, recv, n, MPI_BYTE, comm);
        break;
    default:
        die("a collective that is not among the six");
    }
}

static struct vc_exec *make_exec(struct judge *j, const struct vc_shape *s, const struct vc_alg *alg)
{
    struct vc_exec_env env = {.chan = &j->pool.chan,
                              .node = j->node,
                              .local = s->hier->local_of[j->rank],
                              .nlocal = vc_hier_node_size(s->hier, s->hier->node_of[j->rank])};
    struct vc_plan plan;
    struct vc_exec *x;
    if (alg->build(s, j->rank, &plan) != VC_OK)
        die(vc_error_text());
    vc_plan_place_blocks(&plan, s, j->rank);
    if (vc_exec_create(&plan, &env, &x) != VC_OK)
        die(vc_error_text());
    return x;
}

static void call_vcoll(struct judge *j, struct vc_exec *x, enum vc_coll coll)
{
    int rc = vc_exec_start(x, j->send, j->recv, vc_coll_reduces(coll) ? &j->sum : NULL);
    while (rc >= 0 && (rc = vc_exec_progress(x)) == 0)
        if (!vc_exec_advanced(x))
            pool_wait(&j->pool);
    if (rc < 0)
        die(vc_error_text());
}

/* ---- figures ---- */

/* Simulated seconds between meetings: longer than what is measured takes, for idle time costs the simulator
 * nothing. */
#define SPACING 1.0

/** All ranks leave it at the same simulated instant, without a message. */
static void meet(struct judge *j)
{
    double rest = SPACING * ++j->meetings - MPI_Wtime();
    if (rest < 0)
        die("a call takes more than a second");
    struct timespec sleep = {(time_t)rest, (long)((rest - (double)(time_t)rest) * 1e9)};
    nanosleep(&sleep, NULL);
}

/* When the last rank began and ended, of this measure and of the one before or after. */
static struct span {
    double first, last;
} spans[2];

/** Seconds of one of `repeat` runs. x: NULL, natively. */
static double measure(struct judge *j, struct vc_exec *x, enum vc_coll coll, size_t bytes)
{
    struct span *this = &spans[j->meetings / 2 % 2], *next = &spans[(j->meetings / 2 + 1) % 2];
    meet(j);
    double start = MPI_Wtime(), end;
    for (int i = 0; i < j->repeat; i++)
        if (x)
            call_vcoll(j, x, coll);
        else
            call_native(j, coll, bytes, j->recv);
    end = MPI_Wtime();
    this->first = this->first > start ? this->first : start;
    this->last = this->last > end ? this->last : end;
    *next = (struct span){0}; /* what was there was read before this measure began */
    meet(j);
    return (this->last - this->first) / j->repeat;
}

static void print(const struct judge *j, enum vc_coll coll, size_t bytes, const char *kind, const char *alg,
                  double seconds)
{
    if (j->rank == 0) {
        printf("%s %zu %s%s %.3f\n", vc_coll_name(coll), bytes, kind, alg, seconds * 1e6);
        fflush(stdout);
    }
}

static size_t recv_bytes(const struct judge *j, enum vc_coll coll, size_t bytes)
{
    return vc_side_bytes(vc_coll_info[coll].recv, bytes, j->ranks);
}

static void fill(const struct judge *j, enum vc_coll coll, size_t bytes)
{
    size_t doubles = vc_side_bytes(vc_coll_info[coll].send, bytes, j->ranks) / sizeof(double);
    double *send = (double *)(void *)j->send;
    for (size_t i = 0; i < doubles; i++)
        send[i] = (double)((size_t)j->rank * 31 + i * 7);
    memset(j->recv, j->rank, recv_bytes(j, coll, bytes));
    memset(j->want, j->rank, recv_bytes(j, coll, bytes));
}

static void compare(struct judge *j, struct vc_exec *x, enum vc_coll coll, size_t bytes, const char *alg)
{
    fill(j, coll, bytes);
    call_native(j, coll, bytes, j->want);
    call_vcoll(j, x, coll);
    if ((coll != VC_REDUCE || j->rank == 0) && memcmp(j->recv, j->want, recv_bytes(j, coll, bytes)) != 0) {
        fprintf(stderr, "%s/%s of %zu bytes, rank %d: ", vc_coll_name(coll), alg, bytes, j->rank);
        die("differs from the MPI's result");
    }
}

static void one_algorithm(struct judge *j, const struct vc_shape *s, const struct vc_alg *alg,
                          const char *kind)
{
    struct vc_exec *x = make_exec(j, s, alg);
    if (j->check)
        compare(j, x, s->coll, s->bytes, alg->name);
    struct vc_choice c = {.alg = alg, .radix = s->radix, .segment = s->segment, .leaders = s->leaders};
    char name[VC_CHOICE_TEXT];
    vc_choice_format(&c, name, sizeof name);
    print(j, s->coll, s->bytes, kind, name, measure(j, x, s->coll, s->bytes));
    vc_exec_destroy(x);
}

static struct vc_shape shape_of(const struct judge *j, enum vc_coll coll, size_t bytes,
                                const struct vc_choice *c)
{
    return (struct vc_shape){.coll = coll,
                             .size = j->ranks,
                             .bytes = bytes,
                             .esize = vc_coll_reduces(coll) ? j->sum.esize : 1,
                             .commutative = true,
                             .radix = c ? c->radix : 0,
                             .segment = c ? c->segment : 0,
                             .leaders = c ? c->leaders : 0,
                             .hier = j->hier};
}

/** Radices and segments of an algorithm; only a segment that leaves several in a message. */
static void all_parameters(struct judge *j, enum vc_coll coll, size_t bytes, const struct vc_alg *alg)
{
    static const int radix[] = {0, 3, 4, 8, 16};
    static const size_t segment[] = {0, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10};
    bool radices = alg->params & VC_PARAM_RADIX, segments = alg->params & VC_PARAM_SEGMENT;
    for (size_t i = 0; i < (radices ? sizeof radix / sizeof *radix : 1); i++)
        for (size_t k = 0;
             k < (segments ? sizeof segment / sizeof *segment : 1) && (k == 0 || segment[k] < bytes); k++) {
            struct vc_choice c = {.alg = alg, .radix = radix[i], .segment = segment[k]};
            struct vc_shape s = shape_of(j, coll, bytes, &c);
            if (!vc_alg_refuses(alg, &s))
                one_algorithm(j, &s, alg, "alg:");
        }
}

/** Those of --choices that this collective has. */
static void chosen_algorithms(struct judge *j, enum vc_coll coll, size_t bytes)
{
    char *words = strdup(j->choices), *save;
    for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        struct vc_choice c = {.alg = NULL};
        if (vc_choice_parse(coll, w, &c) != VC_OK || !c.alg || c.alg->kind != VC_ALG_PLAN)
            continue;
        struct vc_shape s = shape_of(j, coll, bytes, &c);
        if (!vc_alg_refuses(c.alg, &s))
            one_algorithm(j, &s, c.alg, "alg:");
    }
    free(words);
}

static void one_point(struct judge *j, enum vc_coll coll, size_t bytes)
{
    const struct vc_choice *c = vc_select(j->sel, coll, bytes, true);
    struct vc_shape s = shape_of(j, coll, bytes, c);
    if (c->alg && vc_alg_refuses(c->alg, &s)) {
        c = &j->sel->spare[coll];
        s = shape_of(j, coll, bytes, c);
    }
    bool plan = j->vcoll && c->alg && c->alg->kind == VC_ALG_PLAN;
    /* The first call of an algorithm makes communicators, which is not what is compared, and the selector may
     * take another algorithm for each size.
     */
    if (j->native || !plan)
        measure(j, NULL, coll, bytes);
    if (j->native)
        print(j, coll, bytes, "native", "", measure(j, NULL, coll, bytes));
    if (plan)
        one_algorithm(j, &s, c->alg, "vcoll:");
    else if (j->vcoll)
        print(j, coll, bytes, "vcoll:", "native", measure(j, NULL, coll, bytes));
    if (j->choices)
        chosen_algorithms(j, coll, bytes);
    for (const struct vc_alg *const *a = vc_alg_list(coll); j->each && *a; a++)
        if ((*a)->kind == VC_ALG_PLAN)
            all_parameters(j, coll, bytes, *a);
}

static void all_points(struct judge *j)
{
    for (int coll = VC_BARRIER; coll <= VC_ALLTOALL; coll++)
        for (int i = 0; (j->colls >> coll & 1) && i < (vc_coll_sized((enum vc_coll)coll) ? j->nsizes : 1);
             i++) {
            size_t bytes = vc_coll_sized((enum vc_coll)coll) ? j->size[i] : 0;
            const struct vc_coll_info *info = &vc_coll_info[coll];
            size_t sent = vc_side_bytes(info->send, bytes, j->ranks);
            if (sent <= j->most && recv_bytes(j, (enum vc_coll)coll, bytes) <= j->most)
                one_point(j, (enum vc_coll)coll, bytes);
        }
}

int main(int argc, char **argv)
{
    struct judge j = {.ppn = 1,
                      .repeat = 1,
                      .vcoll = true,
                      .native = true,
                      .colls = (1u << (VC_ALLTOALL + 1)) - 1,
                      .size = {8, 1024, 65536},
                      .nsizes = 3,
                      .most = (size_t)16 << 20};
    const struct argp argp = {options, parse, NULL, "Collectives in simulated time", NULL, NULL, NULL};
    MPI_Init(&argc, &argv);
    argp_parse(&argp, argc, argv, 0, NULL, &j);
    pool_init(&j.pool, MPI_COMM_WORLD);
    j.rank = j.pool.chan.rank;
    j.ranks = j.pool.chan.size;
    make_shared(&j);
    j.hier = &shared_hier;
    j.sel = &shared_sel;
    vc_redop_init(&j.sum, VC_OP_SUM, VC_T_DOUBLE);
    int node = j.hier->node_of[j.rank];
    j.node = phases_create(&j.pool, j.hier->members + j.hier->first[node], vc_hier_node_size(j.hier, node),
                           j.hier->local_of[j.rank]);
    j.send = calloc(1, j.most);
    j.recv = calloc(1, j.most);
    j.want = calloc(1, j.most);
    if (!j.node || !j.send || !j.recv || !j.want)
        die("out of memory");
    all_points(&j);
    MPI_Barrier(MPI_COMM_WORLD);
    phases_destroy(j.node);
    pool_free(&j.pool);
    free(j.send);
    free(j.recv);
    free(j.want);
    MPI_Finalize();
    return 0;
}
