/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What online tuning has found on a process' communicators, as a table (tune/table/table.h): one row for each
 * collective, operator class, size class and kind of communicator. Bounded memory. Not thread-safe.
 */
#ifndef VC_TUNE_ONLINE_TABLE_H
#define VC_TUNE_ONLINE_TABLE_H

#include "tune/online/online.h"

#define VC_ONLINE_ROWS 2048 /**< rows kept; what is found later has no place */

struct vc_online_row;

/** Zeroed: empty. */
struct vc_online_book {
    struct vc_online_row *row;
    int n, cap;
};

/** Adds what was found on one communicator. Where there is a row of the same keys, the one with more trials
 * stays. Without memory, or when the book is full, what does not fit is left out. */
void vc_online_book_add(struct vc_online_book *b, const struct vc_topo_key *key, const struct vc_online *o);
/** Leaves an empty book. */
void vc_online_book_free(struct vc_online_book *b);

/** The table's text, with checksum; malloc()ed, NULL without memory. */
char *vc_online_book_text(const struct vc_online_book *b);
/** Writes the text to a temporary file beside `path` and renames it. VC_OK, VC_ERR_SYS, VC_ERR_NOMEM. */
int vc_online_book_write(const struct vc_online_book *b, const char *path);

#endif
