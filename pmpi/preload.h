/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll's own entry in LD_PRELOAD. */
#ifndef VC_PMPI_PRELOAD_H
#define VC_PMPI_PRELOAD_H

/**
 * Takes this library out of LD_PRELOAD, and leaves what else stands there, so that programs started from here
 * on do not load it. Once MPI is up: what starts an MPI program (a shell, a debugger) must hand it on. Not
 * thread-safe against setenv.
 */
void vc_preload_forget(void);

#endif
