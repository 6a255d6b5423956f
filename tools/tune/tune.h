/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-tune: what `vcoll tune run`, `check` and `validate --measure` start under mpirun. Words in, calls of
 * tune/search, text out. */
#ifndef VC_TOOLS_TUNE_TUNE_H
#define VC_TOOLS_TUNE_TUNE_H

#include "tune/search/search.h"

/** Parses the words of a mode; on wrong ones prints usage and exits with 2. */
void tune_parse(struct vc_search_opts *o, enum vc_search_mode mode, int argc, char **argv);
/** Runs itself under mpirun; the exit code. */
int tune_launch(const struct vc_search_opts *o);

/** Rank 0: what came of each mode, as text and as JSON; of a run, the table. The exit code. */
int tune_tell_run(struct vc_search_job *j);
int tune_tell_check(struct vc_search_job *j);
int tune_tell_again(struct vc_search_job *j);
/** --dry-run; collective over the world. */
void tune_print_plan(struct vc_search_job *j);
/** Where text goes: standard output, unless JSON goes there. */
FILE *tune_output(const struct vc_search_job *j);
/** "allreduce of 8 bytes on 4 ranks" */
void tune_print_call(FILE *f, enum vc_coll coll, size_t bytes, const struct vc_search_place *on);
/** What all JSON output begins with. */
json_t *tune_json_head(const struct vc_search_job *j);

#endif
