/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VC_TESTS_FAULT_H
#define VC_TESTS_FAULT_H

/** The n-th request for memory from now on fails, counted from 1; 0: none does. */
void vc_fault_arm(long n);
/** How many there were since then; -1: there is no libvcoll in the process. */
long vc_fault_seen(void);
/** How often /proc/<pid>/fd/<n> was opened. */
long vc_fault_reached(void);

#endif
