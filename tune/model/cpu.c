/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUs that plans are played on: ranks that sleep and are woken, that wait for a CPU, time that is
 * stolen. */
#include "tune/model/impl.h"

#include <math.h>
#include <stdlib.h>

/* Every wait begins with polls alone, see VC_TIGHT_POLLS. */
#define TIGHT 1e-6
/* The least that auto spins for. */
#define AUTO_LEAST 5e-6
/* From this part of stolen time on auto spins for a fourth. */
#define STOLEN 0.05

/* As burn_budget() in transport/wait.c. */
static double spin_budget(const struct vc_model *m, const struct vc_model_case *c, bool device)
{
    switch (c->wait) {
    case VC_WAIT_POLL:
        return INFINITY;
    case VC_WAIT_EVENT:
        return TIGHT;
    case VC_WAIT_HYBRID:
        return fmax(c->spin, TIGHT);
    case VC_WAIT_AUTO:
        break;
    }
    if (device && m->device_needs_cpu)
        return TIGHT;
    double cost = m->wake > 0 ? m->wake : c->spin;
    if (m->steal > STOLEN)
        cost /= 4;
    cost = fmax(cost, AUTO_LEAST);
    return c->spin > 0 ? fmin(cost, 4 * c->spin) : cost;
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
    bool slept = t - p->busy[rank] > p->spin[device], crowded = p->first[node] < p->first[node + 1];
    double begin = fmax(t, p->busy[rank]), wake = !slept ? 0 : device ? m->wake_device : m->wake;
    if (device && (slept || m->device_needs_cpu))
        work += m->interrupt;
    work = work * p->stretch + p->call[rank];
    p->call[rank] = 0;
    begin = crowded ? begin_on(p, node, rank, begin, work, wake) : begin + wake;
    p->busy[rank] = begin + work;
    return p->busy[rank];
}
