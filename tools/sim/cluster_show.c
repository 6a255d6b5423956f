/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer as text, as JSON (keys are stable: docs/sim.md) and as a picture. */
#include "coll/info.h"
#include "tools/print/plot.h"
#include "tools/print/terminal.h"
#include "tools/sim/cluster.h"

#include <stdio.h>

/* Private memory of a rank: what its plan has at a time, and scratch. */
static size_t plan_memory(const struct cluster_way *w)
{
    return w->use.plan_bytes + w->use.scratch;
}

/* ---- text ---- */

static void print_amount(double v)
{
    static const char *const unit[] = {"", "k", "M", "G", "T", "P"};
    int u = 0;
    while (v >= 9999.5 && u < 5) {
        v /= 1000;
        u++;
    }
    printf(" %6.0f%-1s", v, unit[u]);
}

static void print_way(const struct cluster_report *r, const struct cluster_way *w, double best)
{
    char name[VC_CHOICE_TEXT], memory[32];
    printf("  %-36s%s", vc_choice_format(&w->choice, name, sizeof name), w->taken ? "*" : " ");
    if (isnan(w->seconds)) {
        printf(" %10s  %s\n", "?", w->why ? w->why : "");
        return;
    }
    printf(" %10.*f %6.2f", w->seconds < 1e-3 ? 1 : 0, w->seconds * 1e6, w->score / best);
    if (r->model.noise.n && !w->noisy)
        printf(" %9s %9s", "?", "?");
    else if (r->model.noise.n)
        printf(" %9.1f %9.1f", w->mean * 1e6, w->tail * 1e6);
    printf(" %6ld", w->use.steps);
    for (int apart = 0; apart < 2; apart++) {
        print_amount(w->use.messages[apart]);
        print_amount(w->use.bytes[apart]);
    }
    printf(" %7d", r->o->mpi ? 0 : w->use.peers);
    vc_format_bytes(plan_memory(w), memory, sizeof memory);
    printf(" %9s\n", memory);
}

static void print_figures(const struct cluster_report *r)
{
    const struct vc_model_link *l = &r->model.link[VC_WAY_WIRE];
    const struct vc_model_node *n = &r->model.node;
    double mib = vc_model_gap(l, 1 << 20) - vc_model_gap(l, 0);
    printf("Between nodes (%s): latency %.2f us, overhead %.2f us on each side, %.2f GB/s\n",
           sim_origin_text(r->link_origin), l->latency * 1e6, l->overhead * 1e6,
           mib > 0 ? (1 << 20) / mib * 1e-9 : 0);
    printf("Within nodes (%s%s): %.3f us a phase, %.3f us for each other rank, %.4f ns a byte copied, %.4f "
           "reduced\n",
           sim_origin_text(r->node_origin), r->o->sim.nset ? ", some given" : "", n->base * 1e6,
           n->flag * 1e6, n->copy * 1e9, n->reduce * 1e9);
    if (r->model.noise.n) {
        printf("Noise takes %.2g of each CPU's time (interruptions a second: ",
               vc_model_noise_share(&r->model.noise));
        for (int i = 0; i < r->model.noise.n; i++)
            printf("%s%g of %g us", i ? ", " : "", r->model.noise.detour[i].rate,
                   r->model.noise.detour[i].seconds * 1e6);
        printf("); mean and 99th percentile are of %d plays%s.\n", r->o->runs,
               r->o->tail ? ", and x is of the latter" : "");
    }
    if (!r->o->mpi) {
        char peer[32], process[32];
        vc_format_bytes(r->peer_bytes, peer, sizeof peer);
        vc_format_bytes(r->process_bytes, process, sizeof process);
        printf("A queue pair takes %s of a rank's memory, each rank of the job %s.\n", peer, process);
    }
    printf(
        "Predicted, nothing is measured. * is what the rules take, x the times of the fastest. Messages and "
        "bytes are\nthose of all ranks (node phases in shared memory are none); steps, queue pairs and "
        "memory (plan and scratch) those of\nthe rank that has most.\n");
}

static void print_steadiest(const struct cluster_cell *c)
{
    const struct cluster_way *w = cluster_steadiest(c);
    char name[VC_CHOICE_TEXT];
    if (w)
        printf("  noise delays %s least: by %.1f us in the mean\n",
               vc_choice_format(&w->choice, name, sizeof name), (w->mean - w->seconds) * 1e6);
}

void cluster_text(const struct cluster_report *r)
{
    print_figures(r);
    for (int i = 0; i < r->ncells; i++) {
        const struct cluster_cell *c = &r->cell[i];
        char bytes[32] = "";
        const struct cluster_way *best = cluster_best(c);
        if (vc_coll_sized(c->coll))
            vc_format_bytes(c->bytes, bytes, sizeof bytes);
        printf("\n%s %s, %d node%s of %d rank%s\n", vc_coll_name(c->coll), bytes, c->nodes,
               c->nodes > 1 ? "s" : "", r->o->ppn, r->o->ppn > 1 ? "s" : "");
        printf("  %-36s  %10s %6s", "", "us", "x");
        if (r->model.noise.n)
            printf(" %9s %9s", "mean", "99 %");
        printf(" %6s %15s %15s %7s %9s\n", "steps", "within: msg B", "between: msg B", "qp", "memory");
        for (int w = 0; w < c->nways; w++)
            print_way(r, &c->way[w], best ? best->score : NAN);
        print_steadiest(c);
    }
}

/* ---- JSON ---- */

static json_t *describe_way(const struct cluster_report *r, const struct cluster_way *w)
{
    char name[VC_CHOICE_TEXT];
    vc_choice_format(&w->choice, name, sizeof name);
    if (isnan(w->seconds))
        return json_pack("{s:s, s:b, s:n, s:s?}", "choice", name, "taken", w->taken, "us", "why", w->why);
    json_t *noise = w->noisy ? json_pack("{s:f, s:f, s:f}", "median_us", w->median * 1e6, "mean_us",
                                         w->mean * 1e6, "p99_us", w->tail * 1e6)
                             : json_null();
    return json_pack("{s:s, s:b, s:f, s:o, s:I, s:{s:f, s:f}, s:{s:f, s:f}, s:i, s:f, s:I, s:I}", "choice",
                     name, "taken", w->taken, "us", w->seconds * 1e6, "noise", noise, "steps",
                     (json_int_t)w->use.steps, "within", "messages", w->use.messages[0], "bytes",
                     w->use.bytes[0], "between", "messages", w->use.messages[1], "bytes", w->use.bytes[1],
                     "queue_pairs", r->o->mpi ? 0 : w->use.peers, "all_queue_pairs",
                     r->o->mpi ? 0 : w->use.all_peers, "plan_bytes", (json_int_t)w->use.plan_bytes,
                     "scratch_bytes", (json_int_t)w->use.scratch);
}

static json_t *describe_cell(const struct cluster_report *r, const struct cluster_cell *c)
{
    json_t *ways = json_array();
    for (int i = 0; i < c->nways; i++)
        json_array_append_new(ways, describe_way(r, &c->way[i]));
    return json_pack("{s:s, s:I, s:i, s:o}", "collective", vc_coll_name(c->coll), "bytes",
                     (json_int_t)c->bytes, "nodes", c->nodes, "ways", ways);
}

bool cluster_json(const struct cluster_report *r)
{
    json_t *cells = json_array();
    for (int i = 0; i < r->ncells; i++)
        json_array_append_new(cells, describe_cell(r, &r->cell[i]));
    return json_print(json_pack("{s:i, s:s, s:i, s:s, s:{s:s, s:s, s:o}, s:I, s:I, s:o}", "vcoll_sim", 1,
                                "form", "cluster", "ppn", r->o->ppn, "network", r->o->mpi ? "mpi" : "verbs",
                                "figures", "between", sim_origin_text(r->link_origin), "within",
                                sim_origin_text(r->node_origin), "model", vc_model_to_json(&r->model),
                                "queue_pair_bytes", (json_int_t)r->peer_bytes, "process_bytes",
                                (json_int_t)r->process_bytes, "points", cells));
}

/* ---- picture ---- */

enum { PANELS = 32 };

/* A line for each choice of a collective and a number of nodes, in the order in which they come up. */
static void fill_panel(struct plot *panel, const struct cluster_report *r, enum vc_coll coll, int nodes)
{
    struct vc_choice seen[PLOT_COLOURS];
    int n = 0;
    for (int i = 0; i < r->ncells; i++) {
        const struct cluster_cell *c = &r->cell[i];
        for (int w = 0; c->coll == coll && c->nodes == nodes && w < c->nways; w++) {
            int k = 0;
            while (k < n && !vc_choice_same(&seen[k], &c->way[w].choice))
                k++;
            if (k == n && n < PLOT_COLOURS && !isnan(c->way[w].seconds))
                seen[n++] = c->way[w].choice;
        }
    }
    for (int k = 0; k < n; k++) {
        char name[VC_CHOICE_TEXT];
        struct plot_series *s = plot_add(panel, k, vc_choice_format(&seen[k], name, sizeof name));
        for (int i = 0; i < r->ncells; i++) {
            const struct cluster_cell *c = &r->cell[i];
            for (int w = 0; c->coll == coll && c->nodes == nodes && w < c->nways; w++)
                if (vc_choice_same(&seen[k], &c->way[w].choice) && !isnan(c->way[w].seconds))
                    plot_put(s, (struct plot_mark){
                                    (double)c->bytes, c->way[w].seconds, NAN, NAN, .ring = c->way[w].taken,
                                    .tip = text_format("%s, %s: %s us", name, text_bytes((double)c->bytes).s,
                                                       text_us(c->way[w].seconds).s)});
        }
    }
}

bool cluster_plot(const struct cluster_report *r, const char *file)
{
    static struct plot panel[PANELS];
    int n = 0;
    FILE *f = fopen(file, "we");
    for (int c = 0; f && c < r->o->sim.ncoll; c++)
        for (int i = 0; i < r->o->nshapes && n < PANELS; i++) {
            enum vc_coll coll = r->o->sim.coll[c];
            if (!vc_coll_sized(coll))
                continue;
            panel[n] = (struct plot){.title = text_format("%s, %d nodes", vc_coll_name(coll), r->o->nodes[i]),
                                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                                     .y = {.kind = PLOT_TIME, .label = "predicted, us"}};
            fill_panel(&panel[n++], r, coll, r->o->nodes[i]);
        }
    if (f)
        plot_picture(f, text_format("predicted: %d ranks a node", r->o->ppn).s, panel, n);
    bool ok = f && fflush(f) == 0 && !ferror(f);
    if (f && fclose(f) != 0)
        ok = false;
    return ok;
}
