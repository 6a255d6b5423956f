/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a function gets its two public names, and which of them another tool hears.
 *
 * A tool of the profiling interface defines MPI_X and calls PMPI_X. Before vcoll in the order in which the
 * loader searches, it gets the program's call first, and its PMPI_X arrives here. Behind vcoll it would never
 * be asked; so MPI_X goes to the next MPI_X, where that is a tool's, whose PMPI_X then arrives here likewise.
 * PMPI_X always is vcoll's own work.
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
 * Before the body of a function: its two public names. `params` and `args` are the parenthesized lists. Calls
 * between the names would go through the loader, and so perhaps to somebody else.
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

/**
 * The whole of one of the six: what is behind `args` fills a struct vc_call that `run` gets. One test of a
 * gate is all there is before it, by either name; what is rare is a function of its own, so that the compiler
 * saves no registers for it.
 */
#define VC_SIX(name, run, params, args, ...)                                                                 \
    VC_EXPORT(name)                                                                                          \
    int PMPI_##name params                                                                                   \
    {                                                                                                        \
        struct vc_call k = {__VA_ARGS__};                                                                    \
        return vc_gate_open() ? run(&k) : vc_call_slow(&k, run);                                             \
    }                                                                                                        \
    static __attribute__((noinline)) int rare_##name params                                                  \
    {                                                                                                        \
        struct vc_call k = {__VA_ARGS__};                                                                    \
        __typeof__(&PMPI_##name) tool = vc_stack()->name;                                                    \
        return tool ? tool args : vc_call_slow(&k, run);                                                     \
    }                                                                                                        \
    int MPI_##name params                                                                                    \
    {                                                                                                        \
        if (VC_UNLIKELY(!vc_gate_mpi_open()))                                                                \
            return rare_##name args;                                                                         \
        struct vc_call k = {__VA_ARGS__};                                                                    \
        return run(&k);                                                                                      \
    }

#endif
