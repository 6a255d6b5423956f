/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of the cost model: what a curve of gaps means, and which values are possible. */
#include "tune/model/model.h"

#include <math.h>

double vc_model_gap(const struct vc_model_link *l, double bytes)
{
    int n = l->npoints, i = 1;
    if (n < 2 || bytes <= l->point[0].bytes)
        return l->point[0].gap;
    while (i < n - 1 && bytes > l->point[i].bytes)
        i++;
    double x0 = l->point[i - 1].bytes, x1 = l->point[i].bytes;
    double y0 = l->point[i - 1].gap, y1 = l->point[i].gap;
    return y0 + (bytes - x0) * (y1 - y0) / (x1 - x0);
}

static bool below(double x)
{
    return !(x >= 0) || !isfinite(x);
}

static const char *link_invalid(const struct vc_model_link *l)
{
    if (!l->known)
        return NULL;
    if (below(l->latency) || below(l->overhead) || below(l->near_latency))
        return "latency and overhead must be times of at least 0";
    if (below(l->near_nodes) || below(l->rendezvous))
        return "numbers of nodes and bytes must be at least 0";
    if (l->npoints < 1 || l->npoints > VC_MODEL_POINTS)
        return "the curve of gaps must have 1 to 12 points";
    for (int i = 0; i < l->npoints; i++) {
        if (below(l->point[i].bytes) || below(l->point[i].gap))
            return "points of the curve of gaps must not be negative";
        if (i > 0 && !(l->point[i].bytes > l->point[i - 1].bytes && l->point[i].gap >= l->point[i - 1].gap))
            return "points of the curve of gaps must ascend";
    }
    return NULL;
}

double vc_model_noise_share(const struct vc_model_noise *noise)
{
    double share = 0;
    for (int i = 0; i < noise->n; i++)
        share += noise->detour[i].rate * noise->detour[i].seconds;
    return share;
}

static const char *noise_invalid(const struct vc_model_noise *noise)
{
    if (noise->n < 0 || noise->n > VC_MODEL_DETOURS)
        return "noise must have up to 16 kinds";
    for (int i = 0; i < noise->n; i++)
        if (below(noise->detour[i].rate) || below(noise->detour[i].seconds) || !(noise->detour[i].rate > 0))
            return "noise must have rates above 0 and times of at least 0";
    /* Beyond, a rank would hardly get anything done, and a play would not end. */
    return vc_model_noise_share(noise) > 0.9 ? "noise must take no more than 0.9 of the time" : NULL;
}

const char *vc_model_invalid(const struct vc_model *m)
{
    const struct vc_model_node *n = &m->node;
    for (int way = 0; way < VC_WAY_COUNT; way++) {
        const char *why = link_invalid(&m->link[way]);
        if (why)
            return why;
    }
    if (below(n->base) || below(n->flag) || below(n->copy) || below(n->reduce) || below(n->cma_base) ||
        below(n->cma_copy))
        return "parameters of the node must be times of at least 0";
    for (int k = 0; k <= VC_LEVEL_KINDS; k++)
        if (below(n->line[k]) || below(n->carry[k]))
            return "parameters of the node must be times of at least 0";
    if (below(m->wake) || below(m->wake_device) || below(m->interrupt) || below(m->moderation) ||
        below(m->switch_cost) || below(m->call))
        return "costs must be times of at least 0";
    if (below(m->steal) || m->steal > 0.99)
        return "steal must be a part from 0 to 0.99";
    if (below(m->cpus_per_rank) || below(m->cpus_per_node))
        return "numbers of CPUs must be at least 0";
    return noise_invalid(&m->noise);
}
