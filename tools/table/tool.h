/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune` without measuring: validate, explain, dump, merge, diff. Tables are held twice: as rows
 * (tune/table/table.h), and as the JSON they were written in, which has the measurements beside.
 */
#ifndef VC_TOOLS_TABLE_TOOL_H
#define VC_TOOLS_TABLE_TOOL_H

#include "tools/table/key.h"
#include "tune/params/params.h"
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

/* ---- table_file.c ---- */

struct table_file {
    const char *path;      /**< as given, "built-in" */
    struct vc_table *rows; /**< NULL: no table */
    json_t *json;
};

/** Reads and checks a file. VC_OK, or an error whose text (vc_error_text()) is ready to be printed. */
int table_open(const char *path, struct table_file *out);
/** The built-in rules as a file of their own. */
int table_open_builtin(struct table_file *out);
/**
 * The table that would be used: `given` is a file's name, "none" or "auto"; NULL: the setting. Where that is
 * none, rows and json are NULL and path is "built-in". `path_buf` (PATH_MAX bytes) must live as long.
 */
int table_open_used(const char *given, const struct vc_params *params, char *path_buf,
                    struct table_file *out);
/** Zeroed is legal. */
void table_close(struct table_file *f);

/** Settings, with complaints about bad ones on standard error: "`who`: warning: ...". False: a bad value. */
bool table_settings(const char *who, struct vc_params *params);

/** Writes a table: top-level keys on lines of their own, arrays with one element a line. False: it failed. */
bool table_write(FILE *out, const json_t *table);
/** Puts the checksum in, over all that is there. VC_OK, VC_ERR_NOMEM. */
int table_seal(json_t *table);
/** Prints JSON to standard output and drops it. The exit code: EXIT_FAILURE, with a message, on failure. */
int table_print_json(const char *who, json_t *j);
/** Flushes standard output. `code`, or EXIT_FAILURE, with a message, when it could not be written. */
int table_flush(const char *who, int code);

/**
 * Writes a table beside `to`, checks what was written, and puts it in place of `to` in one step; without
 * `force` only where there is none (table_store.c). False, with a message, when something failed; `to` is
 * then what it was.
 */
bool table_store(const char *who, const json_t *table, const char *to, bool force);

/* ---- table_text.c: all return buf ---- */

enum { TABLE_TEXT = 256 };

/** "64k..256k", "up to 8k", "from 64k+1", "all sizes". */
char *table_bytes_text(struct vc_range bytes, char *buf, size_t len);
/** "4 ranks, 1 node, crowded"; "anywhere". */
char *table_keys_text(const struct vc_row_keys *k, char *buf, size_t len);
/** "two_level:leaders=2", "builtin". */
char *table_choice_text(const struct vc_row *r, char *buf, size_t len);
/** "commutative", "other" or "". Static storage. */
const char *table_operator_text(enum vc_tri commutative);
/** "9.8 us"; "-" for NAN. */
char *table_time_text(double seconds, char *buf, size_t len);
/** "latency 0:0, bulk 16:32; rx-usecs 0": what a device row sets. */
char *table_device_text(const struct vc_device_row *d, char *buf, size_t len);

/* ---- table_measured.c: "measured" of a table, tune/search/search.h ---- */

/** One number of an object, NAN when it is not there. */
double table_number(const json_t *o, const char *key);

/** Where a point was measured. `hier` is NULL. False: the point is not what it should be. */
bool table_point_key(const json_t *point, struct vc_topo_key *key);
/** Collective and bytes of a point. False as above. */
bool table_point_call(const json_t *point, enum vc_coll *coll, size_t *bytes);
/** The candidate of that choice, or NULL. Borrowed. */
const json_t *table_candidate(const json_t *point, enum vc_coll coll, const struct vc_alg_choice *choice);
/** Whether the point was measured as the table is used: under the moderation found, or the one that the table
 * chooses. Others tell about the device, not about the choice. */
bool table_usual(const json_t *table, const json_t *point);
/** The point measured nearest to a call, same collective; NULL: none. Borrowed. */
const json_t *table_nearest(const json_t *table, const struct vc_topo_key *key, enum vc_coll coll,
                            size_t bytes);

/** What was measured of a choice. rounds == 0: nothing. */
struct table_evidence {
    long rounds;
    size_t bytes;
    double median; /**< seconds, start; NAN: not known */
};
/** The best measured point of a choice where keys and bytes hold. */
struct table_evidence table_evidence(const json_t *table, enum vc_coll coll, const struct vc_row_keys *keys,
                                     struct vc_range bytes, const struct vc_alg_choice *choice);

/* ---- table_list.c: rules of several tables as one list ---- */

/** A rule, or a device row (coll < 0), of a file. */
struct table_rule {
    int coll;
    struct vc_row_keys keys;
    enum vc_tri commutative;
    struct vc_range bytes;
    bool bytes_cut;           /**< bytes are not those of `json` any more */
    bool ranks_cut;           /**< nor are keys.ranks */
    bool final;               /**< it never passes a call on: rows it covers are out of reach */
    const json_t *json;       /**< its object in the file; borrowed */
    const struct vc_row *row; /**< NULL for device rows */
    int file, order;          /**< which file, and its place there */
    int level;                /**< 0, or behind how many other files' rules that are alike it stands */
};

struct table_rules {
    struct table_rule *rule;
    int n, cap;
};

/** All rules of a file but the default row, one for each collective. VC_OK or VC_ERR_NOMEM, as all below. */
int table_rules_add(struct table_rules *list, const struct table_file *f, int file);
int table_rules_add_devices(struct table_rules *list, const struct table_file *f, int file);
int table_rules_push(struct table_rules *list, const struct table_rule *r);
void table_rules_free(struct table_rules *list);

/** Whether some call matches both. */
bool table_rules_meet(const struct table_rule *a, const struct table_rule *b);
/** Equal in all but bytes and choice. */
bool table_rules_alike(const struct table_rule *a, const struct table_rule *b);
bool table_rules_same_choice(const struct table_rule *a, const struct table_rule *b);

/** The restrictions (enum vc_restriction) for which the row's algorithm refuses some of the calls that match,
 * as far as the keys tell. */
unsigned table_row_passes(const struct vc_row *r);

/** Cuts rules whose sizes overlap in part with those of an earlier one that is alike; means the same as
 * before. The language has no such overlaps. */
int table_rules_split(struct table_rules *list);
/** Drops what no call can reach any more; `tell` (may be NULL) gets each. */
void table_rules_prune(struct table_rules *list,
                       void (*tell)(void *arg, const struct table_rule *dropped, const struct table_rule *by),
                       void *arg);
/** As the language writes them: rules that differ in their collective alone become one. NULL: no memory. */
json_t *table_rules_json(const struct table_rules *list, bool measured);

/* ---- table_settle.c: rules of several files ---- */

/** Two files' rules of equal keys for the same sizes: what was decided, for people. */
struct table_conflict {
    const struct table_rule *kept, *dropped;
    struct vc_range bytes;
    struct table_evidence kept_by, dropped_by;
    bool by_rounds; /**< otherwise: the later file */
};

/**
 * Where rules that are alike come from several files, puts for each size those of one of them first: measured
 * with more rounds, or of the later file. The others go, unless the first ones do not take all calls. `tell`
 * gets every decision between different choices.
 */
int table_rules_settle(struct table_rules *list, const struct table_file *files,
                       void (*tell)(void *arg, const struct table_conflict *c), void *arg);
/** Rules of different files that were measured on different numbers of ranks, and both hold for some between
 * them, share those (table_meet.c). VC_OK or VC_ERR_NOMEM. */
int table_rules_meet_in_the_middle(struct table_rules *list, const struct table_file *files);
/** More specific ones first, but rules of one file that may match the same call keep their order. */
int table_rules_sort(struct table_rules *list);

#endif
