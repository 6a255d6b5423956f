/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What things cost on this node, as measured at start or read from the cache file; 0: unknown. Whole numbers,
 * so that all ranks compute the same means of them. Each figure is a row of VC_COSTS: the cache file, the
 * agreement of ranks and `vcoll info` go over the rows.
 */
#ifndef VC_TRANSPORT_CALIBRATE_COSTS_H
#define VC_TRANSPORT_CALIBRATE_COSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, least, most, what it is): figures outside of [least, most] are measurements gone wrong. Times in
 * nanoseconds, rates in picoseconds per byte. */
#define VC_COSTS(X)                                                                                          \
    X(yield_ns, 50, 100000, "sched_yield to a process on the same CPU, until that runs")                     \
    X(handover_ns, 100, 300000, "futex: waking a process on the same CPU and sleeping, until that runs")     \
    X(wake_ns, 200, 3000000, "futex: from the waker's call until a sleeper on a halted CPU runs")            \
    X(wake_call_ns, 50, 1000000, "futex: the waker's own part of that")                                      \
    X(line_ns, 5, 20000, "a flag from one core to another")                                                  \
    X(copy_warm_ps, 2, 10000, "a byte copied, source and destination in the core's first cache")             \
    X(copy_across_ps, 5, 20000, "a byte copied, source in another core's cache")                             \
    X(copy_far_ps, 2, 20000, "a byte copied, source and destination beyond the first cache")                 \
    X(copy_stream_ps, 2, 20000, "the same past the caches, with streaming stores")                           \
    X(reduce_ps, 5, 20000, "a byte of a sum of doubles, operands in the core's cache")                       \
    X(cma_call_ns, 5, 100000, "single copy: a call, besides its bytes")                                      \
    X(cma_ps, 5, 50000, "single copy: a byte, source in another core's cache")                               \
    X(cma_far_ps, 5, 50000, "single copy: a byte of many pages, beyond the first cache")                     \
    X(native_call_ns, 100, 1000000, "the underlying MPI: an exchange of two messages, besides their bytes")  \
    X(native_ps, 5, 50000, "the underlying MPI: a byte of such an exchange")

struct vc_costs {
#define VC_COSTS_MEMBER(name, least, most, what) uint64_t name;
    VC_COSTS(VC_COSTS_MEMBER)
#undef VC_COSTS_MEMBER
};
#define VC_COSTS_COUNT (sizeof(struct vc_costs) / sizeof(uint64_t))

struct vc_cost_info {
    const char *name, *what;
    uint64_t least, most;
};
/** In the order of struct vc_costs. */
extern const struct vc_cost_info vc_cost_info[VC_COSTS_COUNT];

static inline uint64_t vc_cost(const struct vc_costs *c, size_t i)
{
    return ((const uint64_t *)(const void *)c)[i];
}
static inline void vc_cost_set(struct vc_costs *c, size_t i, uint64_t value)
{
    ((uint64_t *)(void *)c)[i] = value;
}

/** The figures of this process; all 0 before it has any. Never NULL, any thread, one load. All ranks of the
 * world that use figures have the same. */
const struct vc_costs *vc_costs(void);
/** From now on these; copied. By one thread, at start and in tests. */
void vc_costs_use(const struct vc_costs *c);
/** Whether there is any. */
bool vc_costs_known(const struct vc_costs *c);
/** Figures that cannot be become 0. */
void vc_costs_sane(struct vc_costs *c);

#endif
