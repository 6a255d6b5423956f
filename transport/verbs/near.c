/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/near.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strverscmp(((const struct vc_near_device *)a)->name, ((const struct vc_near_device *)b)->name);
}

/* Whether a device is better than another, wherever they are. */
static bool is_faster(const struct vc_near_device *a, const struct vc_near_device *b)
{
    return a->software != b->software ? b->software : a->rate > b->rate;
}

static bool is_as_fast(const struct vc_near_device *a, const struct vc_near_device *b)
{
    return a->software == b->software && a->rate == b->rate;
}

int vc_near_choose(struct vc_near_device *list, int n, int local)
{
    if (n <= 0)
        return -1;
    qsort(list, (size_t)n, sizeof *list, by_name);
    const struct vc_near_device *fastest = &list[0];
    for (int i = 1; i < n; i++)
        if (is_faster(&list[i], fastest))
            fastest = &list[i];
    int nearest = 0;
    bool all_known = true;
    for (int i = 0; i < n; i++) {
        if (!is_as_fast(&list[i], fastest))
            continue;
        all_known &= list[i].distance > 0;
        if (nearest == 0 || list[i].distance < nearest)
            nearest = list[i].distance;
    }
    int equal[64] = {0}, nequal = 0;
    for (int i = 0; i < n && nequal < 64; i++)
        if (is_as_fast(&list[i], fastest) && (!all_known || list[i].distance == nearest))
            equal[nequal++] = i;
    /* Processes are often placed on the NUMA nodes in turn, so that those near one device have every second
     * index, or every fourth. The quotient shares them out, too. */
    return equal[(local + local / nequal) % nequal];
}
