/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory in the symbolic run: cells that hold values. A value is a leaf (one rank's data) or left (op) right;
 * every distinct tree exists once, so two values are associated identically exactly if their numbers are
 * equal. For commutative operators the operands of a node are kept in the order of their numbers, since a
 * (op) b and b (op) a are then the same bits.
 */
#include "coll/check/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_START 1024u

static bool reserve(struct vck_exprs *x)
{
    if (x->n < x->cap)
        return true;
    uint32_t cap = x->cap * 2;
    struct vck_expr *e = realloc(x->e, cap * sizeof *e);
    if (e)
        x->e = e;
    uint64_t *sets = realloc(x->sets, (size_t)cap * (size_t)x->words * sizeof *sets);
    if (sets)
        x->sets = sets;
    if (!e || !sets)
        return false;
    x->cap = cap;
    return true;
}

bool vck_exprs_init(struct vck_exprs *x, int size, bool commutative)
{
    memset(x, 0, sizeof *x);
    x->words = (size + 63) / 64;
    x->commutative = commutative;
    x->cap = 2 * (uint32_t)size + 2;
    x->n = 1 + (uint32_t)size;
    x->mask = TABLE_START - 1;
    x->e = calloc(x->cap, sizeof *x->e);
    x->sets = calloc((size_t)x->cap * (size_t)x->words, sizeof *x->sets);
    x->table = calloc(TABLE_START, sizeof *x->table);
    if (!x->e || !x->sets || !x->table) {
        vck_exprs_free(x);
        return false;
    }
    for (int r = 0; r < size; r++) {
        x->e[1 + r] = (struct vck_expr){0, 0, r, r, 1};
        x->sets[(size_t)(1 + r) * (size_t)x->words + (size_t)r / 64] = UINT64_C(1) << (r % 64);
    }
    return true;
}

void vck_exprs_free(struct vck_exprs *x)
{
    free(x->e);
    free(x->sets);
    free(x->table);
    memset(x, 0, sizeof *x);
}

static uint32_t hash(uint32_t l, uint32_t r)
{
    uint64_t h = ((uint64_t)l << 32 | r) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static bool rehash(struct vck_exprs *x)
{
    uint32_t size = (x->mask + 1) * 2, *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    for (uint32_t i = 0; i <= x->mask; i++) {
        uint32_t id = x->table[i];
        if (!id)
            continue;
        uint32_t at = hash(x->e[id].left, x->e[id].right) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = id;
    }
    free(x->table);
    x->table = table;
    x->mask = size - 1;
    return true;
}

uint32_t vck_combine(struct vck_exprs *x, uint32_t l, uint32_t r, const char **why)
{
    *why = "";
    if (x->commutative && l > r) {
        uint32_t t = l;
        l = r;
        r = t;
    }
    uint32_t at = hash(l, r) & x->mask;
    for (; x->table[at]; at = (at + 1) & x->mask) {
        const struct vck_expr *e = &x->e[x->table[at]];
        if (e->left == l && e->right == r)
            return x->table[at];
    }
    size_t w = (size_t)x->words;
    for (size_t i = 0; i < w; i++)
        if (x->sets[l * w + i] & x->sets[r * w + i]) {
            *why = "counts a rank twice";
            return 0;
        }
    if (!x->commutative && x->e[l].hi + 1 != x->e[r].lo) {
        *why = "breaks the ascending rank order";
        return 0;
    }
    if (!reserve(x))
        return 0;
    uint32_t id = x->n++;
    const struct vck_expr *a = &x->e[l], *b = &x->e[r];
    x->e[id] = (struct vck_expr){l, r, a->lo < b->lo ? a->lo : b->lo, a->hi > b->hi ? a->hi : b->hi,
                                 a->count + b->count};
    for (size_t i = 0; i < w; i++)
        x->sets[id * w + i] = x->sets[l * w + i] | x->sets[r * w + i];
    x->table[at] = id;
    if (x->n > x->mask / 2 && !rehash(x))
        return 0;
    return id;
}

const char *vck_expr_text(const struct vck_exprs *x, uint32_t e, char *buf, size_t len)
{
    if (e == 0)
        return "nothing";
    const uint64_t *set = x->sets + (size_t)e * (size_t)x->words;
    int n = x->words * 64;
    size_t at = (size_t)snprintf(buf, len, "data of rank%s ", x->e[e].count > 1 ? "s" : "");
    const char *comma = "";
    for (int r = 0; r < n && at < len; r++) {
        int q = r;
        if (!(set[r / 64] >> (r % 64) & 1))
            continue;
        while (q + 1 < n && set[(q + 1) / 64] >> ((q + 1) % 64) & 1)
            q++;
        at += (size_t)(q > r ? snprintf(buf + at, len - at, "%s%d-%d", comma, r, q)
                             : snprintf(buf + at, len - at, "%s%d", comma, r));
        comma = ",";
        r = q;
    }
    return buf;
}

bool vck_defined(struct vck *c, int g, struct vc_ref ref, const struct vck_cell *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].expr == 0)
            return vck_fail(c, c->owner[g], vck_local(c, g), "reads byte %zu of %s, which is undefined",
                            ref.off + i * c->grain,
                            ref.buf == VC_BUF_TMP    ? "TMP"
                            : ref.buf == VC_BUF_RECV ? "RECV"
                                                     : "SEND");
    return true;
}

bool vck_reduce(struct vck *c, int g, struct vck_cell *dst, const struct vck_cell *left,
                const struct vck_cell *right, size_t n)
{
    uint32_t l = 0, r = 0, res = 0;
    char a[256], b[256];
    const char *why;
    if (n && left[0].org * c->grain % c->shape->esize)
        return vck_fail(c, c->owner[g], vck_local(c, g), "operands begin inside an element");
    for (size_t i = 0; i < n; i++) {
        if (left[i].org != right[i].org)
            return vck_fail(c, c->owner[g], vck_local(c, g),
                            "combines bytes of different places: %zu on the left with %zu on the right",
                            left[i].org * c->grain, right[i].org * c->grain);
        if (left[i].expr != l || right[i].expr != r || res == 0) {
            l = left[i].expr;
            r = right[i].expr;
            res = vck_combine(&c->exprs, l, r, &why);
            if (res == 0 && !*why)
                return vck_nomem(c);
            if (res == 0)
                return vck_fail(c, c->owner[g], vck_local(c, g), "byte %zu: %s: %s with %s",
                                left[i].org * c->grain, why, vck_expr_text(&c->exprs, l, a, sizeof a),
                                vck_expr_text(&c->exprs, r, b, sizeof b));
        }
        dst[i] = (struct vck_cell){res, left[i].org};
    }
    return true;
}
