/* SPDX-License-Identifier: BSD-3-Clause */
/* What params*.c share among themselves. */
#ifndef VC_TUNE_PARAMS_INTERNAL_H
#define VC_TUNE_PARAMS_INTERNAL_H

#include "tune/params.h"

/** Longest value in the canonical syntax: VCOLL_ALG with every collective forced. */
#define VC_PARAM_TEXT_MAX 1024

/** VCOLL_ALG. */
int vc_param_parse_alg(struct vc_params *p, const char *text);
void vc_param_format_alg(const struct vc_params *p, char *buf, size_t len);

/** A whole decimal number of lo..hi; false otherwise. */
bool vc_parse_number(const char *text, unsigned long long lo, unsigned long long hi, unsigned long long *out);

/** Shortest spelling of a size: 65536 is "64k". Always fits in 24 bytes. */
void vc_format_bytes(size_t bytes, char *buf, size_t len);

/** Appends printf-style; what does not fit is cut off. */
void vc_append(char *buf, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** Copies the next item of a comma-separated list, trimmed, to `item`. False at the end or when it does not
 * fit
 * (*cursor is then not NULL). Start with *cursor = the list. */
bool vc_next_item(const char **cursor, char *item, size_t len);

#endif
