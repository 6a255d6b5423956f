/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measured points, and the rules that follow from them. No MPI calls: programs without MPI link it
 * (vcoll_points), such as those that read, merge and compare tables. The names of JSON members are those of
 * "measured" in a table (search.h).
 */
#ifndef VC_TUNE_SEARCH_POINTS_H
#define VC_TUNE_SEARCH_POINTS_H

#include "tune/params/params.h"
#include "tune/select/select.h"
#include "tune/table/table.h"
#include <jansson.h>

/** One call on one communicator, as it was measured, and what was chosen for it. */
struct vc_measured {
    struct vc_topo_key at; /**< where; hier NULL */
    enum vc_coll coll;
    size_t bytes;
    char choice[VC_CHOICE_TEXT];
    double ratio, ratio_low; /**< native's time over the choice's; NAN: not known */
    int rounds;              /**< of the choice */
    char why[320];           /**< in words */
};

enum { VC_MEASURED_RANKS_MAX = 1 << 20 }; /**< more ranks than that are a mistake in a file */

/** A point out of an element of "measured". False: it is not what it should be; *p is then undefined. */
bool vc_measured_from_json(const json_t *o, struct vc_measured *p);
/** Whether two points are of the same call on the same kind of communicator. */
bool vc_measured_same(const struct vc_measured *a, const struct vc_measured *b);
/** vc_topo_order() of communicators as rules tell them apart: without what lies between nodes where there is
 * one. */
int vc_measured_order(const struct vc_topo_key *a, const struct vc_topo_key *b, bool numbers);

/* ---- what "measured" of a table says (measured.c) ---- */

/** One number of an object, NAN when it is not there. */
double vc_measured_number(const json_t *o, const char *name);
/** The candidate of a point that is this choice, or NULL. Borrowed, as below. */
const json_t *vc_measured_candidate(const json_t *point, enum vc_coll coll, const struct vc_choice *choice);
/** Whether the point was measured as the table is used: under the moderation that was found, or under the one
 * that the table chooses. Others tell about the device, not about the choice. */
bool vc_measured_usual(const json_t *table, const json_t *point);
/** The point of a collective that was measured nearest to a call; NULL: none. */
const json_t *vc_measured_nearest(const json_t *table, const struct vc_topo_key *key, enum vc_coll coll,
                                  size_t bytes);

/** What was measured of a choice. rounds == 0: nothing. */
struct vc_evidence {
    long rounds;
    size_t bytes;
    double median; /**< seconds, from a common start; NAN: not known */
};
/** Of the usual points where keys and bytes hold, the one that has most rounds of the choice. */
struct vc_evidence vc_measured_evidence(const json_t *table, enum vc_coll coll,
                                        const struct vc_row_keys *keys, struct vc_range bytes,
                                        const struct vc_choice *choice);

/* ---- rules (rules.c) ---- */

/**
 * The rules of n points. For each collective and communicator, sizes with the same choice become one row;
 * borders lie halfway (geometrically) between neighbours, in bytes as in ranks, nodes and ranks per node.
 * Rows stand in the order in which communicators first appear among the points; the default row, the built-in
 * rules, comes last. Of equal points the last one counts. NULL without memory.
 */
json_t *vc_rules_of_points(const struct vc_measured *p, int n);

/** What the rules of the table say about a point: the choice, "builtin" or "nothing". Returns buf. */
const char *vc_rules_choice(const struct vc_table *t, const struct vc_measured *p, char *buf, size_t len);
/** Whether that is what was chosen there. */
bool vc_rules_obey(const struct vc_table *t, const struct vc_measured *p);

#endif
