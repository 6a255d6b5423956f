/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates of a group as lines over size: which of them get a colour, which are thin, which are left out.
 */
#ifndef VC_TOOLS_REPORT_LINES_H
#define VC_TOOLS_REPORT_LINES_H

#include "tools/report/plot.h"

/** The figure of a group; b2b: times back to back instead of from a common start. */
void rep_plot_candidates(struct report *r, const struct rep_group *g, bool b2b);

#endif
