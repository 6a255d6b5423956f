/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways to copy; for copy.c and for tests, which must reach those that this CPU would not choose. */
#ifndef VC_TRANSPORT_COPY_VARIANTS_H
#define VC_TRANSPORT_COPY_VARIANTS_H

#include "transport/copy/copy.h"

struct vc_copy_variant {
    enum vc_copy_kind kind;
    const char *isa; /**< "avx512", "avx2", "baseline" */
    vc_copy_fn fn;   /**< any length and alignment; does not overlap */
};

/** Those that this CPU can run, of each kind the widest first; NULL: past the last. */
const struct vc_copy_variant *vc_copy_variant(unsigned index);

/** The widest of a kind, or NULL. */
vc_copy_fn vc_copy_find(enum vc_copy_kind kind);

#endif
