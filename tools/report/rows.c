/* SPDX-License-Identifier: BSD-3-Clause */
/* Headings and tables of the sections. */
#include "tools/report/report.h"

#include <stdarg.h>
#include <string.h>

void rep_heading(FILE *f, const char *text)
{
    fputs("<h3>", f);
    html_text(f, text);
    fputs("</h3>\n", f);
}

/* ---- tables ---- */

void rep_table_begin(FILE *f, const char *caption, const char *headings)
{
    fputs("<div class=\"scroll\"><table><caption>", f);
    html_text(f, caption);
    fputs("</caption><thead><tr>", f);
    while (*headings) {
        const char *end = strchrnul(headings, '|');
        fputs("<th scope=\"col\">", f);
        html_textf(f, "%.*s", (int)(end - headings), headings);
        fputs("</th>", f);
        headings = *end ? end + 1 : end;
    }
    fputs("</tr></thead><tbody>\n", f);
}

void rep_table_end(FILE *f)
{
    fputs("</tbody></table></div>\n", f);
}

static void write_cells(FILE *f, const char *cells, va_list ap)
{
    for (; *cells; cells++) {
        const char *class = *cells == 'n'   ? " class=\"n\""
                            : *cells == 'g' ? " class=\"n good\""
                            : *cells == 'b' ? " class=\"n bad\""
                            : *cells == 'w' ? " class=\"why\""
                                            : "";
        fprintf(f, "<td%s>%s", class, *cells == 'k' ? "<code>" : "");
        html_text(f, va_arg(ap, const char *));
        fputs(*cells == 'k' ? "</code></td>" : "</td>", f);
    }
}

void rep_cells(FILE *f, const char *cells, ...)
{
    va_list ap;
    va_start(ap, cells);
    write_cells(f, cells, ap);
    va_end(ap);
}

void rep_row(FILE *f, const char *class, const char *cells, ...)
{
    va_list ap;
    fprintf(f, "<tr%s%s%s>", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
    va_start(ap, cells);
    write_cells(f, cells, ap);
    va_end(ap);
    fputs("</tr>\n", f);
}
