/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune explain`: the command line, and what is asked. The answer is printed by answer.c, measurements
 * near it by near.c. */
#include "tools/table/explain.h"

#include "coll/info.h"
#include "tools/facts/facts.h"
#include "tools/vcoll/tools.h"
#include "transport/base.h"
#include "tune/table/table.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Behind them the keys of communicators, by their place in vc_key_info[]. */
enum { KEY_BYTES = 256, KEY_OPERATOR, KEY_ESIZE, KEY_JSON, KEY_PLACE };

static const char who[] = "vcoll tune explain";

static const struct argp_option call_options[] = {
    {0, 0, 0, 0, "The call:", 1},
    {"bytes", KEY_BYTES, "SIZE", 0,
     "as in `vcoll bench': the vector, or one rank's block in allgather and alltoall, e.g. 64k; without: "
     "what "
     "runs, for all sizes",
     0},
    {"operator", KEY_OPERATOR, "CLASS", 0, "commutative (default) or other", 0},
    {"esize", KEY_ESIZE, "BYTES", 0,
     "bytes of an element in reductions (default 8, or the call's if smaller)", 0},
};
static const struct argp_option rest_options[] = {
    {0, 0, 0, 0, "What is printed:", 4},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {0, 0, 0, 0, 0, 0},
};
enum {
    CALL_OPTIONS = sizeof call_options / sizeof call_options[0],
    REST_OPTIONS = sizeof rest_options / sizeof rest_options[0],
    OPTION_NAME = 32
};

/* "--bulk-slots" */
static const char *option_name(const struct vc_key_info *i)
{
    static char name[VC_KEYS_MAX][OPTION_NAME];
    char *own = name[i - vc_key_info];
    snprintf(own, OPTION_NAME, "--%s", i->name);
    for (char *c = own; *c; c++)
        *c = (char)(*c == '_' ? '-' : *c);
    return own;
}

static struct argp_option key_option(const struct vc_key_info *i)
{
    bool yes_no = i->kind == VC_KEY_FLAG && !i->words;
    const char *value = i->kind == VC_KEY_RANGE   ? "N"
                        : i->kind == VC_KEY_TEXT  ? "MODEL"
                        : i->kind == VC_KEY_WORDS ? "CLASS"
                        : yes_no                  ? "YES|NO"
                                                  : "WHICH";
    return (struct argp_option){
        .name = option_name(i) + 2,
        .key = i == vc_key_find("ranks") ? 'n' : KEY_PLACE + (int)(i - vc_key_info),
        .arg = value,
        .flags = yes_no ? OPTION_ARG_OPTIONAL : 0,
        .doc = i->option,
    };
}

static const struct argp_option *all_options(void)
{
    static struct argp_option all[CALL_OPTIONS + 2 + VC_KEYS_MAX + REST_OPTIONS];
    static const struct argp_option part[] = {
        {0, 0, 0, 0, "The communicator (default: one rank for each CPU of this machine):", 2},
        {0, 0, 0, 0, "The machine (default: this one):", 3}};
    struct argp_option *o = all;
    memcpy(o, call_options, sizeof call_options);
    o += CALL_OPTIONS;
    for (int machine = 0; machine < 2; machine++) {
        const struct vc_key_info *i;
        *o++ = part[machine];
        for (int n = 0; (i = vc_key_next(&n));)
            if (i->machine == machine)
                *o++ = key_option(i);
    }
    memcpy(o, rest_options, sizeof rest_options);
    return all;
}

static const char doc[] =
    "Shows what would run for a call, and why: each row that is looked at with the reason why it does not "
    "hold, the one that is taken, and what the alternatives measured. TABLE is a file, none (the built-in "
    "rules) or auto; without it, the table that programs would use here (VCOLL_TABLE, then the places that "
    "vcoll(7) names)."
    "\v"
    "Examples:\n"
    "  vcoll tune explain allreduce               here, all sizes\n"
    "  vcoll tune explain allreduce --bytes 64k   here, and why\n"
    "  vcoll tune explain t.json bcast --bytes 1M --ranks 16 --nodes 4\n"
    "                                             somewhere else\n"
    "  vcoll tune explain none reduce --bytes 8 --operator other\n"
    "                                             without any table\n"
    "\n"
    "Settings count: VCOLL_ALG, VCOLL_COLLS, VCOLL_CHANNELS, VCOLL_REPRODUCIBLE.\n"
    "Exit status: 0; 1 a broken table or setting; 2 wrong words.";

static int parse_number(const char *arg, const char *option, int lo, struct argp_state *state)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (errno != 0 || end == arg || *end || n < lo || n > TABLE_RANKS_MAX)
        argp_error(state, "%s %s: not a number of %d..%d", option, arg, lo, TABLE_RANKS_MAX);
    return (int)n;
}

/* The index of a word, after an error that names the nearest when it is none of them. */
static int parse_word(const char *arg, const char *option, const char *const *words, struct argp_state *state)
{
    char list[256] = "";
    const char *nearest = words[0];
    for (int i = 0; words[i]; i++) {
        size_t used = strlen(list);
        if (strcmp(arg, words[i]) == 0)
            return i;
        if (vc_word_distance(arg, words[i]) < vc_word_distance(arg, nearest))
            nearest = words[i];
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", words[i]);
    }
    argp_error(state, "%s %s: did you mean %s? Valid: %s", option, arg, nearest, list);
    return 0;
}

static bool yes_no(const char *arg, const char *option, struct argp_state *state)
{
    static const char *const words[] = {"yes", "no", NULL};
    return !arg || parse_word(arg, option, words, state) == 0;
}

static size_t parse_size(const char *arg, const char *option, struct argp_state *state)
{
    size_t n = 0;
    if (!vc_parse_bytes(arg, &n))
        argp_error(state, "%s %s: not a size; a number, or one with k, M or G is expected, e.g. 64k", option,
                   arg);
    return n;
}

static void parse_text(const struct vc_key_info *i, const char *arg, char *out, struct argp_state *state)
{
    if (strlen(arg) >= VC_TABLE_DEVICE)
        argp_error(state, "%s %s: longer than any model's name (%d characters)", option_name(i), arg,
                   VC_TABLE_DEVICE - 1);
    snprintf(out, VC_TABLE_DEVICE, "%s", strcmp(arg, "none") == 0 ? "" : arg);
}

static int parse_value(const struct vc_key_info *i, const char *arg, struct argp_state *state)
{
    const char *option = option_name(i);
    if (i->kind == VC_KEY_RANGE)
        return parse_number(arg, option, i->least, state);
    if (i->kind == VC_KEY_WORDS)
        return parse_word(arg, option, i->words, state);
    return i->words ? parse_word(arg, option, i->words, state) == 0 : yes_no(arg, option, state);
}

static error_t parse_place(int key, const char *arg, struct argp_state *state)
{
    struct table_place *p = &((struct explain_request *)state->input)->place;
    int n = key == 'n' ? (int)(vc_key_find("ranks") - vc_key_info) : key - KEY_PLACE;
    if (n < 0 || n >= vc_key_count)
        return ARGP_ERR_UNKNOWN;
    const struct vc_key_info *i = &vc_key_info[n];
    if (i->kind == VC_KEY_TEXT)
        parse_text(i, arg ? arg : "", vc_topo_at(&p->at, i), state);
    else
        vc_topo_put(&p->at, i, parse_value(i, arg, state));
    p->given |= 1u << n;
    return 0;
}

static void check_words(struct explain_request *r, struct argp_state *state)
{
    const char *colls[VC_COLL_COUNT + 1];
    vc_coll_words(colls);
    if (state->arg_num == 0)
        argp_error(state, "no collective is named");
    r->table = state->arg_num == 2 ? r->arg[0] : NULL;
    r->call.coll = (enum vc_coll)parse_word(r->arg[state->arg_num - 1], "collective", colls, state);
    bool reduction = vc_coll_reduces(r->call.coll);
    if (!reduction && (!r->call.commutative || r->call.esize))
        argp_error(state, "%s has no operator: --operator and --esize belong to reductions",
                   vc_coll_name(r->call.coll));
    if (!vc_coll_sized(r->call.coll) && r->call.bytes > 0)
        argp_error(state, "a barrier has no bytes");
    else if (!vc_coll_by_size(r->call.coll) && r->call.bytes > 0)
        argp_error(
            state,
            "%s runs alike whatever its sizes are, because not every rank knows them: leave out --bytes",
            vc_coll_name(r->call.coll));
    if (!reduction)
        r->call.esize = 1;
    else if (r->call.esize == 0)
        for (r->call.esize = 8; r->sized && r->call.bytes % r->call.esize; r->call.esize /= 2)
            ;
    if (r->call.bytes % r->call.esize)
        argp_error(state, "%zu bytes are no whole number of elements of %zu", r->call.bytes, r->call.esize);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const char *const classes[] = {"commutative", "other", NULL};
    struct explain_request *r = state->input;
    switch (key) {
    case KEY_BYTES:
        r->call.bytes = parse_size(arg, "--bytes", state);
        r->sized = true;
        return 0;
    case KEY_ESIZE:
        r->call.esize = parse_size(arg, "--esize", state);
        if (r->call.esize == 0)
            argp_error(state, "--esize 0: elements have a byte at least");
        return 0;
    case KEY_OPERATOR:
        r->call.commutative = parse_word(arg, "--operator", classes, state) == 0;
        return 0;
    case KEY_JSON:
        r->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= 2)
            argp_error(state, "\"%s\" is one word too many: TABLE and COLLECTIVE are expected", arg);
        r->arg[state->arg_num] = arg;
        return 0;
    case ARGP_KEY_END:
        check_words(r, state);
        return 0;
    default:
        return parse_place(key, arg, state);
    }
}

static int explain(struct explain_request *r)
{
    char path[PATH_MAX], why[512];
    struct table_key key = {.mem = NULL};
    bool settings = table_settings(who, &r->params);
    if (!table_place_complete(&r->place, &r->params, why, sizeof why)) {
        fprintf(stderr, "%s: %s\n", who, why);
        return VC_EXIT_USAGE;
    }
    if (table_open_used(r->table, &r->params, path, &r->file) != VC_OK) {
        fprintf(stderr, "%s\n", vc_error_text());
        return EXIT_FAILURE;
    }
    int code = EXIT_FAILURE;
    struct vc_costs_file costs;
    bool known = r->params.calibrate != VC_CALIBRATE_OFF && facts_costs(&costs);
    if (table_key_make(&r->place, &r->params, &key) != VC_OK)
        fprintf(stderr, "%s: %s\n", who, vc_error_text());
    key.key.costs = known ? &costs.costs : NULL;
    if (key.mem && !r->sized && vc_coll_by_size(r->call.coll))
        code = explain_sizes(r, &key.key);
    else if (key.mem)
        code = explain_call(r, &key.key);
    table_key_free(&key);
    vc_table_doc_close(&r->file);
    return code == EXIT_SUCCESS && !settings ? EXIT_FAILURE : code;
}

int table_explain(int argc, char **argv)
{
    struct explain_request *r = calloc(1, sizeof *r);
    if (!r) {
        fprintf(stderr, "%s: out of memory\n", who);
        return EXIT_FAILURE;
    }
    const struct argp argp = {all_options(), parse, "[TABLE] COLLECTIVE", doc, NULL, NULL, NULL};
    r->call.commutative = true;
    int code = argp_parse(&argp, argc, argv, 0, NULL, r) == 0 ? explain(r) : VC_EXIT_USAGE;
    free(r);
    return code;
}
