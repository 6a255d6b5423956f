/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost model's parameters, measured quickly: valid, the same on all ranks, and enough for predictions. */
#include "tune/search/internal.h"
#include "tune/table/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No device is looked at here. */
const char *vc_device_netdev(void)
{
    return "";
}

static int rank, failures;

static void check(int ok, const char *what)
{
    if (ok)
        return;
    failures++;
    fprintf(stderr, "rank %d: %s\n", rank, what);
}

/* One node of all ranks, or a rank a node. */
static double predict(const struct vc_model *m, const char *alg, int size, int one_node)
{
    int *mem = calloc(4 * (size_t)size + 1, sizeof *mem);
    if (!mem)
        return NAN;
    int *node_of = mem, *local_of = mem + size, *members = mem + 2 * size, *first = mem + 3 * size;
    for (int r = 0; r < size; r++) {
        node_of[r] = one_node ? 0 : r;
        local_of[r] = one_node ? r : 0;
        members[r] = r;
        first[one_node ? 1 : r + 1] = one_node ? size : r + 1;
    }
    struct vc_hier h = {one_node ? 1 : size, true, true, node_of, local_of, first, members, NULL};
    struct vc_shape s = {
        .coll = VC_ALLREDUCE, .size = size, .bytes = 4096, .esize = 8, .commutative = true, .hier = &h};
    struct vc_model_case c = {
        .alg = vc_alg_find(VC_ALLREDUCE, alg), .shape = &s, .wait = VC_WAIT_POLL, .apart = vc_model_apart(m)};
    double seconds = vc_model_predict(m, &c);
    free(mem);
    return seconds;
}

static void check_model(const struct vc_model *m, bool split)
{
    const char *why = vc_model_invalid(m);
    check(!why, why ? why : "");
    check(m->cpus_per_rank > 0, "no CPUs");
    check(m->switch_cost > 10e-9 && m->switch_cost < 1, "a switch takes no time, or a second");
    check(m->steal >= 0 && m->steal <= 0.9, "steal is no part");
    if (split) {
        check(m->link[VC_WAY_RESIDENT].known, "the way between nodes is not known");
        check(predict(m, "recursive_doubling", 8, 0) > 0, "no prediction between nodes");
        return;
    }
    check(m->link[VC_WAY_SHM].known, "the way through shared memory is not known");
    check(!m->link[VC_WAY_WIRE].known, "a wire was found in one machine");
    check(m->node.known && m->node.base + m->node.flag > 0, "node phases are not known");
    check(m->link[VC_WAY_SHM].npoints >= 5, "too few points");
    double direct = predict(m, "shm", 4, 1), plan = predict(m, "ring", 4, 1);
    check(direct > 50e-9 && direct < 10, "no sensible prediction of a node phase");
    check(plan > 50e-9 && plan < 10, "no sensible prediction of a plan");
}

int main(int argc, char **argv)
{
    static struct vc_measure_fns fn[VC_IMPLS];
    static const struct vc_measure_opts opt = {.seed = 1};
    struct vc_measure_world w = {
        .opt = &opt, .fn = fn, .control = &fn[VC_IMPL_NATIVE], .comm = MPI_COMM_WORLD};
    const char *split = getenv("VCOLL_NODE_SPLIT");
    struct vc_model m, first;
    int worst;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_dup(MPI_COMM_WORLD, &w.ctl);
    w.rank = rank;
    MPI_Comm_size(w.ctl, &w.size);
    w.rng = 1;
    w.rng_local = (uint64_t)rank + 1;
    if (!vc_measure_fns_load(fn) || !vc_measure_look_around(&w))
        MPI_Abort(MPI_COMM_WORLD, 1);
    double begin = vc_measure_now();
    memset(&m, 0xa5, sizeof m);
    vc_fit(&w, 0.5, &m);
    check(vc_measure_now() - begin < 40, "half a second took more than 40");
    first = m;
    fn[VC_IMPL_NATIVE].bcast(&first, sizeof first, MPI_BYTE, 0, w.ctl);
    json_t *theirs = vc_model_to_json(&first), *mine = vc_model_to_json(&m);
    check(mine && json_equal(theirs, mine), "ranks have different models");
    json_decref(theirs);
    json_decref(mine);
    if (w.size > 1)
        check_model(&m, split && *split);
    fn[VC_IMPL_NATIVE].allreduce(&failures, &worst, 1, MPI_INT, MPI_SUM, w.ctl);
    MPI_Finalize();
    return worst != 0;
}
