/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be checked without running: references, lengths of node phases, partners of messages, hazards. */
#include "coll/check/internal.h"
#include "coll/info.h"
#include "transport/base.h"

#include <stdlib.h>
#include <string.h>

static size_t gcd(size_t a, size_t b)
{
    while (b) {
        size_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static bool is_reduction(const struct vck *c)
{
    return vc_coll_reduces(c->shape->coll);
}

static size_t side_of(const struct vc_shape *s, struct vc_side side, bool sends, int rank)
{
    if (side.root_only && rank != s->root)
        return 0;
    return s->pairs ? (sends ? vc_shape_sent_below : vc_shape_received_below)(s, rank, s->size)
                    : vc_shape_side(s, side, rank);
}

/* Lengths and places of a rank's buffers. */
static void layout(struct vck *c, int rank)
{
    const struct vc_shape *s = c->shape;
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    struct vck_rank *k = &c->ranks[rank];
    k->send_len = side_of(s, info->send, true, rank);
    k->recv_len = side_of(s, info->recv, false, rank);
    bool alias = c->alias && info->in_place != VC_IN_PLACE_NEVER && k->send_len && k->recv_len;
    size_t own = vc_shape_at(s, rank);
    k->recv_at = alias && info->in_place == VC_IN_PLACE_IN_SEND ? own : 0;
    k->send_at = !alias ? k->recv_len : info->in_place == VC_IN_PLACE_OWN_BLOCK ? own : 0;
    k->tmp_at = !alias ? k->recv_len + k->send_len : k->recv_len > k->send_len ? k->recv_len : k->send_len;
    k->end = k->tmp_at + c->plans[rank].tmp_bytes;
}

static bool check_ref(struct vck *c, int rank, int step, struct vc_ref ref, bool write, const char *which)
{
    static const char *const names[] = {"nothing", "SEND", "RECV", "TMP"};
    const struct vck_rank *k = &c->ranks[rank];
    if (ref.len == 0)
        return true;
    size_t have = 0;
    switch (ref.buf) {
    case VC_BUF_SEND:
        have = k->send_len;
        break;
    case VC_BUF_RECV:
        have = k->recv_len;
        break;
    case VC_BUF_TMP:
        have = c->plans[rank].tmp_bytes;
        break;
    default:
        break;
    }
    if ((unsigned)ref.buf > VC_BUF_TMP || ref.off > have || ref.len > have - ref.off)
        return vck_fail(c, rank, step, "%s is bytes %zu..%zu of %s, which has %zu", which, ref.off,
                        ref.off + ref.len, (unsigned)ref.buf > VC_BUF_TMP ? "?" : names[ref.buf], have);
    if (write && ref.buf == VC_BUF_SEND)
        return vck_fail(c, rank, step, "writes SEND at byte %zu", ref.off);
    return true;
}

static bool overlap(const struct vck *c, int rank, struct vc_ref a, struct vc_ref b)
{
    size_t x = vck_addr(c, rank, a), y = vck_addr(c, rank, b);
    return a.len && b.len && x < y + b.len && y < x + a.len;
}

static bool check_two(struct vck *c, int rank, int step, const struct vc_step *s, bool same_allowed)
{
    if (s->src.len != s->dst.len)
        return vck_fail(c, rank, step, "source has %zu bytes, destination %zu", s->src.len, s->dst.len);
    if (!check_ref(c, rank, step, s->src, s->kind == VC_STEP_RECV_REDUCE, "source") ||
        !check_ref(c, rank, step, s->dst, true, "destination"))
        return false;
    bool same = vck_addr(c, rank, s->src) == vck_addr(c, rank, s->dst);
    if (overlap(c, rank, s->src, s->dst) && !(same && same_allowed))
        return vck_fail(c, rank, step, "source and destination overlap at byte %zu", s->dst.off);
    if (s->kind != VC_STEP_COPY && !is_reduction(c))
        return vck_fail(c, rank, step, "reduces in a collective that has no operator");
    if (s->kind != VC_STEP_COPY && s->dst.len % c->shape->esize)
        return vck_fail(c, rank, step, "%zu bytes are not whole elements", s->dst.len);
    return true;
}

/* Lengths of src and dst that a node phase needs on a rank; 0: not looked at. */
static void node_lengths(const struct vc_step *s, int q, int l, size_t *src, size_t *dst)
{
    const struct vc_phase_info *i = &vc_phase_info[s->node];
    bool root = s->peer == l;
    *src = vc_phase_has_src(s->node, root) ? vc_phase_side(i->src, s->len, s->at, q, l) : 0;
    *dst = vc_phase_has_dst(s->node, root) ? vc_phase_side(i->dst, s->len, s->at, q, l) : 0;
}

/* The blocks of a phase of unequal ones: ascending from 0, the longest as long as the phase says. */
static bool check_blocks(struct vck *c, int rank, int step, const struct vc_step *s, int q)
{
    size_t longest = 0;
    if (s->node == VC_PHASE_ALLTOALLV)
        return vck_fail(c, rank, step, "a phase whose sizes only pairs know has no place in a plan");
    if (!vc_phase_info[s->node].uneven)
        return !s->at || vck_fail(c, rank, step, "has blocks of its own, which this kind has not");
    if (!s->at || s->at[0] != 0)
        return vck_fail(c, rank, step, "has no blocks that begin at 0");
    for (int l = 0; l < q; l++) {
        if (s->at[l + 1] < s->at[l])
            return vck_fail(c, rank, step, "block %d ends before it begins", l);
        longest = s->at[l + 1] - s->at[l] > longest ? s->at[l + 1] - s->at[l] : longest;
    }
    return longest == s->len ||
           vck_fail(c, rank, step, "says %zu bytes where its longest block has %zu", s->len, longest);
}

static bool check_node(struct vck *c, int rank, int step, const struct vc_step *s)
{
    const struct vc_hier *h = c->shape->hier;
    int q = vc_hier_node_size(h, h->node_of[rank]), l = h->local_of[rank];
    size_t src, dst;
    if (c->alg->restrictions & VC_PLACEMENT_FREE)
        return vck_fail(c, rank, step, "an algorithm that claims VC_PLACEMENT_FREE has a node phase");
    if ((unsigned)s->node >= VC_PHASE_COUNT)
        return vck_fail(c, rank, step, "unknown node phase %d", (int)s->node);
    const struct vc_phase_info *i = &vc_phase_info[s->node];
    bool sliced = vc_phase_sliced(s->node);
    if (vc_phase_rooted(s->node) && (s->peer < 0 || s->peer >= q))
        return vck_fail(c, rank, step, "root %d of a node of %d ranks", s->peer, q);
    if (sliced && (s->parts < 1 || s->parts > q))
        return vck_fail(c, rank, step, "%d slices on a node of %d ranks", s->parts, q);
    if (i->reduces && !is_reduction(c))
        return vck_fail(c, rank, step, "reduces in a collective that has no operator");
    if (is_reduction(c) && (i->reduces || sliced) && s->len % c->shape->esize)
        return vck_fail(c, rank, step, "%zu bytes are not whole elements", s->len);
    if (!check_blocks(c, rank, step, s, q))
        return false;
    node_lengths(s, q, l, &src, &dst);
    if (src && s->src.len != src)
        return vck_fail(c, rank, step, "source has %zu bytes instead of %zu", s->src.len, src);
    if (dst && s->dst.len != dst)
        return vck_fail(c, rank, step, "destination has %zu bytes instead of %zu", s->dst.len, dst);
    bool writes = vc_phase_writes_dst(s->node, s->peer == l);
    if ((src && !check_ref(c, rank, step, s->src, false, "source")) ||
        (dst && !check_ref(c, rank, step, s->dst, writes, "destination")))
        return false;
    if (src && dst && overlap(c, rank, s->src, s->dst)) {
        size_t x = vck_addr(c, rank, s->src), y = vck_addr(c, rank, s->dst),
               own = s->at ? s->at[l] : s->len * (size_t)l;
        bool blocks = i->src == VC_EXTENT_ONE && i->dst == VC_EXTENT_EACH;
        bool from_blocks = i->src == VC_EXTENT_EACH && i->dst == VC_EXTENT_ONE;
        bool apart = (i->uneven && blocks) || (from_blocks && i->reduces);
        bool in_place =
            (x == y && !apart) || (blocks && x == y + own) || (from_blocks && !i->reduces && y == x + own);
        if (!in_place)
            return vck_fail(c, rank, step, "source and destination overlap at byte %zu", s->dst.off);
    }
    return true;
}

static bool check_step(struct vck *c, int rank, int step)
{
    const struct vc_plan *p = &c->plans[rank];
    const struct vc_step *s = &p->steps[step];
    if (s->dep_first < 0 || s->dep_count < 0 || s->dep_first + s->dep_count > p->ndeps)
        return vck_fail(c, rank, step, "its dependencies lie outside the plan");
    for (int i = 0; i < s->dep_count; i++) {
        int d = p->deps[s->dep_first + i];
        if (d < 0 || d >= step)
            return vck_fail(c, rank, step, "depends on step %d, which is not an earlier one", d);
    }
    if (s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE) {
        if (s->peer < 0 || s->peer >= c->shape->size || s->peer == rank)
            return vck_fail(c, rank, step, "peer %d is no other rank", s->peer);
    }
    switch (s->kind) {
    case VC_STEP_SEND:
        return check_ref(c, rank, step, s->src, false, "source");
    case VC_STEP_RECV:
        return check_ref(c, rank, step, s->dst, true, "destination");
    case VC_STEP_RECV_REDUCE:
    case VC_STEP_REDUCE:
        return check_two(c, rank, step, s, false);
    case VC_STEP_COPY:
        return check_two(c, rank, step, s, true);
    case VC_STEP_NODE:
        return check_node(c, rank, step, s);
    }
    return vck_fail(c, rank, step, "unknown kind of step");
}

/* Ranks of the rank's node. */
static int node_of(const struct vck *c, int rank)
{
    return vc_hier_node_size(c->shape->hier, c->shape->hier->node_of[rank]);
}

static bool same_blocks(const struct vc_step *s, const struct vc_step *t, int q)
{
    if (!s->at || !t->at)
        return s->at == t->at;
    return memcmp(s->at, t->at, ((size_t)q + 1) * sizeof *s->at) == 0;
}

bool vck_static(struct vck *c)
{
    size_t g = is_reduction(c)                        ? gcd(c->shape->bytes, c->shape->esize)
               : c->shape->offsets || c->shape->pairs ? 0
                                                      : c->shape->bytes;
    for (int i = 0; c->shape->pairs && i < c->shape->size * c->shape->size; i++)
        g = gcd(g, c->shape->pairs[i]);
    for (int r = 0; c->shape->offsets && r < c->shape->size; r++)
        g = gcd(g, vc_shape_block(c->shape, r));
    if (is_reduction(c) && (c->shape->esize == 0 || c->shape->bytes % c->shape->esize))
        return vck_fail(c, -1, -1, "the shape has %zu bytes of %zu-byte elements", c->shape->bytes,
                        c->shape->esize);
    size_t cells = 0;
    for (int r = 0; r < c->shape->size; r++) {
        layout(c, r);
        g = gcd(g, c->plans[r].tmp_bytes);
        for (int i = 0; i < c->plans[r].nsteps; i++) {
            const struct vc_step *s = &c->plans[r].steps[i];
            if (!check_step(c, r, i))
                return false;
            g = gcd(gcd(gcd(g, s->src.off), gcd(s->src.len, s->dst.off)), s->dst.len);
            for (int l = 0; s->kind == VC_STEP_NODE && s->at && l < node_of(c, r); l++)
                g = gcd(g, s->at[l + 1]);
            if (s->kind == VC_STEP_NODE)
                g = s->node == VC_PHASE_ALLGATHER_SLICES && !is_reduction(c) ? 1 : gcd(g, s->len);
        }
    }
    c->grain = g ? g : 1;
    for (int r = 0; r < c->shape->size; r++) {
        c->ranks[r].first_cell = cells;
        cells += c->ranks[r].end / c->grain;
    }
    return true;
}

/* ---- partners ---- */

static bool is_recv(const struct vc_step *s)
{
    return s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE;
}

/* The node phases of a node's ranks must be those of its first rank. */
static bool match_nodes(struct vck *c)
{
    const struct vc_hier *h = c->shape->hier;
    for (int r = 0; r < c->shape->size; r++) {
        int first = vc_hier_rank(h, h->node_of[r], 0);
        const struct vck_rank *a = &c->ranks[first], *b = &c->ranks[r];
        for (int k = 0; k < a->nnode || k < b->nnode; k++) {
            if (k >= b->nnode)
                return vck_fail(c, first, c->node_steps[a->first_node + k] - a->first_step,
                                "rank %d of the same node has only %d node phases", r, k);
            int i = c->node_steps[b->first_node + k] - b->first_step;
            if (k >= a->nnode)
                return vck_fail(c, r, i, "rank %d of the same node has only %d node phases", first, k);
            int j = c->node_steps[a->first_node + k] - a->first_step;
            const struct vc_step *s = &c->plans[r].steps[i], *t = &c->plans[first].steps[j];
            if (s->node != t->node || s->peer != t->peer || s->parts != t->parts || s->len != t->len ||
                !same_blocks(s, t, node_of(c, r)))
                return vck_fail(
                    c, r, i,
                    "kind, root, parts, length or blocks differ from step %d of rank %d of the same node", j,
                    first);
        }
    }
    return true;
}

/* The k-th send of a pair meets its k-th receive. */
bool vck_match(struct vck *c)
{
    int size = c->shape->size;
    size_t pairs = (size_t)size * (size_t)size;
    int *last_send = malloc(pairs * sizeof(int)), *last_recv = malloc(pairs * sizeof(int));
    int *head = malloc(pairs * sizeof(int));
    bool good = false;
    if (!last_send || !last_recv || !head) {
        vck_nomem(c);
        goto out;
    }
    memset(last_send, 0xff, pairs * sizeof(int));
    memset(last_recv, 0xff, pairs * sizeof(int));
    memset(head, 0xff, pairs * sizeof(int));
    for (int g = 0; g < c->nsteps; g++) {
        const struct vc_step *s = vck_step(c, g);
        if (s->kind != VC_STEP_SEND)
            continue;
        size_t pair = (size_t)c->owner[g] * (size_t)size + (size_t)s->peer;
        c->prev[g] = last_send[pair];
        if (last_send[pair] >= 0)
            c->next[last_send[pair]] = g;
        else
            head[pair] = g;
        last_send[pair] = g;
    }
    for (int g = 0; g < c->nsteps; g++) {
        const struct vc_step *s = vck_step(c, g);
        if (!is_recv(s))
            continue;
        int r = c->owner[g];
        size_t pair = (size_t)s->peer * (size_t)size + (size_t)r;
        c->prev[g] = last_recv[pair];
        if (last_recv[pair] >= 0)
            c->next[last_recv[pair]] = g;
        last_recv[pair] = g;
        int send = head[pair];
        if (send < 0) {
            vck_fail(c, r, g - c->ranks[r].first_step, "no send of rank %d is left for it", s->peer);
            goto out;
        }
        head[pair] = c->next[send];
        c->partner[g] = send;
        c->partner[send] = g;
        size_t len = vck_step(c, send)->src.len;
        if (len != s->dst.len) {
            vck_fail(c, r, g - c->ranks[r].first_step, "expects %zu bytes, but step %d of rank %d sends %zu",
                     s->dst.len, send - c->ranks[s->peer].first_step, s->peer, len);
            goto out;
        }
    }
    for (int g = 0; g < c->nsteps; g++)
        if (vck_step(c, g)->kind == VC_STEP_SEND && c->partner[g] < 0) {
            int r = c->owner[g];
            vck_fail(c, r, g - c->ranks[r].first_step, "rank %d has no receive for it", vck_step(c, g)->peer);
            goto out;
        }
    good = match_nodes(c);
out:
    free(last_send);
    free(last_recv);
    free(head);
    return good;
}

/* ---- hazards ---- */

int vck_touches(const struct vck *c, int rank, const struct vc_step *s, struct vck_touch t[3])
{
    const struct vc_hier *h = c->shape->hier;
    size_t src = 0, dst = 0;
    bool src_write = false, dst_write = true;
    int n = 0;
    switch (s->kind) {
    case VC_STEP_SEND:
        src = s->src.len;
        break;
    case VC_STEP_RECV:
        dst = s->dst.len;
        break;
    case VC_STEP_RECV_REDUCE:
        src_write = true;
        src = s->src.len;
        dst = s->dst.len;
        break;
    case VC_STEP_COPY:
    case VC_STEP_REDUCE:
        src = s->src.len;
        dst = s->dst.len;
        break;
    case VC_STEP_NODE:
        node_lengths(s, node_of(c, rank), h->local_of[rank], &src, &dst);
        dst_write = vc_phase_writes_dst(s->node, s->peer == h->local_of[rank]);
        break;
    }
    if (src) {
        size_t at = vck_addr(c, rank, s->src);
        t[n++] = (struct vck_touch){at, at + src, src_write};
    }
    if (dst) {
        size_t at = vck_addr(c, rank, s->dst);
        t[n++] = (struct vck_touch){at, at + dst, dst_write};
    }
    return n;
}

/* The steps that used a cell: the last one that wrote it, and those that read it since (a list of links). */
struct use {
    int writer, readers;
};
struct link {
    int step, next;
};

struct hazards {
    uint64_t *before; /* [step * words]: the steps that are over before a step begins */
    size_t words;
    struct use *uses;
    struct link *links;
    int nlinks, cap_links;
};

static bool is_ordered(struct vck *c, struct hazards *h, int rank, int i, int j, size_t cell)
{
    char name[64];
    if (j < 0 || j == i || h->before[(size_t)i * h->words + (size_t)j / 64] >> (j % 64) & 1)
        return true;
    const struct vck_rank *k = &c->ranks[rank];
    size_t at = cell * c->grain;
    bool tmp = at >= k->tmp_at, recv = at >= k->recv_at && at < k->recv_at + k->recv_len;
    return vck_fail(c, rank, i, "hazard: not ordered after step %d (%s), but both touch byte %zu of %s", j,
                    vck_step_text(&c->plans[rank].steps[j], name, sizeof name), at - (tmp ? k->tmp_at : 0),
                    tmp    ? "TMP"
                    : recv ? "RECV"
                           : "SEND");
}

static bool record_use(struct vck *c, struct hazards *h, int rank, int step, const struct vck_touch *t)
{
    int ordered = -1; /* a writer known to come before */
    for (size_t cell = t->lo / c->grain; cell < t->hi / c->grain; cell++) {
        struct use *u = &h->uses[cell];
        if (u->writer != ordered && !is_ordered(c, h, rank, step, u->writer, cell))
            return false;
        ordered = u->writer;
        if (t->write) {
            for (int l = u->readers; l >= 0; l = h->links[l].next)
                if (!is_ordered(c, h, rank, step, h->links[l].step, cell))
                    return false;
            *u = (struct use){step, -1};
            continue;
        }
        if (h->nlinks == h->cap_links) {
            int cap = h->cap_links ? 2 * h->cap_links : 1024;
            struct link *more = realloc(h->links, (size_t)cap * sizeof *more);
            if (!more)
                return vck_nomem(c);
            h->links = more;
            h->cap_links = cap;
        }
        h->links[h->nlinks] = (struct link){step, u->readers};
        u->readers = h->nlinks++;
    }
    return true;
}

/* Steps only wait for earlier ones, so it is enough to compare each with those that used a cell last. */
static bool hazards_of(struct vck *c, struct hazards *h, int rank)
{
    const struct vc_plan *p = &c->plans[rank];
    int last_node = -1;
    struct vck_touch t[3];
    size_t words = h->words = ((size_t)p->nsteps + 63) / 64;
    memset(h->before, 0, (size_t)p->nsteps * words * sizeof *h->before);
    memset(h->uses, 0xff, c->ranks[rank].end / c->grain * sizeof *h->uses);
    h->nlinks = 0;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *s = &p->steps[i];
        uint64_t *mine = h->before + (size_t)i * words;
        for (int k = 0; k <= s->dep_count; k++) {
            /* Node phases also wait for each other. */
            int d = k < s->dep_count ? p->deps[s->dep_first + k] : s->kind == VC_STEP_NODE ? last_node : -1;
            if (d < 0)
                continue;
            for (size_t w = 0; w <= (size_t)d / 64; w++)
                mine[w] |= h->before[(size_t)d * words + w];
            mine[d / 64] |= UINT64_C(1) << (d % 64);
        }
        if (s->kind == VC_STEP_NODE)
            last_node = i;
        int n = vck_touches(c, rank, s, t);
        for (int k = 0; k < n; k++)
            if (!record_use(c, h, rank, i, &t[k]))
                return false;
    }
    return true;
}

bool vck_hazards(struct vck *c)
{
    size_t steps = 0, cells = 0;
    for (int r = 0; r < c->shape->size; r++) {
        if ((size_t)c->plans[r].nsteps > steps)
            steps = (size_t)c->plans[r].nsteps;
        if (c->ranks[r].end / c->grain > cells)
            cells = c->ranks[r].end / c->grain;
    }
    struct hazards h = {0};
    h.before = malloc((steps + 1) * ((steps + 63) / 64 + 1) * sizeof *h.before);
    h.uses = malloc((cells + 1) * sizeof *h.uses);
    bool good = (h.before && h.uses) || vck_nomem(c);
    for (int r = 0; good && r < c->shape->size; r++)
        good = hazards_of(c, &h, r);
    free(h.before);
    free(h.uses);
    free(h.links);
    return good;
}
