/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/doctor/comm.h"

#include "transport/verbs/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NEXT, PREV, WAYS }; /* the queue pair that sends, and the one that receives */
enum { BYTES = 64 };

/* What the two ends tell each other. */
struct path_card {
    int32_t ok;
    struct vc_rc_addr addr[WAYS];
    char host[DOC_HOST], device[64];
};

/* Why a way failed, as seen from one of its ends; "" it did not. */
struct path_words {
    char why[WAYS][96];
};

struct path {
    const struct doc_comm *c;
    const struct vc_params *params;
    struct doc_out out;
    struct doc_set ends;   /* ranks that stand for a node */
    int peer[WAYS];        /* ranks */
    struct vc_probe probe; /* the own end: a queue pair for each way */
    struct path_card mine, theirs[WAYS];
    int connected[WAYS];        /* as seen from here */
    int next[WAYS], prev[WAYS]; /* as seen from there */
    struct path_words mine_says, next_says, prev_says;
    bool lost; /* a neighbour did not answer: requests on this memory are still under way */
};

/* ---- which ranks ---- */

/* By rank 0's settings, so that all find the same. */
static void find_ends(struct path *w)
{
    const struct doc_card *p = &w->c->card[0];
    int share =
        !(p->channels & VC_CHAN_SHM) ? 1 : p->node_split; /* ranks of an OS that are one node; 0: all */
    int *seen = doc_alloc((size_t)w->c->nos, sizeof *seen);
    for (int r = 0; r < w->c->size; r++) {
        int at = seen[w->c->os_of[r]]++;
        if (share > 0 ? at % share == 0 : at == 0)
            doc_set_add(&w->ends, r);
    }
    free(seen);
}

/* ---- the own end ---- */

static bool make_end(struct path *w)
{
    struct vc_verbs_cfg verbs;
    /* About 70 ms for each of eight tries. */
    struct vc_probe_cfg cfg = {
        .verbs = &verbs, .timeout = 14, .retries = 7, .bytes = 4096, .qps = WAYS, .sends = 4, .recvs = 4};
    vc_params_verbs_cfg(w->params, &verbs);
    if (vc_probe_open(&cfg, &w->probe) == VC_OK)
        return true;
    if (w->probe.dev.ctx) /* otherwise told by other checks */
        doc_say(&w->out, DOC_BROKEN, "vcoll info shows limits; is locked memory too small (ulimit -l)?",
                "%s port %d was opened, but queue pairs or memory on it cannot be made: %s",
                w->probe.dev.name, w->probe.dev.port, strerror(errno));
    return false;
}

static void fill_card(struct path *w, bool ok)
{
    struct path_card *m = &w->mine;
    memset(m, 0, sizeof *m);
    gethostname(m->host, sizeof m->host - 1);
    m->ok = ok;
    if (!ok)
        return;
    for (int way = 0; way < WAYS; way++)
        m->addr[way] = vc_probe_addr(&w->probe, way);
    snprintf(m->device, sizeof m->device, "%s", w->probe.dev.name);
}

/* ---- both ends ---- */

/* Sends both neighbours the same, and receives theirs. What one sends forward, the other gets from behind. */
static bool exchange_words(struct path *w, const void *mine, void *next, void *prev, size_t bytes)
{
    MPI_Request req[2 * WAYS];
    int n = (int)bytes, forward = DOC_TAG_PATH, back = DOC_TAG_PATH + 1;
    for (int i = 0; i < 2 * WAYS; i++)
        req[i] = MPI_REQUEST_NULL;
    MPI_Irecv(next, n, MPI_BYTE, w->peer[NEXT], back, MPI_COMM_WORLD, &req[0]);
    MPI_Irecv(prev, n, MPI_BYTE, w->peer[PREV], forward, MPI_COMM_WORLD, &req[1]);
    MPI_Isend(mine, n, MPI_BYTE, w->peer[NEXT], forward, MPI_COMM_WORLD, &req[2]);
    MPI_Isend(mine, n, MPI_BYTE, w->peer[PREV], back, MPI_COMM_WORLD, &req[3]);
    w->lost = !doc_finish(req, 2 * WAYS, doc_now() + w->c->patience);
    return !w->lost;
}

static void note_failure(struct path *w, int way, const char *what, const char *detail)
{
    char *why = w->mine_says.why[way];
    if (!why[0])
        snprintf(why, sizeof w->mine_says.why[way], "%s%s%s", what, detail[0] ? ": " : "", detail);
}

/* A finding about a way, by the end that receives. */
static void report_way(struct path *w)
{
    struct doc_set both = {0};
    const struct path_card *from = &w->theirs[PREV];
    const char *here = w->mine_says.why[PREV], *there = w->prev_says.why[NEXT];
    if (!here[0] && !there[0])
        return;
    doc_set_add(&both, w->c->rank);
    doc_set_add(&both, w->peer[PREV]);
    doc_say_of(&w->out, DOC_BROKEN, &both, NULL, "from rank %d (%s, %s) to rank %d (%s, %s): %s%s%s%s",
               w->peer[PREV], from->host, from->device, w->c->rank, w->mine.host, w->mine.device,
               here[0] ? here : there, here[0] && there[0] ? " (sender: " : "", here[0] ? there : "",
               here[0] && there[0] ? ")" : "");
    doc_set_free(&both);
}

static void connect_way(struct path *w, int way)
{
    const struct vc_rc_addr *peer = &w->theirs[way].addr[way == NEXT ? PREV : NEXT];
    if (!w->mine.ok || !w->theirs[way].ok || peer->port.roce != w->mine.addr[way].port.roce)
        return; /* told by check device */
    int rc = vc_probe_connect(&w->probe, way, peer);
    w->connected[way] = rc == 0;
    if (rc != 0)
        note_failure(w, way, "the queue pair cannot be connected", strerror(rc));
}

/* Whether the one completion of a way is still to come. */
static bool still_waits(struct path *w, int way)
{
    struct ibv_wc wc;
    const struct vc_probe_qp *end = &w->probe.end[way];
    int n = ibv_poll_cq(way == NEXT ? end->send_cq : end->recv_cq, 1, &wc);
    if (n == 0 || (n > 0 && wc.status == IBV_WC_SUCCESS))
        return n == 0;
    note_failure(w, way, n < 0 ? "ibv_poll_cq failed" : "the message failed",
                 n < 0 ? "" : vc_ibv.wc_status_str(wc.status));
    return false;
}

static void exchange_messages(struct path *w)
{
    struct ibv_sge from = {(uintptr_t)w->probe.mem + 1024, BYTES, w->probe.mr ? w->probe.mr->lkey : 0};
    struct ibv_send_wr send = {.sg_list = &from,
                               .num_sge = 1,
                               .opcode = IBV_WR_SEND,
                               .send_flags = IBV_SEND_SIGNALED},
                       *bad;
    bool waits[WAYS];
    waits[NEXT] = w->connected[NEXT] && w->next[PREV];
    waits[PREV] = w->connected[PREV] && w->prev[NEXT];
    if (waits[NEXT] && ibv_post_send(w->probe.end[NEXT].qp, &send, &bad) != 0) {
        note_failure(w, NEXT, "ibv_post_send failed", "");
        waits[NEXT] = false;
    }
    for (double until = doc_now() + DOC_PATH_SECONDS; (waits[NEXT] || waits[PREV]) && doc_now() < until;
         usleep(200))
        for (int way = 0; way < WAYS; way++)
            waits[way] = waits[way] && still_waits(w, way);
    /* A sender that has no answer yet knows nothing; the receiver does. */
    if (waits[PREV]) {
        char text[96];
        snprintf(text, sizeof text, "no message arrived within %g s", DOC_PATH_SECONDS);
        note_failure(w, PREV, text, "");
    }
}

/* ---- */

static void try_round(struct path *w, int shift)
{
    int me = 0, n = w->ends.n;
    while (w->ends.v[me] != w->c->rank)
        me++;
    w->peer[NEXT] = w->ends.v[(me + shift) % n];
    w->peer[PREV] = w->ends.v[(me - shift + n) % n];
    memset(w->connected, 0, sizeof w->connected);
    memset(&w->mine_says, 0, sizeof w->mine_says);
    fill_card(w, make_end(w));
    if (!exchange_words(w, &w->mine, &w->theirs[NEXT], &w->theirs[PREV], sizeof w->mine))
        return;
    for (int way = 0; way < WAYS; way++)
        connect_way(w, way);
    /* A receive is there before anybody hears that one may send. */
    if (w->connected[PREV] && vc_probe_recv(&w->probe, PREV, 0, 0, BYTES) != 0) {
        note_failure(w, PREV, "ibv_post_recv failed", "");
        w->connected[PREV] = false;
    }
    if (!exchange_words(w, w->connected, w->next, w->prev, sizeof w->connected))
        return;
    exchange_messages(w);
    /* Also: nobody takes its queue pair away while a message to it may be on its way. */
    if (!exchange_words(w, &w->mine_says, &w->next_says, &w->prev_says, sizeof w->mine_says))
        return;
    report_way(w);
    vc_probe_close(&w->probe);
}

/* The same on all ranks, another one each time: where rank 0's nonce comes from. */
static int random_shift(const struct doc_comm *c, int n)
{
    return 2 + (int)(c->card[0].nonce / 1024 % (uint64_t)(n - 3));
}

static void try_rounds(struct path *w)
{
    int before = w->out.to->n, n = w->ends.n;
    try_round(w, 1);
    bool any = w->mine.ok != 0;
    if (n > 3 && !w->lost)
        try_round(w, random_shift(w->c, n));
    if (w->lost)
        doc_say(&w->out, DOC_BROKEN, "look at the neighbouring nodes of this rank",
                "a neighbour did not answer within %g s when paths were tried", w->c->patience);
    else if (w->out.to->n == before && !any)
        doc_say(&w->out, DOC_OK, NULL, "no RDMA device to send over");
    else if (w->out.to->n == before)
        doc_say(&w->out, DOC_OK, NULL, "%d nodes, each reaches the next%s", n,
                n > 3 ? " and a random one" : "");
}

void doc_path_try(const struct doc_comm *c, const struct vc_params *p, struct doc_findings *to)
{
    struct doc_set me = {0};
    struct path *w = doc_alloc(1, sizeof *w);
    w->c = c;
    w->params = p;
    doc_set_add(&me, c->rank);
    w->out = (struct doc_out){to, doc_check_by_id("rdma-path"), &me};
    find_ends(w);
    bool wanted = (c->card[0].channels & VC_CHAN_VERBS) != 0, several = w->ends.n > 1;
    if (!doc_wanted(w->out.check))
        wanted = false;
    else if (!wanted || !several)
        doc_say(&w->out, DOC_OK, NULL,
                !wanted ? "not wanted: VCOLL_CHANNELS has no verbs" : "one node alone");
    if (wanted && several && doc_set_has(&w->ends, c->rank))
        try_rounds(w);
    doc_set_free(&me);
    if (w->lost)
        return; /* the memory stays, because requests on it are under way */
    doc_set_free(&w->ends);
    free(w);
}
