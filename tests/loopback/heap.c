/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocates queues in the own segment, first fit. The list of blocks is private. */
#include "tests/loopback/internal.h"

#include <stdlib.h>

uint64_t lb_alloc(size_t bytes)
{
    uint64_t want = ((uint64_t)bytes + 63) & ~(uint64_t)63;
    for (struct lb_block *b = lb->blocks; b; b = b->next) {
        if (b->used || b->size < want)
            continue;
        if (b->size > want) {
            struct lb_block *rest = calloc(1, sizeof(*rest));
            if (!rest)
                return 0;
            rest->off = b->off + want;
            rest->size = b->size - want;
            rest->next = b->next;
            b->next = rest;
            b->size = want;
        }
        b->used = true;
        return b->off;
    }
    return 0;
}

void lb_free(uint64_t off)
{
    for (struct lb_block *b = lb->blocks, *prev = NULL; b; prev = b, b = b->next) {
        if (b->off != off || !b->used)
            continue;
        b->used = false;
        if (b->next && !b->next->used) {
            struct lb_block *next = b->next;
            b->size += next->size;
            b->next = next->next;
            free(next);
        }
        if (prev && !prev->used) {
            prev->size += b->size;
            prev->next = b->next;
            free(b);
        }
        return;
    }
}

uint32_t lb_pow2(uint32_t n)
{
    uint32_t p = 1;
    while (p < n)
        p <<= 1;
    return p;
}
