/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place where options are defined: the parser, `vcoll info --params`, the man page, the docs and the
 * check for unknown VCOLL_ variables all print from vc_param_defs().
 *
 * Sources, later wins: default, /etc/vcoll.conf, $XDG_CONFIG_HOME/vcoll/vcoll.conf (or
 * ~/.config/vcoll/vcoll.conf), environment. Files hold lines NAME=value, the VCOLL_ prefix optional; lines
 * that begin with # are comments. An empty value counts as not given. Only the value that wins is looked at,
 * so a bad one in a file does not hurt who overrides it.
 */
#ifndef VC_TUNE_PARAMS_PARAMS_H
#define VC_TUNE_PARAMS_PARAMS_H

#include "coll/coll.h"
#include "coll/registry.h"
#include "transport/copy/copy.h"
#include "transport/shm/segment.h"
#include "transport/topology/levels.h"
#include "tune/params/choice.h"

enum vc_chan_mask {
    VC_CHAN_SHM = 1 << 0,
    VC_CHAN_MPI = 1 << 1,
    VC_CHAN_VERBS = 1 << 2,
    VC_CHAN_IVSHMEM = 1 << 3
};
/** Moderation of a completion queue: an event after `count` completions or `period` us; 0, 0: at once. */
struct vc_param_cq_mod {
    uint16_t count, period;
};
/** VCOLL_CQ_MODERATION */
struct vc_param_moderation {
    bool given; /**< false ("off"): queues stay as they were made */
    struct vc_param_cq_mod latency, bulk;
};
/** What is done with the device coalescing that a table suggests. */
enum vc_coalescing_mode {
    VC_COALESCING_SUGGEST, /**< said once at VCOLL_LOG=info, and by `vcoll info` */
    VC_COALESCING_APPLY,   /**< set at MPI_Init by one rank of each host, restored at MPI_Finalize */
    VC_COALESCING_IGNORE,
};
/** VCOLL_TOPOLOGY: where the units that ranks share come from. */
enum vc_topology_mode {
    VC_TOPOLOGY_AUTO, /**< what a table has measured here, else what the kernel says */
    VC_TOPOLOGY_FLAT,
    VC_TOPOLOGY_MEASURE,
    VC_TOPOLOGY_SYNTHETIC,
};
struct vc_param_topology {
    enum vc_topology_mode mode;
    struct vc_synthetic synthetic; /**< of that mode */
};
enum vc_host_yield_mode { VC_HOST_YIELD_AUTO, VC_HOST_YIELD_OFF, VC_HOST_YIELD_ON };
enum vc_nonblocking_mode { VC_NONBLOCKING_OFF, VC_NONBLOCKING_ON, VC_NONBLOCKING_EARLY };
enum vc_progress_mode { VC_PROGRESS_OFF, VC_PROGRESS_THREAD, VC_PROGRESS_AUTO };
enum vc_tune_mode { VC_TUNE_OFF, VC_TUNE_ONLINE };
enum vc_calibrate_mode { VC_CALIBRATE_AUTO, VC_CALIBRATE_OFF, VC_CALIBRATE_FORCE };
enum vc_device_mode { VC_DEVICE_AUTO, VC_DEVICE_OFF, VC_DEVICE_WATCH };
enum vc_stats_mode { VC_STATS_OFF, VC_STATS_TEXT, VC_STATS_JSON };

#define VC_CMA_MIN_AUTO SIZE_MAX

/** Every setting, decoded. */
struct vc_params {
    bool disable;                         /**< VCOLL_DISABLE */
    bool strict;                          /**< VCOLL_STRICT */
    enum vc_nonblocking_mode nonblocking; /**< VCOLL_NONBLOCKING */
    enum vc_progress_mode progress;       /**< VCOLL_PROGRESS */
    unsigned colls; /**< VCOLL_COLLS: bit per enum vc_coll that is taken over (accelerated) */
    struct vc_choice alg[VC_COLL_COUNT]; /**< VCOLL_ALG, "allreduce=ring,bcast=chain:segment=64k" */
    unsigned channels;                   /**< VCOLL_CHANNELS, of enum vc_chan_mask, default all */
    enum vc_wait_mode wait;              /**< VCOLL_WAIT */
    uint64_t spin_us;                    /**< VCOLL_SPIN_US */
    int node_split;                      /**< VCOLL_NODE_SPLIT, 0: off */
    char host_id[64];                    /**< VCOLL_HOST_ID, "" : none */
    char ivshmem[256];                   /**< VCOLL_IVSHMEM: "auto", "off", a PCI address, or a file's name */
    bool reproducible;                   /**< VCOLL_REPRODUCIBLE */
    enum vc_stats_mode stats;            /**< VCOLL_STATS */
    char stats_file[256];                /**< VCOLL_STATS_FILE, "": standard error */
    enum vc_log_level log;               /**< VCOLL_LOG: error|warn|info|debug */
    int setup_after;  /**< VCOLL_SETUP_AFTER: a communicator is set up at its k-th collective */
    size_t shm_bulk;  /**< VCOLL_SHM_BULK: bytes of bulk slots per rank and communicator */
    size_t shm_limit; /**< VCOLL_SHM_LIMIT: bytes of shared memory all communicators of a process may map */
    enum vc_seg_backing shm_backing; /**< VCOLL_SHM_BACKING: auto|memfd|shm */
    enum vc_copy_kind copy;          /**< VCOLL_COPY */
    bool cma;                        /**< VCOLL_CMA: single copy allowed */
    bool xpmem;                      /**< VCOLL_XPMEM: memory of other ranks may be mapped */
    size_t cma_min;                  /**< VCOLL_CMA_MIN: bytes, or VC_CMA_MIN_AUTO */
    char verbs_device[64];           /**< VCOLL_VERBS_DEVICE, "": near */
    int verbs_port;                  /**< VCOLL_VERBS_PORT, 0: the first active one */
    int verbs_gid_index;             /**< VCOLL_VERBS_GID_INDEX, -1: auto */
    int verbs_peers;                 /**< VCOLL_VERBS_PEERS: queue pairs, 0: as many as the device grants */
    int verbs_pkey;                  /**< VCOLL_VERBS_PKEY, 0: auto */
    int verbs_sl;                    /**< VCOLL_VERBS_SL */
    int verbs_tc;                    /**< VCOLL_VERBS_TC, -1: auto */
    int verbs_inline;                /**< VCOLL_VERBS_INLINE: bytes, -1: auto */
    char verbs_library[256];         /**< VCOLL_VERBS_LIBRARY */
    size_t verbs_slot;               /**< VCOLL_VERBS_SLOT: bytes */
    int verbs_credits;               /**< VCOLL_VERBS_CREDITS: pieces under way per communicator and peer */
    size_t verbs_zcopy_min;          /**< VCOLL_VERBS_ZCOPY_MIN: bytes */
    bool verbs_reg_cache;            /**< VCOLL_VERBS_REG_CACHE */
    int verbs_timeout;               /**< VCOLL_VERBS_TIMEOUT: seconds */
    struct vc_param_moderation cq_moderation; /**< VCOLL_CQ_MODERATION */
    char table[256];                          /**< VCOLL_TABLE: "auto", "none" or a file's name */
    enum vc_coalescing_mode coalescing;       /**< VCOLL_COALESCING */
    enum vc_tune_mode tune;                   /**< VCOLL_TUNE */
    int tune_share;                           /**< VCOLL_TUNE_SHARE: calls out of 1000 that may be trials */
    enum vc_device_mode device_memory;        /**< VCOLL_DEVICE_MEMORY */
    char tune_save[256];                /**< VCOLL_TUNE_SAVE: "", or where rank 0 saves what was found */
    enum vc_host_yield_mode host_yield; /**< VCOLL_HOST_YIELD */
    enum vc_calibrate_mode calibrate;   /**< VCOLL_CALIBRATE */
    struct vc_param_topology topology;  /**< VCOLL_TOPOLOGY */
};

struct vc_param_def {
    const char *name;  /**< without VCOLL_, e.g. "WAIT" */
    const char *deflt; /**< default in the user's syntax */
    /** What is valid, for people: "auto | poll | event | hybrid". What names a file or a library says "a file
     * name": see vc_param_names_file(). */
    const char *values;
    const char *help; /**< one or two sentences */
    /** VC_OK, or vc_fail(VC_ERR_INVAL, ...) naming what is valid; p is then unchanged. */
    int (*parse)(struct vc_params *p, const char *text);
    /** The setting in the user's syntax, one spelling per meaning, so that parsing it gives the same again.
     */
    void (*format)(const struct vc_params *p, char *buf, size_t len);
    bool local; /**< ranks may differ in it; the others are part of the fingerprint */
};

/** All definitions, sorted by name; *n is their number. Static storage. */
const struct vc_param_def *vc_param_defs(int *n);

enum vc_param_origin { VC_FROM_DEFAULT, VC_FROM_SYSTEM_FILE, VC_FROM_USER_FILE, VC_FROM_ENV };

/** Where a parameter's current value comes from, and its text. */
struct vc_param_value {
    enum vc_param_origin origin;
    char text[256];
};

struct vc_param_report {
    char error[768]; /**< "" or: the first bad value, in words, naming variable, value and what is valid */
    /** Unknown variables, one line each (each ends in a newline), with the nearest valid name. */
    char warnings[1024];
};

/**
 * Loads all settings. Fills p in any case (bad values keep their default). `values`, if not NULL, has room
 * for all definitions. Under VCOLL_STRICT=1 an unknown variable is an error. Reads environment and files; not
 * thread-safe against setenv. Returns VC_OK or VC_ERR_INVAL (report->error is then set).
 */
int vc_params_load(struct vc_params *p, struct vc_param_value *values, struct vc_param_report *report);

/** The same with other files than the standard ones; NULL: none. A file that does not exist is no error. */
int vc_params_load_files(const char *system_file, const char *user_file, struct vc_params *p,
                         struct vc_param_value *values, struct vc_param_report *report);

/**
 * Likewise; secure: the process has rights that its user has not (set-user-ID, file capabilities). Then no
 * user file is read, and variables that name a file are ignored, with a warning.
 */
int vc_params_load_secure(bool secure, const char *system_file, const char *user_file, struct vc_params *p,
                          struct vc_param_value *values, struct vc_param_report *report);

/** VCOLL_CQ_MODERATION alone; VC_OK, or VC_ERR_INVAL with what is valid. */
int vc_param_parse_cq_moderation(struct vc_params *p, const char *text);

struct vc_verbs_cfg;
/**
 * The settings that the verbs channel takes from the user. What depends on the job is zero: locking, peers,
 * procs, local.
 */
void vc_params_verbs_cfg(const struct vc_params *p, struct vc_verbs_cfg *cfg);

/** Whether the setting names a file or a library. */
bool vc_param_names_file(const struct vc_param_def *def);

/** Words for an origin: "default", "system file", "user file", "environment". Static storage. */
const char *vc_param_origin_text(enum vc_param_origin origin);

/** Hash of everything ranks must agree on: the library's version and all settings that are not `local`. */
uint64_t vc_params_fingerprint(const struct vc_params *p);

/* ---- text work that settings, choices and tables share ---- */

/**
 * How many single-character changes (insert, delete, replace, swap neighbours) lead from one word to the
 * other, ignoring case. Looks at the first 63 characters of each. For "did you mean".
 */
int vc_word_distance(const char *a, const char *b);

/** "64k", "1M", "8192": bytes. False when malformed, negative or too large. */
bool vc_parse_bytes(const char *text, size_t *out);

/** Shortest spelling of a size: 65536 is "64k". Always fits in 24 bytes. */
void vc_format_bytes(size_t bytes, char *buf, size_t len);

#endif
