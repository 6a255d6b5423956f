/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll's own entry in LD_PRELOAD. */
#ifndef VC_PMPI_PRELOAD_H
#define VC_PMPI_PRELOAD_H

/**
 * Takes this library out of LD_PRELOAD, and leaves the other entries, so that programs started from now on do
 * not load it. Not before MPI is up: a shell or debugger that starts the MPI program must hand it on. Not
 * thread-safe against setenv.
 */
void vc_preload_forget(void);

#endif
