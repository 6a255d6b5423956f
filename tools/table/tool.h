/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune` without measuring: validate, explain, dump, merge, diff. */
#ifndef VC_TOOLS_TABLE_TOOL_H
#define VC_TOOLS_TABLE_TOOL_H

#include "tools/table/key.h"
#include "tune/search/points.h"
#include "tune/table/table.h"
#include <argp.h>
#include <jansson.h>
#include <stdio.h>

/* ---- the verbs: argv[0] is what argp calls the command; the result is the exit code ---- */

int table_validate(int argc, char **argv);
int table_explain(int argc, char **argv);
int table_dump(int argc, char **argv);
int table_merge(int argc, char **argv);
/** 0 the same, 1 they differ, 2 trouble. */
int table_diff(int argc, char **argv);

/* ---- file.c ---- */

/**
 * The table that would be used: `given` is a file's name, "none" or "auto"; NULL: the setting. Where that is
 * none, rows and json are NULL and path is "built-in". `path_buf` (PATH_MAX bytes) must live as long.
 */
int table_open_used(const char *given, const struct vc_params *params, char *path_buf,
                    struct vc_table_doc *out);
/** Settings, with complaints about bad ones on standard error: "`who`: warning: ...". False: a bad value. */
bool table_settings(const char *who, struct vc_params *params);
/** The last row, which holds for everything. Borrowed. */
json_t *table_default_row(const struct vc_table_doc *d);

/** Prints JSON to standard output and drops it. The exit code: EXIT_FAILURE, with a message, on failure. */
int table_print_json(const char *who, json_t *j);
/** Flushes standard output. `code`, or EXIT_FAILURE, with a message, when it could not be written. */
int table_flush(const char *who, int code);
/** A number or, for UINT64_MAX and NAN, null. */
json_t *table_bound_json(uint64_t n);
json_t *table_seconds_json(double seconds);

/* ---- text.c: all return buf ---- */

enum { TABLE_TEXT = 256 };

/** "64k..256k", "up to 8k", "from 64k+1", "all sizes". */
char *table_bytes_text(struct vc_range bytes, char *buf, size_t len);
/** "64k" */
char *table_size_text(size_t bytes, char *buf, size_t len);
/** "4 ranks, 1 node, crowded"; "anywhere". */
char *table_keys_text(const struct vc_row_keys *k, char *buf, size_t len);
/** "two_level:leaders=2", "builtin". */
char *table_choice_text(const struct vc_row *r, char *buf, size_t len);
/** "commutative", "other" or "". Static storage. */
const char *table_operator_text(enum vc_tri commutative);
/** "9.8 us"; "-" for NAN. */
char *table_time_text(double seconds, char *buf, size_t len);
/** "latency 0:0, bulk 16:32; rx-usecs 0": what a device row sets; NULL: nothing. */
char *table_device_text(const struct vc_device_row *d, char *buf, size_t len);

/* ---- list.c: rules of several tables as one list ---- */

struct table_rule {
    struct vc_row row;
    bool cut;           /**< row.bytes are not those of `json` any more */
    const json_t *json; /**< its object in the table; borrowed */
    const char *origin; /**< which table */
};

struct table_rules {
    struct table_rule *rule;
    int n, cap;
};

/** The rules of a table but for the default row, one for each collective; `skip` (may be NULL) by row. VC_OK
 * or VC_ERR_NOMEM, as table_rules_split(). */
int table_rules_add(struct table_rules *list, const struct vc_table_doc *d, const bool *skip);
void table_rules_free(struct table_rules *list);
/** Whether two rows choose the same. */
bool table_same_choice(const struct vc_row *a, const struct vc_row *b);
/** Cuts rules whose sizes overlap in part with those of an earlier one of the same keys; means the same as
 * before. The language has no such overlaps. */
int table_rules_split(struct table_rules *list);
/** Drops what no call can reach any more; `tell` (may be NULL) gets each. */
void table_rules_prune(struct table_rules *list,
                       void (*tell)(void *arg, const struct table_rule *dropped, const struct table_rule *by),
                       void *arg);
/** As the language writes them: rules that differ in their collective alone become one. NULL: no memory. */
json_t *table_rules_json(const struct table_rules *list, bool measured);

#endif
