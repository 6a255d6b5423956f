/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of several devices a rank takes, unless VCOLL_VERBS_DEVICE names one. */
#ifndef VC_TRANSPORT_VERBS_NEAR_H
#define VC_TRANSPORT_VERBS_NEAR_H

#include <stdbool.h>

/** Values of VCOLL_VERBS_DEVICE: the near one of the fastest, as without a value, or the first of them. */
#define VC_VERBS_NEAR "near"
#define VC_VERBS_BEST "best"

/** A device, and what it is chosen by. */
struct vc_near_device {
    const char *name;
    bool software;
    unsigned rate;
    int distance; /**< from the rank's CPUs; 0 unknown, which is no nearer and no farther than anything */
};

/**
 * The device for the process with this index among those of its operating system: hardware before software,
 * then the higher rate, then the shorter distance; several that are equal in all that are shared out in the
 * order of their names. -1: there is none. Sorts the list.
 */
int vc_near_choose(struct vc_near_device *list, int n, int local);

#endif
