/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of a table's rows, each once: the loader, selection, tools, schema and docs/tables.md go over
 * vc_key_info[]. A new key is a row of it and a member of struct vc_row_keys; where struct vc_topo_key does
 * not say it yet, a member of that as well. unit.test_key_info tells what schema and documentation must say.
 */
#ifndef VC_TUNE_TABLE_KEY_INFO_H
#define VC_TUNE_TABLE_KEY_INFO_H

#include "tune/select/select.h"

#include <jansson.h>

/** What a key asks for in a row, and what a communicator has of it. */
enum vc_key_kind {
    VC_KEY_CALL,  /**< of the call: struct vc_row has it, table_rules.c reads it; not of communicators */
    VC_KEY_RANGE, /**< struct vc_range; int */
    VC_KEY_FLAG,  /**< an enum: 0 any, `yes` for true, 3 - `yes` for false; bool */
    VC_KEY_WORDS, /**< unsigned: a bit for each word, 0 any; int: the word, -1: ranks differ */
    VC_KEY_TEXT,  /**< char[VC_TABLE_DEVICE], "" any; the same, "" none */
};

struct vc_key_info {
    const char *name;
    enum vc_key_kind kind;
    size_t row, topo; /**< offsets in struct vc_row_keys and struct vc_topo_key */
    bool placed;      /**< tells where ranks are: reductions with VCOLL_REPRODUCIBLE skip rows that have it */
    bool device;      /**< rows of "devices" may have it, too */
    int least;        /**< RANGE: of communicators that are taken over */
    unsigned yes;     /**< FLAG */
    bool usual;       /**< FLAG: what goes without saying in reports */
    const char *const *words; /**< WORDS; FLAG: for true and false, where it is not JSON's true and false */
    const char *text_is;      /**< TEXT: what is expected */
    bool (*text_same)(const char *a, const char *b); /**< TEXT: whether both name the same */

    const char *listed[2]; /**< in lists of keys: RANGE: behind one, behind several; FLAG: false, true; else
                              [0]: before the value */
    const char *said[2];   /**< of a communicator: FLAG: false, true; RANGE and WORDS: [0] names the number or
                              stands before the word; TEXT: before it, instead of none */
    double far;            /**< how far apart communicators are that differ in it; RANGE: for each doubling */

    const char *option; /**< help of its option of `vcoll tune explain` */
    bool machine;       /**< where that stands: of the machine, not of the communicator */

    const char *describes; /**< in the schema */
    const char *takes;     /**< in docs/tables.md: its values, where kind and names do not tell */
    const char *holds;     /**< in docs/tables.md: when it holds */
};

/** In the order of all lists. */
extern const struct vc_key_info vc_key_info[];
extern const int vc_key_count;
enum { VC_KEYS_MAX = 16 };

/** The next key of communicators from the index on, or NULL: for (i = 0; (k = vc_key_next(&i));) */
const struct vc_key_info *vc_key_next(int *index);
/** A key of communicators that there is. */
const struct vc_key_info *vc_key_find(const char *name);
/** The names that rules, or rows of devices, may have, then those of `more`, then NULL. `list` has room. */
void vc_key_names(bool device, const char *const *more, const char **list);
/** How many words it has. */
int vc_key_words(const struct vc_key_info *i);

/** What the row asks for, as its kind says. */
static inline const void *vc_row_of(const struct vc_row_keys *k, const struct vc_key_info *i)
{
    return (const char *)k + i->row;
}
static inline void *vc_row_at(struct vc_row_keys *k, const struct vc_key_info *i)
{
    return (char *)k + i->row;
}
/** What the communicator has, as its kind says. */
static inline const void *vc_topo_of(const struct vc_topo_key *key, const struct vc_key_info *i)
{
    return (const char *)key + i->topo;
}
static inline void *vc_topo_at(struct vc_topo_key *key, const struct vc_key_info *i)
{
    return (char *)key + i->topo;
}

/** All but TEXT as a number: a flag's 0 or 1, a word's index. */
int vc_topo_value(const struct vc_topo_key *key, const struct vc_key_info *i);
void vc_topo_put(struct vc_topo_key *key, const struct vc_key_info *i, int value);
/** FLAG and WORDS: the bit of a row that holds for the value; 0: none does. */
unsigned vc_key_bit(const struct vc_key_info *i, int value);
/** FLAG and WORDS as they are written: "true", "verbs", "native", "mixed". */
const char *vc_key_word(const struct vc_key_info *i, int value);

bool vc_topo_same(const struct vc_topo_key *a, const struct vc_topo_key *b, const struct vc_key_info *i);
/** All keys into an object, as measured points have them. */
void vc_topo_to_json(const struct vc_topo_key *key, json_t *o);
/** The other way; the rest of *key is zeroed. False: a number is missing, or above `most`. */
bool vc_topo_from_json(const json_t *o, int most, struct vc_topo_key *key);

#endif
