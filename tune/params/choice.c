/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/params/choice.h"

#include "tune/params/internal.h"

#include <stdio.h>
#include <string.h>

const char *const vc_wait_words[] = {"auto", "poll", "event", "hybrid", NULL};
const char *const vc_channel_words[] = {"auto", "verbs", "mpi", NULL};
_Static_assert(VC_WAIT_AUTO == 0 && VC_WAIT_POLL == 1 && VC_WAIT_EVENT == 2 && VC_WAIT_HYBRID == 3,
               "vc_wait_words");
_Static_assert(VC_CHANNEL_AUTO == 0 && VC_CHANNEL_VERBS == 1 && VC_CHANNEL_MPI == 2 && VC_CHANNELS == 3,
               "vc_channel_words");
_Static_assert(VC_CHOICE_SPIN_MAX < VC_POLICY_SPIN_DEFAULT, "a spin fits into a policy");

static const char *const option_names[VC_OPTIONS] = {
    [VC_OPTION_RADIX] = "radix",     [VC_OPTION_SEGMENT] = "segment", [VC_OPTION_LEADERS] = "leaders",
    [VC_OPTION_CHANNEL] = "channel", [VC_OPTION_WAIT] = "wait",       [VC_OPTION_SPIN] = "spin",
};

const char *vc_choice_option_name(enum vc_choice_option o)
{
    return option_names[o];
}

unsigned vc_choice_options(const struct vc_alg *alg)
{
    unsigned bits = 0;
    if (alg->params & VC_PARAM_RADIX)
        bits |= 1u << VC_OPTION_RADIX;
    if (alg->params & VC_PARAM_SEGMENT)
        bits |= 1u << VC_OPTION_SEGMENT;
    if (alg->params & VC_PARAM_LEADERS)
        bits |= 1u << VC_OPTION_LEADERS;
    if (alg->kind == VC_ALG_PLAN)
        bits |= 1u << VC_OPTION_CHANNEL;
    if (alg->kind != VC_ALG_NATIVE)
        bits |= 1u << VC_OPTION_WAIT | 1u << VC_OPTION_SPIN;
    return bits;
}

char *vc_choice_options_text(const struct vc_alg *alg, char *buf, size_t len)
{
    unsigned bits = vc_choice_options(alg);
    snprintf(buf, len, "%s", bits ? "" : " none");
    for (int i = 0; i < VC_OPTIONS; i++)
        if (bits >> i & 1)
            vc_append(buf, len, " %s", option_names[i]);
    return buf;
}

const char *vc_choice_nearest(enum vc_coll coll, const char *word, char *list, size_t len)
{
    const char *nearest = "auto";
    int best = vc_word_distance(word, nearest);
    snprintf(list, len, "auto");
    for (const struct vc_alg *const *a = vc_alg_list(coll); *a; a++) {
        vc_append(list, len, ", %s", (*a)->name);
        int d = vc_word_distance(word, (*a)->name);
        if (d < best) {
            best = d;
            nearest = (*a)->name;
        }
    }
    return nearest;
}

/* What is being parsed. */
struct parsing {
    const char *coll;
    struct vc_choice c;
    unsigned seen; /* options */
    int wait;      /* enum vc_wait_mode */
    uint32_t spin;
};

static int parse_number(const char *name, const char *value, unsigned long long lo, unsigned long long hi,
                        unsigned long long *out)
{
    if (vc_parse_number(value, lo, hi, out))
        return VC_OK;
    return vc_fail(VC_ERR_INVAL, "%s=%s is not a number of %llu..%llu", name, value, lo, hi);
}

static int parse_word(const char *name, const char *value, const char *const *words, int *out)
{
    char why[256];
    if (vc_param_parse_word(value, words, out) == VC_OK)
        return VC_OK;
    snprintf(why, sizeof why, "%s", vc_error_text());
    return vc_fail(VC_ERR_INVAL, "%s=%s is %s", name, value, why);
}

static int parse_value(struct parsing *p, enum vc_choice_option o, const char *value)
{
    const char *name = option_names[o];
    unsigned long long n = 0;
    int err = VC_OK, word = 0;
    switch (o) {
    case VC_OPTION_RADIX:
        err = parse_number(name, value, 2, VC_CHOICE_RADIX_MAX, &n);
        p->c.radix = (int)n;
        break;
    case VC_OPTION_LEADERS:
        err = parse_number(name, value, 1, VC_CHOICE_LEADERS_MAX, &n);
        p->c.leaders = (int)n;
        break;
    case VC_OPTION_SPIN:
        err = parse_number(name, value, 0, VC_CHOICE_SPIN_MAX, &n);
        p->spin = (uint32_t)n;
        break;
    case VC_OPTION_CHANNEL: /* "auto" is said by leaving it out */
        err = parse_word(name, value, vc_channel_words + 1, &word);
        p->c.channel = (enum vc_choice_channel)(word + 1);
        break;
    case VC_OPTION_WAIT:
        err = parse_word(name, value, vc_wait_words, &p->wait);
        break;
    default:
        if (!vc_parse_bytes(value, &p->c.segment) || p->c.segment == 0)
            err = vc_fail(VC_ERR_INVAL, "segment=%s is not a size above zero, e.g. 8192, 64k or 1m", value);
    }
    return err;
}

static int parse_option(struct parsing *p, char *opt)
{
    const char *alg = p->c.alg->name;
    char list[64];
    char *value = strchr(opt, '=');
    if (!value)
        return vc_fail(VC_ERR_INVAL,
                       "\"%s\" after %s=%s is not name=value (radix=k, segment=size, leaders=n, "
                       "channel=verbs|mpi, wait=poll|event|hybrid|auto, spin=microseconds)",
                       opt, p->coll, alg);
    *value++ = '\0';
    int o = 0;
    while (o < VC_OPTIONS && strcmp(opt, option_names[o]) != 0)
        o++;
    if (!(vc_choice_options(p->c.alg) >> o & 1)) /* bit VC_OPTIONS is never set */
        return vc_fail(VC_ERR_INVAL, "%s=%s has no parameter \"%s\"; it takes%s", p->coll, alg, opt,
                       vc_choice_options_text(p->c.alg, list, sizeof list));
    if (p->seen >> o & 1)
        return vc_fail(VC_ERR_INVAL, "%s is given twice for %s=%s", opt, p->coll, alg);
    p->seen |= 1u << o;
    return parse_value(p, (enum vc_choice_option)o, value);
}

static int parse_options(struct parsing *p, char *opts)
{
    char *save = NULL;
    for (char *o = strtok_r(opts, ":", &save); o; o = strtok_r(NULL, ":", &save)) {
        int err = parse_option(p, o);
        if (err != VC_OK)
            return err;
    }
    bool wait = p->seen >> VC_OPTION_WAIT & 1, spin = p->seen >> VC_OPTION_SPIN & 1;
    if (spin && (!wait || p->wait == VC_WAIT_POLL || p->wait == VC_WAIT_EVENT))
        return vc_fail(VC_ERR_INVAL, "spin=%u goes with wait=hybrid or wait=auto only", p->spin);
    if (wait)
        p->c.policy = vc_policy_of((enum vc_wait_mode)p->wait, spin ? p->spin : VC_POLICY_SPIN_DEFAULT);
    return VC_OK;
}

int vc_choice_parse(enum vc_coll coll, const char *text, struct vc_choice *out)
{
    struct parsing p = {.coll = vc_coll_name(coll)};
    char copy[2 * VC_CHOICE_TEXT]; /* leading zeros and the like are legal */
    if (strlen(text) >= sizeof copy)
        return vc_fail(VC_ERR_INVAL, "longer than any choice: algorithm[:name=value...] is expected");
    memcpy(copy, text, strlen(text) + 1);
    char *opts = strchr(copy, ':');
    if (opts)
        *opts++ = '\0';
    if (strcmp(copy, "auto") == 0) {
        if (opts)
            return vc_fail(VC_ERR_INVAL, "%s=auto has no parameters", p.coll);
        *out = p.c;
        return VC_OK;
    }
    p.c.alg = vc_alg_find(coll, copy);
    if (!p.c.alg) {
        char list[320];
        const char *nearest = vc_choice_nearest(coll, copy, list, sizeof list);
        return vc_fail(VC_ERR_INVAL, "%s has no algorithm \"%s\", did you mean %s? Valid: %s", p.coll, copy,
                       nearest, list);
    }
    int err = opts ? parse_options(&p, opts) : VC_OK;
    if (err == VC_OK)
        *out = p.c;
    return err;
}

char *vc_choice_format(const struct vc_choice *c, char *buf, size_t len)
{
    snprintf(buf, len, "%s", c->alg ? c->alg->name : "auto");
    if (!c->alg)
        return buf;
    if (c->radix)
        vc_append(buf, len, ":radix=%d", c->radix);
    if (c->segment) {
        char size[24];
        vc_format_bytes(c->segment, size, sizeof size);
        vc_append(buf, len, ":segment=%s", size);
    }
    if (c->leaders)
        vc_append(buf, len, ":leaders=%d", c->leaders);
    if (c->channel)
        vc_append(buf, len, ":channel=%s", vc_channel_words[c->channel]);
    if (c->policy)
        vc_append(buf, len, ":wait=%s", vc_wait_words[vc_policy_mode(c->policy)]);
    if (c->policy && vc_policy_spin(c->policy) != VC_POLICY_SPIN_DEFAULT)
        vc_append(buf, len, ":spin=%u", vc_policy_spin(c->policy));
    return buf;
}

bool vc_choice_same(const struct vc_choice *a, const struct vc_choice *b)
{
    return a->alg == b->alg && a->radix == b->radix && a->segment == b->segment && a->leaders == b->leaders &&
           a->policy == b->policy && a->channel == b->channel;
}
