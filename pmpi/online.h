/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Online tuning at the front door (VCOLL_TUNE=online): communicators stay in VC_COMM_LEARNING, where every
 * call takes the slow path and is timed. tune/online decides what is tried; this file has the clock, the
 * reductions that agree on verdicts, and the table that is written at the end. With VCOLL_TUNE=off no call
 * comes here.
 */
#ifndef VC_PMPI_ONLINE_H
#define VC_PMPI_ONLINE_H

#include "pmpi/team.h"

/** VCOLL_TUNE=online, and a share above 0. */
bool vc_online_wanted(void);

/**
 * What the call runs, or NULL: what the selection says. For communicators in VC_COMM_LEARNING, before
 * k->alg is set. Collective: may run native reductions on the communicator. Valid until
 * the communicator's next call.
 */
const struct vc_choice *vc_online_choose(struct vc_team *t, const struct vc_call *k, bool commutative);

/** After each call on such a communicator, whether or not vc_online_choose() was asked: k says what ran, `ns`
 * how long it took. */
void vc_online_done(struct vc_team *t, const struct vc_call *k, uint64_t ns);

/** Frees t->learner, NULL is legal; local. Its findings are kept for vc_online_save(). */
void vc_online_release(struct vc_team *t);

/** VCOLL_TUNE_SAVE: rank 0 of the world writes what was found on its communicators; the verdicts are agreed,
 * so nothing is communicated. Once, before MPI is finalized. */
void vc_online_save(void);

#endif
