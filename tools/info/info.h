/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll info`. What is found becomes one JSON object, which is printed as it is, or as lines for people that
 * are made from it (text.c). Keys are an interface: they may be added, not renamed. What is unknown is null.
 */
#ifndef VC_TOOLS_INFO_INFO_H
#define VC_TOOLS_INFO_INFO_H

#include "transport/topology/platform.h"
#include "tune/params/params.h"
#include <jansson.h>

/** machine.c: adds what --platform shows. */
void info_machine(json_t *to, const struct vc_params *params);
/** levels.c: what ranks of this machine can share. */
void info_levels(json_t *to, const struct vc_params *params, enum vc_platform_class platform);
/** settings.c: adds what --params and --algorithms show. */
void info_settings(json_t *to, const struct vc_param_value *value, const struct vc_param_report *report);
void info_algorithms(json_t *to);
/** text.c: the sections that the object holds, for people. Changes it. */
void info_print_text(json_t *info);
/** docs.c, from definitions alone, the same on every machine: docs/parameters.md, and the entries of section
 * ENVIRONMENT in vcoll(7). */
void info_print_markdown(void);
void info_print_man(void);

enum { COST_RANKS_MAX = 16384 };
/** cost.c: the whole of `vcoll info --cost` for that many ranks; 0: some sizes side by side. False, with a
 * message on standard error, when it could not be done; `written`: false when JSON could not be printed. */
bool info_cost(const struct vc_params *params, int ranks, int ppn, bool json, bool *written);

#endif
