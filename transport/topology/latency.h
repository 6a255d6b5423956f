/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a round trip of a flag takes between each two of n processes, in shared memory of theirs. In
 * rounds of disjoint pairs, so that pairs of a round do not wait for each other: a few milliseconds in all.
 * The processes must run on CPUs of their own, each on one: what shares a CPU or moves about measures the
 * scheduler.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_LATENCY_H
#define VC_TRANSPORT_TOPOLOGY_LATENCY_H

#include <stddef.h>

/** Bytes of shared memory, page-aligned and zeroed, that n processes measure in. */
size_t vc_latency_bytes(int n);

/** Each process before any measures: makes its own page anew, so that it lies near the process wherever the
 * memory was made. VC_OK, or VC_ERR_SYS, then the memory is not to be used. */
int vc_latency_settle(void *mem, int n, int me);

/**
 * Measures; by all n processes at about the same time, once for a memory. VC_OK, or VC_ERR_PEER when another
 * one has not answered for long or has given up: then all of them end so, within about a second.
 */
int vc_latency_measure(void *mem, int n, int me);

/** [n * n] nanoseconds, as vc_cluster() takes them. Whole once all have measured and that is known to the
 * caller, by a barrier for instance. */
const float *vc_latency_times(const void *mem, int n);

/** The process that `me` meets in a round, of those up to vc_latency_rounds(); -1: none. */
int vc_latency_partner(int n, int round, int me);
static inline int vc_latency_rounds(int n)
{
    return n % 2 ? n : n - 1;
}

#endif
