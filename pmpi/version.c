/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/vcoll/vcoll.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

extern __typeof__(vcoll_version) vcoll_version __attribute__((visibility("default")));

const char *vcoll_version(void)
{
    return TEXT(VCOLL_VERSION_MAJOR) "." TEXT(VCOLL_VERSION_MINOR) "." TEXT(VCOLL_VERSION_PATCH);
}
