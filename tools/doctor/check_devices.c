/* SPDX-License-Identifier: BSD-3-Clause */
/* RDMA devices and the interrupts of network interfaces. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <string.h>

enum { LONG_USECS = 30 }; /* that a device may hold an interrupt back before it is worth a word */

/* ---- devices ---- */

static const char *port_state(const struct doc_node *n, const char *device, int port)
{
    for (int i = 0; i < n->nrdma; i++)
        for (int k = 0; k < n->rdma[i].nports; k++)
            if (strcmp(n->rdma[i].name, device) == 0 && n->rdma[i].port[k].number == port)
                return n->rdma[i].port[k].state;
    return "";
}

/* Ports that the library sees and that cannot be used, while another one can. */
static void spare_ports(const struct doc_node *n, struct doc_out *out)
{
    for (int i = 0; i < n->verbs.n; i++) {
        const struct vc_verbs_candidate *c = &n->verbs.list[i];
        if (!c->chosen && c->err != VC_OK)
            doc_say(out, DOC_HINT, NULL, "%s port %d cannot be used: %s", c->device, c->port, c->why);
    }
}

/* Adapters that usually carry RDMA: Mellanox and NVIDIA. */
static bool is_hca(const struct vc_nic *nic)
{
    return nic->vendor == 0x15b3 && nic->kind != VC_NIC_SOFTWARE;
}

static void without_driver(const struct doc_node *n, struct doc_out *out)
{
    for (int i = 0; i < n->nnics; i++)
        if (is_hca(&n->nic[i]) && !n->nic[i].rdma[0])
            doc_say(out, DOC_HINT, "modprobe mlx5_ib (mlx4_ib for ConnectX-3)",
                    "%s%s%s has no RDMA device: its driver for that is not loaded",
                    n->nic[i].model[0] ? n->nic[i].model : "the adapter", n->nic[i].netdev[0] ? " at " : "",
                    n->nic[i].netdev);
}

void doc_check_rdma_down(const struct doc_node *n, struct doc_out *out)
{
    const struct facts_verbs *v = &n->verbs;
    without_driver(n, out);
    if (!v->wanted) {
        doc_say(out, DOC_OK, NULL, "not wanted: VCOLL_CHANNELS has no verbs");
    } else if (v->err == VC_OK) {
        spare_ports(n, out);
        doc_say(out, DOC_OK, NULL, "%s port %d%s%s%s%s", v->dev.name, v->dev.port,
                v->dev.software ? ", made of software" : "",
                v->dev.attr.max_srq > 0 ? "" : ", without shared receive queues",
                v->dev.ignores_inline ? ", ignores inline data" : "",
                v->dev.cq_mod_count || v->dev.cq_mod_period ? "" : ", without moderation");
    } else if (n->nrdma > 0 && v->n == 0) {
        doc_say(out, DOC_BROKEN, "apt-get install libibverbs1 ibverbs-providers (rdma-core elsewhere)",
                "%s is there, and cannot be used: %s", n->rdma[0].name, v->error);
    } else if (v->n > 0) {
        const char *state = port_state(n, v->list[0].device, v->list[0].port);
        doc_say(out, DOC_BROKEN, NULL, "%s%s%s%s", v->error, state[0] ? " (state " : "", state,
                state[0] ? ")" : "");
    } else {
        doc_say(out, DOC_OK, NULL, "there is none");
    }
}

/* What most algorithms exchange messages with: twice the logarithm of the number of ranks. */
static int usual_peers(int ranks)
{
    int log = 0;
    while (ranks > 1 << log)
        log++;
    return 2 * log;
}

/* Ranks of a node share the device, or each of those that are equally good. */
static int ranks_on_device(const struct doc_node *n)
{
    int devices = 0;
    unsigned rate = 0;
    for (int i = 0; i < n->verbs.n; i++)
        if (n->verbs.list[i].chosen)
            rate = n->verbs.list[i].rate;
    for (int i = 0; i < n->verbs.n; i++)
        devices += n->verbs.list[i].err == VC_OK && n->verbs.list[i].rate == rate;
    return devices > 1 ? (n->npeers + devices - 1) / devices : n->npeers;
}

void doc_check_queue_pairs(const struct doc_node *n, struct doc_out *out)
{
    const struct vc_verbs_dev *dev = &n->verbs.dev;
    int peers = n->job - n->sharing, usual = usual_peers(n->job);
    if (!n->verbs.wanted || n->verbs.err != VC_OK || peers <= 0) {
        doc_say(out, DOC_OK, NULL, "no rank needs one");
        return;
    }
    if (usual > peers)
        usual = peers;
    int ranks = ranks_on_device(n), granted = dev->attr.max_qp / ranks;
    bool by_setting = n->most_open > 0 && (dev->attr.max_qp == 0 || n->most_open <= granted);
    if (by_setting && n->most_open < usual)
        doc_say(out, DOC_SLOW, "raise VCOLL_VERBS_PEERS, or unset it",
                "VCOLL_VERBS_PEERS=%d is less than the %d queue pairs of a rank that most algorithms use at "
                "once in a job of %d ranks",
                n->most_open, usual, n->job);
    else if (by_setting)
        doc_say(out, DOC_OK, NULL, "%d for each rank (VCOLL_VERBS_PEERS), of %d ranks on other nodes",
                n->most_open, peers);
    else if (dev->attr.max_qp == 0)
        doc_say(out, DOC_OK, NULL, "%s does not say how many it grants", dev->name);
    else if (granted < peers)
        doc_say(out, granted < usual ? DOC_SLOW : DOC_HINT, NULL,
                "%s grants %d queue pairs for %d rank%s here: too few for %s that exchange messages with all "
                "%d ranks on other nodes",
                dev->name, dev->attr.max_qp, ranks, ranks == 1 ? "" : "s",
                granted < usual ? "most algorithms, and for those" : "algorithms (alltoall)", peers);
    else
        doc_say(out, DOC_OK, NULL, "%s grants %d, %d are needed at most", dev->name, dev->attr.max_qp,
                ranks * peers);
}

/* ---- moderation ---- */

static const struct facts_suggestion *suggestion_for(const struct doc_node *n, const char *device)
{
    for (int i = 0; i < n->table.n; i++)
        if (n->table.suggestion[i].coalesce.has && strcmp(n->table.suggestion[i].device, device) == 0)
            return &n->table.suggestion[i];
    return NULL;
}

/* "ethtool -C DEV rx-usecs 0 adaptive-rx off" of the wanted values that are not there. "" when all are. */
static void ethtool_command(const char *netdev, const struct vc_coalesce *want, const struct vc_coalesce *now,
                            char *buf, size_t len)
{
    size_t used = 0;
    buf[0] = '\0';
    for (int i = 0; i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        if (!vc_coalesce_has(want, f) || (vc_coalesce_has(now, f) && now->value[f] == want->value[f]))
            continue;
        char value[16];
        snprintf(value, sizeof value, "%u", want->value[f]);
        int n = snprintf(buf + used, len - used, "%s%s %s %s", used ? "" : "ethtool -C ", used ? "" : netdev,
                         vc_coalesce_name(f),
                         !vc_coalesce_is_switch(f) ? value
                         : want->value[f]          ? "on"
                                                   : "off");
        if (n < 0 || (size_t)n >= len - used)
            return;
        used += (size_t)n;
    }
}

static void against_table(const struct doc_node *n, const struct doc_netdev *d,
                          const struct facts_suggestion *s, struct doc_out *out)
{
    char fix[512], is[256], should[256];
    ethtool_command(d->name, &s->coalesce, &d->now, fix, sizeof fix);
    vc_coalesce_text(&d->now, is, sizeof is);
    vc_coalesce_text(&s->coalesce, should, sizeof should);
    if (!fix[0])
        doc_say(out, DOC_OK, NULL, "%s is as the tuning table wants it: %s", d->name, should);
    else
        doc_say(out, s->when[0] ? DOC_HINT : DOC_SLOW, fix,
                "%s (%s) has %s; the tuning table %s suggests %s%s%s", d->name, d->rdma, is, n->table.name,
                should, s->when[0] ? " with " : "", s->when);
}

static uint32_t field_or_zero(const struct vc_coalesce *c, enum vc_coalesce_field f)
{
    return vc_coalesce_has(c, f) ? c->value[f] : 0;
}

static void against_habit(const struct doc_netdev *d, struct doc_out *out)
{
    struct vc_coalesce want = {0};
    char fix[512], is[256];
    bool adapts = field_or_zero(&d->now, VC_COALESCE_ADAPTIVE_RX) != 0;
    vc_coalesce_text(&d->now, is, sizeof is);
    if (!adapts && field_or_zero(&d->now, VC_COALESCE_RX_USECS) < LONG_USECS) {
        doc_say(out, DOC_OK, NULL, "%s: %s", d->name, is[0] ? is : "nothing reported");
        return;
    }
    if (adapts)
        vc_coalesce_put(&want, VC_COALESCE_ADAPTIVE_RX, 0);
    if (vc_coalesce_has(&d->now, VC_COALESCE_RX_USECS))
        vc_coalesce_put(&want, VC_COALESCE_RX_USECS, 0);
    ethtool_command(d->name, &want, &d->now, fix, sizeof fix);
    doc_say(out, DOC_HINT, fix, "%s%s%s holds interrupts back: %s", d->name,
            d->software ? ", which carries RDMA device " : "", d->software ? d->rdma : "", is);
}

void doc_check_moderation(const struct doc_node *n, struct doc_out *out)
{
    int looked = 0;
    for (int i = 0; i < n->nnetdevs; i++) {
        const struct doc_netdev *d = &n->netdev[i];
        const struct facts_suggestion *s = d->rdma[0] ? suggestion_for(n, d->rdma) : NULL;
        if (!d->reported || (!d->up && !s))
            continue;
        looked++;
        if (s)
            against_table(n, d, s, out);
        else
            against_habit(d, out);
    }
    if (looked == 0)
        doc_say(out, DOC_OK, NULL, "no interface tells its own");
}
