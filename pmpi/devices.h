/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What MPI_COMM_WORLD runs on, as tables ask for it, and what a table's device rows say about it: moderation
 * of completion queues, interrupt coalescing of the interface behind the RDMA device.
 */
#ifndef VC_PMPI_DEVICES_H
#define VC_PMPI_DEVICES_H

#include "tune/select/select.h"

/** Agrees on platform and device model: fills vc_world.platform and .device. Collective over MPI_COMM_WORLD,
 * after vc_fabric_init(). */
int vc_devices_agree(void);

/**
 * Does what the table's row for this world says, after vc_table_init(); local. `own_moderation`: the user has
 * given VCOLL_CQ_MODERATION, which wins. What cannot be done is said, and is no error.
 */
void vc_devices_apply(bool own_moderation);

/** Puts back what was set. May be called again; not from a signal handler. */
void vc_devices_restore(void);

#endif
