/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All communicators that rows of tables can tell apart, as a grid: an axis for each key, and along it the
 * ranges between which no row changes its mind.
 */
#ifndef VC_TOOLS_TABLE_AXES_H
#define VC_TOOLS_TABLE_AXES_H

#include "tools/table_key.h"

/** In the order in which boxes grow: what people name first comes last. */
enum table_axis {
    AXIS_DEVICE,
    AXIS_PLATFORM,
    AXIS_BULK,
    AXIS_CROWDED,
    AXIS_NETWORK,
    AXIS_PPN,
    AXIS_NODES,
    AXIS_RANKS,
    AXES
};

struct table_grid {
    struct vc_range *at[AXES]; /**< numbers: ranges; others: their values, from 0 */
    int n[AXES];
    char (*device)[VC_TABLE_DEVICE]; /**< [n[AXIS_DEVICE]]; [0] is "": another one, or none */
    int cells;
};

/** A part of the grid: from lo to hi on each axis, both included. */
struct table_box {
    int lo[AXES], hi[AXES];
};

/** Of the rows of these tables (NULL entries are skipped). VC_OK, VC_ERR_NOMEM, or VC_ERR_INVAL when there
 * would be too many cells. */
int table_grid_make(const struct vc_table *const *tables, int n, struct table_grid *g);
/** Zeroed is legal. */
void table_grid_free(struct table_grid *g);

void table_grid_coordinates(const struct table_grid *g, int cell, int at[AXES]);
int table_grid_cell(const struct table_grid *g, const int at[AXES]);

/** A communicator of the cell, nodes of equal size preferred. False: there is none, or only of one rank. */
bool table_grid_place(const struct table_grid *g, int cell, struct table_place *p);

/** The box as keys. *no_device: and a device that no row names, or none. */
void table_grid_keys(const struct table_grid *g, const struct table_box *box, struct vc_row_keys *k,
                     bool *no_device);

#endif
