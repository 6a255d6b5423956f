/* SPDX-License-Identifier: BSD-3-Clause */
/* Communicators to measure on: the first ranks of the first nodes. World rank 0 is rank 0 of each of them. */
#include "tune/search/search.h"
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

/* Who shares a node with whom, from each member's node. */
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
    c->hier = (struct vc_hier){nodes, uniform, block, node_of, local_of, first, members};
    return true;
}

static bool read_keys(struct vc_search_comm *c)
{
    char text[1024];
    if (vcoll_comm_key(&c->w.comm, &c->key) != 0 || vcoll_comm_keys(&c->w.comm, text, sizeof text) != 0)
        return false;
    json_t *o = json_loads(text, 0, NULL);
    bool good = o && vc_topo_from_json(o, INT_MAX, &c->at);
    json_decref(o);
    return good;
}

/* The first collectives set a communicator up. Then vcoll says where it stands. */
static void set_up(struct vc_search_comm *c)
{
    for (int i = 0; i < SETUP_CALLS && c->w.size > 1; i++) {
        c->w.fn[VC_IMPL_VCOLL].barrier(c->w.comm);
        c->set_up = read_keys(c);
        if (vc_measure_all_agree(&c->w, c->set_up))
            return;
    }
    c->set_up = false;
}

/* On the members. */
static bool open_members(struct vc_measure_world *world, MPI_Comm comm, int node, struct vc_search_comm *c)
{
    struct vc_measure_world *w = &c->w;
    w->comm = comm;
    MPI_Comm_rank(comm, &w->rank);
    MPI_Comm_size(comm, &w->size);
    MPI_Comm_dup(comm, &w->ctl);
    w->fn = world->fn;
    w->control = world->control;
    w->opt = world->opt;
    w->rng = world->opt->seed;
    w->rng_local = world->opt->seed + 0x51ed27u * (uint64_t)(world->rank + 1);
    bool ok = vc_measure_look_around(w);
    int *nodes = calloc((size_t)w->size, sizeof *nodes);
    if (vc_measure_all_agree(w, ok && nodes)) {
        w->control->allgather(&node, 1, MPI_INT, nodes, 1, MPI_INT, w->ctl);
        ok = vc_measure_all_agree(w, make_hier(c, nodes));
    } else {
        ok = false;
    }
    free(nodes);
    if (ok)
        set_up(c);
    return ok && c->set_up;
}

bool vc_search_comm_open(struct vc_measure_world *world, int nodes, int ppn, struct vc_search_comm *c)
{
    struct vc_search_nodes n;
    MPI_Comm comm;
    *c = (struct vc_search_comm){.member = false};
    if (!vc_search_nodes(world, &n)) {
        vc_search_nodes_free(&n);
        return false;
    }
    int node = n.node[world->rank];
    c->member = nodes == 0 || (node < nodes && n.local[world->rank] < ppn);
    bool fits = nodes == 0 || nodes <= n.count;
    for (int i = 0; fits && i < nodes; i++)
        fits = n.ranks[i] >= ppn;
    vc_search_nodes_free(&n);
    if (!fits)
        return false;
    MPI_Comm_split(world->ctl, c->member ? 0 : MPI_UNDEFINED, world->rank, &comm);
    bool ok = !c->member || open_members(world, comm, node, c);
    if (vc_measure_all_agree(world, ok))
        return true;
    vc_search_comm_close(c);
    return false;
}

void vc_search_comm_close(struct vc_search_comm *c)
{
    if (c->member) {
        MPI_Comm_free(&c->w.host);
        MPI_Comm_free(&c->w.ctl);
        MPI_Comm_free(&c->w.comm);
    }
    free(c->w.leader);
    free(c->hier_mem);
    *c = (struct vc_search_comm){.member = false};
}
