/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of processes that are near each other, out of the times of round trips between them. For virtual
 * machines whose hypervisor hides caches and NUMA nodes. Pure: nothing is measured here.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_CLUSTER_H
#define VC_TRANSPORT_TOPOLOGY_CLUSTER_H

#include "transport/topology/levels.h"

enum { VC_CLUSTER_LEVELS = 3 };

/** Groups count as apart when a round trip between them takes this many times one within, at least. */
#define VC_CLUSTER_RATIO 1.45

/** Nested groups, the finest first. */
struct vc_clusters {
    int depth; /**< 0: no clear groups */
    struct {
        int ngroups;         /**< more than one, less than n */
        int *group_of;       /**< [n] numbered by their lowest member */
        double within, next; /**< median round trip within groups, and to the nearest other groups */
    } level[VC_CLUSTER_LEVELS];
};

/**
 * rtt[i * n + j] is what process i measured with j, in any unit; 0, negative or not finite: nothing. Of the
 * two values of a pair the smaller one counts, because disturbances make times longer. A few values that are
 * far too long do no harm, nor do some that are missing.
 *
 * Processes are merged, the nearest first (the distance of two groups is the median of their pairs), and the
 * largest steps in the distances of mergers are the borders of levels, if they are VC_CLUSTER_RATIO and the
 * pairs on both sides keep apart. `mem` has VC_CLUSTER_LEVELS * n ints, which outlive the result. VC_OK or
 * VC_ERR_NOMEM. The same input gives the same result.
 */
int vc_cluster(const float *rtt, int n, int *mem, struct vc_clusters *out);

/** out[n]: where the processes stand by these groups. Times do not say of what kind a level is: the coarsest
 * two are called caches and NUMA nodes, a single one caches, and the finest of three cores. */
void vc_clusters_locate(const struct vc_clusters *c, int n, struct vc_locality *out);

#endif
