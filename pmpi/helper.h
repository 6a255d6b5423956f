/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VCOLL_PROGRESS=thread: a thread of the process that moves nonblocking collectives (busy.h) while the
 * program computes. It sleeps for good while nothing is under way that it could move, and for short times
 * while the others have sent nothing. A thread that waits for a communicator's operations moves these itself,
 * and the helper leaves them to it. It blocks all signals, keeps the CPUs that the program was given, and
 * calls the MPI only where the program has MPI_THREAD_MULTIPLE: then it moves those over the MPI's messages
 * as well. Results that the MPI has to unpack, requests, and errors are left to the program's own MPI calls.
 */
#ifndef VC_PMPI_HELPER_H
#define VC_PMPI_HELPER_H

#include "pmpi/posted.h"

/** Starts it, if it is wanted and does not run. Thread-safe. */
void vc_helper_start(void);
/** There may be something for it to do. */
void vc_helper_wake(void);
/** Whether it runs, and would begin this operation by itself. */
bool vc_helper_takes(const struct vc_posted *op);
/** Tells it to end, and waits for it. */
void vc_helper_stop(void);

#endif
