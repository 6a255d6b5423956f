/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VC_TESTS_XPMEM_H
#define VC_TESTS_XPMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* heap.c: memory of this process that others can map. */
#define XP_NAME "vcoll-xpmem"
/* The descriptor of the file; its offsets are addresses. */
int xp_file(void);
/* What VC_XPMEM_FAULT names: 0: not this; the number behind it, or 1. */
int xp_fault(const char *what);

#endif
