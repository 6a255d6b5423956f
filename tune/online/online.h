/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Online tuning (VCOLL_TUNE=online): a bounded share of calls tries alternatives. Which call tries which is a
 * function of what all ranks know alike: how many calls of the collective and size class the communicator
 * has seen. The verdict is taken from times that differ between ranks, so it is agreed by one small reduction
 * when enough trials are in; that is counted against the share. Pure: no MPI and no clock in here; the front
 * door (pmpi/online.c) supplies both. Owned by one communicator, one thread at a time.
 */
#ifndef VC_TUNE_ONLINE_ONLINE_H
#define VC_TUNE_ONLINE_ONLINE_H

#include "tune/select/select.h"

struct vc_online;

/** What the next call of a collective and size runs, and what the caller has to do. */
struct vc_online_step {
    struct vc_choice choice;
    bool trial; /**< a measured call: its time goes to vc_online_time() */
    bool other; /**< runs something else than what is in use: counts against the share */
    bool
        verdict; /**< before the call: reduce vc_online_scores() with MAX and hand it to vc_online_decide() */
    bool selected; /**< the choice is what the selection says */
    int slot;      /**< of the collective and size class */
    int cand;      /**< the candidate of the slot that is tried; -1: none */
    int sample;    /**< the trial's place among the candidate's */
};

/** share: part of the calls that may be trials (0..1). Candidates are made from the registry for this
 * communicator, native and the selection's choice always among them. Key and selection are borrowed and must
 * outlive it. VC_OK or VC_ERR_NOMEM. */
int vc_online_create(const struct vc_topo_key *key, const struct vc_selection *sel, double share,
                     struct vc_online **out);
/** NULL is legal. */
void vc_online_free(struct vc_online *o);

/** The next call. Deterministic: the same sequence of calls and verdicts gives the same steps on all ranks. A
 * slot's memory is allocated here, once, when it has seen enough calls; its first verdict agrees on whether
 * all ranks had it. */
void vc_online_next(struct vc_online *o, enum vc_coll coll, size_t bytes, bool commutative,
                    struct vc_online_step *step);
/** Seconds that a trial took on this rank. */
void vc_online_time(struct vc_online *o, const struct vc_online_step *step, double seconds);
/** The step's choice could not run this call, for reasons that are equal on all ranks: it is not tried again.
 */
void vc_online_refused(struct vc_online *o, const struct vc_online_step *step);

/** This rank's scores of a slot; n doubles that stay the online state's. */
double *vc_online_scores(struct vc_online *o, int slot, int *n);
/** The scores reduced by MAX over all ranks: drops losers, or ends the slot's search. */
void vc_online_decide(struct vc_online *o, int slot, const double *scores);
/** Seconds that the reduction took on this rank; charged to the share at the next verdict. */
void vc_online_verdict_took(struct vc_online *o, int slot, double seconds);

/** What was found, for saving: one call for each size class that has a verdict; rows in ascending order.
 * `gain`: what the selection takes over what the choice takes. Classes inside which the selection changes,
 * and that keep it, are left out. */
void vc_online_each(const struct vc_online *o,
                    void (*row)(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max,
                                bool commutative, const struct vc_choice *choice, double gain, long trials),
                    void *arg);

/* ---- what was found, as a table ---- */

#define VC_ONLINE_ROWS 2048 /**< rows kept; what is found later has no place */

struct vc_online_row;

/** What was found on a process' communicators: a row for each collective, operator class, size class and kind
 * of communicator. Bounded memory. Not thread-safe. Zeroed: empty. */
struct vc_online_book {
    struct vc_online_row *row;
    int n, cap;
};

/** Adds what was found on one communicator. Where there is a row of the same keys, the one with more trials
 * stays. Without memory, or when the book is full, what does not fit is left out. */
void vc_online_book_add(struct vc_online_book *b, const struct vc_topo_key *key, const struct vc_online *o);
/** Leaves an empty book. */
void vc_online_book_free(struct vc_online_book *b);

/** The table's text, with checksum; malloc()ed, NULL without memory. */
char *vc_online_book_text(const struct vc_online_book *b);
/** Writes the text to a temporary file beside `path` and renames it. VC_OK, VC_ERR_SYS, VC_ERR_NOMEM. */
int vc_online_book_write(const struct vc_online_book *b, const char *path);

#endif
