/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/ethtool_nl.h"

#include "transport/base.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    /* The description of the ethtool family grows with every kernel; 1.1 KiB in Linux 6.18. */
    REPLY_BYTES = 16 * 1024,
    MAX_ERRNO = 4095,
};

/*
 * mnl_nlmsg_ok() takes lengths of 2 GiB and more for negative ones, so this checks more. The padding must be
 * inside, because libmnl's iterators read it.
 */
static bool is_whole(const struct nlmsghdr *m, int left)
{
    return mnl_nlmsg_ok(m, left) && m->nlmsg_len <= (uint32_t)left &&
           MNL_ALIGN(m->nlmsg_len) <= (uint32_t)left;
}

/* ---- one exchange with the kernel ---- */

/* The kernel answers inside sendto(), so the whole answer can be read when that returns. */
static ssize_t kernel_talk(void *ctx, const void *req, size_t req_len, void *reply, size_t cap)
{
    struct mnl_socket *sock = ctx;
    uint32_t seq = ((const struct nlmsghdr *)req)->nlmsg_seq;
    size_t used = 0;
    while (mnl_socket_sendto(sock, req, req_len) < 0)
        if (errno != EINTR)
            return -errno;
    for (;;) {
        char *at = (char *)reply + used;
        if (used >= cap)
            return -ENOBUFS;
        ssize_t n = mnl_socket_recvfrom(sock, at, cap - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        used += MNL_ALIGN((size_t)n);
        int left = (int)n;
        for (const struct nlmsghdr *m = (const struct nlmsghdr *)at; is_whole(m, left);
             m = mnl_nlmsg_next(m, &left))
            if (m->nlmsg_seq == seq && m->nlmsg_type == NLMSG_ERROR)
                return (ssize_t)used;
    }
}

static void read_extack(const struct nlmsghdr *m, struct vc_nl_refusal *r)
{
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
    size_t payload = mnl_nlmsg_get_payload_len(m), skip = sizeof *e;
    /* The kernel sends the request back, or its header alone. */
    if (!(m->nlmsg_flags & NLM_F_CAPPED)) {
        if (e->msg.nlmsg_len < sizeof e->msg || e->msg.nlmsg_len > payload)
            return;
        skip += MNL_ALIGN(e->msg.nlmsg_len - sizeof e->msg);
    }
    if (!(m->nlmsg_flags & NLM_F_ACK_TLVS) || skip > payload)
        return;
    const struct nlattr *a;
    mnl_attr_for_each(a, m, skip)
    {
        if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
            snprintf(r->text, sizeof r->text, "%.*s", (int)mnl_attr_get_payload_len(a),
                     (const char *)mnl_attr_get_payload(a));
        else if (mnl_attr_get_type(a) == NLMSGERR_ATTR_OFFS && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
            r->offset = mnl_attr_get_u32(a);
    }
}

bool vc_nl_exchange(struct vc_ethtool_nl *s, struct nlmsghdr *req, int cmd, vc_nl_parse parse, void *arg,
                    struct vc_nl_refusal *refused)
{
    _Alignas(8) char reply[REPLY_BYTES];
    *refused = (struct vc_nl_refusal){.error = EBADMSG, .text = "the kernel's answer is malformed"};
    ssize_t n = s->nl.talk(s->nl.ctx, req, req->nlmsg_len, reply, sizeof reply);
    if (n < 0) {
        *refused = (struct vc_nl_refusal){.error = n > -MAX_ERRNO ? (int)-n : EBADMSG};
        return false;
    }
    int left = n < REPLY_BYTES ? (int)n : REPLY_BYTES;
    for (const struct nlmsghdr *m = (const struct nlmsghdr *)reply; is_whole(m, left);
         m = mnl_nlmsg_next(m, &left)) {
        size_t payload = mnl_nlmsg_get_payload_len(m);
        if (m->nlmsg_seq != req->nlmsg_seq)
            continue;
        if (m->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
            if (payload < sizeof *e || e->error > 0 || e->error < -MAX_ERRNO)
                return false;
            if (e->error == 0)
                return true;
            *refused = (struct vc_nl_refusal){.error = -e->error};
            read_extack(m, refused);
            return false;
        }
        const struct genlmsghdr *g = mnl_nlmsg_get_payload(m);
        if (m->nlmsg_type == req->nlmsg_type && payload >= sizeof *g && g->cmd == cmd && parse)
            parse(s, m, arg);
    }
    return false; /* no acknowledgement */
}

struct nlmsghdr *vc_nl_begin(struct vc_ethtool_nl *s, void *buf, uint16_t type, uint8_t cmd, uint8_t version)
{
    memset(buf, 0, VC_NL_REQUEST_BYTES); /* libmnl leaves the padding of attributes as it is */
    struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
    m->nlmsg_type = type;
    m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    m->nlmsg_seq = ++s->seq;
    struct genlmsghdr *g = mnl_nlmsg_put_extra_header(m, sizeof *g);
    g->cmd = cmd;
    g->version = version;
    return m;
}

/* ---- the session: socket, family, interface ---- */

static void parse_family(struct vc_ethtool_nl *s, const struct nlmsghdr *m, void *arg)
{
    (void)arg;
    const struct nlattr *a;
    mnl_attr_for_each(a, m, sizeof(struct genlmsghdr))
    {
        if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID && mnl_attr_validate(a, MNL_TYPE_U16) >= 0)
            s->family = mnl_attr_get_u16(a);
    }
}

void vc_ethtool_nl_close(struct vc_ethtool_nl *s)
{
    int e = errno;
    if (s->sock)
        mnl_socket_close(s->sock);
    errno = e;
}

static int no_family(const char *netdev, int error)
{
    errno = error;
    if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ENOENT)
        return vc_fail(VC_ERR_UNSUPPORTED,
                       "coalescing of %s: this kernel has no ethtool netlink family (Linux 5.6 and later do)",
                       netdev);
    return vc_fail(VC_ERR_SYS, "coalescing of %s: cannot reach the kernel's ethtool netlink family: %s",
                   netdev, strerror(error));
}

int vc_ethtool_nl_open(struct vc_ethtool_nl *s, const struct vc_netlink *nl, const char *netdev,
                       uint32_t ifindex)
{
    *s = (struct vc_ethtool_nl){.netdev = netdev, .ifindex = ifindex};
    if (!netdev || !netdev[0] || strlen(netdev) >= VC_NETDEV_NAME)
        return vc_fail(VC_ERR_INVAL, "coalescing: \"%.40s\" cannot be the name of a network interface",
                       netdev ? netdev : "");
    if (nl) {
        s->nl = *nl;
    } else {
        s->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
        if (!s->sock)
            return no_family(netdev, errno);
        /* So that a kernel that does not answer does no harm. Both options may fail. */
        struct timeval limit = {.tv_sec = 10};
        setsockopt(mnl_socket_get_fd(s->sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        int on = 1;
        mnl_socket_setsockopt(s->sock, NETLINK_EXT_ACK, &on, sizeof on);
        s->nl = (struct vc_netlink){kernel_talk, s->sock};
        if (mnl_socket_bind(s->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
            int rc = no_family(netdev, errno);
            vc_ethtool_nl_close(s);
            return rc;
        }
    }
    _Alignas(8) char buf[VC_NL_REQUEST_BYTES];
    struct nlmsghdr *m = vc_nl_begin(s, buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
    mnl_attr_put_strz(m, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
    struct vc_nl_refusal no;
    bool ok = vc_nl_exchange(s, m, CTRL_CMD_NEWFAMILY, parse_family, NULL, &no);
    if (ok && s->family >= NLMSG_MIN_TYPE)
        return VC_OK;
    int rc = no_family(netdev, ok ? EBADMSG : no.error);
    vc_ethtool_nl_close(s);
    return rc;
}
