/* SPDX-License-Identifier: BSD-3-Clause */
/* Escaping, and figures with their units. */
#include "tools/print/plot.h"

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
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

void html_text(FILE *f, const char *text)
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

void html_textf(FILE *f, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0)
        html_text(f, text);
    va_end(ap);
    free(text);
}

/* ---- figures ---- */

struct text text_format(const char *fmt, ...)
{
    struct text text;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text.s, sizeof text.s, fmt, ap);
    va_end(ap);
    return text;
}

/* Three significant digits, without an exponent. */
static struct text figure(double v)
{
    if (!isfinite(v))
        return text_format("–");
    return text_format("%.*f", v >= 99.95 ? 0 : v >= 9.995 ? 1 : v >= 0.0995 ? 2 : 3, v);
}

static struct text with_range(struct text middle, double low, double high)
{
    return text_format("%.60s (%.60s–%.60s)", middle.s, figure(low).s, figure(high).s);
}

struct text text_us(double seconds)
{
    return figure(seconds * 1e6);
}

struct text text_us_range(double seconds, double low, double high)
{
    return isfinite(low) ? with_range(text_us(seconds), low * 1e6, high * 1e6) : text_us(seconds);
}

struct text text_bytes(double bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int u = 0;
    /* What is no multiple stays exact, where it can be read: 3000 B, but 1.5 KiB. */
    while (bytes >= 1024 && u < 4 && (fmod(bytes, 512) == 0 || bytes >= 1e6)) {
        bytes /= 1024;
        u++;
    }
    return text_format("%.*f %s", bytes == floor(bytes) ? 0 : 1, bytes, unit[u]);
}

struct text text_times(double ratio)
{
    return isfinite(ratio) ? text_format("%.60s×", figure(ratio).s) : figure(ratio);
}

struct text text_times_range(double ratio, double low, double high)
{
    return isfinite(ratio) && isfinite(low) ? with_range(text_times(ratio), low, high) : text_times(ratio);
}

struct text text_duration(double seconds)
{
    if (!isfinite(seconds))
        return text_format("–");
    if (seconds < 100)
        return text_format("%.3g s", seconds);
    return seconds < 5400 ? text_format("%.0f min", seconds / 60) : text_format("%.1f h", seconds / 3600);
}
