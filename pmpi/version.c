/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/vcoll/vcoll.h"

extern __typeof__(vcoll_version) vcoll_version __attribute__((visibility("default")));

const char *vcoll_version(void)
{
    return VC_VERSION;
}
