/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes from other processes to the verbs channel: their addresses in the table, their hellos and
 * notes on the boot channel, headers and payloads of messages, immediate data. The input is a list of steps;
 * a bad peer may spoil messages and fail channels, but nothing outside the buffers is read or written, no
 * buffer gets lost, and everything can be taken down.
 */
#include "tests/fuzz/fuzz_verbs.h"

#include "transport/verbs/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "not true: %s\n", #cond);                                                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { PROCS = 4, CHANS = 2, REQS = 24, BOOTS = 64, SLOT = 512, STEPS = 200, MOST = 1 << 16 };
_Static_assert(sizeof(struct conn_hello) != sizeof(struct conn_note), "told apart by their length");

/* ---- the input ---- */

static const uint8_t *at, *end;

static uint8_t byte(void)
{
    return at < end ? *at++ : 0;
}

static uint32_t number(void)
{
    uint32_t n = byte();
    return n | (uint32_t)byte() << 8;
}

static void bytes(void *out, size_t len)
{
    size_t n = (size_t)(end - at) < len ? (size_t)(end - at) : len;
    memset(out, 0, len);
    memcpy(out, at, n);
    at += n;
}

/* ---- the boot channel: receives are answered by steps ---- */

static struct {
    struct vc_chan chan;
    struct {
        int peer;
        void *buf;
        size_t len;
        struct vc_chan_req *r;
    } recv[BOOTS];
    int n;
} boot;

static int boot_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    (void)ch, (void)peer, (void)buf, (void)len;
    r->done = true;
    return VC_OK;
}

static int boot_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    (void)ch;
    r->done = false;
    if (boot.n == BOOTS || len > MOST)
        return vc_fail(VC_ERR_NOMEM, "enough");
    boot.recv[boot.n].peer = peer;
    boot.recv[boot.n].buf = buf;
    boot.recv[boot.n].len = len;
    boot.recv[boot.n++].r = r;
    return VC_OK;
}

static int boot_progress(struct vc_chan *ch)
{
    (void)ch;
    return 0;
}

static void boot_destroy(struct vc_chan *ch)
{
    (void)ch;
}

static const struct vc_chan_ops boot_ops = {.name = "boot",
                                            .isend = boot_isend,
                                            .irecv = boot_irecv,
                                            .progress = boot_progress,
                                            .destroy = boot_destroy};

/* Answers the oldest receive from a peer. With `good`, what a sane peer says is changed in one place. */
static void boot_answer(int peer, bool good)
{
    for (int i = 0; i < boot.n; i++) {
        if (boot.recv[i].peer != peer)
            continue;
        struct conn_hello hello = {
            .addr = {.port = {.mtu = IBV_MTU_1024, .roce = 1}, .qpn = 1, .psn = 2}, .rkey = 3, .ok = 1};
        struct conn_note note = {.type = 1 + byte() % 9, .len = number() % 1000};
        size_t len = boot.recv[i].len;
        if (good && (len == sizeof hello || len == sizeof note)) {
            memcpy(boot.recv[i].buf, len == sizeof hello ? (void *)&hello : (void *)&note, len);
            size_t where = number();
            if (where < boot.recv[i].len)
                ((uint8_t *)boot.recv[i].buf)[where] = byte();
        } else {
            bytes(boot.recv[i].buf, boot.recv[i].len);
        }
        boot.recv[i].r->done = true;
        boot.n--;
        memmove(&boot.recv[i], &boot.recv[i + 1], (size_t)(boot.n - i) * sizeof boot.recv[0]);
        return;
    }
}

/* ---- the process under test ---- */

static struct vc_verbs *v;
static struct vc_chan *chan[CHANS];
static struct {
    struct vc_chan_req r;
    void *buf; /* NULL: free */
} req[REQS];

static void post(bool send)
{
    struct vc_chan *ch = chan[byte() % CHANS];
    int peer = byte() % PROCS;
    size_t len = number() % 3000;
    for (int i = 0; i < REQS; i++) {
        if (req[i].buf && req[i].r.done) {
            free(req[i].buf);
            req[i].buf = NULL;
        }
        if (req[i].buf)
            continue;
        req[i].buf = calloc(1, len + 1); /* so that a byte too much shows */
        MUST(req[i].buf);
        int err = send ? ch->ops->isend(ch, peer, req[i].buf, len, &req[i].r)
                       : ch->ops->irecv(ch, peer, req[i].buf, len, &req[i].r);
        if (err != VC_OK)
            req[i].r.done = true;
        return;
    }
}

/* A message: raw, or with a header that gets past the first checks. */
static void message(bool raw)
{
    uint8_t m[SLOT + 64];
    uint32_t qpn = byte();
    size_t len;
    if (raw) {
        len = number() % sizeof m;
        bytes(m, len);
    } else {
        struct msg_hdr h = {.id = 1 + byte() % (CHANS + 1)};
        h.rank = byte() % (PROCS + 2);
        h.credits = byte();
        h.type = byte() % 6;
        h.flags = byte() % 2;
        size_t payload = number() % (sizeof m - sizeof h);
        memcpy(m, &h, sizeof h);
        bytes(m + sizeof h, payload);
        len = sizeof h + payload;
    }
    fuzz_device_message(qpn, m, len);
}

static void invariants(void)
{
    MUST(v->nfree_send >= 0 && v->nfree_send <= v->size.nsend);
    MUST(v->nfree_recv >= 0 && v->nfree_recv <= v->size.nrecv);
    MUST(v->bulk_waiters >= 0 && v->signaled >= 0);
    for (int i = 0; i < v->nfree_send; i++)
        MUST(v->free_send[i] >= v->size.nrecv && v->free_send[i] < v->size.nrecv + v->size.nsend);
    for (int i = 0; i < v->nfree_recv; i++)
        MUST(v->free_recv[i] >= 0 && v->free_recv[i] < v->size.nrecv);
    for (int i = 0; i < PROCS; i++)
        MUST(!v->ep[i] || v->ep[i]->head - v->ep[i]->tail <= v->ep[i]->depth);
}

static void step(void)
{
    uint8_t what = byte();
    switch (what % 12) {
    case 0:
    case 1:
        post(what & 16);
        break;
    case 2:
    case 3:
        message(what & 16);
        break;
    case 4:
        fuzz_device_write(byte(), number() | (uint32_t)byte() << 24);
        break;
    case 5:
        boot_answer(byte() % PROCS, false);
        break;
    case 6:
    case 7:
        boot_answer(byte() % PROCS, true);
        break;
    case 8:
        v->src.check(&v->src);
        break;
    case 9:
        if (what & 16)
            fuzz_device_event((enum ibv_event_type)(byte() % 20));
        else if (what & 128)
            fuzz_device_fail(byte(), (enum ibv_wc_status)(1 + byte() % 20));
        break;
    default:
        chan[what & 1]->ops->progress(chan[what & 1]);
        break;
    }
    invariants();
}

/* The table of addresses: what a sane process says, with some bytes changed. */
static bool open_channels(const struct vc_verbs *own)
{
    struct vc_verbs_address all[PROCS];
    static const int procs[PROCS] = {0, 2, 1, 3};
    for (int i = 0; i < PROCS; i++)
        vc_verbs_address(own, &all[i]);
    for (int n = byte() % 4; n > 0; n--) {
        size_t where = byte();
        all[1].zcopy = 1;
        if (where < sizeof all[2])
            ((uint8_t *)&all[2])[where] = byte();
    }
    boot.chan = (struct vc_chan){.ops = &boot_ops, .size = PROCS};
    boot.n = 0;
    if (vc_verbs_peers(v, all, NULL, PROCS, 0, &boot.chan) != VC_OK)
        return false;
    for (int i = 0; i < CHANS; i++) {
        struct vc_verbs_chan_cfg cfg = {.verbs = v, .id = (uint64_t)i + 1, .size = PROCS, .procs = procs};
        MUST(vc_verbs_chan_create(&cfg, &chan[i]) == VC_OK);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vc_verbs_cfg cfg = {.want = {.gid_index = -1},
                               .slot = SLOT,
                               .credits = 4,
                               .zcopy_min = 1024,
                               .inline_bytes = -1,
                               .timeout_s = 1,
                               .peers = PROCS - 1};
    at = data;
    end = data + size;
    uint8_t how = byte();
    fuzz_device_reset(how & 1, how & 2 ? 0 : 64);
    MUST(vc_verbs_create(&cfg, &v) == VC_OK);
    if (open_channels(v)) {
        for (int i = 0; i < STEPS && at < end; i++)
            step();
        for (int i = 0; i < CHANS; i++)
            chan[i]->ops->destroy(chan[i]);
    }
    vc_verbs_destroy(v);
    MUST(fuzz_device_alive() == 0);
    for (int i = 0; i < REQS; i++) {
        free(req[i].buf);
        req[i].buf = NULL;
    }
    return 0;
}
