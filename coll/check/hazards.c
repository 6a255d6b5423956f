/* SPDX-License-Identifier: BSD-3-Clause */
/* Hazards: steps of one rank that touch the same memory and wait neither for the other. */
#include "coll/check/internal.h"

#include <stdlib.h>
#include <string.h>

int vck_touches(const struct vck *c, int rank, const struct vc_step *s, struct vck_touch t[3])
{
    const struct vc_hier *h = c->shape->hier;
    struct vc_ref from = s->src, into = s->dst;
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
        from = vc_pieces_span(s->src, s->src_step, s->parts);
        into = vc_pieces_span(s->dst, s->dst_step, s->parts);
        src = from.len;
        dst = into.len;
        break;
    case VC_STEP_NODE:
        vck_node_lengths(s, vck_node_size(c, rank), h->local_of[rank], &src, &dst);
        dst_write = vc_phase_writes_dst(s->node, s->peer == h->local_of[rank]);
        break;
    }
    if (src) {
        size_t at = vck_addr(c, rank, from);
        t[n++] = (struct vck_touch){at, at + src, src_write};
    }
    if (dst) {
        size_t at = vck_addr(c, rank, into);
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
