/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that end a run in order. */
#include "tune/search/search.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t caught;

static void note(int sig)
{
    /* SIGUSR1 is what the launching process asks with (vc_search_launch.c): that it was interrupted itself.
     */
    caught = sig == SIGUSR1 ? SIGINT : sig;
}

void vc_search_signals_catch(void)
{
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_handler = note;
    /* Nothing of MPI's must fail because a person is impatient. */
    act.sa_flags = SA_RESTART;
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        sigaction(sigs[i], &act, NULL);
}

bool vc_search_interrupted(void)
{
    return caught != 0;
}

int vc_search_signal(void)
{
    return caught;
}
