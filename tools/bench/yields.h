/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where ranks share CPUs, the floor of small messages is not a cache line but the switches between ranks: a
 * barrier of the same ranks with one flag each and sched_yield(), and nothing around it. What a call reads
 * and writes in the program's memory is cold and belongs to the floor, too: for an allreduce each rank moves
 * its 8 bytes into the line of its flag, and another rank's to where the result goes.
 */
#ifndef VC_TOOLS_BENCH_YIELDS_H
#define VC_TOOLS_BENCH_YIELDS_H

#include "tools/bench/bench.h"

/** Collective. NULL on all ranks alike: ranks have CPUs of their own or are on several hosts, or there is no
 * shared memory. That is no error. */
struct bench_yields *bench_yields_open(struct vc_measure_world *w);
/** Collective; NULL is legal. */
void bench_yields_close(struct bench_yields *y);
/** Collective: barriers back to back for about so many seconds; the mean time of one, slowest rank, on rank
 * 0. `buffers`: of a barrier or an allreduce of 8 bytes, whose calls these stand for; NULL: of none. */
double bench_yields_block(struct vc_measure_world *w, struct bench_yields *y, struct vc_measure_call *buffers,
                          double seconds);

#endif
