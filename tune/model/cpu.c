/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUs that plans are played on: ranks that sleep and are woken, that wait for a CPU, time that is
 * stolen. */
#include "transport/burn.h"
#include "tune/model/impl.h"

#include <math.h>
#include <stdlib.h>

/* Every wait begins with polls alone, see VC_TIGHT_POLLS. */
#define TIGHT     1e-6
#define AUTO_SPIN 5e-6
#define NS        1e-9

static uint64_t in_ns(double seconds)
{
    return seconds > 0 ? (uint64_t)(seconds / NS) : 0;
}

static double spin_budget(const struct vc_model *m, const struct vc_model_case *c, bool device)
{
    bool stolen = m->steal * 1000 > VC_BURN_STOLEN_PERMILLE;
    /* Auto spins for some time even where the case does not say what for. */
    double spin = c->spin > 0 || c->wait != VC_WAIT_AUTO ? c->spin : fmax(m->wake, AUTO_SPIN);
    uint64_t ns = vc_burn_ns(c->wait, in_ns(spin), in_ns(m->wake), stolen, device && m->device_needs_cpu);
    return ns == UINT64_MAX ? INFINITY : fmax((double)ns * NS, TIGHT);
}

/* How long a rank that shares its CPU does not sleep at least: it yields first. */
static double yield_budget(const struct vc_model *m, const struct vc_model_case *c)
{
    if (c->wait != VC_WAIT_AUTO)
        return 0;
    return vc_burn_yields(in_ns(m->switch_cost), in_ns(m->wake)) * m->switch_cost;
}

/* How many CPUs the ranks of a node share; 0: each has one. */
static int node_cpus(const struct vc_model *m, int ranks)
{
    double cpus = m->cpus_per_node > 0 ? m->cpus_per_node : m->cpus_per_rank * ranks;
    if (!(cpus > 0) || cpus >= ranks)
        return 0;
    return cpus < 1 ? 1 : (int)(cpus + 1e-9);
}

bool vc_mcpus_init(struct vc_mcpus *p, const struct vc_model *m, const struct vc_model_case *c)
{
    const struct vc_hier *h = c->shape->hier;
    size_t n = (size_t)c->shape->size;
    *p = (struct vc_mcpus){.m = m, .c = c, .stretch = 1 / (1 - m->steal)};
    for (int device = 0; device < 2; device++)
        p->spin[device] = spin_budget(m, c, device);
    p->yields = yield_budget(m, c);
    p->busy = calloc(n, sizeof *p->busy);
    p->call = calloc(n, sizeof *p->call);
    p->first = calloc((size_t)h->nnodes + 1, sizeof *p->first);
    p->cpu = calloc(n, sizeof *p->cpu);
    if (!p->busy || !p->call || !p->first || !p->cpu)
        return false;
    double call = c->alg->kind == VC_ALG_PLAN ? m->call * p->stretch : 0;
    for (int i = 0; i < h->nnodes; i++) {
        int cpus = node_cpus(m, vc_hier_node_size(h, i));
        p->first[i + 1] = p->first[i] + cpus;
        for (int k = 0; k < cpus; k++)
            p->cpu[p->first[i] + k].last = -1;
        /* A rank that shares a CPU begins the call when it gets that CPU. */
        for (int l = 0; l < vc_hier_node_size(h, i); l++)
            (cpus ? p->call : p->busy)[vc_hier_rank(h, i, l)] = call;
    }
    return true;
}

void vc_mcpus_free(struct vc_mcpus *p)
{
    free(p->busy);
    free(p->call);
    free(p->first);
    free(p->cpu);
}

/* The CPU the rank ran on last, when that is free, else the one that is free first. */
static struct vc_mcpu *choose_cpu(struct vc_mcpus *p, int node, int rank, double t)
{
    struct vc_mcpu *best = &p->cpu[p->first[node]];
    for (int k = p->first[node]; k < p->first[node + 1]; k++) {
        struct vc_mcpu *one = &p->cpu[k];
        if (one->last == rank && one->free <= t)
            return one;
        if (one->free < best->free)
            best = one;
    }
    return best;
}

/* The rank is ready at `t`: when it runs, on one of its node's CPUs, which it then keeps for `work`. */
static double begin_on(struct vc_mcpus *p, int node, int rank, double t, double work, double wake)
{
    struct vc_mcpu *cpu = choose_cpu(p, node, rank, t);
    double begin = fmax(t, cpu->free);
    /* Waking a rank takes long if its CPU has halted. A CPU that runs another rank only has to switch. */
    if (wake > 0 && (cpu->last < 0 || t - cpu->free > wake))
        begin += wake;
    else if (cpu->last >= 0 && cpu->last != rank)
        begin += p->m->switch_cost;
    cpu->last = rank;
    cpu->free = begin + work;
    return begin;
}

double vc_mcpus_work(struct vc_mcpus *p, int rank, double t, bool device, double work)
{
    const struct vc_model *m = p->m;
    int node = p->c->shape->hier->node_of[rank];
    bool crowded = p->first[node] < p->first[node + 1];
    double burn = p->spin[device];
    if (crowded && burn > TIGHT)
        burn = fmax(burn, p->yields);
    bool slept = t - p->busy[rank] > burn;
    double begin = fmax(t, p->busy[rank]), wake = !slept ? 0 : device ? m->wake_device : m->wake;
    if (device && (slept || m->device_needs_cpu))
        work += m->interrupt;
    work = work * p->stretch + p->call[rank];
    p->call[rank] = 0;
    begin = crowded ? begin_on(p, node, rank, begin, work, wake) : begin + wake;
    p->busy[rank] = p->noise ? vc_mnoise_end(p->noise, rank, begin, work) : begin + work;
    return p->busy[rank];
}
