/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/copy/copy.h"

#include "transport/base.h"
#include "transport/copy/variants.h"

#include <float.h>
#include <stdatomic.h>

const char *const vc_copy_words[VC_COPY_KINDS + 1] = {"auto",  "memcpy", "rep_movsb", "vector",
                                                      "claim", "stream", NULL};

/* Each role and each doubling of length from VC_COPY_LEAST to 1 MiB has a choice of its own. */
#define CLASS_FIRST 10
#define CLASSES     11
_Static_assert(VC_COPY_LEAST == 1 << CLASS_FIRST, "the first class begins where vc_copy_long() does");

/* Copies of each way in a trial, of which the median counts; so many that two strange ones do not matter. */
#define ROUNDS 7
/* Copies before the first trial, so that pages are mapped and the slots of a ring have been in use. */
#define WARM_UP 24
/* Copies from trial to trial: so many that trials take under a thousandth of the time. */
#define PERIOD 65536
/* A way that took that many times as long as the best one twice is tried no more. */
#define HOPELESS 2
/* The usual way is kept unless another takes at most this part of its time. */
#define BETTER 0.95F

#define NEVER UINT32_MAX

struct choice {
    _Atomic(vc_copy_fn) fn; /* NULL: memcpy() */
    _Atomic uint32_t left;  /* copies until the next one that is measured */
    _Atomic int kind;
    /* The trial; of the thread that has set `busy`. */
    _Atomic bool busy;
    bool warm;
    uint32_t random;
    unsigned in, todo; /* bits by kind: still in the trial; of these, to be tried in this round */
    int round;
    float ns[VC_COPY_KINDS][ROUNDS]; /* per kilobyte */
};

static struct choice choices[VC_COPY_ROLES][CLASSES];
static _Atomic int forced; /* enum vc_copy_kind */

static struct choice *choice_for(size_t n, enum vc_copy_role role)
{
    int log2 = 63 - __builtin_clzll(n | VC_COPY_LEAST), last = CLASS_FIRST + CLASSES - 1;
    return &choices[role][(log2 < last ? log2 : last) - CLASS_FIRST];
}

/* The way where nothing is known and no other is better. */
static enum vc_copy_kind usual(const struct choice *c)
{
    bool result = c >= choices[VC_COPY_RESULT] && vc_copy_find(VC_COPY_STREAM);
    return result ? VC_COPY_STREAM : VC_COPY_MEMCPY;
}

/* Relaxed: all functions do the same, and `left` is only a count. */
static void settle(struct choice *c, enum vc_copy_kind kind, uint32_t left)
{
    atomic_store_explicit(&c->fn, kind == VC_COPY_MEMCPY ? NULL : vc_copy_find(kind), memory_order_relaxed);
    atomic_store_explicit(&c->kind, (int)kind, memory_order_relaxed);
    atomic_store_explicit(&c->left, left, memory_order_relaxed);
}

static void run_chosen(struct choice *c, void *to, const void *from, size_t n)
{
    vc_copy_fn fn = atomic_load_explicit(&c->fn, memory_order_relaxed);
    if (fn)
        fn(to, from, n);
    else
        memcpy(to, from, n);
}

static float median(const float *v)
{
    float s[ROUNDS] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int k = i;
        for (; k > 0 && s[k - 1] > v[i]; k--)
            s[k] = s[k - 1];
        s[k] = v[i];
    }
    return s[ROUNDS / 2];
}

/* After the second round: leaves out what was slow twice. */
static void drop_hopeless(struct choice *c)
{
    float least = 0;
    for (int pass = 0; pass < 2; pass++)
        for (unsigned k = 0; k < VC_COPY_KINDS; k++) {
            if (!(c->in & 1u << k))
                continue;
            float t = c->ns[k][0] < c->ns[k][1] ? c->ns[k][0] : c->ns[k][1];
            if (pass == 0 && (least == 0 || t < least))
                least = t;
            if (pass == 1 && t > HOPELESS * least)
                c->in &= ~(1u << k);
        }
}

static enum vc_copy_kind fastest(const struct choice *c)
{
    enum vc_copy_kind best = usual(c);
    bool measured = c->in & 1u << best;
    float limit = measured ? BETTER * median(c->ns[best]) : 0;
    for (unsigned k = 0; k < VC_COPY_KINDS; k++) {
        if (!(c->in & 1u << k) || k == usual(c))
            continue;
        float t = median(c->ns[k]);
        if (!measured || t < limit) {
            measured = true;
            limit = t;
            best = (enum vc_copy_kind)k;
        }
    }
    return best;
}

/* Streaming stores to a slot may be fast, and still slow where the reader is near and would have found the
 * lines in a cache that both share. Where it is, changes. */
static bool may_try(unsigned kind, bool slot)
{
    return vc_copy_find((enum vc_copy_kind)kind) && !(slot && kind == VC_COPY_STREAM);
}

static void begin_trial(struct choice *c)
{
    c->in = 0;
    for (unsigned k = VC_COPY_MEMCPY; k < VC_COPY_KINDS; k++)
        if (may_try(k, c < choices[VC_COPY_RESULT]))
            c->in |= 1u << k;
    c->todo = c->in;
    c->round = 0;
}

/* One of those that are to be tried, at random: other ranks try at the same time, and what they do with the
 * other side's lines must not always go with the same way here. */
static unsigned draw(struct choice *c)
{
    c->random = c->random * 1664525u + 1013904223u;
    unsigned k = (c->random >> 16) % VC_COPY_KINDS;
    while (!(c->todo & 1u << k))
        k = (k + 1) % VC_COPY_KINDS;
    return k;
}

static void try_one(struct choice *c, void *to, const void *from, size_t n)
{
    unsigned k = draw(c);
    vc_copy_fn fn = vc_copy_find((enum vc_copy_kind)k);
    uint64_t begin = vc_now_ns();
    fn(to, from, n);
    vc_copy_drain();
    c->ns[k][c->round] = (float)(vc_now_ns() - begin) * 1024.0F / (float)n;
    c->todo &= ~(1u << k);
    if (c->todo)
        return;
    if (++c->round == 2)
        drop_hopeless(c);
    c->todo = c->in;
    if (c->round == ROUNDS) {
        settle(c, fastest(c), PERIOD);
        c->in = 0;
    }
}

/* A copy in which a trial begins or goes on. */
static __attribute__((noinline)) void copy_and_learn(struct choice *c, void *to, const void *from, size_t n)
{
    /* Acquire: pairs with the release below, when another thread has tried before. */
    if (atomic_exchange_explicit(&c->busy, true, memory_order_acquire)) {
        run_chosen(c, to, from, n);
        return;
    }
    int kind = atomic_load_explicit(&forced, memory_order_relaxed);
    if (kind != VC_COPY_AUTO || !vc_copy_variant(1)) {
        bool has = kind != VC_COPY_AUTO && vc_copy_find((enum vc_copy_kind)kind);
        settle(c, has ? (enum vc_copy_kind)kind : VC_COPY_MEMCPY, NEVER);
        run_chosen(c, to, from, n);
    } else if (!c->warm) {
        c->warm = true;
        c->random = (uint32_t)vc_now_ns();
        settle(c, usual(c), WARM_UP);
        run_chosen(c, to, from, n);
    } else {
        if (c->in == 0)
            begin_trial(c);
        try_one(c, to, from, n);
    }
    atomic_store_explicit(&c->busy, false, memory_order_release);
}

void vc_copy_long(void *to, const void *from, size_t n, enum vc_copy_role role)
{
    struct choice *c = choice_for(n, role);
    uint32_t left = atomic_load_explicit(&c->left, memory_order_relaxed);
    if (__builtin_expect(left == 0, 0)) {
        copy_and_learn(c, to, from, n);
        return;
    }
    atomic_store_explicit(&c->left, left - 1, memory_order_relaxed);
    run_chosen(c, to, from, n);
}

/* ---- races ---- */

/* Calls by each way, and calls from race to race. */
#define LAPS        8
#define RACE_PERIOD 16384

static vc_copy_fn find_or_memcpy(enum vc_copy_kind kind)
{
    vc_copy_fn fn = vc_copy_find(kind);
    return fn ? fn : vc_copy_find(VC_COPY_MEMCPY);
}

static void finish_race(struct vc_copy_race *r)
{
    unsigned best = VC_COPY_MEMCPY;
    for (unsigned k = best + 1; k < VC_COPY_KINDS; k++)
        if (may_try(k, true) && r->least[k] < r->least[best] * (best == VC_COPY_MEMCPY ? BETTER : 1))
            best = k;
    r->kind = (uint8_t)best;
    r->left = RACE_PERIOD;
    r->call = 1;
}

vc_copy_fn vc_copy_race_next(struct vc_copy_race *r, bool *measure)
{
    *measure = false;
    int kind = atomic_load_explicit(&forced, memory_order_relaxed);
    if (kind != VC_COPY_AUTO)
        return find_or_memcpy((enum vc_copy_kind)kind);
    if (r->call == 0) {
        r->call = 1;
        r->kind = VC_COPY_MEMCPY;
        r->left = WARM_UP;
    }
    if (r->left > 0) {
        r->left--;
        return find_or_memcpy((enum vc_copy_kind)r->kind);
    }
    /* In turn, the same on all ranks. */
    unsigned turn = r->call++ - 1u;
    if (turn == 0)
        for (int k = 0; k < VC_COPY_KINDS; k++)
            r->least[k] = FLT_MAX;
    if (turn == LAPS * VC_COPY_KINDS) {
        finish_race(r);
        return find_or_memcpy((enum vc_copy_kind)r->kind);
    }
    unsigned k = turn % VC_COPY_KINDS;
    *measure = may_try(k, true);
    r->kind = (uint8_t)(*measure ? k : VC_COPY_MEMCPY);
    return find_or_memcpy((enum vc_copy_kind)r->kind);
}

void vc_copy_race_took(struct vc_copy_race *r, uint64_t ns)
{
    if ((float)ns < r->least[r->kind])
        r->least[r->kind] = (float)ns;
}

/* ---- */

void vc_copy_stream(void *to, const void *from, size_t n)
{
    static _Atomic(vc_copy_fn) stream;
    vc_copy_fn fn = atomic_load_explicit(&stream, memory_order_relaxed);
    if (!fn) {
        fn = find_or_memcpy(VC_COPY_STREAM);
        atomic_store_explicit(&stream, fn, memory_order_relaxed);
    }
    fn(to, from, n);
}

void vc_copy_use(enum vc_copy_kind kind)
{
    atomic_store_explicit(&forced, (int)kind, memory_order_relaxed);
    for (int role = 0; role < VC_COPY_ROLES; role++)
        for (int i = 0; i < CLASSES; i++) {
            struct choice *c = &choices[role][i];
            c->warm = false;
            c->in = 0;
            settle(c, VC_COPY_MEMCPY, 0);
            atomic_store_explicit(&c->kind, VC_COPY_AUTO, memory_order_relaxed);
        }
}

enum vc_copy_kind vc_copy_chosen(size_t n, enum vc_copy_role role)
{
    return n < VC_COPY_LEAST
               ? VC_COPY_MEMCPY
               : (enum vc_copy_kind)atomic_load_explicit(&choice_for(n, role)->kind, memory_order_relaxed);
}
