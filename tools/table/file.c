/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables and settings that verbs begin with, and the output that they end with. */
#include "tools/table/tool.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int table_open_used(const char *given, const struct vc_params *params, char *path_buf,
                    struct vc_table_doc *out)
{
    *out = (struct vc_table_doc){.path = "built-in"};
    if (given && strcmp(given, "auto") != 0 && strcmp(given, "none") != 0)
        return vc_table_doc_open(given, out);
    int err = vc_table_locate(given ? given : params->table, path_buf, PATH_MAX);
    return err == VC_OK && path_buf[0] ? vc_table_doc_open(path_buf, out) : err;
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

json_t *table_default_row(const struct vc_table_doc *d)
{
    const json_t *rules = json_object_get(d->json, "rules");
    return json_array_get(rules, json_array_size(rules) - 1);
}

json_t *table_bound_json(uint64_t n)
{
    return n == UINT64_MAX ? json_null() : json_integer((json_int_t)n);
}

json_t *table_seconds_json(double seconds)
{
    return isfinite(seconds) ? json_real(seconds) : json_null();
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
