/* SPDX-License-Identifier: BSD-3-Clause */
/* Words that vcoll-bench and vcoll-tune understand alike. */
#include "tools/bench/args.h"
#include "coll/info.h"
#include "include/vcoll/vcoll.h"

#include "tune/params/params.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) const char *argp_program_version;

/* "8", "64k", "1M" with 1k = 1024; false when malformed. */
static bool parse_bytes(const char *s, const char *end, size_t *out)
{
    char *after;
    if (s == end || *s < '0' || *s > '9')
        return false;
    errno = 0;
    unsigned long long v = strtoull(s, &after, 10);
    unsigned shift = 0;
    if (after < end && (*after == 'k' || *after == 'K'))
        shift = 10, after++;
    else if (after < end && *after == 'M')
        shift = 20, after++;
    else if (after < end && *after == 'G')
        shift = 30, after++;
    /* An int counts the bytes of a block at worst. */
    if (errno != 0 || after != end || v > (unsigned long long)INT32_MAX >> shift)
        return false;
    *out = (size_t)v << shift;
    return true;
}

static void add_size(struct argp_state *st, struct vc_measure_opts *o, size_t bytes)
{
    int at = o->nsizes;
    while (at > 0 && o->sizes[at - 1] > bytes)
        at--;
    if (at > 0 && o->sizes[at - 1] == bytes)
        return;
    if (bytes == 0)
        argp_error(st, "--sizes: 0 bytes say nothing about a collective; use barrier");
    if (o->nsizes == VC_MEASURE_SIZES)
        argp_error(st, "--sizes: more than %d sizes", VC_MEASURE_SIZES);
    memmove(&o->sizes[at + 1], &o->sizes[at], (size_t)(o->nsizes - at) * sizeof o->sizes[0]);
    o->sizes[at] = bytes;
    o->nsizes++;
}

/* One comma-separated item of --sizes. */
static void parse_size_item(struct argp_state *st, struct vc_measure_opts *o, const char *s, const char *end)
{
    size_t part[3] = {0, 0, 2};
    int n = 0;
    const char *whole = s;
    for (;;) {
        const char *colon = memchr(s, ':', (size_t)(end - s));
        if (n == 3 || !parse_bytes(s, colon ? colon : end, &part[n]))
            argp_error(st,
                       "--sizes: '%.*s' is neither a number of bytes such as 64 or 16k nor FROM:TO[:FACTOR]",
                       (int)(end - whole), whole);
        n++;
        if (!colon)
            break;
        s = colon + 1;
    }
    if (n == 1)
        part[1] = part[0];
    if (part[0] == 0 || part[1] < part[0] || part[2] < 2)
        argp_error(st, "--sizes: '%.*s': FROM must be at least 1, TO at least FROM, FACTOR at least 2",
                   (int)(end - whole), whole);
    for (size_t b = part[0]; b <= part[1]; b *= part[2])
        add_size(st, o, b);
}

static void parse_sizes(struct argp_state *st, struct vc_measure_opts *o, const char *list)
{
    o->nsizes = 0;
    o->own_sizes = true;
    while (true) {
        const char *end = strchrnul(list, ',');
        parse_size_item(st, o, list, end);
        if (*end == '\0')
            return;
        list = end + 1;
    }
}

double bench_args_number(struct argp_state *st, const char *option, const char *arg, double low, double high)
{
    char *end;
    errno = 0;
    double v = strtod(arg, &end);
    if (errno != 0 || end == arg || *end != '\0' || !(v >= low && v <= high))
        argp_error(st, "%s: '%s' is not a number from %g to %g", option, arg, low, high);
    return v;
}

long bench_args_integer(struct argp_state *st, const char *option, const char *arg, double low, double high)
{
    double v = bench_args_number(st, option, arg, low, high);
    if (v != floor(v))
        argp_error(st, "%s: '%s' is not a whole number", option, arg);
    return (long)v;
}

void bench_args_set(struct argp_state *st, struct vc_measure_opts *o, const char *name, const char *value)
{
    char *text;
    if (o->nset == VC_MEASURE_SETS)
        argp_error(st, "more than %d settings", VC_MEASURE_SETS);
    if (asprintf(&text, "%s%s", name, value) < 0)
        argp_failure(st, 1, ENOMEM, "settings");
    o->set[o->nset++] = text;
}

void bench_args_collective(struct argp_state *st, struct vc_measure_opts *o, const char *name)
{
    int coll = vc_coll_by_name(name);
    char all[256] = "";
    for (int i = 0; i < VC_COLL_COUNT; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", vc_coll_info[i].name);
    if (coll < 0)
        argp_error(st, "unknown collective '%s'; there are %s", name, all);
    for (int i = 0; i < o->ncoll; i++)
        if ((int)o->coll[i] == coll)
            return;
    o->coll[o->ncoll++] = (enum vc_coll)coll;
}

void bench_args_all(struct vc_measure_opts *o)
{
    for (int c = 0; c < VC_COLL_COUNT && o->ncoll <= c; c++)
        o->coll[o->ncoll++] = (enum vc_coll)c;
}

enum { KEY_SIZES = 1024, KEY_SET, KEY_SPLIT, KEY_MPIRUN, KEY_SEED, KEY_JSON, KEY_PROGRESS };

static const struct argp_option options[] = {
    {"np", 'n', "N", 0,
     "start N ranks on this machine (default: one per CPU); under mpirun its own -n counts", 1},
    {"sizes", KEY_SIZES, "LIST", 0,
     "bytes, e.g. 8,64,1k,1M, or FROM:TO[:FACTOR], factor 2 by default; the block of one rank in collectives "
     "that have one for each, the whole vector otherwise (default: chosen, 8 to 1M)",
     1},
    {"set", KEY_SET, "NAME=VALUE", 0, "a VCOLL_ parameter, without the prefix; may be repeated", 1},
    {"split", KEY_SPLIT, "N", 0, "pretend that every N ranks are a node (VCOLL_NODE_SPLIT)", 1},
    {"mpirun-arg", KEY_MPIRUN, "WORD", 0, "a further word for mpirun; may be repeated", 1},
    {"seed", KEY_SEED, "N", 0, "order of the blocks and choice of buffers (default 1)", 1},
    {"json", KEY_JSON, "FILE", 0,
     "everything as JSON into FILE; - is standard output (text then goes to standard error)", 1},
    {"progress", KEY_PROGRESS, 0, OPTION_HIDDEN, 0, 1},
    {0, 0, 0, 0, 0, 0}};

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct vc_measure_opts *o = st->input;
    switch (key) {
    case 'n':
        o->ranks = (int)bench_args_integer(st, "-n", arg, 1, 1e6);
        return 0;
    case KEY_SIZES:
        parse_sizes(st, o, arg);
        return 0;
    case KEY_SET:
        if (!strchr(arg, '=') || *arg == '=')
            argp_error(st, "--set wants NAME=VALUE, not '%s'", arg);
        bench_args_set(st, o, "", strncmp(arg, "VCOLL_", 6) == 0 ? arg + 6 : arg);
        return 0;
    case KEY_SPLIT:
        bench_args_integer(st, "--split", arg, 1, 1e6);
        bench_args_set(st, o, "NODE_SPLIT=", arg);
        return 0;
    case KEY_MPIRUN:
        if (o->nmpirun == VC_MEASURE_SETS)
            argp_error(st, "more than %d words for mpirun", VC_MEASURE_SETS);
        o->mpirun[o->nmpirun++] = arg;
        return 0;
    case KEY_SEED:
        o->seed = (uint64_t)bench_args_integer(st, "--seed", arg, 0, 9e15);
        return 0;
    case KEY_JSON:
        o->json = arg;
        return 0;
    case KEY_PROGRESS:
        o->progress = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp bench_args_common = {options, parse, 0, 0, 0, 0, 0};

void bench_args_parse(const struct argp *argp, struct vc_measure_opts *o, const char *program, int argc,
                      char **argv, void *input)
{
    static const size_t sizes[] = {8, 64, 512, 1024, 4096, 16384, 65536, 262144, 1048576};
    static char version[64];
    o->program = program;
    o->seconds = 0.3;
    o->seed = 1;
    o->measure[VC_MEASURE_START] = o->measure[VC_MEASURE_B2B] = true;
    memcpy(o->sizes, sizes, sizeof sizes);
    o->nsizes = (int)(sizeof sizes / sizeof sizes[0]);
    o->argc = argc;
    o->argv = argv;
    snprintf(version, sizeof version, "%s %s", program, vcoll_version());
    argp_program_version = version;
    argp_err_exit_status = 2;
    argp_parse(argp, argc, argv, 0, NULL, input);
}

void bench_setenv(const struct vc_measure_opts *o)
{
    for (int i = 0; i < o->nset; i++) {
        char name[128];
        const char *eq = strchr(o->set[i], '=');
        snprintf(name, sizeof name, "VCOLL_%.*s", (int)(eq - o->set[i]), o->set[i]);
        setenv(name, eq + 1, 1);
    }
    /* Communicators are measured once they are set up. The default, if it is given, sets them up whatever
     * that costs. */
    int n;
    const struct vc_param_def *defs = vc_param_defs(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(defs[i].name, "SETUP_AFTER") == 0)
            setenv("VCOLL_SETUP_AFTER", defs[i].deflt, 0);
}
