/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a message costs on the RDMA device with nothing around it: rank 0 and a rank on another host bounce 8
 * bytes over a queue pair of their own, on the device that the VCOLL_VERBS_ parameters choose. Half the round
 * trip is the floor of every collective between the two.
 */
#ifndef VC_TOOLS_BENCH_VERBS_H
#define VC_TOOLS_BENCH_VERBS_H

#include "tools/bench/bench.h"

/**
 * Collective. NULL on all ranks alike: no two ranks talk verbs with the present settings, or a device or
 * anything else it takes is missing at one of the two ends. That is no error.
 */
struct bench_verbs *bench_verbs_open(struct vc_measure_world *w);
/** Collective; NULL is legal. */
void bench_verbs_close(struct vc_measure_world *w, struct bench_verbs *v);

/** A block's one-way time, rank 0; NAN when nothing could be measured. */
struct bench_wire_block {
    double median, mean;
};
/**
 * Collective: round trips for so long (but a few at least, and at most `most`), all other ranks asleep. Their
 * times are kept for bench_verbs_sum().
 */
struct bench_wire_block bench_verbs_block(struct vc_measure_world *w, struct bench_verbs *v,
                                          enum bench_pace pace, double seconds, int most);
/** Collective: a short block of each kind, if none was run for some seconds. NULL is legal. */
void bench_verbs_again(struct vc_measure_world *w, struct bench_verbs *v);
/** Rank 0: all blocks together. NULL is legal: then nothing is known. */
void bench_verbs_sum(const struct bench_verbs *v, struct bench_wire *wire);

#endif
