/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints what handles each signal after MPI_Init and after collectives, by the name of the library that the
 * handler is in: vcoll must own none, so the list is the same with and without it.
 */
#include "law.h"

static void list(const char *when)
{
    for (int s = 1; s < 65; s++) {
        struct sigaction old;
        Dl_info where = {0};

        if (sigaction(s, NULL, &old) != 0)
            continue;
        void *fn = (old.sa_flags & SA_SIGINFO) ? *(void **)&old.sa_sigaction : *(void **)&old.sa_handler;
        if (fn == (void *)SIG_DFL)
            continue;
        const char *file = "?", *slash;
        if (fn == (void *)SIG_IGN)
            file = "ignored";
        else if (dladdr(fn, &where) && where.dli_fname)
            file = (slash = strrchr(where.dli_fname, '/')) ? slash + 1 : where.dli_fname;
        printf("%s: signal %d: %s flags %x\n", when, s, file, (unsigned)old.sa_flags);
    }
}

int main(int argc, char **argv)
{
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        list("init");
    for (int i = 0; i < 5; i++)
        law_six(MPI_COMM_WORLD, 5000, i);
    if (rank == 0)
        list("used");
    MPI_Finalize();
    if (rank == 0)
        list("done");
    return 0;
}
