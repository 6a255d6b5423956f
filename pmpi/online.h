/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Online tuning at the front door (VCOLL_TUNE=online): communicators stay in VC_COMM_LEARNING, where every
 * call takes the slow path and is watched. What is tried is tune/online/online.h's business; here are the
 * clock, the reductions that verdicts are agreed with, and the table at the end. With VCOLL_TUNE=off nothing
 * of this is called.
 */
#ifndef VC_PMPI_ONLINE_H
#define VC_PMPI_ONLINE_H

#include "pmpi/comm.h"
#include "pmpi/team.h"

/** VCOLL_TUNE=online, and a share above 0. */
bool vc_online_wanted(void);

/**
 * What the call runs, or NULL: what the selection says. For communicators in VC_COMM_LEARNING, before
 * k->alg is set. Collective: may run native reductions on the communicator. Valid until
 * the communicator's next call.
 */
const struct vc_choice *vc_online_choose(struct vc_comm *c, struct vc_call *k, bool commutative);

/** After each call on such a communicator, whether or not vc_online_choose() was asked: what ran is in k, and
 * how long it took. */
void vc_online_done(struct vc_comm *c, struct vc_call *k, uint64_t ns);

/** Frees team->online; local. What was found is kept for vc_online_save(). NULL in it is legal. */
void vc_online_release(struct vc_team *t);

/** VCOLL_TUNE_SAVE: rank 0 of the world writes what was found on its communicators; the verdicts are agreed,
 * so nothing is communicated. Once, before MPI is finalized. */
void vc_online_save(void);

#endif
