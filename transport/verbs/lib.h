/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libibverbs, opened at run time, because vcoll must start on machines without it, and tests use another
 * library. All calls of exported functions go through vc_ibv. The inline functions of <infiniband/verbs.h>
 * that work on an open context (ibv_poll_cq, ibv_post_send, ibv_post_recv, ibv_post_srq_recv,
 * ibv_req_notify_cq, ibv_modify_cq) are called directly. ibv_query_port, ibv_reg_mr and ibv_query_device_ex
 * are not among them: these macros and inline functions call exported ones.
 */
#ifndef VC_TRANSPORT_VERBS_LIB_H
#define VC_TRANSPORT_VERBS_LIB_H

#include "transport/base.h"
#include <errno.h>
#include <infiniband/verbs.h>
#include <string.h>

/** The functions, named as in the library without `ibv_`. Valid after vc_ibv_load(); const afterwards. */
struct vc_ibv {
    struct ibv_device **(*get_device_list)(int *num);
    void (*free_device_list)(struct ibv_device **list);
    const char *(*get_device_name)(struct ibv_device *dev);
    struct ibv_context *(*open_device)(struct ibv_device *dev);
    int (*close_device)(struct ibv_context *ctx);
    int (*query_device)(struct ibv_context *ctx, struct ibv_device_attr *attr);
    int (*query_port)(struct ibv_context *ctx, uint8_t port, struct _compat_ibv_port_attr *attr);
    int (*query_gid)(struct ibv_context *ctx, uint8_t port, int index, union ibv_gid *gid);
    /** NULL in libraries older than 35: then the kind of a GID is read from sysfs. */
    int (*query_gid_ex)(struct ibv_context *ctx, uint32_t port, uint32_t index, struct ibv_gid_entry *entry,
                        uint32_t flags, size_t entry_size);
    int (*query_pkey)(struct ibv_context *ctx, uint8_t port, int index, __be16 *pkey);
    struct ibv_pd *(*alloc_pd)(struct ibv_context *ctx);
    int (*dealloc_pd)(struct ibv_pd *pd);
    struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t len, int access);
    int (*dereg_mr)(struct ibv_mr *mr);
    struct ibv_comp_channel *(*create_comp_channel)(struct ibv_context *ctx);
    int (*destroy_comp_channel)(struct ibv_comp_channel *ch);
    struct ibv_cq *(*create_cq)(struct ibv_context *ctx, int cqe, void *cq_context,
                                struct ibv_comp_channel *ch, int vector);
    int (*destroy_cq)(struct ibv_cq *cq);
    int (*get_cq_event)(struct ibv_comp_channel *ch, struct ibv_cq **cq, void **cq_context);
    void (*ack_cq_events)(struct ibv_cq *cq, unsigned int n);
    struct ibv_qp *(*create_qp)(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);
    int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask);
    int (*destroy_qp)(struct ibv_qp *qp);
    struct ibv_srq *(*create_srq)(struct ibv_pd *pd, struct ibv_srq_init_attr *attr);
    int (*destroy_srq)(struct ibv_srq *srq);
    int (*get_async_event)(struct ibv_context *ctx, struct ibv_async_event *event);
    void (*ack_async_event)(struct ibv_async_event *event);
    const char *(*wc_status_str)(enum ibv_wc_status status);
    const char *(*event_type_str)(enum ibv_event_type event);
    const char *(*port_state_str)(enum ibv_port_state state);
    /** NULL in libraries older than 37. */
    enum ibv_fork_status (*is_fork_initialized)(void);
};
extern struct vc_ibv vc_ibv;

/**
 * Opens the library (a file name or path; NULL or "": libibverbs.so.1) unless one is open already. It stays
 * open. VC_OK, or VC_ERR_UNSUPPORTED with a text that names the file and what is missing. Thread-safe.
 */
int vc_ibv_load(const char *path);

/**
 * What a verbs function that returns 0 or an errno value has returned, as a positive errno. Some providers
 * return -errno, others -1 with errno set.
 */
static inline int vc_ibv_errno(int rc)
{
    return rc >= 0 ? rc : rc == -1 && errno > 0 ? errno : -rc;
}
/** The same, as text. */
static inline const char *vc_ibv_strerror(int rc)
{
    return strerror(vc_ibv_errno(rc));
}

/** ibv_query_port: 0, or an errno value. */
int vc_ibv_query_port(struct ibv_context *ctx, int port, struct ibv_port_attr *attr);

#endif
