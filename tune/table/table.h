/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuning tables: which algorithm, channel and wait policy a call gets, and which moderation a device, by
 * topology. JSON (docs/tables.md; schema: tune/schema/vcoll-table-1.schema.json). The built-in rules are a
 * table of the same language (tune/builtin.json), compiled in. Parsing is rank 0's; what it broadcasts is the
 * stripped text, which every rank parses to the same rows. Pure: no MPI.
 *
 * {
 *   "vcoll_table": 1,
 *   "checksum": "fnv1a64:0123456789abcdef",  optional; over vc_table_canonical()
 *   "provenance": {...},                     free
 *   "model": {...},                          tune/model/model.h
 *   "rules": [
 *     {keys (vc_key_info[]), how a call runs (vc_choice_to_json()), "measured": {...} (free)}, ...
 *     {"algorithm": "builtin"}               the last row is required and has no keys; "native" or "builtin"
 *   ],
 *   "devices": [{keys, "cq_moderation": {"latency": [count, usecs], "bulk": [count, usecs]},
 *                "coalescing": {"rx-usecs": 0, "adaptive-rx": false}, "measured": {...}}, ...],
 *   "levels": {"processor": "...", "cpus": 16, "platform": "software", "over": "0-15",
 *              "cache": ["0-3,8-11", "4-7,12-15"], "numa": [...], "core": [...], "measured": {...}},
 *   "measured": [...], "moderation": [...]   tune/search/search.h; calls do not look at them
 * }
 *
 * The first row that matches decides. A row is passed over if its algorithm cannot run on the communicator or
 * refuses the operator. "builtin" leaves the call to the built-in rules. docs/tables.md lists what is a
 * mistake.
 */
#ifndef VC_TUNE_TABLE_TABLE_H
#define VC_TUNE_TABLE_TABLE_H

#include "transport/topology/coalesce.h"
#include "transport/topology/levels.h"
#include "transport/topology/platform.h"
#include "tune/model/model.h"
#include "tune/params/params.h"
#include "tune/table/keys.h"

#define VC_TABLE_MAX      ((size_t)64 << 20) /**< bytes of a file */
#define VC_TABLE_ROWS_MAX 5000               /**< rows of "rules", and of "devices" */
#define VC_TABLE_VERSION  1

/** A rule, for one collective: rows of several collectives become several. */
struct vc_row {
    enum vc_coll coll;
    struct vc_row_keys keys;
    struct vc_range bytes;
    enum vc_tri commutative;
    bool builtin; /**< the built-in rules decide; choice.alg is NULL */
    struct vc_choice choice;
    int index;   /**< place in "rules", from 0 */
    bool placed; /**< the row looks at where ranks are: reductions with VCOLL_REPRODUCIBLE skip it */
};

struct vc_device_row {
    struct vc_row_keys keys;
    struct vc_param_moderation cq; /**< given: false: leave the queues alone */
    struct vc_coalesce coalesce;   /**< has 0: nothing suggested */
    int index;
};

/** Which CPUs share what on machines of one kind, as measured there. */
struct vc_table_levels {
    char processor[96]; /**< vc_processor()'s name, */
    int cpus;           /**< and how many it counts */
    int platform;       /**< enum vc_platform_class */
    struct vc_cpu_map map;
};

struct vc_table {
    struct vc_row *row;
    int nrows;
    struct vc_device_row *device;
    int ndevices;
    bool has_model;
    struct vc_model model;
    struct vc_table_levels *levels; /**< NULL: none */
    uint64_t checksum;              /**< of vc_table_canonical() */
    char origin[256];               /**< file name, "built-in" */
};

/**
 * Parses and checks. VC_OK and *out (vc_table_free()), or VC_ERR_INVAL whose text is
 * "origin:line:column: cause; nearest valid choice", or VC_ERR_NOMEM. Thread-safe.
 */
int vc_table_parse(const char *text, size_t len, const char *origin, struct vc_table **out);
/** NULL is legal. */
void vc_table_free(struct vc_table *t);

/** Reads a file into malloc()ed memory, NUL added. Refuses what is longer than VC_TABLE_MAX, no regular file,
 * or unreadable, before reading it. VC_OK, VC_ERR_INVAL, VC_ERR_SYS, VC_ERR_NOMEM. */
int vc_table_read(const char *path, char **text, size_t *len);

/** Where the table of this process is, after VCOLL_TABLE, $XDG_CONFIG_HOME/vcoll/table.json, the system's
 * (/etc/vcoll/table.json), the installed defaults. "" in path: only the built-in rules. VC_ERR_INVAL when
 * VCOLL_TABLE names a file that is not there. `setting` is VCOLL_TABLE's value: "auto", "none" or a path. */
int vc_table_locate(const char *setting, char *path, size_t len);

/** What is broadcast: the text without all that calls do not look at ("provenance", "measured", "model",
 * ...). malloc()ed; NULL without memory or when the text does not parse. */
char *vc_table_strip(const char *text, size_t len);

/** The text that checksums are taken over: keys sorted, without white space and "checksum". malloc()ed. */
char *vc_table_canonical(const char *text, size_t len);
uint64_t vc_table_checksum(const char *canonical);

/** The built-in rules. Static; parsed at first use, thread-safe. Never NULL: a test proves that they parse.
 * Without memory for that they have no rows, and the next call tries again. */
const struct vc_table *vc_table_builtin(void);
/** The same as C, which embed_rows.c makes of them when the library is built. */
#define VC_TABLE_ALG 32 /**< bytes of an algorithm's name with its NUL */
struct vc_table_rows {
    const struct vc_row *row; /**< choice.alg NULL */
    const char (*alg)[VC_TABLE_ALG];
    int nrows;
    uint64_t checksum;
};
extern const struct vc_table_rows vc_builtin_rows; /**< in the library, not in programs */
/** From now on the first use takes these and parses nothing. */
void vc_table_builtin_rows(const struct vc_table_rows *rows);
/** Their text. */
const char *vc_table_builtin_text(void);

/** The first device row that holds, or NULL. */
const struct vc_device_row *vc_table_device(const struct vc_table *t, const struct vc_topo_key *key);

/** Whatever matches b matches a, and when it comes to a, a is taken or b could not be taken either. */
bool vc_row_hides(const struct vc_row *a, const struct vc_row *b);
/** The same keys, and sizes that overlap in part: a table has no such rows. */
bool vc_row_overlaps(const struct vc_row *a, const struct vc_row *b);
/** The restrictions (enum vc_restriction) for which the row's algorithm refuses some of the calls that match,
 * as far as the keys tell: it passes them on. */
unsigned vc_row_passes_on(const struct vc_row *r);
/** NULL, or why no call that the row matches can run its algorithm. Static storage. */
const char *vc_row_impossible(const struct vc_row *r);

/* ---- parts of a table as JSON, for what writes tables ---- */

/** What "model" holds: {"link": {"shm": {"latency", "overhead", "points": [[bytes, gap], ...]}, "resident",
 * "wire"}, "node": {"base", "flag", "copy", "reduce"}, "wake", "wake_device", "interrupt", "moderation",
 * "steal", "switch_cost", "cpus_per_rank"}. Ways and node phases that are not known are left out; numbers
 * that are not finite are, too. NULL without memory. */
struct json_t *vc_model_to_json(const struct vc_model *m);
/** Sets a number of "model" by its name there, "steal" or "node.flag". VC_OK, or VC_ERR_INVAL with the
 * nearest name, or what is valid. */
int vc_model_set(struct vc_model *m, const char *name, double value);

/** "levels", without "measured". NULL without memory. */
struct json_t *vc_levels_to_json(const struct vc_table_levels *l);
/** Of the machines that "levels" holds for: equal where processor and number of CPUs are, and not 0. */
uint64_t vc_levels_machine(const char *processor, int cpus);

/** Puts "algorithm" and what is said besides it into a row of "rules". The algorithm is not NULL. */
void vc_choice_to_json(const struct vc_choice *c, struct json_t *row);

/* ---- tables as documents: rows, and the JSON they were written in, which has the measurements beside ----
 */

struct vc_table_doc {
    const char *path;      /**< as given, "built-in" */
    struct vc_table *rows; /**< NULL: no table */
    struct json_t *json;
};

/** Parses and checks, as vc_table_parse() does. `origin` must live as long. */
int vc_table_doc_parse(const char *text, size_t len, const char *origin, struct vc_table_doc *out);
/** Reads a file, too. Errors of vc_table_read() and vc_table_parse(). */
int vc_table_doc_open(const char *path, struct vc_table_doc *out);
/** Leaves an empty one. */
void vc_table_doc_close(struct vc_table_doc *d);

/** Now, as tables have it: ISO 8601, UTC. Returns buf. */
const char *vc_table_date(char buf[32]);
/** Puts the checksum in, and writes the table: members on lines of their own, lists with one element a line.
 * malloc()ed; NULL without memory. */
char *vc_table_text(struct json_t *table);
/** Writes a text beside `path` and puts it in place in one step, so that no process ever reads half a table;
 * without `force` only where there is none. VC_OK, VC_ERR_SYS, VC_ERR_NOMEM; after an error `path` is what it
 * was. */
int vc_table_save(const char *text, const char *path, bool force);

#endif
