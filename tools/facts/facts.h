/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Facts of this machine that `vcoll info` tells and `vcoll doctor` judges. Gathering cannot fail: what is
 * wrong is part of the answer.
 */
#ifndef VC_TOOLS_FACTS_FACTS_H
#define VC_TOOLS_FACTS_FACTS_H

#include "transport/calibrate/cache.h"
#include "transport/topology/rdma.h"
#include "transport/verbs/verbs.h"
#include "tune/params/params.h"
#include "tune/table/table.h"

enum { FACTS_CANDIDATES = 32, FACTS_SUGGESTIONS = 32, FACTS_RANKS = 1024, FACTS_LEASES = 64 };

/** What the verbs channel would use here, and what it can do. */
struct facts_verbs {
    char library[256];
    bool wanted;     /**< VCOLL_CHANNELS has it */
    int err;         /**< VC_OK: dev was chosen (its ctx is closed) */
    char error[512]; /**< when not */
    struct vc_verbs_dev dev;
    struct vc_verbs_candidate list[FACTS_CANDIDATES];
    int n;
    bool regcache; /**< buffers can be registered and kept so */
    char regcache_why[512];
    struct vc_verbs_need need;     /**< of a rank among FACTS_RANKS */
    bool lock_any;                 /**< no limit of locked memory */
    unsigned long long lock_limit; /**< bytes, when there is one */
};

/** The tuning table that a job started here would use, and what it suggests for the devices here. */
struct facts_table {
    char name[256];     /**< the file's, or "built-in" */
    char checksum[32];  /**< "fnv1a64:..." */
    int rules, devices; /**< rows */
    char error[512];    /**< why there is none; then the built-in rules are described */
    struct facts_suggestion {
        char device[64]; /**< of this machine */
        int row;
        char when[160]; /**< what else the row asks, in words; "" nothing */
        struct vc_param_moderation cq;
        struct vc_coalesce coalesce;
    } suggestion[FACTS_SUGGESTIONS];
    int n;
};

/** The memory that this machine shares with others of its host. */
struct facts_host {
    bool wanted;         /**< VCOLL_CHANNELS has it, and VCOLL_IVSHMEM is not "off" */
    int plain, doorbell; /**< devices of either kind */
    int err;             /**< VC_OK: it can be used; VC_ERR_UNSUPPORTED: there is none */
    char error[512];     /**< of another error */
    bool denied;         /**< that is: permissions are missing */
    char name[300];      /**< the file */
    unsigned long long bytes;
    unsigned line_ns; /**< what reading a line took */
    uint64_t mark;    /**< this process's own lease, 0: none */
    uint64_t seen[FACTS_LEASES];
    int held, still;    /**< leases of others: how many, their owners in `seen`; how many have no heartbeat */
    struct vc_bar *bar; /**< of facts_host_close() */
    struct vc_leases *leases;
};

/** Maps the memory; it stays so until facts_host_close(). `watches`: takes a lease, too, by which others see
 * that they share the memory with this machine, and watches those of others for half a second. */
void facts_host(const char *root, const struct vc_params *params, bool watches, struct facts_host *out);
void facts_host_close(struct facts_host *f);
/** Loads the library, and opens and closes devices. */
void facts_verbs(const struct vc_params *params, struct facts_verbs *out);
/** Finds and parses the table as rank 0 of a job would. */
void facts_table(const struct vc_params *params, enum vc_platform_class platform,
                 const struct vc_rdma_dev *rdma, int nrdma, struct facts_table *out);
/** The newest figures of what things cost that are kept on this machine. False: there are none. */
bool facts_costs(struct vc_costs_file *out);
/** The share of all CPUs' time since boot that the hypervisor gave to others; negative: unknown. `root` is as
 * in transport/topology/sysfile.h. */
double facts_stolen(const char *root);

/** The directory of this program, without a slash at its end. False where it is not known; errno is set. */
bool facts_program_dir(char *dir, size_t len);
/** The libvcoll.so that belongs to this program: in a build tree, or where `lib` (from the directory of the
 * program) says. Real path, PATH_MAX bytes. */
bool facts_library(const char *lib, char *path);

#endif
