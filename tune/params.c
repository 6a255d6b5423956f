/* SPDX-License-Identifier: BSD-3-Clause */
/* The definitions of all parameters, each with its parser and its printer. */
#include "tune/params_internal.h"

#include "include/vcoll/vcoll.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- kinds of values ---- */

/* Words and what they mean, in the order of the enum they stand for; ends with NULL. */
static int parse_word(const char *text, const char *const *words, int *out)
{
    char list[160] = "";
    const char *nearest = words[0];
    for (int i = 0; words[i]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i;
            return VC_OK;
        }
        vc_append(list, sizeof list, "%s%s", i ? ", " : "", words[i]);
        if (vc_word_distance(text, words[i]) < vc_word_distance(text, nearest))
            nearest = words[i];
    }
    /* A word that needs more than half of its letters changed was not meant. */
    if (2 * vc_word_distance(text, nearest) > (int)strlen(text) + 1)
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: %s", list);
    return vc_fail(VC_ERR_INVAL, "not valid, did you mean %s? Valid: %s", nearest, list);
}

static int parse_flag(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "on", "yes", "true"}, *const no[] = {"0", "off", "no", "false"};
    for (int i = 0; i < 4; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return VC_OK;
        }
    }
    return vc_fail(VC_ERR_INVAL, "not valid. Valid: 0, 1 (or off, on, no, yes, false, true)");
}

static int parse_int(const char *text, int lo, int hi, int *out)
{
    unsigned long long v;
    if (!vc_parse_number(text, (unsigned long long)lo, (unsigned long long)hi, &v))
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: a whole number of %d..%d", lo, hi);
    *out = (int)v;
    return VC_OK;
}

static int parse_size(const char *text, size_t lo, size_t hi, size_t *out)
{
    size_t v;
    if (!vc_parse_bytes(text, &v) || v < lo || v > hi) {
        char a[24], b[24];
        vc_format_bytes(lo, a, sizeof a);
        vc_format_bytes(hi, b, sizeof b);
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: a size of %s..%s in bytes, or with k, m or g", a, b);
    }
    *out = v;
    return VC_OK;
}

static int parse_string(const char *text, char *out, size_t len)
{
    if (strlen(text) >= len)
        return vc_fail(VC_ERR_INVAL, "too long. Valid: at most %zu characters", len - 1);
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return vc_fail(VC_ERR_INVAL, "has a control character. Valid: one line of text");
    snprintf(out, len, "%s", text);
    return VC_OK;
}

/* A comma-separated set of words; bit i stands for words[i]. */
static int parse_set(const char *text, const char *const *words, unsigned *out)
{
    unsigned set = 0;
    char item[64];
    const char *cursor = text;
    while (vc_next_item(&cursor, item, sizeof item)) {
        int i = 0;
        if (parse_word(item, words, &i) != VC_OK) {
            char why[256];
            snprintf(why, sizeof why, "%s", vc_error_text());
            return vc_fail(VC_ERR_INVAL, "\"%s\" is %s", item, why);
        }
        set |= 1u << i;
    }
    if (cursor)
        return vc_fail(VC_ERR_INVAL, "an item is too long");
    *out = set;
    return VC_OK;
}

static void format_set(unsigned set, const char *const *words, char *buf, size_t len)
{
    buf[0] = '\0';
    for (int i = 0; words[i]; i++)
        if (set & (1u << i))
            vc_append(buf, len, "%s%s", buf[0] ? "," : "", words[i]);
}

/* ---- the parameters ---- */

static const char *const wait_words[] = {"auto", "poll", "event", "hybrid", NULL};
static const char *const stats_words[] = {"off", "text", "json", NULL};
static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const backing_words[] = {"auto", "memfd", "shm", NULL};
static const char *const channel_words[] = {"shm", "mpi", NULL};
static const char *const coll_words[] = {"barrier",   "bcast",    "reduce", "allreduce",
                                         "allgather", "alltoall", NULL};
_Static_assert(sizeof coll_words / sizeof coll_words[0] == VC_COLL_ACCELERATED + 1,
               "one word per collective");
_Static_assert(VC_BARRIER == 0 && VC_BCAST == 1 && VC_REDUCE == 2 && VC_ALLREDUCE == 3 && VC_ALLGATHER == 4 &&
                   VC_ALLTOALL == 5,
               "coll_words is in the order of enum vc_coll");
_Static_assert(VC_CHAN_SHM == 1 && VC_CHAN_MPI == 2, "channel_words is in the order of enum vc_chan_mask");
_Static_assert(VC_WAIT_AUTO == 0 && VC_WAIT_POLL == 1 && VC_WAIT_EVENT == 2 && VC_WAIT_HYBRID == 3,
               "wait_words");
_Static_assert(VC_SEG_AUTO == 0 && VC_SEG_MEMFD == 1 && VC_SEG_SHM == 2, "backing_words");
_Static_assert(VC_LOG_ERROR == 0 && VC_LOG_WARN == 1 && VC_LOG_INFO == 2 && VC_LOG_DEBUG == 3, "log_words");

#define ALL_COLLS ((1u << VC_COLL_ACCELERATED) - 1)

/* Parser and printer of a field, named after the field. */
#define FLAG(field)                                                                                          \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return parse_flag(text, &p->field);                                                                  \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%d", p->field);                                                                  \
    }
#define WORD(field, type, words)                                                                             \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        int i = 0, err = parse_word(text, words, &i);                                                        \
        if (err == VC_OK)                                                                                    \
            p->field = (enum type)i;                                                                         \
        return err;                                                                                          \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%s", words[p->field]);                                                           \
    }
#define INT(field, lo, hi)                                                                                   \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return parse_int(text, lo, hi, &p->field);                                                           \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%d", p->field);                                                                  \
    }
#define SIZE(field, lo, hi)                                                                                  \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return parse_size(text, lo, hi, &p->field);                                                          \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        vc_format_bytes(p->field, buf, len);                                                                 \
    }
#define STRING(field)                                                                                        \
    static int parse_##field(struct vc_params *p, const char *text)                                          \
    {                                                                                                        \
        return parse_string(text, p->field, sizeof p->field);                                                \
    }                                                                                                        \
    static void format_##field(const struct vc_params *p, char *buf, size_t len)                             \
    {                                                                                                        \
        snprintf(buf, len, "%s", p->field);                                                                  \
    }

FLAG(disable)
FLAG(strict)
FLAG(reproducible)
FLAG(cma)
WORD(wait, vc_wait_mode, wait_words)
WORD(stats, vc_stats_mode, stats_words)
WORD(log, vc_log_level, log_words)
WORD(shm_backing, vc_seg_backing, backing_words)
INT(node_split, 0, 1000000)
INT(setup_after, 1, 1000000)
SIZE(shm_bulk, 0, (size_t)1 << 30)
SIZE(shm_limit, 0, (size_t)1 << 44)
SIZE(cma_min, 0, (size_t)1 << 40)
STRING(host_id)
STRING(stats_file)

static int parse_spin_us(struct vc_params *p, const char *text)
{
    int v = 0, err = parse_int(text, 0, 10000000, &v);
    if (err == VC_OK)
        p->spin_us = (uint64_t)v;
    return err;
}

static void format_spin_us(const struct vc_params *p, char *buf, size_t len)
{
    snprintf(buf, len, "%llu", (unsigned long long)p->spin_us);
}

static int parse_colls(struct vc_params *p, const char *text)
{
    if (strcasecmp(text, "all") == 0) {
        p->colls = ALL_COLLS;
        return VC_OK;
    }
    if (strcasecmp(text, "none") == 0) {
        p->colls = 0;
        return VC_OK;
    }
    unsigned set = 0;
    int err = parse_set(text, coll_words, &set);
    if (err == VC_OK) {
        p->colls = set;
        return VC_OK;
    }
    char why[400];
    snprintf(why, sizeof why, "%s", vc_error_text());
    return vc_fail(err, "%s; or all, or none", why);
}

static void format_colls(const struct vc_params *p, char *buf, size_t len)
{
    if (p->colls == ALL_COLLS)
        snprintf(buf, len, "all");
    else if (p->colls == 0)
        snprintf(buf, len, "none");
    else
        format_set(p->colls, coll_words, buf, len);
}

static int parse_channels(struct vc_params *p, const char *text)
{
    unsigned set = 0;
    int err = parse_set(text, channel_words, &set);
    if (err == VC_OK)
        p->channels = set;
    return err;
}

static void format_channels(const struct vc_params *p, char *buf, size_t len)
{
    format_set(p->channels, channel_words, buf, len);
}

static const struct vc_param_def defs[] = {
    {"ALG", "auto", "auto | collective=algorithm[:radix=k][:segment=size][:leaders=n],...",
     "Forces algorithms, e.g. allreduce=ring,bcast=chain:segment=64k. A call that breaks the algorithm's "
     "restrictions (see vcoll info --algorithms) runs what it would run without.",
     vc_param_parse_alg, vc_param_format_alg, false},
    {"CHANNELS", "shm,mpi", "a list of: shm, mpi",
     "How bytes may travel: shm is shared memory of one operating system, mpi the underlying MPI's "
     "point-to-point messages.",
     parse_channels, format_channels, false},
    {"CMA", "1", "0 | 1",
     "Lets large messages be copied once, straight from one process's memory to another's "
     "(process_vm_readv), where the kernel permits it for all ranks of the node.",
     parse_cma, format_cma, false},
    {"CMA_MIN", "32k", "a size", "Messages of at least this size are copied once when CMA is possible.",
     parse_cma_min, format_cma_min, false},
    {"COLLS", "all", "all | none | a list of: barrier, bcast, reduce, allreduce, allgather, alltoall",
     "Which collectives vcoll takes over; the others run the MPI's own algorithms.", parse_colls,
     format_colls, false},
    {"DISABLE", "0", "0 | 1", "Makes vcoll a pure pass-through: every call goes to the MPI underneath.",
     parse_disable, format_disable, false},
    {"HOST_ID", "", "text of at most 63 characters",
     "Names the physical host this operating system runs on, the same text in all of its virtual machines. "
     "Given by the administrator when it cannot be found out.",
     parse_host_id, format_host_id, true},
    {"LOG", "warn", "error | warn | info | debug",
     "What is printed to standard error. A healthy run prints nothing at warn.", parse_log, format_log, true},
    {"NODE_SPLIT", "0", "0 (off) | a number of ranks",
     "For testing: that many ranks of a machine count as a node of their own, so that one machine looks like "
     "several.",
     parse_node_split, format_node_split, false},
    {"REPRODUCIBLE", "0", "0 | 1",
     "Makes results of reductions independent of which ranks share a node, at some cost in speed.",
     parse_reproducible, format_reproducible, false},
    {"SETUP_AFTER", "3", "a whole number from 1",
     "A communicator is set up at the collective call of this number; earlier calls run the MPI's own "
     "algorithms. Spares short-lived communicators the cost.",
     parse_setup_after, format_setup_after, false},
    {"SHM_BACKING", "auto", "auto | memfd | shm",
     "Where shared memory comes from: memfd is anonymous and leaves nothing behind, shm is /dev/shm. auto "
     "takes memfd where it works.",
     parse_shm_backing, format_shm_backing, false},
    {"SHM_BULK", "256k", "a size",
     "Shared memory per rank and communicator for medium and large messages; 0 leaves only the small "
     "slots.",
     parse_shm_bulk, format_shm_bulk, false},
    {"SHM_LIMIT", "512m", "a size",
     "Shared memory that all communicators of a process may map together. Communicators beyond it run the "
     "MPI's own algorithms.",
     parse_shm_limit, format_shm_limit, false},
    {"SPIN_US", "50", "a whole number of microseconds",
     "How long a rank polls before it sleeps when VCOLL_WAIT=hybrid; with auto the first guess of what a "
     "wake-up costs, before it is measured.",
     parse_spin_us, format_spin_us, true},
    {"STATS", "off", "off | text | json",
     "Prints, when MPI is finalized, what each collective did: calls, bytes, time, algorithm and sleeps.",
     parse_stats, format_stats, false},
    {"STATS_FILE", "", "a file name", "Where rank 0 writes the statistics; standard error when not given.",
     parse_stats_file, format_stats_file, true},
    {"STRICT", "0", "0 | 1", "Makes an unknown VCOLL_ variable an error instead of a warning.", parse_strict,
     format_strict, true},
    {"WAIT", "auto", "auto | poll | event | hybrid",
     "How a rank waits for others: poll spins, event sleeps, hybrid spins for VCOLL_SPIN_US and then sleeps. "
     "auto decides from the CPUs the ranks really have and from what a wake-up costs.",
     parse_wait, format_wait, true},
};

const struct vc_param_def *vc_param_defs(int *n)
{
    *n = (int)(sizeof defs / sizeof defs[0]);
    return defs;
}

/* FNV-1a. The final zero byte is hashed too, so that neighbours cannot trade characters. */
static uint64_t hash_text(uint64_t h, const char *text)
{
    do {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    } while (*text++);
    return h;
}

uint64_t vc_params_fingerprint(const struct vc_params *p)
{
    char text[VC_PARAM_TEXT_MAX];
    snprintf(text, sizeof text, "%d.%d.%d", VCOLL_VERSION_MAJOR, VCOLL_VERSION_MINOR, VCOLL_VERSION_PATCH);
    uint64_t h = hash_text(0xcbf29ce484222325u, text);
    for (size_t i = 0; i < sizeof defs / sizeof defs[0]; i++) {
        if (defs[i].local)
            continue;
        defs[i].format(p, text, sizeof text);
        h = hash_text(hash_text(h, defs[i].name), text);
    }
    return h;
}
