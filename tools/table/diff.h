/* SPDX-License-Identifier: BSD-3-Clause */
/* What two tables do, compared; and nothing of how they say it. */
#ifndef VC_TOOLS_TABLE_DIFF_H
#define VC_TOOLS_TABLE_DIFF_H

#include "tools/table/tool.h"

/** Calls for which the tables choose differently. */
struct table_difference {
    enum vc_coll coll;
    enum vc_tri commutative;
    struct vc_range bytes;
    struct vc_row_keys where;
    bool no_device; /**< `where`, and no RDMA device, which keys cannot say */
    struct vc_alg_choice choice[2];
};

struct table_differ {
    void (*choice)(void *arg, const struct table_difference *d);
    /** NULL: that table has no row there. */
    void (*device)(void *arg, const struct vc_row_keys *where, bool no_device,
                   const struct vc_device_row *const row[2]);
    void *arg;
};

/**
 * Looks at one communicator for each combination of key ranges that rows of either table (NULL: none) or
 * built-in ones tell apart, powers of two and other numbers of ranks apart, and puts neighbours with the
 * same difference together. VC_OK, VC_ERR_NOMEM, or VC_ERR_INVAL when there are too many combinations.
 */
int table_compare(const struct vc_table *a, const struct vc_table *b, const struct table_differ *to);

#endif
