/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/calibrate/costs.h"

#include <stdatomic.h>

const struct vc_cost_info vc_cost_info[VC_COSTS_COUNT] = {
#define INFO(name, least, most, what) {#name, what, least, most},
    VC_COSTS(INFO)
#undef INFO
};

/* Readers may hold the pointer, so that figures are never overwritten where they are read. */
static struct vc_costs kept[2];
static _Atomic unsigned current;

const struct vc_costs *vc_costs(void)
{
    /* Acquire: pairs with the release in vc_costs_use(). */
    return &kept[atomic_load_explicit(&current, memory_order_acquire)];
}

void vc_costs_use(const struct vc_costs *c)
{
    unsigned next = 1 - atomic_load_explicit(&current, memory_order_relaxed);
    kept[next] = *c;
    atomic_store_explicit(&current, next, memory_order_release);
}

bool vc_costs_known(const struct vc_costs *c)
{
    size_t i = 0;
    while (i < VC_COSTS_COUNT && vc_cost(c, i) == 0)
        i++;
    return i < VC_COSTS_COUNT;
}

void vc_costs_sane(struct vc_costs *c)
{
    for (size_t i = 0; i < VC_COSTS_COUNT; i++)
        if (vc_cost(c, i) < vc_cost_info[i].least || vc_cost(c, i) > vc_cost_info[i].most)
            vc_cost_set(c, i, 0);
}
