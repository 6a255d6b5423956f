/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's ethtool netlink family: requests and answers, for coalesce.c alone. Answers are parsed with
 * every length checked.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_ETHTOOL_NL_H
#define VC_TRANSPORT_TOPOLOGY_ETHTOOL_NL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Bytes of an interface's name with its NUL; alternative names are longer than IFNAMSIZ. */
#define VC_NETDEV_NAME 128

/**
 * A way to the kernel. `talk` gets one netlink request with its header and writes all messages of the answer,
 * up to and with the acknowledgement, to `reply` (aligned for any type). Returns their bytes, or -errno. The
 * answer is not trusted.
 */
struct vc_netlink {
    ssize_t (*talk)(void *ctx, const void *req, size_t req_len, void *reply, size_t cap);
    void *ctx;
};

struct mnl_socket;
struct vc_ethtool_nl {
    struct vc_netlink nl;
    struct mnl_socket *sock; /**< NULL with a way of the caller's */
    uint16_t family;         /**< message type of the ethtool family */
    uint32_t seq;
    const char *netdev; /**< the caller's */
    uint32_t ifindex;   /**< not 0: names the interface in requests; set from answers */
};

/**
 * Opens the way and looks the family up. VC_ERR_UNSUPPORTED: this kernel has none; VC_ERR_INVAL: that cannot
 * be an interface's name; VC_ERR_SYS: no netlink socket.
 */
int vc_ethtool_nl_open(struct vc_ethtool_nl *s, const struct vc_netlink *nl, const char *netdev,
                       uint32_t ifindex);
/** Preserves errno. */
void vc_ethtool_nl_close(struct vc_ethtool_nl *s);

/** Room for any request here: headers, a nested name, eight attributes. */
enum { VC_NL_REQUEST_BYTES = 512 };

/** Begins a generic netlink request in `buf` of VC_NL_REQUEST_BYTES, aligned to 8; attributes are put by
 * libmnl. */
struct nlmsghdr *vc_nl_begin(struct vc_ethtool_nl *s, void *buf, uint16_t type, uint8_t cmd, uint8_t version);

/** How the kernel refused. */
struct vc_nl_refusal {
    int error;       /**< errno */
    char text[160];  /**< the kernel's own words, or "" */
    uint32_t offset; /**< of the attribute in the request that is to blame; 0: none */
};

/** An answer's payload begins with a whole struct genlmsghdr. */
typedef void (*vc_nl_parse)(struct vc_ethtool_nl *s, const struct nlmsghdr *m, void *arg);

/**
 * Sends a request and gives `parse` (NULL: none is expected) each answer with generic command `cmd`. False
 * when refused, when the way failed (`error` is its errno) and when the answer is not complete (EBADMSG);
 * records no error text.
 */
bool vc_nl_exchange(struct vc_ethtool_nl *s, struct nlmsghdr *req, int cmd, vc_nl_parse parse, void *arg,
                    struct vc_nl_refusal *refused);

#endif
