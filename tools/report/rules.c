/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of the table as people read them. */
#include "tools/report/report.h"

#include <string.h>

static void put_scalar(FILE *f, const json_t *v)
{
    if (json_is_string(v))
        rep_text(f, json_string_value(v));
    else if (json_is_integer(v))
        fprintf(f, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        fprintf(f, "%g", json_real_value(v));
    else if (json_is_boolean(v))
        fputs(json_is_true(v) ? "yes" : "no", f);
    else
        fputs("any", f);
}

/* A number, or [min, max] with null for an open end. */
static void put_range(FILE *f, const json_t *v)
{
    const json_t *low = json_array_get(v, 0), *high = json_array_get(v, 1);
    bool from = low && !json_is_null(low), to = high && !json_is_null(high);
    fputs("<td class=\"n\">", f);
    if (!json_is_array(v))
        put_scalar(f, v);
    else if (!from && !to)
        fputs("any", f);
    else {
        if (from)
            put_scalar(f, low);
        fputs(!from ? "up to " : !to ? " or more" : " to ", f);
        if (to)
            put_scalar(f, high);
    }
    fputs("</td>", f);
}

static void put_list(FILE *f, const json_t *v)
{
    fputs("<td>", f);
    if (json_is_array(v))
        for (size_t i = 0; i < json_array_size(v); i++) {
            fputs(i ? ", " : "", f);
            put_scalar(f, json_array_get(v, i));
        }
    else
        put_scalar(f, v);
    fputs("</td>", f);
}

static bool listed(const char *key, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(key, *list) == 0)
            return true;
    return false;
}

/* "key value" of those keys that are there. */
static void put_pairs(FILE *f, const json_t *row, const char *const *keys)
{
    int n = 0;
    fputs("<td>", f);
    for (; *keys; keys++) {
        const json_t *v = json_object_get(row, *keys);
        if (!v)
            continue;
        rep_textf(f, "%s%s ", n++ ? ", " : "", *keys);
        put_scalar(f, v);
    }
    fputs(n ? "</td>" : "–</td>", f);
}

/* The keys that have no column of their own. */
static void put_conditions(FILE *f, const json_t *row)
{
    static const char *const columns[] = {"collective", "ranks", "nodes", "ppn", "bytes", NULL};
    const char *keys[VC_KEYS_MAX + 1];
    int n = 0;
    for (int i = 0; i < vc_key_count; i++)
        if (!listed(vc_key_info[i].name, columns))
            keys[n++] = vc_key_info[i].name;
    keys[n] = NULL;
    put_pairs(f, row, keys);
}

static void put_rule(FILE *f, size_t i, const json_t *row)
{
    static const char *const parameters[] = {"radix", "segment", "leaders", NULL};
    static const char *const ways[] = {"channel", "wait", "spin_us", NULL};
    fputs("<tr>", f);
    rep_num(f, "%zu", i);
    put_list(f, json_object_get(row, "collective"));
    put_range(f, json_object_get(row, "ranks"));
    put_range(f, json_object_get(row, "nodes"));
    put_range(f, json_object_get(row, "ppn"));
    put_range(f, json_object_get(row, "bytes"));
    put_conditions(f, row);
    fputs("<td><code>", f);
    put_scalar(f, json_object_get(row, "algorithm"));
    fputs("</code></td>", f);
    put_pairs(f, row, parameters);
    put_pairs(f, row, ways);
    fputs("</tr>\n", f);
}

static void put_rules(struct report *r)
{
    const json_t *rules = json_object_get(r->d.root, "rules");
    rep_table_begin(
        r->f, "Rules, the first that fits a call is taken",
        "#|collective|ranks|nodes|ranks per node|bytes|only if|algorithm|parameters|channel and waiting");
    for (size_t i = 0; i < json_array_size(rules); i++)
        put_rule(r->f, i, json_array_get(rules, i));
    rep_table_end(r->f);
}

/* "a 1, b off" of an object, or {"latency": [count, us]} as "latency 1 / 0 µs". */
static void put_object(FILE *f, const json_t *object)
{
    const char *key;
    json_t *v;
    int n = 0;
    fputs("<td>", f);
    json_object_foreach((json_t *)object, key, v)
    {
        rep_textf(f, "%s%s ", n++ ? ", " : "", key);
        if (json_is_array(v)) {
            put_scalar(f, json_array_get(v, 0));
            fputs(" completions or ", f);
            put_scalar(f, json_array_get(v, 1));
            fputs(" µs", f);
        } else
            put_scalar(f, v);
    }
    fputs(n ? "</td>" : "as it is</td>", f);
}

static void put_devices(struct report *r)
{
    const json_t *rows = json_object_get(r->d.root, "devices");
    if (json_array_size(rows) == 0)
        return;
    rep_table_begin(
        r->f, "Devices: what the queues and the interface are set to, or suggested to be",
        "#|ranks|nodes|ranks per node|only if|completion queues: event after|interface (ethtool -C)");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        fputs("<tr>", r->f);
        rep_num(r->f, "%zu", i);
        put_range(r->f, json_object_get(row, "ranks"));
        put_range(r->f, json_object_get(row, "nodes"));
        put_range(r->f, json_object_get(row, "ppn"));
        put_conditions(r->f, row);
        put_object(r->f, json_object_get(row, "cq_moderation"));
        put_object(r->f, json_object_get(row, "coalescing"));
        fputs("</tr>\n", r->f);
    }
    rep_table_end(r->f);
}

/* Other top-level parts are not shown; that is said, so that nobody takes the page for all of the file. */
static void put_rest(struct report *r)
{
    static const char *const shown[] = {"vcoll_table", "checksum", "provenance", "model", "rules",
                                        "devices",     "measured", "moderation", NULL};
    const char *key;
    json_t *v;
    json_object_foreach(r->d.root, key, v)
    {
        if (listed(key, shown))
            continue;
        fputs("<p>The table also holds <code>", r->f);
        rep_text(r->f, key);
        fputs("</code>, which is not shown here.</p>\n", r->f);
    }
}

void rep_section_rules(struct report *r)
{
    fputs("<h2 id=\"rules\">The rules of the table</h2>\n<p>This is what programs run by. For each call the "
          "rules "
          "are looked at from the top, and the first that fits decides. <code>native</code> is the installed "
          "MPI's "
          "own collective; <code>builtin</code> hands the call to the rules that vcoll brings along. What a "
          "column "
          "leaves open as \"any\" fits everything. <code>vcoll tune explain</code> tells for a given call "
          "which "
          "rule is taken and why.</p>\n",
          r->f);
    put_rules(r);
    put_devices(r);
    put_rest(r);
}
