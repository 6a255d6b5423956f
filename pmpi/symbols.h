/* SPDX-License-Identifier: BSD-3-Clause */
/* How a function gets its two public names. */
#ifndef VC_PMPI_SYMBOLS_H
#define VC_PMPI_SYMBOLS_H

#define VC_PUBLIC __attribute__((visibility("default")))

/** Before the definition of PMPI_name: exports it, and MPI_name as another name of the same function. */
#define VC_ALIAS(name)                                                                                       \
    extern __typeof__(PMPI_##name) PMPI_##name VC_PUBLIC;                                                    \
    extern __typeof__(PMPI_##name) MPI_##name VC_PUBLIC __attribute__((alias("PMPI_" #name)));

#endif
