/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/ivshmem/ranges.h"

#include <stdlib.h>
#include <string.h>

/* The number of the range behind a gap that is large enough; -1: there is none. */
static int find_gap(const struct vc_mem_ranges *all, uint32_t end, uint32_t units, uint32_t *at)
{
    uint32_t from = 0;
    for (int i = 0; i <= all->n; i++) {
        uint32_t to = i < all->n ? all->range[i].at : end;
        if (to - from >= units) {
            *at = from;
            return i;
        }
        if (i < all->n)
            from = to + all->range[i].units;
    }
    return -1;
}

bool vc_mem_ranges_take(struct vc_mem_ranges *all, uint32_t end, uint32_t units, struct vc_mem_range *out)
{
    if (all->n == all->cap) {
        int cap = all->cap ? 2 * all->cap : 16;
        struct vc_mem_range *more = realloc(all->range, (size_t)cap * sizeof *more);
        if (!more)
            return false;
        all->range = more;
        all->cap = cap;
    }
    uint32_t at;
    int i = find_gap(all, end, units, &at);
    if (i < 0)
        return false;
    memmove(&all->range[i + 1], &all->range[i], (size_t)(all->n - i) * sizeof *all->range);
    all->range[i] = *out = (struct vc_mem_range){.at = at, .units = units};
    all->n++;
    return true;
}

void vc_mem_ranges_give(struct vc_mem_ranges *all, uint32_t at)
{
    for (int i = 0; i < all->n; i++)
        if (all->range[i].at == at) {
            memmove(&all->range[i], &all->range[i + 1], (size_t)(all->n - i - 1) * sizeof *all->range);
            all->n--;
            return;
        }
}

void vc_mem_ranges_free(struct vc_mem_ranges *all)
{
    free(all->range);
    *all = (struct vc_mem_ranges){0};
}
