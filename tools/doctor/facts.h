/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checks look at. Gathering and judging are apart: a check is a pure function of these, so that
 * tests can make up any machine. `root` is as in transport/topology/sysfile.h.
 */
#ifndef VC_TOOLS_DOCTOR_FACTS_H
#define VC_TOOLS_DOCTOR_FACTS_H

#include "tools/doctor/doctor.h"
#include "tools/facts/facts.h"
#include "transport/shm/segment.h"
#include "transport/topology/coalesce.h"
#include "transport/topology/nics.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include "tune/params/params.h"

#include <sched.h>

enum { DOC_HOST = 64, DOC_NICS = 64, DOC_RDMA = 32, DOC_TEXT = 512 };

/** The id of the check that compares it, "library", ... Static storage. */
const char *doc_same_name(enum doc_same s);

/** How the try to read and write the memory of a neighbour went. */
enum doc_cma { DOC_CMA_UNTRIED, DOC_CMA_WORKS, DOC_CMA_FAILS, DOC_CMA_OTHER_NAMESPACE };

/** A rank about itself. */
struct doc_rank {
    int rank, size;
    char host[DOC_HOST];
    cpu_set_t mask; /**< the first CPU_SETSIZE of the CPUs that it may use */
    struct vc_params params;
    struct vc_param_report report;
    /* limits */
    unsigned long long nofile; /**< 0: none */
    int open_files;
    bool lock_any;                            /**< no limit of locked memory */
    unsigned long long lock_limit, lock_need; /**< bytes; of the buffers in a job of `size` ranks */
    /* what a sandbox may forbid */
    enum doc_cma cma;
    int cma_errno;    /**< of a failure */
    bool cma_alone;   /**< tried on the own memory, there being no neighbour */
    int ptrace_scope; /**< Yama's; -1: the kernel has none */
    bool regcache;    /**< userfaultfd can watch memory */
    char regcache_why[DOC_TEXT];
    bool verbs_usable; /**< a device could be opened */
    /* time */
    unsigned long long timer_slack_ns; /**< 0: unknown */
    long long timer_ns;                /**< resolution of timers */
    /* the same everywhere */
    char same[DOC_SAMES][DOC_TEXT];
    bool library_found;
    /* for the node */
    int yields;    /**< the MPI yields when it has nothing to do: 0, 1; -1: unknown */
    double busied; /**< share of a CPU it got when it wanted one; negative: not tried */
};

/** A rank, as the first rank of its operating system hears of it. */
struct doc_peer {
    int rank;
    char host[DOC_HOST];
    struct doc_set cpus;
    int yields;
    double busied;
    enum doc_cma cma;
};

struct doc_netdev {
    char name[VC_NETDEV_NAME];
    char rdma[64]; /**< RDMA device on it, "" none */
    bool software; /**< that one is made of software: interrupts of this interface are its own */
    bool up;
    bool reported; /**< the driver tells its coalescing */
    struct vc_coalesce now;
};

/** An operating system, as its first rank sees it. */
struct doc_node {
    char host[DOC_HOST];
    struct doc_peer *peer; /**< ascending by rank */
    int npeers;
    int job;     /**< ranks of the job, on all nodes */
    int sharing; /**< ranks here that a rank reaches through memory, with itself */
    struct vc_platform platform;
    /* CPUs */
    struct doc_set online;
    double quota;                /**< CPUs; INFINITY: none */
    double steal_boot;           /**< share of all CPU time; negative: unknown */
    double steal_now;            /**< the same, while the ranks spun */
    char governor[32];           /**< "powersave" where any CPU has it, else the first one's; "" none */
    char freq_driver[32];        /**< "intel_pstate", ...; "" none */
    char preference[32];         /**< energy_performance_preference; "" none */
    char clock[32], clocks[128]; /**< in use; available */
    double clock_ns;             /**< what a look at it takes; 0: unknown */
    char idle_driver[32];        /**< of cpuidle; "" none */
    /* memory */
    unsigned long long shm_total, shm_free; /**< bytes of /dev/shm; 0, 0: none */
    unsigned long long shm_need;            /**< bytes of a communicator of all ranks here */
    bool seg_made;                          /**< a segment of that size could be made */
    char seg_why[DOC_TEXT];
    enum vc_seg_backing backing; /**< VCOLL_SHM_BACKING */
    bool shm_wanted;
    /* devices */
    struct vc_rdma_dev rdma[DOC_RDMA];
    int nrdma;
    struct vc_nic nic[DOC_NICS];
    int nnics;
    struct doc_netdev netdev[DOC_NICS];
    int nnetdevs;
    struct facts_verbs verbs;
    int most_open; /**< VCOLL_VERBS_PEERS */
    struct facts_table table;
    struct facts_host host_memory;
};

/** Ranks of an operating system that are bound to one NUMA node. */
struct doc_numa {
    int node; /**< -1: ranks that are bound to none */
    struct doc_set ranks;
};

/** An operating system, as rank 0 hears of it. */
struct doc_site {
    char host[DOC_HOST];
    struct doc_set ranks;
    char boot[40], shm[24]; /**< boot id and number of the /dev/shm */
    bool crowded;           /**< more ranks than CPUs */
    uint64_t mark;          /**< its lease of memory that machines of a host share; 0: none */
    uint64_t *seen;         /**< [nseen] those of others that it read there */
    int nseen;
    char guid[24];    /**< sys_image_guid of its first adapter that has one; "" none */
    char host_id[64]; /**< VCOLL_HOST_ID of its first rank; "" none */
    char device[160]; /**< what the verbs channel would use, in words; "" nothing */
    struct doc_numa *numa;
    int nnuma;
};

/** Ranks that agree in a fact. */
struct doc_group {
    char *value;
    struct doc_set ranks;
};

struct doc_job {
    int size;
    struct doc_set all;
    struct doc_site *site;
    int nsites;
    struct doc_group *group[DOC_SAMES];
    int ngroups[DOC_SAMES];
    struct doc_set silent;   /**< ranks that did not answer */
    double patience;         /**< seconds they were given */
    struct vc_params params; /**< of rank 0 */
    int platform;            /**< enum vc_platform_class of rank 0 */
    char device[VC_TABLE_DEVICE];
};
void doc_job_free(struct doc_job *j);
void doc_site_free(struct doc_site *s);
/** Adds ranks to those of a NUMA node. */
void doc_numa_add(struct doc_site *s, int node, const struct doc_set *ranks);

/** What is read from files: CPUs, clock, frequency, idle states, devices, quota, platform. `n` is zeroed. */
void doc_node_read(const char *root, struct doc_node *n);
/** What has to be tried: memory, clock, verbs, interfaces, the table. After doc_node_read(). */
void doc_node_try(struct doc_node *n, const struct vc_params *p);
/** The same for a rank. */
void doc_rank_read(const char *root, struct doc_rank *r);
void doc_rank_try(struct doc_rank *r, const struct facts_verbs *verbs);
/** Fills `same` of kernel, CPU, platform and MPI, the library, settings, device. */
void doc_rank_same(const char *root, struct doc_rank *r, const struct facts_verbs *verbs);
/** Settings that are not the defaults, "VCOLL_WAIT=poll ...", or "defaults". `local`: those in which ranks
 * may differ, without VCOLL_HOST_ID; else those in which they may not. */
void doc_settings_text(const struct vc_params *p, bool local, char *buf, size_t len);
/** Starts this program again without the library, where that is preloaded into it: it would take part in
 * MPI_Init, and stand still where other ranks do not have it. Returns when there is nothing to do, or it
 * cannot be done. */
void doc_shed_library(char **argv);
/** The library that `vcoll run` of this installation, or LD_PRELOAD, puts into programs. False when there is
 * none.
 * `path` has PATH_MAX bytes. */
bool doc_library(char *path);

#endif
