/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults of the device at every verbs call in turn, one at a time, while ranks exchange messages of all
 * kinds: every message arrives, once, with the right bytes and in order, and no rank gets an error. Then the
 * exchange goes on until all paths that can come back carry messages again. Prints what was tried.
 */
#include "tests/loopback/loopback.h"
#include "tests/unit/conformance/conformance.h"
#include "tests/unit/verbs_rig.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Workers, which mostly sleep; rounds of an exchange before and after a timed fault; messages of a round
 * between two ranks; seconds for a round, and for one trial.
 */
enum { WORKERS = 8, ROUNDS = 14, MSGS = 6, WAIT_S = 30, BOUND_S = 60 };

/* {n}: 1, 2, 3, ... in turn, so that the fault strikes in all states of an exchange. */
static const struct kind {
    const char *fault;
    int times;         /* n up to this */
    int step;          /* of n */
    bool at_begin;     /* injected before the ranks meet */
    bool no_loss;      /* the path may stay as it is */
    const char *dev;   /* device, NULL: the usual one */
    bool event;        /* polling never calls this */
    bool stays_lost;   /* nothing goes over the device again */
    const char *later; /* injected when a path was lost */
    int again;         /* so often injected again when all paths are back */
} kinds[] = {
    {"fail=ibv_post_send:%d", 12, 5, .at_begin = false},
    {"fail=ibv_post_send:%d:-22", 2, 7, .at_begin = false},
    {"fail=ibv_post_srq_recv:%d", 2, 1, .no_loss = true},
    {"fail=ibv_post_recv:%d", 6, 9, .dev = "max_srq=0"},
    {"fail=ibv_poll_cq:%d", 6, 37, .at_begin = false},
    {"fail=ibv_req_notify_cq:%d", 3, 1, .event = true, .no_loss = true},
    {"fail=ibv_get_cq_event:%d", 2, 1, .event = true, .no_loss = true},
    {"fail=ibv_reg_mr:%d", 3, 1, .at_begin = false, .no_loss = true},
    {"fail=ibv_create_qp:%d", 2, 1, .at_begin = true, .no_loss = true},
    {"fail=ibv_create_qp:all", 1, 1, .at_begin = true, .stays_lost = true},
    {"fail=ibv_modify_qp:%d", 6, 1, .at_begin = true, .no_loss = true},
    {"fail=ibv_query_port:%d", 2, 1, .at_begin = true, .no_loss = true},
    {"fail=ibv_destroy_qp:1,qperr@%d", 2, 11, .at_begin = false},
    {"wcerr=12@%d", 12, 7, .at_begin = false},
    {"wcerr=10@%d", 4, 13, .at_begin = false},
    {"wcerr=5@%d", 4, 9, .dev = "max_inline=0"},
    {"qperr@%d", 12, 9, .at_begin = false},
    {"qperr@%d", 4, 15, .dev = "max_srq=0,max_inline=0"},
    {"qperr@%d", 4, 15, .dev = "max_qp_wr=8,max_cqe=48,max_srq_wr=16"},
    {"devfatal@%d", 4, 3, .at_begin = false},
    {"removed@%d", 2, 3, .stays_lost = true},
    {"removed@%d,plugged@50", 6, 3, .at_begin = false},
    {"removed@%d,plugged@50", 3, 5, .dev = "max_srq=0"},
    {"removed@%d", 3, 3, .later = "plugged@400"},
    {"removed@%d", 1, 1, .at_begin = true, .stays_lost = true},
    {"removed@%d,plugged@20", 2, 1, .at_begin = true},
    {"porterr@%d", 2, 4, .later = "portup@10"},
    {"cut@%d", 3, 3, .stays_lost = true},
    /* The way back fails: the message that proves it, steps before and after. */
    {"qperr@%d", 4, 9, .later = "wcerr=12@1"},
    {"qperr@%d", 4, 9, .later = "qperr@2"},
    {"qperr@%d", 3, 9, .later = "fail=ibv_post_send:1"},
    {"qperr@%d", 3, 9, .later = "fail=ibv_create_qp:1"},
    {"qperr@%d", 4, 9, .later = "fail=ibv_modify_qp:2"},
    {"qperr@%d", 3, 9, .later = "devfatal@252"},
    {"qperr@%d", 3, 9, .later = "removed@255,plugged@1"},
    {"qperr@%d", 3, 9, .again = 2},
    {"removed@%d,plugged@5", 3, 3, .again = 2},
    {"srqerr@%d", 2, 4, .no_loss = true},
};

struct trial {
    const struct kind *kind;
    int n, victim, number;
    enum vc_wait_mode mode;
    struct hs_node node;
    struct shared {
        struct vc_verbs_address address[4];
        uint64_t faults[4], stalled_ms[4];
        _Atomic uint64_t lost[4], regained[4];
        _Atomic int done, last_round; /* the latter is set by rank 0, */
        _Atomic bool through;         /* and this by the victim */
    } * shared;
};

static uint64_t faults_struck(void)
{
    void (*fn)(struct vc_loopback_stats *) = NULL;
    struct vc_loopback_stats s = {0};
    void *lib = dlopen(VC_LOOPBACK_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    *(void **)&fn = lib ? dlsym(lib, "vc_loopback_stats") : NULL;
    if (fn)
        fn(&s);
    return s.faults;
}

/* Bytes of message k of a round between two ranks: the same at both ends. Inline, in a slot, in pieces, and
 * by rendezvous. */
static size_t length_of(int round, int k, int from, int to)
{
    static const size_t sizes[] = {8, 0, 150, 900, 3000, 8, 17000, 120000, 8, 40};
    return sizes[(size_t)(round * 7 + k * 3 + from * 5 + to) % (sizeof sizes / sizeof *sizes)];
}

struct buffers {
    unsigned char *out[4][MSGS], *in[4][MSGS];
    struct vc_chan_req req[2 * 4 * MSGS];
};

static void wait_all(const struct trial *t, struct vc_chan *ch, struct vc_chan_req *req, int n, int me)
{
    uint64_t begun = vc_now_ns();
    vr_wait(t->mode, ch, req, n, me, WAIT_S);
    uint64_t ms = (vc_now_ns() - begun) / 1000000;
    if (ms > t->shared->stalled_ms[me])
        t->shared->stalled_ms[me] = ms;
}

static void one_round(const struct trial *t, struct vc_chan *ch, struct buffers *b, int me, int round)
{
    int n = 0;
    for (int k = 0; k < MSGS; k++)
        for (int d = 1; d < t->n; d++) {
            int to = (me + d) % t->n, from = (me + t->n - d) % t->n;
            size_t out = length_of(round, k, me, to), in = length_of(round, k, from, me);
            unsigned no = (unsigned)(round * MSGS + k);
            memset(b->in[from][k], 0xee, in + 1);
            cf_fill(b->out[to][k], out, me, to, no);
            if (ch->ops->irecv(ch, from, b->in[from][k], in, &b->req[n++]) != VC_OK ||
                ch->ops->isend(ch, to, b->out[to][k], out, &b->req[n++]) != VC_OK)
                vr_bad(me, "post");
        }
    wait_all(t, ch, b->req, n, me);
    for (int k = 0; k < MSGS; k++)
        for (int d = 1; d < t->n; d++) {
            int from = (me + t->n - d) % t->n;
            size_t in = length_of(round, k, from, me);
            struct cf_env e = {.ch = ch};
            cf_verify(&e, b->in[from][k], in, from, me, (unsigned)(round * MSGS + k));
            if (b->in[from][k][in] != 0xee)
                vr_bad(me, "written behind the end");
        }
}

/* What the victim does about it when a path is lost, and when all are back. True: nothing more is to come. */
static bool strike(const struct trial *t, const struct vc_verbs *v, const char *fault, bool lost, bool all)
{
    static uint64_t before;
    static int again;
    static bool told;
    const char *later = t->kind->later;
    if (lost && later && !told) {
        vr_inject(later);
        told = true;
    }
    /* One that strikes after a time may be still to come. */
    if (!all || vc_verbs_stats(v)->lost == before || (later && faults_struck() < 2))
        return false;
    if (again == t->kind->again)
        return true;
    before = vc_verbs_stats(v)->lost;
    again++;
    vr_inject(fault);
    return false;
}

/* Rounds go on while paths are to come back: rank 0 sees that all are, for some rounds, or that this has
 * taken too long, and tells after which round it ends. No rank is further than one round ahead. A path that
 * was lost unnoticed shows by then, because each round needs all of them. */
static void go_on(const struct trial *t, struct vc_verbs *v, struct vc_chan *ch, struct buffers *b, int me,
                  const char *fault)
{
    struct shared *s = t->shared;
    uint64_t until = vc_now_ns() + 20000000000u;
    int calm = 0;
    for (int i = ROUNDS; !t->kind->stays_lost && i <= s->last_round; i++) {
        bool lost = false, all = true;
        one_round(t, ch, b, me, i);
        s->lost[me] = vc_verbs_stats(v)->lost;
        s->regained[me] = vc_verbs_stats(v)->regained;
        for (int r = 0; r < t->n; r++) {
            lost |= s->lost[r] > 0;
            all &= s->lost[r] == s->regained[r];
        }
        if (me == t->victim)
            s->through = strike(t, v, fault, lost, all);
        calm = all && (s->through || t->kind->no_loss) ? calm + 1 : 0;
        if (me == 0 && s->last_round == INT_MAX && (calm == 8 || vc_now_ns() > until))
            s->last_round = i + 2;
        usleep(1000);
    }
}

static int trial_rank(int me, void *arg)
{
    const struct trial *t = arg;
    struct hs_rank hr;
    static struct buffers b;
    char fault[80];
    hs_join(&t->node, me, &hr);
    vc_log_setup(getenv("VC_TEST_LOG") ? VC_LOG_INFO : VC_LOG_ERROR, me);
    struct vc_verbs *v =
        vr_verbs((struct vc_verbs_cfg){.timeout_s = 1}, t->kind->dev, t->shared->address, &hr, t->n, me);
    struct vc_chan *ch = vr_chan(v, t->n, me, 7);
    for (int r = 0; r < t->n; r++)
        for (int k = 0; k < MSGS; k++)
            if (!(b.in[r][k] = malloc(1 << 17)) || !(b.out[r][k] = malloc(1 << 17)))
                vr_bad(me, "memory");
    snprintf(fault, sizeof fault, t->kind->fault, t->number); /* NOLINT: a table above */
    hs_meet(hr.start, t->n);
    if (t->kind->at_begin && me == t->victim)
        vr_inject(fault);
    for (int i = 0; i < 2; i++)
        one_round(t, ch, &b, me, i);
    if (!t->kind->at_begin && me == t->victim)
        vr_inject(fault);
    uint64_t until =
        vc_now_ns() + (strchr(fault, '@') && !strstr(fault, "qp") && !strstr(fault, "wc") ? 20000000u : 0);
    /* As many on all ranks; the loop of a timed fault lasts for its time. */
    for (int i = 2; i < ROUNDS; i++) {
        if (me == t->victim && until && i == ROUNDS - 3)
            while (vc_now_ns() < until)
                usleep(1000);
        one_round(t, ch, &b, me, i);
    }
    go_on(t, v, ch, &b, me, fault);
    t->shared->lost[me] = vc_verbs_stats(v)->lost;
    t->shared->regained[me] = vc_verbs_stats(v)->regained;
    t->shared->faults[me] = faults_struck();
    /* Others may still need what this rank has sent. */
    t->shared->done++;
    for (int i = 0; t->shared->done < t->n; i++) {
        if (ch->ops->progress(ch) < 0 || (i % 100 == 0 && ch->src->check(ch->src) != VC_OK))
            vr_bad(me, "after the end");
        usleep(500);
    }
    ch->ops->destroy(ch);
    vc_verbs_destroy(v);
    return 0;
}

struct tally {
    _Atomic int tried, struck, lost, regained;
    _Atomic uint64_t longest_ms;
};

static int run_trial(struct trial *t, struct tally *sum)
{
    char text[160];
    snprintf(text, sizeof text, t->kind->fault, t->number); /* NOLINT: a table above */
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "%s%s%s%s, rank %d of %d, %s", t->kind->dev ? ", " : "",
             t->kind->dev ? t->kind->dev : "", t->kind->later ? ", then " : "",
             t->kind->later ? t->kind->later : "", t->victim, t->n,
             t->mode == VC_WAIT_EVENT ? "event" : "poll");
    vr_where = text;
    t->node = hs_node_make(t->n, 1 << 16, 0);
    t->shared = hs_shared(sizeof *t->shared);
    t->shared->last_round = INT_MAX;
    int rc = hs_fork(t->n, trial_rank, t, BOUND_S);
    bool lost = false, struck = false, all = true;
    for (int r = 0; r < t->n; r++) {
        all &= t->shared->lost[r] == t->shared->regained[r];
        lost |= t->shared->lost[r] > 0;
        struck |= t->shared->faults[r] > 0;
        if (t->shared->stalled_ms[r] > sum->longest_ms)
            sum->longest_ms = t->shared->stalled_ms[r];
    }
    if (rc != 0)
        fprintf(stderr, "FAIL: %s\n", text);
    else if (!lost && !t->kind->no_loss)
        fprintf(stderr, "FAIL: %s: no path was lost\n", text), rc = 1;
    else if (!all && !t->kind->stays_lost && !t->kind->no_loss)
        fprintf(stderr, "FAIL: %s: a path did not come back\n", text), rc = 1;
    sum->tried++;
    sum->regained += lost && all;
    sum->struck += struck || lost;
    sum->lost += lost;
    hs_unshare(t->shared, sizeof *t->shared);
    hs_node_free(&t->node);
    return rc;
}

/* Every WORKERS-th trial. */
static int work(int worker, struct tally *sum)
{
    int i = 0, failed = 0;
    char fabric[80];
    const char *only = getenv("VC_TEST");
    snprintf(fabric, sizeof fabric, "/dev/shm/vc_lost.%ld.%d", (long)getppid(), worker);
    setenv("VC_LOOPBACK_FABRIC", fabric, 1);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int x = 0; x < kinds[k].times; x++, i++) {
            struct trial t = {.kind = &kinds[k], .number = 1 + x * kinds[k].step, .n = 2 + i % 3};
            t.victim = i / 3 % t.n;
            t.mode = kinds[k].event || i % 2 ? VC_WAIT_EVENT : VC_WAIT_AUTO;
            if (i % WORKERS == worker && (!only || strncmp(kinds[k].fault, only, strlen(only)) == 0))
                failed += run_trial(&t, sum) != 0;
        }
    return failed;
}

int main(void)
{
    struct tally *sum = hs_shared(sizeof *sum);
    pid_t pid[WORKERS];
    int failed = 0;
    for (int w = 0; w < WORKERS; w++) {
        pid[w] = fork();
        if (pid[w] == 0)
            _exit(work(w, sum) != 0);
    }
    for (int w = 0; w < WORKERS; w++) {
        int status = 1;
        waitpid(pid[w], &status, 0);
        failed |= status;
    }
    printf(
        "%d faults tried, %d struck, %d of them lost a path, %d of these regained it; the longest pause was "
        "%llu ms\n",
        sum->tried, sum->struck, sum->lost, sum->regained, (unsigned long long)sum->longest_ms);
    return failed != 0;
}
