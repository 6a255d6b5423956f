/* SPDX-License-Identifier: BSD-3-Clause */
#include "coalesce_kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FAMILY = 0x15, IFINDEX = 7 };

struct made_up_kernel kern;

static const uint16_t attr_of[VC_COALESCE_FIELDS] = {
    ETHTOOL_A_COALESCE_RX_USECS,        ETHTOOL_A_COALESCE_RX_MAX_FRAMES,
    ETHTOOL_A_COALESCE_TX_USECS,        ETHTOOL_A_COALESCE_TX_MAX_FRAMES,
    ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX, ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX,
    ETHTOOL_A_COALESCE_USE_CQE_MODE_RX, ETHTOOL_A_COALESCE_USE_CQE_MODE_TX,
};

static struct nlmsghdr *message(char *buf, const struct nlmsghdr *req, uint16_t type, uint8_t cmd)
{
    struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
    m->nlmsg_type = type;
    m->nlmsg_seq = req->nlmsg_seq;
    struct genlmsghdr *g = mnl_nlmsg_put_extra_header(m, sizeof *g);
    g->cmd = cmd;
    return m;
}

static size_t acknowledge(char *buf, const struct nlmsghdr *req, int error, uint32_t offset)
{
    struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
    m->nlmsg_type = NLMSG_ERROR;
    m->nlmsg_seq = req->nlmsg_seq;
    struct nlmsgerr *e = mnl_nlmsg_put_extra_header(m, sizeof *e);
    e->error = -error;
    e->msg = *req;
    if (error == 0 || kern.capped)
        m->nlmsg_flags |= NLM_F_CAPPED;
    else
        memcpy(mnl_nlmsg_put_extra_header(m, req->nlmsg_len - sizeof *req), req + 1,
               req->nlmsg_len - sizeof *req);
    if (error && kern.extack) {
        m->nlmsg_flags |= NLM_F_ACK_TLVS;
        mnl_attr_put_strz(m, NLMSGERR_ATTR_MSG, kern.extack);
        if (offset)
            mnl_attr_put_u32(m, NLMSGERR_ATTR_OFFS, offset);
    }
    return m->nlmsg_len;
}

static int driver_set(const struct nlmsghdr *req, uint32_t *offset)
{
    const struct nlattr *a;
    kern.sets++;
    kern.last_set = (struct vc_coalesce){0};
    struct vc_coalesce next = kern.driver;
    mnl_attr_for_each(a, req, sizeof(struct genlmsghdr))
    {
        if (mnl_attr_get_type(a) == kern.blame)
            *offset = (uint32_t)((const char *)a - (const char *)req);
        for (int f = 0; f < VC_COALESCE_FIELDS; f++) {
            if (mnl_attr_get_type(a) != attr_of[f])
                continue;
            uint32_t v =
                vc_coalesce_is_switch((enum vc_coalesce_field)f) ? mnl_attr_get_u8(a) : mnl_attr_get_u32(a);
            vc_coalesce_put(&kern.last_set, (enum vc_coalesce_field)f, v);
            vc_coalesce_put(&next, (enum vc_coalesce_field)f, v);
        }
    }
    if (kern.set_error)
        return kern.set_error;
    if (kern.like_igbvf && vc_coalesce_has(&kern.last_set, RX_USECS)) {
        if (next.value[RX_USECS] == 1)
            return EINVAL;
        if (next.value[RX_USECS] == 0)
            next.value[RX_USECS] = 1;
    }
    if (kern.max_rx_frames && next.value[RX_FRAMES] > kern.max_rx_frames)
        next.value[RX_FRAMES] = kern.max_rx_frames;
    kern.driver = next;
    return 0;
}

static size_t values(char *buf, const struct nlmsghdr *req)
{
    struct nlmsghdr *m = message(buf, req, FAMILY, ETHTOOL_MSG_COALESCE_GET_REPLY);
    struct nlattr *nest = mnl_attr_nest_start(m, ETHTOOL_A_COALESCE_HEADER);
    mnl_attr_put_u32(m, ETHTOOL_A_HEADER_DEV_INDEX, IFINDEX);
    mnl_attr_put_strz(m, ETHTOOL_A_HEADER_DEV_NAME, "eth0");
    mnl_attr_nest_end(m, nest);
    if (kern.adapts && kern.driver.value[ADAPTIVE_RX])
        kern.driver.value[RX_USECS] += 10;
    mnl_attr_put_u32(m, ETHTOOL_A_COALESCE_RX_USECS_IRQ, 99);
    for (int f = 0; f < VC_COALESCE_FIELDS; f++) {
        if (!vc_coalesce_has(&kern.driver, (enum vc_coalesce_field)f))
            continue;
        if (kern.wide) /* of a width that is not the protocol's */
            mnl_attr_put_u64(m, attr_of[f], kern.driver.value[f]);
        else if (vc_coalesce_is_switch((enum vc_coalesce_field)f))
            mnl_attr_put_u8(m, attr_of[f], (uint8_t)kern.driver.value[f]);
        else
            mnl_attr_put_u32(m, attr_of[f], kern.driver.value[f]);
    }
    return m->nlmsg_len;
}

static ssize_t talk(void *ctx, const void *request, size_t req_len, void *reply, size_t cap)
{
    const struct nlmsghdr *req = request;
    const struct genlmsghdr *g = mnl_nlmsg_get_payload(req);
    char *out = reply;
    size_t n = 0;
    int error = 0;
    uint32_t offset = 0;
    assert_ptr_equal(ctx, &kern);
    memset(reply, 0xa5, cap); /* the same garbage in every run */
    assert_int_equal(req_len, req->nlmsg_len);
    assert_true(cap >= 8192);
    assert_int_equal(req->nlmsg_flags & (NLM_F_REQUEST | NLM_F_ACK), NLM_F_REQUEST | NLM_F_ACK);
    if (kern.stray) { /* of an earlier request: an answer and an error */
        n += values(out, req);
        ((struct nlmsghdr *)out)->nlmsg_seq--;
        struct nlmsghdr *second = (struct nlmsghdr *)(out + n);
        n += acknowledge(out + n, req, EIO, 0);
        second->nlmsg_seq--;
    }
    if (req->nlmsg_type == GENL_ID_CTRL) {
        error = kern.family_error;
        if (!error) {
            struct nlmsghdr *m = message(out + n, req, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
            mnl_attr_put_strz(m, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
            mnl_attr_put_u16(m, CTRL_ATTR_FAMILY_ID, FAMILY);
            n += m->nlmsg_len;
        }
    } else {
        struct nlattr *h[ETHTOOL_A_HEADER_MAX + 1] = {0}, *a;
        a = mnl_nlmsg_get_payload_offset(req, sizeof *g);
        assert_int_equal(mnl_attr_get_type(a), ETHTOOL_A_COALESCE_HEADER);
        a = mnl_attr_get_payload(a);
        assert_in_range(mnl_attr_get_type(a), 1, ETHTOOL_A_HEADER_MAX);
        h[mnl_attr_get_type(a)] = a;
        kern.by_index = h[ETHTOOL_A_HEADER_DEV_INDEX] != NULL;
        if (kern.by_index)
            error = mnl_attr_get_u32(h[ETHTOOL_A_HEADER_DEV_INDEX]) == IFINDEX ? 0 : ENODEV;
        else
            error = strcmp(mnl_attr_get_str(h[ETHTOOL_A_HEADER_DEV_NAME]), "eth0") == 0 ? 0 : ENODEV;
        if (req->nlmsg_type != FAMILY) /* only after a mangled answer */
            error = kern.mangle ? ENOENT : EPROTO;
        if (!error && g->cmd == ETHTOOL_MSG_COALESCE_GET) {
            kern.gets++;
            error = kern.get_error;
            if (!error)
                n += values(out + n, req);
        } else if (!error) {
            assert_int_equal(g->cmd, ETHTOOL_MSG_COALESCE_SET);
            error = driver_set(req, &offset);
        }
    }
    if (!kern.without_ack)
        n += acknowledge(out + n, req, error, offset);
    if (kern.mangle && kern.requests++ == kern.nth)
        kern.mangle(out, &n, cap);
    return (ssize_t)n;
}

const struct vc_netlink made_up = {talk, &kern};

int new_kernel(void **state)
{
    (void)state;
    memset(&kern, 0, sizeof kern);
    vc_coalesce_put(&kern.driver, RX_USECS, 3);
    vc_coalesce_put(&kern.driver, RX_FRAMES, 16);
    vc_coalesce_put(&kern.driver, ADAPTIVE_RX, 0);
    return 0;
}
