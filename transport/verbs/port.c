/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/rdma.h"
#include "transport/topology/sysfile.h"
#include "transport/verbs/port.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PKEY_FULL 0x8000 /* the membership bit */

const char *vc_verbs_gid_text(const union ibv_gid *gid, char *buf, size_t len)
{
    if (!inet_ntop(AF_INET6, gid->raw, buf, (socklen_t)len))
        snprintf(buf, len, "?");
    return buf;
}

/* ---- GIDs ---- */

static bool read_gid(const struct vc_verbs_dev *dev, int port, int index, union ibv_gid *gid, int *type)
{
    static const union ibv_gid none;
    struct ibv_gid_entry entry;
    memset(gid, 0, sizeof *gid);
    if (vc_ibv.query_gid_ex) {
        memset(&entry, 0, sizeof entry);
        if (vc_ibv.query_gid_ex(dev->ctx, (uint32_t)port, (uint32_t)index, &entry, 0, sizeof entry) != 0)
            return false;
        *gid = entry.gid;
        *type = (int)entry.gid_type;
    } else {
        char text[32];
        if (vc_ibv.query_gid(dev->ctx, (uint8_t)port, index, gid) != 0)
            return false;
        *type = IBV_GID_TYPE_ROCE_V1;
        if (vc_sys_read(NULL, text, sizeof text, "/sys/class/infiniband/%s/ports/%d/gid_attrs/types/%d",
                        dev->name, port, index) &&
            strcmp(text, "RoCE v2") == 0)
            *type = IBV_GID_TYPE_ROCE_V2;
    }
    return memcmp(gid, &none, sizeof none) != 0;
}

/*
 * The higher the better. IPv4 comes before global IPv6, because both ends must have the same family and
 * nearly every host has IPv4. Link-local ones come last: they always exist, because they are made of the MAC
 * address, but are not routed.
 */
static int gid_rank(const union ibv_gid *gid, int type)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(gid->raw, mapped, sizeof mapped) == 0;
    bool local =
        v4 ? gid->raw[12] == 169 && gid->raw[13] == 254 : gid->raw[0] == 0xfe && (gid->raw[1] & 0xc0) == 0x80;
    if (type != IBV_GID_TYPE_ROCE_V2)
        return 1;
    return local ? 2 : v4 ? 4 : 3;
}

/* "1 (fe80::1), 3 (::ffff:10.0.0.1)" of one type; at most six. */
static int list_gids(const struct vc_verbs_dev *dev, int port, int table, int type, char *buf, size_t len)
{
    int n = 0;
    buf[0] = '\0';
    for (int i = 0; i < table && n < 7; i++) {
        union ibv_gid gid;
        int t;
        char text[40];
        if (!read_gid(dev, port, i, &gid, &t) || t != type)
            continue;
        if (++n == 7)
            vc_append(buf, len, ", ...");
        else
            vc_append(buf, len, "%s%d (%s)", n > 1 ? ", " : "", i,
                      vc_verbs_gid_text(&gid, text, sizeof text));
    }
    return n;
}

static int no_such_gid(const struct vc_verbs_dev *dev, int port, int table, int index)
{
    static const struct {
        int type;
        const char *name;
    } kind[] = {{IBV_GID_TYPE_ROCE_V2, "RoCE v2 GIDs"},
                {IBV_GID_TYPE_ROCE_V1, "RoCE v1 GIDs"},
                {IBV_GID_TYPE_IB, "GIDs"}};
    char list[320], what[48] = "empty";
    if (index >= table)
        snprintf(what, sizeof what, "beyond the table of %d", table);
    for (size_t k = 0; k < sizeof kind / sizeof kind[0]; k++)
        if (list_gids(dev, port, table, kind[k].type, list, sizeof list) > 0)
            return vc_fail(VC_ERR_INVAL, "VCOLL_VERBS_GID_INDEX=%d: %s; %s of %s port %d: %s", index, what,
                           kind[k].name, dev->name, port, list);
    return vc_fail(VC_ERR_INVAL, "VCOLL_VERBS_GID_INDEX=%d: %s; %s port %d has no GID at all", index, what,
                   dev->name, port);
}

static int choose_gid(struct vc_verbs_dev *dev, int port, const struct ibv_port_attr *attr, int asked)
{
    dev->gid_index = -1;
    dev->gid_type = IBV_GID_TYPE_IB;
    memset(&dev->gid, 0, sizeof dev->gid);
    memset(dev->subnet, 0, sizeof dev->subnet);
    if (!dev->roce) {
        union ibv_gid first;
        int type;
        if (read_gid(dev, port, 0, &first, &type))
            memcpy(dev->subnet, first.raw, sizeof dev->subnet);
    }
    if (asked >= 0) {
        if (asked >= attr->gid_tbl_len || !read_gid(dev, port, asked, &dev->gid, &dev->gid_type))
            return no_such_gid(dev, port, attr->gid_tbl_len, asked);
        dev->gid_index = asked;
        return VC_OK;
    }
    if (!dev->roce) {
        /* Inside a subnet the LID suffices, and the packet header is shorter. */
        if (dev->grh && !read_gid(dev, port, 0, &dev->gid, &dev->gid_type))
            return vc_fail(VC_ERR_SYS, "%s port %d needs a GID, and its first is empty", dev->name, port);
        if (!dev->grh && attr->lid == 0)
            return vc_fail(VC_ERR_SYS, "%s port %d has no LID: no subnet manager gave it one", dev->name,
                           port);
        dev->gid_index = dev->grh ? 0 : -1;
        return VC_OK;
    }
    int best = 0;
    for (int i = 0; i < attr->gid_tbl_len; i++) {
        union ibv_gid gid;
        int type;
        if (!read_gid(dev, port, i, &gid, &type) || gid_rank(&gid, type) <= best)
            continue;
        best = gid_rank(&gid, type);
        dev->gid_index = i;
        dev->gid_type = type;
        dev->gid = gid;
    }
    if (best == 0)
        return vc_fail(VC_ERR_SYS,
                       "%s port %d (Ethernet) has no GID: RoCE needs an IP address on its network interface, "
                       "or the adapter's owner has RoCE switched off",
                       dev->name, port);
    return VC_OK;
}

/* ---- P_Keys ---- */

static bool read_pkey(const struct vc_verbs_dev *dev, int port, int index, uint16_t *pkey)
{
    __be16 raw = 0;
    if (vc_ibv.query_pkey(dev->ctx, (uint8_t)port, index, &raw) != 0)
        return false;
    *pkey = be16toh(raw);
    return (*pkey & ~PKEY_FULL) != 0; /* the partition number zero marks an empty entry */
}

static int no_such_pkey(const struct vc_verbs_dev *dev, int port, int table, int asked)
{
    char list[200] = "";
    bool limited = false, full = false;
    for (int i = 0, n = 0; i < table && n < 17; i++) {
        uint16_t k;
        if (!read_pkey(dev, port, i, &k))
            continue;
        limited |= (k & PKEY_FULL) == 0 && (k | PKEY_FULL) == asked;
        full |= (k & PKEY_FULL) != 0;
        if (++n == 17)
            vc_append(list, sizeof list, ", ...");
        else
            vc_append(list, sizeof list, "%s0x%04x", n > 1 ? ", " : "", k);
    }
    if (!list[0])
        snprintf(list, sizeof list, "empty");
    if (asked == 0)
        return vc_fail(VC_ERR_SYS,
                       "%s port %d has no P_Key of full membership (0x8000 and above), and limited members "
                       "cannot reach each other; its table: %s",
                       dev->name, port, list);
    if (limited)
        return vc_fail(VC_ERR_INVAL,
                       "VCOLL_VERBS_PKEY=0x%04x: %s port %d is only a limited member of that partition "
                       "(0x%04x), and limited members cannot reach each other; its table: %s",
                       asked, dev->name, port, asked & ~PKEY_FULL, list);
    if (!(asked & PKEY_FULL))
        return vc_fail(VC_ERR_INVAL,
                       "VCOLL_VERBS_PKEY=0x%04x: a limited membership (below 0x8000), whose members cannot "
                       "reach each other; the table of %s port %d: %s%s",
                       asked, dev->name, port, list, full ? "" : " (no full one)");
    return vc_fail(VC_ERR_INVAL, "VCOLL_VERBS_PKEY=0x%04x: not in the table of %s port %d: %s", asked,
                   dev->name, port, list);
}

static int choose_pkey(struct vc_verbs_dev *dev, int port, const struct ibv_port_attr *attr, int asked)
{
    for (int i = 0; i < attr->pkey_tbl_len; i++) {
        uint16_t k;
        if (!read_pkey(dev, port, i, &k) || !(k & PKEY_FULL) || (asked != 0 && k != asked))
            continue;
        dev->pkey = k;
        dev->pkey_index = i;
        return VC_OK;
    }
    /* RoCE has no partitions other than the default one, and some drivers have an empty table. */
    if (dev->roce && asked == 0) {
        dev->pkey = 0xffff;
        dev->pkey_index = 0;
        return VC_OK;
    }
    return no_such_pkey(dev, port, attr->pkey_tbl_len, asked);
}

/* ---- the port ---- */

static unsigned rate_of(const struct ibv_port_attr *attr)
{
    static const struct {
        unsigned code, value;
    } width[] = {{1, 1}, {2, 4}, {4, 8}, {8, 12}, {16, 2}},
      speed[] = {{1, 25}, {2, 50}, {4, 100}, {8, 100}, {16, 140}, {32, 250}, {64, 500}, {128, 1000}};
    unsigned w = 0, s = 0;
    for (size_t i = 0; i < sizeof width / sizeof width[0]; i++)
        if (width[i].code == attr->active_width)
            w = width[i].value;
    for (size_t i = 0; i < sizeof speed / sizeof speed[0]; i++)
        if (speed[i].code == attr->active_speed)
            s = speed[i].value;
    return w * s;
}

static int not_active(const struct vc_verbs_dev *dev, int port, enum ibv_port_state state)
{
    switch (state) {
    case IBV_PORT_DOWN:
        return vc_fail(VC_ERR_SYS, "%s port %d is DOWN: no link, or its network interface is down", dev->name,
                       port);
    case IBV_PORT_INIT:
        return vc_fail(VC_ERR_SYS, "%s port %d is in state INIT: no subnet manager has brought it up",
                       dev->name, port);
    case IBV_PORT_ARMED:
        return vc_fail(VC_ERR_SYS, "%s port %d is in state ARMED: the subnet manager has not finished",
                       dev->name, port);
    default:
        return vc_fail(VC_ERR_SYS, "%s port %d is in state %d, not ACTIVE", dev->name, port, (int)state);
    }
}

int vc_verbs_port_choose(const struct vc_verbs_want *want, struct vc_verbs_dev *dev, int port, unsigned *rate)
{
    struct ibv_port_attr attr;
    int rc = vc_ibv_query_port(dev->ctx, port, &attr);
    *rate = 0;
    if (rc != 0)
        return vc_fail(VC_ERR_SYS, "%s port %d cannot be queried: %s", dev->name, port, vc_ibv_strerror(rc));
    *rate = rate_of(&attr);
    dev->port = port;
    dev->roce = attr.link_layer == IBV_LINK_LAYER_ETHERNET;
    dev->lid = attr.lid;
    dev->mtu = attr.active_mtu;
    dev->max_msg = attr.max_msg_sz;
    dev->tc = dev->roce ? vc_rdma_traffic_class(NULL, dev->name, port) : 0;
    dev->grh = !dev->roce && (attr.flags & IBV_QPF_GRH_REQUIRED) != 0;
    if (attr.state != IBV_PORT_ACTIVE && attr.state != IBV_PORT_ACTIVE_DEFER)
        return not_active(dev, port, attr.state);
    int err = choose_gid(dev, port, &attr, want->gid_index);
    return err == VC_OK ? choose_pkey(dev, port, &attr, want->pkey) : err;
}
