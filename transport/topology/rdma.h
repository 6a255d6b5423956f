/* SPDX-License-Identifier: BSD-3-Clause */
/* RDMA devices as sysfs shows them: no verbs library, no device opened. `root` as in sysfile.h. */
#ifndef VC_TRANSPORT_TOPOLOGY_RDMA_H
#define VC_TRANSPORT_TOPOLOGY_RDMA_H

#include <stddef.h>

#define VC_RDMA_PORTS 4

struct vc_rdma_port {
    int number;
    char state[24];      /**< "ACTIVE", "DOWN", ... */
    char link_layer[16]; /**< "InfiniBand" or "Ethernet" */
    char rate[48];
};

struct vc_rdma_dev {
    char name[64];
    char driver[32];         /**< kernel driver, "rdma_rxe" and "siw" for software devices, "" unknown */
    char model[64];          /**< what the device calls itself: hca_type, or board id */
    char firmware[32];       /**< "" unknown */
    char node_guid[24];      /**< as printed by the kernel; zero on some virtual functions */
    char sys_image_guid[24]; /**< equal for functions of one adapter on some vendors; zero on some VFs */
    char bdf[16];            /**< PCI address, "" for software devices */
    int nports;
    struct vc_rdma_port port[VC_RDMA_PORTS];
};

/**
 * The device's model as tuning tables and `vcoll info` name it: "rxe" and "siw" for those made of software,
 * else the kernel driver's name ("mlx5_core"); where sysfs knows neither, the device's own name without its
 * number. Returns name.
 */
char *vc_rdma_model(const char *root, const char *dev, char *name, size_t len);

/**
 * The traffic class that the administrator has set for RDMA connections of a port: for all queue pairs (the
 * adapter's driver, `tc/<port>/traffic_class`), or for those that a connection manager makes (the kernel's
 * `rdma_cm`, default_roce_tos). 0: none, or it cannot be read.
 */
int vc_rdma_traffic_class(const char *root, const char *dev, int port);

/** Scans /sys/class/infiniband; stores at most `max`, sorted by name, and returns how many. */
int vc_rdma_scan(const char *root, struct vc_rdma_dev *devs, int max);

#endif
