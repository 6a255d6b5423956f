/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables behind vc_kernel_find(), one per instruction set; for the dispatcher and for the tests, which
 * must reach those that this CPU supports but would not choose. kernels_impl.c is compiled once for each.
 */
#ifndef VC_COLL_KERNELS_ISA_H
#define VC_COLL_KERNELS_ISA_H

#include "coll/kernels/kernels.h"

struct vc_kernel_set {
    const char *isa; /**< as vc_kernel_isa() says it */
    vc_kernel_fn fn[VC_OP_COUNT][VC_TYPE_COUNT];
};

extern const struct vc_kernel_set vc_kernels_baseline;
#ifdef VC_KERNELS_X86 /* set by the build where processor and compiler have them */
extern const struct vc_kernel_set vc_kernels_avx2;
extern const struct vc_kernel_set vc_kernels_avx512;

/** Complex products of the avx2 set, which the avx512 set borrows. */
void vc_prod_cf_avx2(const void *a, const void *b, void *out, size_t count, void *ctx);
void vc_prod_cd_avx2(const void *a, const void *b, void *out, size_t count, void *ctx);
#endif

/** The sets this CPU can run, best first: index 0 is the one in use, NULL is past the last. */
const struct vc_kernel_set *vc_kernel_set(unsigned index);

#endif
