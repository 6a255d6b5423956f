/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lengths that only some ranks know (gatherv, scatterv, alltoallv, alltoallw), exchanged where the plan that
 * was chosen needs them on more ranks (vc_alg.lengths).
 */
#ifndef VC_PMPI_LENGTHS_H
#define VC_PMPI_LENGTHS_H

#include "pmpi/run.h"

/**
 * Collective: all ranks have chosen the same plan. Adds to the key what came. The memory behind that is *mem,
 * to be freed, also after an error. VC_OK or an error.
 */
int vc_lengths_exchange(struct vc_comm *c, const struct vc_call *k, const struct vc_choice *choice,
                        struct vc_plan_key *key, size_t **mem);

#endif
