/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mpi/next.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct vc_next vc_next;
static pthread_once_t next_once = PTHREAD_ONCE_INIT;

/** Which loaded object holds the address; NULL when none does. */
static const void *object_of(const void *addr)
{
    Dl_info info;
    return dladdr(addr, &info) != 0 ? info.dli_fbase : NULL;
}

/**
 * The next definition after our own object. Where that is not libmpi's (our code sits in the program and no
 * later object has it, or the loader was asked for the symbols in an unusual order), libmpi is asked by name.
 */
void *vc_next_find(const char *symbol)
{
    static const char *const libs[] = {"libmpi.so.40", "libmpi.so", "libmpi.so.12"};
    const void *own = object_of(&vc_next);
    void *sym = dlsym(RTLD_NEXT, symbol);
    if (sym && object_of(sym) != own)
        return sym;
    for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
        /* Only what is loaded anyway; the reference is kept on purpose, the functions are used until the end.
         */
        void *lib = dlopen(libs[i], RTLD_LAZY | RTLD_NOLOAD);
        sym = lib ? dlsym(lib, symbol) : NULL;
        if (sym && object_of(sym) != own)
            return sym;
    }
    return NULL;
}

void *vc_next_symbol(const char *name)
{
    char symbol[128];
    int n = snprintf(symbol, sizeof symbol, "PMPI_%s", name);
    return n > 0 && (size_t)n < sizeof symbol ? vc_next_find(symbol) : NULL;
}

static void *must_find(const char *name)
{
    void *sym = vc_next_symbol(name);
    if (!sym) {
        vc_log(VC_LOG_ERROR,
               "the MPI library has no PMPI_%s: vcoll must be preloaded into, or linked before MPI in, a "
               "program that "
               "uses an MPI-3.1 library",
               name);
        _exit(1);
    }
    return sym;
}

static void resolve(void)
{
    void *sym;
    /* memcpy: ISO C has no conversion between object and function pointers. */
#define VC_NEXT(name)                                                                                        \
    sym = must_find(#name);                                                                                  \
    memcpy(&vc_next.name, &sym, sizeof sym);
#include "transport/mpi/next.list"
#undef VC_NEXT
}

void vc_next_init(void)
{
    pthread_once(&next_once, resolve);
}
