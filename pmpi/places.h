/* SPDX-License-Identifier: BSD-3-Clause */
/* Which ranks share an operating system, and which of these have more ranks than CPUs. A pure function of
 * what the ranks told each other. */
#ifndef VC_PMPI_PLACES_H
#define VC_PMPI_PLACES_H

#include "transport/shm/segment.h"
#include "transport/topology/sharing.h"

#include <stdbool.h>
#include <stdint.h>

/** Where a rank is. */
struct vc_place {
    struct vc_os_id os;
    uint64_t host;                /**< hash of VCOLL_HOST_ID, which tells hosts apart that look alike */
    double quota;                 /**< CPUs that its control groups pay for */
    uint64_t mask[VC_MASK_WORDS]; /**< CPUs that it may use */
    int32_t local_size;           /**< ranks of this machine as the launcher counts them, 0: it did not say */
};

/** The result, in the caller's arrays. */
struct vc_places {
    int *os_of; /**< [n] operating systems, numbered by their lowest rank; one is a kernel and a /dev/shm */
    int *os_ranks; /**< [nos, room for n] how many ranks it has */
    /** [nos, room for n] more ranks than CPUs, by the rule of sharing.h over the operating systems of a
     * kernel (containers) */
    bool *crowded;
    int nos;
};

/** at[r] points to rank r's. O(n log n). VC_OK or VC_ERR_NOMEM. */
int vc_places_find(const struct vc_place *const *at, int n, struct vc_places *out);

#endif
