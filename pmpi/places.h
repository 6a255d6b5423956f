/* SPDX-License-Identifier: BSD-3-Clause */
/* Which ranks share an operating system, and where they are more than its CPUs. A pure function of what the
 * ranks told. */
#ifndef VC_PMPI_PLACES_H
#define VC_PMPI_PLACES_H

#include "transport/shm/segment.h"
#include "transport/topology/sharing.h"

#include <stdbool.h>
#include <stdint.h>

/** Where a rank is. */
struct vc_place {
    struct vc_os_id os;
    uint64_t host; /**< hash of VCOLL_HOST_ID: an administrator may tell apart what looks alike */
    double quota;  /**< CPUs that its control groups pay for */
    uint64_t mask[VC_MASK_WORDS]; /**< CPUs that it may use */
    int32_t local_size;           /**< ranks of this machine as the launcher counts them, 0: it did not say */
};

/** What comes of it: the caller's arrays. */
struct vc_places {
    int *os_of; /**< [n] operating systems, numbered by their lowest rank; one is a kernel and a /dev/shm */
    int *os_ranks; /**< [nos, room for n] how many ranks it has */
    /** [nos, room for n] more ranks than CPUs: than those that its own ranks may use and their control groups
     * pay for, or, together with other ones of the same kernel (containers) whose ranks may use the same
     * CPUs, than all these CPUs */
    bool *crowded;
    int nos;
};

/** at[r] points to rank r's. O(n log n). VC_OK or VC_ERR_NOMEM. */
int vc_places_find(const struct vc_place *const *at, int n, struct vc_places *out);

#endif
