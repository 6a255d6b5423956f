/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/conformance/conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local const char *current = "";

void cf_die(struct cf_env *e, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "conformance/%s: rank %d: %s\n", current, e->ch ? e->ch->rank : -1, text);
    fflush(stderr);
    if (e->die)
        e->die();
    _exit(1);
}

static unsigned char byte_at(int src, int dst, unsigned no, size_t i)
{
    uint64_t x = (uint64_t)(src + 1) * 0x9e3779b97f4a7c15ull + (uint64_t)(dst + 1) * 0xc2b2ae3d27d4eb4full +
                 (uint64_t)no * 0x165667b19e3779f9ull + i / 8;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ull;
    return (unsigned char)(x >> (8 * (i % 8)));
}

void cf_fill(void *buf, size_t len, int src, int dst, unsigned no)
{
    unsigned char *p = buf;
    for (size_t i = 0; i < len; i++)
        p[i] = byte_at(src, dst, no, i);
}

void cf_verify(struct cf_env *e, const void *buf, size_t len, int src, int dst, unsigned no)
{
    const unsigned char *p = buf;
    for (size_t i = 0; i < len; i++)
        if (p[i] != byte_at(src, dst, no, i))
            cf_die(e, "message %u of %zu bytes from %d to %d: byte %zu is wrong", no, len, src, dst, i);
}

static void *buffer(struct cf_env *e, size_t len)
{
    void *p = malloc(len ? len : 1);
    if (!p)
        cf_die(e, "out of memory");
    return p;
}

static void post_send(struct cf_env *e, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    if (e->ch->ops->isend(e->ch, peer, buf, len, r) != VC_OK)
        cf_die(e, "isend of %zu bytes to %d: %s", len, peer, vc_error_text());
}

static void post_recv(struct cf_env *e, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    if (e->ch->ops->irecv(e->ch, peer, buf, len, r) != VC_OK)
        cf_die(e, "irecv of %zu bytes from %d: %s", len, peer, vc_error_text());
}

static int progress(struct cf_env *e)
{
    int rc = e->ch->ops->progress(e->ch);
    if (rc < 0)
        cf_die(e, "progress: %s", vc_error_text());
    return rc;
}

void cf_wait(struct cf_env *e, struct vc_chan_req *reqs, int n)
{
    struct vc_waiter w;
    vc_wait_begin_src(&w, e->wait, e->parking, e->ch->src);
    for (int i = 0; i < n; i++) {
        while (!vc_req_done(&reqs[i])) {
            if (progress(e) > 0) {
                vc_wait_end(&w);
                vc_wait_begin_src(&w, e->wait, e->parking, e->ch->src);
            } else if (vc_wait_idle(&w, VC_WAIT_ANY) != VC_OK) {
                cf_die(e, "wait: %s", vc_error_text());
            }
        }
        if (reqs[i].err != VC_OK)
            cf_die(e, "request %d failed with %d", i, reqs[i].err);
    }
    vc_wait_end(&w);
}

void cf_barrier(struct cf_env *e)
{
    int n = e->ch->size, me = e->ch->rank;
    for (int d = 1; d < n; d *= 2) {
        struct vc_chan_req r[2];
        post_recv(e, (me - d + n) % n, NULL, 0, &r[0]);
        post_send(e, (me + d) % n, NULL, 0, &r[1]);
        cf_wait(e, r, 2);
    }
}

/** Lets time pass while the channel is driven, so that peers get ahead. */
static void dawdle(struct cf_env *e, unsigned us)
{
    uint64_t until = vc_now_ns() + us * 1000ull;
    while (vc_now_ns() < until) {
        progress(e);
        usleep(20);
    }
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/** Mostly small, sometimes across many cells. */
static size_t random_size(unsigned *state)
{
    static const size_t most[] = {1, 9, 49, 65, 300, 5000, 20000, 100001};
    return next_random(state) % most[next_random(state) % 8];
}

/* ---- the tests ---- */

static void zero_length(struct cf_env *e)
{
    int n = e->ch->size, me = e->ch->rank;
    struct vc_chan_req *r = buffer(e, sizeof *r * (size_t)n * 6);
    int k = 0;
    for (int p = 0; p < n; p++)
        for (int i = 0; i < 3; i++) {
            post_send(e, p, NULL, 0, &r[k++]);
            post_recv(e, (me + p) % n, NULL, 0, &r[k++]);
        }
    cf_wait(e, r, k);
    free(r);
}

static void one_size(struct cf_env *e, size_t len, unsigned no)
{
    int n = e->ch->size, me = e->ch->rank, to = (me + 1) % n, from = (me + n - 1) % n;
    char *out = buffer(e, len), *in = buffer(e, len + 2);
    struct vc_chan_req r[2];
    memset(in, 0x5a, len + 2);
    cf_fill(out, len, me, to, no);
    /* Both orders, and now and then one side clearly first. */
    if (no % 3 == 0) {
        post_recv(e, from, in + 1, len, &r[0]);
        if (no % 21 == 0 && me % 2)
            dawdle(e, 300);
        post_send(e, to, out, len, &r[1]);
    } else {
        post_send(e, to, out, len, &r[1]);
        if (no % 16 == 0 && me % 2)
            dawdle(e, 300);
        post_recv(e, from, in + 1, len, &r[0]);
    }
    cf_wait(e, r, 2);
    cf_verify(e, in + 1, len, from, me, no);
    if (in[0] != 0x5a || in[len + 1] != 0x5a)
        cf_die(e, "a message of %zu bytes wrote beside its buffer", len);
    free(out);
    free(in);
}

static void sizes(struct cf_env *e)
{
    unsigned no = 0, state = e->seed;
    for (size_t len = 0; len <= 130; len++)
        one_size(e, len, no++);
    for (size_t p = 256; p <= 65536; p *= 2)
        for (size_t d = 0; d < 3; d++)
            one_size(e, p - 1 + d, no++);
    for (size_t len = 8190; len < 8330; len += 13) /* around the largest cell */
        one_size(e, len, no++);
    for (int i = 0; i < 60; i++)
        one_size(e, next_random(&state) % 100001, no++);
}

static void ordering(struct cf_env *e)
{
    static const size_t lens[] = {8, 0, 100000, 48, 49, 1, 4096, 64, 30000, 0, 17};
    enum { N = 44 };
    int n = e->ch->size, me = e->ch->rank, to = (me + 1) % n, from = (me + n - 1) % n;
    struct vc_chan_req s[N], r[N];
    char *out[N], *in[N];
    for (unsigned i = 0; i < N; i++) {
        size_t len = lens[i % 11];
        out[i] = buffer(e, len);
        in[i] = buffer(e, len);
        cf_fill(out[i], len, me, to, i);
        post_send(e, to, out[i], len, &s[i]);
    }
    for (unsigned i = 0; i < N; i++)
        post_recv(e, from, in[i], lens[i % 11], &r[i]);
    /* They match in order, but a short one may well overtake the completion of a long one. */
    cf_wait(e, &r[N - 1], 1);
    cf_wait(e, r, N);
    cf_wait(e, s, N);
    for (unsigned i = 0; i < N; i++) {
        cf_verify(e, in[i], lens[i % 11], from, me, i);
        free(out[i]);
        free(in[i]);
    }
}

static void both_directions(struct cf_env *e)
{
    enum { N = 40 };
    int n = e->ch->size, me = e->ch->rank;
    size_t len = 3000, per = (size_t)n * N;
    char *out = buffer(e, per * len), *in = buffer(e, per * len);
    struct vc_chan_req *s = buffer(e, per * sizeof *s), *r = buffer(e, per * sizeof *r);
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < N; i++)
            for (int p = 0; p < n; p++) {
                size_t k = (size_t)p * N + i;
                if (pass == me % 2) {
                    cf_fill(out + k * len, len, me, p, i);
                    post_send(e, p, out + k * len, len, &s[k]);
                } else {
                    post_recv(e, p, in + k * len, len, &r[k]);
                }
            }
    }
    cf_wait(e, s, (int)per);
    cf_wait(e, r, (int)per);
    for (unsigned i = 0; i < N; i++)
        for (int p = 0; p < n; p++)
            cf_verify(e, in + ((size_t)p * N + i) * len, len, p, me, i);
    free(out);
    free(in);
    free(s);
    free(r);
}

/** Every pair, oneself included, random sizes that sender and receiver derive from the same seed. */
static void storm(struct cf_env *e)
{
    enum { WINDOW = 3, ROUNDS = 40 };
    int n = e->ch->size, me = e->ch->rank;
    size_t slots = (size_t)n * WINDOW, most = 100001;
    char *out = buffer(e, slots * most), *in = buffer(e, slots * most);
    size_t *outlen = buffer(e, slots * sizeof *outlen), *inlen = buffer(e, slots * sizeof *inlen);
    struct vc_chan_req *r = buffer(e, 2 * slots * sizeof *r);
    unsigned *to = buffer(e, (size_t)n * sizeof *to), *from = buffer(e, (size_t)n * sizeof *from);
    for (int p = 0; p < n; p++) {
        to[p] = e->seed * 77u + (unsigned)(me * 1000 + p);
        from[p] = e->seed * 77u + (unsigned)(p * 1000 + me);
    }
    unsigned mine = e->seed + (unsigned)me;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int k = 0;
        for (unsigned w = 0; w < WINDOW; w++)
            for (int d = 0; d < n; d++) {
                int p = (me + d) % n;
                size_t slot = (size_t)p * WINDOW + w;
                unsigned no = round * WINDOW + w;
                outlen[slot] = random_size(&to[p]);
                inlen[slot] = random_size(&from[p]);
                cf_fill(out + slot * most, outlen[slot], me, p, no);
                bool recv_first = next_random(&mine) % 2;
                if (recv_first)
                    post_recv(e, p, in + slot * most, inlen[slot], &r[k++]);
                post_send(e, p, out + slot * most, outlen[slot], &r[k++]);
                if (!recv_first)
                    post_recv(e, p, in + slot * most, inlen[slot], &r[k++]);
                if (next_random(&mine) % 8 == 0)
                    progress(e);
            }
        cf_wait(e, r, k);
        for (unsigned w = 0; w < WINDOW; w++)
            for (int p = 0; p < n; p++) {
                size_t slot = (size_t)p * WINDOW + w;
                cf_verify(e, in + slot * most, inlen[slot], p, me, round * WINDOW + w);
            }
    }
    free(out);
    free(in);
    free(outlen);
    free(inlen);
    free(r);
    free(to);
    free(from);
}

/* An operator that tells its operands, and the bytes of an element, apart. */
static void mix(const unsigned char *a, const unsigned char *b, unsigned char *out, size_t count,
                size_t esize)
{
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < esize; i++, a++, b++, out++)
            *out = (unsigned char)(3 * *a + 5 * *b + 7 * i);
}

#define MIX(esize)                                                                                           \
    static void mix_##esize(const void *a, const void *b, void *out, size_t count, void *ctx)                \
    {                                                                                                        \
        (void)ctx;                                                                                           \
        mix(a, b, out, count, esize);                                                                        \
    }
MIX(1)
MIX(8)
MIX(12)
MIX(32)

static const struct vc_chan_op mixes[] = {{mix_1, 1, false},  {mix_8, 8, false},   {mix_8, 8, true},
                                          {mix_12, 12, true}, {mix_32, 32, false}, {mix_32, 32, true}};

struct reducing {
    const struct vc_chan_op *op;
    size_t len;
    unsigned char *out, *buf, *scratch;
    struct vc_chan_req sent, got;
    bool by_channel;
};

/* Misaligned, with a byte before and behind that must stay. */
static void reduce_begin(struct cf_env *e, struct reducing *d, int from, unsigned no, bool plain)
{
    int me = e->ch->rank;
    d->buf = buffer(e, d->len + 2);
    d->scratch = buffer(e, d->len);
    memset(d->buf, 0x5a, d->len + 2);
    cf_fill(d->buf + 1, d->len, me, from, no + 1000);
    int rc = 1;
    if (e->ch->ops->irecv_reduce && !plain)
        rc = e->ch->ops->irecv_reduce(e->ch, from, d->buf + 1, d->len, d->op, d->scratch, &d->got);
    if (rc < 0)
        cf_die(e, "irecv_reduce of %zu bytes from %d: %s", d->len, from, vc_error_text());
    d->by_channel = rc == 0;
    if (!d->by_channel)
        post_recv(e, from, d->scratch, d->len, &d->got);
}

static void reduce_end(struct cf_env *e, struct reducing *d, int from, unsigned no)
{
    int me = e->ch->rank;
    size_t esize = d->op->esize;
    unsigned char *theirs = buffer(e, d->len), *mine = buffer(e, d->len);
    cf_fill(theirs, d->len, from, me, no);
    cf_fill(mine, d->len, me, from, no + 1000);
    if (!d->by_channel) {
        cf_verify(e, d->scratch, d->len, from, me, no);
    } else {
        mix(d->op->buf_left ? mine : theirs, d->op->buf_left ? theirs : mine, mine, d->len / esize, esize);
        for (size_t i = 0; i < d->len; i++)
            if (d->buf[i + 1] != mine[i])
                cf_die(e, "message %u of %zu bytes, elements of %zu: byte %zu is reduced wrongly", no, d->len,
                       esize, i);
    }
    if (d->buf[0] != 0x5a || d->buf[d->len + 1] != 0x5a)
        cf_die(e, "reducing a message of %zu bytes wrote beside its buffer", d->len);
    free(theirs);
    free(mine);
    free(d->buf);
    free(d->scratch);
    free(d->out);
}

/** Receives that reduce, mixed with others, early and late; where the channel has them. */
static void reductions(struct cf_env *e)
{
    static const size_t counts[] = {0, 1, 2, 5, 37, 333, 1001, 9000};
    enum { N = sizeof counts / sizeof counts[0], OPS = sizeof mixes / sizeof mixes[0] };
    int n = e->ch->size, me = e->ch->rank, to = (me + 1) % n, from = (me + n - 1) % n;
    int by_channel = 0;
    for (unsigned o = 0; o < OPS; o++)
        for (unsigned late = 0; late < 2; late++) {
            struct reducing d[N];
            for (unsigned i = 0; i < N; i++) {
                d[i].op = &mixes[o];
                d[i].len = counts[(i + o) % N] * mixes[o].esize;
                d[i].out = buffer(e, d[i].len);
                cf_fill(d[i].out, d[i].len, me, to, o * N + i);
            }
            for (unsigned i = 0; i < N && late; i++)
                post_send(e, to, d[i].out, d[i].len, &d[i].sent);
            if (late)
                dawdle(e, 200);
            for (unsigned i = 0; i < N; i++) {
                reduce_begin(e, &d[i], from, o * N + i, i % 4 == 3);
                by_channel += d[i].by_channel;
            }
            for (unsigned i = 0; i < N && !late; i++)
                post_send(e, to, d[i].out, d[i].len, &d[i].sent);
            for (unsigned i = 0; i < N; i++) {
                cf_wait(e, &d[i].sent, 1);
                cf_wait(e, &d[i].got, 1);
                reduce_end(e, &d[i], from, o * N + i);
            }
        }
    if (e->reduces && n > 1 && by_channel == 0)
        cf_die(e, "the channel reduced nothing");
}

static void to_oneself(struct cf_env *e)
{
    int me = e->ch->rank;
    static const size_t lens[] = {0, 1, 48, 9000, 300000};
    for (unsigned i = 0; i < 10; i++) {
        size_t len = lens[i % 5];
        char *out = buffer(e, len), *in = buffer(e, len);
        struct vc_chan_req r[2];
        cf_fill(out, len, me, me, i);
        if (i < 5)
            post_send(e, me, out, len, &r[0]);
        post_recv(e, me, in, len, &r[1]);
        if (i >= 5)
            post_send(e, me, out, len, &r[0]);
        cf_wait(e, r, 2);
        cf_verify(e, in, len, me, me, i);
        free(out);
        free(in);
    }
}

/** Everybody floods rank 0, which looks away for a while; meanwhile nobody blocks. */
static void backpressure(struct cf_env *e)
{
    enum { N = 300 };
    int n = e->ch->size, me = e->ch->rank;
    size_t len = 700;
    if (me != 0) {
        char *out = buffer(e, N * len);
        struct vc_chan_req *r = buffer(e, N * sizeof *r);
        for (unsigned i = 0; i < N; i++) {
            cf_fill(out + i * len, len, me, 0, i);
            post_send(e, 0, out + i * len, len, &r[i]);
        }
        cf_wait(e, r, N);
        free(out);
        free(r);
        return;
    }
    usleep(20000);
    char *in = buffer(e, len);
    for (unsigned i = 0; i < N; i++)
        for (int p = 1; p < n; p++) {
            struct vc_chan_req r;
            post_recv(e, p, in, len, &r);
            cf_wait(e, &r, 1);
            cf_verify(e, in, len, p, 0, i);
        }
    free(in);
}

/** Several megabytes each way between small ones. */
static void large(struct cf_env *e)
{
    static const size_t lens[] = {5, 3 * 1024 * 1024 + 17, 0, 1024 * 1024, 1500000, 40};
    int n = e->ch->size, me = e->ch->rank, to = (me + 1) % n, from = (me + n - 1) % n;
    struct vc_chan_req s[6], r[6];
    char *out[6], *in[6];
    for (unsigned i = 0; i < 6; i++) {
        out[i] = buffer(e, lens[i]);
        in[i] = buffer(e, lens[i]);
        cf_fill(out[i], lens[i], me, to, i);
        post_recv(e, from, in[i], lens[i], &r[i]);
        post_send(e, to, out[i], lens[i], &s[i]);
    }
    cf_wait(e, s, 6);
    for (unsigned i = 0; i < 6; i++) {
        /* A completed send gives its buffer back. */
        memset(out[i], 0, lens[i]);
        free(out[i]);
    }
    cf_wait(e, r, 6);
    for (unsigned i = 0; i < 6; i++) {
        cf_verify(e, in[i], lens[i], from, me, i);
        free(in[i]);
    }
}

/** Everybody waits long enough to fall asleep, for a message and for room in a ring. */
static void sleepers(struct cf_env *e)
{
    int n = e->ch->size, me = e->ch->rank;
    for (int late = 0; late < n; late++) {
        uint64_t x = 0;
        struct vc_chan_req r;
        if (me == late) {
            usleep(15000);
            for (int p = 0; p < n; p++)
                if (p != me) {
                    x = (uint64_t)me;
                    post_send(e, p, &x, sizeof x, &r);
                    cf_wait(e, &r, 1);
                }
        } else {
            post_recv(e, late, &x, sizeof x, &r);
            cf_wait(e, &r, 1);
            if (x != (uint64_t)late)
                cf_die(e, "woken with the wrong message");
        }
    }
    if (n < 2)
        return;
    /* Ping-pong with uneven pauses: a wake-up that can be missed will be. */
    unsigned state = e->seed + 5;
    if (me < 2)
        for (uint64_t i = 0; i < 200; i++) {
            uint64_t x = i;
            struct vc_chan_req r;
            if ((i % 2) == (uint64_t)me) {
                if (next_random(&state) % 4 == 0)
                    usleep(next_random(&state) % 150);
                post_send(e, 1 - me, &x, sizeof x, &r);
            } else {
                post_recv(e, 1 - me, &x, sizeof x, &r);
            }
            cf_wait(e, &r, 1);
            if (x != i)
                cf_die(e, "ping-pong %llu brought %llu", (unsigned long long)i, (unsigned long long)x);
        }
}

static void refuses(struct cf_env *e)
{
    struct vc_chan_req r;
    char b = 0;
    if (e->ch->ops->isend(e->ch, e->ch->size, &b, 1, &r) >= 0 || e->ch->ops->irecv(e->ch, -5, &b, 1, &r) >= 0)
        cf_die(e, "a rank outside the communicator was accepted");
    if (e->ch->ops->progress(e->ch) < 0)
        cf_die(e, "a refused request made the channel unusable");
}

static void unfinished(struct cf_env *e)
{
    /* Even ranks send what nobody receives; everybody receives what nobody sends. */
    enum { LEN = 50000 };
    int n = e->ch->size, me = e->ch->rank;
    size_t ranks = (size_t)n;
    struct vc_chan_req *r = buffer(e, 3 * ranks * sizeof *r);
    char *out = buffer(e, LEN), *in = buffer(e, ranks * LEN);
    int k = 0;
    memset(in, 0x3c, ranks * LEN);
    memset(out, 1, LEN);
    for (int p = 0; p < n; p++) {
        if (me % 2 == 0 && p % 2 == 1) {
            post_send(e, p, out, 8, &r[k++]);
            post_send(e, p, out, LEN, &r[k++]);
        }
        if (p % 2 == 1 || (me % 2 == 0 && p != me))
            post_recv(e, p, in + (size_t)p * LEN, LEN, &r[k++]);
    }
    dawdle(e, 3000);
    e->ch->ops->destroy(e->ch);
    e->ch = NULL;
    for (size_t i = 0; i < ranks * LEN; i++)
        if (in[i] != 0x3c)
            cf_die(e, "a receive that nobody answered wrote its buffer");
    free(r);
    free(in);
    free(out);
}

void cf_run(struct cf_env *e)
{
    static const struct {
        const char *name;
        void (*fn)(struct cf_env *);
    } tests[] = {
        {"zero_length", zero_length},
        {"sizes", sizes},
        {"ordering", ordering},
        {"both_directions", both_directions},
        {"storm", storm},
        {"reductions", reductions},
        {"to_oneself", to_oneself},
        {"backpressure", backpressure},
        {"large", large},
        {"sleepers", sleepers},
        {"refuses", refuses},
    };
    bool verbose = getenv("VC_TEST_VERBOSE") != NULL && e->ch->rank == 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        current = tests[i].name;
        uint64_t t = vc_now_ns();
        tests[i].fn(e);
        cf_barrier(e);
        if (verbose)
            fprintf(stderr, "  %-16s %6.1f ms\n", current, (double)(vc_now_ns() - t) * 1e-6);
    }
    current = "unfinished";
    unfinished(e);
}
