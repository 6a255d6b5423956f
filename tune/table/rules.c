/* SPDX-License-Identifier: BSD-3-Clause */
/* "rules": each row is read and becomes one struct vc_row for each of its collectives. */
#include "coll/info.h"
#include "tune/table/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a rule holds behind its keys: those that say how a call runs by enum vc_choice_option, from [1] on. */
static const char *const rule_values[] = {
    "algorithm",
    [1 + VC_OPTION_RADIX] = "radix",
    [1 + VC_OPTION_SEGMENT] = "segment",
    [1 + VC_OPTION_LEADERS] = "leaders",
    [1 + VC_OPTION_CHANNEL] = "channel",
    [1 + VC_OPTION_WAIT] = "wait",
    [1 + VC_OPTION_SPIN] = "spin_us",
    "measured",
    NULL,
};
static const char *const *const option_keys = rule_values + 1;

/* A row before it is known for which collectives it holds. */
struct rule {
    struct vc_row row;
    unsigned colls;
    const char *algorithm;
    bool is_default;
};

static int read_colls(struct vc_tab *t, json_t *obj, unsigned *colls)
{
    const char *words[VC_COLL_COUNT + 1];
    vc_coll_words(words);
    *colls = (1u << VC_COLL_COUNT) - 1;
    return vc_tab_words(t, obj, "collective", words, colls);
}

static int read_operator(struct vc_tab *t, json_t *obj, struct rule *r)
{
    static const char *const words[] = {"commutative", "other", NULL};
    int word = -1, err = vc_tab_word(t, obj, "operator", words, &word);
    if (err != VC_OK || word < 0)
        return err;
    bool reduces = false;
    for (int c = 0; c < VC_COLL_COUNT; c++)
        reduces |= (r->colls & 1u << c) && vc_coll_reduces((enum vc_coll)c);
    if (!reduces)
        return vc_tab_fail_key(t, "operator", "only reductions have an operator");
    r->row.commutative = word == 0 ? VC_YES : VC_NO;
    return VC_OK;
}

/* Parameters of the algorithm, whichever collective it is for. */
static int read_options(struct vc_tab *t, json_t *obj, struct vc_choice *c)
{
    json_int_t radix = 0, leaders = 0, spin = -1;
    int channel = -1, wait = -1, err;
    if ((err = vc_tab_int(t, obj, "radix", 2, VC_CHOICE_RADIX_MAX, &radix)) != VC_OK ||
        (err = vc_tab_size(t, obj, "segment", &c->segment)) != VC_OK ||
        (err = vc_tab_int(t, obj, "leaders", 1, VC_CHOICE_LEADERS_MAX, &leaders)) != VC_OK ||
        (err = vc_tab_word(t, obj, "channel", vc_channel_words + 1, &channel)) != VC_OK ||
        (err = vc_tab_word(t, obj, "wait", vc_wait_words, &wait)) != VC_OK ||
        (err = vc_tab_int(t, obj, "spin_us", 0, VC_CHOICE_SPIN_MAX, &spin)) != VC_OK)
        return err;
    if (spin >= 0 && wait != VC_WAIT_HYBRID && wait != VC_WAIT_AUTO)
        return vc_tab_fail_key(t, "spin_us", "\"spin_us\" goes with \"wait\": \"hybrid\" or \"auto\" only");
    c->radix = (int)radix;
    c->leaders = (int)leaders;
    c->channel = (enum vc_choice_channel)(channel + 1);
    if (wait >= 0)
        c->policy =
            vc_policy_of((enum vc_wait_mode)wait, spin >= 0 ? (uint32_t)spin : VC_POLICY_SPIN_DEFAULT);
    return VC_OK;
}

static int read_rule(struct vc_tab *t, json_t *obj, struct rule *r)
{
    const char *names[VC_KEYS_MAX + sizeof rule_values / sizeof rule_values[0]];
    json_t *name, *measured;
    int err;
    vc_key_names(false, rule_values, names);
    if ((err = vc_tab_keys(t, obj, "a rule", names)) != VC_OK ||
        (err = read_colls(t, obj, &r->colls)) != VC_OK ||
        (err = vc_tab_row_keys(t, obj, &r->row.keys)) != VC_OK ||
        (err = vc_tab_range(t, obj, "bytes", 0, true, &r->row.bytes)) != VC_OK ||
        (err = read_operator(t, obj, r)) != VC_OK ||
        (err = vc_tab_member(t, obj, "algorithm", JSON_STRING, true, &name)) != VC_OK ||
        (err = vc_tab_member(t, obj, "measured", JSON_OBJECT, false, &measured)) != VC_OK ||
        (err = read_options(t, obj, &r->row.choice)) != VC_OK)
        return err;
    r->algorithm = json_string_value(name);
    r->row.builtin = strcmp(r->algorithm, "builtin") == 0;
    r->row.placed = vc_row_keys_placed(&r->row.keys);
    r->is_default = json_object_size(obj) == (measured ? 2u : 1u) &&
                    (r->row.builtin || strcmp(r->algorithm, "native") == 0);
    return VC_OK;
}

/* Fails if the row has a parameter that the algorithm does not take. */
static int check_options(struct vc_tab *t, json_t *obj, const struct vc_alg *alg)
{
    unsigned takes = alg ? vc_choice_options(alg) : 0;
    for (int o = 0; o < VC_OPTIONS; o++) {
        char list[64] = "";
        if (!json_object_get(obj, option_keys[o]) || (takes >> o & 1))
            continue;
        for (int i = 0; i < VC_OPTIONS; i++)
            if (takes >> i & 1)
                vc_append(list, sizeof list, " %s", option_keys[i]);
        return vc_tab_fail_key(t, option_keys[o], "%s%s%s has no parameter \"%s\"; it takes%s",
                               alg ? vc_coll_name(alg->coll) : "", alg ? "=" : "",
                               alg ? alg->name : "builtin", option_keys[o], list[0] ? list : " none");
    }
    return VC_OK;
}

static int find_algorithm(struct vc_tab *t, json_t *obj, const struct rule *r, enum vc_coll coll,
                          const struct vc_alg **alg)
{
    *alg = r->row.builtin ? NULL : vc_alg_find(coll, r->algorithm);
    if (*alg || r->row.builtin)
        return check_options(t, obj, *alg);
    char list[320];
    const char *near = vc_choice_nearest(coll, r->algorithm, list, sizeof list);
    bool builtin = vc_word_distance(r->algorithm, "builtin") < vc_word_distance(r->algorithm, near);
    if (strcmp(near, "auto") == 0) /* that word is VCOLL_ALG's */
        near = "native";
    vc_tab_into(t, "algorithm");
    return vc_tab_fail(t, "%s has no algorithm \"%.60s\", did you mean \"%s\"? Valid: builtin%s",
                       vc_coll_name(coll), r->algorithm, builtin ? "builtin" : near, list + strlen("auto"));
}

/* ---- rows of the table ---- */

static int append_row(struct vc_table *out, int *room, const struct vc_row *row)
{
    if (out->nrows == *room) {
        int more = *room ? 2 * *room : 64;
        struct vc_row *bigger = realloc(out->row, (size_t)more * sizeof *bigger);
        if (!bigger)
            return vc_fail(VC_ERR_NOMEM, "out of memory for the rows of a table");
        out->row = bigger;
        *room = more;
    }
    out->row[out->nrows++] = *row;
    return VC_OK;
}

/* The row for one collective; *why_not: no call of this one can match and use it. */
static int add_row(struct vc_tab *t, json_t *obj, const struct rule *r, unsigned coll, struct vc_table *out,
                   int *room, const char **why_not)
{
    struct vc_row row = r->row;
    row.coll = (enum vc_coll)coll;
    int err = find_algorithm(t, obj, r, row.coll, &row.choice.alg);
    if (err != VC_OK)
        return err;
    if (!vc_coll_reduces(coll) &&
        row.commutative == VC_YES) /* whatever has no operator counts as commutative */
        row.commutative = VC_ANY;
    const char *why = vc_row_impossible(&row);
    if (why && !*why_not)
        *why_not = why;
    return why ? VC_OK : append_row(out, room, &row);
}

/* Tells which algorithms of the row's first collective its keys leave. */
static int none_possible(struct vc_tab *t, const struct rule *r, const char *why)
{
    struct vc_row row = r->row;
    char list[256] = "";
    while (!(r->colls >> row.coll & 1))
        row.coll++;
    for (const struct vc_alg *const *a = vc_alg_list(row.coll); *a; a++) {
        row.choice.alg = *a;
        if (!vc_row_impossible(&row))
            vc_append(list, sizeof list, "%s%s", list[0] ? ", " : "", (*a)->name);
    }
    return vc_tab_fail(t,
                       "no call that this row matches can use \"%.60s\": %s; change its keys or drop it%s%s",
                       r->algorithm, why, list[0] ? ". With these keys: " : "", list);
}

static int add_all(struct vc_tab *t, json_t *obj, const struct rule *r, struct vc_table *out, int *room)
{
    const char *why_not = NULL;
    int before = out->nrows;
    for (unsigned c = 0; c < VC_COLL_COUNT; c++) {
        int err = r->colls >> c & 1 ? add_row(t, obj, r, c, out, room, &why_not) : VC_OK;
        if (err != VC_OK)
            return err;
    }
    return out->nrows == before ? none_possible(t, r, why_not) : VC_OK;
}

int vc_tab_rules(struct vc_tab *t, json_t *rules, struct vc_table *out)
{
    size_t n = json_array_size(rules), i;
    json_t *obj;
    int room = 0, err;
    bool ended = false;
    vc_tab_into(t, "rules");
    if (n > VC_TABLE_ROWS_MAX)
        return vc_tab_fail(t, "%zu rules, at most %d are possible", n, VC_TABLE_ROWS_MAX);
    if (n == 0)
        return vc_tab_fail(t,
                           "no rules: at least {\"algorithm\": \"native\"} or {\"algorithm\": \"builtin\"} "
                           "is needed, the default row");
    json_array_foreach(rules, i, obj)
    {
        struct rule r = {.row = {.bytes = {0, UINT64_MAX}, .index = (int)i}};
        vc_tab_into_element(t, i);
        if ((err = read_rule(t, obj, &r)) != VC_OK || (err = add_all(t, obj, &r, out, &room)) != VC_OK)
            return err;
        ended = r.is_default;
        if (ended && i + 1 < n)
            return vc_tab_fail(t, "the default row is not the last one: rows behind it are never looked at; "
                                  "move it to the end");
        if (!ended && i + 1 == n)
            return vc_tab_fail(t, "no default row: the last one must be {\"algorithm\": \"native\"} or "
                                  "{\"algorithm\": \"builtin\"}, without other keys");
        vc_tab_out(t);
    }
    vc_tab_out(t);
    return vc_tab_check_rules(t, out);
}

void vc_choice_to_json(const struct vc_choice *c, json_t *row)
{
    json_object_set_new(row, "algorithm", json_string(c->alg->name));
    if (c->radix)
        json_object_set_new(row, "radix", json_integer(c->radix));
    if (c->segment)
        json_object_set_new(row, "segment", json_integer((json_int_t)c->segment));
    if (c->leaders)
        json_object_set_new(row, "leaders", json_integer(c->leaders));
    if (c->channel != VC_CHANNEL_AUTO)
        json_object_set_new(row, "channel", json_string(vc_channel_words[c->channel]));
    if (!c->policy)
        return;
    json_object_set_new(row, "wait", json_string(vc_wait_words[vc_policy_mode(c->policy)]));
    if (vc_policy_spin(c->policy) != VC_POLICY_SPIN_DEFAULT && vc_policy_mode(c->policy) == VC_WAIT_HYBRID)
        json_object_set_new(row, "spin_us", json_integer(vc_policy_spin(c->policy)));
}
