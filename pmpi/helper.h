/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VCOLL_PROGRESS=thread: a thread of the process that moves nonblocking collectives while the program
 * computes. It sleeps for good while nothing is under way, and for short times while the others have sent
 * nothing. It blocks all signals, keeps the CPUs that the program was given, and calls the MPI only where the
 * program has MPI_THREAD_MULTIPLE: then it moves those over the MPI's messages as well. Results that the MPI
 * has to unpack, requests, and errors are left to the program's own MPI calls.
 */
#ifndef VC_PMPI_HELPER_H
#define VC_PMPI_HELPER_H

#include <stdbool.h>

/** Moves what can be moved. Negative: there is nothing under way. 0: it waits for other ranks. Positive:
 * something moved. */
typedef int vc_helper_work(bool may_call_mpi);
/** Sleeps until there is something under way, or until vc_helper_stop(). */
typedef void vc_helper_sleep(void);

/** Starts it, if it is wanted and does not run. Thread-safe. */
void vc_helper_start(vc_helper_work *work, vc_helper_sleep *sleep);
/** Whether it runs. */
bool vc_helper_runs(void);
/** Whether it is to end. */
bool vc_helper_ends(void);
/** Tells it to end; `wake` wakes it from its sleep. Waits for it. */
void vc_helper_stop(void (*wake)(void));

#endif
