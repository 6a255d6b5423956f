/* SPDX-License-Identifier: BSD-3-Clause */
/* What `vcoll info` knows, gathered once and printed by one of several writers. */
#ifndef VC_TOOLS_VCOLL_INFO_H
#define VC_TOOLS_VCOLL_INFO_H

#include "tools/vcoll/info_table.h"
#include "tools/vcoll/info_verbs.h"
#include "transport/topology/coalesce.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include "transport/topology/sriov.h"
#include "tune/params/params.h"
#include <sched.h>

enum { INFO_NICS = 64, INFO_RDMA = 32, INFO_CACHES = 12, INFO_PARAMS = 64 };

/** Sections, to be or-ed. */
enum info_section { INFO_PLATFORM = 1 << 0, INFO_SETTINGS = 1 << 1, INFO_ALGORITHMS = 1 << 2, INFO_ALL = 7 };

/** Caches of one level and type that have the same size and number of CPUs. */
struct info_cache {
    int level;
    const char *type; /**< "data", "instruction", "unified" */
    unsigned long long bytes;
    int count, pus; /**< how many, and CPUs (hardware threads) under each */
};

/** Interrupt moderation of a network interface. */
struct info_coalesce {
    char netdev[VC_NETDEV_NAME]; /**< "" none known, then nothing else is valid */
    bool reported;
    struct vc_coalesce value; /**< when reported */
    char reason[256];         /**< when not */
};

struct info {
    unsigned sections;
    struct vc_platform platform;
    int cpus_allowed;
    cpu_set_t cpu_set;
    double quota, available; /**< CPUs; quota INFINITY: none */
    double stolen;           /**< share of all CPUs' time since boot; negative: unknown */
    struct vc_nic nic[INFO_NICS];
    struct info_coalesce nic_coalesce[INFO_NICS];
    int nnics;
    struct vc_requirement sriov[VC_SRIOV_REQUIREMENTS];
    struct vc_rdma_dev rdma[INFO_RDMA];
    struct info_coalesce rdma_coalesce[INFO_RDMA][VC_RDMA_PORTS];
    int nrdma;
    struct info_verbs verbs;
    struct info_table table;
    bool have_topology;
    char cpu_model[96];
    int packages, numa_nodes, cores, pus;
    struct info_cache cache[INFO_CACHES];
    int ncaches;
    char mpi_library[512]; /**< first line of MPI_Get_library_version */
    int mpi_version, mpi_subversion;
    const char *isa;
    struct vc_params params;
    struct vc_param_value value[INFO_PARAMS];
    struct vc_param_report report;
};

/** For people. `color`: the terminal shows it; `width`: columns. */
void info_print_text(const struct info *info, bool color, int width);
/** One JSON object with stable keys. False when it could not be written. */
bool info_print_json(const struct info *info);
/** docs/parameters.md: definitions only, the same on every machine. */
void info_print_markdown(void);
/** The entries of section ENVIRONMENT in vcoll(7). */
void info_print_man(void);

/** CPUs as "0-3,8". */
void info_cpu_list(const cpu_set_t *set, char *buf, size_t len);

#endif
