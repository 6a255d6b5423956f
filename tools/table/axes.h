/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All communicators that rows of tables can tell apart, as a grid: an axis for each key, and along it the
 * ranges between which no row changes its mind.
 */
#ifndef VC_TOOLS_TABLE_AXES_H
#define VC_TOOLS_TABLE_AXES_H

#include "tools/table/key.h"
#include "tune/table/table.h"

struct table_grid {
    const struct vc_key_info *axis[VC_KEYS_MAX]; /**< in the order in which boxes grow */
    int axes;
    struct vc_range *at[VC_KEYS_MAX];           /**< numbers: ranges; others: their values, from 0 */
    char (*text[VC_KEYS_MAX])[VC_TABLE_DEVICE]; /**< TEXT: [n] values; [0] is "": another one, or none */
    int n[VC_KEYS_MAX];
    int cells;
};

/** A part of the grid: from lo to hi on each axis, both included. */
struct table_box {
    int lo[VC_KEYS_MAX], hi[VC_KEYS_MAX];
};

/** Of the rows of these tables (NULL entries are skipped). VC_OK, VC_ERR_NOMEM, or VC_ERR_INVAL when there
 * would be too many cells. */
int table_grid_make(const struct vc_table *const *tables, int n, struct table_grid *g);
/** Zeroed is legal. */
void table_grid_free(struct table_grid *g);

void table_grid_coordinates(const struct table_grid *g, int cell, int at[VC_KEYS_MAX]);
int table_grid_cell(const struct table_grid *g, const int at[VC_KEYS_MAX]);

/** A communicator of the cell, nodes of equal size preferred. False: there is none, or only of one rank. */
bool table_grid_place(const struct table_grid *g, int cell, struct table_place *p);

/** The box as keys. *no_device: and a device that no row names, or none. */
void table_grid_keys(const struct table_grid *g, const struct table_box *box, struct vc_row_keys *k,
                     bool *no_device);

#endif
