/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll report`: a tuned table as one HTML page. load.c reads, sum.c averages and judges, page.c has the
 * frame, rows.c headings and tables, each other file is a section. Formats of what is read:
 * tune/search/search.h. Times in seconds, sizes in bytes, NAN: not known. Strings are borrowed from the JSON
 * of the table and may hold anything: they go to the page escaped only (html_text() and what calls it).
 */
#ifndef VC_TOOLS_REPORT_REPORT_H
#define VC_TOOLS_REPORT_REPORT_H

#include "tools/print/plot.h"
#include "tune/table/table.h"
#include <jansson.h>

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
    bool usual;                /**< vc_measured_usual() */
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
    int nbad;        /**< entries that could not be read */
    struct text bad; /**< why the first of them could not */
};

enum { REP_FOUND = 8 }; /**< tables of --as-found at most */

struct report {
    FILE *f; /**< the page */
    const char *title;
    struct rep_data d;
    struct rep_data ref; /**< --reference: measured on the machine without virtualization; root NULL: none */
    struct rep_data found[REP_FOUND]; /**< --as-found: measured here before something was tuned */
    int nfound;
    int plots; /**< drawn so far: their ids */
};

/* ---- load.c ---- */

/** Reads and checks the table at `path`. 0, or -1 after telling why on stderr. rep_free() in any case. */
int rep_load(struct rep_data *d, const char *path);
void rep_free(struct rep_data *d);
/** A number above zero, or NAN. */
double rep_number(const json_t *object, const char *key);
/** A string, "" where there is none. */
const char *rep_string(const json_t *object, const char *key);
/** What is said of a key that is a number, or -1. */
int rep_where_number(const struct rep_where *w, const char *key);
int rep_where_compare(const struct rep_where *a, const struct rep_where *b);
/** "allreduce, 4 ranks on 2 nodes (2 per node), crowded, ..." */
struct text rep_where_text(const struct rep_where *w);
/** The same, and the size. */
struct text rep_call_text(const struct rep_where *w, double bytes);

/* ---- sum.c ---- */

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
struct text rep_us_range(const struct rep_series *s);
/** Writes the list of what is to be taken with care. */
void rep_warnings(struct report *r);

/* ---- page.c ---- */

/** The whole page of what was loaded, to r->f. */
void rep_page(struct report *r);

/* ---- rows.c ---- */

/** A heading within a section. */
void rep_heading(FILE *f, const char *text);
/** <thead> of headings, which are separated by '|'. */
void rep_table_begin(FILE *f, const char *caption, const char *headings);
void rep_table_end(FILE *f);
/**
 * A row of texts, one for each letter of `cells`: c as it is, n a number, g a number that is good, b one that
 * is bad, k code, w a reason. `class` of the row: NULL or a name.
 */
void rep_row(FILE *f, const char *class, const char *cells, ...);
/** The same cells without the row around them. */
void rep_cells(FILE *f, const char *cells, ...);

/* ---- gap.c: to the machine without virtualization, where there is a reference ---- */

/** The point of the reference for a call. Moderation does not say on how many ranks it was measured unless it
 * has to: what is not said fits. NULL: none. */
const struct rep_point *rep_reference_of(const struct report *r, const struct rep_where *w, double bytes);
/** Over all calls: native there, native here as found by each table of --as-found, the choices here. */
void rep_gap_as_found(struct report *r);
/** Over all calls, under the settings of one device: native there, native here, the choices here. */
void rep_gap_by_setting(struct report *r, const struct rep_setting *first, const struct rep_setting *end);
/** Of each call. */
void rep_gaps(struct report *r);

/* ---- sections ---- */

void rep_section_head(struct report *r);
void rep_section_colls(struct report *r);
void rep_section_cpu(struct report *r);
/** With the gap to the reference, where there is one. */
void rep_section_moderation(struct report *r);
/** What a setting is besides its name, ", tuned"; the tuner names the one it found "as found". */
const char *rep_role(const struct rep_setting *s);
void rep_section_model(struct report *r);
/** Nothing where no rule is simulated. */
void rep_section_simulated(struct report *r);
void rep_section_rules(struct report *r);

#endif
