/* SPDX-License-Identifier: BSD-3-Clause */
/* For how long a wait burns the CPU before it sleeps. For waits, and for the cost model that predicts them.
 */
#ifndef VC_TRANSPORT_BURN_H
#define VC_TRANSPORT_BURN_H

#include "transport/wait.h"

/** If more than this part of the CPUs' time is stolen, the hypervisor has other guests to run, and time in
 * which this guest spins is time that it does not get later. */
#define VC_BURN_STOLEN_PERMILLE 50

/**
 * In ns; UINT64_MAX: for ever, 0: not at all. spin_ns: as in struct vc_wait_cfg; wake_ns: what a wake-up is
 * known to cost, or 0; `stolen`: time is stolen; `needs_cpu`: as in struct vc_wake_src.
 */
uint64_t vc_burn_ns(enum vc_wait_mode mode, uint64_t spin_ns, uint64_t wake_ns, bool stolen, bool needs_cpu);

/**
 * Where ranks share CPUs, auto yields so often before it sleeps, however long that takes: the time of a yield
 * is other ranks' time, and they must have had their turns before what is waited for can come. What a yield
 * and a wake-up cost; 0: not known.
 */
uint32_t vc_burn_yields(uint64_t yield_ns, uint64_t wake_ns);

#endif
