/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The underlying MPI. Every call that vcoll itself makes to MPI goes through this one table of functions
 * found with dlsym(RTLD_NEXT, "PMPI_..."), never through a public symbol: our own library exports those
 * names.
 */
#ifndef VC_TRANSPORT_MPI_NEXT_H
#define VC_TRANSPORT_MPI_NEXT_H

#include "transport/channel.h"
#include <mpi.h>

/* Open MPI 6 deprecates functions that 4.1 has no other for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/** X-list of the functions in the table; adding a call means adding a line to next.list. */
struct vc_next {
#ifdef __GNUC__
#pragma GCC diagnostic push
/* A program that calls what MPI 4.1 deprecates is served, too: Open MPI 6 marks PMPI_Type_size_x. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
#define VC_NEXT(name) __typeof__(&PMPI_##name) name;
#include "transport/mpi/next.list"
#undef VC_NEXT
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
};
#pragma GCC diagnostic pop

/** Filled by vc_next_init(); read-only afterwards. */
extern struct vc_next vc_next;

/**
 * Resolves the table. Idempotent, thread-safe. No entry is NULL: one that the MPI does not have ends the
 * program with a line when it is called.
 */
void vc_next_init(void);

/**
 * NULL, or why the MPI of this program is none that vcoll can use: it is of another family, or lacks
 * functions. Then nothing but the program's own calls may be handed to it, because handles mean something
 * else there. Static storage. After vc_next_init().
 */
const char *vc_next_unfit(void);

/** Whether the loaded object that holds the address `symbol` defines `other` as well. */
bool vc_next_has(const void *symbol, const char *other);

/** The underlying function of an MPI name without prefix ("Allreduce"), or NULL. */
void *vc_next_symbol(const char *name);

/** A symbol of the MPI library by its full name, function or variable, or NULL. */
void *vc_next_find(const char *symbol);

/**
 * Drives the progress of the underlying MPI: opal_progress where it is found at run time, otherwise MPI_Test
 * of a never-matched receive on a private duplicate of MPI_COMM_SELF. Call vc_host_progress_init() after
 * MPI_Init and vc_host_progress_fini() before MPI is finalized.
 */
int vc_host_progress_init(void);
/** The same; direct == false does without opal_progress (to test the other way). May be called again to
 * switch. */
int vc_host_progress_init_with(bool direct);
void vc_host_progress_fini(void);
/** Drives the MPI once; a vc_progress_fn (drive.h). */
int vc_host_progress(void);

/**
 * A function that the MPI calls whenever it progresses, from then on until vc_host_progress_fini(): in its
 * waits and tests, in calls that need messages, in any thread. It returns how much it found to do, and must
 * not wait. False: this MPI has no such call.
 */
bool vc_host_can_call_back(void);
/** Adds the function, once however often it is called. VC_OK or VC_ERR_MPI. Thread-safe. */
int vc_host_call_back(int (*fn)(void));

/** The same of two more functions, which only look: they find nothing to do, and need not be called at each
 * progress. Each once. */
int vc_host_call_back_seldom(int (*fn)(void));

/** Of a sched_yield() of this thread: true, once, if the MPI says in that way that its progress, driven by
 * vcoll, found nothing. Then the yield is not to be done. */
bool vc_host_sees_yield(void);
/** MPI_Test of a receive, which learns by the way whether progress tells of messages: those that come over
 * sockets are noticed by nobody. */
int vc_host_test(MPI_Request *req, int *done);
/** Whether vc_host_progress() tells for certain that nothing came. */
bool vc_host_is_certain(void);
/** Some messages come in ways of which progress does not tell: it will not be certain any more. */
void vc_host_is_uncertain(void);

/** Whether the MPI has a switch that makes its waits yield the CPU (Open MPI's mpi_yield_when_idle), and how
 * it stands. */
bool vc_host_can_yield(void);
bool vc_host_yields(void);
/** Turns it, until vc_host_progress_fini(); nothing where there is none. From one thread at a time. */
void vc_host_set_yield(bool on);

/**
 * The mpi channel: point-to-point on `comm`, a private duplicate that the channel takes over and frees on
 * destroy (also when creation fails). Destroying it with requests in flight cancels receives; a send that MPI
 * has begun may still read its buffer.
 */
int vc_mpi_chan_create(MPI_Comm comm, struct vc_chan **out);
/** For tests: messages longer than `bytes` (default 1 GiB) go as several MPI messages. Equal on all ranks. */
void vc_mpi_chan_split(struct vc_chan *ch, size_t bytes);

#endif
