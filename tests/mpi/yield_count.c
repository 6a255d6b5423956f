/* SPDX-License-Identifier: BSD-3-Clause */
/* A tool that counts calls of sched_yield(), and prints how many there were when the program ends. */
#include <sched.h>
#include <stdio.h>

static int calls;

int sched_yield(void)
{
    calls++;
    return 0;
}

__attribute__((destructor)) static void print_calls(void)
{
    fprintf(stderr, "yields: %d\n", calls);
}
