/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions beside latency: the cost of a communicator, the cost of the front door. */
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WARM  8
#define COMMS 20
#define UNTIL                                                                                                \
    64 /* collectives after which a communicator that vcoll has not taken over will not be any more */
#define DOOR_BLOCKS 201
#define DOOR_CALLS  1000

/* The slowest rank's time of one 8-byte allreduce, on rank 0. */
static double time_one(struct vc_measure_world *w, enum vc_impl impl, MPI_Comm comm)
{
    double in = 1, out, worst = NAN;
    w->control->barrier(w->ctl);
    double begin = vc_measure_now();
    w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, comm);
    double mine = vc_measure_now() - begin;
    w->control->reduce(&mine, &worst, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    return worst;
}

/* All ranks agree whether vcoll has set the communicator up: they go on together. */
static bool is_active(struct vc_measure_world *w, MPI_Comm comm, struct vcoll_comm_info *info)
{
    int all = 0;
    memset(info, 0, sizeof *info);
    int mine = vcoll_comm_describe(&comm, info) == 0 && info->active;
    w->control->allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, w->ctl);
    return all;
}

static void describe(struct vc_measure_world *w, struct bench_setup *s, const struct vcoll_comm_info *info,
                     bool active, double *setup)
{
    double mine[3] = {info->setup_seconds, (double)info->shm_bytes, (double)info->heap_bytes},
           most[3] = {0, 0, 0};
    w->control->reduce(mine, most, 3, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    if (active) {
        *setup = most[0];
        s->shm_bytes = most[1];
        s->heap_bytes = most[2];
        s->nodes = info->nodes;
        s->active++;
    } else if (w->rank == 0) {
        *setup = NAN;
        snprintf(s->why_not, sizeof s->why_not, "%s", info->why_not ? info->why_not : "");
    }
}

void bench_setup_run(struct vc_measure_world *w, struct bench_setup *s)
{
    double dup[COMMS], first[VC_IMPLS][COMMS], second[VC_IMPLS][COMMS], setup[COMMS];
    int nsetup = 0;
    memset(s, 0, sizeof *s);
    s->comms = COMMS;
    for (int i = 0; i < COMMS; i++) {
        for (int k = 0; k < VC_IMPLS; k++) {
            /* Who goes first alternates. */
            enum vc_impl impl = (enum vc_impl)((k + i) % VC_IMPLS);
            struct vcoll_comm_info info;
            MPI_Comm comm;
            double mine = vc_measure_now(), most = NAN;
            MPI_Comm_dup(w->comm, &comm);
            mine = vc_measure_now() - mine;
            w->control->reduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
            dup[i] = most;
            first[impl][i] = time_one(w, impl, comm);
            if (impl == VC_IMPL_VCOLL) {
                /* VCOLL_SETUP_AFTER: the set-up is in the dearest of the calls up to the one that has it
                 * done. */
                double dearest = first[impl][i];
                bool active = is_active(w, comm, &info);
                for (int n = 1; n < UNTIL && !active; n++) {
                    dearest = fmax(dearest, time_one(w, impl, comm));
                    active = is_active(w, comm, &info);
                }
                if (active)
                    first[impl][i] = dearest;
                describe(w, s, &info, active, &setup[nsetup]);
                nsetup += active;
            }
            second[impl][i] = time_one(w, impl, comm);
            MPI_Comm_free(&comm);
        }
    }
    if (w->rank != 0)
        return;
    s->dup = vc_measure_quantile(dup, COMMS, 0.5);
    s->setup = vc_measure_quantile(setup, nsetup, 0.5);
    for (int impl = 0; impl < VC_IMPLS; impl++) {
        s->first[impl] = vc_measure_quantile(first[impl], COMMS, 0.5);
        s->second[impl] = vc_measure_quantile(second[impl], COMMS, 0.5);
    }
}

/* ---- the front door ---- */

static double door_block(struct vc_measure_world *w, int door, const struct vc_measure_fns *f, MPI_Comm self)
{
    int one = 1, zero = 0;
    double in = 1, out = 0;
    double begin = vc_measure_now();
    switch (door) {
    case 0:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->scan(&in, &out, 0, MPI_DOUBLE, MPI_SUM, w->comm);
        break;
    case 1:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->gatherv(&in, 1, MPI_DOUBLE, &out, &one, &zero, MPI_DOUBLE, 0, self);
        break;
    default:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->scatterv(&in, &one, &zero, MPI_DOUBLE, &out, 1, MPI_DOUBLE, 0, self);
        break;
    }
    return (vc_measure_now() - begin) / DOOR_CALLS * 1e9;
}

void bench_door_run(struct vc_measure_world *w, struct bench_door d[BENCH_DOORS])
{
    static const char *const name[BENCH_DOORS] = {"scan of no elements", "gatherv on one rank",
                                                  "scatterv on one rank"};
    double *ns[VC_IMPLS] = {calloc(DOOR_BLOCKS, sizeof(double)), calloc(DOOR_BLOCKS, sizeof(double))};
    double *extra = calloc(DOOR_BLOCKS, sizeof(double));
    MPI_Comm self;
    MPI_Comm_dup(MPI_COMM_SELF, &self);
    for (int i = 0; i < WARM; i++)
        w->fn[VC_IMPL_VCOLL].barrier(w->comm);
    for (int k = 0; k < BENCH_DOORS; k++) {
        d[k] = (struct bench_door){.name = name[k], .extra = NAN};
        if (!ns[0] || !ns[1] || !extra)
            continue;
        for (int b = 0; b < DOOR_BLOCKS; b++) {
            int first = (int)(vc_measure_rand(&w->rng) & 1);
            for (int i = 0; i < VC_IMPLS; i++)
                ns[i ^ first][b] = door_block(w, k, &w->fn[i ^ first], self);
            extra[b] = ns[VC_IMPL_VCOLL][b] - ns[VC_IMPL_NATIVE][b];
        }
        for (int impl = 0; impl < VC_IMPLS; impl++)
            d[k].ns[impl] = vc_measure_quantile(ns[impl], DOOR_BLOCKS, 0.5);
        vc_measure_interval(extra, DOOR_BLOCKS, w->opt->seed, &d[k].low, &d[k].high);
        d[k].extra = vc_measure_quantile(extra, DOOR_BLOCKS, 0.5);
    }
    MPI_Comm_free(&self);
    free(ns[0]);
    free(ns[1]);
    free(extra);
}
