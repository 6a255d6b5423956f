/* SPDX-License-Identifier: BSD-3-Clause */
/* Views for tests (coll/view.h): bytes that lie in memory from the last to the first. */
#ifndef VC_TESTS_BACKWARDS_H
#define VC_TESTS_BACKWARDS_H

#include "coll/view.h"

#include <stdlib.h>
#include <string.h>

/** One side. */
struct backwards {
    unsigned char *mem;
    size_t len;
};

static inline void get_backwards(const void *side, size_t at, size_t len, void *to)
{
    const struct backwards *b = side;
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)to)[i] = b->mem[b->len - 1 - at - i];
}

static inline void put_backwards(const void *side, size_t at, size_t len, const void *from)
{
    const struct backwards *b = side;
    for (size_t i = 0; i < len; i++)
        b->mem[b->len - 1 - at - i] = ((const unsigned char *)from)[i];
}

static inline void backwards_init(struct backwards *b, size_t len)
{
    b->len = len;
    b->mem = malloc(len + 1);
    if (!b->mem)
        abort();
    memset(b->mem, 0xee, len + 1);
}

/** The view of a rank that has one. */
struct backwards_view {
    struct vc_view view;
    struct backwards src, dst;
};

/** The rank's data, so far in `data`, lie backwards from now on, and `data` holds something else. */
static inline void backwards_data(struct backwards_view *v, void *data, size_t len)
{
    backwards_init(&v->src, len);
    put_backwards(&v->src, 0, len, data);
    memset(data, 0xdd, len);
    v->view.get = get_backwards;
    v->view.src = &v->src;
    v->view.src_len = len;
}

/** The result will lie backwards. */
static inline void backwards_result(struct backwards_view *v, size_t len)
{
    backwards_init(&v->dst, len);
    v->view.put = put_backwards;
    v->view.dst = &v->dst;
}

/** Copies both sides, where they are not NULL, to where they would be without the view, and ends it. */
static inline void backwards_end(struct backwards_view *v, void *data, void *result)
{
    if (v->view.src && data)
        get_backwards(&v->src, 0, v->src.len, data);
    if (v->view.dst && result)
        get_backwards(&v->dst, 0, v->dst.len, result);
    free(v->src.mem);
    free(v->dst.mem);
    *v = (struct backwards_view){.view = {.src = NULL}};
}

#endif
