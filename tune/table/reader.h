/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a table's text: the place that is looked at, mistakes told with it, and members by kind of value.
 */
#ifndef VC_TUNE_TABLE_READER_H
#define VC_TUNE_TABLE_READER_H

#include "tune/table/keys.h"

#include <jansson.h>

/** Longest path to a value that can be wrong: model.link.wire.points[3][1]. */
#define VC_TAB_DEPTH 8

/** One step into the JSON text: a member (key) or, where key is NULL, an element. */
struct vc_tab_step {
    const char *key;
    size_t index;
};

/** A text that is being parsed, and the place in it that is looked at. */
struct vc_tab {
    const char *text;
    size_t len;
    const char *origin;
    struct vc_tab_step path[VC_TAB_DEPTH];
    int depth;
};

/* ---- mistakes and their places (pos.c) ---- */

void vc_tab_into(struct vc_tab *t, const char *key);
void vc_tab_into_element(struct vc_tab *t, size_t index);
void vc_tab_out(struct vc_tab *t);
/** vc_fail(VC_ERR_INVAL) with "origin:line:column: " of the place that is looked at before the text. */
int vc_tab_fail(const struct vc_tab *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The same with the place of a member's name in the object that is looked at. */
int vc_tab_fail_key(struct vc_tab *t, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** The same with a line and column that are known. */
int vc_tab_fail_at(const struct vc_tab *t, int line, int column, const char *text);
/** Refuses a NUL byte in the text: jansson passes over one that stands behind a number. */
int vc_tab_no_nul(const struct vc_tab *t);

/* ---- values by kind (fields.c): one member of an object each. An absent one is VC_OK and leaves *out alone.
 * ---- */

/** "a string", "a number", ... Static storage. */
const char *vc_tab_type(const json_t *v);
/** Refuses members that are not among `keys` (NULL at the end). `what`: "rule", for the text. */
int vc_tab_keys(struct vc_tab *t, json_t *obj, const char *what, const char *const *keys);
int vc_tab_word(struct vc_tab *t, json_t *obj, const char *key, const char *const *words, int *out);
/** A word or a list of words: bits. */
int vc_tab_words(struct vc_tab *t, json_t *obj, const char *key, const char *const *words, unsigned *out);
int vc_tab_flag(struct vc_tab *t, json_t *obj, const char *key, enum vc_tri *out);
int vc_tab_int(struct vc_tab *t, json_t *obj, const char *key, json_int_t lo, json_int_t hi, json_int_t *out);
/** A number, or text as in "64k". */
int vc_tab_size(struct vc_tab *t, json_t *obj, const char *key, size_t *out);
/** Seconds and the like: lo..hi, finite. */
int vc_tab_real(struct vc_tab *t, json_t *obj, const char *key, double lo, double hi, double *out);
/** A number or [min, max], of lo and more; sizes: also text. An open minimum is lo. */
int vc_tab_range(struct vc_tab *t, json_t *obj, const char *key, uint64_t lo, bool sizes,
                 struct vc_range *out);
/** The member must be there and of the type; *out is NULL when it is absent and not required. */
int vc_tab_member(struct vc_tab *t, json_t *obj, const char *key, json_type type, bool required,
                  json_t **out);

#endif
