/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plots of `vcoll report` as inline SVG. Written here and not by gnuplot, whose SVG has one set of ids that
 * collides when a page holds several, fixed colours that dark mode and printing cannot change, and tooltips
 * that need its JavaScript. All axes are logarithmic, or linear when they span little.
 */
#ifndef VC_TOOLS_REPORT_PLOT_H
#define VC_TOOLS_REPORT_PLOT_H

#include "tools/report/report.h"

#define PLOT_COLOURS 7 /**< series that get a colour and a shape of their own */
#define PLOT_TIP     256

enum plot_kind { PLOT_BYTES, PLOT_TIME, PLOT_RATIO };
/** Looks of a series besides 0..PLOT_COLOURS-1. */
enum { PLOT_NATIVE = -1, PLOT_FAINT = -2, PLOT_CHOICE = -3 };

struct plot_mark {
    double x, y, low, high; /**< low, high: NAN: no interval */
    bool ring;              /**< encircled: the choice */
    bool gap;               /**< no line from the mark before to this one */
    char tip[PLOT_TIP];     /**< shown when pointed at; read out */
};

struct plot_series {
    int look;
    const char *name; /**< in the legend; NULL: not there */
    struct plot_mark *mark;
    int n;
};

struct plot_axis {
    enum plot_kind kind;
    const char *label;
    double lo, hi;   /**< found by the plot when lo is 0 */
    bool has_zero;   /**< bytes: a place for 0 left of the smallest size */
    double zero_at;  /**< the value that 0 is drawn at */
    double from, to; /**< pixels */
};

struct plot {
    const char *title, *desc;
    struct plot_axis x, y;
    struct plot_series *series;
    int nseries;
    bool identity; /**< scatter: the line y = x, no lines between marks */
    double line;   /**< a horizontal line (vertical in rows) at this value; 0: none */
    bool band;     /**< intervals as a band instead of bars */
};

/** A row of a plot of rows: one value with its interval on the x axis. */
struct plot_row {
    char label[REP_LONG];
    int look;
    double low2, high2; /**< a thin line: extremes; NAN: none */
    struct plot_mark mark;
};

/* ---- report_plot.c: whole figures, with legend ---- */

void plot_lines(struct report *r, struct plot *p);
/** Lines where there are several sizes, rows where there is one, labelled with what the marks say. */
void plot_by_size(struct report *r, struct plot *p);
/** p->x is the axis of values; p->series is not looked at. */
void plot_rows(struct report *r, struct plot *p, const struct plot_row *row, int n);

/* ---- report_svg.c ---- */

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
void plot_begin(struct report *r, const struct plot *p, double width, double height);
void plot_end(struct report *r);
void plot_draw_x(struct report *r, const struct plot *p, double top, double bottom);
void plot_draw_y(struct report *r, const struct plot *p);
/** One shape, filled in the look's colour. */
void plot_shape(FILE *f, int look, double x, double y);
/** Attributes of the look's colour. */
const char *plot_colour(int look);
void plot_legend(FILE *f, const struct plot *p);
/** An interval: a line with ends, cut off at the frame. */
void plot_bar(FILE *f, const struct plot_axis *a, bool upright, double across, double low, double high);

#endif
