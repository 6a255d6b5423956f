/* SPDX-License-Identifier: BSD-3-Clause */
/* Measured points of several tables as those of one. */
#ifndef VC_TOOLS_TABLE_MERGE_H
#define VC_TOOLS_TABLE_MERGE_H

#include "tools/table/tool.h"

/** Zeroed: none. */
struct merge_points {
    json_t *measured; /**< all of them: one for each call, kind of communicator and moderation, and entries
                         that are no points */
    struct vc_measured *chosen; /**< what rules are made of: one for each call. Those whose communicator has
                                   more keys come first, because the first row that holds decides */
    int n;                      /**< of `chosen` */
    int conflicts;              /**< decisions between different choices */
};

/**
 * Of points of one call under one moderation the one stays whose choice was measured with most rounds, else
 * that of the newest table. (Their times cannot be put together: two runs' times of native differ, too.) The
 * result does not depend on the order of the tables. Prints each decision between different choices. VC_OK or
 * VC_ERR_NOMEM.
 */
int merge_points(const struct vc_table_doc *file, int nfiles, struct merge_points *out);
void merge_points_free(struct merge_points *p);
/** A member that is a string; "" where there is none. */
const char *merge_text(const json_t *o, const char *name);

#endif
