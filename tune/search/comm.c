/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes, and communicators to measure on. */
#include "tune/search/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SETUP_CALLS                                                                                          \
    64 /* a communicator is set up at its first collectives, VCOLL_SETUP_AFTER at most so late */

/* Nodes as vcoll will see them: ranks of one host, cut into groups. */
bool vc_search_nodes(struct vc_measure_world *world, struct vc_search_nodes *n)
{
    struct vc_params params;
    struct vc_param_report report;
    vc_params_load(&params, NULL, &report);
    *n = (struct vc_search_nodes){.split = params.node_split};
    size_t size = (size_t)world->size;
    int *host = calloc(size, sizeof *host), *filled = calloc(size, sizeof *filled),
        *at = calloc(size, sizeof *at);
    n->node = calloc(size, sizeof *n->node);
    n->local = calloc(size, sizeof *n->local);
    n->ranks = calloc(size, sizeof *n->ranks);
    bool ok = host && filled && at && n->node && n->local && n->ranks;
    if (vc_measure_all_agree(world, ok)) {
        int mine = world->rank;
        world->fn[VC_IMPL_NATIVE].bcast(&mine, 1, MPI_INT, 0, world->host);
        world->control->allgather(&mine, 1, MPI_INT, host, 1, MPI_INT, world->ctl);
        for (int r = 0; r < world->size; r++) {
            int h = host[r];
            if (filled[h] == 0 || (n->split > 0 && filled[h] == n->split)) {
                at[h] = n->count++;
                filled[h] = 0;
            }
            n->node[r] = at[h];
            n->local[r] = filled[h]++;
            n->ranks[at[h]]++;
        }
        n->least = n->most = n->ranks[0];
        for (int i = 1; i < n->count; i++) {
            n->least = n->ranks[i] < n->least ? n->ranks[i] : n->least;
            n->most = n->ranks[i] > n->most ? n->ranks[i] : n->most;
        }
    } else {
        vc_search_nodes_free(n);
    }
    free(host);
    free(filled);
    free(at);
    return n->count > 0;
}

void vc_search_nodes_free(struct vc_search_nodes *n)
{
    free(n->node);
    free(n->local);
    free(n->ranks);
    *n = (struct vc_search_nodes){0};
}

/* Which ranks share a node, from each member's node. */
static bool make_hier(struct vc_search_comm *c, const int *node)
{
    int size = c->w.size, nodes = 0;
    int *mem = calloc(4 * (size_t)size + 1, sizeof *mem);
    if (!mem)
        return false;
    int *node_of = mem, *local_of = mem + size, *members = mem + 2 * size, *first = mem + 3 * size;
    for (int r = 0; r < size; r++) {
        int same = 0;
        while (node[same] != node[r])
            same++;
        node_of[r] = same == r ? nodes++ : node_of[same];
        for (int q = 0; q < r; q++)
            local_of[r] += node_of[q] == node_of[r];
        first[node_of[r] + 1]++;
    }
    bool uniform = true, block = true;
    for (int i = 0; i < nodes; i++)
        uniform = uniform && first[i + 1] == first[1];
    for (int i = 0; i < nodes; i++)
        first[i + 1] += first[i];
    for (int r = 0; r < size; r++) {
        members[first[node_of[r]] + local_of[r]] = r;
        block = block && (r == 0 || node_of[r] >= node_of[r - 1]);
    }
    c->hier_mem = mem;
    c->hier = (struct vc_hier){.nnodes = nodes,
                               .uniform = uniform,
                               .block = block,
                               .node_of = node_of,
                               .local_of = local_of,
                               .first = first,
                               .members = members};
    return true;
}

static bool read_keys(struct vc_search_comm *c)
{
    char text[1024];
    if (vcoll_comm_keys(&c->w.comm, text, sizeof text) != 0)
        return false;
    json_t *o = json_loads(text, 0, NULL);
    bool good = o && vc_topo_from_json(o, INT_MAX, &c->at);
    json_decref(o);
    return good;
}

/* The first collectives set a communicator up. Then vcoll says where it stands. */
static bool set_up(struct vc_search_comm *c)
{
    for (int i = 0; i < SETUP_CALLS && c->w.size > 1; i++) {
        c->w.fn[VC_IMPL_VCOLL].barrier(c->w.comm);
        if (vc_measure_all_agree(&c->w, read_keys(c)))
            return true;
    }
    return false;
}

/* On the members. */
static bool open_members(struct vc_measure_world *world, int node, struct vc_search_comm *c)
{
    struct vc_measure_world *w = &c->w;
    MPI_Comm_rank(w->comm, &w->rank);
    MPI_Comm_size(w->comm, &w->size);
    MPI_Comm_dup(w->comm, &w->ctl);
    w->fn = world->fn;
    w->control = world->control;
    w->opt = world->opt;
    vc_measure_seed(w, world->opt->seed, world->rank);
    bool ok = vc_measure_look_around(w);
    int *nodes = calloc((size_t)w->size, sizeof *nodes);
    if (vc_measure_all_agree(w, ok && nodes)) {
        w->control->allgather(&node, 1, MPI_INT, nodes, 1, MPI_INT, w->ctl);
        ok = vc_measure_all_agree(w, make_hier(c, nodes)) && set_up(c);
    } else {
        ok = false;
    }
    free(nodes);
    return ok;
}

bool vc_search_comm_open(struct vc_measure_world *world, bool member, int node, struct vc_search_comm *c)
{
    int first = member ? world->rank : world->size;
    *c = (struct vc_search_comm){.member = member};
    world->control->allreduce(&first, &c->first, 1, MPI_INT, MPI_MIN, world->ctl);
    MPI_Comm_split(world->ctl, member ? 0 : MPI_UNDEFINED, world->rank, &c->w.comm);
    if (vc_measure_all_agree(world, !member || open_members(world, node, c)))
        return true;
    vc_search_comm_close(c);
    return false;
}

void vc_search_comm_close(struct vc_search_comm *c)
{
    if (c->member) {
        vc_measure_close(&c->w);
        MPI_Comm_free(&c->w.comm);
    }
    free(c->hier_mem);
    *c = (struct vc_search_comm){.member = false};
}
