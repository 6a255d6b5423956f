/* SPDX-License-Identifier: BSD-3-Clause */
/* The channels of a communicator, each made when a plan that uses it is first chosen. */
#ifndef VC_PMPI_CHANNELS_H
#define VC_PMPI_CHANNELS_H

#include "pmpi/team.h"

/**
 * Makes the channel that a choice names, if that was not tried before; collective. Afterwards
 * t->chan_for[channel]->chan says on all ranks alike whether there is one; where there is none, the selection
 * was made anew without it.
 */
int vc_channels_open(struct vc_team *t, MPI_Comm comm, enum vc_choice_channel channel);

#endif
