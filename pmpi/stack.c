/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/stack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct vc_stack stack;
static bool any;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is_own(const void *sym)
{
    Dl_info theirs, ours;
    return dladdr(sym, &theirs) != 0 && dladdr(&stack, &ours) != 0 && theirs.dli_fbase == ours.dli_fbase;
}

/*
 * The tool's MPI_name, or NULL. `pmpi` is the PMPI function that vcoll itself calls. An object that has MPI_X
 * and not PMPI_X is a tool: when it calls PMPI_X, that comes in here. An object with both is the MPI, or a
 * tool that gets vcoll's own calls of PMPI_X, and whose MPI_X would go to the MPI without coming back here.
 */
static void *find_tool(const char *name, const void *pmpi)
{
    char symbol[64];
    int n = snprintf(symbol, sizeof symbol, "PMPI_%s", name);
    if (n < 0 || (size_t)n >= sizeof symbol)
        return NULL;
    void *sym = dlsym(RTLD_NEXT, symbol + 1);
    /* Mostly the MPI's two names are the same address. */
    return !sym || sym == pmpi || is_own(sym) || vc_next_has(sym, symbol) ? NULL : sym;
}

static void resolve(void)
{
    void *sym;
    vc_next_init();
    /* memcpy: ISO C has no conversion between object and function pointers. */
#define VC_SYMBOL(name)                                                                                      \
    memcpy(&sym, &vc_next.name, sizeof sym);                                                                 \
    sym = find_tool(#name, sym);                                                                             \
    memcpy(&stack.name, &sym, sizeof sym);                                                                   \
    any |= sym != NULL;
#include "vc_symbols.inc"
#undef VC_SYMBOL
}

const struct vc_stack *vc_stack(void)
{
    pthread_once(&once, resolve);
    return &stack;
}

bool vc_stack_any(void)
{
    vc_stack();
    return any;
}

const char *vc_stack_file(void)
{
    Dl_info info;
    void *sym;
    const struct vc_stack *s = vc_stack();
    if (s->Init)
        memcpy(&sym, &s->Init, sizeof sym);
    else
        memcpy(&sym, &s->Init_thread, sizeof sym);
    return sym && dladdr(sym, &info) != 0 && info.dli_fname ? info.dli_fname : "";
}
