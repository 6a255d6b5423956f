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
 * The next definition behind our own object. If there is none, or it is our own (our code may be linked into
 * the program, and a loader may search in another order), libmpi is asked by name.
 */
void *vc_next_find(const char *symbol)
{
    static const char *const libs[] = {"libmpi.so.40", "libmpi.so", "libmpi.so.12"};
    const void *own = object_of(&vc_next);
    void *sym = dlsym(RTLD_NEXT, symbol);
    if (sym && object_of(sym) != own)
        return sym;
    for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
        /* Only if it is loaded already. The handle is never closed, because the functions stay in use. */
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

/* Why the MPI cannot be used, "" when it can. */
static char unfit[256];

/*
 * Takes the place of a function that the MPI does not have. Without vcoll a program that calls it would not
 * start, or would end at this call.
 */
static int missing(void)
{
    vc_log(VC_LOG_ERROR,
           "the program called an MPI function that this MPI library does not have: vcoll must be preloaded "
           "into, or linked before MPI in, a program that uses an MPI-3.1 library");
    _exit(1);
}

static bool is_optional(const char *name)
{
    size_t len = strlen(name);
    return len > 2 && strcmp(name + len - 2, "_c") == 0; /* large counts: not before MPI 4 */
}

static void *find_or_missing(const char *name)
{
    void *sym = vc_next_symbol(name);
    if (sym)
        return sym;
    if (!unfit[0] && !is_optional(name))
        snprintf(unfit, sizeof unfit, "the MPI library of this program has no PMPI_%s", name);
    int (*fn)(void) = missing;
    memcpy(&sym, &fn, sizeof sym);
    return sym;
}

/* What the loaded object that holds `symbol`, or one that it needs, has by the name `other`; NULL when none
 * has. *base: where that object begins. */
static void *see_from(const void *symbol, const char *other, const void **base)
{
    Dl_info info;
    if (dladdr(symbol, &info) == 0 || !info.dli_fname)
        return NULL;
    *base = info.dli_fbase;
    void *lib = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    void *found = lib ? dlsym(lib, other) : NULL;
    if (lib)
        dlclose(lib);
    return found;
}

bool vc_next_has(const void *symbol, const char *other)
{
    const void *base = NULL;
    void *found = see_from(symbol, other, &base);
    return found && object_of(found) == base;
}

/*
 * MPIs of another family have other handles: an MPI_Comm of MPICH is an int. Descendants of Open MPI have
 * names of their own, but its objects.
 */
static void judge_family(void)
{
    static char text[16384]; /* the other family's MPI_MAX_LIBRARY_VERSION_STRING may be larger than ours */
    void *sym = vc_next_symbol("Get_library_version");
    const void *base;
    int len = 0;
    /* The object may be in a library that the functions' library needs. */
    if (!sym || see_from(sym, "ompi_mpi_comm_world", &base))
        return;
    if (vc_next.Get_library_version(text, &len) != MPI_SUCCESS)
        text[0] = '\0';
    if (strncmp(text, "Open MPI", 8) == 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\t')
            *c = ' ';
    snprintf(unfit, sizeof unfit, "this program uses \"%.100s\" and not Open MPI", text);
}

static void resolve(void)
{
    void *sym;
    /* memcpy: ISO C has no conversion between object and function pointers. */
#define VC_NEXT(name)                                                                                        \
    sym = find_or_missing(#name);                                                                            \
    memcpy(&vc_next.name, &sym, sizeof sym);
#include "transport/mpi/next.list"
#undef VC_NEXT
    judge_family();
}

void vc_next_init(void)
{
    pthread_once(&next_once, resolve);
}

const char *vc_next_unfit(void)
{
    return unfit[0] ? unfit : NULL;
}
