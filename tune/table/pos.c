/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where in the text something stands. jansson tells places of syntax errors only; so what turns out to be
 * wrong later is looked for again in the text, which is valid JSON by then. Only errors pay for that.
 */
#include "tune/table/reader.h"

#include "transport/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void vc_tab_into(struct vc_tab *t, const char *key)
{
    if (t->depth < VC_TAB_DEPTH)
        t->path[t->depth] = (struct vc_tab_step){.key = key};
    t->depth++;
}

void vc_tab_into_element(struct vc_tab *t, size_t index)
{
    if (t->depth < VC_TAB_DEPTH)
        t->path[t->depth] = (struct vc_tab_step){.index = index};
    t->depth++;
}

void vc_tab_out(struct vc_tab *t)
{
    t->depth--;
}

/* ---- walking ---- */

struct scan {
    const char *at, *end;
};

static void blanks(struct scan *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
        s->at++;
}

/* From the opening quote to behind the closing one. */
static void skip_string(struct scan *s)
{
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
    if (s->at < s->end)
        s->at++;
}

static void skip_value(struct scan *s)
{
    int open = 0;
    do {
        blanks(s);
        if (s->at >= s->end)
            return;
        if (*s->at == '"') {
            skip_string(s);
        } else if (*s->at == '{' || *s->at == '[') {
            open++;
            s->at++;
        } else if (*s->at == '}' || *s->at == ']') {
            open--;
            s->at++;
        } else if (*s->at == ',' || *s->at == ':') {
            s->at++;
        } else {
            do
                s->at++;
            while (s->at < s->end && *s->at && !strchr(" \t\r\n,]}", *s->at));
        }
    } while (open > 0);
}

/* Whether a string token, quotes and all, spells the key; escapes make that a matter for the parser. */
static bool spells(const char *token, size_t len, const char *key)
{
    if (!memchr(token, '\\', len))
        return len == strlen(key) + 2 && memcmp(token + 1, key, len - 2) == 0;
    json_t *v = json_loadb(token, len, JSON_DECODE_ANY, NULL);
    bool same = v && strcmp(json_string_value(v), key) == 0;
    json_decref(v);
    return same;
}

/* From an object to the member's value; *key_at is where its name stands. */
static bool enter_member(struct scan *s, const char *key, const char **key_at)
{
    for (s->at++;; s->at++) {
        blanks(s);
        if (s->at >= s->end || *s->at != '"')
            return false;
        *key_at = s->at;
        skip_string(s);
        bool found = spells(*key_at, (size_t)(s->at - *key_at), key);
        blanks(s);
        s->at += s->at < s->end; /* the colon */
        blanks(s);
        if (found)
            return true;
        skip_value(s);
        blanks(s);
        if (s->at >= s->end || *s->at != ',')
            return false;
    }
}

static bool enter_element(struct scan *s, size_t index)
{
    s->at++;
    for (size_t i = 0; i < index; i++) {
        skip_value(s);
        blanks(s);
        if (s->at >= s->end || *s->at != ',')
            return false;
        s->at++;
    }
    blanks(s);
    return s->at < s->end;
}

/* As far along the path as the text goes: of what is missing, the place it is missing from. */
static const char *find_in_text(const struct vc_tab *t, bool name)
{
    struct scan s = {t->text, t->text + t->len};
    const char *key_at = t->text;
    blanks(&s);
    const char *here = s.at;
    int depth = t->depth < VC_TAB_DEPTH ? t->depth : VC_TAB_DEPTH;
    for (int i = 0; i < depth; i++) {
        bool ok = s.at < s.end && (t->path[i].key ? *s.at == '{' && enter_member(&s, t->path[i].key, &key_at)
                                                  : *s.at == '[' && enter_element(&s, t->path[i].index));
        if (!ok)
            return here;
        here = s.at;
    }
    return name ? key_at : here;
}

/* ---- telling ---- */

int vc_tab_fail_at(const struct vc_tab *t, int line, int column, const char *text)
{
    return vc_fail(VC_ERR_INVAL, "%s:%d:%d: %s", t->origin, line, column, text);
}

static void line_and_column(const struct vc_tab *t, const char *at, int *line, int *column)
{
    *line = *column = 1;
    for (const char *c = t->text; c < at; c++) {
        if (*c == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)*c & 0xc0) != 0x80) { /* columns count characters, not bytes of UTF-8 */
            ++*column;
        }
    }
}

static int fail_with(const struct vc_tab *t, bool name, const char *fmt, va_list ap)
{
    char text[512];
    int line, column;
    line_and_column(t, find_in_text(t, name), &line, &column);
    vsnprintf(text, sizeof text, fmt, ap);
    return vc_tab_fail_at(t, line, column, text);
}

int vc_tab_no_nul(const struct vc_tab *t)
{
    const char *nul = t->len > 0 ? memchr(t->text, '\0', t->len) : NULL;
    int line, column;
    if (!nul)
        return VC_OK;
    line_and_column(t, nul, &line, &column);
    return vc_tab_fail_at(t, line, column, "a NUL byte: a table is text (JSON in UTF-8)");
}

int vc_tab_fail(const struct vc_tab *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = fail_with(t, false, fmt, ap);
    va_end(ap);
    return err;
}

int vc_tab_fail_key(struct vc_tab *t, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vc_tab_into(t, key);
    int err = fail_with(t, true, fmt, ap);
    vc_tab_out(t);
    va_end(ap);
    return err;
}
