/* SPDX-License-Identifier: BSD-3-Clause */
/* What params*.c share among themselves. */
#ifndef VC_TUNE_PARAMS_INTERNAL_H
#define VC_TUNE_PARAMS_INTERNAL_H

#include "tune/params/params.h"

/** Longest value in the canonical syntax: VCOLL_ALG with every collective forced. */
#define VC_PARAM_TEXT_MAX 1024

/** VCOLL_ALG. */
int vc_param_parse_alg(struct vc_params *p, const char *text);
void vc_param_format_alg(const struct vc_params *p, char *buf, size_t len);

/** What VCOLL_VERBS_* and VCOLL_CQ_MODERATION do not share with other parameters. */
int vc_param_parse_gid_index(struct vc_params *p, const char *text);
void vc_param_format_gid_index(const struct vc_params *p, char *buf, size_t len);
int vc_param_parse_tc(struct vc_params *p, const char *text);
void vc_param_format_tc(const struct vc_params *p, char *buf, size_t len);
int vc_param_parse_inline(struct vc_params *p, const char *text);
void vc_param_format_inline(const struct vc_params *p, char *buf, size_t len);
int vc_param_parse_pkey(struct vc_params *p, const char *text);
void vc_param_format_pkey(const struct vc_params *p, char *buf, size_t len);
void vc_param_format_cq_moderation(const struct vc_params *p, char *buf, size_t len);

/** VCOLL_TOPOLOGY. */
int vc_param_parse_topology(struct vc_params *p, const char *text);
void vc_param_format_topology(const struct vc_params *p, char *buf, size_t len);

/**
 * The kinds of values. Each returns VC_OK, or vc_fail(VC_ERR_INVAL, ...) with what is valid; *out is then
 * unchanged. Words end with NULL; a word's value is its index, a set has bit i for words[i].
 */
int vc_param_parse_word(const char *text, const char *const *words, int *out);
int vc_param_parse_flag(const char *text, bool *out);
int vc_param_parse_int(const char *text, int lo, int hi, int *out);
int vc_param_parse_size(const char *text, size_t lo, size_t hi, size_t *out);
int vc_param_parse_string(const char *text, char *out, size_t len);
int vc_param_parse_set(const char *text, const char *const *words, unsigned *out);
void vc_param_format_set(unsigned set, const char *const *words, char *buf, size_t len);

/** A whole decimal number of lo..hi; false otherwise. */
bool vc_parse_number(const char *text, unsigned long long lo, unsigned long long hi, unsigned long long *out);

/** Copies the next item of a comma-separated list, trimmed, to `item`. Start with *cursor = the list. False
 * at the end
 * (*cursor is then NULL) and when the item does not fit. */
bool vc_next_item(const char **cursor, char *item, size_t len);

#endif
