/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, their ports and tables, and the opening and closing of them. */
#include "tests/loopback/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ibv_device devices[LB_DEVS];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static int n_open;
static int open_pid;
struct vc_loopback_stats lb_stats;

static uint64_t dev_guid(int d)
{
    return htobe64(0x0200ac00fe000000ull + (uint64_t)d + 1);
}

/* Writes each field once only, because users of an earlier list read the devices without a lock. */
static void name_device(int d)
{
    struct ibv_device *dev = &devices[d];
    char name[sizeof(dev->name)];
    snprintf(name, sizeof(name), "%s%d", lb_profile_device(&lb_lim), d);
    if (strcmp(dev->name, name) == 0 && (int)dev->transport_type == (int)lb_lim.transport)
        return;
    dev->node_type = IBV_NODE_CA;
    dev->transport_type = (enum ibv_transport_type)(int)lb_lim.transport;
    snprintf(dev->name, sizeof(dev->name), "%s", name);
    snprintf(dev->dev_name, sizeof(dev->dev_name), "uverbs%d", d);
}

struct ibv_device **ibv_get_device_list(int *num)
{
    if (num)
        *num = 0;
    lb_settings_load();
    lb_faults_plug();
    int err = lb_fault(LB_FN_get_device_list);
    if (err) {
        errno = err;
        return NULL;
    }
    int n = __atomic_load_n(&lb_hot, __ATOMIC_RELAXED) & LB_HOT_REMOVED ? 0 : (int)lb_lim.devices;
    struct ibv_device **list = calloc((size_t)n + 1, sizeof(struct ibv_device *));
    if (!list)
        return NULL;
    pthread_mutex_lock(&open_lock);
    for (int d = 0; d < n; d++) {
        name_device(d);
        list[d] = &devices[d];
    }
    pthread_mutex_unlock(&open_lock);
    if (num)
        *num = n;
    return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
    free(list);
}

const char *ibv_get_device_name(struct ibv_device *device)
{
    return device->name;
}

__be64 ibv_get_device_guid(struct ibv_device *device)
{
    return dev_guid((int)(device - devices));
}

int ibv_get_device_index(struct ibv_device *device)
{
    return (int)(device - devices);
}

static void set_gid(struct lb_shm_dev *s, int i, uint32_t type, const uint8_t raw[16])
{
    memcpy(s->gid[i].raw, raw, 16);
    s->gid_type[i] = (uint8_t)type;
}

static void fill_dev(struct lb_shm_dev *s, int d)
{
    memset(s, 0, sizeof(*s));
    s->link = lb_lim.link;
    s->port_up = lb_lim.port_up;
    uint8_t local[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x00, 0xac, 0xff, 0xfe, 0, 0, (uint8_t)(d + 1)};
    uint8_t v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, (uint8_t)d, 1};
    if (s->link == IBV_LINK_LAYER_INFINIBAND) {
        s->lid = 0x11 + (uint32_t)d;
        local[6] = (uint8_t)(lb_lim.subnet >> 8);
        local[7] = (uint8_t)lb_lim.subnet;
        if (lb_lim.gids != LB_GIDS_NONE)
            set_gid(s, 0, IBV_GID_TYPE_IB, local);
    } else if (lb_lim.gids != LB_GIDS_NONE) {
        bool v2 = lb_lim.gids != LB_GIDS_V1, routable = lb_lim.gids != LB_GIDS_LINKLOCAL;
        int far = lb_lim.gids == LB_GIDS_HOLES ? 6 : 2;
        set_gid(s, 0, IBV_GID_TYPE_ROCE_V1, local);
        if (v2)
            set_gid(s, 1, IBV_GID_TYPE_ROCE_V2, local);
        if (routable)
            set_gid(s, far, IBV_GID_TYPE_ROCE_V1, v4);
        if (routable && v2)
            set_gid(s, far + 1, IBV_GID_TYPE_ROCE_V2, v4);
    }
    /* By default the full-membership key of InfiniBand is not the first one: index 0 is not always right. */
    static const uint16_t ib[] = {0x7fff, 0xffff}, roce[] = {0xffff};
    bool is_ib = s->link == IBV_LINK_LAYER_INFINIBAND;
    s->n_pkeys = lb_lim.n_pkeys ? lb_lim.n_pkeys : is_ib ? 2 : 1;
    memcpy(s->pkey, lb_lim.n_pkeys ? lb_lim.pkey : is_ib ? ib : roce, s->n_pkeys * sizeof(uint16_t));
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
    int err = lb_fault_in(LB_FN_query_device, context), d = lb_ctx_of(context)->dev;
    if (err)
        return err;
    *attr = (struct ibv_device_attr){
        .fw_ver = "1.0",
        .node_guid = dev_guid(d),
        .sys_image_guid = dev_guid(0),
        .max_mr_size = UINT64_MAX,
        .page_size_cap = 4096,
        .vendor_part_id = 1,
        .max_qp = (int)lb_lim.max_qp,
        .max_qp_wr = (int)lb_lim.max_qp_wr,
        .device_cap_flags =
            IBV_DEVICE_PORT_ACTIVE_EVENT | IBV_DEVICE_SYS_IMAGE_GUID | IBV_DEVICE_RC_RNR_NAK_GEN,
        .max_sge = (int)lb_lim.max_sge,
        .max_sge_rd = (int)lb_lim.max_sge,
        .max_cq = (int)lb_lim.max_cq,
        .max_cqe = (int)lb_lim.max_cqe,
        .max_mr = (int)lb_lim.max_mr,
        .max_pd = 65536,
        .max_qp_rd_atom = (int)lb_lim.max_rd,
        .max_res_rd_atom = (int)(lb_lim.max_rd * lb_lim.max_qp),
        .max_qp_init_rd_atom = (int)lb_lim.max_rd,
        .atomic_cap = IBV_ATOMIC_NONE,
        .max_srq = (int)lb_lim.max_srq,
        .max_srq_wr = lb_lim.max_srq ? (int)lb_lim.max_srq_wr : 0,
        .max_srq_sge = lb_lim.max_srq ? (int)lb_lim.max_sge : 0,
        .max_pkeys = LB_PKEYS,
        .local_ca_ack_delay = 15,
        .phys_port_cnt = 1,
    };
    return 0;
}

static int query_device_ex(struct ibv_context *context, const struct ibv_query_device_ex_input *input,
                           struct ibv_device_attr_ex *attr, size_t size)
{
    struct ibv_device_attr_ex a;
    (void)input;
    int err = lb_fault(LB_FN_query_device_ex);
    if (err)
        return err;
    memset(&a, 0, sizeof(a));
    err = ibv_query_device(context, &a.orig_attr);
    if (err)
        return err;
    if (lb_lim.cqmod) {
        a.cq_mod_caps.max_cq_count = 65535;
        a.cq_mod_caps.max_cq_period = 4095;
    }
    a.phys_port_cnt_ex = 1;
    memset(attr, 0, size);
    memcpy(attr, &a, size < sizeof(a) ? size : sizeof(a));
    return 0;
}

static int query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr, size_t size)
{
    struct lb_shm_dev *s = &lb->seg->dev[lb_ctx_of(context)->dev];
    int err = lb_fault_in(LB_FN_query_port, context);
    if (err)
        return err;
    if (port != 1)
        return EINVAL;
    bool up = __atomic_load_n(&s->port_up, __ATOMIC_ACQUIRE), ib = s->link == IBV_LINK_LAYER_INFINIBAND;
    struct ibv_port_attr a = {
        .state = up ? IBV_PORT_ACTIVE : IBV_PORT_DOWN,
        .max_mtu = IBV_MTU_4096,
        .active_mtu = (enum ibv_mtu)lb_lim.mtu,
        .gid_tbl_len = LB_GIDS,
        .port_cap_flags = ib ? 0 : IBV_PORT_IP_BASED_GIDS,
        .max_msg_sz = lb_lim.max_msg,
        .pkey_tbl_len = (uint16_t)s->n_pkeys,
        .lid = (uint16_t)s->lid,
        .sm_lid = ib ? 1 : 0,
        .max_vl_num = 1,
        .active_width = 2,
        .active_speed = 16,
        .phys_state = up ? 5 : 3,
        .link_layer = (uint8_t)s->link,
    };
    memset(attr, 0, size);
    memcpy(attr, &a, size < sizeof(a) ? size : sizeof(a));
    return 0;
}

/* The old entry point, whose structure ends before `flags`. */
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
    return query_port(context, port, (struct ibv_port_attr *)(void *)attr,
                      offsetof(struct ibv_port_attr, flags));
}

static bool is_null(const union ibv_gid *g)
{
    return !g->global.subnet_prefix && !g->global.interface_id;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port, int index, union ibv_gid *gid)
{
    int err = lb_fault_in(LB_FN_query_gid, context);
    if (!err && (port != 1 || index < 0 || index >= LB_GIDS))
        err = EINVAL;
    if (err) {
        errno = err;
        return -1;
    }
    *gid = lb->seg->dev[lb_ctx_of(context)->dev].gid[index];
    return 0;
}

int _ibv_query_gid_ex(struct ibv_context *context, uint32_t port, uint32_t index, struct ibv_gid_entry *entry,
                      uint32_t flags, size_t size)
{
    int err = lb_fault_in(LB_FN_query_gid_ex, context);
    const struct lb_shm_dev *s = &lb->seg->dev[lb_ctx_of(context)->dev];
    if (err)
        return err;
    if (port != 1 || index >= LB_GIDS || flags)
        return EINVAL;
    if (is_null(&s->gid[index]))
        return ENODATA;
    struct ibv_gid_entry e = {
        .gid = s->gid[index], .gid_index = index, .port_num = 1, .gid_type = s->gid_type[index]};
    memcpy(entry, &e, size < sizeof(e) ? size : sizeof(e));
    return 0;
}

ssize_t _ibv_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries, size_t max,
                             uint32_t flags, size_t size)
{
    int err = lb_fault(LB_FN_query_gid_table);
    ssize_t n = 0;
    if (err)
        return -err;
    for (uint32_t i = 0; i < LB_GIDS; i++) {
        struct ibv_gid_entry e;
        int rc = _ibv_query_gid_ex(context, 1, i, &e, flags, sizeof(e));
        if (rc == ENODATA)
            continue;
        if (rc || (size_t)n == max)
            return rc ? -rc : -EINVAL;
        memcpy((char *)entries + (size_t)n++ * size, &e, size < sizeof(e) ? size : sizeof(e));
    }
    return n;
}

int ibv_query_pkey(struct ibv_context *context, uint8_t port, int index, __be16 *pkey)
{
    const struct lb_shm_dev *s = &lb->seg->dev[lb_ctx_of(context)->dev];
    int err = lb_fault_in(LB_FN_query_pkey, context);
    if (!err && (port != 1 || index < 0 || (uint32_t)index >= s->n_pkeys))
        err = EINVAL;
    if (err) {
        errno = err;
        return -1;
    }
    *pkey = htons(s->pkey[index]);
    return 0;
}

int ibv_get_pkey_index(struct ibv_context *context, uint8_t port, __be16 pkey)
{
    const struct lb_shm_dev *s = &lb->seg->dev[lb_ctx_of(context)->dev];
    int err = lb_fault(LB_FN_get_pkey_index);
    for (uint32_t i = 0; !err && port == 1 && i < s->n_pkeys; i++) {
        if (htons(s->pkey[i]) == pkey)
            return (int)i;
    }
    errno = err ? err : ENOENT;
    return -1;
}

static int open_context(struct lb_ctx *c)
{
    int p[2], rc;
    for (c->idx = 0; c->idx < LB_CTXS && lb->ctx[c->idx]; c->idx++)
        ;
    if (c->idx == LB_CTXS)
        return EMFILE;
    if (lb_pipe(p) != 0)
        return errno;
    struct ibv_context *ib = &c->v.context;
    ib->async_fd = p[0];
    c->async_w = p[1];
    ib->device = &devices[c->dev];
    ib->cmd_fd = -1;
    ib->num_comp_vectors = 2;
    ib->abi_compat = __VERBS_ABI_IS_EXTENDED;
    ib->ops.poll_cq = lb_poll_cq;
    ib->ops.req_notify_cq = lb_req_notify_cq;
    ib->ops.post_send = lb_post_send;
    ib->ops.post_recv = lb_post_recv;
    ib->ops.post_srq_recv = lb_post_srq_recv;
    c->v.sz = sizeof(c->v);
    c->v.query_port = query_port;
    c->v.query_device_ex = query_device_ex;
    c->v.modify_cq = lb_modify_cq;
    pthread_mutex_init(&ib->mutex, NULL);
    if (lb->seg->dev[c->dev].n_pkeys == 0)
        fill_dev(&lb->seg->dev[c->dev], c->dev);
    lb->seg->async_gen[c->idx] = lb_new_gen();
    __atomic_store_n(&lb->seg->async_fd[c->idx], c->async_w, __ATOMIC_RELEASE);
    lb->ctx[c->idx] = c;
    rc = lb_faults_timed() ? lb_engine_start() : 0;
    return rc;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
    lb_settings_load();
    int err = lb_fault(LB_FN_open_device);
    struct lb_ctx *c = err ? NULL : calloc(1, sizeof(*c));
    if (!c) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    c->dev = (int)(device - devices);
    pthread_mutex_lock(&open_lock);
    if (open_pid != getpid()) { /* a forked child begins anew */
        n_open = 0;
        open_pid = getpid();
        memset(&lb_stats, 0, sizeof(lb_stats));
    }
    if (n_open == 0)
        err = lb_join();
    if (!err) {
        /* Zero is a descriptor, so "none" has to be said. */
        for (int i = 0; n_open == 0 && i < LB_CTXS; i++)
            lb->seg->async_fd[i] = -1;
        err = open_context(c);
        if (!err)
            n_open++;
        else if (n_open == 0)
            lb_leave(false);
    }
    pthread_mutex_unlock(&open_lock);
    if (err) {
        free(c);
        errno = err;
        return NULL;
    }
    return &c->v.context;
}

int ibv_close_device(struct ibv_context *context)
{
    struct lb_ctx *c = lb_ctx_of(context);
    int err = lb_fault(LB_FN_close_device);
    if (err)
        return err;
    pthread_mutex_lock(&open_lock);
    lb->seg->async_fd[c->idx] = -1;
    lb->ctx[c->idx] = NULL;
    close(context->async_fd);
    close(c->async_w);
    if (--n_open == 0)
        lb_leave(false);
    pthread_mutex_unlock(&open_lock);
    free(c);
    return 0;
}

void vc_loopback_stats(struct vc_loopback_stats *out)
{
    for (size_t i = 0; i < offsetof(struct vc_loopback_stats, contexts) / sizeof(uint64_t); i++)
        ((uint64_t *)out)[i] = __atomic_load_n(&((uint64_t *)&lb_stats)[i], __ATOMIC_RELAXED);
    memset(&out->contexts, 0, sizeof(*out) - offsetof(struct vc_loopback_stats, contexts));
    pthread_mutex_lock(&open_lock);
    if (lb && open_pid == getpid()) {
        pthread_mutex_lock(&lb->lock);
        for (int i = 0; i < LB_CTXS; i++)
            out->contexts += lb->ctx[i] != NULL;
        for (int i = 0; i < LB_QPS; i++)
            out->qps += lb->qp[i] != NULL;
        for (int i = 0; i < LB_CQS; i++)
            out->cqs += lb->cq[i] != NULL;
        for (int i = 0; i < LB_SRQS; i++)
            out->srqs += lb->srq[i] != NULL;
        for (int i = 0; i < LB_MRS; i++)
            out->mrs += lb->mr[i] != NULL;
        out->pds = lb->n_pds;
        out->channels = lb->n_channels;
        out->mr_bytes = lb->mr_bytes;
        pthread_mutex_unlock(&lb->lock);
    }
    pthread_mutex_unlock(&open_lock);
}
