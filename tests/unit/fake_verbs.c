/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_device fake_devices[FAKE_DEVICES];
int fake_ndevices, fake_open, fake_lists;
enum ibv_fork_status fake_fork;

static struct ibv_device handle[FAKE_DEVICES];

static struct fake_device *of(const struct ibv_context *ctx)
{
    return &fake_devices[ctx->device - handle];
}

static struct fake_port *port_of(const struct ibv_context *ctx, uint32_t port)
{
    struct fake_device *d = of(ctx);
    return port >= 1 && (int)port <= d->nports ? &d->port[port - 1] : NULL;
}

static struct ibv_device **get_device_list(int *num)
{
    struct ibv_device **list =
        fake_ndevices >= 0 ? calloc(FAKE_DEVICES + 1, sizeof(struct ibv_device *)) : NULL;
    *num = list ? fake_ndevices : 0;
    errno = list ? 0 : -fake_ndevices;
    for (int i = 0; list && i < fake_ndevices; i++) {
        list[i] = &handle[i];
        snprintf(handle[i].name, sizeof handle[i].name, "%s", fake_devices[i].name);
        handle[i].transport_type = (enum ibv_transport_type)fake_devices[i].transport;
    }
    fake_lists += list != NULL;
    return list;
}

static void free_device_list(struct ibv_device **list)
{
    fake_lists--;
    free(list);
}

static const char *get_device_name(struct ibv_device *dev)
{
    return dev->name;
}

static int query_device(struct ibv_context *ctx, struct ibv_device_attr *attr)
{
    memset(attr, 0, sizeof *attr);
    attr->phys_port_cnt = (uint8_t)of(ctx)->nports;
    attr->max_qp = 1000;
    return of(ctx)->query_error;
}

static int query_device_ex(struct ibv_context *ctx, const struct ibv_query_device_ex_input *input,
                           struct ibv_device_attr_ex *attr, size_t size)
{
    (void)input;
    if (size < sizeof *attr)
        return EINVAL;
    attr->cq_mod_caps.max_cq_count = of(ctx)->mod_count;
    attr->cq_mod_caps.max_cq_period = of(ctx)->mod_period;
    return 0;
}

static int modify_cq(struct ibv_cq *cq, struct ibv_modify_cq_attr *attr)
{
    (void)cq, (void)attr;
    return EOPNOTSUPP;
}

static struct ibv_context *open_device(struct ibv_device *dev)
{
    struct fake_device *d = &fake_devices[dev - handle];
    struct verbs_context *v = d->open_error ? NULL : calloc(1, sizeof *v);
    if (!v) {
        errno = d->open_error;
        return NULL;
    }
    v->sz = sizeof *v;
    v->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    v->context.device = dev;
    v->query_device_ex = d->no_extended ? NULL : query_device_ex;
    v->modify_cq = d->no_modify ? NULL : modify_cq;
    fake_open++;
    return &v->context;
}

static int close_device(struct ibv_context *ctx)
{
    fake_open--;
    free(verbs_get_ctx(ctx));
    return 0;
}

/* Through the old entry point: devices here have no query_port of their own. */
static int query_port(struct ibv_context *ctx, uint8_t port, struct _compat_ibv_port_attr *compat)
{
    const struct fake_port *p = port_of(ctx, port);
    if (!p || p->query_error)
        return p ? p->query_error : EINVAL;
    struct ibv_port_attr *attr = (struct ibv_port_attr *)(void *)compat;
    attr->state = p->state;
    attr->link_layer = (uint8_t)p->link;
    attr->lid = p->lid;
    attr->active_width = p->width;
    attr->active_speed = p->speed;
    attr->flags = p->flags;
    attr->active_mtu = IBV_MTU_1024;
    attr->max_msg_sz = 1u << 30;
    attr->gid_tbl_len = FAKE_GIDS;
    attr->pkey_tbl_len = FAKE_PKEYS;
    return 0;
}

static int query_gid(struct ibv_context *ctx, uint8_t port, int index, union ibv_gid *gid)
{
    const struct fake_port *p = port_of(ctx, port);
    if (!p || index < 0 || index >= FAKE_GIDS)
        return -1;
    memset(gid, 0, sizeof *gid);
    if (p->gid[index].text && inet_pton(AF_INET6, p->gid[index].text, gid->raw) != 1)
        abort();
    return 0;
}

static int query_gid_ex(struct ibv_context *ctx, uint32_t port, uint32_t index, struct ibv_gid_entry *entry,
                        uint32_t flags, size_t size)
{
    const struct fake_port *p = port_of(ctx, port);
    if (!p || flags || size != sizeof *entry || index >= FAKE_GIDS)
        return EINVAL;
    if (!p->gid[index].text)
        return ENODATA;
    entry->gid_type = p->gid[index].type;
    return query_gid(ctx, (uint8_t)port, (int)index, &entry->gid);
}

static int query_pkey(struct ibv_context *ctx, uint8_t port, int index, __be16 *pkey)
{
    const struct fake_port *p = port_of(ctx, port);
    if (!p || index < 0 || index >= FAKE_PKEYS)
        return -1;
    *pkey = htons(p->pkey[index]);
    return 0;
}

static enum ibv_fork_status is_fork_initialized(void)
{
    return fake_fork;
}

void fake_verbs_install(bool gid_ex)
{
    memset(&vc_ibv, 0, sizeof vc_ibv);
    memset(fake_devices, 0, sizeof fake_devices);
    fake_ndevices = fake_open = fake_lists = 0;
    fake_fork = IBV_FORK_UNNEEDED;
    vc_ibv.get_device_list = get_device_list;
    vc_ibv.free_device_list = free_device_list;
    vc_ibv.get_device_name = get_device_name;
    vc_ibv.open_device = open_device;
    vc_ibv.close_device = close_device;
    vc_ibv.query_device = query_device;
    vc_ibv.query_port = query_port;
    vc_ibv.query_gid = query_gid;
    vc_ibv.query_pkey = query_pkey;
    if (gid_ex) {
        vc_ibv.query_gid_ex = query_gid_ex;
        vc_ibv.is_fork_initialized = is_fork_initialized;
    }
}

struct fake_device fake_roce(const char *name)
{
    struct fake_device d = {.name = name, .transport = IBV_TRANSPORT_IB, .nports = 1};
    for (int i = 0; i < FAKE_PORTS; i++)
        d.port[i] = (struct fake_port){.state = IBV_PORT_ACTIVE,
                                       .link = IBV_LINK_LAYER_ETHERNET,
                                       .width = 1,
                                       .speed = 32,
                                       .gid = {{"fe80::1", IBV_GID_TYPE_ROCE_V1},
                                               {"fe80::1", IBV_GID_TYPE_ROCE_V2},
                                               {"::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V1},
                                               {"::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V2}},
                                       .pkey = {0xffff}};
    return d;
}

struct fake_device fake_ib(const char *name)
{
    struct fake_device d = {.name = name, .transport = IBV_TRANSPORT_IB, .nports = 1};
    for (int i = 0; i < FAKE_PORTS; i++)
        d.port[i] = (struct fake_port){.state = IBV_PORT_ACTIVE,
                                       .link = IBV_LINK_LAYER_INFINIBAND,
                                       .lid = 7,
                                       .width = 2,
                                       .speed = 64,
                                       .gid = {{"fe80::7", IBV_GID_TYPE_IB}},
                                       .pkey = {0x7fff, 0x8001}};
    return d;
}
