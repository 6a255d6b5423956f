/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings and algorithms as JSON. */
#include "tools/info/info.h"

#include "coll/registry.h"
#include "tools/print/terminal.h"
#include <string.h>

void info_settings(json_t *to, const struct vc_param_value *value, const struct vc_param_report *report)
{
    static const char *const origin[] = {"default", "system_file", "user_file", "environment"};
    int n;
    const struct vc_param_def *d = vc_param_defs(&n);
    json_t *all = json_array(), *warnings = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(all, json_pack("{s:s+, s:s, s:s, s:s, s:s, s:s, s:b}", "name", "VCOLL_",
                                             d[i].name, "default", d[i].deflt, "value", value[i].text,
                                             "origin", origin[value[i].origin], "valid", d[i].values, "help",
                                             d[i].help, "may_differ_between_ranks", (int)d[i].local));
    for (const char *w = report->warnings; *w;) {
        size_t len = strcspn(w, "\n");
        json_array_append_new(warnings, json_stringn(w, len));
        w += len + (w[len] == '\n');
    }
    json_object_set_new(to, "parameters", all);
    json_object_set_new(to, "error", json_text_or_null(report->error));
    json_object_set_new(to, "warnings", warnings);
}

static json_t *algorithm(const struct vc_alg *a)
{
    static const char *const kind[] = {"native", "node", "plan"};
    static const struct {
        unsigned bit;
        const char *name;
    } param[] = {{VC_PARAM_RADIX, "radix"}, {VC_PARAM_SEGMENT, "segment"}, {VC_PARAM_LEADERS, "leaders"}};
    json_t *restrictions = json_array(), *params = json_array();
    for (unsigned bit = 1; bit < VC_PLACEMENT_FREE; bit <<= 1)
        if (a->restrictions & bit)
            json_array_append_new(restrictions, json_string(vc_restriction_text((enum vc_restriction)bit)));
    for (size_t i = 0; i < sizeof param / sizeof param[0]; i++)
        if (a->params & param[i].bit)
            json_array_append_new(params, json_string(param[i].name));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "name", a->name, "kind", kind[a->kind], "help",
                     a->help, "restrictions", restrictions, "parameters", params, "placement_free",
                     (a->restrictions & VC_PLACEMENT_FREE) != 0);
}

void info_algorithms(json_t *to)
{
    json_t *all = json_object();
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        json_t *list = json_array();
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++)
            json_array_append_new(list, algorithm(*a));
        json_object_set_new(all, vc_coll_name((enum vc_coll)c), list);
    }
    json_object_set_new(to, "algorithms", all);
}
