/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a call runs, as text: "algorithm[:radix=k][:segment=size][:leaders=n][:channel=verbs|mpi]
 * [:wait=poll|event|hybrid|auto][:spin=us]", e.g. "two_level_multi:leaders=2:wait=hybrid:spin=40". The one
 * spelling of choices in VCOLL_ALG, in vcoll_comm_force(), in the tuner's samples and in what it prints.
 */
#ifndef VC_TUNE_PARAMS_CHOICE_H
#define VC_TUNE_PARAMS_CHOICE_H

#include "coll/registry.h"
#include "transport/wait.h"

/** Which channel carries a plan's messages between nodes. */
enum vc_choice_channel {
    VC_CHANNEL_AUTO,  /**< verbs where the world has agreed on it, otherwise the underlying MPI */
    VC_CHANNEL_VERBS, /**< unusable where there is none */
    VC_CHANNEL_MPI,
    VC_CHANNELS
};

/**
 * How a call waits, in one word that a call compares: 0 is what the settings say (VCOLL_WAIT, VCOLL_SPIN_US),
 * otherwise 1 + enum vc_wait_mode in the upper eight bits and microseconds of spinning in the rest (hybrid;
 * VC_POLICY_SPIN_DEFAULT: VCOLL_SPIN_US).
 */
typedef uint32_t vc_policy;
#define VC_POLICY_SPIN_DEFAULT 0xffffffu

/** How a call runs: from VCOLL_ALG, a row of a table, or vcoll_comm_force(). */
struct vc_choice {
    const struct vc_alg *alg; /**< NULL: not forced */
    size_t segment;           /**< bytes; 0 here and below: default */
    int radix;
    int leaders;
    vc_policy policy;
    enum vc_choice_channel channel;
};

#define VC_CHOICE_TEXT        128 /**< bytes that the text of any choice fits into */
#define VC_CHOICE_RADIX_MAX   1024
#define VC_CHOICE_LEADERS_MAX 4096
#define VC_CHOICE_SPIN_MAX    10000000 /**< microseconds */

/** What may be said of an algorithm besides its name. */
enum vc_choice_option {
    VC_OPTION_RADIX,
    VC_OPTION_SEGMENT,
    VC_OPTION_LEADERS,
    VC_OPTION_CHANNEL, /**< algorithms that send messages between nodes */
    VC_OPTION_WAIT,    /**< all but native */
    VC_OPTION_SPIN,    /**< with wait=hybrid (how long it spins) or wait=auto (its first guess) */
    VC_OPTIONS
};

static inline vc_policy vc_policy_of(enum vc_wait_mode mode, uint32_t spin_us)
{
    return (1u + (uint32_t)mode) << 24 | (spin_us & 0xffffffu);
}
static inline enum vc_wait_mode vc_policy_mode(vc_policy p)
{
    return (enum vc_wait_mode)((p >> 24) - 1);
}
static inline uint32_t vc_policy_spin(vc_policy p)
{
    return p & 0xffffffu;
}

/**
 * Parses the choice of a collective. VC_OK, or VC_ERR_INVAL with the nearest valid word in the text; *out is
 * then unchanged. "auto" gives alg NULL.
 */
int vc_choice_parse(enum vc_coll coll, const char *text, struct vc_choice *out);
/** The canonical text: parsing it gives the same choice again. alg NULL: "auto". Returns buf. */
char *vc_choice_format(const struct vc_choice *c, char *buf, size_t len);
bool vc_choice_same(const struct vc_choice *a, const struct vc_choice *b);

/** "radix", ..., "spin". Static storage. */
const char *vc_choice_option_name(enum vc_choice_option o);
/** Bit 1 << option for each that the algorithm takes. */
unsigned vc_choice_options(const struct vc_alg *alg);
/** Those by name, " radix wait spin", or " none". Returns buf. */
char *vc_choice_options_text(const struct vc_alg *alg, char *buf, size_t len);
/** The algorithm's name (or "auto") that is nearest to `word`; all of them as "auto, native, ..." in list. */
const char *vc_choice_nearest(enum vc_coll coll, const char *word, char *list, size_t len);
/** Of enum vc_wait_mode ("auto", "poll", "event", "hybrid") and enum vc_choice_channel ("auto", "verbs",
 * "mpi"), NULL at the end. Static storage. */
extern const char *const vc_wait_words[];
extern const char *const vc_channel_words[];

#endif
