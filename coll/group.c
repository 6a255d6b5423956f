/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/group.h"

struct vc_group vc_group_all(const struct vc_shape *shape, int rank)
{
    return (struct vc_group){.n = shape->size, .me = rank, .root_node = -1, .radix = shape->radix};
}

struct vc_group vc_group_of_local(const struct vc_shape *shape, int rank, int local)
{
    const struct vc_hier *h = shape->hier;
    return (struct vc_group){.n = h->nnodes,
                             .me = h->node_of[rank],
                             .hier = h,
                             .local = local,
                             .root_node = -1,
                             .radix = shape->radix};
}

struct vc_group vc_group_leaders(const struct vc_shape *shape, int rank, int root)
{
    struct vc_group g = vc_group_of_local(shape, rank, 0);
    if (root >= 0) {
        g.root_node = shape->hier->node_of[root];
        g.root = root;
    }
    return g;
}

struct vc_group vc_group_last(const struct vc_shape *shape, int rank)
{
    struct vc_group g = vc_group_of_local(shape, rank, 0);
    g.last = true;
    return g;
}

/*
 * More leaders share the copying and reducing in the node; each sends messages of its own, which the node's
 * device takes one after the other. By the cost model, for 16 and 256 nodes of 16 to 128 ranks at 100 Gbit/s,
 * these are within 10 % of the best number in most reductions.
 */
static int usual_leaders(size_t bytes)
{
    return bytes <= (size_t)32 << 10 ? 4 : bytes <= (size_t)256 << 10 ? 8 : 16;
}

static int host_of(const struct vc_hier *h, int node)
{
    return h->host_of ? h->host_of[node] : node;
}

bool vc_group_hosts(struct vc_plan *p, const struct vc_shape *shape, int rank, int root,
                    struct vc_host_groups *out)
{
    const struct vc_hier *h = shape->hier;
    if (!h->host_of) { /* each node is a host */
        out->across = vc_group_leaders(shape, rank, root);
        out->within = out->across;
        out->lead = 0;
        out->top = root < 0 ? 0 : out->across.root_node;
        size_t *own = vc_plan_array(p, 1);
        if (!own)
            return false;
        own[0] = (size_t)h->node_of[rank];
        out->is_leader = out->is_lead = rank == vc_group_rank(&out->across, out->across.me);
        out->within.n = 1;
        out->within.me = 0;
        out->within.root_node = out->across.root_node == h->node_of[rank] ? 0 : -1;
        out->within.nodes = own;
        return true;
    }
    size_t *within = vc_plan_array(p, (size_t)h->nnodes), *across = vc_plan_array(p, (size_t)h->nnodes);
    if (!within || !across)
        return false;
    int mine = h->node_of[rank], host = host_of(h, mine), root_node = root < 0 ? -1 : h->node_of[root];
    int root_host = root < 0 ? -1 : host_of(h, root_node);
    struct vc_group in = vc_group_leaders(shape, rank, root), between = in;
    in.n = between.n = out->lead = out->top = 0;
    in.root_node = between.root_node = -1;
    for (int node = 0; node < h->nnodes; node++) {
        int at = host_of(h, node);
        if (at == between.n) { /* the lowest node of the next host */
            across[between.n++] = (size_t)(at == root_host ? root_node : node);
            if (at == root_host)
                between.root_node = out->top = at;
        }
        if (at != host)
            continue;
        if (node == mine)
            in.me = in.n;
        if (node == root_node)
            in.root_node = out->lead = in.n;
        within[in.n++] = (size_t)node;
    }
    between.me = host;
    in.nodes = within;
    between.nodes = across;
    out->within = in;
    out->across = between;
    out->is_leader = rank == vc_group_rank(&in, in.me);
    out->is_lead = out->is_leader && in.me == out->lead;
    return true;
}

int vc_leaders(const struct vc_shape *shape)
{
    const struct vc_hier *h = shape->hier;
    int least = vc_hier_node_size(h, 0),
        leaders = shape->leaders ? shape->leaders : usual_leaders(shape->bytes);
    for (int i = 1; !h->uniform && i < h->nnodes; i++)
        if (vc_hier_node_size(h, i) < least)
            least = vc_hier_node_size(h, i);
    return leaders < least ? leaders : least;
}

bool vc_group_blocks(struct vc_plan *p, const struct vc_shape *shape, int node, struct vc_grouped *out)
{
    const struct vc_hier *h = shape->hier;
    size_t *nodes = vc_plan_array(p, (size_t)h->nnodes + 1);
    size_t *local = vc_plan_array(p, (size_t)vc_hier_node_size(h, node) + 1);
    if (!nodes || !local)
        return false;
    for (int i = 0; i < h->nnodes; i++) {
        nodes[i + 1] = nodes[i];
        for (int l = 0; l < vc_hier_node_size(h, i); l++) {
            nodes[i + 1] += vc_shape_block(shape, vc_hier_rank(h, i, l));
            if (i == node)
                local[l + 1] = nodes[i + 1] - nodes[i];
        }
    }
    *out = (struct vc_grouped){nodes, local};
    return true;
}

static bool adjacent(struct vc_ref a, struct vc_ref b)
{
    return a.buf == b.buf && a.off + a.len == b.off;
}

/* Whether a piece is the next of a row of them, or makes one with the only one that there is. */
static bool continues(struct vc_copier *c, struct vc_ref src, struct vc_ref dst)
{
    ptrdiff_t from = (ptrdiff_t)(src.off - c->src.off), into = (ptrdiff_t)(dst.off - c->dst.off);
    if (!c->rows || src.len != c->src.len || dst.len != c->dst.len || src.buf != c->src.buf ||
        dst.buf != c->dst.buf || src.buf > VC_BUF_TMP || dst.buf > VC_BUF_TMP)
        return false;
    if (c->pieces > 1)
        return from == c->pieces * c->src_step && into == c->pieces * c->dst_step;
    if ((size_t)(from < 0 ? -from : from) < src.len || (size_t)(into < 0 ? -into : into) < dst.len)
        return false;
    c->src_step = from;
    c->dst_step = into;
    c->pieces = 1;
    return true;
}

void vc_copier_add(struct vc_copier *c, struct vc_ref src, struct vc_ref dst)
{
    if (c->src.len && c->pieces < 2 && adjacent(c->src, src) && adjacent(c->dst, dst)) {
        c->src.len += src.len;
        c->dst.len += dst.len;
        return;
    }
    if (c->src.len && continues(c, src, dst)) {
        c->pieces++;
        return;
    }
    vc_copier_flush(c);
    c->src = src;
    c->dst = dst;
}

void vc_copier_flush(struct vc_copier *c)
{
    if (c->src.len)
        vc_plan_copy_pieces(c->plan, c->pieces, c->src, c->src_step, c->dst, c->dst_step, c->reads);
    c->src.len = c->dst.len = 0;
    c->pieces = 0;
}

void vc_copy_grouped(struct vc_plan *p, const struct vc_shape *shape, struct vc_ref ranks,
                     struct vc_ref grouped)
{
    struct vc_copier c = {.plan = p};
    size_t at = 0;
    for (int i = 0; i < shape->size; i++) {
        int r = shape->hier->members[i];
        size_t b = vc_shape_block(shape, r);
        if (b)
            vc_copier_add(&c, vc_ref_sub(ranks, vc_shape_at(shape, r), b), vc_ref_sub(grouped, at, b));
        at += b;
    }
    vc_copier_flush(&c);
}

void vc_copy_ungrouped(struct vc_plan *p, const struct vc_shape *shape, struct vc_ref grouped,
                       struct vc_ref ranks)
{
    struct vc_copier c = {.plan = p};
    size_t at = 0;
    for (int i = 0; i < shape->size; i++) {
        int r = shape->hier->members[i];
        size_t b = vc_shape_block(shape, r);
        if (b)
            vc_copier_add(&c, vc_ref_sub(grouped, at, b), vc_ref_sub(ranks, vc_shape_at(shape, r), b));
        at += b;
    }
    vc_copier_flush(&c);
}

void vc_x_node_bcast(struct vc_plan *p, const struct vc_shape *shape, int rank, int root, struct vc_ref ref)
{
    if (ref.len && vc_hier_node_size(shape->hier, shape->hier->node_of[rank]) > 1)
        vc_plan_node(p, VC_PHASE_BCAST, root, 0, ref.len, VC_NOTHING, ref);
}

/* Shorter messages are away before another one's end could be known. */
#define TAKES_TURNS 16384

int vc_x_send_next(struct vc_plan *p, int peer, struct vc_ref msg, int before)
{
    int step = vc_plan_send(p, peer, msg);
    if (msg.len >= TAKES_TURNS)
        vc_plan_after(p, step, before);
    return step;
}
