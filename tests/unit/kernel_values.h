/* SPDX-License-Identifier: BSD-3-Clause */
/* Values worth reducing, and when two results count as equal: shared by the two tests of the kernels. */
#ifndef VC_TESTS_KERNEL_VALUES_H
#define VC_TESTS_KERNEL_VALUES_H

#include "coll/kernels/kernels.h"

#include <stdint.h>

/** Fills `count` elements: zeros of both signs, NaNs, infinities, extremes, few distinct values, gaps at
 * random. */
void kernel_fill(enum vc_type type, void *to, size_t count, uint64_t seed);

/** As kernel_fill(), but finite, positive and small: no operator overflows, rounds to a NaN or meets two
 * zeros. */
void kernel_fill_tame(enum vc_type type, void *to, size_t count, uint64_t seed);

/** Equal elements: bit by bit except for gaps and padding, and that all NaNs are one. */
bool kernel_equal(enum vc_type type, const void *one, const void *other);

/** The gaps of `now` hold what those of `was` did, or `filler` where there is no `was`; long double padding
 * is 0. */
bool kernel_gaps_kept(enum vc_type type, const void *was, unsigned char filler, const void *now);

/** Bytes of a gap at the end of an element. */
size_t kernel_tail_gap(enum vc_type type);

#endif
