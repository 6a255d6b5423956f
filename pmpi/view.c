/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/view.h"

#include "pmpi/vectors.h"

#include <stdlib.h>
#include <string.h>

static void get(const void *side, size_t at, size_t len, void *to)
{
    vc_strewn_get(side, at, len, to);
}

static void put(const void *side, size_t at, size_t len, const void *from)
{
    vc_strewn_put(side, at, len, from);
}

/* ---- blocks ---- */

/* The block that has byte `at`, which is not the end. */
static int find_block(const struct vc_placed *b, size_t at)
{
    int low = 0, high = b->n;
    while (high - low > 1) {
        int mid = low + (high - low) / 2;
        if (b->at[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void move_block(const struct vc_view_placed *v, int r, size_t at, size_t len, void *packed, bool puts)
{
    const struct vc_placed *b = &v->blocks;
    uintptr_t place =
        (uintptr_t)b->base + (uintptr_t)(vc_displ_of(b->displs, b->wide, r) * (MPI_Aint)v->extent);
    if (!v->dense) {
        struct vc_strewn s = v->one;
        s.base = place;
        if (puts)
            vc_strewn_put(&s, at, len, packed);
        else
            vc_strewn_get(&s, at, len, packed);
    } else if (puts) {
        memcpy((void *)(place + at), packed, len);
    } else {
        memcpy(packed, (const void *)(place + at), len);
    }
}

static void move_blocks(const struct vc_view_placed *v, size_t at, size_t len, char *packed, bool puts)
{
    const size_t *begin = v->blocks.at;
    for (int r = len ? find_block(&v->blocks, at) : 0; len > 0; r++) {
        size_t n = vc_min_size(begin[r + 1] - at, len);
        if (n > 0)
            move_block(v, r, at - begin[r], n, packed, puts);
        at += n;
        packed += n;
        len -= n;
    }
}

static void get_blocks(const void *side, size_t at, size_t len, void *to)
{
    move_blocks(side, at, len, to, false);
}

static void put_blocks(const void *side, size_t at, size_t len, const void *from)
{
    move_blocks(side, at, len, (char *)(uintptr_t)from, true);
}

/* ---- views ---- */

bool vc_view_may(const struct vc_comm *c, const struct vc_call *k, size_t len)
{
    if (k->alg->kind != VC_ALG_NODE)
        return true;
    const struct vc_node_call call = {.kind = vc_coll_info[k->coll].node,
                                      .alg = (enum vc_node_alg)k->alg->node_alg,
                                      .root = k->root,
                                      .parts = 1,
                                      .len = len};
    return vc_node_takes_view(c->team->node, &call);
}

struct vc_call_view *vc_view_init(struct vc_call_view *v)
{
    *v = (struct vc_call_view){.holds = false};
    return v;
}

struct vc_call_view *vc_view_create(void)
{
    struct vc_call_view *v = calloc(1, sizeof *v);
    if (v)
        v->holds = true;
    return v;
}

void vc_view_drop(struct vc_call_view *v)
{
    if (!v)
        return;
    for (int i = 0; i < v->nheld; i++)
        vc_layout_drop(v->held[i]);
    free(v->held);
    free(v->pairs);
    v->held = NULL;
    v->nheld = 0;
    v->pairs = NULL;
}

void vc_view_destroy(struct vc_call_view *v)
{
    vc_view_drop(v);
    free(v);
}

/* False: no memory. */
static bool hold(struct vc_call_view *v, struct vc_layout *l)
{
    if (!v->holds || !l || (v->nheld > 0 && v->held[v->nheld - 1] == l))
        return true;
    struct vc_layout **more = realloc(v->held, ((size_t)v->nheld + 1) * sizeof(struct vc_layout *));
    if (!more)
        return false;
    v->held = more;
    v->held[v->nheld++] = l;
    vc_layout_hold(l);
    return true;
}

static bool see(struct vc_call_view *v, struct vc_strewn *s, const void *base, size_t count,
                const struct vc_dtype *type)
{
    return !type->device && vc_dtype_strewn(s, base, count, type) && hold(v, s->layout);
}

bool vc_view_data(struct vc_call_view *v, struct vc_work *w, const void *base, size_t count,
                  const struct vc_dtype *type)
{
    if (!v || !see(v, &v->src, base, count, type))
        return false;
    v->packed.get = get;
    v->packed.src = &v->src;
    v->packed.src_len = count * type->size;
    w->view = &v->packed;
    return true;
}

bool vc_view_result(struct vc_call_view *v, struct vc_work *w, void *base, size_t count,
                    const struct vc_dtype *type)
{
    if (!v || !see(v, &v->dst, base, count, type))
        return false;
    v->packed.put = put;
    v->packed.dst = &v->dst;
    w->view = &v->packed;
    return true;
}

static bool see_blocks(struct vc_call_view *v, const struct vc_placed *b, const struct vc_dtype *type)
{
    size_t count = type->size ? b->at[b->n] / type->size : 0;
    if (!v || type->device || count == 0)
        return false;
    v->placed = (struct vc_view_placed){.blocks = *b, .extent = type->extent, .dense = type->dense};
    return type->dense || see(v, &v->placed.one, NULL, count, type);
}

bool vc_view_placed_data(struct vc_call_view *v, struct vc_work *w, const struct vc_placed *b,
                         const struct vc_dtype *type)
{
    if (!see_blocks(v, b, type))
        return false;
    v->packed.get = get_blocks;
    v->packed.src = &v->placed;
    v->packed.src_len = b->at[b->n];
    w->view = &v->packed;
    return true;
}

bool vc_view_placed_result(struct vc_call_view *v, struct vc_work *w, const struct vc_placed *b,
                           const struct vc_dtype *type)
{
    if (!see_blocks(v, b, type))
        return false;
    v->packed.put = put_blocks;
    v->packed.dst = &v->placed;
    w->view = &v->packed;
    return true;
}

/* ---- pairs ---- */

/* [2][n], of what is sent and what is received. */
struct vc_view_pairs {
    int n;
    const void **side; /* NULL: not by the view */
    struct vc_strewn strewn[];
};

bool vc_view_pairs(struct vc_call_view *v, struct vc_work *w, int n)
{
    size_t sides = 2 * (size_t)n;
    if (!v)
        return false;
    v->pairs = malloc(sizeof *v->pairs + sides * (sizeof(struct vc_strewn) + sizeof(void *)));
    if (!v->pairs)
        return false;
    v->pairs->n = n;
    v->pairs->side = (const void **)(void *)(v->pairs->strewn + sides);
    for (size_t i = 0; i < sides; i++)
        v->pairs->side[i] = NULL;
    v->packed = (struct vc_view){
        .get = get, .put = put, .src_blocks = v->pairs->side, .dst_blocks = v->pairs->side + n};
    w->view = &v->packed;
    return true;
}

bool vc_view_block(struct vc_call_view *v, bool sent, int r, const void *base, size_t count,
                   const struct vc_dtype *type)
{
    if (!v || !v->pairs)
        return false;
    int i = sent ? r : v->pairs->n + r;
    if (!see(v, &v->pairs->strewn[i], base, count, type))
        return false;
    v->pairs->side[i] = &v->pairs->strewn[i];
    return true;
}
