/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of a table, a function for each, in the order in which parse.c needs them. */
#ifndef VC_TUNE_TABLE_PARTS_H
#define VC_TUNE_TABLE_PARTS_H

#include "tune/table/reader.h"
#include "tune/table/table.h"

/** "rules" (rules.c), "devices" (devices.c), "model" (model.c). */
int vc_tab_rules(struct vc_tab *t, json_t *rules, struct vc_table *out);
int vc_tab_devices(struct vc_tab *t, json_t *devices, struct vc_table *out);
int vc_tab_model(struct vc_tab *t, json_t *model, struct vc_table *out);

/** "levels" (levels.c). */
int vc_tab_levels(struct vc_tab *t, json_t *levels, struct vc_table *out);

/** What a rule or device row asks of the communicator (keys.c). */
int vc_tab_row_keys(struct vc_tab *t, json_t *obj, struct vc_row_keys *k);

/** Rows that an earlier row hides, rows whose sizes overlap in part (check.c). */
int vc_tab_check_rules(struct vc_tab *t, const struct vc_table *table);
int vc_tab_check_devices(struct vc_tab *t, const struct vc_table *table);

/** vc_table_canonical() of what is parsed already (text.c). */
char *vc_tab_canonical(json_t *root);

#endif
