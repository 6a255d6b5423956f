/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info`: the tuning table that a job started here would use, and what it suggests for the devices
 * here. */
#ifndef VC_TOOLS_VCOLL_INFO_TABLE_H
#define VC_TOOLS_VCOLL_INFO_TABLE_H

#include "transport/topology/rdma.h"
#include "tune/table/table.h"
#include <jansson.h>

enum { INFO_SUGGESTIONS = 32 };

struct info_table {
    char name[256];     /**< the file's, or "built-in" */
    char checksum[32];  /**< "fnv1a64:..." */
    int rules, devices; /**< rows */
    char error[512];    /**< why there is none; then the built-in rules are described */
    struct info_suggestion {
        char device[64]; /**< of this machine */
        int row;
        char when[160]; /**< what else the row asks, in words; "" nothing */
        struct vc_param_moderation cq;
        struct vc_coalesce coalesce;
    } suggestion[INFO_SUGGESTIONS];
    int n;
};

/** Finds and parses as rank 0 of a job would. Cannot fail: what is wrong is part of the answer. */
void info_table_gather(const struct vc_params *params, enum vc_platform_class platform,
                       const struct vc_rdma_dev *rdma, int nrdma, struct info_table *out);

/** Calls `line` for each paragraph, with its label. */
void info_table_text(const struct info_table *t, void (*line)(const char *label, const char *fmt, ...));
json_t *info_table_json(const struct info_table *t);

#endif
