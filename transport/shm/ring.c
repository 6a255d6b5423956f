/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/shm/ring.h"

#define CELL_MIN VC_CACHELINE
/** Two lines more than a power of two, because the sequence numbers of all cells would otherwise lie in the
 * same cache set. */
#define CELL_MAX ((size_t)8192 + VC_LINE_PAIR)

struct vc_cells_layout vc_cells_layout(int n, size_t budget)
{
    size_t rings = n > 1 ? (size_t)(n - 1) : 1;
    size_t per = budget / rings / VC_LINE_PAIR * VC_LINE_PAIR;
    size_t room = per > sizeof(struct vc_ring) ? per - sizeof(struct vc_ring) : 0;
    struct vc_cells_layout l = {.ncells = 16};
    while (l.ncells > 4 && room / l.ncells < (l.ncells > 8 ? 2048 : 512))
        l.ncells /= 2;
    /* A multiple of the line; four of them are a multiple of the line pair. */
    l.cell = room / l.ncells / VC_CACHELINE * VC_CACHELINE;
    if (l.cell < CELL_MIN)
        l.cell = CELL_MIN;
    if (l.cell > CELL_MAX)
        l.cell = CELL_MAX;
    l.ring = sizeof(struct vc_ring) + l.ncells * l.cell;
    return l;
}
