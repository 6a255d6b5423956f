/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a table as JSON values, for the tools that write tables. */
#ifndef VC_TUNE_TABLE_JSON_H
#define VC_TUNE_TABLE_JSON_H

#include "tune/table/table.h"

#include <jansson.h>

/** What "model" holds: {"link": {"shm": {"latency", "overhead", "points": [[bytes, gap], ...]}, "resident",
 * "wire"}, "node": {"base", "flag", "copy", "reduce"}, "wake", "wake_device", "interrupt", "moderation",
 * "steal", "switch_cost", "cpus_per_rank"}. Ways and node phases that are not known are left out; numbers
 * that are not finite are, too. NULL without memory. */
json_t *vc_model_to_json(const struct vc_model *m);

/** Puts "algorithm" and what is said besides it into a row of "rules". The algorithm is not NULL. */
void vc_choice_to_json(const struct vc_alg_choice *c, json_t *row);

#endif
