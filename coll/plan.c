/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/plan.h"

#include "coll/info.h"
#include "transport/base.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Where a use lies. SEND is mapped into RECV's space; with VC_ALIAS_NEVER its uses need no record. */
enum space { SPACE_RECV, SPACE_TMP, SPACES };

/* The bytes from `lo` to the next extent's. */
struct extent {
    size_t lo;
    int writer;  /* the last step that wrote them, or -1 */
    int readers; /* the steps that read them since: first link of a list, or -1 */
};

/* Links are never changed, so that the two halves of an extent can share a list. */
struct link {
    int step, next;
};

struct vc_uses {
    struct {
        struct extent *e; /* ascending; the first begins at 0, the last has no end */
        int n, cap;
    } space[SPACES];
    struct link *links;
    int nlinks, cap_links;
    int *waits; /* [cap_waits] per step 1 + the last step that was found to wait for it already */
    int cap_waits;
};

void vc_plan_init(struct vc_plan *p)
{
    memset(p, 0, sizeof *p);
    p->alias = VC_ALIAS_ANYWHERE;
    p->local = -1;
    p->fence = -1;
}

void vc_plan_begin(struct vc_plan *p, const struct vc_shape *shape, int rank)
{
    vc_plan_init(p);
    p->local = shape->hier->local_of[rank];
    enum vc_in_place in_place = vc_coll_info[shape->coll].in_place;
    bool apart = in_place == VC_IN_PLACE_NEVER || in_place == VC_IN_PLACE_IN_SEND;
    p->alias = apart ? VC_ALIAS_NEVER : VC_ALIAS_AT;
    if (in_place == VC_IN_PLACE_OWN_BLOCK)
        p->send_at = vc_shape_at(shape, rank);
}

static void place_block(struct vc_ref *ref, const struct vc_shape *s, int rank)
{
    int other = (int)ref->off;
    if (ref->buf == VC_BUF_SEND_BLOCK)
        *ref = vc_ref_of(VC_BUF_SEND, vc_shape_sent_below(s, rank, other), vc_shape_pair(s, rank, other));
    else if (ref->buf == VC_BUF_RECV_BLOCK)
        *ref = vc_ref_of(VC_BUF_RECV, vc_shape_received_below(s, rank, other), vc_shape_pair(s, other, rank));
}

void vc_plan_place_blocks(struct vc_plan *p, const struct vc_shape *shape, int rank)
{
    for (int i = 0; i < p->nsteps; i++) {
        place_block(&p->steps[i].src, shape, rank);
        place_block(&p->steps[i].dst, shape, rank);
    }
}

static void free_uses(struct vc_plan *p)
{
    if (!p->uses)
        return;
    for (int i = 0; i < SPACES; i++)
        free(p->uses->space[i].e);
    free(p->uses->links);
    free(p->uses->waits);
    free(p->uses);
    p->uses = NULL;
}

void vc_plan_free(struct vc_plan *p)
{
    free(p->steps);
    free(p->deps);
    for (int i = 0; i < p->nowned; i++)
        free(p->owned[i]);
    free(p->owned);
    free_uses(p);
    vc_plan_init(p);
}

int vc_plan_finish(struct vc_plan *p)
{
    free_uses(p);
    if (p->failed) {
        vc_plan_free(p);
        return vc_fail(VC_ERR_NOMEM, "out of memory while planning a collective");
    }
    return VC_OK;
}

struct vc_ref vc_plan_tmp(struct vc_plan *p, size_t len)
{
    struct vc_ref r = vc_ref_of(VC_BUF_TMP, p->tmp_bytes, len);
    p->tmp_bytes += vc_round_up(len, VC_CACHELINE);
    return r;
}

/* Room for one more element of an array; false, and the plan failed, when there is none. */
static bool grow(struct vc_plan *p, void *array, int n, int *cap, size_t each)
{
    void *old, *grown;
    if (n < *cap)
        return true;
    int want = *cap ? *cap * 2 : 16;
    memcpy(&old, array, sizeof old);
    grown = realloc(old, (size_t)want * each);
    if (!grown) {
        p->failed = true;
        return false;
    }
    memcpy(array, &grown, sizeof grown);
    *cap = want;
    return true;
}

static struct vc_uses *uses_of(struct vc_plan *p)
{
    if (!p->uses && !(p->uses = calloc(1, sizeof *p->uses)))
        p->failed = true;
    return p->uses;
}

/* p->uses->waits, with room for all steps; NULL, and the plan failed, when there is no memory. */
static int *waits_of(struct vc_plan *p)
{
    struct vc_uses *u = uses_of(p);
    if (!u || u->cap_waits >= p->nsteps)
        return u ? u->waits : NULL;
    int *grown = realloc(u->waits, (size_t)p->cap_steps * sizeof *grown);
    if (!grown) {
        p->failed = true;
        return NULL;
    }
    memset(grown + u->cap_waits, 0, (size_t)(p->cap_steps - u->cap_waits) * sizeof *grown);
    u->waits = grown;
    u->cap_waits = p->cap_steps;
    return grown;
}

/* Makes `s`, the last step, wait for `earlier`, unless a dependency of s is that step or waits for it. */
static void add_dep(struct vc_plan *p, struct vc_step *s, int earlier)
{
    int *waits = waits_of(p), me = p->nsteps;
    if (!waits || waits[earlier] == me || !grow(p, &p->deps, p->ndeps, &p->cap_deps, sizeof *p->deps))
        return;
    const struct vc_step *e = &p->steps[earlier];
    waits[earlier] = me;
    for (int i = 0; i < e->dep_count; i++)
        waits[p->deps[e->dep_first + i]] = me;
    p->deps[p->ndeps++] = earlier;
    s->dep_count++;
}

/* The extent that holds byte `at`. */
static int extent_at(const struct extent *e, int n, size_t at)
{
    int low = 0, high = n;
    while (high - low > 1) {
        int mid = (low + high) / 2;
        if (e[mid].lo <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* Makes an extent begin at `at`; returns its index, or -1 when out of memory. */
static int begin_extent(struct vc_plan *p, enum space space, size_t at)
{
    struct vc_uses *u = p->uses;
    if (!grow(p, &u->space[space].e, u->space[space].n, &u->space[space].cap, sizeof(struct extent)))
        return -1;
    struct extent *e = u->space[space].e;
    if (u->space[space].n == 0) {
        e[0] = (struct extent){0, -1, -1};
        u->space[space].n = 1;
        return begin_extent(p, space, at);
    }
    int i = extent_at(e, u->space[space].n, at);
    if (e[i].lo == at)
        return i;
    memmove(e + i + 2, e + i + 1, (size_t)(u->space[space].n - i - 1) * sizeof *e);
    e[i + 1] = e[i];
    e[i + 1].lo = at;
    u->space[space].n++;
    return i + 1;
}

static bool add_reader(struct vc_plan *p, struct extent *e, int step)
{
    struct vc_uses *u = p->uses;
    if (!grow(p, &u->links, u->nlinks, &u->cap_links, sizeof *u->links))
        return false;
    u->links[u->nlinks] = (struct link){step, e->readers};
    e->readers = u->nlinks++;
    return true;
}

/*
 * Makes `step`, the last one, wait for the steps that conflict with its use of `ref`, and records the use.
 * For each byte it is enough to know the step that wrote it last and those that read it since: these wait for
 * all earlier ones.
 */
static void record_use(struct vc_plan *p, int step, struct vc_ref ref, bool write)
{
    if (p->failed || ref.buf == VC_BUF_NONE || ref.len == 0)
        return;
    /* Nothing writes SEND, where it does not lie in RECV. */
    if (ref.buf == VC_BUF_SEND && p->alias == VC_ALIAS_NEVER)
        return;
    if (!uses_of(p))
        return;
    size_t lo = ref.off, hi = ref.off + ref.len;
    enum space space = SPACE_RECV;
    if (ref.buf == VC_BUF_TMP) {
        space = SPACE_TMP;
    } else if (ref.buf == VC_BUF_SEND && p->alias == VC_ALIAS_AT) {
        lo += p->send_at;
        hi += p->send_at;
    } else if (ref.buf == VC_BUF_SEND) {
        lo = 0;
        hi = SIZE_MAX;
    }
    int from = begin_extent(p, space, lo), to = from < 0 ? -1 : begin_extent(p, space, hi);
    if (to < 0)
        return;
    struct extent *e = p->uses->space[space].e;
    struct vc_step *s = &p->steps[step];
    for (int i = from; i < to; i++) {
        if (write)
            for (int l = e[i].readers; l >= 0; l = p->uses->links[l].next)
                if (p->uses->links[l].step != step)
                    add_dep(p, s, p->uses->links[l].step);
        if (e[i].writer >= 0 && e[i].writer != step)
            add_dep(p, s, e[i].writer);
        if (!write && !add_reader(p, &e[i], step))
            return;
    }
    if (!write)
        return;
    e[from] = (struct extent){lo, step, -1};
    memmove(e + from + 1, e + to, (size_t)(p->uses->space[space].n - to) * sizeof *e);
    p->uses->space[space].n -= to - from - 1;
}

static const struct vc_ref nothing = {VC_BUF_NONE, 0, 0};

static int append(struct vc_plan *p, enum vc_step_kind kind, int peer, struct vc_ref src, struct vc_ref dst)
{
    if (p->failed || !grow(p, &p->steps, p->nsteps, &p->cap_steps, sizeof *p->steps))
        return 0;
    p->steps[p->nsteps] =
        (struct vc_step){.kind = kind, .peer = peer, .src = src, .dst = dst, .dep_first = p->ndeps};
    int s = p->nsteps++;
    if (p->fence >= 0)
        add_dep(p, &p->steps[s], p->fence);
    return s;
}

int vc_plan_send(struct vc_plan *p, int peer, struct vc_ref src)
{
    int s = append(p, VC_STEP_SEND, peer, src, nothing);
    record_use(p, s, src, false);
    return s;
}

int vc_plan_recv(struct vc_plan *p, int peer, struct vc_ref dst)
{
    int s = append(p, VC_STEP_RECV, peer, nothing, dst);
    record_use(p, s, dst, true);
    return s;
}

int vc_plan_recv_reduce(struct vc_plan *p, int peer, struct vc_ref dst, bool dst_left)
{
    int s = append(p, VC_STEP_RECV_REDUCE, peer, nothing, dst);
    record_use(p, s, dst, true);
    if (p->failed)
        return 0;
    struct vc_step *st = &p->steps[s];
    st->dst_left = dst_left;
    /* Takes the scratch of a step that this one waits for anyway, if there is one: that adds no waiting.
     */
    int again = -1;
    for (int i = 0; i < st->dep_count; i++) {
        int d = p->deps[st->dep_first + i];
        if (d > again && p->steps[d].kind == VC_STEP_RECV_REDUCE && p->steps[d].src.len >= dst.len)
            again = d;
    }
    st->src = again >= 0 ? vc_ref_sub(p->steps[again].src, 0, dst.len) : vc_plan_tmp(p, dst.len);
    record_use(p, s, st->src, true);
    return s;
}

int vc_plan_copy(struct vc_plan *p, struct vc_ref src, struct vc_ref dst)
{
    int s = append(p, VC_STEP_COPY, -1, src, dst);
    record_use(p, s, src, false);
    record_use(p, s, dst, true);
    return s;
}

int vc_plan_copy_pieces(struct vc_plan *p, int pieces, struct vc_ref src, ptrdiff_t src_step,
                        struct vc_ref dst, ptrdiff_t dst_step, struct vc_ref reads)
{
    int s = append(p, VC_STEP_COPY, -1, src, dst);
    record_use(p, s, reads.len ? reads : vc_pieces_span(src, src_step, pieces), false);
    record_use(p, s, vc_pieces_span(dst, dst_step, pieces), true);
    if (p->failed || pieces < 2)
        return s;
    p->steps[s].parts = pieces;
    p->steps[s].src_step = src_step;
    p->steps[s].dst_step = dst_step;
    return s;
}

void vc_plan_move(struct vc_plan *p, struct vc_ref src, struct vc_ref dst)
{
    if (!vc_ref_same(src, dst))
        vc_plan_copy(p, src, dst);
}

int vc_plan_reduce(struct vc_plan *p, struct vc_ref src, struct vc_ref dst, bool dst_left)
{
    int s = append(p, VC_STEP_REDUCE, -1, src, dst);
    record_use(p, s, src, false);
    record_use(p, s, dst, true);
    if (!p->failed)
        p->steps[s].dst_left = dst_left;
    return s;
}

size_t *vc_plan_array(struct vc_plan *p, size_t n)
{
    if (p->failed || !grow(p, &p->owned, p->nowned, &p->cap_owned, sizeof *p->owned))
        return NULL;
    size_t *a = calloc(n ? n : 1, sizeof *a);
    if (a)
        p->owned[p->nowned++] = a;
    else
        p->failed = true;
    return a;
}

int vc_plan_node_blocks(struct vc_plan *p, enum vc_node_phase kind, int root, int q, const size_t *at,
                        struct vc_ref src, struct vc_ref dst)
{
    size_t longest = 0, *own = vc_plan_array(p, (size_t)q + 1);
    if (!own)
        return 0;
    memcpy(own, at, ((size_t)q + 1) * sizeof *own);
    for (int l = 0; l < q; l++)
        if (at[l + 1] - at[l] > longest)
            longest = at[l + 1] - at[l];
    int s = vc_plan_node(p, kind, root, 0, longest, src, dst);
    if (!p->failed)
        p->steps[s].at = own;
    return s;
}

int vc_plan_node(struct vc_plan *p, enum vc_node_phase kind, int root, int parts, size_t len,
                 struct vc_ref src, struct vc_ref dst)
{
    int s = append(p, VC_STEP_NODE, root, src, dst);
    if (p->failed)
        return 0;
    p->steps[s].node = kind;
    p->steps[s].parts = parts;
    p->steps[s].len = len;
    /* Where the local index is unknown, the rank may be the root or not. */
    bool am_root = p->local == root, may_be_root = am_root || p->local < 0;
    if (vc_phase_has_src(kind, may_be_root))
        record_use(p, s, src, false);
    /* The root of a broadcast only reads, so that its sends of the same bytes may go on meanwhile. */
    if (vc_phase_has_dst(kind, may_be_root))
        record_use(p, s, dst, vc_phase_writes_dst(kind, am_root));
    return s;
}

void vc_plan_after(struct vc_plan *p, int step, int earlier)
{
    if (p->failed || earlier < 0)
        return;
    assert(step == p->nsteps - 1 && earlier < step);
    add_dep(p, &p->steps[step], earlier);
}

void vc_plan_fence(struct vc_plan *p)
{
    int first = p->fence + 1;
    if (p->failed || p->nsteps == first)
        return;
    int s = append(p, VC_STEP_COPY, -1, nothing, nothing);
    /* The last ones first: what they wait for needs no mention. */
    for (int i = s - 1; !p->failed && i >= first; i--)
        add_dep(p, &p->steps[s], i);
    /* Uses before the fence say nothing that it does not say. */
    free_uses(p);
    p->fence = s;
}
