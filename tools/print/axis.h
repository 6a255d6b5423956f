/* SPDX-License-Identifier: BSD-3-Clause */
/* Axes of plots: their ranges, where a value lies, their ticks. */
#ifndef VC_TOOLS_PRINT_AXIS_H
#define VC_TOOLS_PRINT_AXIS_H

#include "tools/print/plot.h"

struct plot_ticks {
    double at[24];
    int n;
};

/** Widens [lo, hi] by v, if v is finite and above 0. */
void plot_cover(struct plot_axis *a, double v);
/** Makes a range out of what was covered: some air, never empty. */
void plot_settle(struct plot_axis *a);
double plot_at(const struct plot_axis *a, double v);
void plot_find_ticks(const struct plot_axis *a, int most, struct plot_ticks *t);

#endif
