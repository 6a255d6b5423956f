/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a function gets its two public names, and which of them another tool hears.
 *
 * A tool of the profiling interface defines MPI_X and calls PMPI_X. If it comes before vcoll in the loader's
 * search order, it gets the program's call first, and its PMPI_X arrives here. If it comes behind vcoll, the
 * loader never calls it: so MPI_X goes to the next MPI_X, where that is a tool's, and the tool's PMPI_X
 * arrives here likewise. PMPI_X always is vcoll's own work.
 */
#ifndef VC_PMPI_SYMBOLS_H
#define VC_PMPI_SYMBOLS_H

#include "pmpi/door.h"
#include "pmpi/stack.h"

#define VC_PUBLIC __attribute__((visibility("default")))

/** Exports PMPI_name and MPI_name. */
#define VC_EXPORT(name)                                                                                      \
    extern __typeof__(PMPI_##name) PMPI_##name VC_PUBLIC;                                                    \
    extern __typeof__(MPI_##name) MPI_##name VC_PUBLIC;

/**
 * Before the body of a function: its two public names. `params` and `args` are the parenthesized lists. The
 * body is a static function, because a call from one name to the other would go through the loader, which may
 * have another object's function for it.
 */
#define VC_NAMES(name, params, args)                                                                         \
    VC_EXPORT(name)                                                                                          \
    static int own_##name params;                                                                            \
    int PMPI_##name params                                                                                   \
    {                                                                                                        \
        return own_##name args;                                                                              \
    }                                                                                                        \
    int MPI_##name params                                                                                    \
    {                                                                                                        \
        __typeof__(&PMPI_##name) tool = vc_gate_mpi_open() ? NULL : vc_stack()->name;                        \
        return tool ? tool args : own_##name args;                                                           \
    }                                                                                                        \
    static int own_##name params

#endif
