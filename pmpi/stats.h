/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics (VCOLL_STATS): what was called, how large, what ran it, how long it took, and why calls were
 * passed through. Off: nothing here is called by collectives. On: one lock and a few additions per call.
 */
#ifndef VC_PMPI_STATS_H
#define VC_PMPI_STATS_H

#include "pmpi/door.h"

#define VC_STATS_CLASSES 42 /**< 0 bytes, then [2^(i-1), 2^i) bytes */
#define VC_STATS_ALGS    32 /**< algorithms of one collective, in the order of vc_alg_list() */

/** One cell: calls of one collective and size class that one algorithm ran. */
struct vc_stats_cell {
    uint64_t calls, bytes, ns;
};

/** Sums of one process or, after the reduction, of the world. Only uint64_t, so that MPI can add it up. */
struct vc_stats_sums {
    struct vc_stats_cell cell[VC_COLL_COUNT][VC_STATS_CLASSES][VC_STATS_ALGS];
    uint64_t passed[VC_COLL_COUNT][VC_PASS_COUNT];
    uint64_t setups, setups_used, setup_ns;
    uint64_t sleeps, wakes, yields, progress_calls;
};
/** Ways that data took: bits, so they are united and not added up. */
struct vc_stats_ways {
    uint64_t via[VC_COLL_COUNT][VC_STATS_CLASSES][VC_STATS_ALGS];
};

/** Allocates, if VCOLL_STATS asks for it; collective where all ranks have the same. VC_OK or VC_ERR_NOMEM,
 * then on all of those. */
int vc_stats_init(void);
bool vc_stats_on(void);
/** Counts one call. */
void vc_stats_call(const struct vc_call *k, uint64_t ns);
/** Counts the set-up of a communicator. */
void vc_stats_setup(uint64_t ns, bool used);
/** Adds all ranks up and prints at rank 0 of the world. Collective, where all ranks have the same
 * VCOLL_STATS. */
void vc_stats_report(void);
void vc_stats_fini(void);

/** Lower end of a size class in bytes. */
static inline uint64_t vc_stats_class_min(int i)
{
    return i == 0 ? 0 : UINT64_C(1) << (i - 1);
}
/** Name of the algorithm in that column, "native" included. */
const char *vc_stats_alg_name(enum vc_coll coll, int column);

/** Prints; stats_print.c. `ranks`: how many processes the sums are of. */
void vc_stats_print(const struct vc_stats_sums *s, const struct vc_stats_ways *w, int ranks);

#endif
