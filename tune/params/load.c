/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads values from files, then from the environment; tells of names that no setting has. */
#include "tune/params/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define PREFIX     "VCOLL_"
#define PREFIX_LEN (sizeof PREFIX - 1)

enum { DEFS_MAX = 64 };

/* The value that wins for each definition, so far. */
struct source {
    enum vc_param_origin origin;
    char *text;     /* owned; NULL: default */
    char place[96]; /* "VCOLL_WAIT" or "/etc/vcoll.conf:3: WAIT" */
};

struct loading {
    const struct vc_param_def *defs;
    int n;
    struct source source[DEFS_MAX];
    struct vc_param_report *report;
    bool unknown;
    char first_unknown[256];
};

static void set_error(struct vc_param_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void set_error(struct vc_param_report *r, const char *fmt, ...)
{
    if (r->error[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, ap);
    va_end(ap);
}

static int find_def(const struct loading *l, const char *name, size_t len)
{
    for (int i = 0; i < l->n; i++)
        if (strlen(l->defs[i].name) == len && memcmp(l->defs[i].name, name, len) == 0)
            return i;
    return -1;
}

/* Adds a whole line, or nothing: what does not fit is not worth half a sentence. */
static void add_warning(struct loading *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_warning(struct loading *l, const char *fmt, ...)
{
    char *w = l->report->warnings, line[256];
    size_t room = sizeof l->report->warnings, used = strlen(w);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < sizeof line && used + (size_t)n < room)
        memcpy(w + used, line, (size_t)n + 1);
}

static void warn_unknown(struct loading *l, const char *where, const char *name, size_t len)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), name);
    const char *nearest = l->defs[0].name;
    for (int i = 1; i < l->n; i++)
        if (vc_word_distance(word, l->defs[i].name) < vc_word_distance(word, nearest))
            nearest = l->defs[i].name;
    if (!l->unknown)
        snprintf(l->first_unknown, sizeof l->first_unknown, "%sunknown setting %s%s, did you mean %s%s?",
                 where, PREFIX, word, PREFIX, nearest);
    l->unknown = true;
    add_warning(l, "%sunknown setting %s%s, did you mean %s%s?\n", where, PREFIX, word, PREFIX, nearest);
}

static void set_source(struct loading *l, enum vc_param_origin origin, const char *where, const char *name,
                       size_t name_len, const char *value)
{
    int i = find_def(l, name, name_len);
    if (i < 0) {
        warn_unknown(l, where, name, name_len);
        return;
    }
    if (value[0] == '\0')
        return;
    char *copy = strdup(value);
    if (!copy) {
        set_error(l->report, "out of memory while reading the settings");
        return;
    }
    free(l->source[i].text);
    l->source[i].text = copy;
    l->source[i].origin = origin;
    snprintf(l->source[i].place, sizeof l->source[i].place, "%s%s%s", where, PREFIX, l->defs[i].name);
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return s;
}

static void read_file(struct loading *l, enum vc_param_origin origin, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        if (errno != ENOENT && errno != ENOTDIR)
            set_error(l->report, "%s: %s", path, strerror(errno));
        return;
    }
    char *line = NULL;
    size_t cap = 0;
    for (int no = 1; getline(&line, &cap, f) >= 0; no++) {
        char where[72];
        if (strlen(path) > 50)
            snprintf(where, sizeof where, "...%s:%d: ", path + strlen(path) - 47, no);
        else
            snprintf(where, sizeof where, "%s:%d: ", path, no);
        char *s = trim(line);
        if (*s == '\0' || *s == '#')
            continue;
        char *eq = strchr(s, '=');
        if (!eq || eq == s) {
            set_error(l->report, "%sexpected NAME=value, got \"%.60s\"", where, s);
            continue;
        }
        *eq = '\0';
        char *name = trim(s), *value = trim(eq + 1);
        if (strncmp(name, PREFIX, PREFIX_LEN) == 0)
            name += PREFIX_LEN;
        set_source(l, origin, where, name, strlen(name), value);
    }
    if (ferror(f))
        set_error(l->report, "%s: %s", path, strerror(errno));
    free(line);
    fclose(f);
}

/* Whether a setting of the environment is one that a process with its user's rights alone may have. */
static bool is_trusted(struct loading *l, const char *name, size_t len)
{
    int i = find_def(l, name, len);
    if (i < 0 || !vc_param_names_file(&l->defs[i]))
        return true;
    add_warning(
        l,
        "%s%s is ignored: this program has rights that its user has not (AT_SECURE), so no variable may name "
        "a file\n",
        PREFIX, l->defs[i].name);
    return false;
}

bool vc_param_names_file(const struct vc_param_def *def)
{
    return strstr(def->values, "a file name") != NULL;
}

int vc_params_load_secure(bool secure, const char *system_file, const char *user_file, struct vc_params *p,
                          struct vc_param_value *values, struct vc_param_report *report)
{
    struct vc_param_report own = {"", ""};
    struct loading l = {.report = report ? report : &own};
    l.report->error[0] = l.report->warnings[0] = '\0';
    l.defs = vc_param_defs(&l.n);
    memset(p, 0, sizeof *p);
    for (int i = 0; i < l.n; i++)
        l.defs[i].parse(p, l.defs[i].deflt);

    if (system_file)
        read_file(&l, VC_FROM_SYSTEM_FILE, system_file);
    if (user_file && !secure) /* found by HOME */
        read_file(&l, VC_FROM_USER_FILE, user_file);
    for (char **e = environ; e && *e; e++) {
        const char *eq = strchr(*e, '=');
        if (eq && strncmp(*e, PREFIX, PREFIX_LEN) == 0 &&
            (!secure || is_trusted(&l, *e + PREFIX_LEN, (size_t)(eq - *e) - PREFIX_LEN)))
            set_source(&l, VC_FROM_ENV, "", *e + PREFIX_LEN, (size_t)(eq - *e) - PREFIX_LEN, eq + 1);
    }

    for (int i = 0; i < l.n; i++) {
        struct source *source = &l.source[i];
        if (source->text && l.defs[i].parse(p, source->text) != VC_OK) {
            set_error(l.report, "%s=%.80s: %s", source->place, source->text, vc_error_text());
            source->origin = VC_FROM_DEFAULT;
        }
        if (values) {
            char text[VC_PARAM_TEXT_MAX];
            l.defs[i].format(p, text, sizeof text);
            values[i].origin = source->origin;
            snprintf(values[i].text, sizeof values[i].text, "%.*s", (int)sizeof values[i].text - 1, text);
        }
        free(source->text);
    }
    if (p->strict && l.unknown)
        set_error(l.report, "%s (VCOLL_STRICT=1 makes this an error)", l.first_unknown);
    return l.report->error[0] ? vc_fail(VC_ERR_INVAL, "%.500s", l.report->error) : VC_OK;
}

int vc_params_load_files(const char *system_file, const char *user_file, struct vc_params *p,
                         struct vc_param_value *values, struct vc_param_report *report)
{
    return vc_params_load_secure(false, system_file, user_file, p, values, report);
}

int vc_params_load(struct vc_params *p, struct vc_param_value *values, struct vc_param_report *report)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *user = NULL;
    int n = -1;
    if (xdg && xdg[0] == '/') /* the specification tells to ignore relative ones */
        n = asprintf(&user, "%s/vcoll/vcoll.conf", xdg);
    else if (home && home[0])
        n = asprintf(&user, "%s/.config/vcoll/vcoll.conf", home);
    bool secure = getauxval(AT_SECURE) != 0;
    int err = vc_params_load_secure(secure, "/etc/vcoll.conf", n >= 0 ? user : NULL, p, values, report);
    if (n >= 0)
        free(user);
    return err;
}

const char *vc_param_origin_text(enum vc_param_origin origin)
{
    static const char *const text[] = {"default", "system file", "user file", "environment"};
    return text[origin];
}
