/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of the cost model, measured on a few small communicators of the allocation. */
#include "tune/search/fit.h"
#include "tune/search/internal.h"
#include "transport/topology/coalesce.h"
#include "transport/topology/cpus.h"
#include "tune/params/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NODE_SIZES 3
#define FAR_PAIRS  3
#define SPLIT_MAX  16 /* pretended nodes of more ranks are too long a way round */

/* Where is measured. */
struct fit_places {
    struct vc_search_nodes nodes;
    int node;                    /* the largest one */
    int size[NODE_SIZES], nsize; /* ranks of it, ascending */
    int far[FAR_PAIRS][2], nfar; /* world ranks of different nodes */
    enum vc_model_way way[FAR_PAIRS];
    bool pretended; /* the far pairs share an operating system */
};

/* ---- places ---- */

static int rank_of(const struct vc_measure_world *w, const struct vc_search_nodes *n, int node, int local)
{
    for (int r = 0; r < w->size; r++)
        if (n->node[r] == node && n->local[r] == local)
            return r;
    return -1;
}

/* As many ranks as have a CPU each: what it is like when they have not follows from that. */
static void choose_sizes(const struct vc_measure_world *w, struct fit_places *p)
{
    for (int i = 0; i < p->nodes.count; i++)
        if (p->nodes.ranks[i] > p->nodes.ranks[p->node])
            p->node = i;
    int ranks = p->nodes.ranks[p->node], cpus = w->cpus > 2 ? w->cpus : 2, most = ranks < cpus ? ranks : cpus;
    int want[NODE_SIZES] = {2, (2 + most) / 2, most};
    for (int i = 0; i < NODE_SIZES && most >= 2; i++)
        if (p->nsize == 0 || want[i] > p->size[p->nsize - 1])
            p->size[p->nsize++] = want[i];
}

/* What ranks tell each other: the operating system, by its first rank, and the physical host, if known. */
struct card {
    int leader;
    char host_id[64];
};

static void choose_pairs(const struct vc_measure_world *w, const struct card *of, struct fit_places *p)
{
    int first = rank_of(w, &p->nodes, 0, 0), last = of[first].leader;
    p->pretended = w->one_host;
    for (int i = 1; i < p->nodes.count && p->nfar < (p->pretended ? 1 : FAR_PAIRS); i++) {
        int other = rank_of(w, &p->nodes, i, 0);
        /* Nodes that are only pretended count where there are no others. */
        if (p->pretended ? p->nodes.split > SPLIT_MAX : of[other].leader == last)
            continue;
        const char *id = of[first].host_id;
        bool resident = p->pretended || (*id && strcmp(id, of[other].host_id) == 0);
        last = of[other].leader;
        p->far[p->nfar][0] = first;
        p->far[p->nfar][1] = other;
        p->way[p->nfar++] = resident ? VC_WAY_RESIDENT : VC_WAY_WIRE;
    }
}

/* The first ranks of the first node and of others. Physical hosts are told apart by VCOLL_HOST_ID alone;
 * nodes of one operating system are of one host in any case. False without memory, on all ranks. */
static bool choose_far(struct vc_measure_world *w, struct fit_places *p)
{
    struct vc_params params;
    struct vc_param_report report;
    struct card mine = {.leader = w->rank}, *of = calloc((size_t)w->size, sizeof *of);
    bool ok = vc_measure_all_agree(w, of != NULL);
    if (ok) {
        vc_params_load(&params, NULL, &report);
        snprintf(mine.host_id, sizeof mine.host_id, "%s", params.host_id);
        w->fn[VC_IMPL_NATIVE].bcast(&mine.leader, 1, MPI_INT, 0, w->host);
        w->control->allgather(&mine, sizeof mine, MPI_BYTE, of, sizeof mine, MPI_BYTE, w->ctl);
        choose_pairs(w, of, p);
    }
    free(of);
    return ok;
}

static bool is_far_member(const struct vc_measure_world *w, const struct fit_places *p, int pair)
{
    /* A communicator of one operating system is cut anew: it takes a whole node and one rank more. */
    if (p->pretended)
        return w->rank == p->far[pair][1] || p->nodes.node[w->rank] == 0;
    return w->rank == p->far[pair][0] || w->rank == p->far[pair][1];
}

/* ---- measuring ---- */

static void close_comm(struct vc_measure_world *w, struct vc_search_comm *g)
{
    vc_search_comm_close(g);
    vc_measure_quiet_barrier(w);
}

/* Everybody learns what rank 0 of the group knows. */
static void share(struct vc_measure_world *w, const struct vc_search_comm *g, void *data, size_t len)
{
    w->control->bcast(data, (int)len, MPI_BYTE, g->first, w->ctl);
}

/* Two ranks of one node; where the settings leave shared memory out, of two. */
static void fit_near(struct vc_measure_world *w, const struct fit_places *p, double each, struct vc_model *m)
{
    struct vc_search_comm g;
    struct vc_fit_extra x = {NAN, NAN};
    struct vc_model_link link = {0};
    bool member = p->nodes.node[w->rank] == p->node && p->nodes.local[w->rank] < 2;
    if (p->nsize == 0 || !vc_search_comm_open(w, member, p->nodes.node[w->rank], &g))
        return;
    int apart = g.at.nnodes > 1;
    if (g.member)
        vc_fit_link(&g, each, 0, 0, &link, &x);
    share(w, &g, &apart, sizeof apart);
    share(w, &g, &link, sizeof link);
    share(w, &g, &x, sizeof x);
    close_comm(w, &g);
    m->link[apart ? VC_WAY_RESIDENT : VC_WAY_SHM] = link;
    if (!isnan(x.call))
        m->call = x.call;
    if (!isnan(x.wake))
        *(apart ? &m->wake_device : &m->wake) = x.wake;
}

static double one_way(const struct vc_model *m)
{
    const struct vc_model_link *l = &m->link[VC_WAY_SHM];
    return l->known ? 2 * l->overhead + l->latency : 0;
}

/* One pair; what it brought is the median with what earlier pairs brought. */
struct far_result {
    struct vc_model_link link;
    struct vc_fit_extra extra;
    double interrupt;
    bool software;
    bool verbs;
};

static void fit_pair(struct vc_measure_world *w, const struct fit_places *p, int pair, double each,
                     const struct vc_model *m, struct far_result *r)
{
    struct vc_search_comm g;
    *r = (struct far_result){.extra = {NAN, NAN}};
    if (!vc_search_comm_open(w, is_far_member(w, p, pair), p->nodes.node[w->rank], &g))
        return;
    if (g.member && g.at.nnodes == 2) {
        vc_fit_link(&g, each, g.w.size - 2, one_way(m), &r->link, &r->extra);
        r->verbs = g.at.have_verbs;
        r->software = r->verbs && (strcmp(g.at.device, "rxe") == 0 || strcmp(g.at.device, "siw") == 0);
        if (r->software) {
            /* What the CPUs of a host spend in interrupts, told in ticks: only much of it shows. */
            double busy, before, after, begin = vc_measure_now();
            vc_measure_host_cpu(&busy, &before);
            double t = vc_fit_asleep(&g, 3 * each);
            vc_measure_host_cpu(&busy, &after);
            double share_of = (after - before) / (vc_measure_now() - begin);
            r->interrupt = isnan(t) ? 0 : fmin(share_of * t, t / 2);
        }
    }
    share(w, &g, r, sizeof *r);
    close_comm(w, &g);
}

static double median_of(double *v, int n)
{
    int k = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(v[i]))
            v[k++] = v[i];
    return vc_measure_quantile(v, k, 0.5);
}

static void merge_links(const struct far_result *r, int n, struct vc_model_link *out)
{
    double latency[FAR_PAIRS], overhead[FAR_PAIRS], gap[FAR_PAIRS];
    *out = r[0].link;
    for (int i = 0; i < n; i++) {
        latency[i] = r[i].link.latency;
        overhead[i] = r[i].link.overhead;
        if (r[i].link.npoints < out->npoints)
            out->npoints = r[i].link.npoints;
    }
    out->latency = vc_measure_quantile(latency, n, 0.5);
    out->overhead = vc_measure_quantile(overhead, n, 0.5);
    for (int k = 0; k < out->npoints; k++) {
        for (int i = 0; i < n; i++)
            gap[i] = r[i].link.point[k].gap;
        out->point[k].gap = vc_measure_quantile(gap, n, 0.5);
    }
}

/* Without what the model counts apart: messages of software devices were held back while L was measured. */
static void take_out_moderation(struct vc_model *m)
{
    for (int way = VC_WAY_RESIDENT; m->device_needs_cpu && way <= VC_WAY_WIRE; way++)
        m->link[way].latency = fmax(m->link[way].latency - m->moderation - m->interrupt, 1e-9);
}

/* The delay that this host's network device adds at present; 0 where nothing tells. */
static double read_moderation(void)
{
    struct vc_coalesce c;
    const char *netdev = vc_device_netdev();
    if (!netdev || !*netdev || vc_coalesce_get(NULL, netdev, &c) != VC_OK ||
        !vc_coalesce_has(&c, VC_COALESCE_RX_USECS))
        return 0;
    /* Adaptive drivers do not hold lone messages back. */
    if (vc_coalesce_has(&c, VC_COALESCE_ADAPTIVE_RX) && c.value[VC_COALESCE_ADAPTIVE_RX])
        return 0;
    return c.value[VC_COALESCE_RX_USECS] * 1e-6;
}

static void fit_far(struct vc_measure_world *w, const struct fit_places *p, double each, struct vc_model *m)
{
    struct far_result all[FAR_PAIRS], of[FAR_PAIRS];
    double wake[FAR_PAIRS], interrupt[FAR_PAIRS], call[FAR_PAIRS];
    for (int i = 0; i < p->nfar; i++) {
        fit_pair(w, p, i, each, m, &all[i]);
        wake[i] = all[i].extra.wake;
        call[i] = all[i].extra.call;
        interrupt[i] = all[i].interrupt;
        m->device_needs_cpu |= all[i].software;
    }
    for (int way = VC_WAY_RESIDENT; way <= VC_WAY_WIRE; way++) {
        int n = 0;
        for (int i = 0; i < p->nfar; i++)
            if (p->way[i] == (enum vc_model_way)way && all[i].link.known)
                of[n++] = all[i];
        if (n > 0)
            merge_links(of, n, &m->link[way]);
    }
    if (p->nfar == 0)
        return;
    double mine = read_moderation();
    m->wake_device = fmax(median_of(wake, p->nfar), 0);
    m->interrupt = fmax(median_of(interrupt, p->nfar), 0);
    if (!m->link[VC_WAY_SHM].known)
        m->call = fmax(median_of(call, p->nfar), 0);
    w->control->allreduce(&mine, &m->moderation, 1, MPI_DOUBLE, MPI_MAX, w->ctl);
    /* Hardware writes its completions without interrupts, and sleepers ask for theirs at once. */
    if (!m->device_needs_cpu)
        m->moderation = 0;
    take_out_moderation(m);
}

static void fit_nodes(struct vc_measure_world *w, const struct fit_places *p, double each, struct vc_model *m)
{
    struct vc_model_sample s[NODE_SIZES * VC_FIT_NODE_PROBES];
    int n = 0;
    memset(s, 0, sizeof s);
    for (int i = 0; i < p->nsize; i++) {
        struct vc_search_comm g;
        bool member = p->nodes.node[w->rank] == p->node && p->nodes.local[w->rank] < p->size[i];
        if (!vc_search_comm_open(w, member, p->nodes.node[w->rank], &g))
            continue;
        if (g.member && g.at.nnodes == 1)
            n += vc_fit_node(&g, each, s + n);
        share(w, &g, &n, sizeof n);
        share(w, &g, s, sizeof s);
        close_comm(w, &g);
    }
    if (w->rank == 0)
        vc_model_node_fit(s, n, &m->node);
    w->control->bcast(&m->node, (int)sizeof m->node, MPI_BYTE, 0, w->ctl);
}

/* ---- all of it ---- */

static void fit_cpus(struct vc_measure_world *w, const struct fit_places *p, struct vc_model *m)
{
    double own = vc_cpus_available(), least;
    int most;
    /* Ranks that are bound have fewer CPUs each than they have together. */
    own = fmax(own, w->cpus);
    if (isfinite(vc_cpus_quota(NULL)))
        own = fmin(own, vc_cpus_quota(NULL));
    w->control->allreduce(&own, &least, 1, MPI_DOUBLE, MPI_MIN, w->ctl);
    w->control->allreduce(&w->local_size, &most, 1, MPI_INT, MPI_MAX, w->ctl);
    m->cpus_per_rank = least / most;
    /* Pretended nodes share the CPUs of their host. */
    m->cpus_per_node = p->nodes.split > 0 ? 0 : least;
    m->switch_cost = w->rank == 0 ? vc_fit_switch() : 0;
    vc_measure_quiet_barrier(w);
    w->control->bcast(&m->switch_cost, 1, MPI_DOUBLE, 0, w->ctl);
}

static void fit_all(struct vc_measure_world *w, const struct fit_places *p, double seconds,
                    struct vc_model *m)
{
    int probes = (p->nsize > 0) * VC_FIT_LINK_PROBES + p->nfar * (VC_FIT_LINK_PROBES + 3) +
                 p->nsize * VC_FIT_NODE_PROBES;
    double each = seconds / (probes > 0 ? probes : 1);
    uint64_t steal[2] = {0, 0}, total[2] = {0, 0};
    bool known = vc_steal_read(&steal[0], &total[0]) == VC_OK;
    fit_near(w, p, each, m);
    fit_far(w, p, each, m);
    fit_nodes(w, p, each, m);
    fit_cpus(w, p, m);
    vc_fit_noise(w, seconds, &m->noise);
    known = known && vc_steal_read(&steal[1], &total[1]) == VC_OK && total[1] > total[0];
    double part = known ? (double)(steal[1] - steal[0]) / (double)(total[1] - total[0]) : 0;
    w->control->allreduce(&part, &m->steal, 1, MPI_DOUBLE, MPI_MAX, w->ctl);
    m->steal = fmin(fmax(m->steal, 0), 0.9);
}

void vc_fit(struct vc_measure_world *w, double seconds, struct vc_model *m)
{
    struct fit_places p = {.node = 0};
    *m = (struct vc_model){.cpus_per_rank = 1};
    if (w->size < 2 || !vc_search_nodes(w, &p.nodes))
        return;
    choose_sizes(w, &p);
    if (choose_far(w, &p)) {
        vc_measure_quiet_barrier(w);
        fit_all(w, &p, seconds, m);
        /* One result for all, whatever each has computed. */
        w->control->bcast(m, (int)sizeof *m, MPI_BYTE, 0, w->ctl);
    }
    vc_search_nodes_free(&p.nodes);
}
