/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/online/internal.h"

#include "coll/info.h"
#include "tune/params/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- size classes ---- */

/* Borders as in the tables: "up to 8k" and its like, so that few rules change inside of a class. */
static int class_of(size_t bytes)
{
    if (bytes <= 8)
        return bytes > 0;
    int c = 64 - __builtin_clzll((unsigned long long)bytes - 1) - 2;
    return c < CLASSES ? c : CLASSES - 1;
}

size_t vc_online_class_max(int size_class)
{
    return size_class == 0 ? 0 : (size_t)4 << size_class;
}

size_t vc_online_class_min(int size_class)
{
    return size_class == 0 ? 0 : size_class == 1 ? 1 : vc_online_class_max(size_class - 1) + 1;
}

static int key_of(enum vc_coll coll, bool commutative, int size_class)
{
    return ((int)coll * 2 + !commutative) * CLASSES + size_class;
}

/* ---- life ---- */

int vc_online_create(const struct vc_topo_key *key, const struct vc_selection *sel, double share,
                     struct vc_online **out)
{
    *out = NULL;
    struct vc_online *o = calloc(1, sizeof *o);
    if (!o)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the online tuning of %d ranks", key->size);
    o->key = key;
    o->sel = sel;
    o->rate = (int64_t)llround((share < 0 ? 0 : share > 1 ? 1 : share) * (double)CALL);
    *out = o;
    return VC_OK;
}

void vc_online_free(struct vc_online *o)
{
    for (int i = 0; o && i < KEYS; i++)
        free(o->slot[i]);
    free(o);
}

/* ---- candidates ---- */

static bool listed(const struct vc_choice *list, int n, const struct vc_choice *c)
{
    for (int i = 0; i < n; i++)
        if (vc_choice_same(&list[i], c))
            return true;
    return false;
}

struct adding {
    const struct vc_topo_key *key;
    const struct vc_select_call *call;
    struct vc_choice *out;
    int n;
};

static void add_candidate(struct adding *a, struct vc_choice c)
{
    /* Channel and way to wait are not compared here: they stay as selected. */
    if (c.alg->kind != VC_ALG_NATIVE)
        c.policy = a->out[0].policy;
    if (c.alg->kind == VC_ALG_PLAN)
        c.channel = a->out[0].channel;
    if (a->n < CANDS && !listed(a->out, a->n, &c) && !vc_select_refuses(a->key, a->call, &c))
        a->out[a->n++] = c;
}

int vc_online_candidates(const struct vc_topo_key *key, const struct vc_choice *selected,
                         const struct vc_select_call *call, struct vc_choice out[CANDS])
{
    struct adding a = {.key = key, .call = call, .out = out, .n = 1};
    out[0] = *selected;
    const struct vc_alg *const *algs = vc_alg_list(call->coll);
    for (int i = 0; algs[i]; i++)
        add_candidate(&a, (struct vc_choice){.alg = algs[i]});
    /* Variants where there is room. */
    for (int i = 0; algs[i]; i++) {
        if (algs[i]->params & VC_PARAM_RADIX)
            add_candidate(&a, (struct vc_choice){.alg = algs[i], .radix = 4});
        if ((algs[i]->params & VC_PARAM_LEADERS) && key->max_ppn > 2)
            add_candidate(&a, (struct vc_choice){.alg = algs[i], .leaders = 2});
        if ((algs[i]->params & VC_PARAM_SEGMENT) && call->bytes >= (size_t)128 << 10)
            add_candidate(&a, (struct vc_choice){.alg = algs[i], .segment = (size_t)64 << 10});
    }
    return a.n;
}

/* ---- slots ---- */

static struct online_slot *make_slot(const struct vc_choice *cands, int n, const struct vc_select_call *call)
{
    struct online_slot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->coll = call->coll;
    s->commutative = call->commutative;
    s->size_class = class_of(call->bytes);
    s->ncand = n;
    s->gain = 1;
    s->random = (uint64_t)key_of(s->coll, s->commutative, s->size_class) + 1;
    for (int i = 0; i < n; i++) {
        s->cand[i].choice = cands[i];
        s->cand[i].cost = CALL;
        if (cands[i].alg->kind == VC_ALG_NATIVE)
            s->native = i;
    }
    vc_online_search(s);
    return s;
}

/* Opens a slot when its calls have earned the first burst. Everything here is equal on all ranks, but for
 * whether there is memory, and that is what the verdict is about. */
static void open_slot(struct vc_online *o, int at, const struct vc_select_call *call,
                      struct vc_online_step *step)
{
    int64_t earned = (int64_t)o->calls[at] * o->rate;
    if (o->rate == 0 || o->calls[at] < WARM_UP || earned < (MEASURED + 2) * CALL)
        return;
    struct vc_choice cands[CANDS];
    int n = o->nslots < SLOTS ? vc_online_candidates(o->key, &step->choice, call, cands) : 0;
    if (n < 2) {
        o->state[at] = SLOT_CLOSED;
        return;
    }
    o->nslots++;
    o->slot[at] = make_slot(cands, n, call);
    if (o->slot[at]) {
        o->slot[at]->calls = o->calls[at];
        o->slot[at]->credit = earned;
    }
    o->state[at] = SLOT_ASKED;
    step->verdict = true;
}

/* ---- stepping ---- */

static uint64_t draw(struct online_slot *s)
{
    /* splitmix64 */
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int quota(const struct online_slot *s)
{
    return s->settled ? CHECK_BURSTS : 1 << s->round;
}

/* The next challenger that owes bursts, round robin; -1: none. */
static int next_challenger(const struct online_slot *s)
{
    if (s->settled) {
        const struct online_cand *c = &s->cand[s->control];
        return c->alive && c->bursts < quota(s) ? s->control : -1;
    }
    for (int k = 1; k <= s->ncand; k++) {
        int i = (s->last + k) % s->ncand;
        if (i != s->now && s->cand[i].alive && s->cand[i].bursts < quota(s))
            return i;
    }
    return -1;
}

/* Whether a burst is under way now, after perhaps starting one. */
static bool in_burst(struct online_slot *s)
{
    if (s->against >= 0)
        return true;
    if (s->due || (s->settled && s->control < 0))
        return false;
    if (s->pause > 0) {
        s->pause--;
        return false;
    }
    int next = next_challenger(s);
    if (next < 0) {
        s->due = s->credit >= CALL;
        return false;
    }
    if (s->credit < (MEASURED + 1) * s->cand[next].cost)
        return false;
    uint64_t r = draw(s);
    s->against = s->last = next;
    s->at = 0;
    s->swapped = r & 1;
    s->pause = (int)(r >> 1 & 7);
    return true;
}

static void earn(const struct vc_online *o, struct online_slot *s)
{
    /* What is settled is checked rarely, when its search is paid. Idle slots save up no more than a few
     * bursts. */
    s->credit += s->settled && s->credit > 0 ? o->rate / 8 : o->rate;
    int64_t most = 4 * BURST * CALL;
    if (s->settled && s->control >= 0)
        most += BURST * s->cand[s->control].cost;
    if (s->settled && s->credit > most)
        s->credit = most;
}

static void run_burst(struct online_slot *s, struct vc_online_step *step)
{
    struct online_cand *c = &s->cand[s->against];
    bool second = s->at > MEASURED, warm = s->at % (MEASURED + 1) == 0;
    int burst = c->total % KEPT * MEASURED;
    if (s->at == 0)
        for (int i = burst; i < burst + MEASURED; i++)
            c->time[i] = c->base[i] = 0;
    step->cand = s->against;
    step->trial = !warm;
    step->sample = burst + (warm ? 0 : s->at % (MEASURED + 1) - 1);
    step->other = second != s->swapped;
    if (step->other) {
        s->credit -= c->cost;
        c->calls++;
        s->trials++;
    }
    if (++s->at == BURST) {
        c->bursts++;
        c->total++;
        s->against = -1;
    }
}

void vc_online_next(struct vc_online *o, enum vc_coll coll, size_t bytes, bool commutative,
                    struct vc_online_step *step)
{
    if (!vc_coll_by_size(coll)) /* ranks may differ in it */
        bytes = 0;
    int at = key_of(coll, commutative, class_of(bytes));
    *step = (struct vc_online_step){
        .choice = *vc_select(o->sel, coll, bytes, commutative), .selected = true, .slot = at, .cand = -1};
    struct online_slot *s = o->slot[at];
    switch ((enum slot_state)o->state[at]) {
    case SLOT_CLOSED:
        return;
    case SLOT_ASKED: /* again: the caller has not brought the answer */
        step->verdict = true;
        return;
    case SLOT_NONE:
        o->calls[at]++;
        open_slot(
            o, at,
            &(struct vc_select_call){.coll = coll, .bytes = bytes, .esize = 8, .commutative = commutative},
            step);
        return;
    case SLOT_LIVE:
        break;
    }
    s->calls++;
    earn(o, s);
    if (s->settled && s->calls >= s->again && s->against < 0 && s->credit >= CALL)
        vc_online_search(s);
    int run = s->now;
    if (in_burst(s)) {
        run_burst(s, step);
        run = step->other ? step->cand : s->now;
    } else if (s->due) {
        step->verdict = true;
    }
    if (run != 0) {
        step->choice = s->cand[run].choice;
        step->selected = false;
    }
}

void vc_online_time(struct vc_online *o, const struct vc_online_step *step, double seconds)
{
    struct online_slot *s = o->slot[step->slot];
    if (!s || !step->trial || step->cand < 0 || !isfinite(seconds))
        return;
    struct online_cand *c = &s->cand[step->cand];
    float t = seconds < 1e-9 ? 1e-9F : seconds > 1e9 ? 1e9F : (float)seconds;
    if (step->other)
        c->time[step->sample] = t;
    else
        c->base[step->sample] = t;
}

void vc_online_refused(struct vc_online *o, const struct vc_online_step *step)
{
    struct online_slot *s = o->slot[step->slot];
    if (!s || !step->other || step->cand < 0)
        return;
    s->cand[step->cand].gone = true;
    s->cand[step->cand].alive = false;
    s->against = -1;
}

/* ---- verdicts ---- */

double *vc_online_scores(struct vc_online *o, int slot, int *n)
{
    struct online_slot *s = o->slot[slot];
    o->scores[0] = !s;
    *n = o->state[slot] == SLOT_LIVE ? vc_online_fill_scores(s, o->scores) : 1;
    return o->scores;
}

void vc_online_decide(struct vc_online *o, int slot, const double *scores)
{
    struct online_slot *s = o->slot[slot];
    if (o->state[slot] == SLOT_LIVE) {
        vc_online_verdict(s, scores);
        return;
    }
    if (scores[0] > 0) {
        free(s);
        o->slot[slot] = NULL;
        o->state[slot] = SLOT_CLOSED;
    } else {
        s->credit -= CALL;
        o->state[slot] = SLOT_LIVE;
    }
}

void vc_online_verdict_took(struct vc_online *o, int slot, double seconds)
{
    struct online_slot *s = o->slot[slot];
    /* The shortest: what else it waited for is not its fault. */
    if (s && isfinite(seconds) && (s->verdict_seconds <= 0 || seconds < s->verdict_seconds))
        s->verdict_seconds = seconds;
}

/* ---- what was found ---- */

void vc_online_each(const struct vc_online *o,
                    void (*row)(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max,
                                bool commutative, const struct vc_choice *choice, double gain, long trials),
                    void *arg)
{
    for (int i = 0; i < KEYS; i++) {
        const struct online_slot *s = o->slot[i];
        if (!s || !s->decided || o->state[i] != SLOT_LIVE)
            continue;
        size_t min = vc_online_class_min(s->size_class), max = vc_online_class_max(s->size_class);
        const struct vc_choice *choice = &s->cand[s->now].choice;
        if (s->now == 0) {
            choice = vc_select(o->sel, s->coll, min, s->commutative);
            if (choice != vc_select(o->sel, s->coll, max, s->commutative))
                continue;
        }
        row(arg, s->coll, min, max, s->commutative, choice, s->gain, s->trials);
    }
}
