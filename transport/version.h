/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's version as text, "0.2.0", out of the public header's numbers. */
#ifndef VC_TRANSPORT_VERSION_H
#define VC_TRANSPORT_VERSION_H

#include "include/vcoll/vcoll.h"

#define VC_TEXT_OF(x) #x
#define VC_TEXT(x)    VC_TEXT_OF(x)
#define VC_VERSION                                                                                           \
    VC_TEXT(VCOLL_VERSION_MAJOR) "." VC_TEXT(VCOLL_VERSION_MINOR) "." VC_TEXT(VCOLL_VERSION_PATCH)

#endif
