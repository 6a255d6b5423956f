/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll report`: a tuned table as one HTML page. Formats of what it reads: tune/search/search.h. One file
 * per concern:
 * - report.c: the command line, reading and writing files
 * - report_load.c, report_cands.c, report_moder.c: JSON into the structures below
 * - report_sum.c: averages, warnings
 * - report_html.c: escaping, numbers and their units; report_page.c: the frame of the page, its style
 * - report_svg.c: axes, marks; report_plot.c: lines over size, rows, scatter
 * - report_head.c, report_coll.c (report_lines.c: its plots), report_cpu.c, report_moderation.c,
 *   report_reference.c, report_model.c (report_params.c), report_rules.c: sections
 * Times in seconds, sizes in bytes, NAN: not known. Strings are borrowed from the JSON of the table and may
 * hold anything: they go to the page through rep_text() only.
 */
#ifndef VC_TOOLS_REPORT_REPORT_H
#define VC_TOOLS_REPORT_REPORT_H

#include "tune/table/table.h"
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

struct rep_series {
    double median, low, high, p99;
};

struct rep_cand {
    const char *choice;
    struct rep_series start, b2b, ratio;
    double cpu, predicted;
    int rounds; /**< -1: not known */
    bool dropped;
};

/** What calls have in common that are drawn into one plot. Strings: "" where not said. */
struct rep_where {
    const char *coll, *op, *moderation;
    struct rep_key {
        int number;       /**< of RANGE, and a flag's 0 or 1; -1: not said, or text */
        const char *text; /**< of the others */
    } key[VC_KEYS_MAX];   /**< by the place in vc_key_info[] */
};

struct rep_point {
    struct rep_where where;
    double bytes;
    const char *why;
    struct rep_cand *cand;
    int ncand, chosen, native; /**< places in cand, or -1 */
    int order;                 /**< place in "measured" */
    bool usual;                /**< table_usual() */
};

/** Points that differ in bytes only, ascending. */
struct rep_group {
    struct rep_where where;
    struct rep_point *point;
    int npoint;
};

/** One call under one moderation setting. */
struct rep_modpoint {
    struct rep_where where;
    double bytes;
    const char *choice;
    struct rep_series time, native;
};

struct rep_setting {
    const char *device, *netdev, *name;
    bool found, chosen;
    struct rep_modpoint *point;
    int npoint;
};

struct rep_data {
    const char *origin; /**< file name */
    json_t *root;
    struct vc_table *table;
    const json_t *provenance; /**< NULL: none */
    struct rep_point *point;
    int npoint;
    int nusual; /**< those of them that are usual */
    struct rep_group *group;
    int ngroup;
    struct rep_setting *setting;
    int nsetting;
    int nbad;      /**< entries that could not be read */
    char bad[200]; /**< why the first of them could not */
};

struct report {
    FILE *f; /**< the page */
    const char *title;
    struct rep_data d;
    struct rep_data ref; /**< --reference: measured on the machine without virtualization; root NULL: none */
    int plots;           /**< drawn so far: their ids */
};

/* ---- reading ---- */

/** Reads and checks the table at `path`. 0, or -1 after telling why on stderr. rep_free() in any case. */
int rep_load(struct rep_data *d, const char *path);
void rep_free(struct rep_data *d);
/** Candidates of one entry of "measured"; false with why in d->bad. */
bool rep_load_cands(struct rep_data *d, const json_t *entry, struct rep_point *p);
int rep_load_moderation(struct rep_data *d, const json_t *list);
bool rep_load_where(const json_t *entry, struct rep_where *w, double *bytes);
/** Counts an entry that could not be read, keeps the first reason. Returns false. */
bool rep_bad(struct rep_data *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A number above zero, or NAN. */
double rep_number(const json_t *object, const char *key);
/** A string, "" where there is none. */
const char *rep_string(const json_t *object, const char *key);
struct rep_series rep_series_of(const json_t *object);
/** What is said of a key. */
const struct rep_key *rep_where_key(const struct rep_where *w, const char *key);
int rep_where_compare(const struct rep_where *a, const struct rep_where *b);

/* ---- averages ---- */

/** Speed-ups of the choices over native. */
struct rep_mean {
    int n;                  /**< points with a ratio */
    int points, kept;       /**< all; those where native was chosen */
    double mean, low, high; /**< geometric; 95% interval from those of the points */
    const struct rep_point *best, *worst;
};

/** Native over chosen at a point: the paired ratio, or that of the medians where there is none. */
struct rep_series rep_ratio(const struct rep_point *p);
/** Over all points of a collective, NULL: of all. Those under another moderation than the one found tell
 * about the device and not about the choice: they count only where there are no others. */
struct rep_mean rep_mean_of(const struct rep_data *d, const char *coll);
double rep_median(double *v, int n);
/** From a common start, or back to back where only that was measured. */
const struct rep_series *rep_time(const struct rep_cand *c);
/** Writes the list of what is to be taken with care. */
void rep_warnings(struct report *r);

/* ---- the page ---- */

void rep_text(FILE *f, const char *text); /**< escaped */
/** Formatted, then escaped. */
void rep_textf(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** A cell of a table: <td>escaped</td>, "num" ones to the right. */
void rep_cell(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void rep_num(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** <thead> of headings, which are separated by '|'. */
void rep_table_begin(FILE *f, const char *caption, const char *headings);
void rep_table_end(FILE *f);

#define REP_SHORT 64                                       /**< bytes of the texts below; all return buf */
char *rep_us(double seconds, char *buf);                   /**< "12.3", microseconds */
char *rep_us_range(const struct rep_series *s, char *buf); /**< "12.3 (11.9–13.0)" */
char *rep_bytes(double bytes, char *buf);                  /**< "64 KiB" */
char *rep_times(double ratio, char *buf);                  /**< "1.23×" */
char *rep_times_range(double x, double low, double high, char *buf);
char *rep_duration(double seconds, char *buf);
#define REP_LONG 256
/** "allreduce, 4 ranks on 2 nodes (2 per node), crowded, ...". */
char *rep_where_text(const struct rep_where *w, bool with_coll, char *buf);

/** The whole page of what was loaded, to r->f. */
void rep_page(struct report *r);
void rep_page_begin(struct report *r);
void rep_page_end(struct report *r);

void rep_section_head(struct report *r);
void rep_section_how(struct report *r);
void rep_section_colls(struct report *r);
void rep_section_cpu(struct report *r);
void rep_section_moderation(struct report *r);
/** Belongs to moderation; nothing without --reference. */
void rep_section_reference(struct report *r);
/** Seconds of the choice for the call without virtualization; NAN: not measured there. */
double rep_reference_time(const struct report *r, const struct rep_where *w, double bytes);
void rep_section_model(struct report *r);
/** The parameters of the model, in words. */
void rep_model_params(struct report *r, const struct vc_model *m);
void rep_section_rules(struct report *r);

/** Number of a collective in the order of enum vc_coll; a large one for names that are none. */
int rep_coll_rank(const char *name);

#endif
