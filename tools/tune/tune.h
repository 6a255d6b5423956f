/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-tune: what `vcoll tune run`, `check` and `validate --measure` start under mpirun. Words in, calls of
 * tune/search, text out. */
#ifndef VC_TOOLS_TUNE_TUNE_H
#define VC_TOOLS_TUNE_TUNE_H

#include "tune/search/internal.h"

/** Parses the words of a mode; on wrong ones prints usage and exits with 2. */
void tune_parse(struct vc_search_opts *o, enum vc_search_mode mode, int argc, char **argv);
/** Runs itself under mpirun; the exit code. */
int tune_launch(const struct vc_search_opts *o);

#endif
