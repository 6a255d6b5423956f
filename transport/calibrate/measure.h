/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures the figures of costs.h between two processes of one operating system, which call vc_measure() at
 * the same time and take some one and a half milliseconds together. Takes the least of several short batches,
 * or the median where a figure is a wait, so that time taken by the hypervisor or by other work does not
 * count.
 */
#ifndef VC_TRANSPORT_CALIBRATE_MEASURE_H
#define VC_TRANSPORT_CALIBRATE_MEASURE_H

#include "transport/calibrate/costs.h"

#include <stdbool.h>
#include <sys/types.h>

struct vc_map_peer;

struct vc_measure_cfg {
    void *mem;               /**< zeroed shared memory of vc_measure_bytes() bytes, aligned to a page */
    int me;                  /**< 0 or 1 */
    pid_t peer;              /**< the other process; 0: not known, single copy is not measured */
    struct vc_map_peer *map; /**< its memory, or NULL: then single copy is by calls */
    uint64_t budget_ns;      /**< no batch begins after so long; the same on both */
    /** NULL, or the kernel that sums doubles: out = a + b */
    void (*sum)(const void *a, const void *b, void *out, size_t count, void *ctx);
    void (*stream)(void *to, const void *from, size_t len); /**< NULL, or a copy past the caches */
};

size_t vc_measure_bytes(void);
/**
 * Fills what could be measured, the same on both; the rest is 0. Moves the calling thread to other CPUs of
 * its mask, and the second process's to the first one's CPU, and back. Returns false where the other process
 * did not come in time; *complete: the budget was enough. Allocates and frees some memory; leaves nothing
 * behind.
 */
bool vc_measure(const struct vc_measure_cfg *cfg, struct vc_costs *out, bool *complete);

#endif
