/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/async.h"

#include "transport/verbs/fail.h"
#include "transport/verbs/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Drivers raise different events for the same change: one that loses its network interface only reports a
 * changed GID. So any event is a reason to query the port. */
void vc_verbs_check_port(struct vc_verbs *v)
{
    struct ibv_port_attr port;
    int rc = vc_ibv_query_port(v->dev.ctx, v->dev.port, &port);
    if (rc != 0)
        vc_verbs_fail(v, "the RDMA device %s is gone: %s", v->dev.name, vc_ibv_strerror(rc));
    else
        v->port_down = port.state != IBV_PORT_ACTIVE;
}

/* Whether the port still has the address and partition in use; then `here` has what else is new. */
static bool address_unchanged(const struct vc_verbs *v, struct vc_verbs_dev *here)
{
    struct vc_verbs_want same = v->cfg.want;
    unsigned rate;
    same.gid_index = v->dev.gid_index;
    if (!v->dev.roce)
        same.pkey = v->dev.pkey;
    return vc_verbs_port_choose(&same, here, v->dev.port, &rate) == VC_OK &&
           here->gid_type == v->dev.gid_type &&
           memcmp(here->gid.raw, v->dev.gid.raw, sizeof here->gid.raw) == 0;
}

/* The port may have another address or partition, which connections use that are made from now on. While the
 * port has none that can be used the old one stays. */
static void refresh_address(struct vc_verbs *v)
{
    struct vc_verbs_dev same = v->dev, other = v->dev;
    unsigned rate;
    if (address_unchanged(v, &same))
        v->dev = same;
    else if (vc_verbs_port_choose(&v->cfg.want, &other, v->dev.port, &rate) == VC_OK &&
             other.roce == v->dev.roce)
        v->dev = other;
    else
        vc_log(VC_LOG_INFO, "%s: after a change of its port: %s", v->dev.name, vc_error_text());
}

void vc_verbs_read_async(struct vc_verbs *v)
{
    struct ibv_async_event ev;
    bool any = false, moved = false;
    while (!v->failed && vc_ibv.get_async_event(v->dev.ctx, &ev) == 0) {
        switch (ev.event_type) {
        case IBV_EVENT_DEVICE_FATAL:
            vc_verbs_fail(v, "the RDMA device %s failed or was removed", v->dev.name);
            break;
        case IBV_EVENT_CQ_ERR:
            vc_verbs_fail(v, "%s: a completion queue failed", v->dev.name);
            break;
        case IBV_EVENT_SRQ_ERR:
            vc_verbs_fail(v, "%s: the shared receive queue failed", v->dev.name);
            break;
        case IBV_EVENT_LID_CHANGE:
        case IBV_EVENT_PKEY_CHANGE:
        case IBV_EVENT_GID_CHANGE:
        case IBV_EVENT_CLIENT_REREGISTER:
        case IBV_EVENT_PORT_ACTIVE:
            moved = true;
            break;
        case IBV_EVENT_QP_FATAL:
        case IBV_EVENT_QP_REQ_ERR:
        case IBV_EVENT_QP_ACCESS_ERR:
            for (int i = 0; i < v->nprocs; i++)
                if (v->ep[i] && v->ep[i]->qp == ev.element.qp)
                    vc_ep_lose(v->ep[i], "%s: %s", v->dev.name, vc_ibv.event_type_str(ev.event_type));
            break;
        default:
            break;
        }
        vc_ibv.ack_async_event(&ev);
        any = true;
    }
    if (any && !v->failed)
        vc_verbs_check_port(v);
    if (moved && !v->failed)
        refresh_address(v);
}

/*
 * Some drivers raise no event when a device is removed while it is open: everything seems to go on working,
 * and the removal waits until all processes have closed the device. But its entry in sysfs goes at once.
 */
static bool has_node(const struct vc_verbs *v)
{
    char path[160];
    snprintf(path, sizeof path, "/sys/class/infiniband_verbs/%s", v->dev.ctx->device->dev_name);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

void vc_verbs_async_init(struct vc_verbs *v)
{
    v->had_node = has_node(v);
}

/* The clock is read in one of so many calls. */
#define POLLS_PER_CLOCK 4
/* Between two looks. */
#define DEVICE_NS 500000000u

void vc_verbs_check_busy_device(struct vc_verbs *v)
{
    if (++v->polls % POLLS_PER_CLOCK != 0)
        return;
    uint64_t now = vc_now_ns();
    if (now - v->t_device < DEVICE_NS)
        return;
    v->t_device = now;
    vc_verbs_check_device(v);
}

void vc_verbs_check_device(struct vc_verbs *v)
{
    vc_verbs_read_async(v);
    if (!v->failed && v->had_node && !has_node(v))
        vc_verbs_fail(v, "the RDMA device %s was removed", v->dev.name);
}
