/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text and plots for pages and pictures that need no file beside them: escaping, figures with their units,
 * SVG whose axes are logarithmic (linear where they span little). The pages are XML as well as HTML, so that
 * an XML parser can check them.
 */
#ifndef VC_TOOLS_PRINT_PLOT_H
#define VC_TOOLS_PRINT_PLOT_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- text ---- */

/** A text by value: `text_us(x).s` lasts to the end of the expression that holds it. */
struct text {
    char s[256];
};
/** What does not fit is cut off. */
struct text text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
struct text text_us(double seconds);  /**< "12.3", microseconds; "–" of NAN, as all below */
struct text text_bytes(double bytes); /**< "64 KiB" */
struct text text_times(double ratio); /**< "1.23×" */
struct text text_duration(double seconds);
/** "12.3 (11.9–13.0)" and "1.23× (1.20–1.26)"; without the interval where that is not known. */
struct text text_us_range(double seconds, double low, double high);
struct text text_times_range(double ratio, double low, double high);

/** Escaped. What XML forbids even when escaped is replaced. */
void html_text(FILE *f, const char *text);
void html_textf(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- plots ---- */

#define PLOT_COLOURS 7 /**< series that get a colour and a shape of their own */

enum plot_kind { PLOT_BYTES, PLOT_TIME, PLOT_RATIO };
/** Looks of a series besides 0..PLOT_COLOURS-1. */
enum { PLOT_NATIVE = -1, PLOT_FAINT = -2, PLOT_CHOICE = -3 };

struct plot_mark {
    double x, y, low, high; /**< low, high: NAN: no interval */
    bool ring;              /**< encircled: the choice */
    bool gap;               /**< no line from the mark before to this one */
    struct text tip;        /**< shown when pointed at; read out */
};

struct plot_series {
    int look;
    struct text name; /**< in the legend; "": not there */
    struct plot_mark *mark;
    int n;
};

struct plot_axis {
    enum plot_kind kind;
    const char *label;
    double lo, hi;   /**< found by the plot */
    bool has_zero;   /**< bytes: a place for 0 left of the smallest size */
    double zero_at;  /**< the value that 0 is drawn at */
    double from, to; /**< pixels */
};

struct plot {
    struct text title;
    const char *desc; /**< read out instead of the picture */
    struct plot_axis x, y;
    struct plot_series *series;
    int nseries;
    bool identity; /**< scatter: the line y = x, no lines between marks */
    double line;   /**< a horizontal line (vertical in rows) at this value; 0: none */
    bool band;     /**< intervals as a band instead of bars */
};

/** A row of a plot of rows: one value with its interval on the x axis. */
struct plot_row {
    struct text label;
    int look;
    double low2, high2; /**< a thin line: extremes; NAN: none */
    struct plot_mark mark;
};

/** A new series, to be filled before the next one is added. Without memory it is one that is not drawn. */
struct plot_series *plot_add(struct plot *p, int look, const char *name);
/** A new mark of it, like `m`. */
void plot_put(struct plot_series *s, struct plot_mark m);

/**
 * A <figure> of a page, with its legend: lines over size, or rows that say what the marks say where there is
 * one size only. `id`: different for each figure of the page. Frees the series.
 */
void plot_draw(FILE *f, int id, struct plot *p);
/** p->x is the axis of values; p has no series. */
void plot_rows(FILE *f, int id, struct plot *p, const struct plot_row *row, int n);
/** A picture by itself: lines over size side by side, with the legend of the first. Frees the series. */
void plot_picture(FILE *f, const char *title, struct plot *panel, int n);

#endif
