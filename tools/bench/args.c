/* SPDX-License-Identifier: BSD-3-Clause */
/* Words that vcoll-bench and vcoll-tune understand alike. */
#include "tools/bench/args.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

void bench_args_sizes(struct argp_state *st, struct vc_measure_opts *o, const char *list)
{
    o->nsizes = 0;
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
    if (coll < 0 || coll >= VC_COLL_ACCELERATED)
        argp_error(st, "%s '%s'; there are barrier, bcast, reduce, allreduce, allgather, alltoall",
                   coll < 0 ? "unknown collective" : "vcoll only passes through", name);
    for (int i = 0; i < o->ncoll; i++)
        if ((int)o->coll[i] == coll)
            return;
    o->coll[o->ncoll++] = (enum vc_coll)coll;
}

void bench_args_setting(struct argp_state *st, struct vc_measure_opts *o, const char *arg)
{
    if (!strchr(arg, '=') || *arg == '=')
        argp_error(st, "--set wants NAME=VALUE, not '%s'", arg);
    bench_args_set(st, o, "", strncmp(arg, "VCOLL_", 6) == 0 ? arg + 6 : arg);
}

void bench_args_mpirun(struct argp_state *st, struct vc_measure_opts *o, const char *arg)
{
    if (o->nmpirun == VC_MEASURE_SETS)
        argp_error(st, "more than %d words for mpirun", VC_MEASURE_SETS);
    o->mpirun[o->nmpirun++] = arg;
}

void bench_setenv(const struct vc_measure_opts *o)
{
    for (int i = 0; i < o->nset; i++) {
        char name[128];
        const char *eq = strchr(o->set[i], '=');
        snprintf(name, sizeof name, "VCOLL_%.*s", (int)(eq - o->set[i]), o->set[i]);
        setenv(name, eq + 1, 1);
    }
    /* What is measured is measured on communicators that are set up. Given, it means at that call, whatever
     * that costs. */
    setenv("VCOLL_SETUP_AFTER", "3", 0);
}
