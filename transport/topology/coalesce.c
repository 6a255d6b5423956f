/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/coalesce.h"

#include "transport/base.h"
#include "transport/topology/ethtool_nl.h"
#include "transport/topology/sysfile.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct field {
    const char *name;
    uint16_t attr;
    bool is_switch; /* u8 in the protocol, else u32 */
} fields[VC_COALESCE_FIELDS] = {
    [VC_COALESCE_RX_USECS] = {"rx-usecs", ETHTOOL_A_COALESCE_RX_USECS, false},
    [VC_COALESCE_RX_FRAMES] = {"rx-frames", ETHTOOL_A_COALESCE_RX_MAX_FRAMES, false},
    [VC_COALESCE_TX_USECS] = {"tx-usecs", ETHTOOL_A_COALESCE_TX_USECS, false},
    [VC_COALESCE_TX_FRAMES] = {"tx-frames", ETHTOOL_A_COALESCE_TX_MAX_FRAMES, false},
    [VC_COALESCE_ADAPTIVE_RX] = {"adaptive-rx", ETHTOOL_A_COALESCE_USE_ADAPTIVE_RX, true},
    [VC_COALESCE_ADAPTIVE_TX] = {"adaptive-tx", ETHTOOL_A_COALESCE_USE_ADAPTIVE_TX, true},
    [VC_COALESCE_CQE_RX] = {"cqe-mode-rx", ETHTOOL_A_COALESCE_USE_CQE_MODE_RX, true},
    [VC_COALESCE_CQE_TX] = {"cqe-mode-tx", ETHTOOL_A_COALESCE_USE_CQE_MODE_TX, true},
};

const char *vc_coalesce_name(enum vc_coalesce_field f)
{
    return fields[f].name;
}

bool vc_coalesce_is_switch(enum vc_coalesce_field f)
{
    return fields[f].is_switch;
}

char *vc_coalesce_text(const struct vc_coalesce *c, char *buf, size_t len)
{
    size_t used = 0;
    buf[0] = '\0';
    for (int f = 0; f < VC_COALESCE_FIELDS && used < len; f++) {
        if (!vc_coalesce_has(c, (enum vc_coalesce_field)f))
            continue;
        int n = snprintf(buf + used, len - used, "%s%s ", used ? ", " : "", fields[f].name);
        used += (size_t)n;
        if (used >= len)
            break;
        n = fields[f].is_switch ? snprintf(buf + used, len - used, "%s", c->value[f] ? "on" : "off")
                                : snprintf(buf + used, len - used, "%u", c->value[f]);
        used += (size_t)n;
    }
    return buf;
}

/* ---- read ---- */

static struct nlmsghdr *begin_ethtool(struct vc_ethtool_nl *s, void *buf, uint8_t cmd)
{
    struct nlmsghdr *m = vc_nl_begin(s, buf, s->family, cmd, ETHTOOL_GENL_VERSION);
    struct nlattr *header = mnl_attr_nest_start(m, ETHTOOL_A_COALESCE_HEADER);
    if (s->ifindex)
        mnl_attr_put_u32(m, ETHTOOL_A_HEADER_DEV_INDEX, s->ifindex);
    else
        mnl_attr_put_strz(m, ETHTOOL_A_HEADER_DEV_NAME, s->netdev);
    mnl_attr_nest_end(m, header);
    return m;
}

static void parse_values(struct vc_ethtool_nl *s, const struct nlmsghdr *m, void *arg)
{
    struct vc_coalesce *c = arg;
    const struct nlattr *a, *h;
    mnl_attr_for_each(a, m, sizeof(struct genlmsghdr))
    {
        if (mnl_attr_get_type(a) == ETHTOOL_A_COALESCE_HEADER) {
            mnl_attr_for_each_nested(h, a)
            {
                if (mnl_attr_get_type(h) == ETHTOOL_A_HEADER_DEV_INDEX &&
                    mnl_attr_validate(h, MNL_TYPE_U32) >= 0)
                    s->ifindex = mnl_attr_get_u32(h);
            }
        }
        for (int f = 0; f < VC_COALESCE_FIELDS; f++) {
            if (mnl_attr_get_type(a) != fields[f].attr)
                continue;
            if (fields[f].is_switch && mnl_attr_validate(a, MNL_TYPE_U8) >= 0)
                vc_coalesce_put(c, (enum vc_coalesce_field)f, mnl_attr_get_u8(a) != 0);
            else if (!fields[f].is_switch && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                vc_coalesce_put(c, (enum vc_coalesce_field)f, mnl_attr_get_u32(a));
        }
    }
}

static int read_values(struct vc_ethtool_nl *s, struct vc_coalesce *out)
{
    _Alignas(8) char buf[VC_NL_REQUEST_BYTES];
    struct nlmsghdr *m = begin_ethtool(s, buf, ETHTOOL_MSG_COALESCE_GET);
    struct vc_nl_refusal no;
    *out = (struct vc_coalesce){0};
    if (vc_nl_exchange(s, m, ETHTOOL_MSG_COALESCE_GET_REPLY, parse_values, out, &no)) {
        if (out->has)
            return VC_OK;
        no.error = EOPNOTSUPP;
    }
    errno = no.error;
    if (no.error == EOPNOTSUPP)
        return vc_fail(VC_ERR_UNSUPPORTED, "the driver of %s reports no coalescing", s->netdev);
    if (no.error == ENODEV)
        return vc_fail(VC_ERR_INVAL, "there is no network interface %s in this network namespace", s->netdev);
    return vc_fail(VC_ERR_SYS, "cannot read the coalescing of %s: %s%s%s", s->netdev, strerror(no.error),
                   no.text[0] ? ": " : "", no.text);
}

/* ---- set ---- */

static int refused_set(const struct vc_ethtool_nl *s, const struct nlmsghdr *req,
                       const struct vc_coalesce *change, const struct vc_nl_refusal *no)
{
    /* The attribute to blame, when the kernel points at one; else all that were in the request. */
    struct vc_coalesce blamed = *change;
    const struct nlattr *a;
    mnl_attr_for_each(a, req, sizeof(struct genlmsghdr))
    {
        for (int f = 0; f < VC_COALESCE_FIELDS; f++)
            if ((size_t)((const char *)a - (const char *)req) == no->offset &&
                mnl_attr_get_type(a) == fields[f].attr)
                blamed.has = 1u << f;
    }
    char values[256], words[192];
    vc_coalesce_text(&blamed, values, sizeof values);
    snprintf(words, sizeof words, "%s%s", no->text[0] ? ": " : "", no->text);
    errno = no->error;
    switch (no->error) {
    case EPERM:
    case EACCES:
        return vc_fail(VC_ERR_SYS,
                       "setting the coalescing of %s needs CAP_NET_ADMIN: run as root, in a container with "
                       "--cap-add NET_ADMIN, or have it set with \"ethtool -C %s\"%s",
                       s->netdev, s->netdev, words);
    case EINVAL:
    case ERANGE:
        return vc_fail(VC_ERR_INVAL, "the driver of %s does not take %s%s", s->netdev, values, words);
    case EOPNOTSUPP:
        return vc_fail(VC_ERR_UNSUPPORTED, "the driver of %s cannot set %s%s", s->netdev, values, words);
    case ENODEV:
        return vc_fail(VC_ERR_INVAL, "there is no network interface %s in this network namespace", s->netdev);
    default:
        return vc_fail(VC_ERR_SYS, "cannot set %s on %s: %s%s", values, s->netdev, strerror(no->error),
                       words);
    }
}

/* Fields of `want` that are not so in `there`. */
static struct vc_coalesce difference(const struct vc_coalesce *want, const struct vc_coalesce *there)
{
    struct vc_coalesce d = *want;
    for (int f = 0; f < VC_COALESCE_FIELDS; f++)
        if (vc_coalesce_has(there, (enum vc_coalesce_field)f) && there->value[f] == want->value[f])
            d.has &= ~(1u << f);
    return d;
}

/* Sends the fields of `change`, if there are any, and reads back into `now`. */
static int write_values(struct vc_ethtool_nl *s, const struct vc_coalesce *change, struct vc_coalesce *now)
{
    if (!change->has)
        return VC_OK;
    _Alignas(8) char buf[VC_NL_REQUEST_BYTES];
    struct nlmsghdr *m = begin_ethtool(s, buf, ETHTOOL_MSG_COALESCE_SET);
    for (int f = 0; f < VC_COALESCE_FIELDS; f++) {
        if (!vc_coalesce_has(change, (enum vc_coalesce_field)f))
            continue;
        if (fields[f].is_switch)
            mnl_attr_put_u8(m, fields[f].attr, change->value[f] != 0);
        else
            mnl_attr_put_u32(m, fields[f].attr, change->value[f]);
    }
    struct vc_nl_refusal no;
    if (!vc_nl_exchange(s, m, 0, NULL, NULL, &no))
        return refused_set(s, m, change, &no);
    return read_values(s, now);
}

int vc_coalesce_get(const struct vc_netlink *nl, const char *netdev, struct vc_coalesce *out)
{
    struct vc_ethtool_nl s;
    struct vc_coalesce now;
    int rc = vc_ethtool_nl_open(&s, nl, netdev, 0);
    if (rc != VC_OK)
        return rc;
    rc = read_values(&s, &now);
    if (rc == VC_OK)
        *out = now;
    vc_ethtool_nl_close(&s);
    return rc;
}

static bool is_active(const struct vc_coalesce_saved *saved)
{
    return saved->active && saved->owner == getpid();
}

static void remember(const struct vc_ethtool_nl *s, const struct vc_coalesce *now,
                     struct vc_coalesce_saved *saved)
{
    *saved =
        (struct vc_coalesce_saved){.active = true, .owner = getpid(), .ifindex = s->ifindex, .before = *now};
    snprintf(saved->netdev, sizeof saved->netdev, "%s", s->netdev);
}

int vc_coalesce_save(const struct vc_netlink *nl, const char *netdev, struct vc_coalesce_saved *saved)
{
    struct vc_ethtool_nl s;
    struct vc_coalesce now;
    saved->active = false;
    int rc = vc_ethtool_nl_open(&s, nl, netdev, 0);
    if (rc != VC_OK)
        return rc;
    rc = read_values(&s, &now);
    if (rc == VC_OK)
        remember(&s, &now, saved);
    vc_ethtool_nl_close(&s);
    return rc;
}

/* Checked here, because the kernel would return EINVAL without a name, and reading back could not verify it.
 */
static int check_wanted(const char *netdev, const struct vc_coalesce *want, const struct vc_coalesce *there)
{
    char missing[256], have[256];
    struct vc_coalesce lacks = {.has = want->has & ~there->has};
    int used = 0;
    for (int f = 0; f < VC_COALESCE_FIELDS; f++) {
        if (vc_coalesce_has(want, (enum vc_coalesce_field)f) && fields[f].is_switch && want->value[f] > 1)
            return vc_fail(VC_ERR_INVAL, "%s of %s is off (0) or on (1), not %u", fields[f].name, netdev,
                           want->value[f]);
        if (vc_coalesce_has(&lacks, (enum vc_coalesce_field)f))
            used += snprintf(missing + used, sizeof missing - (size_t)used, "%s%s", used ? ", " : "",
                             fields[f].name);
    }
    if (!lacks.has)
        return VC_OK;
    return vc_fail(VC_ERR_UNSUPPORTED, "the driver of %s has no %s; it has: %s", netdev, missing,
                   vc_coalesce_text(there, have, sizeof have));
}

static int set_values(struct vc_ethtool_nl *s, const struct vc_coalesce *want,
                      struct vc_coalesce_saved *saved, struct vc_coalesce *now)
{
    int rc = read_values(s, now);
    if (rc == VC_OK)
        rc = check_wanted(s->netdev, want, now);
    if (rc != VC_OK)
        return rc;
    /* Before the change, so that an exit right after it can restore the values. */
    bool ours = saved && !is_active(saved);
    if (ours)
        remember(s, now, saved);
    struct vc_coalesce before = *now, change = difference(want, now);
    rc = write_values(s, &change, now);
    if (rc != VC_OK) {
        /* A driver may refuse after it has set some values: inactive only if none has changed. */
        int e = errno;
        struct vc_coalesce after = {0};
        char text[512];
        snprintf(text, sizeof text, "%s", vc_error_text());
        if (ours && read_values(s, &after) == VC_OK && difference(&before, &after).has == 0)
            saved->active = false;
        errno = e;
        return vc_fail(rc, "%s", text);
    }
    return difference(want, now).has ? VC_COALESCE_ROUNDED : VC_OK;
}

int vc_coalesce_set(const struct vc_netlink *nl, const char *netdev, const struct vc_coalesce *want,
                    struct vc_coalesce_saved *saved, struct vc_coalesce *now)
{
    struct vc_ethtool_nl s;
    struct vc_coalesce there;
    if (saved && netdev && is_active(saved) && strcmp(saved->netdev, netdev) != 0)
        return vc_fail(VC_ERR_INVAL, "coalescing of %s: the saved values given are those of %s", netdev,
                       saved->netdev);
    int rc = vc_ethtool_nl_open(&s, nl, netdev, 0);
    if (rc != VC_OK)
        return rc;
    rc = set_values(&s, want, saved, &there);
    if (rc >= 0 && now)
        *now = there;
    vc_ethtool_nl_close(&s);
    return rc;
}

/* ---- restore ---- */

static int restore_values(struct vc_ethtool_nl *s, const struct vc_coalesce *before)
{
    struct vc_coalesce now, change;
    int rc = read_values(s, &now);
    if (rc != VC_OK)
        return rc;
    change = difference(before, &now);
    rc = write_values(s, &change, &now);
    if (rc == VC_ERR_INVAL && (errno == EINVAL || errno == ERANGE)) {
        /* igbvf reports 1 after 0 was set, and refuses 1. Then 0 is set, and reading back verifies it. */
        struct vc_coalesce again = change;
        bool one = false;
        for (int f = VC_COALESCE_RX_USECS; f <= VC_COALESCE_TX_USECS; f += 2) {
            if (vc_coalesce_has(&again, (enum vc_coalesce_field)f) && again.value[f] == 1) {
                again.value[f] = 0;
                one = true;
            }
        }
        if (one)
            rc = write_values(s, &again, &now);
    }
    if (rc != VC_OK)
        return rc;
    change = difference(before, &now);
    /* With adaptive moderation the driver changes these by itself. */
    if (vc_coalesce_has(before, VC_COALESCE_ADAPTIVE_RX) && before->value[VC_COALESCE_ADAPTIVE_RX])
        change.has &= ~(1u << VC_COALESCE_RX_USECS | 1u << VC_COALESCE_RX_FRAMES);
    if (vc_coalesce_has(before, VC_COALESCE_ADAPTIVE_TX) && before->value[VC_COALESCE_ADAPTIVE_TX])
        change.has &= ~(1u << VC_COALESCE_TX_USECS | 1u << VC_COALESCE_TX_FRAMES);
    if (!change.has)
        return VC_OK;
    char wanted[256], is[256];
    return vc_fail(VC_ERR_SYS, "the driver of %s does not come back to %s; now: %s", s->netdev,
                   vc_coalesce_text(&change, wanted, sizeof wanted), vc_coalesce_text(&now, is, sizeof is));
}

int vc_coalesce_restore(const struct vc_netlink *nl, struct vc_coalesce_saved *saved)
{
    if (!is_active(saved))
        return VC_OK;
    struct vc_ethtool_nl s;
    int rc = vc_ethtool_nl_open(&s, nl, saved->netdev, saved->ifindex);
    if (rc != VC_OK)
        return rc;
    rc = restore_values(&s, &saved->before);
    if (rc == VC_OK)
        saved->active = false;
    vc_ethtool_nl_close(&s);
    return rc;
}

/* ---- the interface of an RDMA device ---- */

#define CLASS "/sys/class/infiniband"

/*
 * One PCI function can have two ports, each with an interface of its own (mlx4), told apart by dev_port;
 * children of IPoIB interfaces have the same dev_port as their parents, which sort first.
 */
static void of_function(const char *root, const char *dev, int port, char *name, size_t len)
{
    struct vc_sys_names names;
    int found = -1;
    vc_sys_list(root, &names, CLASS "/%s/device/net", dev);
    for (int i = 0; i < names.n && found < 0; i++) {
        long long at;
        if (vc_sys_number(root, &at, CLASS "/%s/device/net/%s/dev_port", dev, names.name[i]) &&
            at == port - 1)
            found = i;
    }
    if (found < 0 && names.n == 1)
        found = 0;
    if (found >= 0)
        snprintf(name, len, "%s", names.name[found]);
}

int vc_rdma_netdev(const char *root, const char *rdma_dev, int port, char *name, size_t len)
{
    enum { GIDS = 1024 }; /* no device has more */
    char found[VC_NETDEV_NAME] = "";
    name[0] = '\0';
    if (!rdma_dev[0] || strchr(rdma_dev, '/') || !vc_sys_exists(root, CLASS "/%s/ports/%d", rdma_dev, port))
        return vc_fail(VC_ERR_INVAL, "there is no RDMA device \"%.64s\" with a port %d", rdma_dev, port);
    /* Files of unused GIDs exist, but cannot be read. They are read by number, because a directory lists them
     * in no order. */
    for (int i = 0; i < GIDS && !found[0]; i++) {
        if (!vc_sys_read(root, found, sizeof found, CLASS "/%s/ports/%d/gid_attrs/ndevs/%d", rdma_dev, port,
                         i) &&
            !vc_sys_exists(root, CLASS "/%s/ports/%d/gid_attrs/ndevs/%d", rdma_dev, port, i))
            break;
    }
    if (!found[0])
        vc_sys_read(root, found, sizeof found, CLASS "/%s/parent", rdma_dev);
    if (!found[0])
        of_function(root, rdma_dev, port, found, sizeof found);
    if (!found[0])
        return vc_fail(VC_ERR_UNSUPPORTED, "no network interface is known of port %d of RDMA device %s", port,
                       rdma_dev);
    if (strlen(found) >= len)
        return vc_fail(VC_ERR_UNSUPPORTED, "the name of network interface %s is too long", found);
    memcpy(name, found, strlen(found) + 1);
    return VC_OK;
}
