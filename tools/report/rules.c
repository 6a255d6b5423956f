/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of the table as people read them. */
#include "tools/report/report.h"

#include <string.h>

static void write_scalar(FILE *f, const json_t *v)
{
    if (json_is_string(v))
        html_text(f, json_string_value(v));
    else if (json_is_integer(v))
        fprintf(f, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        fprintf(f, "%g", json_real_value(v));
    else
        fputs(json_is_true(v) ? "yes" : json_is_boolean(v) ? "no" : "any", f);
}

/* A number, or [min, max] with null for an open end. */
static void write_range(FILE *f, const json_t *v)
{
    const json_t *low = json_array_get(v, 0), *high = json_array_get(v, 1);
    bool from = low && !json_is_null(low), to = high && !json_is_null(high);
    fputs("<td class=\"n\">", f);
    if (!json_is_array(v))
        write_scalar(f, v);
    else if (!from && !to)
        fputs("any", f);
    if (from)
        write_scalar(f, low);
    if (from || to)
        fputs(!from ? "up to " : !to ? " or more" : " to ", f);
    if (to)
        write_scalar(f, high);
    fputs("</td>", f);
}

static void write_ranges(FILE *f, const json_t *row)
{
    static const char *const keys[] = {"ranks", "nodes", "ppn"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        write_range(f, json_object_get(row, keys[i]));
}

static void write_list(FILE *f, const json_t *v)
{
    fputs("<td>", f);
    if (!json_is_array(v))
        write_scalar(f, v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        fputs(i ? ", " : "", f);
        write_scalar(f, json_array_get(v, i));
    }
    fputs("</td>", f);
}

static bool is_one_of(const char *key, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(key, *list) == 0)
            return true;
    return false;
}

/* "key value" of those keys that are there. */
static void write_pairs(FILE *f, const json_t *row, const char *const *keys)
{
    int n = 0;
    fputs("<td>", f);
    for (; *keys; keys++) {
        const json_t *v = json_object_get(row, *keys);
        if (!v)
            continue;
        html_textf(f, "%s%s ", n++ ? ", " : "", *keys);
        write_scalar(f, v);
    }
    fputs(n ? "</td>" : "–</td>", f);
}

/* The keys that have no column of their own. */
static void write_conditions(FILE *f, const json_t *row)
{
    static const char *const columns[] = {"collective", "ranks", "nodes", "ppn", "bytes", NULL};
    const char *keys[VC_KEYS_MAX + 1];
    int n = 0;
    for (int i = 0; i < vc_key_count; i++)
        if (!is_one_of(vc_key_info[i].name, columns))
            keys[n++] = vc_key_info[i].name;
    keys[n] = NULL;
    write_pairs(f, row, keys);
}

static void write_rules(struct report *r)
{
    static const char *const parameters[] = {"radix", "segment", "leaders", NULL};
    static const char *const ways[] = {"channel", "wait", "spin_us", NULL};
    size_t i;
    const json_t *row;
    rep_table_begin(
        r->f, "Rules, the first that fits a call is taken",
        "#|collective|ranks|nodes|ranks per node|bytes|only if|algorithm|parameters|channel and waiting");
    json_array_foreach(json_object_get(r->d.root, "rules"), i, row)
    {
        fprintf(r->f, "<tr><td class=\"n\">%zu</td>", i);
        write_list(r->f, json_object_get(row, "collective"));
        write_ranges(r->f, row);
        write_range(r->f, json_object_get(row, "bytes"));
        write_conditions(r->f, row);
        fputs("<td><code>", r->f);
        write_scalar(r->f, json_object_get(row, "algorithm"));
        fputs("</code></td>", r->f);
        write_pairs(r->f, row, parameters);
        write_pairs(r->f, row, ways);
        fputs("</tr>\n", r->f);
    }
    rep_table_end(r->f);
}

/* "a 1, b off" of an object, or {"latency": [count, us]} as "latency 1 completions or 0 µs". */
static void write_object(FILE *f, json_t *object)
{
    const char *key;
    json_t *v;
    int n = 0;
    fputs("<td>", f);
    json_object_foreach(object, key, v)
    {
        html_textf(f, "%s%s ", n++ ? ", " : "", key);
        write_scalar(f, json_is_array(v) ? json_array_get(v, 0) : v);
        if (json_is_array(v)) {
            fputs(" completions or ", f);
            write_scalar(f, json_array_get(v, 1));
            fputs(" µs", f);
        }
    }
    fputs(n ? "</td>" : "as it is</td>", f);
}

static void write_devices(struct report *r)
{
    const json_t *rows = json_object_get(r->d.root, "devices"), *row;
    size_t i;
    if (json_array_size(rows) == 0)
        return;
    rep_table_begin(
        r->f, "Devices: what the queues and the interface are set to, or suggested to be",
        "#|ranks|nodes|ranks per node|only if|completion queues: event after|interface (ethtool -C)");
    json_array_foreach(rows, i, row)
    {
        fprintf(r->f, "<tr><td class=\"n\">%zu</td>", i);
        write_ranges(r->f, row);
        write_conditions(r->f, row);
        write_object(r->f, json_object_get(row, "cq_moderation"));
        write_object(r->f, json_object_get(row, "coalescing"));
        fputs("</tr>\n", r->f);
    }
    rep_table_end(r->f);
}

/* Other top-level parts are not shown; that is said, so that nobody takes the page for all of the file. */
static void name_rest(struct report *r)
{
    static const char *const shown[] = {"vcoll_table", "checksum", "provenance", "model", "rules",
                                        "devices",     "measured", "moderation", NULL};
    const char *key;
    json_t *v;
    json_object_foreach(r->d.root, key, v)
    {
        if (is_one_of(key, shown))
            continue;
        fputs("<p>The table also holds <code>", r->f);
        html_text(r->f, key);
        fputs("</code>, which is not shown here.</p>\n", r->f);
    }
}

void rep_section_rules(struct report *r)
{
    fputs("<h2 id=\"rules\">The rules of the table</h2>\n<p>This is what programs run by. For each call the "
          "rules are looked at from the top, and the first that fits decides. <code>native</code> is the "
          "installed MPI's own collective; <code>builtin</code> hands the call to the rules that vcoll "
          "brings along. What a column leaves open as \"any\" fits everything. <code>vcoll tune "
          "explain</code> tells for a given call which rule is taken and why.</p>\n",
          r->f);
    write_rules(r);
    write_devices(r);
    name_rest(r);
}
