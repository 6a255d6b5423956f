/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/burn.h"

/* The least that auto spins for, and the most, in parts of spin_ns. */
#define LEAST_NS   5000u
#define MOST_SPINS 4
/* As often as yields cost what a wake-up costs, within these bounds; the second where that is not known. */
#define LEAST_YIELDS 8u
#define USUAL_YIELDS 16u
#define MOST_YIELDS  64u

uint64_t vc_burn_ns(enum vc_wait_mode mode, uint64_t spin_ns, uint64_t wake_ns, bool stolen, bool needs_cpu)
{
    switch (mode) {
    case VC_WAIT_POLL:
        return UINT64_MAX;
    case VC_WAIT_EVENT:
        return 0;
    case VC_WAIT_HYBRID:
        return spin_ns;
    case VC_WAIT_AUTO:
        break;
    }
    if (needs_cpu)
        return 0;
    /* Spinning for as long as a sleep would cost is at most twice as dear as knowing the future (ski rental).
     */
    uint64_t cost = wake_ns ? wake_ns : spin_ns;
    if (stolen)
        cost /= 4;
    if (cost < LEAST_NS)
        cost = LEAST_NS;
    return cost < MOST_SPINS * spin_ns ? cost : MOST_SPINS * spin_ns;
}

uint32_t vc_burn_yields(uint64_t yield_ns, uint64_t wake_ns)
{
    if (yield_ns == 0 || wake_ns == 0)
        return USUAL_YIELDS;
    uint64_t n = wake_ns / yield_ns;
    return n < LEAST_YIELDS ? LEAST_YIELDS : n > MOST_YIELDS ? MOST_YIELDS : (uint32_t)n;
}
