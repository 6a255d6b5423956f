/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The platform and the RDMA device that MPI_COMM_WORLD runs on, as keys of tables, and the settings of a
 * table's device rows: moderation of completion queues, interrupt coalescing of the interface behind the
 * device.
 */
#ifndef VC_PMPI_DEVICES_H
#define VC_PMPI_DEVICES_H

#include "tune/table/table.h"

struct vc_devices {
    int platform;               /**< enum vc_platform_class, -1: ranks differ */
    char rdma[VC_TABLE_DEVICE]; /**< model of the RDMA device that is used; "": none, or ranks differ */
};
extern struct vc_devices vc_devices;

/** Agrees on platform and device model. Collective over MPI_COMM_WORLD, after vc_fabric_init(). VC_OK or
 * VC_ERR_MPI. */
int vc_devices_agree(void);

/**
 * Does what the table's row for this world says, after vc_table_init(); local. `own_moderation`: the user has
 * given VCOLL_CQ_MODERATION, which wins. What cannot be done is logged, and is no error.
 */
void vc_devices_apply(bool own_moderation);

/** Restores the coalescing that was changed. May be called again; not from a signal handler. */
void vc_devices_restore(void);

#endif
