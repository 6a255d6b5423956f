/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether messages get from one process to another: first the addresses of the two ports are compared, then a
 * message is sent. Active ports with matching addresses prove nothing, because partitions, networks and
 * filters lie between them.
 */
#include "transport/verbs/async.h"
#include "transport/verbs/conn.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/notes.h"
#include "transport/verbs/sendq.h"
#include "transport/verbs/turn.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The device repeats a message that is not acknowledged. A path that needs longer than this cannot be used.
 */
#define PROOF_NS 2000000000u
/* For the exchange of queue pair numbers over the underlying MPI. All ranks take part in it at this time, so
 * this is long enough even on a crowded machine. */
#define MEET_NS 10000000000u

/* ---- addresses ---- */

static bool is_v4(const uint8_t *gid)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(gid, mapped, sizeof mapped) == 0;
}

static const char *gid_kind(const struct vc_rc_port *c)
{
    return !c->roce ? "InfiniBand" : c->gid_type != IBV_GID_TYPE_ROCE_V2 ? "RoCE v1" : "RoCE v2";
}

static const char *gid_text(const struct vc_rc_port *c, char *buf, size_t len)
{
    union ibv_gid gid;
    memcpy(gid.raw, c->gid, sizeof gid.raw);
    return vc_verbs_gid_text(&gid, buf, len);
}

static int gids_match(const struct vc_verbs_address *all, int a, int b)
{
    const struct vc_rc_port *x = &all[a].port, *y = &all[b].port;
    char at[40], bt[40];
    if (x->gid_type != y->gid_type)
        return vc_fail(VC_ERR_INVAL,
                       "the GIDs of processes %d and %d are of different kinds, %s and %s: give both an IP "
                       "address, or set VCOLL_VERBS_GID_INDEX",
                       a, b, gid_kind(x), gid_kind(y));
    if (x->gid_type == IBV_GID_TYPE_ROCE_V2 && is_v4(x->gid) != is_v4(y->gid))
        return vc_fail(VC_ERR_INVAL,
                       "the GIDs of processes %d and %d are of different families, %s and %s: give both an "
                       "IPv4 address, or set VCOLL_VERBS_GID_INDEX",
                       a, b, gid_text(x, at, sizeof at), gid_text(y, bt, sizeof bt));
    return VC_OK;
}

static int subnets_match(const struct vc_verbs_address *all, int a, int b)
{
    static const uint8_t unknown[8];
    const struct vc_rc_port *x = &all[a].port, *y = &all[b].port;
    bool routed = x->has_gid && y->has_gid;
    if (routed || memcmp(x->subnet, y->subnet, sizeof x->subnet) == 0 ||
        memcmp(x->subnet, unknown, sizeof unknown) == 0 || memcmp(y->subnet, unknown, sizeof unknown) == 0)
        return VC_OK;
    return vc_fail(VC_ERR_INVAL,
                   "processes %d and %d are in different InfiniBand subnets (GID prefixes "
                   "%02x%02x%02x%02x%02x%02x%02x%02x and %02x%02x%02x%02x%02x%02x%02x%02x): with a router "
                   "between them, set VCOLL_VERBS_GID_INDEX=0",
                   a, b, x->subnet[0], x->subnet[1], x->subnet[2], x->subnet[3], x->subnet[4], x->subnet[5],
                   x->subnet[6], x->subnet[7], y->subnet[0], y->subnet[1], y->subnet[2], y->subnet[3],
                   y->subnet[4], y->subnet[5], y->subnet[6], y->subnet[7]);
}

int vc_verbs_addresses_match(const struct vc_verbs_address *all, int a, int b)
{
    const struct vc_rc_port *x = &all[a].port, *y = &all[b].port;
    if (x->roce != y->roce)
        return vc_fail(VC_ERR_INVAL, "process %d has a device on %s and process %d one on %s", a,
                       x->roce ? "Ethernet" : "InfiniBand", b, y->roce ? "Ethernet" : "InfiniBand");
    if (all[a].slot_bytes != all[b].slot_bytes)
        return vc_fail(VC_ERR_INVAL, "processes %d and %d have buffers of different sizes", a, b);
    if (((x->pkey ^ y->pkey) & 0x7fff) != 0)
        return vc_fail(VC_ERR_INVAL,
                       "processes %d and %d are in different partitions, P_Keys 0x%04x and 0x%04x: set "
                       "VCOLL_VERBS_PKEY to one that both ports have",
                       a, b, x->pkey, y->pkey);
    return x->roce ? gids_match(all, a, b) : subnets_match(all, a, b);
}

/* ---- messages ---- */

static int no_message(const struct ep *e, const char *what)
{
    const struct vc_verbs *v = e->v;
    const struct vc_rc_port *c = &e->hello_in.addr.port;
    char from[40], to[40];
    if (e->local_error)
        return vc_fail(VC_ERR_PEER, "process %d cannot send over %s (%s): " INLINE_ADVICE, v->me, v->dev.name,
                       what);
    if (c->roce)
        return vc_fail(VC_ERR_PEER,
                       "no message gets from process %d to process %d (%s, %s, %s to %s: %s): UDP port 4791 "
                       "filtered, ports in different networks (VCOLL_VERBS_DEVICE), or a switch whose MTU is "
                       "too small?",
                       v->me, e->proc, v->dev.name, gid_kind(c),
                       vc_verbs_gid_text(&v->dev.gid, from, sizeof from), gid_text(c, to, sizeof to), what);
    return vc_fail(
        VC_ERR_PEER,
        "no message gets from process %d to process %d (%s, LID %u to %u, P_Key 0x%04x: %s): ports "
        "in different fabrics (VCOLL_VERBS_DEVICE), or partitions (VCOLL_VERBS_PKEY)?",
        v->me, e->proc, v->dev.name, v->dev.lid, c->lid, v->dev.pkey, what);
}

/* One step for one process. VC_OK: proven, 1: not yet; or an error. */
static int prove_one(struct vc_verbs *v, int proc, uint64_t begun)
{
    struct ep *e = vc_ep_get(v, proc);
    uint64_t now = vc_now_ns();
    if (!e)
        return VC_ERR_NOMEM;
    if (e->proven && e->state != EP_FAILED)
        return VC_OK; /* also where the boot channel carries its messages meanwhile */
    if (e->state == EP_LOST || (e->idle.closed && e->state == EP_SWITCHING))
        return 1; /* the peer does not know it yet */
    if (e->idle.closed && e->state != EP_FAILED)
        return VC_OK; /* one end had no queue pair left: the path is proven when it gets one */
    if (e->state > EP_LOST && e->t_proof != 0)
        return no_message(e, e->why);
    if (e->state > EP_LOST)
        return vc_fail(VC_ERR_PEER, "process %d cannot reach process %d: %s", v->me, proc, e->why);
    if (e->state != EP_READY && now - begun > MEET_NS) {
        vc_ep_gone(e, "no connection within 10 s");
        return vc_fail(VC_ERR_PEER, "processes %d and %d did not connect within 10 s", v->me, proc);
    }
    if (e->state == EP_READY && e->t_proof == 0)
        vc_ep_send_proof(e);
    else if (e->state == EP_READY && now > e->t_proof + PROOF_NS)
        vc_ep_lose(e, "not acknowledged within 2 s");
    return 1;
}

/* One step for all. Returns how many are not decided yet; *first: the text of the first error. */
static int prove_step(struct vc_verbs *v, const int *procs, int n, uint64_t begun, int *err, char *first,
                      size_t len)
{
    int left = 0;
    for (int i = 0; i < n; i++) {
        int rc = prove_one(v, procs[i], begun);
        left += rc > 0;
        if (rc < 0 && *err == VC_OK) {
            *err = rc;
            snprintf(first, len, "%s", vc_error_text());
        }
    }
    return left;
}

int vc_verbs_prove(struct vc_verbs *v, const int *procs, int n)
{
    uint64_t begun = vc_now_ns();
    char first[512] = "";
    int err = VC_OK, left, work;
    do {
        verbs_lock(v);
        v->proving = true;
        if (!v->failed)
            vc_verbs_read_async(v);
        vc_notes_poll(v);
        work = vc_verbs_progress(v);
        if (work >= 0)
            work += vc_sendq_poll(v);
        /* After an error the other paths are still tried to the end: their peers do the same. */
        left = work < 0 ? 0 : prove_step(v, procs, n, begun, &err, first, sizeof first);
        v->proving = false;
        verbs_unlock(v);
        if (work < 0 && err == VC_OK)
            return vc_fail(work, "%s", v->boot_why);
        if (left > 0 && work == 0)
            usleep(20);
    } while (left > 0);
    return err == VC_OK ? VC_OK : vc_fail(err, "%s", first);
}

bool vc_verbs_proven(struct vc_verbs *v, int proc)
{
    verbs_lock(v);
    bool yes =
        v->ep[proc] && (v->ep[proc]->proven || v->ep[proc]->idle.closed) && v->ep[proc]->state != EP_FAILED;
    verbs_unlock(v);
    return yes;
}
