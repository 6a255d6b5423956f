/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text of the page: escaping, figures with their units. The page is XML as well as HTML, so that it can be
 * checked by an XML parser: what XML forbids even when escaped is replaced.
 */
#include "tools/report/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the UTF-8 character at s; 0 where there is none, as after a name that was cut to fit. */
static size_t char_bytes(const unsigned char *s)
{
    static const unsigned char lead[] = {0xe0, 0xed, 0xf0, 0xf4}, least[] = {0xa0, 0x80, 0x90, 0x80},
                               most[] = {0xbf, 0x9f, 0xbf, 0x8f};
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    for (size_t i = 0; i < sizeof lead; i++)
        if (s[0] == lead[i] && (s[1] < least[i] || s[1] > most[i]))
            return 0;
    return n;
}

/* A character that must not reach the page: control characters, noncharacters U+FFFE and U+FFFF, and marks
 * that turn the direction of all that follows, by which a name could rewrite its surroundings. */
static bool forbidden(const unsigned char *s)
{
    if ((s[0] < 0x20 && s[0] != '\t' && s[0] != '\n') || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0))
        return true;
    bool turns = s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
                                  (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
    return turns || (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe);
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void rep_text(FILE *f, const char *text)
{
    while (*text) {
        size_t n = char_bytes((const unsigned char *)text);
        const char *escape = escape_of(*text);
        if (n == 0 || forbidden((const unsigned char *)text))
            fputs(REPLACEMENT, f);
        else if (escape)
            fputs(escape, f);
        else
            fwrite(text, 1, n, f);
        text += n ? n : 1;
    }
}

static void vtext(FILE *f, const char *fmt, va_list ap)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        return;
    rep_text(f, text);
    free(text);
}

void rep_textf(FILE *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vtext(f, fmt, ap);
    va_end(ap);
}

void rep_cell(FILE *f, const char *fmt, ...)
{
    va_list ap;
    fputs("<td>", f);
    va_start(ap, fmt);
    vtext(f, fmt, ap);
    va_end(ap);
    fputs("</td>", f);
}

void rep_num(FILE *f, const char *fmt, ...)
{
    va_list ap;
    fputs("<td class=\"n\">", f);
    va_start(ap, fmt);
    vtext(f, fmt, ap);
    va_end(ap);
    fputs("</td>", f);
}

void rep_table_begin(FILE *f, const char *caption, const char *headings)
{
    fputs("<div class=\"scroll\"><table><caption>", f);
    rep_text(f, caption);
    fputs("</caption><thead><tr>", f);
    while (*headings) {
        const char *end = strchrnul(headings, '|');
        fputs("<th scope=\"col\">", f);
        rep_textf(f, "%.*s", (int)(end - headings), headings);
        fputs("</th>", f);
        headings = *end ? end + 1 : end;
    }
    fputs("</tr></thead><tbody>\n", f);
}

void rep_table_end(FILE *f)
{
    fputs("</tbody></table></div>\n", f);
}

/* ---- figures ---- */

/* Three significant digits, without an exponent. */
static char *figure(double v, char *buf)
{
    if (!isfinite(v))
        snprintf(buf, REP_SHORT, "–");
    else
        snprintf(buf, REP_SHORT, "%.*f", v >= 99.95 ? 0 : v >= 9.995 ? 1 : v >= 0.0995 ? 2 : 3, v);
    return buf;
}

char *rep_us(double seconds, char *buf)
{
    return figure(seconds * 1e6, buf);
}

char *rep_us_range(const struct rep_series *s, char *buf)
{
    char mid[REP_SHORT], low[REP_SHORT], high[REP_SHORT];
    if (isfinite(s->low))
        snprintf(buf, REP_SHORT, "%.18s (%.18s–%.18s)", rep_us(s->median, mid), rep_us(s->low, low),
                 rep_us(s->high, high));
    else
        rep_us(s->median, buf);
    return buf;
}

char *rep_bytes(double bytes, char *buf)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int u = 0;
    /* What is no multiple stays exact, where it can be read: 3000 B, but 1.5 KiB. */
    while (bytes >= 1024 && u < 4 && (fmod(bytes, 512) == 0 || bytes >= 1e6)) {
        bytes /= 1024;
        u++;
    }
    snprintf(buf, REP_SHORT, "%.*f %s", bytes == floor(bytes) ? 0 : 1, bytes, unit[u]);
    return buf;
}

char *rep_times(double ratio, char *buf)
{
    char v[REP_SHORT];
    snprintf(buf, REP_SHORT, isfinite(ratio) ? "%.32s×" : "%.32s", figure(ratio, v));
    return buf;
}

char *rep_times_range(double x, double low, double high, char *buf)
{
    char mid[REP_SHORT], a[REP_SHORT], b[REP_SHORT];
    if (isfinite(x) && isfinite(low))
        snprintf(buf, REP_SHORT, "%.18s× (%.18s–%.18s)", figure(x, mid), figure(low, a), figure(high, b));
    else
        rep_times(x, buf);
    return buf;
}

char *rep_duration(double seconds, char *buf)
{
    if (!isfinite(seconds))
        snprintf(buf, REP_SHORT, "–");
    else if (seconds < 100)
        snprintf(buf, REP_SHORT, "%.3g s", seconds);
    else if (seconds < 5400)
        snprintf(buf, REP_SHORT, "%.0f min", seconds / 60);
    else
        snprintf(buf, REP_SHORT, "%.1f h", seconds / 3600);
    return buf;
}

static void say_ranks(const struct rep_where *w, FILE *f)
{
    int ranks = rep_where_key(w, "ranks")->number, nodes = rep_where_key(w, "nodes")->number,
        ppn = rep_where_key(w, "ppn")->number;
    if (ranks >= 0)
        fprintf(f, ", %d ranks", ranks);
    if (nodes >= 0)
        fprintf(f, " on %d node%s", nodes, nodes == 1 ? "" : "s");
    if (ppn >= 0 && nodes != 1)
        fprintf(f, " (%d per node)", ppn);
}

char *rep_where_text(const struct rep_where *w, bool with_coll, char *buf)
{
    char text[REP_LONG] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    if (f) {
        fprintf(f, "%.40s", with_coll ? w->coll : "");
        say_ranks(w, f);
        for (int n = 0; n < vc_key_count; n++)
            if (w->key[n].number == !vc_key_info[n].usual && vc_key_info[n].kind == VC_KEY_FLAG)
                fprintf(f, ", %s", vc_key_info[n].said[!vc_key_info[n].usual]);
        const char *network = rep_where_key(w, "network")->text;
        if (network[0] && rep_where_key(w, "nodes")->number != 1)
            fprintf(f, ", over %.20s", network);
        if (strcmp(w->op, "other") == 0)
            fputs(", operator not commutative", f);
        if (w->moderation[0])
            fprintf(f, ", moderation %.50s", w->moderation);
        fclose(f);
    }
    text[sizeof text - 1] = '\0';
    snprintf(buf, REP_LONG, "%s", strncmp(text, ", ", 2) == 0 ? text + 2 : text);
    return buf;
}
