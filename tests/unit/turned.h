/* SPDX-License-Identifier: BSD-3-Clause */
/* Views for tests (coll/view.h): bytes that lie in memory some places further on, the last ones at its begin.
 */
#ifndef VC_TESTS_TURNED_H
#define VC_TESTS_TURNED_H

#include "coll/view.h"

#include <stdlib.h>
#include <string.h>

/** One side. */
struct turned {
    unsigned char *mem;
    size_t len;
};

enum { TURNED_BY = 13 };

/* Where byte `at` lies, and how many of the next `len` lie behind it. */
static inline size_t turned_place(const struct turned *t, size_t at)
{
    return t->len ? (at + TURNED_BY) % t->len : 0;
}

static inline size_t turned_to_end(const struct turned *t, size_t at, size_t len)
{
    size_t left = t->len - turned_place(t, at);
    return len < left ? len : left;
}

static inline void get_turned(const void *side, size_t at, size_t len, void *to)
{
    const struct turned *t = side;
    size_t first = turned_to_end(t, at, len);
    memcpy(to, t->mem + turned_place(t, at), first);
    memcpy((char *)to + first, t->mem, len - first);
}

static inline void put_turned(const void *side, size_t at, size_t len, const void *from)
{
    const struct turned *t = side;
    size_t first = turned_to_end(t, at, len);
    memcpy(t->mem + turned_place(t, at), from, first);
    memcpy(t->mem, (const char *)from + first, len - first);
}

static inline void turned_init(struct turned *b, size_t len)
{
    b->len = len;
    b->mem = malloc(len + 1);
    if (!b->mem)
        abort();
    memset(b->mem, 0xee, len + 1);
}

/** The view of a rank that has one. */
struct turned_view {
    struct vc_view view;
    struct turned src, dst;
};

/** The rank's data, so far in `data`, lie turned from now on, and `data` holds something else. */
static inline void turned_data(struct turned_view *v, void *data, size_t len)
{
    turned_init(&v->src, len);
    put_turned(&v->src, 0, len, data);
    memset(data, 0xdd, len);
    v->view.get = get_turned;
    v->view.src = &v->src;
    v->view.src_len = len;
}

/** The result will lie turned. */
static inline void turned_result(struct turned_view *v, size_t len)
{
    turned_init(&v->dst, len);
    v->view.put = put_turned;
    v->view.dst = &v->dst;
}

/** Copies both sides, where they are not NULL, to where they would be without the view, and ends it. */
static inline void turned_end(struct turned_view *v, void *data, void *result)
{
    if (v->view.src && data)
        get_turned(&v->src, 0, v->src.len, data);
    if (v->view.dst && result)
        get_turned(&v->dst, 0, v->dst.len, result);
    free(v->src.mem);
    free(v->dst.mem);
    *v = (struct turned_view){.view = {.src = NULL}};
}

#endif
