/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of work requests wrap around after 2^32: two ranks begin shortly before that and exchange messages,
 * over devices whose queues have no power of two of entries, too, and with a queue pair that fails there.
 * Every message arrives, once, with the right bytes and in order, and no buffer is lost or freed twice.
 */
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/verbs_rig.h"
#include "transport/verbs/conn.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 12, MSGS = 12, BYTES = 100, WAIT_S = 30, BOUND_S = 60 };

static const struct kind {
    const char *name, *dev;
    const char *fault; /* injected at rank 0 */
    uint32_t before;   /* so many numbers are left */
} kinds[] = {
    {"buffers", "max_inline=0", NULL, 5},
    {"buffers, 51 entries", "max_qp_wr=51,max_inline=0", NULL, 5},
    {"buffers, 100 entries", "max_qp_wr=100,max_inline=0", NULL, 50},
    {"inline, the queue pair fails", "", "qperr@9", 5},
    {"inline, 51 entries, the queue pair fails", "max_qp_wr=51", "qperr@9", 5},
    {"buffers, 51 entries, the queue pair fails", "max_qp_wr=51,max_inline=0", "qperr@7", 5},
};

struct trial {
    const struct kind *kind;
    struct hs_node node;
    struct shared {
        struct vc_verbs_address address[2];
        struct vc_verbs_stats stats[2];
        _Atomic int done;
    } * shared;
};

/* As if all but a few messages had been exchanged already. */
static void begin_at(struct ep *e, uint32_t before)
{
    uint32_t first = 0 - before;
    e->head = e->tail = first;
    e->got_seq = e->acked_seq = first - 1;
}

static void exchange(struct vc_chan *ch, int me, unsigned round)
{
    static unsigned char out[MSGS][BYTES], in[MSGS][BYTES];
    struct vc_chan_req req[2 * MSGS];
    struct cf_env e = {.ch = ch};
    int n = 0;
    for (unsigned k = 0; k < MSGS; k++) {
        memset(in[k], 0xee, BYTES);
        cf_fill(out[k], BYTES, me, 1 - me, round * MSGS + k);
        if (ch->ops->irecv(ch, 1 - me, in[k], BYTES, &req[n++]) != VC_OK ||
            ch->ops->isend(ch, 1 - me, out[k], BYTES, &req[n++]) != VC_OK)
            vr_bad(me, "post");
    }
    vr_wait(VC_WAIT_AUTO, ch, req, n, me, WAIT_S);
    for (unsigned k = 0; k < MSGS; k++)
        cf_verify(&e, in[k], BYTES, 1 - me, me, round * MSGS + k);
}

/* When all has arrived, each buffer is free once. The other rank may need this one's turns for that. */
static void check_buffers(struct shared *s, struct vc_verbs *v, struct vc_chan *ch, int me)
{
    uint64_t begun = vc_now_ns();
    for (bool counted = false; s->done < 2;) {
        if (!counted && v->nfree_send == v->size.nsend) {
            s->done++;
            counted = true;
        }
        if (ch->ops->progress(ch) < 0 || vc_now_ns() - begun > WAIT_S * 1000000000ull)
            vr_bad(me, counted ? "the other rank does not end" : "buffers were lost");
    }
    for (int i = 0; i < v->nfree_send; i++)
        for (int k = 0; k < i; k++)
            if (v->free_send[i] == v->free_send[k])
                vr_bad(me, "a buffer was freed twice");
}

static int trial_rank(int me, void *arg)
{
    const struct trial *t = arg;
    struct hs_rank hr;
    hs_join(&t->node, me, &hr);
    vc_log_setup(VC_LOG_ERROR, me);
    struct vc_verbs_cfg cfg = {.timeout_s = 2};
    struct vc_verbs *v = vr_verbs(cfg, t->kind->dev, t->shared->address, &hr, 2, me);
    struct vc_chan *ch = vr_chan(v, 2, me, 7);
    struct ep *e = vc_ep_get(v, 1 - me);
    if (!e)
        vr_bad(me, "connection");
    begin_at(e, t->kind->before);
    hs_meet(hr.start, 2);
    if (me == 0 && t->kind->fault)
        vr_inject(t->kind->fault);
    for (unsigned round = 0; round < ROUNDS; round++)
        exchange(ch, me, round);
    if (e->head > UINT32_MAX / 2)
        vr_bad(me, "no number wrapped around");
    check_buffers(t->shared, v, ch, me);
    t->shared->stats[me] = *vc_verbs_stats(v);
    hs_meet(hr.start, 2);
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    return 0;
}

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct trial t = {.kind = &kinds[i]};
        vr_where = t.kind->name;
        t.node = hs_node_make(2, 1 << 16, 0);
        t.shared = hs_shared(sizeof *t.shared);
        int rc = hs_fork(2, trial_rank, &t, BOUND_S);
        unsigned long long lost = t.shared->stats[0].lost;
        printf("%s: %s, %llu paths lost\n", t.kind->name, rc ? "FAIL" : "passed", lost);
        failed |= rc != 0 || (t.kind->fault != NULL) != (lost > 0);
        hs_unshare(t.shared, sizeof *t.shared);
        hs_node_free(&t.node);
    }
    return failed;
}
