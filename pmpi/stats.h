/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics (VCOLL_STATS): which collectives were called, with how many bytes, which algorithm ran them and
 * how long that took, and why calls were passed through. With statistics off, collectives call nothing of
 * this; with statistics on, a call costs one lock and a few additions.
 */
#ifndef VC_PMPI_STATS_H
#define VC_PMPI_STATS_H

#include "pmpi/door.h"

/** Allocates the counters if VCOLL_STATS asks for them; collective where all ranks have the same VCOLL_STATS.
 * VC_OK, or VC_ERR_NOMEM on all of those ranks. */
int vc_stats_init(void);
bool vc_stats_on(void);
/** Counts one call. */
void vc_stats_call(const struct vc_call *k, uint64_t ns);
/** Counts the set-up of a communicator; `used`: vcoll serves it. */
void vc_stats_setup(uint64_t ns, bool used);
/** Adds the counters of all ranks up and prints the sums at rank 0 of the world. Collective where all ranks
 * have the same VCOLL_STATS. */
void vc_stats_report(void);
void vc_stats_fini(void);

#endif
