/* SPDX-License-Identifier: BSD-3-Clause */
/* What people read on a terminal or in a pipe, and JSON for programs. */
#ifndef VC_TOOLS_PRINT_TERMINAL_H
#define VC_TOOLS_PRINT_TERMINAL_H

#include <jansson.h>
#include <stdbool.h>

struct terminal {
    bool color;
    int columns;
};

/** Standard output: colors where it is a terminal that shows them and NO_COLOR is not set, columns 100 where
 * nothing else is known. */
struct terminal terminal_look(void);
/** The escape sequence; "" without colors. */
const char *terminal_paint(const struct terminal *t, const char *sequence);
#define TERMINAL_BOLD  "\033[1m"
#define TERMINAL_PLAIN "\033[0m"

/** Prints from column `indent` on, where the cursor is; further lines begin there. */
void terminal_wrap(const struct terminal *t, int indent, const char *text);
/** "  label   text", the text from column `indent` on. */
void terminal_line(const struct terminal *t, int indent, const char *label, const char *text);

/** Prints a document and gives it back. False when it could not be made (NULL), or not be written. */
bool json_print(json_t *document);
/** A string; bytes that are no UTF-8 become '?'. */
json_t *json_text(const char *s);
/** The same; null of "". */
json_t *json_text_or_null(const char *s);

#endif
