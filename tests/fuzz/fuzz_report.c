/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `vcoll report` reads: a tuned table with its measurements. Beyond not crashing: what is refused leaves
 * no page; what is taken gives a page whose elements are closed in order, whatever the table's strings say,
 * and the same page twice. A byte of 0x1e in the input begins a second table, which is the reference.
 */
#include "tools/report/report.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "not true: %s\n", #cond);                                                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* ---- files: the loader's way to the bytes ---- */

static struct {
    const uint8_t *data;
    size_t size;
} file[2];

/* In the place of tune/table/file.c's: "0" and "1" are the parts of the input. */
int vc_table_read(const char *path, char **text, size_t *len)
{
    int i = path[0] - '0';
    *text = malloc(file[i].size ? file[i].size : 1); /* exactly as long: a step too far is seen */
    MUST(*text);
    memcpy(*text, file[i].data, file[i].size);
    *len = file[i].size;
    return VC_OK;
}

/* ---- the page ---- */

enum { DEEP = 64, NAME = 24 };

static bool is_void(const char *name)
{
    static const char *const names[] = {"meta", "link", "br", "hr", "img", "input", "wbr", "col", "!doctype"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The name of an element at `p`; returns what follows it. */
static const char *name_at(const char *p, char name[NAME])
{
    size_t n = 0;
    while (n < NAME - 1 && (isalnum((unsigned char)*p) || (n == 0 && *p == '!')))
        name[n++] = (char)tolower((unsigned char)*p++);
    name[n] = '\0';
    MUST(n > 0 && strcmp(name, "script") != 0);
    return p;
}

/* The '>' that ends a tag, beyond its quoted values. */
static const char *tag_end(const char *p)
{
    char quote = 0;
    for (; *p && (quote || *p != '>'); p++) {
        MUST(quote || *p != '<');
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
    }
    MUST(*p == '>');
    return p;
}

static void well_formed(const char *page, size_t len)
{
    char open[DEEP][NAME], name[NAME];
    int depth = 0;
    MUST(strlen(page) == len);
    for (const char *p = page; (p = strchr(p, '<')); p++) {
        bool closes = p[1] == '/';
        const char *end = tag_end(name_at(p + 1 + closes, name));
        if (closes) {
            MUST(depth > 0 && strcmp(open[depth - 1], name) == 0);
            depth--;
        } else if (end[-1] != '/' && !is_void(name)) {
            MUST(depth < DEEP);
            strcpy(open[depth++], name);
        }
        p = end;
    }
    MUST(depth == 0);
}

static char *make(struct report *r, size_t *len)
{
    char *page = NULL;
    r->f = open_memstream(&page, len);
    r->plots = 0;
    MUST(r->f);
    rep_page(r);
    MUST(fclose(r->f) == 0);
    return page;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *second = memchr(data ? data : (const uint8_t *)"", 0x1e, size);
    file[0].data = data;
    file[0].size = second ? (size_t)(second - data) : size;
    file[1].data = second ? second + 1 : NULL;
    file[1].size = second ? size - file[0].size - 1 : 0;
    struct report r = {.title = NULL};
    if (rep_load(&r.d, "0") == 0 && (!second || rep_load(&r.ref, "1") == 0)) {
        size_t n = 0, m = 0;
        char *page = make(&r, &n), *again = make(&r, &m);
        MUST(page && again && n == m && memcmp(page, again, n) == 0);
        well_formed(page, n);
        free(page);
        free(again);
    }
    rep_free(&r.d);
    rep_free(&r.ref);
    return 0;
}
