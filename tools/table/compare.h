/* SPDX-License-Identifier: BSD-3-Clause */
/* What two tables do, compared; and nothing of how they say it. */
#ifndef VC_TOOLS_TABLE_COMPARE_H
#define VC_TOOLS_TABLE_COMPARE_H

#include "tools/table/tool.h"

/** Calls, or devices, for which the tables choose differently. */
struct table_difference {
    bool is_device;
    struct vc_row_keys where; /**< the communicators that were looked at and differ in this way */
    /* Of calls: */
    enum vc_coll coll;
    enum vc_tri commutative;
    struct vc_range bytes;
    struct vc_choice choice[2];
    /* Of devices: */
    const struct vc_device_row *row[2]; /**< NULL: that table has no row there */
};

/**
 * Looks at communicators that either table was measured on, and at the smallest and largest ones that are in
 * two rows (of the tables, or built-in) at once, with everything possible and nothing forced; `tell` gets the
 * differences, those of neighbouring communicators together. VC_OK, VC_ERR_NOMEM, or VC_ERR_INVAL when there
 * are too many rows.
 */
int table_compare(const struct vc_table_doc file[2],
                  void (*tell)(void *arg, const struct table_difference *d), void *arg);

#endif
