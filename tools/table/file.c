/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables in files, and out of them. */
#include "tools/table/tool.h"

#include "transport/base.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int open_text(const char *text, size_t len, const char *origin, struct table_file *out)
{
    memset(out, 0, sizeof *out);
    out->path = origin;
    int err = vc_table_parse(text, len, origin, &out->rows);
    if (err != VC_OK)
        return err;
    json_error_t why;
    out->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!out->json) {
        err = vc_fail(VC_ERR_INVAL, "%s:%d:%d: %s", origin, why.line, why.column, why.text);
        table_close(out);
    }
    return err;
}

int table_open(const char *path, struct table_file *out)
{
    char *text = NULL;
    size_t len = 0;
    memset(out, 0, sizeof *out);
    int err = vc_table_read(path, &text, &len);
    if (err == VC_OK)
        err = open_text(text, len, path, out);
    free(text);
    return err;
}

int table_open_builtin(struct table_file *out)
{
    const char *text = vc_table_builtin_text();
    return open_text(text, strlen(text), "built-in", out);
}

int table_open_used(const char *given, const struct vc_params *params, char *path_buf, struct table_file *out)
{
    memset(out, 0, sizeof *out);
    out->path = "built-in";
    if (given && strcmp(given, "auto") != 0 && strcmp(given, "none") != 0)
        return table_open(given, out);
    int err = vc_table_locate(given ? given : params->table, path_buf, PATH_MAX);
    return err == VC_OK && path_buf[0] ? table_open(path_buf, out) : err;
}

void table_close(struct table_file *f)
{
    vc_table_free(f->rows);
    json_decref(f->json);
    memset(f, 0, sizeof *f);
}

bool table_settings(const char *who, struct vc_params *params)
{
    struct vc_param_report report;
    vc_params_load(params, NULL, &report);
    for (const char *w = report.warnings; *w;) {
        int len = (int)strcspn(w, "\n");
        fprintf(stderr, "%s: warning: %.*s\n", who, len, w);
        w += len + (w[len] == '\n');
    }
    if (report.error[0])
        fprintf(stderr, "%s: error: %s\n", who, report.error);
    return report.error[0] == '\0';
}

/* ---- writing ---- */

static bool write_value(FILE *out, const json_t *v)
{
    return json_dumpf(v, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(7)) == 0;
}

static bool write_array(FILE *out, const json_t *array)
{
    size_t i, n = json_array_size(array);
    const json_t *v;
    bool good = fputs(n ? "[\n" : "[", out) >= 0;
    json_array_foreach(array, i, v) good =
        good && fputs("  ", out) >= 0 && write_value(out, v) && fputs(i + 1 < n ? ",\n" : "\n", out) >= 0;
    return good && fputs(n ? " ]" : "]", out) >= 0;
}

bool table_write(FILE *out, const json_t *table)
{
    const char *key;
    json_t *v;
    size_t left = json_object_size(table);
    bool good = fputs("{\n", out) >= 0;
    json_object_foreach((json_t *)table, key, v)
    {
        good = good && fprintf(out, " \"%s\": ", key) > 0;
        good = good && (json_is_array(v) ? write_array(out, v) : write_value(out, v));
        good = good && fputs(--left ? ",\n" : "\n", out) >= 0;
    }
    return good && fputs("}\n", out) >= 0;
}

/* What is written is what the checksum is about: numbers lose digits on their way to the file. */
static char *written(const json_t *table, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    if (!f)
        return NULL;
    bool good = table_write(f, table);
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

int table_seal(json_t *table)
{
    size_t len = 0;
    char *text = written(table, &len), *canonical = text ? vc_table_canonical(text, len) : NULL;
    char sum[48];
    if (canonical)
        snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, vc_table_checksum(canonical));
    bool good = canonical && json_object_set_new(table, "checksum", json_string(sum)) == 0;
    free(canonical);
    free(text);
    return good ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for the checksum of a table");
}

int table_flush(const char *who, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "%s: cannot write the output: %s\n", who, strerror(errno));
    return EXIT_FAILURE;
}

int table_print_json(const char *who, json_t *j)
{
    bool good = j && json_dumpf(j, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
    json_decref(j);
    if (!good) {
        fprintf(stderr, "%s: cannot write the output: %s\n", who, j ? strerror(errno) : "out of memory");
        return EXIT_FAILURE;
    }
    return table_flush(who, EXIT_SUCCESS);
}
