/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys: what a row of a table asks of a communicator, and what a communicator has. Each key is one row of
 * vc_key_info[]: loader, selection, tools, schema and docs/tables.md go over that array. A new key is a row
 * there; where struct vc_topo_key does not hold the fact yet, a member of it and the code that fills it, too.
 * unit.test_key_info tells what schema and documentation must say.
 */
#ifndef VC_TUNE_TABLE_KEYS_H
#define VC_TUNE_TABLE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct vc_costs;
struct vc_hier;

#define VC_TABLE_DEVICE 32 /**< bytes of a device model's name with its NUL */
enum { VC_KEYS_MAX = 16 }; /**< rows of vc_key_info[], at most */

/** Both ends included; UINT64_MAX: open. Of ranks, nodes and ppn the minimum is at least 1. */
struct vc_range {
    uint64_t min, max;
};
static inline bool vc_range_has(struct vc_range r, uint64_t v)
{
    return v >= r.min && v <= r.max;
}
static inline bool vc_range_covers(struct vc_range a, struct vc_range b)
{
    return a.min <= b.min && a.max >= b.max;
}
static inline bool vc_range_meets(struct vc_range a, struct vc_range b)
{
    return a.min <= b.max && b.min <= a.max;
}

/** A flag as a row asks for it. As bits: VC_NO is that of false, VC_YES that of true. */
enum vc_tri { VC_ANY, VC_NO, VC_YES };

/** What a row asks of the communicator. vc_row_keys_any() fills in: anything. */
struct vc_row_keys {
    struct vc_range ranks, nodes, ppn;
    char device[VC_TABLE_DEVICE]; /**< "": any */
    unsigned bits[VC_KEYS_MAX];   /**< flags and words, by the key's place in vc_key_info[]: the bits of all
                                     values   that will do; 0: any */
};

/** What rows may look at besides the call. Equal on all ranks of the communicator. */
struct vc_topo_key {
    int size, nnodes, max_ppn;
    bool crowded;      /**< on some node, more ranks than CPUs; agreed at set-up */
    bool have_node;    /**< shared memory was agreed on all nodes */
    bool have_cma;     /**< single copy was agreed on all nodes */
    bool have_bulk;    /**< bulk slots exist */
    bool have_chan;    /**< a channel reaches every peer */
    bool have_verbs;   /**< the one between nodes is verbs */
    bool hosts_shared; /**< there are several hosts, and all nodes of each share its memory: some do */
    bool no_mpi;       /**< VCOLL_CHANNELS leaves the underlying MPI out: "channel": "mpi" cannot be had */
    bool reproducible;
    /** Of the world, agreed: -1 where its ranks differ. */
    int platform;                 /**< enum vc_platform_class */
    char device[VC_TABLE_DEVICE]; /**< model of the RDMA device; "" where there is none, or they differ */
    const struct vc_hier *hier;   /**< NULL: as if ranks were dealt to nodes evenly, in blocks */
    const struct vc_costs *costs; /**< NULL: fixed defaults; rows do not look at it */
};

/* ---- the keys, each once ---- */

/** What a key asks for in a row, and what a communicator has of it. */
enum vc_key_kind {
    VC_KEY_CALL,  /**< of the call: struct vc_row has it, rules.c reads it; not of communicators */
    VC_KEY_RANGE, /**< struct vc_range; int */
    VC_KEY_FLAG,  /**< bits, of enum vc_tri; bool */
    VC_KEY_WORDS, /**< bits, one for each word; int: the word, -1: ranks differ */
    VC_KEY_TEXT,  /**< char[VC_TABLE_DEVICE], "" any; the same, "" none */
};

struct vc_key_info {
    const char *name;
    enum vc_key_kind kind;
    size_t row;   /**< RANGE, TEXT: offset in struct vc_row_keys */
    size_t topo;  /**< offset in struct vc_topo_key */
    bool placed;  /**< tells where ranks are: reductions with VCOLL_REPRODUCIBLE skip rows that have it */
    bool device;  /**< rows of "devices" may have it, too */
    int least;    /**< RANGE: of communicators that are taken over */
    bool between; /**< about what lies between nodes, which does not matter to a communicator of one node */
    bool usual;   /**< FLAG: what goes without saying in reports */
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

/** The next key of communicators from the index on, or NULL: for (i = 0; (k = vc_key_next(&i));) */
const struct vc_key_info *vc_key_next(int *index);
/** A key of communicators that there is. */
const struct vc_key_info *vc_key_find(const char *name);
/** The names that rules, or rows of devices, may have, then those of `more`, then NULL. `list` has room. */
void vc_key_names(bool device, const char *const *more, const char **list);
/** Whether what the communicator has of the key can make a difference to it. */
static inline bool vc_key_matters(const struct vc_key_info *i, const struct vc_topo_key *key)
{
    return !i->between || key->nnodes > 1;
}

/** What the row asks for, as its kind says. */
static inline const void *vc_row_of(const struct vc_row_keys *k, const struct vc_key_info *i)
{
    bool bits = i->kind == VC_KEY_FLAG || i->kind == VC_KEY_WORDS;
    return bits ? (const void *)&k->bits[i - vc_key_info] : (const char *)k + i->row;
}
static inline void *vc_row_at(struct vc_row_keys *k, const struct vc_key_info *i)
{
    bool bits = i->kind == VC_KEY_FLAG || i->kind == VC_KEY_WORDS;
    return bits ? (void *)&k->bits[i - vc_key_info] : (char *)k + i->row;
}
/** FLAG and WORDS: the bits of the values that will do; 0: any. */
unsigned vc_row_bits(const struct vc_row_keys *k, const char *name);
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
/** As of qsort(): kinds of communicators; with `numbers` then how many ranks and nodes. 0: no row tells them
 * apart. */
int vc_topo_order(const struct vc_topo_key *a, const struct vc_topo_key *b, bool numbers);
/** All keys into an object, as measured points have them. */
void vc_topo_to_json(const struct vc_topo_key *key, struct json_t *o);
/** The other way; the rest of *key is zeroed. False: a number is missing, or above `most`. */
bool vc_topo_from_json(const struct json_t *o, int most, struct vc_topo_key *key);

/** Whether two names mean one model of RDMA device: the driver that everybody calls "mlx5" is "mlx5_core" to
 * the kernel. */
bool vc_device_same(const char *a, const char *b);

/* ---- sets of communicators ---- */

void vc_row_keys_any(struct vc_row_keys *k);
/** Numbers and flags are those of the communicator; the machine is any. */
void vc_row_keys_exactly(struct vc_row_keys *k, const struct vc_topo_key *key);
/** True when no communicator can have these keys; `why` tells. */
bool vc_row_keys_empty(const struct vc_row_keys *k, const char **why);
/** Whether some key of them tells where ranks are. */
bool vc_row_keys_placed(const struct vc_row_keys *k);
bool vc_row_keys_same(const struct vc_row_keys *a, const struct vc_row_keys *b);
/** Everything that matches b matches a. */
bool vc_row_keys_cover(const struct vc_row_keys *a, const struct vc_row_keys *b);
/** What matches both, into *out. False: nothing does. */
bool vc_row_keys_both(const struct vc_row_keys *a, const struct vc_row_keys *b, struct vc_row_keys *out);
/** As of qsort(): some order of rows that ask for different things; 0 where they ask for the same. */
int vc_row_keys_order(const struct vc_row_keys *a, const struct vc_row_keys *b);
/** Puts them into a row; keys that hold for anything are left out. */
void vc_row_keys_to_json(const struct vc_row_keys *k, struct json_t *row);
/** Whether they hold for the communicator. */
bool vc_row_keys_match(const struct vc_row_keys *k, const struct vc_topo_key *key);
/** NULL, or the first key that does not hold for the communicator, in words. Returns buf. */
const char *vc_row_keys_differ(const struct vc_row_keys *k, const struct vc_topo_key *key, char *buf,
                               size_t len);

#endif
